package hello

import (
	"slices"
	"strings"
	"testing"

	"hellolab/providers/conformance/seed"
	"hellolab/providers/spec"
)

// Key synchronization belongs to P4, P5 and P8, or to the flow by which an Entra
// joined device proves the key to the domain; where the key is not used there, to
// none (reading R36).
func TestSyncFlow(t *testing.T) {
	seed.Proves(t, "KS-01")
	for shape := range legal {
		route, _ := Select(shape)
		var want Flow
		switch {
		case slices.Contains([]Flow{P4, P5, P8}, route.Provision):
			want = route.Provision
		case route.Domain == A3 || route.Domain == A4:
			want = route.Domain
		}
		if got := route.SyncFlow(); got != want {
			t.Errorf("%v: %s, want %s", shape, got, want)
		}
		if runs := route.keySynchronization().Runs; runs != (route.SyncFlow() != "") {
			t.Errorf("%v: the stage runs: %v", shape, runs)
		}
	}
	for f, want := range map[Flow]string{P1: "", P2: "", P3: "", P4: "D", P5: "", P6: "", P7: "", P8: "D", A6: "", KS: ""} {
		if got := f.SyncPhase(); got != want {
			t.Errorf("%s: %q", f, got)
		}
	}
}

// An enrollment leads to the sync that carries its key.
func TestHandovers(t *testing.T) {
	type lab = map[string]any
	cloud := func(l lab) {
		with(l, "policy.hello", func(p *spec.Policy) { p.Trust, p.UseCloudTrustForOnPremAuth = "", ptr(true) })
	}
	certificate := func(l lab) {
		with(l, "policy.hello", func(p *spec.Policy) { p.Trust, p.UseCertificateForOnPremAuth = "", ptr(true) })
		with(l, "tenant.contoso", func(t *spec.Tenant) { t.Authentication = "federated" })
	}
	federated := func(l lab) { with(l, "tenant.contoso", func(t *spec.Tenant) { t.Authentication = "federated" }) }
	for _, c := range []struct {
		name, enrollment string
		change           func(lab)
		provision, flow  Flow
		waits            bool
	}{
		{"hybrid joined, key trust", "desk", nil, P4, P4, true},
		{"hybrid joined, key trust, federated", "desk", federated, P8, P8, true},
		{"hybrid joined, certificate trust", "desk", certificate, P5, P5, false},
		{"hybrid joined, cloud Kerberos trust", "desk", cloud, P3, "", false},
		{"Entra joined, key trust", "tablet", nil, P1, A3, true},
		{"Entra joined, cloud Kerberos trust", "tablet", cloud, P1, "", false},
		{"Entra joined, no domain", "tablet", func(l lab) {
			delete(l, "trust.key")
			with(l, "user.alice", func(u *spec.User) { u.Domain = "" })
		}, P1, "", false},
		{"on-premises, key", "desk", func(l lab) {
			federated(l)
			with(l, "device.desk", func(d *spec.Device) { d.Join, d.Tenant = "domain", "" })
			with(l, "user.alice", func(u *spec.User) { u.Tenant = "" })
		}, "", "", false},
		{"no sync", "desk", func(l lab) { delete(l, "sync.up") }, P4, "", false},
	} {
		l := hybridLab()
		if c.change != nil {
			c.change(l)
		}
		w := worldOf(t, l)
		e := w.Enrollments["enrollment."+c.enrollment]
		route, _ := w.FlowFor(e)
		if c.provision != "" && route.Provision != c.provision {
			t.Errorf("%s: flow %s", c.name, route.Provision)
		}
		found := w.Handovers(e)
		if c.flow == "" {
			if len(found) != 0 {
				t.Errorf("%s: %+v", c.name, found)
			}
			continue
		}
		if len(found) != 1 || found[0].To != "sync.up" || found[0].Flow != c.flow || found[0].Waits != c.waits || found[0].Stage != "key_synchronization" || found[0].Text == "" {
			t.Errorf("%s: %+v", c.name, found)
		}
	}
}

// An enrollment's stages name the flows that an Entra joined device and its key take
// to the domain, and what it does without.
func TestStagesOfEnrollment(t *testing.T) {
	w := worldOf(t, hybridLab())
	for name, want := range map[string]string{
		"desk":   "device_registration DR, provisioning P4, key_synchronization P4, authentication A6",
		"tablet": "device_registration DR, provisioning P1, key_synchronization A3, authentication A1, A3",
	} {
		var runs []string
		for _, s := range w.Stages(w.Enrollments["enrollment."+name]) {
			if s.Runs {
				runs = append(runs, s.Name+" "+string(s.Flow))
			} else if s.Name != "certificate_enrollment" || s.Why == "" {
				t.Errorf("%s: %+v", name, s)
			}
		}
		if got := strings.Join(runs, ", "); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	l := hybridLab()
	with(l, "device.desk", func(d *spec.Device) { d.Join, d.Tenant, d.Domain = "none", "", "" })
	w = worldOf(t, l)
	if s := w.Stages(w.Enrollments["enrollment.desk"]); s != nil {
		t.Errorf("without a flow: %+v", s)
	}
}

// The handover says when the key comes.
func TestHandoverWhen(t *testing.T) {
	for want, change := range map[string]func(*spec.Sync){
		"on a later cycle":               func(*spec.Sync) {},
		"once key_export is on":          func(s *spec.Sync) { s.KeyExport = false },
		"once it is not in staging mode": func(s *spec.Sync) { s.Staging = true },
		"when somebody runs it":          func(s *spec.Sync) { s.Enabled = false },
		"corp when somebody runs it":     func(s *spec.Sync) { s.KeySchedule = &spec.SyncSchedule{Enabled: ptr(false)} },
		"domain.corp on a later cycle":   func(s *spec.Sync) { s.Enabled, s.KeySchedule = false, &spec.SyncSchedule{} },
	} {
		l := hybridLab()
		with(l, "sync.up", change)
		w := worldOf(t, l)
		found := w.Handovers(w.Enrollments["enrollment.desk"])
		if len(found) != 1 || !strings.Contains(found[0].Text, want) {
			t.Errorf("%s: %+v", want, found)
		}
	}
}
