package sas

import (
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestPageRoundTrip(t *testing.T) {
	c := Config{
		PageID: PageTFA, SessionID: "s", FlowToken: "ft", Ctx: "ctx", Canary: "c",
		URLPost: "/common/SAS/ProcessAuth", URLBeginAuth: "https://login.test/common/SAS/BeginAuth", URLEndAuth: "https://login.test/common/SAS/EndAuth",
		Username:   "</script>\n//]]></script>;<b>&\"'@contoso.com",
		UserProofs: []Proof{{AuthMethodID: MethodAppOTP, Data: MethodAppOTP, Display: "…", IsDefault: true}},
	}
	page, err := c.Page("n")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(page), "</script>") != 1 {
		t.Errorf("a value ends the script:\n%s", page)
	}
	back, err := ParsePage(page)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(*back, c) {
		t.Errorf("read back %+v", *back)
	}
}

func TestParsePageRefuses(t *testing.T) {
	for name, page := range map[string]string{
		"empty":     "",
		"no end":    "$Config={}",
		"not JSON":  "$Config={;\n//]]></script>",
		"repeated":  `$Config={"pgid":"a","pgid":"b"};` + "\n//]]></script>",
		"very long": "$Config=" + strings.Repeat(" ", maxPage),
	} {
		if _, err := ParsePage([]byte(page)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestFormsRoundTrip(t *testing.T) {
	l := Login{Login: "a@b", Password: "p&=", Ctx: "c", FlowToken: "f", Canary: "x"}
	if got := ParseLogin(l.Form()); got != l {
		t.Errorf("login: %+v", got)
	}
	p := ProcessAuth{Request: "c", MFAAuthMethod: MethodAppOTP, Login: "a@b", FlowToken: "f", Canary: "x"}
	if got := ParseProcessAuth(p.Form()); got != p {
		t.Errorf("process: %+v", got)
	}
}

// RFC 6238 appendix B, SHA-1, last six of the eight digits.
func TestTOTPVectors(t *testing.T) {
	secret := []byte("12345678901234567890")
	for at, want := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471",
		1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		if got := TOTP(secret, time.Unix(at, 0)); got != want {
			t.Errorf("TOTP at %d = %s, want %s", at, got, want)
		}
	}
}

func TestCheckTOTPWindow(t *testing.T) {
	secret := []byte("12345678901234567890")
	at := time.Unix(1111111111, 0)
	code := TOTP(secret, at)
	for _, tt := range []struct {
		shift time.Duration
		want  bool
	}{{0, true}, {30 * time.Second, true}, {-30 * time.Second, true}, {61 * time.Second, false}, {-61 * time.Second, false}} {
		used, ok := CheckTOTP(secret, code, at.Add(tt.shift))
		if ok != tt.want || ok && used != step(at) {
			t.Errorf("shift %v: step %d, %v", tt.shift, used, ok)
		}
	}
	for _, bad := range []string{"", "12345", code + "0", "      "} {
		if _, ok := CheckTOTP(secret, bad, at); ok {
			t.Errorf("code %q accepted", bad)
		}
	}
}

func TestTOTPSecretText(t *testing.T) {
	secret := []byte("12345678901234567890")
	for _, s := range []string{EncodeTOTPSecret(secret), strings.ToLower(EncodeTOTPSecret(secret)), EncodeTOTPSecret(secret) + "=="} {
		got, err := ParseTOTPSecret(s)
		if err != nil || string(got) != string(secret) {
			t.Errorf("%s: %q, %v", s, got, err)
		}
	}
	const bad = "not base32!"
	if _, err := ParseTOTPSecret(bad); err == nil || strings.Contains(err.Error(), bad) {
		t.Errorf("err = %v", err)
	}
}

func FuzzParsePage(f *testing.F) {
	page, _ := Config{PageID: PageSignIn}.Page("n")
	f.Add(page)
	f.Fuzz(func(t *testing.T, page []byte) {
		c, err := ParsePage(page)
		if err != nil {
			return
		}
		if _, err := c.Page("n"); err != nil {
			t.Fatal(err)
		}
	})
}

func TestPollRoundTrip(t *testing.T) {
	r := AuthRequest{Method: MethodEnd, AuthMethodID: MethodAppNotification, SessionID: "s", FlowToken: "f", Ctx: "c", PollCount: 3}
	got, err := ParsePoll(r.Poll())
	if err != nil || *got != r {
		t.Errorf("read back %+v, %v", got, err)
	}
	if _, err := ParsePoll(url.Values{"pollCount": {"x"}}, http.Header{}); err == nil {
		t.Error("a count that is none was accepted")
	}
}

// One open client counts its polls in a number, another in a string.
func TestPollCount(t *testing.T) {
	for text, want := range map[string]Count{`{"PollCount":2}`: 2, `{"PollCount":"2"}`: 2, `{}`: 0} {
		if r, err := ParseAuthRequest([]byte(text)); err != nil || r.PollCount != want {
			t.Errorf("%s: %+v, %v", text, r, err)
		}
	}
	if _, err := ParseAuthRequest([]byte(`{"PollCount":[]}`)); err == nil {
		t.Error("a count that is none was accepted")
	}
}

func FuzzParsePoll(f *testing.F) {
	f.Add("authMethodId=PhoneAppNotification&pollCount=1", "s", "f", "c")
	f.Fuzz(func(t *testing.T, query, session, token, ctx string) {
		q, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		h := http.Header{}
		h.Set(HeaderSessionID, session)
		h.Set(HeaderFlowToken, token)
		h.Set(HeaderCtx, ctx)
		if r, err := ParsePoll(q, h); err == nil && (r.Method != MethodEnd || r.FlowToken != token || r.Ctx != ctx) {
			t.Fatalf("read %+v", r)
		}
	})
}

func FuzzParseAuth(f *testing.F) {
	f.Add([]byte(`{"Method":"EndAuth","AuthMethodId":"PhoneAppOTP","AdditionalAuthData":"123456"}`))
	f.Add([]byte(`{"Method":"EndAuth","AuthMethodId":"PhoneAppNotification","PollCount":"1"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = ParseAuthRequest(data)
		_, _ = ParseAuthReply(data)
	})
}
