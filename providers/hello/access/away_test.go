package access_test

import (
	"testing"

	"hellolab/providers/hello"
	"hellolab/providers/hello/access"
	"hellolab/providers/spec"
)

// Without its tenant an Entra joined device signs in by what Cloud AP keeps, if that is
// of the key or password that is shown; behind a captive portal a gesture's ticket ends
// first. A domain that is in sight does not help where the tenant comes first.
func TestWithoutTheTenant(t *testing.T) {
	key, other := &access.CachedLogon{At: now, KeyID: "k"}, &access.CachedLogon{At: now, KeyID: "gone"}
	for _, c := range []struct {
		network, to, by string
		key, password   *access.CachedLogon
		word            access.Word
		reason, phase   string
	}{
		{"none", "", "pin", key, nil, access.Degraded, "no_line_of_sight", "E"},
		{"none", "", "pin", nil, key, access.Refused, "no_line_of_sight", "B"},
		{"none", "", "pin", other, nil, access.Refused, "no_line_of_sight", "B"},
		{"none", "", access.ByPassword, nil, key, access.Degraded, "no_line_of_sight", "E"},
		{"none", "", access.ByPassword, key, nil, access.Refused, "no_line_of_sight", "B"},
		{"none", tenant, "pin", key, nil, access.Refused, "no_line_of_sight", "E"},
		{"none", corp, "pin", key, nil, access.Refused, "no_line_of_sight", "A"}, // of A3
		{"captive", "", "pin", key, nil, access.Refused, "hello_ticket_expired", "B"},
		{"captive", tenant, "pin", key, nil, access.Refused, "hello_ticket_expired", "B"},
		{"captive", "", access.ByPassword, nil, key, access.Degraded, "host_unreachable", "E"},
		{"captive", "", access.ByPassword, nil, nil, access.Refused, "host_unreachable", "B"},
		{"captive", tenant, access.ByPassword, nil, key, access.Refused, "host_unreachable", "E"},
		{"internet", "", "pin", nil, nil, access.Allowed, hello.Success, ""},
	} {
		w := world(t, declared(func(o objects) {
			d := o[laptop].(spec.Device)
			d.Network = c.network
			o[laptop] = d
		}))
		f := held()
		at := f.Machines[laptop].Credentials[alice]
		at.CachedKey, at.CachedPassword = c.key, c.password
		v := access.Decide(w, f, access.Request{User: alice, Device: laptop, To: c.to, Gesture: c.by})
		if v.Word != c.word || v.Reason != c.reason || v.Phase != c.phase {
			t.Errorf("%+v: %s %s in %s.%s", c, v.Word, v.Reason, v.Flow, v.Phase)
		}
		if v.Word == access.Refused && c.network == "none" && v.Sentence != "The device is on no network." {
			t.Errorf("%+v: why is %q", c, v.Sentence) // no controller of a domain is what is missing
		}
	}
}

// Behind a captive portal a hybrid joined device opens by its cached logon where the
// domain is asked first, and not at all where the tenant is.
func TestCaptivePortalOfTheDomain(t *testing.T) {
	for trust, want := range map[hello.Trust]string{hello.KeyTrust: "degraded host_unreachable F", hello.CloudKerberos: "refused hello_ticket_expired A"} {
		w := world(t, declared(func(o objects) {
			d := o[desk].(spec.Device)
			d.Network = "captive"
			o[desk] = d
			if trust == hello.CloudKerberos {
				o["trust.key"] = spec.Trust{Type: string(trust), Tenant: tenant, Domain: corp}
			}
		}))
		f := held()
		f.Machines[desk].Credentials[alice].CachedKey = &access.CachedLogon{At: now, KeyID: "l", Trust: trust}
		v := access.Decide(w, f, access.Request{User: alice, Device: desk})
		if got := string(v.Word) + " " + v.Reason + " " + v.Phase; got != want {
			t.Errorf("%s: %s, want %s", trust, got, want)
		}
	}
}
