package adfs_test

import (
	"slices"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers/conformance"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	wire "hellolab/providers/wire/adfs"
)

const issuing = "authority.issuing"

func (l *lab) authority() {
	l.tb.Helper()
	l.Create(issuing, spec.Authority{Domain: corp, CommonName: "Contoso Issuing CA", NTAuth: true, OCSP: true})
}

func (l *lab) status() *wire.Status {
	l.tb.Helper()
	s, err := l.admin().Status(l.tb.Context(), l.For(service))
	l.must(err)
	return s
}

// A registration authority has an enrollment agent certificate, renews it 60
// days ahead, and loses it with the task.
func TestAgentCertificate(t *testing.T) {
	l := newLab(t)
	if s := l.status(); s.Agent != nil || s.AgentError != "" || l.out().AgentThumbprint != "" {
		t.Errorf("without an authority: %+v", s)
	}
	l.authority()
	l.Update(service, spec.Federation{Domain: corp, Authority: issuing})
	first, out := l.status().Agent, l.out()
	if first == nil || first.Thumbprint != out.AgentThumbprint || out.AgentNotAfter != first.NotAfter.Format(time.RFC3339) {
		t.Fatalf("%+v, %+v", first, out)
	}
	renewal := first.NotAfter.Add(-60 * 24 * time.Hour)
	due := func() *wire.Certificate {
		t.Helper()
		// The authority publishes lists and renews its own certificate, too.
		for _, addr := range []string{corp, issuing, service} {
			l.must(l.Due(t.Context(), addr))
		}
		l.Restart() // with new certificates for TLS
		return l.status().Agent
	}
	l.Advance(renewal.Sub(l.Now()) - time.Second)
	if again := due(); again.Thumbprint != first.Thumbprint {
		t.Error("renewed before 60 days ahead")
	}
	l.Advance(2 * time.Second)
	second := due()
	if second.Thumbprint == first.Thumbprint || !second.Renewed.Equal(l.Now()) {
		t.Errorf("not renewed: %+v", second)
	}
	if again := due(); again.Thumbprint != second.Thumbprint {
		t.Error("renewed again")
	}
	l.Update(service, l.With("federation", spec.Federation{Domain: corp, Authority: issuing}, "registration_authority", cty.False))
	if s := l.status(); s.Agent != nil || l.out().AgentThumbprint != "" {
		t.Errorf("no registration authority any more: %+v", s)
	}
}

// The service says that it certifies Hello keys while it has a certificate to sign
// with, and that a key of a request may be derived from it, always.
func TestCapabilities(t *testing.T) {
	l := newLab(t)
	l.authority()
	can := func(want ...string) {
		t.Helper()
		l.Restart() // with new certificates for TLS
		m, err := wire.ParseMetadata(l.get(l.url(wire.PathConfiguration), nil).Body)
		l.must(err)
		if !slices.Equal(m.Capabilities, want) {
			t.Errorf("%q, want %q", m.Capabilities, want)
		}
	}
	can(wire.CapabilityKDF2)
	l.Update(service, spec.Federation{Domain: corp, Authority: issuing})
	can(wire.CapabilityHelloCertificate, wire.CapabilityHelloReceipt, wire.CapabilityKDF2)
	l.Advance(l.status().Agent.NotAfter.Sub(l.Now()))
	can(wire.CapabilityKDF2) // nobody renewed it
	for _, addr := range []string{corp, issuing, service} {
		l.must(l.Due(t.Context(), addr))
	}
	can(wire.CapabilityHelloCertificate, wire.CapabilityHelloReceipt, wire.CapabilityKDF2)
	l.Update(service, l.With("federation", spec.Federation{Domain: corp, Authority: issuing}, "registration_authority", cty.False))
	can(wire.CapabilityKDF2)
}

// An authority that does not issue the template keeps nothing else from working.
func TestAgentRefused(t *testing.T) {
	l := newLab(t)
	l.Create(issuing, cty.ObjectVal(map[string]cty.Value{"domain": cty.StringVal(corp), "common_name": cty.StringVal("Contoso Issuing CA"),
		"template": cty.MapVal(map[string]cty.Value{"WHFBEnrollmentAgent": cty.ObjectVal(map[string]cty.Value{"enabled": cty.False})})}))
	l.Update(service, spec.Federation{Domain: corp, Authority: issuing})
	s := l.status()
	if s.Agent != nil || s.AgentError == "" {
		t.Errorf("%+v", s)
	}
	if err := l.Due(t.Context(), service); err == nil {
		t.Error("that it is due and cannot be done is no warning")
	}
	told := 0
	for _, e := range l.Events() {
		if e.Step == "agent_certificate_refused" && e.Actor == event.CRA {
			told++
		}
	}
	if told != 1 {
		t.Errorf("told %d times", told)
	}
	l.Update(issuing, spec.Authority{Domain: corp, CommonName: "Contoso Issuing CA", NTAuth: true, OCSP: true})
	// The right is given with the next apply, for a template that was not published has none.
	l.Update(service, spec.Federation{Domain: corp, Authority: issuing})
	if s := l.status(); s.Agent == nil || s.AgentError != "" {
		t.Errorf("%+v", s)
	}
	if o := conformance.Get[spec.Federation, spec.FederationOut](l.Env, service); o.Out.AgentThumbprint == "" {
		t.Errorf("%+v", o.Out)
	}
}
