package oauth

import (
	"encoding/json"
	"errors"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestTokenResponseVersions(t *testing.T) {
	r := TokenResponse{TokenType: "Bearer", ExpiresIn: 3599, ExpiresOn: 1708017084, NotBefore: 1708013000, RefreshToken: "0.A.x", RefreshTokenExpiresIn: 1209599}
	for _, tt := range []struct {
		v    Version
		want string
	}{
		{V1, `"expires_in":"3599"`},
		{V2, `"expires_in":3599`},
	} {
		data, err := r.Encode(tt.v)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(data), tt.want) {
			t.Errorf("V%d: %s lacks %s", tt.v, data, tt.want)
		}
		if !strings.Contains(string(data), `"refresh_token_expires_in":1209599`) {
			t.Errorf("V%d: refresh_token_expires_in is not a number: %s", tt.v, data)
		}
		back, err := ParseTokenResponse(data)
		if err != nil || *back != r {
			t.Errorf("V%d: read back %+v, %v", tt.v, back, err)
		}
	}
}

func TestRequestsRoundTrip(t *testing.T) {
	r := TokenRequest{GrantType: GrantPassword, ClientID: ClientBroker, Resource: ResourceDRS, Username: "a@b", Password: "x y&=", ClientInfo: true}
	v, err := url.ParseQuery(r.Form().Encode())
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseTokenRequest(v)
	if err != nil || got != r {
		t.Fatalf("got %+v, %v", got, err)
	}
	v.Add("client_id", "other")
	if _, err := ParseTokenRequest(v); !errors.Is(err, ErrRepeated) {
		t.Errorf("repeated client_id: %v", err)
	}
}

func TestDemands(t *testing.T) {
	for _, tt := range []struct {
		amr, claims string
		want        Demands
		err         bool
	}{
		{amr: "ngcmfa", want: Demands{MFA: true, FreshMFA: true}},
		{amr: "mfa ngcmfa", want: Demands{MFA: true, FreshMFA: true}},
		{amr: "mfa", want: Demands{MFA: true}},
		{claims: FreshMFAClaims, want: Demands{MFA: true, FreshMFA: true}},
		{claims: `{"access_token":{"amr":{"values":["mfa"]}}}`, want: Demands{MFA: true}},
		{claims: `{"access_token":{"xms_cc":{"values":["CP1","cp1","cp2"]}}}`, want: Demands{Capabilities: []string{"cp1"}}},
		{claims: `{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}`, want: Demands{NotBefore: 1604106651}},
		{claims: `{"access_token":{"nbf":{"essential":true,"value":1}}}`, err: true},
		{claims: `{"access_token":{"nbf":null,"amr":null,"other":{"value":[1]}},"id_token":{"amr":{"values":["mfa"]}}}`},
		{claims: `{"access_token":`, err: true},
		{claims: `[]`, err: true},
		{claims: `{"access_token":{"amr":{"values":["mfa"]}},"access_token":{}}`, err: true},
		{},
	} {
		got, err := ParseDemands(tt.amr, tt.claims)
		if (err != nil) != tt.err || err == nil && !reflect.DeepEqual(got, tt.want) {
			t.Errorf("ParseDemands(%q, %q) = %+v, %v", tt.amr, tt.claims, got, err)
		}
	}
}

func TestErrorVersions(t *testing.T) {
	at := time.Date(2024, 2, 1, 12, 0, 0, 0, time.UTC)
	e := NewError(StrongAuthRequired)
	for _, tt := range []struct {
		v               Version
		oauth, suberror string
	}{
		{V1, "interaction_required", ""},
		{V2, "invalid_grant", "basic_action"},
	} {
		var b ErrorBody
		data := e.Encode(tt.v, "login.test", "trace", "corr", at)
		if err := json.Unmarshal(data, &b); err != nil {
			t.Fatal(err)
		}
		if b.Error != tt.oauth || b.SubError != tt.suberror || b.Claims == "" || b.CorrelationID != "corr" || b.Timestamp != "2024-02-01 12:00:00Z" {
			t.Errorf("V%d: %s", tt.v, data)
		}
		got := ParseError(400, data)
		var back *Error
		if !errors.As(got, &back) || back.Code != StrongAuthRequired || back.Sentence != e.Sentence || back.Name != e.Name || back.Trace != "trace" {
			t.Errorf("V%d: read back %+v", tt.v, got)
		}
		if !errors.Is(got, NewError(StrongAuthRequired)) || errors.Is(got, NewError(NonceInvalid)) {
			t.Error("errors.Is does not compare codes")
		}
	}
	if got := NewError(ResourceNotFound, "The resource %s is unknown.", "x").Error(); got != "AADSTS500011: The resource x is unknown." {
		t.Error(got)
	}
	var typed *Error
	if errors.As(ParseError(502, []byte("<html>")), &typed) {
		t.Error("a reply of another server became a typed refusal")
	}
	// The older separator.
	old := `{"error":"invalid_grant","error_description":"AADSTS50126: Bad password.\r\nTrace ID: a\r\nCorrelation ID: b","error_codes":[50126]}`
	if !errors.As(ParseError(400, []byte(old)), &typed) || typed.Sentence != "Bad password." {
		t.Errorf("older separators: %+v", typed)
	}
}

func TestVerifier(t *testing.T) {
	// RFC 7636 appendix B.
	const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	if got := Challenge(verifier); got != "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" {
		t.Errorf("Challenge = %s", got)
	}
	for s, want := range map[string]bool{verifier: true, "short": false, strings.Repeat("a", 129): false, strings.Repeat("a", 43) + " ": false} {
		if ValidVerifier(s) != want {
			t.Errorf("ValidVerifier(%q) = %v", s, !want)
		}
	}
}

func FuzzParseTokenResponse(f *testing.F) {
	f.Add([]byte(`{"token_type":"Bearer","expires_in":"1","expires_on":2}`))
	f.Add([]byte(`{"expires_in":""}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseTokenResponse(data)
		if err != nil {
			return
		}
		for _, v := range []Version{V1, V2} {
			out, err := r.Encode(v)
			if err != nil {
				t.Fatal(err)
			}
			if back, err := ParseTokenResponse(out); err == nil && back.ExpiresIn != r.ExpiresIn {
				t.Fatalf("expires_in %d became %d", r.ExpiresIn, back.ExpiresIn)
			}
		}
	})
}

func FuzzParseError(f *testing.F) {
	f.Add(400, []byte(`{"error":"x","error_description":"AADSTS1: y Trace ID: z","error_codes":[1]}`))
	f.Fuzz(func(t *testing.T, status int, data []byte) {
		if ParseError(status, data) == nil {
			t.Fatal("a refusal became success")
		}
	})
}

// Clients ask for tickets as "true" or "True" (roadtx, himmelblau).
func TestTGTField(t *testing.T) {
	for text, want := range map[string]bool{"true": true, "True": true, "false": false, "1": false, "": false} {
		if r, err := ParseTokenRequest(url.Values{"tgt": {text}}); err != nil || r.TGT != want {
			t.Errorf("%q: %v, %v", text, r.TGT, err)
		}
	}
	if v := (TokenRequest{TGT: true}).Form(); v.Get("tgt") != "true" {
		t.Errorf("%v", v)
	}
	if _, ok := (TokenRequest{}).Form()["tgt"]; ok {
		t.Error("it is sent unasked")
	}
}
