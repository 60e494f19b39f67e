package access_test

import (
	"strings"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/hello/access"
	"hellolab/providers/spec"
)

const idp = "federation.idp"

// vendorLab is declared, without a domain, in a tenant that another vendor's service
// checks the passwords of.
func vendorLab(set ...func(objects)) objects {
	return declared(func(o objects) {
		for _, addr := range []string{corp, "authority.ca", "sync.corp", "trust.key", desk, "enrollment.desk"} {
			delete(o, addr)
		}
		o["policy.hello"] = spec.Policy{UsePassportForWork: new(true)}
		o[idp] = spec.Federation{Kind: spec.FederationThirdParty, Host: "idp.example.com", Enabled: true, MFA: spec.AdapterBuiltin, SigningVersion: 1}
		change(tenant, func(t *spec.Tenant) { t.Authentication, t.Federation = "federated", idp })(o)
		change(alice, func(u *spec.User) {
			u.Domain, u.Password, u.PasswordVersion = "", providers.Secret("Corr3ct horse"), 1
		})(o)
		change(laptop, func(d *spec.Device) { d.TrustedRoots = nil })(o)
		for _, s := range set {
			s(o)
		}
	})
}

func heldByVendor() *access.Facts {
	f := held()
	delete(f.Machines, desk)
	f.Accounts[alice].NoSecret, f.Accounts[alice].Elsewhere = true, true
	f.Tenants[tenant] = &access.Tenant{Next: now.Add(5 * time.Hour)}
	return f
}

var managed = change(tenant, func(t *spec.Tenant) { t.Authentication, t.Federation = "managed", "" })

func rolls(version int) func(objects) {
	return change(idp, func(f *spec.Federation) { f.SigningVersion = version })
}

// Where a plan leads passwords, and who has them then.
func TestPasswordsElsewhere(t *testing.T) {
	raised := change(alice, func(u *spec.User) { u.PasswordVersion = 2 })
	off := change(idp, func(f *spec.Federation) { f.Enabled = false })
	closed := change(idp, func(f *spec.Federation) { f.Passwords = new(false) })
	always := change(idp, func(f *spec.Federation) { f.MFARule = spec.MFAAlways })
	inTenant := held()
	delete(inTenant.Machines, desk)
	for name, tt := range map[string]struct {
		facts   *access.Facts
		was, is objects
		reason  string
		gap     string
		moves   bool // it is another who checks, or otherwise
	}{
		"nothing":                         {heldByVendor(), vendorLab(), vendorLab(), "success", "", false},
		"off":                             {heldByVendor(), vendorLab(), vendorLab(off), "federation_unreachable", "", true},
		"takes none by message":           {heldByVendor(), vendorLab(), vendorLab(closed), "federation_without_password_endpoint", "", true},
		"takes them again":                {heldByVendor(), vendorLab(closed), vendorLab(), "success", "", true},
		"says what was so anyway":         {heldByVendor(), vendorLab(), vendorLab(change(idp, func(f *spec.Federation) { f.Passwords = new(true) })), "success", "", false},
		"asks for a factor":               {heldByVendor(), vendorLab(), vendorLab(always), "wrong_password", "", true},
		"to managed":                      {heldByVendor(), vendorLab(), vendorLab(managed), "wrong_password", "tenant.contoso will have no password of user.alice:", true},
		"to managed with a password":      {heldByVendor(), vendorLab(), vendorLab(managed, raised), "success", "", true},
		"from managed":                    {inTenant, vendorLab(managed), vendorLab(), "wrong_password", "federation.idp will have no password of user.alice:", true},
		"from managed with a password":    {inTenant, vendorLab(managed), vendorLab(raised), "success", "", true},
		"signs by a new certificate":      {heldByVendor(), vendorLab(), vendorLab(rolls(2)), "assertion_refused", "", true},
		"and the tenant changes with it":  {heldByVendor(), vendorLab(), vendorLab(rolls(2), change(tenant, func(t *spec.Tenant) { t.Attestation = "required" })), "success", "", false},
		"and another password is no help": {heldByVendor(), vendorLab(), vendorLab(rolls(2), raised), "assertion_refused", "", true},
	} {
		was, is := world(t, tt.was), world(t, tt.is)
		f := access.Planned(tt.facts, was, is)
		before, after := access.New(was, tt.facts), access.New(is, f)
		v := after.Decide(access.Request{User: alice, Device: laptop, Gesture: access.ByPassword})
		gaps := strings.Join(f.Gaps, "\n")
		if v.Reason != tt.reason || !strings.Contains(gaps, tt.gap) || tt.gap == "" && gaps != "" || before.PasswordsMove(after)[tenant] != tt.moves {
			t.Errorf("%s: %s, moves %v, gaps %q", name, v.Reason, before.PasswordsMove(after), gaps)
		}
		if v := after.Decide(access.Request{User: alice, Device: laptop}); v.Word != access.Allowed {
			t.Errorf("%s: by PIN %+v", name, v)
		}
	}
}

// The tenant reads the metadata again when a day is over, unless the service is off.
func TestNewSigningCertificateIsRead(t *testing.T) {
	was, is := world(t, vendorLab()), world(t, vendorLab(rolls(2)))
	f := access.Planned(heldByVendor(), was, is)
	byPassword := access.Request{User: alice, Device: laptop, Gesture: access.ByPassword}
	if v := access.Decide(is, f, byPassword); v.Action != access.NoAction || v.When != access.AtOnce || v.Rule != "Q3" || !strings.Contains(v.Sentence, "2026-03-02T14:00:00Z") {
		t.Errorf("%+v", v)
	}
	var at []time.Time
	for step := range f.Ahead(is, now.Add(72*time.Hour)) {
		at = append(at, step.To)
		if v := access.Decide(is, step.Facts, byPassword); v.Word != access.Allowed || !step.Concerns(alice) {
			t.Errorf("%s: %+v", step.To, v)
		}
	}
	if len(at) != 1 || !at[0].Equal(now.Add(5*time.Hour)) {
		t.Errorf("it changes at %v", at)
	}
	if stale := access.New(is, f).Stale(); !stale[tenant] {
		t.Errorf("stale: %v", stale)
	}
	off := world(t, vendorLab(rolls(2), change(idp, func(f *spec.Federation) { f.Enabled = false })))
	if later := f.Later(off, now.Add(72*time.Hour)); !later.Tenants[tenant].Stale {
		t.Error("it read what nobody answered")
	}
	n := 0
	for r := range access.New(is, f).ByPassword(map[string]bool{tenant: true}) {
		if n++; r.Gesture != access.ByPassword || r.User != alice {
			t.Errorf("%+v", r)
		}
	}
	if n != 2 {
		t.Errorf("%d sign-ins by password", n)
	}
}

// Who is to join through AD FS, by a certificate that the tenant does not know.
func TestUnvouchedJoinIsToldOf(t *testing.T) {
	const sts = "federation.sts"
	federated := func(version int, devices ...string) objects {
		return declared(func(o objects) {
			o[sts] = spec.Federation{Kind: spec.FederationADFS, Domain: corp, Enabled: true, MFA: spec.AdapterBuiltin, SigningVersion: version}
			change(tenant, func(t *spec.Tenant) { t.Authentication, t.Federation = "federated", sts })(o)
			for _, d := range devices {
				o[d] = o[desk]
			}
		})
	}
	for name, tt := range map[string]struct {
		was, is objects
		stale   bool
		want    bool
	}{
		"nobody new":            {federated(1), federated(2), false, false},
		"a new one":             {federated(1), federated(1, "device.new"), false, false},
		"of an older rollover":  {federated(1), federated(1, "device.new"), true, true},
		"of this rollover":      {federated(1), federated(2, "device.new"), false, true},
		"the tenant of another": {federated(1), declared(func(o objects) { o["device.new"] = o[desk] }), true, false},
	} {
		facts := held()
		facts.Tenants[tenant] = &access.Tenant{Stale: tt.stale, Next: now.Add(5 * time.Hour)}
		gaps := strings.Join(access.Planned(facts, world(t, tt.was), world(t, tt.is)).Gaps, "\n")
		if strings.Contains(gaps, "device.new joins through federation.sts, which signs by a certificate that tenant.contoso does not know yet") != tt.want {
			t.Errorf("%s: %q", name, gaps)
		}
	}
}
