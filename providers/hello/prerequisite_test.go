package hello

import (
	"reflect"
	"testing"

	"hellolab/providers/conformance/seed"
)

// ready is facts under which every check of every route succeeds.
var ready = Facts{Joined: true, WorkAccount: true, PRT: true, TPM: true,
	EnterprisePRT: true, RegistrationAuthority: true, Template: true, MDMCertificate: true, CloudTGT: true, DomainAccount: true}

func on() InForce {
	return InForce{UsePassportForWork: Setting[bool]{Value: true}, RequireSecurityDevice: Setting[bool]{Value: true}}
}

func routeOf(t *testing.T, s Shape) Route {
	t.Helper()
	r, refusal := Select(s)
	if refusal != nil {
		t.Fatal(refusal)
	}
	return r
}

var entraManaged = Shape{EntraJoined, CloudOnly, Managed, NoTrust, NoDelivery}

func TestPrerequisitesOfEachCheck(t *testing.T) {
	seed.Proves(t, "PRE-01")
	seed.Proves(t, "PRE-02")
	seed.Proves(t, "PRE-03")
	seed.Proves(t, "PRE-04")
	seed.Proves(t, "PRE-05")
	for _, c := range []struct {
		name  string
		spoil func(*InForce, *Facts)
		check string
		event int
		code  string
	}{
		{"unjoined", func(p *InForce, f *Facts) { f.Joined = false }, "IsDeviceJoined", 7200, "device_not_joined"},
		{"local account", func(p *InForce, f *Facts) { f.WorkAccount = false }, "IsUserAzureAD", 7201, "not_work_account"},
		{"no token", func(p *InForce, f *Facts) { f.PRT = false }, "IsUserAzureAD", 7201, "no_prt"},
		{"no TPM", func(p *InForce, f *Facts) { f.TPM = false }, "DeviceEligible", 7202, "tpm_missing"},
		{"policy off", func(p *InForce, f *Facts) { p.UsePassportForWork.Value = false }, "PolicyEnabled", 7203, "policy_disabled"},
		{"not after logon", func(p *InForce, f *Facts) { p.DisablePostLogonProvisioning.Value = true }, "PostLogonEnabled", 7204, "post_logon_disabled"},
		{"remote", func(p *InForce, f *Facts) { f.Remote = true }, "SessionIsNotRemote", 7210, "remote_session"},
	} {
		policy, facts := on(), ready
		c.spoil(&policy, &facts)
		l := Prerequisites(routeOf(t, entraManaged), policy, facts)
		if l.WillProvision || l.Event != 7054 || l.DeviceEvent != 360 {
			t.Errorf("%s: %+v", c.name, l)
		}
		for _, check := range l.Checks {
			failed := check.Name == c.check
			if check.OK == failed {
				t.Errorf("%s: %s is %v", c.name, check.Name, check.OK)
			}
			if failed && (check.Event != c.event || check.Code != c.code || check.Reason.Sentence == "" || check.Reason.Hint == "") {
				t.Errorf("%s: %+v", c.name, check)
			}
		}
		if why := l.Failed(); len(why) != 1 {
			t.Errorf("%s: %d reasons", c.name, len(why))
		}
	}
}

func TestPrerequisitesHold(t *testing.T) {
	l := Prerequisites(routeOf(t, entraManaged), on(), ready)
	want := Launch{WillProvision: true, Event: 8054, DeviceEvent: 358, Checks: []Check{
		{Name: "IsDeviceJoined", OK: true, Event: 8200},
		{Name: "IsUserAzureAD", OK: true, Event: 8201},
		{Name: "DeviceEligible", OK: true, Event: 8202},
		{Name: "PolicyEnabled", OK: true, Event: 8203},
		{Name: "PostLogonEnabled", OK: true, Event: 8204},
		{Name: "SessionIsNotRemote", OK: true, Event: 8210},
	}}
	if !reflect.DeepEqual(l, want) {
		t.Errorf("%+v", l)
	}
}

// Without the policy a device without TPM provisions in software.
func TestSoftwareKeyIsEligible(t *testing.T) {
	policy, facts := on(), ready
	policy.RequireSecurityDevice.Value, facts.TPM = false, false
	if l := Prerequisites(routeOf(t, entraManaged), policy, facts); !l.WillProvision {
		t.Errorf("%+v", l)
	}
}

func TestNothingToDoWithAKey(t *testing.T) {
	facts := Facts{HasKey: true}
	if l := Prerequisites(routeOf(t, entraManaged), InForce{}, facts); l.WillProvision || !l.HasKey || len(l.Checks) != 0 {
		t.Errorf("%+v", l)
	}
}

// What each deployment checks besides, and which event says that it failed.
func TestPrerequisitesOfDeployments(t *testing.T) {
	seed.Proves(t, "PRE-06")
	for _, c := range []struct {
		shape  Shape
		extra  []string
		launch int // event when it fails
	}{
		{entraManaged, nil, 360},
		{Shape{EntraJoined, Hybrid, Managed, CloudKerberos, NoDelivery}, nil, 360}, // never asked for the ticket
		{Shape{HybridJoined, Hybrid, Managed, CloudKerberos, NoDelivery}, []string{"OnPremTGT"}, 360},
		{Shape{HybridJoined, Hybrid, Managed, KeyTrust, NoDelivery}, nil, 360},
		{Shape{HybridJoined, Hybrid, FederatedADFS, CertTrust, RegistrationAuthority}, []string{"LogonCertTemplateReady", "AdfsRaIsReady", "AdfsRefreshToken"}, 362},
		{Shape{EntraJoined, Hybrid, FederatedADFS, CertTrust, MDMDelivery}, []string{"MdmCertificateReady"}, 361},
		{Shape{DomainJoined, OnPremises, FederatedADFS, CertTrust, RegistrationAuthority}, []string{"LogonCertTemplateReady", "AdfsRaIsReady", "AdfsRefreshToken"}, 362},
	} {
		route := routeOf(t, c.shape)
		if l := Prerequisites(route, on(), ready); !l.WillProvision {
			t.Errorf("%v: %+v", c.shape, l)
		}
		basic := Facts{Joined: true, WorkAccount: true, PRT: true, TPM: true, DomainAccount: true}
		l := Prerequisites(route, on(), basic)
		var failed []string
		blocked := false
		for _, check := range l.Checks {
			if !check.OK {
				blocked = blocked || !check.Later
				failed = append(failed, check.Name)
				if _, ok := ReasonFor(check.Code); !ok {
					t.Errorf("%s: %q is no reason code", check.Name, check.Code)
				}
			}
		}
		// Device management delivers later: what it lacks is logged, and the key made.
		if !equalStrings(failed, c.extra) || l.WillProvision == blocked || blocked != (c.extra != nil && c.shape.Delivery != MDMDelivery) {
			t.Errorf("%v: failed %v, want %v", c.shape, failed, c.extra)
		}
		if l = Prerequisites(route, InForce{}, basic); l.DeviceEvent != c.launch {
			t.Errorf("%v: event %d, want %d", c.shape, l.DeviceEvent, c.launch)
		}
	}
}

func TestRegisteredDevicePrerequisite(t *testing.T) {
	l := Prerequisites(routeOf(t, Shape{Registered, CloudOnly, Managed, NoTrust, NoDelivery}), on(), Facts{Joined: true, WorkAccount: true, TPM: true})
	if c := l.Checks[1]; c.Name != "WorkplaceJoined" || c.Event != 7211 || c.Code != "no_prt" {
		t.Errorf("%+v", c)
	}
}

// Who signs in to a hybrid joined device is of its domain, and the tenant knows
// them by the synchronization: each of the two can fail.
func TestHybridPrerequisites(t *testing.T) {
	route := routeOf(t, Shape{HybridJoined, Hybrid, Managed, KeyTrust, NoDelivery})
	for _, c := range []struct {
		name  string
		spoil func(*Facts)
		check string
		event int
		code  string
	}{
		{"not of the domain", func(f *Facts) { f.DomainAccount = false }, "DomainAccount", 0, "not_domain_account"},
		{"no token", func(f *Facts) { f.PRT = false }, "IsUserAzureAD", 7201, "no_prt"},
		{"not registered", func(f *Facts) { f.Joined = false }, "IsDeviceJoined", 7200, "device_not_joined"},
	} {
		facts := ready
		c.spoil(&facts)
		l := Prerequisites(route, on(), facts)
		var failed []Check
		for _, check := range l.Checks {
			if !check.OK {
				failed = append(failed, check)
			}
		}
		if l.WillProvision || l.DeviceEvent != 360 || len(failed) != 1 || failed[0].Name != c.check || failed[0].Event != c.event || failed[0].Code != c.code {
			t.Errorf("%s: %+v", c.name, l)
		}
	}
	if l := Prerequisites(routeOf(t, entraManaged), on(), Facts{Joined: true, WorkAccount: true, PRT: true, TPM: true}); !l.WillProvision {
		t.Errorf("an Entra joined device asks for an account of a domain: %+v", l)
	}
}
