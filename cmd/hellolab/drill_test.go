package main

import (
	"slices"
	"testing"
	"time"

	"hellolab/engine/impact"
	"hellolab/engine/lab"
	"hellolab/hcl/eval"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/hello/access"
)

// drilled is what a step against credentials does, where a row of the table
// "lost device" has it: by device, where its user gets in after it.
type drilled struct {
	row    string
	file   []string            // what the configuration replaces; or
	revoke *eval.Revoke        // what an administrator does
	open   map[string][]string // "" is Windows; a device that is not named keeps all
	soon   map[string][]string // after the next cycle of Connect; nil: the same
}

const (
	tenantToo = "tenant.contoso"
	corpToo   = "domain.corp"
	oldToo    = "service.old"
)

// TestDrills: before a user, a device or a key is cut off, the preview says which
// ways that ends, on which devices, and which stay open; each sign-in then ends so
// for real, also where the next cycle of Connect makes a difference. desk is
// hybrid joined and laptop Entra joined, with key trust, both of alice; tablet is
// bo's, Entra joined, with cloud Kerberos trust.
func TestDrills(t *testing.T) {
	seed.Proves(t, "REV-11", "A1", "A2", "A3", "A6")
	nowhere, cloud := []string{}, []string{"", tenantToo}
	of := func(user, attribute string) []string {
		upn := `upn      = "` + user + `@contoso.com"`
		return []string{upn, upn + "\n" + attribute + " = false"}
	}
	device := func(name, with string) []string {
		return []string{`device "` + name + `" {`, `device "` + name + `" {` + "\n" + with + " = false"}
	}
	all := []string{"", tenantToo, corpToo, oldToo}
	a := newAging(t)
	a.later(cycleAndMore)
	for _, d := range []drilled{
		{row: "REV-01: the user is disabled in the tenant", file: of("alice", "enabled_in_tenant"),
			open: map[string][]string{"device.desk": {"", corpToo, oldToo}, "device.laptop": nowhere}},
		{row: "REV-01: and of cloud Kerberos trust", file: of("bo", "enabled_in_tenant"),
			open: map[string][]string{"device.tablet": nowhere}},
		{row: "REV-01: the user is disabled in the domain", file: of("alice", "enabled_in_domain"),
			open: map[string][]string{"device.desk": nowhere, "device.laptop": cloud}},
		{row: "REV-01: and of cloud Kerberos trust", file: of("bo", "enabled_in_domain"),
			open: map[string][]string{"device.tablet": cloud}},
		{row: "REV-02, REV-05: the device is disabled in the tenant", file: device("desk", "enabled_in_tenant"),
			open: map[string][]string{"device.desk": {"", corpToo, oldToo}}},
		{row: "REV-02: an Entra joined one", file: device("laptop", "enabled_in_tenant"),
			open: map[string][]string{"device.laptop": nowhere}},
		{row: "REV-02: with cloud Kerberos trust", file: device("tablet", "enabled_in_tenant"),
			open: map[string][]string{"device.tablet": nowhere}},
		{row: "REV-03: sessions are revoked", revoke: &eval.Revoke{What: "sessions", User: "user.alice"}},
		{row: "REV-06, REV-09: the key is deleted in the domain", revoke: &eval.Revoke{User: "user.alice", Device: "device.desk", From: "ad"},
			open: map[string][]string{"device.desk": nowhere}, soon: map[string][]string{"device.desk": all}},
		{row: "REV-07: and the other", revoke: &eval.Revoke{User: "user.alice", Device: "device.laptop", From: "ad"},
			open: map[string][]string{"device.laptop": cloud}, soon: map[string][]string{"device.laptop": all}},
		{row: "REV-06: the key is deleted in the tenant", revoke: &eval.Revoke{User: "user.alice", Device: "device.desk", From: "entra"},
			open: map[string][]string{"device.desk": {"", corpToo, oldToo}}, soon: map[string][]string{"device.desk": nowhere}},
		{row: "REV-06: the key is deleted in both", revoke: &eval.Revoke{User: "user.alice", Device: "device.laptop", From: "both"},
			open: map[string][]string{"device.desk": nowhere, "device.laptop": nowhere}}, // desk's is gone already
	} {
		a.drill(d)
	}
}

const cycleAndMore = 31 * time.Minute

// drill previews a step, does it, and tries every sign-in.
func (a *aging) drill(d drilled) {
	a.t.Helper()
	var said map[impact.SignIn]impact.Verdict
	if d.file != nil {
		said = a.foretold(d.file...)
		a.apply(d.file...)
	} else {
		said = a.rehearsed(*d.revoke)
		a.keep(func(l *lab.Lab) error { return a.testRevoke(a.t.Context(), l, *d.revoke) })
	}
	a.inspect(d.row, said, d.open)
	if d.soon != nil {
		a.later(cycleAndMore)
		a.inspect(d.row+", a cycle later", a.decided(), d.soon)
	}
	if d.file != nil {
		a.apply()
	}
}

// inspect compares what was said of each sign-in with the table and with what
// happens.
func (a *aging) inspect(row string, said map[impact.SignIn]impact.Verdict, open map[string][]string) {
	a.t.Helper()
	for s, v := range said {
		if ways, named := open[s.Device]; named && slices.Contains(ways, s.To) != v.Works() || !named && !v.Works() {
			a.t.Errorf("%s: %s on %s to %q: the preview says %s %s", row, s.User, s.Device, s.To, v.Word, v.Reason)
		}
		if got := a.try(a.soon(), impact.Pair{User: s.User, Device: s.Device}, s.To, s.Gesture, v); !as(v, got) {
			a.t.Errorf("%s: %s on %s to %q: the preview says %s %s (%s.%s), got %s (%s.%s)", row, s.User, s.Device, s.To, v.Word, v.Reason, v.Flow, v.Phase, got.Code, got.Flow, got.Phase)
		}
	}
	if len(said) != 12 {
		a.t.Errorf("%s: %d sign-ins", row, len(said))
	}
}

// matrix is a report sign-in by sign-in: how each ends afterwards.
func matrix(r *impact.Report) map[impact.SignIn]impact.Verdict {
	out := map[impact.SignIn]impact.Verdict{}
	for _, row := range r.Rows {
		for _, p := range row.Pairs {
			for _, to := range row.To {
				for _, g := range row.Gestures {
					out[impact.SignIn{User: p.User, Device: p.Device, To: to, Gesture: g}] = row.After
				}
			}
		}
	}
	return out
}

// foretold is what a plan says of a change of the files.
func (a *aging) foretold(replace ...string) map[impact.SignIn]impact.Verdict {
	a.t.Helper()
	a.write(replace...)
	base, err := a.planBase(a.t.Context(), &stateFlags{})
	if err != nil {
		a.t.Fatal(err)
	}
	defer base.Close()
	f := &planFlags{refresh: true, parallelism: 2, impact: impactFull}
	p, diags := a.makePlan(a.t.Context(), f, base, &ui{s: a.session})
	if diags.HasErrors() {
		a.t.Fatal(diags)
	}
	r, err := a.impactOf(a.t.Context(), f, base, p)
	if err != nil {
		a.t.Fatal(err)
	}
	return matrix(r)
}

// compared is what a step does, which is made on a view that is thrown away.
func (a *aging) compared(step func(*lab.Lab) error) (r *impact.Report) {
	a.t.Helper()
	err := a.glance(a.t.Context(), &stateFlags{}, func(l *lab.Lab) error {
		was, before, err := a.signIns(a.t.Context(), l)
		if err != nil {
			return err
		}
		if err := step(l); err != nil {
			return err
		}
		is, after, err := a.signIns(a.t.Context(), l)
		if err == nil {
			r = impact.Compare(side{Lab: access.New(was, before)}, side{Lab: access.New(is, after)}, after.Now)
		}
		return err
	})
	if err != nil {
		a.t.Fatal(err)
	}
	return r
}

func (a *aging) rehearsed(step eval.Revoke) map[impact.SignIn]impact.Verdict {
	a.t.Helper()
	return matrix(a.compared(func(l *lab.Lab) error { return a.testRevoke(a.t.Context(), l, step) }))
}

func (a *aging) decided() map[impact.SignIn]impact.Verdict {
	a.t.Helper()
	return matrix(a.compared(func(*lab.Lab) error { return nil }))
}

// soon is a second from now in the lab.
func (a *aging) soon() (at time.Time) {
	a.t.Helper()
	if err := a.glance(a.t.Context(), &stateFlags{}, func(l *lab.Lab) error { at = l.Now().Add(time.Second); return nil }); err != nil {
		a.t.Fatal(err)
	}
	return at
}
