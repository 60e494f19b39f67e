package access_test

import (
	"strings"
	"testing"
	"time"

	"hellolab/providers/hello"
	"hellolab/providers/hello/access"
	"hellolab/providers/spec"
)

var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// quiet is a world of a domain with one authority, whose certificate ends.
func quiet(ends time.Time) *hello.World {
	d, a := &hello.Domain{}, &hello.Authority{}
	d.Addr, d.In = "domain.corp", spec.Domain{DNSName: "corp.contoso.com", Controllers: map[string]*spec.Controller{"dc1": {}}}
	a.Addr, a.In, a.Out = "authority.ca", spec.Authority{Domain: "domain.corp", CommonName: "CA"}, spec.AuthorityOut{NotAfter: ends.Format(time.RFC3339)}
	return &hello.World{Domains: map[string]*hello.Domain{"domain.corp": d}, Authorities: map[string]*hello.Authority{"authority.ca": a}}
}

func certified(until time.Time) *access.Facts {
	f := access.NewFacts(start)
	f.Domains["domain.corp"] = &access.Domain{Certificates: map[string]*access.Certificate{"dc1": {
		Template: spec.TemplateKerberosAuthentication, Authority: "authority.ca", NotBefore: start, NotAfter: until, ForKDC: true, ForServer: true, Named: true}}}
	return f
}

// Certificates are renewed as often as it takes, up to the authority's own end:
// none is good for longer, and nobody renews without end.
func TestAheadEndsWithTheAuthority(t *testing.T) {
	const year = 365 * 24 * time.Hour
	ends := start.Add(3 * year)
	f, n := certified(start.Add(year)), 0
	for step := range f.Ahead(quiet(ends), start.Add(10*year)) {
		n++
		for _, r := range step.Renewed {
			if r.Ends.After(ends) || r.At.After(ends) {
				t.Errorf("renewed %s, good until %s", r.At, r.Ends)
			}
		}
		if c := step.Facts.Domains["domain.corp"].Certificates["dc1"]; c == nil || step.To.Before(ends) && !step.To.Before(c.NotAfter) {
			t.Errorf("at %s: %+v", step.To, c)
		}
	}
	if n < 4 || n > 30 {
		t.Errorf("%d steps", n)
	}
}

// What changes within minutes is one step; what ends at no time is none.
func TestAheadSteps(t *testing.T) {
	f := access.NewFacts(start)
	for addr, in := range map[string]time.Duration{"user.a": time.Hour, "user.b": time.Hour + time.Minute, "user.c": 3 * time.Hour, "user.never": 0, "user.was": -time.Hour} {
		f.Accounts[addr] = &access.Account{PasswordExpires: start.Add(in)}
	}
	f.Accounts["user.never"].PasswordExpires = time.Time{}
	var got [][2]time.Duration
	for step := range f.Ahead(&hello.World{}, start.Add(2*time.Hour)) {
		got = append(got, [2]time.Duration{step.From.Sub(start), step.To.Sub(start)})
		if !step.Facts.Now.Equal(step.To) {
			t.Errorf("facts of %s at %s", step.Facts.Now, step.To)
		}
	}
	if len(got) != 1 || got[0] != [2]time.Duration{time.Hour, time.Hour + time.Minute} {
		t.Errorf("%v", got)
	}
}

// Cycles of Connect count when they carry something.
func TestAheadCycles(t *testing.T) {
	u, s := &hello.User{}, &hello.Sync{}
	u.In.Tenant, u.In.Domain = "tenant.t", "domain.d"
	s.Addr, s.In = "sync.s", spec.Sync{Tenant: "tenant.t", Domain: "domain.d", Interval: 30 * time.Minute, Enabled: true, KeyExport: true, KeyRight: true}
	w := &hello.World{Users: map[string]*hello.User{"user.a": u}, Syncs: map[string]*hello.Sync{"sync.s": s}}
	f := access.NewFacts(start)
	f.Accounts["user.a"] = &access.Account{TenantKeys: []access.Key{{ID: "k"}}}
	next := access.Timing{Next: start.Add(10 * time.Minute)}
	f.Syncs["sync.s"] = access.Schedule{Cycles: next, Keys: next}
	n := 0
	for step := range f.Ahead(w, start.Add(24*time.Hour)) {
		n++
		if !step.From.Equal(next.Next) || len(step.Facts.Accounts["user.a"].DomainKeys) != 1 {
			t.Errorf("%s: %+v", step.From, step.Facts.Accounts["user.a"])
		}
	}
	if n != 1 {
		t.Errorf("%d steps", n)
	}
	if up := f.Upkeeps(w); len(up) != 1 || up[0].What != access.Cycles || up[0].Every != 30*time.Minute {
		t.Errorf("%+v", up)
	}
	s.In.KeyExport = false
	for step := range f.Ahead(w, start.Add(24*time.Hour)) {
		t.Errorf("keys are not exported, and something changes at %s", step.From)
	}
	if up := f.Upkeeps(w); len(up) != 2 || up[1].What != access.Keys || up[1].Every != 0 || up[1].Why == "" {
		t.Errorf("%+v", up)
	}
}

// Effect C3: of a scheduler that is off it is said when Connect would ask for a full
// synchronization, and of one that runs it is not.
func TestFullSynchronizationIsTold(t *testing.T) {
	off := change("sync.corp", func(s *spec.Sync) { s.Enabled = false })
	for want, tt := range map[string]struct {
		o    objects
		last time.Time
	}{
		"From 2026-03-08 on, seven days":  {declared(off), now.AddDate(0, 0, -1)},
		"Since 2026-02-28, seven days":    {declared(off), now.AddDate(0, 0, -9)},
		"Its scheduler is off (enabled).": {declared(off), time.Time{}},
		"":                                {declared(), now.AddDate(0, 0, -9)},
	} {
		f := held()
		f.Syncs["sync.corp"] = access.Schedule{Cycles: access.Timing{Last: tt.last, Next: now.Add(time.Minute)}}
		for _, u := range f.Upkeeps(world(t, tt.o)) {
			if u.What == access.Cycles && (!strings.Contains(u.Why, want) || want == "" && u.Why != "" || tt.last.IsZero() && u.Why != want) {
				t.Errorf("%q, want %q", u.Why, want)
			}
		}
	}
}

// What is revoked, and in no list yet, is refused once nobody goes by an older one.
func TestRevokedWithoutAList(t *testing.T) {
	at := now.Add(20 * time.Hour)
	for _, tt := range []struct {
		pending func(*access.Facts)
		code    string
	}{
		{func(f *access.Facts) { f.Domains[corp].Certificates["dc1"].RevokedBy = at }, "kdc_certificate_revoked"},
		{func(f *access.Facts) { f.Machines[laptop].Credentials[alice].Certificates[0].RevokedBy = at }, "certificate_revoked"},
	} {
		w, f := world(t, federatedLab()), withCertificate(nil)
		tt.pending(f)
		r := access.Request{User: alice, Device: laptop, To: corp}
		if v := access.Decide(w, f, r); v.Word != access.Allowed {
			t.Errorf("%s before: %+v", tt.code, v)
		}
		said := false
		for step := range f.Ahead(w, now.Add(48*time.Hour)) {
			said = said || !step.From.After(at) && !step.To.Before(at)
		}
		if v := access.Decide(w, f.Later(w, at), r); v.Reason != tt.code || !said {
			t.Errorf("%s then: %+v, in a step: %t", tt.code, v, said)
		}
	}
}
