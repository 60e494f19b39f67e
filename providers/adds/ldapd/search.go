package ldapd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"hellolab/providers/adds/ldapfilter"
	"hellolab/providers/wire/ldapmsg"
)

// search serves a search: the root, the next page of an earlier one, or what
// the backend finds.
func (c *conn) search(ctx context.Context, r *Request, op *ldapmsg.Search, done *outcome) error {
	if paged := r.Controls.Paged; paged != nil && len(paged.Cookie) > 0 {
		return c.nextPage(paged, pageKey(op), done)
	}
	if op.TimeLimit > 0 && time.Duration(op.TimeLimit) < c.server.limits.QueryTime/time.Second {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(op.TimeLimit)*time.Second)
		defer cancel()
	}
	g := &gathering{server: c.server, done: done, selection: Select(op.Attributes), op: op, limit: c.limit(r, op)}
	err := c.find(ctx, r, op, g)
	switch {
	case err == nil && g.full != nil:
		err = g.full
	case err != nil && g.full == nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = ctx.Err() // whatever the backend made of it
	}
	if paged := r.Controls.Paged; paged != nil && (err == nil || c.isSizeLimit(err)) {
		return c.firstPage(paged, pageKey(op), err, done)
	}
	return err
}

func (c *conn) isSizeLimit(err error) bool {
	var e *ldapmsg.Error
	return errors.As(err, &e) && e.Code == ldapmsg.SizeLimitExceeded
}

// limit is how many entries a search may find: the client's limit, and without
// pages the server's (MS-ADTS 3.1.1.3.4.6, MaxPageSize).
func (c *conn) limit(r *Request, op *ldapmsg.Search) int {
	limit := op.SizeLimit
	if r.Controls.Paged == nil && r.Controls.DirSync == nil && (limit == 0 || limit > c.server.limits.PageSize) {
		limit = c.server.limits.PageSize
	}
	return limit
}

func (c *conn) find(ctx context.Context, r *Request, op *ldapmsg.Search, g *gathering) error {
	if op.Base != "" || op.Scope != ldapmsg.BaseObject {
		return c.server.config.Backend.Search(ctx, r, op, g.found)
	}
	root, err := c.server.config.Backend.RootDSE(ctx, r)
	if err != nil {
		return err
	}
	root = c.server.completeRoot(root)
	values := func(name string) [][]byte {
		for _, a := range root.Attributes {
			if strings.EqualFold(a.Name, name) {
				return a.Values
			}
		}
		return nil
	}
	if ldapfilter.Compile(op.Filter, rootSchema{}).Match(ldapfilter.Attributes(values)) != ldapfilter.True {
		return nil
	}
	return g.found(root)
}

// rootSchema compares what the root holds: names and text. The root has no
// class in its attributes, and still answers the filter that everybody asks
// with.
type rootSchema struct{}

func (rootSchema) Attribute(name string) (ldapfilter.Attribute, bool) {
	return ldapfilter.Attribute{Name: name, Syntax: ldapfilter.CaseIgnoreString}, true
}

// completeRoot adds what the server knows.
func (s *Server) completeRoot(e *Entry) *Entry {
	controls := append([]string{ldapmsg.ControlPaged}, s.config.Controls...)
	slices.Sort(controls)
	extensions := []string{ldapmsg.WhoAmI}
	if s.config.TLS != nil {
		extensions = append(extensions, ldapmsg.StartTLS)
	}
	extensions = append(extensions, slices.Sorted(maps.Keys(s.config.Extended))...)
	own := []Attribute{
		textAttribute("supportedControl", slices.Compact(controls)),
		textAttribute("supportedExtension", extensions),
		textAttribute("supportedLDAPVersion", []string{"3"}),
		textAttribute("supportedSASLMechanisms", s.config.Mechanisms),
	}
	out := &Entry{DN: e.DN}
	for _, a := range e.Attributes {
		if !slices.ContainsFunc(own, func(o Attribute) bool { return strings.EqualFold(o.Name, a.Name) }) {
			out.Attributes = append(out.Attributes, a)
		}
	}
	for _, a := range own {
		if len(a.Values) > 0 {
			out.Attributes = append(out.Attributes, a)
		}
	}
	// objectClass is not shown unless asked for, and makes "(objectClass=*)" hold.
	if !slices.ContainsFunc(out.Attributes, func(a Attribute) bool { return strings.EqualFold(a.Name, "objectClass") }) {
		class := textAttribute("objectClass", []string{"top"})
		class.Operational = true
		out.Attributes = append(out.Attributes, class)
	}
	return out
}

func textAttribute(name string, values []string) Attribute {
	a := Attribute{Name: name}
	for _, v := range values {
		a.Values = append(a.Values, []byte(v))
	}
	return a
}

// gathering collects what a search finds.
type gathering struct {
	server    *Server
	done      *outcome
	selection Selection
	op        *ldapmsg.Search
	limit     int // 0: none
	entries   int
	full      *ldapmsg.Error // why no more is taken
}

// found keeps an entry as it will be sent.
func (g *gathering) found(e *Entry) error {
	if g.full != nil {
		return g.full
	}
	if g.limit > 0 && g.entries == g.limit && len(e.Referral) == 0 {
		g.full = ldapmsg.Errorf(ldapmsg.SizeLimitExceeded, ldapmsg.ErrorSizeLimitExceeded, "There are more than %d entries.", g.limit)
		return g.full
	}
	op, err := g.encode(e)
	if err != nil {
		return err
	}
	if !g.server.reserve(len(op)) {
		g.full = ldapmsg.Errorf(ldapmsg.AdminLimitExceeded, ldapmsg.ErrorAdminLimitExceeded, "The result is too large.")
		return g.full
	}
	g.done.reserved += len(op)
	g.done.ops = append(g.done.ops, op)
	if len(e.Referral) == 0 {
		g.entries++
		g.done.Entries = g.entries
	}
	return nil
}

func (g *gathering) encode(e *Entry) ([]byte, error) {
	if len(e.Referral) > 0 {
		return ldapmsg.EncodeReference(e.Referral)
	}
	entry := ldapmsg.ResultEntry{DN: e.DN, Attributes: g.selection.apply(e.Attributes, g.op.TypesOnly, g.server.limits.ValueRange)}
	return entry.Encode()
}

// pageKey tells searches apart: a cookie is good for the search that it is of
// only (RFC 2696 3).
func pageKey(op *ldapmsg.Search) string {
	return fmt.Sprintf("%q %d %t %d %q %q", op.Base, op.Scope, op.TypesOnly, op.SizeLimit, op.Attributes, op.Filter.String())
}
