package all_test

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hellolab/providers"
	"hellolab/providers/adcs/ca"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/wire/ldapmsg"
)

// An Entra joined device has no account in the domain, also where its user has one and
// its key works there.
func TestEntraJoinedHasNoComputer(t *testing.T) {
	seed.Proves(t, "DR-07", "DR")
	seed.Proves(t, "DR-06", "DR")
	l := newBothLab(t)
	l.cycle()
	l.expect(byPINTo(corp), "success")
	c := l.administrator()
	computers, err := c.List(c.Base, ldapmsg.EqualTo("objectClass", "computer"), "sAMAccountName")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range computers {
		names = append(names, strings.ToLower(e.Text("sAMAccountName")))
	}
	if !slices.Contains(names, "desk$") || slices.ContainsFunc(names, func(n string) bool { return strings.Contains(n, "laptop") }) {
		t.Errorf("computers %q", names)
	}
	types := map[string]string{}
	for _, d := range l.devices() {
		types[d.DisplayName] = d.TrustType
	}
	if len(types) != 2 || types["laptop"] != "AzureAd" || types["DESK"] != "ServerAd" {
		t.Errorf("devices of the tenant: %v", types)
	}
}

// fleeting is what can differ between two runs of a flow: names of keys and tokens,
// nonces, signatures, times. A word counts with a digit in it alone.
var fleeting = regexp.MustCompile(`[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z|[A-Za-z0-9+/_=-]{16,}|[0-9]{9,}`)

// bare is what a story says, a line an event, apart from ids and times.
func (s story) bare(t testing.TB) (lines []string) {
	t.Helper()
	for _, e := range s.events {
		line, err := json.Marshal([]any{e.Phase, e.Actor, e.Peer, e.Protocol, e.Step, e.Text, e.User, e.Device, e.Outcome, e.Message})
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fleeting.ReplaceAllStringFunc(string(line), func(word string) string {
			if strings.ContainsAny(word, "0123456789") {
				return "·"
			}
			return word
		}))
	}
	return lines
}

// However an Entra joined device proves itself to the domain, it signs in to the tenant
// in the same way; cloud Kerberos trust has it ask for a ticket besides (reading R38).
func TestTrustLeavesTheTenantAlone(t *testing.T) {
	seed.Proves(t, "MOD-08", "A1")
	l := newKeyTrust(t)
	l.Create("trust.certificate", spec.Trust{Type: spec.TrustCertificate, Tenant: "tenant.contoso", Domain: corp, Authority: "authority.issuing", Delivery: "mdm_scep"})
	l.Create("trust.cloud", spec.Trust{Type: spec.TrustCloudKerberos, Tenant: "tenant.contoso", Domain: corp})
	l.Create("policy.hello", spec.Policy{Trust: "trust.key"})
	under := func(trust providers.Ref) story {
		l.Update("policy.hello", spec.Policy{Trust: trust})
		for range 2 { // the first may bring what the trust needs: a certificate, say
			l.restart()
			l.expect(byPINTo("tenant.contoso"), "success")
		}
		return l.story("A1")
	}
	key := under("trust.key").bare(t)
	if len(key) < 20 {
		t.Fatalf("%d steps", len(key))
	}
	same := func(got []string) {
		t.Helper()
		if !slices.Equal(got, key) {
			t.Errorf("steps\n%s\nwith key trust\n%s", strings.Join(got, "\n"), strings.Join(key, "\n"))
		}
	}
	same(under("trust.certificate").bare(t))
	if len(l.personalStore(laptop)) != 1 {
		t.Error("the trust is not by certificate")
	}
	cloud := under("trust.cloud")
	if !cloud.has("partial_tgt_cached") || cloud.at(t, "prt_request").Message["tgt"] != true {
		t.Errorf("no ticket\n%s", cloud)
	}
	var rest story
	for _, e := range cloud.events {
		if e.Actor == event.EntraKerberos || strings.HasPrefix(e.Step, "partial_tgt_") {
			continue
		}
		if e.Step == "prt_request" {
			e.Message = maps.Clone(e.Message)
			delete(e.Message, "tgt")
		}
		rest.events = append(rest.events, e)
	}
	same(rest.bare(t))
}

// The certificate policy decides whether provisioning goes on to a certificate.
func TestCertificatePolicy(t *testing.T) {
	seed.Proves(t, "POL-04", "P5", "P8")
	l := newFederatedLab(t, spec.TrustKey)
	l.Create("trust.certificate", spec.Trust{Type: spec.TrustCertificate, Tenant: "tenant.contoso", Domain: corp, Federation: adfs})
	l.Create(desk, onDesk())
	l.cycle()
	for _, c := range []struct {
		on        bool
		flow      string
		templates []string
	}{{false, "P8", nil}, {true, "P5", []string{ca.HelloAuthentication}}, {false, "P8", []string{ca.HelloAuthentication}}} {
		l.Update("policy.hello", spec.Policy{Source: "gpo", UsePassportForWork: new(true), UseCertificateForOnPremAuth: &c.on})
		out := l.enrollDesk()
		s := l.story(c.flow)
		if out.Flow != c.flow || s.has("csr_created") != c.on || s.has("certificate_installed") != c.on || strings.Contains(s.letters(), "G") != c.on || !slices.Equal(l.certified(), c.templates) {
			t.Errorf("use_certificate_for_on_prem_auth = %t: %+v, certified by %q\n%s", c.on, out, l.certified(), s)
		}
		l.Delete(deskEnrolled)
	}
}
