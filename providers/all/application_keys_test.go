package all_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"hellolab/providers"
	"hellolab/providers/conformance"
	"hellolab/providers/conformance/leak"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
)

// TestProgramsUseKeys: once a gesture has released the Hello key, programs on the
// device use it for what they do, without a gesture of their own and without the
// key; one that demands it has the gesture made again.
func TestProgramsUseKeys(t *testing.T) {
	l := newCertificateKinds(t)
	l.Create(vpnCert, further(spec.PurposeVPN))
	l.Create(rdpCert, further(spec.PurposeRDP))
	// steps counts the events of a sign-in with the PIN to both services.
	steps := func(t *testing.T, code string) map[string]int {
		t.Helper()
		before := len(l.Events())
		l.expect(byPINTo(remote, gateway), code)
		counts := map[string]int{}
		for _, e := range l.Events()[before:] {
			counts[e.Step]++
		}
		return counts
	}
	var asked []windows.Prompt
	answers := func(pin string, ok bool) windows.Hands {
		asked = nil
		return func(p windows.Prompt, has []byte) ([]byte, bool) {
			asked = append(asked, p)
			return []byte(pin), ok
		}
	}

	t.Run("without a gesture of their own", func(t *testing.T) {
		seed.Proves(t, "CT-41")
		seed.Proves(t, "CT-43")
		l.windows.Hands = answers(pin, true)
		before := len(l.Events())
		if c := steps(t, "success"); c["key_released"] != 1 || c["certificate_chosen"] != 2 || c["access_granted"] != 2 || c["gesture_demanded"] != 0 || len(asked) != 0 {
			t.Errorf("%v, asked %q", c, asked)
		}
		// What is told of it has nothing of the keys.
		var told bytes.Buffer
		for _, e := range l.Events()[before:] {
			b, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			told.Write(leak.Unfold(string(b)))
		}
		for name, blob := range l.privateBlobs(laptop) {
			if bytes.Contains(told.Bytes(), blob) {
				t.Errorf("%s is told", name)
			}
		}
	})
	t.Run("while it is released", func(t *testing.T) {
		seed.Proves(t, "CT-30")
		for _, to := range []string{gateway, remote} {
			l.expect(windows.Request{Password: providers.Secret("First.pa55word"), To: []string{to}}, "service_needs_hello")
			l.expect(byPINTo(to), "success")
		}
	})
	t.Run("the gesture again", func(t *testing.T) {
		seed.Proves(t, "CT-44")
		gate := conformance.Get[spec.Service, spec.ServiceOut](l.Env, gateway).In
		gate.Force = true
		l.Update(gateway, gate)
		l.windows.Hands = answers(pin, true)
		if c := steps(t, "success"); c["key_released"] != 1 || c["gesture_demanded"] != 1 || c["gesture_verified"] != 1 || c["access_granted"] != 2 || len(asked) != 1 || asked[0] != windows.PromptForced {
			t.Errorf("%v, asked %q", c, asked)
		}
		for code, hands := range map[string]windows.Hands{"cancelled": answers("", false), "wrong_pin": answers("000000", true)} {
			l.windows.Hands = hands
			if c := steps(t, code); c["access_granted"] != 1 || c["service_request"] != 1 || c["certificate_chosen"] != 1 { // at the other service
				t.Errorf("%s: %v", code, c)
			}
		}
		l.windows.Hands = nil
		if e := l.lastEvent(event.Container, "key_release_refused"); e.Reason == nil {
			t.Errorf("%+v", e)
		}
		l.expect(byPINTo(gateway), "success")
	})
}
