package all_test

import (
	"slices"
	"strings"
	"testing"

	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
)

// newOnPrem is an on-premises lab with a trust, and alice's computer of the domain.
func newOnPrem(t testing.TB, trust string) *lab {
	t.Helper()
	l := newOnPremLab(t, trust)
	l.Create(desk, onPremDesk())
	return l
}

// TestP7 is provisioning with certificate trust where there is no tenant.
func TestP7(t *testing.T) {
	l := newOnPrem(t, spec.TrustCertificate)
	out := l.enrollDesk()
	s := l.story("P7")
	key := l.containerOf(desk, "alice").UserKeys[0]
	t.Run("A to C", func(t *testing.T) {
		seed.Proves(t, "P7-01", "P7")
		k := newOnPrem(t, spec.TrustKey)
		k.enrollDesk()
		steps := func(s story) (list []string) {
			for _, e := range s.events {
				if e.Phase != "" && strings.Contains("ABC", e.Phase) && e.Step != "exit" && e.Actor != event.KeyPool {
					list = append(list, e.Phase+":"+e.Step)
				}
			}
			return list
		}
		if got, want := steps(s), steps(k.story("P6")); len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("steps %q\nof P6 %q", got, want)
		}
		if k.story("P6").has("csr_created") {
			t.Error("key trust asks for a certificate")
		}
	})
	t.Run("D to G", func(t *testing.T) {
		seed.Proves(t, "P7-03", "P7")
		seed.Proves(t, "P7-05", "P7")
		seed.Proves(t, "P7-06", "P7")
		seed.Proves(t, "CE-02", "P7")
		if got, want := s.certification(), certificateSteps(); !slices.Equal(got, want) {
			t.Errorf("steps %q\nwant %q\n%s", got, want, s)
		}
		s.by(t, "D", event.CRA, event.ActiveDirectory, "registered_keys_queried")
		s.by(t, "E", event.CRA, "", "request_signed")
		s.by(t, "F", event.CRA, event.Authority, "request_sent_to_ca")
		s.by(t, "F", event.Authority, event.CRA, "certificate_issued_to_agent")
		s.by(t, "F", event.CRA, event.CXH, "certificate_returned")
		if m := s.at(t, "registered_keys_queried").Message; m["found"] != true || m["key_id"] != key.ID {
			t.Errorf("asked %v", m)
		}
	})
	t.Run("no receipt", func(t *testing.T) {
		seed.Proves(t, "P7-02", "P7")
		if m := s.at(t, "certificate_request").Message; m["receipt"] != false {
			t.Errorf("request %v", m)
		}
		if m := s.at(t, "certificate_request_received").Message; m["receipt"] != false {
			t.Errorf("received %v", m)
		}
	})
	t.Run("Personal store", func(t *testing.T) {
		seed.Proves(t, "P7-07", "P7")
		seed.Proves(t, "CE-05", "P7")
		s.by(t, "G", event.CXH, event.Store, "certificate_installed")
		store := l.personalStore(desk)
		if len(store) != 1 || store[0].KeyID != key.ID || store[0].Thumbprint != out.Certificate || out.Status != "ready" || out.Flow != "P7" || out.Delivery != "ra" {
			t.Errorf("store %+v, enrollment %+v", store, out)
		}
	})
	t.Run("sign-in", func(t *testing.T) {
		l.restartDesk()
		v := l.expect(deskPIN(corp), "success")
		a8 := l.story("A8")
		if m := a8.asRequest(t).Message; v.Flow != "A8" || m["method"] != "PKINIT with a certificate" || m["certificate"] != sha256Hex(l.personalStore(desk)[0].DER) {
			t.Errorf("%s: the KDC says %v", v.Flow, m)
		}
		a8.inOrder(t, "as_sent", "kdc_certificate_accepted", "tgt_cached", "explorer_started", "enterprise_prt_cached")
	})
}

// TestP7KeyGone: without a tenant there is no way to a certificate but a key in the
// directory, not even with a receipt.
func TestP7KeyGone(t *testing.T) {
	seed.Proves(t, "P7-04", "P7")
	l := newOnPrem(t, spec.TrustCertificate)
	l.enrollDesk()
	c := l.administrator()
	for _, value := range l.keyLinksOf(c, aliceDN) {
		if err := c.RemoveValue(aliceDN, keyLinks, value); err != nil {
			t.Fatal(err)
		}
	}
	l.dropCertificate(desk)
	rec := stored[map[string]any](l, desk, "enrollment", l.sid("alice"))
	rec["receipt"] = "forged"
	l.keep(desk, "enrollment", l.sid("alice"), rec)
	l.restartDesk()
	r := deskPassword()
	r.PIN = []byte(pin)
	l.expect(r, "success")
	s := l.story("A8")
	if e := s.at(t, "certificate_not_enrolled"); e.Reason == nil || s.has("request_signed") || s.has("certificate_installed") || !s.has("registered_keys_queried") {
		t.Errorf("%+v\n%s", e.Reason, s)
	}
}

// dropCertificate has alice's key have no certificate.
func (l *lab) dropCertificate(device string) {
	l.t.Helper()
	c := l.containerOf(device, "alice")
	c.UserKeys[0].Certificates = nil
	l.keep(device, "container", l.sid("alice"), c)
}
