package hello

import (
	"regexp"
	"strings"
	"testing"
)

func TestReasons(t *testing.T) {
	code := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	status := regexp.MustCompile(`^(AADSTS[0-9]{5,6}|MSIS[0-9]{4}|0x[0-9A-F]{8})?$`)
	seen := map[string]bool{}
	for _, r := range Reasons() {
		if !code.MatchString(r.Code) || seen[r.Code] {
			t.Errorf("code %q is malformed or listed twice", r.Code)
		}
		seen[r.Code] = true
		if !status.MatchString(r.Status) {
			t.Errorf("%s: status %q", r.Code, r.Status)
		}
		if r.Name != "" && r.Status == "" {
			t.Errorf("%s: a name without a status", r.Code)
		}
		if !strings.HasSuffix(r.Sentence, ".") || r.Hint != "" && !strings.HasSuffix(r.Hint, ".") {
			t.Errorf("%s: %q, %q are no sentences", r.Code, r.Sentence, r.Hint)
		}
		if got, ok := ReasonFor(r.Code); !ok || got != r {
			t.Errorf("%s is not found", r.Code)
		}
		e := r.Event()
		if e.Code == "" || e.Sentence != r.Sentence || r.Status != "" && e.Code != r.Status {
			t.Errorf("%s: event reason %+v", r.Code, e)
		}
	}
	if Reasons()[0].Code != Success {
		t.Error("success is not first")
	}
}

func TestReasonOfStatus(t *testing.T) {
	for status, want := range map[string]string{
		"AADSTS50126": "wrong_password", "0x801C03ED": "mfa_expired", "AADSTS130004": "key_not_found", "AADSTS135011": "device_disabled",
	} {
		if r, ok := ReasonOfStatus(status); !ok || r.Code != want {
			t.Errorf("%s: %+v", status, r)
		}
	}
	for _, status := range []string{"", "AADSTS1"} {
		if r, ok := ReasonOfStatus(status); ok {
			t.Errorf("%q: %+v", status, r)
		}
	}
}

func TestNearestReason(t *testing.T) {
	for word, want := range map[string]string{
		"sucess": "success", "wrong-pin": "wrong_pin", "Wrong_PIN": "wrong_pin", "wrongpin": "wrong_pin", "user_disbaled": "user_disabled",
		"banana": "", "": "", strings.Repeat("x", 5000): "",
	} {
		if got := NearestReason(word); got != want {
			t.Errorf("%.20q: %q, want %q", word, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		d    int
	}{{"", "", 0}, {"a", "", 1}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"kitten", "sitting", 3}, {"ca", "abc", 3}} {
		if got := distance(c.a, c.b); got != c.d {
			t.Errorf("%q %q: %d, want %d", c.a, c.b, got, c.d)
		}
		if got := distance(c.b, c.a); got != c.d {
			t.Errorf("%q %q: %d, want %d", c.b, c.a, got, c.d)
		}
	}
}
