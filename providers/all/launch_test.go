package all_test

import (
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
)

// launchChecks are the conditions of an Entra joined device in a managed
// tenant, as `dsregcmd /status` names them.
var launchChecks = []string{"IsDeviceJoined", "IsUserAzureAD", "DeviceEligible", "PolicyEnabled", "PostLogonEnabled", "SessionIsNotRemote"}

// refusedLaunch tries to provision and expects the one check named to fail,
// with a reason that says so, and nothing to have begun.
func refusedLaunch(t *testing.T, l *lab, user, check, reason string) {
	t.Helper()
	tap, keys := l.listen(), len(l.helloKeys(user))
	_, err := l.TryCreate(t.Context(), "enrollment.refused", enrollment("user."+user, laptop))
	if err == nil || !strings.Contains(err.Error(), reason) {
		t.Fatalf("%v, want %q", err, reason)
	}
	s := l.story("P1")
	e := s.at(t, "prerequisites")
	if e.Outcome != event.Refused || e.Reason == nil || e.Message["PreReqResult"] != "WillNotProvision" || e.Message["event"] != 360 {
		t.Errorf("event %+v", e)
	}
	for _, name := range launchChecks {
		want := "YES"
		if name == check {
			want = "NO"
		}
		if e.Message[name] != want {
			t.Errorf("%s : %v, want %s", name, e.Message[name], want)
		}
	}
	if last := s.events[len(s.events)-1]; last.Step != "prerequisites" || s.letters() != "" || s.has("cxh_launch") {
		t.Errorf("something was launched:\n%s", s)
	}
	for _, r := range signedRequests(t, tap.exchanges()) {
		if !r.byDevice() {
			t.Errorf("a token for %q was asked for", r.claims.Resource)
		}
	}
	if n := len(l.helloKeys(user)); n != keys || len(l.keysOf(laptop, "container")) != 0 || len(l.keysOf(laptop, "keypool")) != 1 {
		t.Error("something was made")
	}
}

func TestLaunchConditions(t *testing.T) {
	no, yes := false, true
	t.Run("no TPM where policy wants one", func(t *testing.T) {
		seed.Proves(t, "PRE-01", "P1")
		l := newLab(t)
		l.device("laptop", func(d *spec.Device) { d.TPM = "none" })
		l.Create("policy.p", spec.Policy{RequireSecurityDevice: &yes})
		_, err := l.TryCreate(t.Context(), enrolled, enrollment(alice, laptop))
		if err == nil || !strings.Contains(err.Error(), "Policy requires a TPM, and the device has none") {
			t.Fatalf("%v", err)
		}
		if e := l.story("P1").at(t, "prerequisites"); e.Message["DeviceEligible"] != "NO" || l.has("cxh_launch") {
			t.Errorf("%+v", e)
		}
	})
	t.Run("unjoined", func(t *testing.T) {
		seed.Proves(t, "PRE-02", "P1")
		l := newLab(t)
		l.Create(laptop, spec.Device{Join: "none"})
		_, err := l.TryCreate(t.Context(), enrolled, enrollment(alice, laptop))
		if err == nil || !strings.Contains(err.Error(), "The device is joined to nothing") {
			t.Fatalf("%v", err)
		}
		if e := l.story("P1").at(t, "prerequisites"); e.Message["IsDeviceJoined"] != "NO" || l.has("cxh_launch") {
			t.Errorf("%+v", e)
		}
	})
	t.Run("account from elsewhere", func(t *testing.T) {
		seed.Proves(t, "PRE-03", "P1")
		l := newLab(t)
		l.device("laptop")
		l.Create("tenant.fabrikam", spec.Tenant{Domains: []string{"fabrikam.com"}})
		l.Create("user.eve", spec.User{UPN: "eve@fabrikam.com", Tenant: "tenant.fabrikam", Password: providers.Secret(password)})
		_, err := l.TryCreate(t.Context(), "enrollment.eve", enrollment("user.eve", laptop))
		if err == nil || !strings.Contains(err.Error(), "did not sign in with a work account") {
			t.Fatalf("%v", err)
		}
		if e := l.story("P1").at(t, "prerequisites"); e.Message["IsUserAzureAD"] != "NO" || e.Message["IsDeviceJoined"] != "YES" || l.has("cxh_launch") {
			t.Errorf("%+v", e)
		}
	})
	t.Run("policy", func(t *testing.T) {
		seed.Proves(t, "PRE-04", "P1")
		l := newLab(t)
		l.device("laptop")
		l.Create("policy.p", spec.Policy{UsePassportForWork: &no})
		refusedLaunch(t, l, "alice", "PolicyEnabled", "Policy does not enable Windows Hello for Business")
		l.Update("policy.p", spec.Policy{UsePassportForWork: &yes})
		l.enroll()
		l.story("P1").inOrder(t, "cxh_launch", "key_id_stored")
	})
	t.Run("Remote Desktop", func(t *testing.T) {
		seed.Proves(t, "PRE-05", "P1")
		l := newLab(t)
		l.device("laptop", func(d *spec.Device) { d.Session = "remote" })
		refusedLaunch(t, l, "alice", "SessionIsNotRemote", "Remote Desktop")
	})
	t.Run("not after sign-in", func(t *testing.T) {
		seed.Proves(t, "PRE-08", "P1")
		l := newLab(t)
		l.device("laptop")
		l.Create("policy.p", spec.Policy{DisablePostLogonProvisioning: &yes})
		refusedLaunch(t, l, "alice", "PostLogonEnabled", "after sign-in")
	})
	t.Run("all hold", func(t *testing.T) {
		seed.Proves(t, "PRE-07", "P1")
		l := newLab(t)
		l.device("laptop")
		l.enroll()
		s := l.story("P1")
		launch := s.index("cxh_launch")
		s.by(t, "", event.Device, event.CXH, "cxh_launch")
		for i, e := range s.events {
			if (e.Phase != "") != (i > launch) {
				t.Errorf("%s of phase %q stands on the wrong side of the launch", e.Step, e.Phase)
			}
		}
	})
	t.Run("list of this deployment", func(t *testing.T) {
		seed.Proves(t, "PRE-06", "P1")
		l := newLab(t)
		l.device("laptop")
		l.enroll()
		m := l.story("P1").at(t, "prerequisites").Message
		for _, name := range launchChecks {
			if m[name] != "YES" {
				t.Errorf("%s : %v", name, m[name])
			}
		}
		// Two members are the outcome; no other deployment's condition is asked.
		if len(m) != len(launchChecks)+2 || m["PreReqResult"] != "WillProvision" || m["event"] != 358 {
			t.Errorf("%v", m)
		}
	})
}

// TestOfferedOnce: the first sign-in with a password starts provisioning, and
// no later one does.
func TestOfferedOnce(t *testing.T) {
	seed.Proves(t, "PRE-09", "P1")
	l := newLab(t)
	l.device("laptop")
	l.user("bo")
	l.Create("enrollment.bo", enrollment("user.bo", laptop))
	s := l.story("P1")
	if first := s.events[0]; first.Step != "first_factor" || first.Message["credential"] != "password" || first.User != "user.bo" {
		t.Errorf("began with %+v", first)
	}
	s.inOrder(t, "first_factor", "prt_cached", "prerequisites", "cxh_launch", "key_id_stored")

	began := len(l.Events())
	l.expect(windows.Request{User: "user.bo", Password: providers.Secret(password)}, "success")
	l.story("A1").by(t, "E", event.Device, "", "already_provisioned")
	// Nor does the enrollment provision again when it is asked for again.
	rec, err := l.For("enrollment.bo").Objects.Lookup("enrollment.bo")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.kind("enrollment").Create(t.Context(), l.For("enrollment.bo"), rec.In); err != nil {
		t.Fatal(err)
	}
	for _, e := range l.Events()[began:] {
		if e.Flow == "P1" || e.Step == "cxh_launch" {
			t.Errorf("%s of flow %s", e.Step, e.Flow)
		}
	}
	// Whoever has no key is looked at anew; a sign-in alone enrolls nobody.
	l.Delete("enrollment.bo")
	l.expect(windows.Request{User: "user.bo", Password: providers.Secret(password)}, "success")
	if m := l.story("A1").at(t, "prerequisites").Message; m["PreReqResult"] != "WillProvision" {
		t.Errorf("%v", m)
	}
}

// TestFirstFactorFirst: whoever is asked for a second factor gave a first one.
func TestFirstFactorFirst(t *testing.T) {
	seed.Proves(t, "PRE-10", "P1")
	l := newLab(t)
	l.device("laptop")
	l.user("bo")
	tap := l.listen()
	l.Create("enrollment.bo", enrollment("user.bo", laptop))
	s := l.story("P1")
	s.inOrder(t, "first_factor", "prt_issued", "cxh_launch", "drs_token_request")
	if e := s.at(t, "first_factor"); e.Actor != event.User || e.Message["credential"] != "password" || e.Message["user"] != "bo@contoso.com" {
		t.Errorf("%+v", e)
	}
	first := signedRequests(t, tap.exchanges())[0]
	if first.claims.GrantType != "password" || first.claims.Username != "bo@contoso.com" || first.claims.Password != password || first.status != 200 {
		t.Errorf("the first request is a %s of %s, answered %d", first.claims.GrantType, first.claims.Username, first.status)
	}
	// Without it there is no second.
	l.user("mo")
	l.Update("user.mo", l.With("user", spec.User{UPN: "mo@contoso.com", Tenant: "tenant.contoso", Password: providers.Secret(password)}, "enabled_in_tenant", cty.False))
	if _, err := l.TryCreate(t.Context(), "enrollment.mo", enrollment("user.mo", laptop)); err == nil {
		t.Error("an account that may not sign in was provisioned")
	}
	if s := l.story("P1"); s.has("cxh_launch") || s.has("drs_token_request") {
		t.Errorf("launched without a first factor:\n%s", s)
	}
}
