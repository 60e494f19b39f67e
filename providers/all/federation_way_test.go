package all_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
)

// stopFederation stops AD FS.
func (l *lab) stopFederation() {
	l.t.Helper()
	o, err := providers.Resolve[spec.Federation, spec.FederationOut](l.For(corp), adfs)
	if err != nil {
		l.t.Fatal(err)
	}
	l.Update(adfs, l.With("federation", o.In, "enabled", cty.False))
	l.Reload(adfs)
}

// AD FS is in the way of passwords, and of nothing that a Hello key does.
func TestFederationInTheWay(t *testing.T) {
	l := newFederatedLab(t, "key")
	l.Create("user.bob", spec.User{UPN: "bob@contoso.com", Tenant: "tenant.contoso", Domain: corp, Password: providers.Secret(first)})
	l.Create(laptop, onLaptop())
	l.Create(desk, onDesk())
	l.enroll()
	l.Create(deskEnrolled, enrollment(alice, desk))
	l.cycle()
	password := func(device string, to ...string) windows.Request {
		return windows.Request{Device: device, Password: providers.Secret(first), To: to}
	}
	t.Run("a password crosses it", func(t *testing.T) {
		seed.Proves(t, "HY-06", "A1", "A6")
		tap := l.listen()
		l.expect(password(laptop), "success")
		s := l.story("A1")
		s.begunByDevice(t)
		s.inOrder(t, "realm_request", "password_to_federation", "first_factor_verified", "assertion", "prt_request", "assertion_validated", "prt_cached")
		s.by(t, "C", event.CloudAP, event.STS, "password_to_federation")
		for _, x := range tap.exchanges() {
			if holds := strings.Contains(string(x.body), first) || strings.Contains(string(x.body), url.QueryEscape(first)); holds != (x.host == stsHost) && holds {
				t.Errorf("the password goes to %s", x.host)
			}
		}
		l.expect(password(desk, "tenant.contoso"), "success")
		l.story("A6").inOrder(t, "tgt_cached", "explorer_started", "password_to_federation", "prt_cached")
	})
	l.stopFederation()
	t.Run("a password does not get through", func(t *testing.T) {
		seed.Proves(t, "HY-06", "A1", "A6")
		l.expect(password(laptop), "federation_unreachable")
		l.expect(password(desk, "tenant.contoso"), "federation_unreachable")
		l.story("A6").inOrder(t, "tgt_cached", "explorer_started", "assertion_missing") // the domain lets in
	})
	t.Run("a key needs it not", func(t *testing.T) {
		seed.Proves(t, "PRT-20", "A1", "A6")
		seed.Proves(t, "A1-16", "A1")
		seed.Proves(t, "A3-15", "A1", "A3")
		l.expect(windows.Request{Device: laptop, PIN: providers.Secret(pin), To: []string{"tenant.contoso", corp}}, "success")
		l.expect(windows.Request{Device: desk, PIN: providers.Secret(pin), To: []string{"tenant.contoso", corp}}, "success")
		for _, flow := range []string{"A1", "A3", "A6"} {
			for _, e := range l.story(flow).events {
				if e.Actor == event.STS || e.Peer == event.STS {
					t.Errorf("%s: %s", flow, e.Step)
				}
			}
		}
	})
	t.Run("nobody is provisioned", func(t *testing.T) {
		_, err := l.TryCreate(t.Context(), "enrollment.bob_laptop", enrollment("user.bob", laptop))
		if code := refusalOf(err); code != "federation_unreachable" {
			t.Errorf("%s: %v", code, err)
		}
	})
}
