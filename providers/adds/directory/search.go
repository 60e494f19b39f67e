package directory

import (
	"context"
	"errors"
	"slices"
	"strings"

	"hellolab/providers/adds/ldapfilter"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/sid"
)

// Entry is an object as a search shows it.
type Entry struct {
	DN         string
	Attributes []Shown
}

// Shown is an attribute of an Entry.
type Shown struct {
	Name        string
	Values      [][]byte
	Operational bool // shown only when it is asked for by name
}

// Search calls found for each object of the scope that the filter holds for,
// parents before children. extended, if set, is the form of all names.
func (d *Directory) Search(ctx context.Context, who *Requester, op *ldapmsg.Search, extended *ldapmsg.ExtendedDNForm, found func(Entry) error) error {
	if !d.rights.mayRead(who) {
		return ldapmsg.BindRequired()
	}
	if p, err := pathOf(op.Base); err == nil && p == d.aggregate {
		return d.searchSubschema(op, found)
	}
	return d.view(func(r reader) error {
		s := &search{d: d, r: r, op: op, extended: extended}
		s.matcher = ldapfilter.Compile(op.Filter, s)
		base, err := s.base()
		if err != nil {
			return err
		}
		if base != nil && d.hides(who, base) {
			return r.hidden(base)
		}
		return s.candidates(base, func(o *object) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if d.hides(who, o) {
				return nil
			}
			at := &seen{search: s, o: o}
			match := s.matcher.Match(at)
			if at.err != nil || match != ldapfilter.True {
				return at.err
			}
			e, err := s.show(o)
			if err != nil {
				return err
			}
			return found(e)
		})
	})
}

// search is one search in progress.
type search struct {
	d        *Directory
	r        reader
	op       *ldapmsg.Search
	extended *ldapmsg.ExtendedDNForm
	matcher  *ldapfilter.Matcher

	attributes map[string][]*Attribute // see shown; by classes
}

// base finds where a search begins. The empty name is, of a search below it,
// the whole directory (what global catalog clients ask for): nil.
func (s *search) base() (*object, error) {
	if s.op.Base == "" && s.op.Scope != ldapmsg.BaseObject {
		return nil, nil
	}
	return s.r.resolve(s.op.Base)
}

// candidates calls fn for the objects of the scope, or, where the filter names
// a value that an index has, for those alone.
func (s *search) candidates(base *object, fn func(*object) error) error {
	var under path
	if base != nil {
		var err error
		if under, err = pathOf(base.DN); err != nil {
			return err
		}
	}
	if base != nil && s.op.Scope == ldapmsg.BaseObject {
		return fn(base)
	}
	if o, ok, err := s.pointed(s.op.Filter); ok || err != nil {
		if o == nil || err != nil {
			return err
		}
		at, err := pathOf(o.DN)
		if err != nil || !s.within(under, at) {
			return err
		}
		return fn(o)
	}
	return s.r.Scan(tableTree, string(under), func(key string, id []byte) error {
		if !s.within(under, path(key)) {
			return nil
		}
		o, err := s.r.object(string(id))
		if err != nil {
			return err
		}
		return fn(o)
	})
}

// within says whether a path is in the scope below under.
func (s *search) within(under, at path) bool {
	rest, ok := strings.CutPrefix(string(at), string(under))
	if !ok {
		return false
	}
	if s.op.Scope == ldapmsg.SingleLevel {
		return rest != "" && onePart(rest)
	}
	return true
}

// onePart says whether the end of a path is one part: no comma that is not
// escaped but the last.
func onePart(rest string) bool {
	for i := 0; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			i++
		case ',':
			return i == len(rest)-1
		}
	}
	return false
}

// pointed finds the one object that a filter can hold for, when it says the
// value of an indexed attribute: alone, or with other conditions. ok without an
// object means none.
func (s *search) pointed(f ldapmsg.Filter) (o *object, ok bool, err error) {
	switch f := f.(type) {
	case ldapmsg.And:
		for _, each := range f {
			if o, ok, err := s.pointed(each); ok || err != nil {
				return o, ok, err
			}
		}
	case ldapmsg.Equal:
		a := s.d.schema.Attribute(f.Attribute)
		if a == nil || !a.has(unique) {
			return nil, false, nil
		}
		value := f.Value
		if a.Syntax == SIDSyntax {
			id, err := readSID(value)
			if err != nil {
				return nil, false, nil
			}
			value = id.Bytes()
		}
		o, err := s.r.indexed(a.Name, string(value))
		if errors.Is(err, errNotFound) {
			return nil, true, nil
		}
		return o, err == nil, err
	}
	return nil, false, nil
}

// readSID takes the packet form and the text: filters have both.
func readSID(value []byte) (sid.SID, error) {
	if len(value) > 1 && (value[0] == 'S' || value[0] == 's') && value[1] == '-' {
		return sid.Parse(string(value))
	}
	return sid.Decode(value)
}

// Attribute makes a search the schema of its filter. Secrets are no attributes
// to it: nobody learns one by asking.
func (s *search) Attribute(name string) (ldapfilter.Attribute, bool) {
	a := s.d.schema.Attribute(name)
	if a == nil || a.has(secret) {
		return ldapfilter.Attribute{}, false
	}
	out := ldapfilter.Attribute{Name: a.Name, Syntax: a.Syntax.Match}
	switch {
	case a.Name == "objectCategory":
		out.Rewrite = s.category
	case a.Name == "objectClass":
		out.Rewrite = s.class
	case a.Syntax == DN:
		out.Rewrite = s.name
	}
	return out, true
}

// category lets a filter name a category by its class (MS-ADTS 3.1.1.3.1.3.5).
func (s *search) category(value []byte) ([]byte, bool) {
	if strings.Contains(string(value), "=") {
		return value, true
	}
	c := s.d.schema.Class(string(value))
	if c == nil {
		return nil, false
	}
	return []byte(s.d.category(c)), true
}

func (s *search) class(value []byte) ([]byte, bool) {
	c := s.d.schema.Class(string(value))
	if c == nil {
		return nil, false
	}
	return []byte(c.Name), true
}

// name turns an extended name in a filter into the DN.
func (s *search) name(value []byte) ([]byte, bool) {
	if len(value) == 0 || value[0] != '<' {
		return value, true
	}
	o, err := s.r.resolve(string(value))
	if err != nil {
		return nil, false
	}
	return []byte(o.DN), true
}

// Linked follows links for the rule of chains.
func (s *search) Linked(attribute string, values [][]byte, target []byte) bool {
	goal, err := pathOf(string(target))
	if err != nil {
		return false
	}
	a := s.d.schema.Attribute(attribute)
	done := map[path]bool{}
	for next := slices.Clone(values); len(next) > 0; {
		text := string(next[0])
		next = next[1:]
		if a.Syntax == DNBinary {
			b, err := ldapmsg.ParseDNBinary(text)
			if err != nil {
				continue
			}
			text = b.DN
		}
		p, err := pathOf(text)
		if err != nil || done[p] {
			continue
		}
		if p == goal {
			return true
		}
		done[p] = true
		if o, err := s.r.atPath(p); err == nil {
			if more, err := s.d.values(s.r, o, a); err == nil {
				next = append(next, more...)
			}
		}
	}
	return false
}

// seen is an object as a filter sees it.
type seen struct {
	*search
	o   *object
	err error
}

// Values makes it an entry of package ldapfilter.
func (s *seen) Values(name string) [][]byte {
	v, err := s.d.values(s.r, s.o, s.d.schema.Attribute(name))
	s.err = errors.Join(s.err, err)
	return v
}

// show makes the entry of an object, with what the search asks for.
func (s *search) show(o *object) (Entry, error) {
	e := Entry{DN: s.spelled(o)}
	for _, a := range s.shown(o.Classes) {
		v, err := s.d.values(s.r, o, a)
		if err != nil {
			return e, err
		}
		if len(v) == 0 {
			continue
		}
		if s.extended != nil && (a.Syntax == DN || a.has(backLink)) {
			v = s.extend(v)
		}
		e.Attributes = append(e.Attributes, Shown{Name: a.Name, Values: v, Operational: hidden(a)})
	}
	return e, nil
}

// hidden attributes are shown only when they are asked for by name.
func hidden(a *Attribute) bool { return a.has(constructed | operational) }

// shown lists what the search asks for of objects of these classes. It is the
// same for all of them, and is worked out once.
func (s *search) shown(classes []string) []*Attribute {
	key := strings.Join(classes, " ")
	if list, ok := s.attributes[key]; ok {
		return list
	}
	all, named := len(s.op.Attributes) == 0, map[string]bool{}
	for _, description := range s.op.Attributes {
		name, _, _ := strings.Cut(description, ";")
		if name == "*" {
			all = true
		}
		if a := s.d.schema.Attribute(name); a != nil {
			named[a.Name] = true
		}
	}
	var list []*Attribute
	allowed := s.d.schema.allows(classes)
	for i := range attributes {
		a := &attributes[i]
		if !a.has(secret) && (named[a.Name] || all && !hidden(a)) && allowed(a) {
			list = append(list, a)
		}
	}
	if s.attributes == nil {
		s.attributes = map[string][]*Attribute{}
	}
	s.attributes[key] = list
	return list
}

func (s *search) spelled(o *object) string {
	if s.extended == nil {
		return o.DN
	}
	id, _ := sid.Decode([]byte(o.first("objectSid"))) // zero where there is none
	return ldapmsg.ExtendedDN(*s.extended, o.ID, id, o.DN)
}

// extend writes names in the extended form. A name of no object stays.
func (s *search) extend(names [][]byte) [][]byte {
	out := slices.Clone(names)
	for i, n := range names {
		if o, err := s.r.resolve(string(n)); err == nil {
			out[i] = []byte(s.spelled(o))
		}
	}
	return out
}

// Compare says whether an object has a value.
func (d *Directory) Compare(ctx context.Context, who *Requester, op *ldapmsg.Compare) (bool, error) {
	a := d.schema.Attribute(op.Attribute)
	if a == nil || a.has(secret) {
		return false, ldapmsg.Errorf(ldapmsg.NoSuchAttribute, ldapmsg.ErrorAttributeTypeUndefined, "The schema has no attribute %q to compare.", clip(op.Attribute))
	}
	same := false
	ask := &ldapmsg.Search{Base: op.DN, Scope: ldapmsg.BaseObject, Filter: ldapmsg.Equal{Attribute: a.Name, Value: op.Value}, Attributes: []string{"1.1"}}
	err := d.Search(ctx, who, ask, nil, func(Entry) error { same = true; return nil })
	return same, err
}
