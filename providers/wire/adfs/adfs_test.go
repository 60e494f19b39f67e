package adfs

import (
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestMetadata(t *testing.T) {
	data, err := json.Marshal(NewMetadata("sts.corp.contoso.com", CapabilityKDF2))
	if err != nil {
		t.Fatal(err)
	}
	m, err := ParseMetadata(data)
	if err != nil || m.Issuer != "https://sts.corp.contoso.com/adfs" || m.AccessTokenIssuer != "http://sts.corp.contoso.com/adfs/services/trust" ||
		m.TokenEndpoint != "https://sts.corp.contoso.com/adfs/oauth2/token/" || !m.Can(CapabilityKDF2) || m.Can(CapabilityHelloCertificate) || !m.MultiRefreshToken {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := ParseMetadata([]byte(`{"issuer":"a","issuer":"b"}`)); err == nil {
		t.Error("a member is given twice")
	}
}

func TestError(t *testing.T) {
	e := NewError(InvalidGrant, CodeCredentials, "Invalid %s.", "name").WithHint("Look.")
	got := ParseError(e.Status, e.Encode("c"))
	var back *Error
	if !errors.As(got, &back) || back.OAuth != InvalidGrant || back.Code != CodeCredentials || back.Sentence != "Invalid name." || back.Hint != "" || !errors.Is(got, e) {
		t.Errorf("%+v", got)
	}
	if errors.Is(got, NewError(InvalidGrant, "", "")) {
		t.Error("numbers are not compared")
	}
	for _, tt := range []struct{ description, code, sentence string }{
		{"MSIS9659: x", "MSIS9659", "x"}, {"ID3242: x", "ID3242", "x"}, {"SID: x", "", "SID: x"}, {"12345: x", "", "12345: x"}, {"x", "", "x"},
	} {
		body, _ := json.Marshal(errorBody{Error: InvalidGrant, Description: tt.description})
		if !errors.As(ParseError(400, body), &back) || back.Code != tt.code || back.Sentence != tt.sentence {
			t.Errorf("%q: %+v", tt.description, back)
		}
	}
	if errors.As(ParseError(503, []byte("Service Unavailable")), &back) {
		t.Error("another server's answer became a refusal")
	}
	for kind, status := range map[string]int{InvalidClient: 401, InvalidToken: 401, ServerError: 500, AccessDenied: 400} {
		if e := NewError(kind, "", ""); e.Status != status {
			t.Errorf("%s: HTTP status %d", kind, e.Status)
		}
	}
}

// Whatever a page is given stays text: nothing ends an attribute or begins an element.
func TestPage(t *testing.T) {
	const hostile = `"><script>alert(1)</script><form action="https://evil.example.com/">`
	for _, p := range []Page{
		{Action: PathAuthorize, Method: MethodForms, Context: hostile, UserName: hostile, Service: hostile, Error: hostile},
		{Action: PathPassive + "/", Method: MethodTOTP, Adapter: hostile, Context: "c", UserName: "alice@contoso.com"},
		{Action: PathDeviceAuth, Method: MethodDevice, UserCode: hostile},
		{Action: PathDeviceAuth, Method: MethodConfirm, Context: "c", UserCode: "ABC", UserName: "alice@contoso.com"},
		{Error: hostile}, {Done: hostile},
	} {
		body, err := p.HTML("nonce")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(body), "<script") {
			t.Errorf("%s: a script is in the page\n%s", p.Method, body)
		}
		got, fields, err := ReadPage(body)
		if err != nil {
			t.Fatal(err)
		}
		if got.Action != p.Action || got.Method != p.Method || got.Context != p.Context || got.Service != p.Service || got.Error != p.Error || got.Done != p.Done || (fields == nil) != (p.Action == "") {
			t.Errorf("%+v, %v", got, fields)
		}
		want := map[string][]string{MethodForms: {FieldUserName, FieldPassword}, MethodTOTP: {FieldCode}, MethodDevice: {FieldUserCode}}[p.Method]
		for _, name := range want {
			if _, ok := fields[name]; !ok {
				t.Errorf("%s: no field %s", p.Method, name)
			}
		}
	}
	if strings.Contains(Policy("n"), "script-src") {
		t.Error("scripts may run")
	}
	if _, _, err := ReadPage([]byte("<html><body>nothing</body></html>")); !errors.Is(err, ErrPage) {
		t.Errorf("no page: %v", err)
	}
	if _, _, err := ReadPage(slices.Repeat([]byte("x"), 1<<20)); !errors.Is(err, ErrPage) {
		t.Errorf("a long page: %v", err)
	}
}

func FuzzReadPage(f *testing.F) {
	for _, p := range []Page{{Action: PathAuthorize, Method: MethodForms, Context: "c", Error: "e"}, {Done: "d"}} {
		body, err := p.HTML("n")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Add([]byte(`<form><input name=a><p id=errorText>x</p>`))
	f.Fuzz(func(t *testing.T, body []byte) {
		p, fields, err := ReadPage(body)
		if err != nil {
			if !errors.Is(err, ErrPage) {
				t.Fatal(err)
			}
			return
		}
		if fields == nil && p.Error == "" && p.Done == "" {
			t.Fatal("a page that says nothing")
		}
		_ = url.Values(fields).Encode()
	})
}

func FuzzParseMetadata(f *testing.F) {
	data, err := json.Marshal(NewMetadata("sts.example.com"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"capabilities":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if m, err := ParseMetadata(data); err == nil && m.Can("") && !slices.Contains(m.Capabilities, "") {
			t.Fatal("a capability out of nothing")
		}
	})
}

func FuzzParseError(f *testing.F) {
	f.Add(400, NewError(InvalidGrant, CodeCredentials, "x").Encode("c"))
	f.Add(500, []byte("<html>"))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if ParseError(status, body) == nil {
			t.Fatal("a refusal became success")
		}
	})
}
