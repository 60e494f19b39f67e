package connect

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/connect"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/web"
)

// cycle is one run.
type cycle struct {
	env    providers.Env
	set    *settings
	parts  []connect.Part
	report *connect.Report
	flow   hello.Flow // "" when the caller's flow asked for the cycle
	phase  string     // of it

	domain *adldap.Conn
	tenant *graph.Client

	objects map[string]*imported // of the domain, by objectGUID
	joined  map[string]*joined   // what was written to the tenant, by objectGUID
	dirty   map[string]bool      // of joined: to be stored
	seen    map[string]*seen     // of the tenant, by collection "/" object id
}

// run is a cycle from beginning to end. What a directory refuses is in the
// report; an error is the server's own failure.
func run(ctx context.Context, env providers.Env, q connect.Request) (*connect.Report, error) {
	set, err := loadSettings(env)
	if err != nil {
		return nil, err
	}
	at, err := loadSchedule(env)
	if err != nil {
		return nil, err
	}
	c := &cycle{env: env, set: set, parts: parts(set.In, q.Parts), dirty: map[string]bool{}}
	c.report = &connect.Report{Parts: c.parts, Began: stamp(env.Now()), Reason: q.Reason, Initial: q.Initial, Staging: set.In.Staging, Result: connect.Success}
	if q.Own {
		c.flow = hello.KS
	}
	c.tell(ctx, event.Event{Step: "cycle_began", Text: "Connect begins " + c.called("a") + ".", Message: map[string]any{"parts": names(c.parts), "reason": q.Reason, "initial": q.Initial, "staging": set.In.Staging}})
	if c.joined, err = c.load(); err != nil {
		return nil, err
	}
	if err := c.phases(ctx, q.Initial); err != nil {
		var stopped *stop
		if !errors.As(err, &stopped) {
			return nil, err
		}
		c.report.Result = connect.Stopped
		c.problem(ctx, stopped.stage, stopped.object, stopped.err, true)
	} else if len(c.report.Errors) > 0 {
		c.report.Result = connect.CompletedErrors
	}
	c.report.Ended, c.phase = stamp(env.Now()), ""
	c.tell(ctx, event.Event{Step: "sync_cycle", Text: "Connect ends " + c.called("the") + ".", Message: summary(c.report)})
	at.ran(set.In, c.report, env.Now())
	return c.report, storeSchedule(ctx, env, at)
}

// does says whether the cycle has a part.
func (c *cycle) does(p connect.Part) bool { return slices.Contains(c.parts, p) }

// called is what the cycle is called, by its parts.
func (c *cycle) called(article string) string {
	switch {
	case c.does(connect.Accounts):
		return article + " synchronization cycle"
	case !c.does(connect.DeviceWriteback):
		return "an export of keys by itself"
	case !c.does(connect.KeyExport):
		return "a write-back of devices by itself"
	}
	return "an export of keys and a write-back of devices"
}

// names are parts as words.
func names(parts []connect.Part) (out []string) {
	for _, p := range parts {
		out = append(out, string(p))
	}
	return out
}

// summary is what a cycle did, without what it did not.
func summary(r *connect.Report) map[string]any {
	m := map[string]any{"result": string(r.Result), "parts": names(r.Parts)}
	n := r.Counts
	for name, count := range map[string]int{
		"users_added": n.Users.Added, "users_changed": n.Users.Updated, "users_removed": n.Users.Deleted,
		"groups_added": n.Groups.Added, "groups_changed": n.Groups.Updated, "groups_removed": n.Groups.Deleted,
		"devices_added": n.Devices.Added, "devices_changed": n.Devices.Updated, "devices_removed": n.Devices.Deleted,
		"passwords": n.Passwords, "keys_written": n.Keys.Added, "keys_removed": n.Keys.Deleted,
		"devices_written_back": n.Written.Added, "devices_written_back_changed": n.Written.Updated, "devices_written_back_removed": n.Written.Deleted,
		"errors": len(r.Errors), "warnings": len(r.Warnings),
	} {
		if count != 0 {
			m[name] = count
		}
	}
	return m
}

// phases are the steps of a cycle, in order.
func (c *cycle) phases(ctx context.Context, initial bool) error {
	if err := c.importDomain(ctx); err != nil {
		return err
	}
	defer c.domain.Close()
	if c.does(connect.KeyExport) {
		c.phase = phaseKeys
	}
	if err := c.importTenant(ctx, initial); err != nil {
		return err
	}
	defer c.tenant.Close()
	c.phase = ""
	if c.set.In.Staging {
		c.tell(ctx, event.Event{Step: "export_skipped", Text: "Connect exports nothing: it is in staging mode.", Outcome: event.Skipped,
			Reason: &event.Reason{Code: "staging", Sentence: "The server is in staging mode.", Hint: "Set staging = false."}})
		return nil
	}
	if c.does(connect.Accounts) {
		c.tell(ctx, event.Event{Peer: event.Graph, Protocol: "HTTPS", Step: "tenant_export_began", Text: "Connect writes to the tenant what the domain says otherwise."})
		if err := c.exportTenant(ctx); err != nil {
			return err
		}
	}
	if err := c.keys(ctx); err != nil {
		return err
	}
	if c.does(connect.DeviceWriteback) {
		if err := c.cloudIssuers(ctx); err != nil {
			return err
		}
		return c.writeBack(ctx)
	}
	return nil
}

// phaseKeys is the documents' letter for the way of a key: Connect asks for
// updates, the tenant sends the key, Connect writes it (P4, phase D).
const phaseKeys = "D"

// Stages of a cycle, as reports name them.
const (
	stageImportDomain = "import domain"
	stageImportTenant = "import tenant"
	stageExportTenant = "export tenant"
	stageExportDomain = "export domain"
	stageWriteBack    = "write back"
)

// stop is what ends a cycle before its end: a directory that does not answer.
type stop struct {
	stage  string
	object string // distinguished name, where it is one object that cannot be read
	err    error
}

func (s *stop) Error() string { return s.stage + ": " + s.err.Error() }
func (s *stop) Unwrap() error { return s.err }

// joined is an object of the domain that was written to the tenant.
type joined struct {
	Collection string      `json:"collection"` // "users", "groups", "devices"
	ID         string      `json:"id"`         // object id in the tenant; "" when it is gone there
	Sent       *attributes `json:"sent,omitempty"`
	KeyVersion int         `json:"key_version,omitempty"` // of the password that was carried
	Members    []string    `json:"members,omitempty"`     // object ids in the tenant, of a group
	Keys       [][]byte    `json:"keys,omitempty"`        // values of msDS-KeyCredentialLink that are Connect's; more may stand here than there
}

func (c *cycle) load() (out map[string]*joined, err error) {
	err = c.env.Section.View(func(r providers.Reader) error {
		out, err = all[joined](r, tableJoined)
		return err
	})
	return out, err
}

// save stores what was written so far. A cycle that is cut off before finds
// again what it wrote: users by their anchor, groups by identifier, devices by
// device id.
func (c *cycle) save(ctx context.Context) error {
	if len(c.dirty) == 0 {
		return nil
	}
	err := c.env.Section.Record(ctx, func(w providers.Writer) error {
		for id := range c.dirty {
			j, ok := c.joined[id]
			if !ok {
				if err := w.Delete(tableJoined, id); err != nil {
					return err
				}
				continue
			}
			if err := put(w, tableJoined, id, j); err != nil {
				return err
			}
		}
		return nil
	})
	clear(c.dirty)
	return err
}

// maxProblems bounds what a report holds.
const maxProblems = 200

// problem notes what went wrong with an object, and tells of it.
func (c *cycle) problem(ctx context.Context, stage, dn string, err error, isError bool) {
	c.problemOf(ctx, stage, dn, err, isError, nil)
}

// problemOf is problem with more to tell of.
func (c *cycle) problemOf(ctx context.Context, stage, dn string, err error, isError bool, about map[string]any) {
	p := connect.Problem{Stage: stage, Object: dn, Code: codeOf(err), Sentence: sentenceOf(err)}
	list, outcome := &c.report.Warnings, event.Done
	if isError {
		list, outcome = &c.report.Errors, event.Refused
	}
	if len(*list) < maxProblems {
		*list = append(*list, p)
	}
	message := map[string]any{"object": dn, "stage": stage}
	maps.Copy(message, about)
	c.tell(ctx, event.Event{Step: "object_not_synchronized", Text: "Connect cannot " + verb[stage] + of(dn) + ".", Outcome: outcome,
		Message: message, Reason: &event.Reason{Code: p.Code, Sentence: p.Sentence, Hint: c.hint(stage, err)}})
}

var verb = map[string]string{
	stageImportDomain: "read the domain", stageImportTenant: "read the tenant", stageExportTenant: "write to the tenant", stageExportDomain: "write to the domain",
	stageWriteBack: "write devices to the domain",
}

func of(dn string) string {
	if dn == "" {
		return ""
	}
	return ": " + dn
}

// warn notes what was not written as the domain says.
func (c *cycle) warn(ctx context.Context, stage, dn, format string, args ...any) {
	p := connect.Problem{Stage: stage, Object: dn, Sentence: fmt.Sprintf(format, args...)}
	if len(c.report.Warnings) < maxProblems {
		c.report.Warnings = append(c.report.Warnings, p)
	}
	c.tell(ctx, event.Event{Step: "synchronized_otherwise", Text: p.Sentence, Message: map[string]any{"object": dn, "stage": stage}})
}

// codeOf is the protocol's code of a refusal.
func codeOf(err error) string {
	var l *adldap.Error
	var g *graph.Error
	switch {
	case errors.As(err, &l):
		return ldapmsg.ResultCode(l.Code).String()
	case errors.As(err, &g):
		return g.Code
	}
	return ""
}

func sentenceOf(err error) string {
	var l *adldap.Error
	var g *graph.Error
	switch {
	case errors.As(err, &l):
		return l.Sentence
	case errors.As(err, &g):
		return g.Sentence
	}
	text := err.Error()
	return strings.ToUpper(text[:1]) + strings.TrimSuffix(text[1:], ".") + "."
}

func (c *cycle) hint(stage string, err error) string {
	switch {
	case !adldap.IsCode(err, ldapmsg.InsufficientAccessRights):
		return ""
	case stage == stageWriteBack:
		return "Apply again: it lets the server's account keep the devices in CN=RegisteredDevices."
	case c.set.In.KeyRight:
		return "Make the server's account a member of Key Admins. Where AdminSDHolder protects the user, set adminsdholder_key_admins = true in the domain, and wait for its next hour."
	}
	return "Set key_writeback_right = true, or make the server's account a member of Key Admins."
}

// refused says whether an error is one directory's word about one object, and
// not a directory that fails.
func refused(err error) bool {
	var l *adldap.Error
	var g *graph.Error
	if errors.As(err, &g) {
		return g.Status < 500 && g.Status != 401
	}
	return errors.As(err, &l) && l.Code != uint16(ldapmsg.Busy) && l.Code != uint16(ldapmsg.Unavailable)
}

// tell tells of a step of the server's.
func (c *cycle) tell(ctx context.Context, e event.Event) {
	e.At, e.Actor, e.Correlation = c.env.Now(), event.Connect, web.Correlation(ctx)
	if e.Protocol == "" {
		e.Protocol = "local"
	}
	if c.flow != "" {
		e.Flow, e.Phase = string(c.flow), c.phase
	}
	c.env.Emit.Emit(e)
}

// sorted are the imported objects of a collection, in the order of their names,
// so that two runs do the same.
func (c *cycle) sorted(collection string) []*imported {
	var out []*imported
	for _, o := range c.objects {
		if o.collection == collection {
			out = append(out, o)
		}
	}
	slices.SortFunc(out, func(a, b *imported) int { return strings.Compare(strings.ToLower(a.DN), strings.ToLower(b.DN)) })
	return out
}

// created reads the time of a key, which is the tenant's.
func created(text string) (time.Time, error) {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("the time %q of a key is not RFC 3339", text)
	}
	return at, nil
}
