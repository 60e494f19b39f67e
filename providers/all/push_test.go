package all_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/wire/oauth"
)

const dora = "user.dora"

// withPhone makes dora, who has Microsoft Authenticator.
func (l *lab) withPhone() {
	l.t.Helper()
	l.Create(dora, spec.User{UPN: "dora@contoso.com", Tenant: "tenant.contoso", Password: []byte(password), MFA: "push"})
}

// TestPush is the provisioning of a user who approves on their phone.
func TestPush(t *testing.T) {
	l := newLab(t)
	l.device("laptop")
	l.withPhone()
	l.Create("enrollment.dora", enrollment(dora, laptop))
	s := l.story("P1")
	s.begunByDevice(t)
	t.Run("number matching", func(t *testing.T) {
		seed.Proves(t, "PA-06", "P1")
		s.phase("A").inOrder(t, "mfa_demanded", "mfa_begin", "mfa_challenged", "notification_sent", "mfa_prompt", "phone_prompt", "number_typed",
			"notification_approved", "phone_answer", "mfa_verified", "mfa_done", "drs_token")
		s.by(t, "A", event.MFA, event.Phone, "notification_sent")
		s.by(t, "A", event.User, event.Phone, "number_typed")
		s.by(t, "A", event.Phone, event.EntraID, "phone_answer")
		if s.has("mfa_code") {
			t.Error("a code was typed, too")
		}
	})
	t.Run("in the window", func(t *testing.T) {
		seed.Proves(t, "PA-13", "P1")
		s.by(t, "A", event.CXH, event.User, "mfa_prompt")
	})
	t.Run("the number is told nobody", func(t *testing.T) {
		for _, e := range s.events {
			for name := range e.Message {
				if name == "number" || name == "entropy" {
					t.Errorf("%s tells %s", e.Step, name)
				}
			}
		}
	})
}

// TestPushRefused: a person who closes the window, denies, mistypes or does
// not answer ends the flow, and nothing is made.
func TestPushRefused(t *testing.T) {
	for _, c := range []struct {
		name  string
		hands windows.Hands
		want  string
	}{
		{"closes the window", closes(windows.PromptNumber), "cancelled"},
		{"denies", closes(windows.PromptPhone), "PhoneAppDenied"},
		{"misreads", types(windows.PromptNumber, another), "PhoneAppEntropyIncorrect"},
		{"mistypes", types(windows.PromptPhone, another), "PhoneAppEntropyIncorrect"},
		{"types no number", types(windows.PromptPhone, func([]byte) []byte { return []byte("yes") }), "PhoneAppEntropyIncorrect"},
		{"does not answer", types(windows.PromptPhone, func([]byte) []byte { return nil }), "PhoneAppNoResponse"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.want == "cancelled" {
				seed.Proves(t, "PA-13", "P1")
			} else {
				seed.Proves(t, "PA-14", "P1")
			}
			l := newLab(t)
			l.device("laptop")
			l.withPhone()
			l.windows.Hands = c.hands
			tap := l.listen()
			_, err := l.TryCreate(t.Context(), "enrollment.dora", enrollment(dora, laptop))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want %q", err, c.want)
			}
			s := l.story("P1")
			if s.has("access_token_issued") || s.has("drs_token") || s.letters() != "A" {
				t.Errorf("went on:\n%s", s)
			}
			for _, x := range tap.exchanges() {
				if x.gaveToken() || x.host == l.tenant().RegistrationHost {
					t.Errorf("%s %s: %.80s", x.host, x.request.URL.Path, x.reply)
				}
			}
			l.nothingMade(t, laptop, "dora")
			l.windows.Hands = nil
			l.Create("enrollment.dora", enrollment(dora, laptop))
		})
	}
}

// A person who answers late is told so by the page.
func TestPushUnansweredExpires(t *testing.T) {
	l := newLab(t)
	l.device("laptop")
	l.withPhone()
	l.windows.Hands = func(p windows.Prompt, has []byte) ([]byte, bool) {
		if p == windows.PromptPhone {
			l.Advance(61 * time.Second)
		}
		return has, true
	}
	if _, err := l.TryCreate(t.Context(), "enrollment.dora", enrollment(dora, laptop)); err == nil || !strings.Contains(err.Error(), "PhoneAppNoResponse") {
		t.Fatalf("%v", err)
	}
	if e := l.story("P1").at(t, "phone_answer"); e.Message["outcome"] != "gone" {
		t.Errorf("the phone was told %v", e.Message)
	}
}

// TestFreshApproval is the boundary of the ten minutes for an approval given
// when the device was joined.
func TestFreshApproval(t *testing.T) {
	for _, c := range []struct {
		name    string
		wait    time.Duration
		prompts bool
	}{
		{"9m59s", 9*time.Minute + 59*time.Second, false},
		{"10m1s", 10*time.Minute + time.Second, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			seed.Proves(t, "PA-07", "P1")
			seed.Proves(t, "CONST-01")
			l := newLab(t)
			l.withPhone()
			l.device("laptop", func(d *spec.Device) { d.JoinedBy = dora })
			if !l.has("notification_approved") {
				t.Fatal("the device was joined without an approval")
			}
			l.Advance(c.wait)
			l.Create("enrollment.dora", enrollment(dora, laptop))
			if s := l.story("P1"); s.has("notification_sent") != c.prompts || s.has("mfa_prompt") != c.prompts {
				t.Errorf("prompted: %v\n%s", !c.prompts, s)
			}
		})
	}
}

// One person who joins several devices at once has a request for each, and
// answers each with the number of its own page.
func TestPushAtSeveralDevices(t *testing.T) {
	l := newLab(t)
	l.withPhone()
	names := []string{"device.a", "device.b", "device.c", "device.d"}
	errs := make(chan error)
	for _, name := range names {
		go func() {
			_, err := l.TryCreate(t.Context(), name, spec.Device{Join: "entra", Tenant: "tenant.contoso", JoinedBy: dora})
			errs <- err
		}()
	}
	for range names {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	approved := 0
	for _, e := range l.Events() {
		if e.Step == "notification_approved" {
			approved++
		}
	}
	if approved != len(names) {
		t.Errorf("%d approvals", approved)
	}
}

// TestThirdPartyMFA: with another vendor's service the flow is the same, and
// its lane is that service's.
func TestThirdPartyMFA(t *testing.T) {
	seed.Proves(t, "COMP-17", "P1")
	l := newLab(t)
	l.Update("tenant.contoso", spec.Tenant{Domains: []string{"contoso.com"}, Attestation: "required", MFA: &spec.TenantMFA{Provider: "third_party"}})
	l.withPhone()
	l.device("laptop")
	began := len(l.Events())
	l.Create("enrollment.dora", enrollment(dora, laptop))
	s := l.story("P1")
	s.phase("A").inOrder(t, "mfa_demanded", "mfa_handed_over", "mfa_challenged", "mfa_verified", "drs_token")
	s.by(t, "A", event.EntraID, event.ThirdPartyMFA, "mfa_handed_over")
	s.by(t, "A", event.ThirdPartyMFA, event.EntraID, "mfa_verified")
	for _, e := range l.Events()[began:] {
		if e.Actor == event.MFA || e.Peer == event.MFA {
			t.Errorf("%s is of Entra MFA", e.Step)
		}
	}
	if amr := texts(s.at(t, "access_token_issued").Message["amr"]); !slices.Contains(amr, oauth.AMRNGCMFA) {
		t.Errorf("amr %v", amr)
	}
}
