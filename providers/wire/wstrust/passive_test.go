package wstrust

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"hellolab/providers/wire/saml"
)

func TestSignIn(t *testing.T) {
	for _, r := range []SignInRequest{
		{Realm: saml.AudienceMicrosoftOnline, Context: "LoginOptions=3&estsrequest=x", Username: "ada@contoso.com", Method: saml.MethodMultiple, Fresh: -1},
		{Realm: "urn:x", Reply: "https://x/", Fresh: 10 * time.Minute},
		{Realm: "urn:x"},
	} {
		u, err := url.Parse(r.URL("https://sts.contoso.com/adfs/ls/"))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseSignInRequest(u.Query()); err != nil || !reflect.DeepEqual(*got, r) {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if got := (&SignInRequest{Realm: "r", Fresh: -1}).URL("https://x/?a=b"); got != "https://x/?a=b&wa=wsignin1.0&wtrealm=r" {
		t.Error(got)
	}
	for _, query := range []string{"", "wa=wsignin1.0", "wtrealm=x", "wa=wsignout1.0&wtrealm=x", "wa=wsignin1.0&wtrealm=x&wtrealm=y", "wa=wsignin1.0&wtrealm=x&wfresh=-1",
		"wa=wsignin1.0&wtrealm=x&wfresh=99999999", "wa=wsignin1.0&wtrealm=x&wctx=" + strings.Repeat("x", maxContext+1), "wa=wsignin1.0&wtrealm=" + strings.Repeat("x", maxWord+1)} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := ParseSignInRequest(q); !errors.Is(err, ErrMessage) {
			t.Errorf("%.60s: %+v, %v", query, r, err)
		}
	}
}

// The page that a service answers with is read by clients without a browser;
// a browser runs its one script.
func TestPage(t *testing.T) {
	sent := &SignInResponse{Result: response(Trust2005).Result(), Context: `a"b<c>`}
	page := sent.Page("https://login.microsoftonline.com/login.srf")
	form, err := ReadPage(page)
	if err != nil || form.Action != "https://login.microsoftonline.com/login.srf" {
		t.Fatalf("%+v, %v", form, err)
	}
	if !reflect.DeepEqual(form.Fields, sent.Form()) {
		t.Errorf("%v", form.Fields)
	}
	got, err := ParseSignInResponse(form.Fields)
	if err != nil || !reflect.DeepEqual(got, sent) {
		t.Errorf("%+v, %v", got, err)
	}
	_, rest, _ := strings.Cut(string(page), "<script>")
	source, _, _ := strings.Cut(rest, "</script>")
	sum := sha256.Sum256([]byte(source))
	if want := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; ScriptSource != want {
		t.Errorf("ScriptSource is not %s", want)
	}
	for _, form := range []url.Values{{}, {"wa": {SignIn}}, {"wa": {SignIn}, "wresult": {"a", "b"}}, {"wa": {"x"}, "wresult": {"a"}}, {"wa": {SignIn}, "wresult": {strings.Repeat("x", MaxResult+1)}}} {
		if r, err := ParseSignInResponse(form); !errors.Is(err, ErrMessage) {
			t.Errorf("%+v, %v", r, err)
		}
	}
	for _, page := range []string{"", "<p>", strings.Repeat("x", MaxPage+1)} {
		if f, err := ReadPage([]byte(page)); !errors.Is(err, ErrMessage) {
			t.Errorf("%+v, %v", f, err)
		}
	}
}

func TestMetadata(t *testing.T) {
	endpoints := []Endpoint{
		{Trust2005, false, "https://sts.contoso.com/adfs/services/trust/2005/usernamemixed"},
		{Trust13, false, "https://sts.contoso.com/adfs/services/trust/13/usernamemixed"},
		{Trust2005, true, "https://sts.contoso.com/adfs/services/trust/2005/windowstransport"},
		{Trust13, true, "https://sts.contoso.com/adfs/services/trust/13/windowstransport"},
	}
	document := Metadata(endpoints)
	if got, err := ParseMetadata(document); err != nil || !reflect.DeepEqual(got, endpoints) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := ParseMetadata([]byte(strings.ReplaceAll(string(document), "<wsa10:Address>https", "<wsa10:Address>http"))); err != nil || len(got) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"", "<x/>", `<definitions xmlns="` + nsWSDL + `"/>`} {
		if got, err := ParseMetadata([]byte(bad)); !errors.Is(err, ErrMessage) {
			t.Errorf("%+v, %v", got, err)
		}
	}
	// MSAL for Go reads policies into a structure: the namespace must be an
	// attribute of the binding of the transport itself.
	var msal struct {
		Policy []struct {
			All struct {
				TransportBinding struct {
					SP string `xml:"sp,attr"`
				} `xml:"TransportBinding"`
			} `xml:"ExactlyOne>All"`
		} `xml:"Policy"`
	}
	if err := xml.Unmarshal(document, &msal); err != nil || len(msal.Policy) != 4 {
		t.Fatalf("%+v, %v", msal, err)
	}
	for _, p := range msal.Policy {
		if p.All.TransportBinding.SP == "" {
			t.Error("no namespace where MSAL looks")
		}
	}
}

func FuzzPages(f *testing.F) {
	f.Add(Metadata([]Endpoint{{Trust13, false, "https://x"}, {Trust2005, true, "https://y"}}))
	f.Add((&SignInResponse{Result: []byte("<x/>")}).Page("https://x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if endpoints, err := ParseMetadata(b); err == nil {
			for _, e := range endpoints {
				if !strings.HasPrefix(e.URL, "https://") || e.Version == 0 {
					t.Errorf("%+v", e)
				}
			}
		}
		_, _ = ReadPage(b)
	})
}
