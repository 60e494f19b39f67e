package wstrust

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"hellolab/providers/wire/saml"
	"hellolab/providers/wire/soap"
)

var now = time.Date(2026, 3, 9, 8, 0, 0, 0, time.UTC)

const assertion = `<saml:Assertion xmlns:saml="` + saml.Namespace + `" AssertionID="_1"><x a='1'>é&amp;</x></saml:Assertion>`

func request(v Version) *Request {
	return &Request{
		Version: v, MessageID: "urn:uuid:1", To: "https://sts.contoso.com/adfs/services/trust/13/usernamemixed", AppliesTo: saml.AudienceMicrosoftOnline, TokenType: TokenSAML11,
		Username: "ada@contoso.com", Password: " <pass> ", Created: now, Expires: now.Add(10 * time.Minute),
	}
}

func response(v Version) *Response {
	return &Response{Version: v, RelatesTo: "urn:uuid:1", AppliesTo: saml.AudienceMicrosoftOnline, Created: now, Expires: now.Add(time.Hour), Assertion: []byte(assertion)}
}

func TestRoundTrip(t *testing.T) {
	for _, v := range []Version{Trust13, Trust2005} {
		for name, r := range map[string]*Request{
			"user name": request(v),
			"windows":   {Version: v, MessageID: "urn:uuid:2", To: "https://x", AppliesTo: "urn:x"},
		} {
			if got, err := ParseRequest(r.Marshal()); err != nil || !reflect.DeepEqual(got, r) {
				t.Errorf("%d %s: %+v, %v", v, name, got, err)
			}
		}
		if got, err := ParseResponse(response(v).Marshal()); err != nil || !reflect.DeepEqual(got, response(v)) {
			t.Errorf("%d: %+v, %v", v, got, err)
		}
	}
	want := response(Trust2005)
	want.RelatesTo = ""
	if got, err := ParseResult(response(Trust13).Result()); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	var f *soap.Fault
	if r, err := ParseResponse(request(Trust13).NewFault(FailedAuthentication, "MSIS3055: The user name or password is wrong.").Marshal(ActionFault)); !errors.As(err, &f) ||
		f.Subcode.Local != "FailedAuthentication" || f.RelatesTo != "urn:uuid:1" || !f.Sender {
		t.Errorf("%+v, %v", r, err)
	}
}

// What MSAL for Go sends with integrated authentication: an empty security
// header, and a message id in another writing.
func TestRequestOfMSAL(t *testing.T) {
	message := `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:wsa="http://www.w3.org/2005/08/addressing" xmlns:wsu="` + soap.Utility + `"><s:Header><wsa:Action s:mustUnderstand="1">` + Trust13.Action() +
		`</wsa:Action><wsa:messageID>urn:uuid:1</wsa:messageID><wsa:To s:mustUnderstand="1">https://x</wsa:To><wsse:Security s:mustUnderstand="" xmlns:wsse="` + soap.Security +
		`"><wsu:Timestamp wsu:Id=""><wsu:Created></wsu:Created><wsu:Expires></wsu:Expires></wsu:Timestamp><wsse:UsernameToken wsu:Id=""><wsse:Username></wsse:Username><wsse:Password></wsse:Password></wsse:UsernameToken></wsse:Security></s:Header>` +
		`<s:Body><wst:RequestSecurityToken xmlns:wst="` + Trust13.Namespace() + `"><wsp:AppliesTo xmlns:wsp="` + nsPolicy + `"><wsa:EndpointReference><wsa:Address>urn:federation:MicrosoftOnline</wsa:Address></wsa:EndpointReference></wsp:AppliesTo><wst:KeyType>` +
		Trust13.keyType() + `</wst:KeyType><wst:RequestType>` + Trust13.Namespace() + `/Issue</wst:RequestType></wst:RequestSecurityToken></s:Body></s:Envelope>`
	r, err := ParseRequest([]byte(message))
	if err != nil || r.Username != "" || r.AppliesTo != saml.AudienceMicrosoftOnline || !r.Created.IsZero() {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestRefused(t *testing.T) {
	good := string(request(Trust13).Marshal())
	for name, c := range map[string]struct{ old, new, subcode string }{
		"another action":    {Trust13.Action(), "urn:other", "InvalidRequest"},
		"editions mixed":    {Trust13.Action(), Trust2005.Action(), "InvalidRequest"},
		"another request":   {"/Issue</t:RequestType>", "/Cancel</t:RequestType>", "InvalidRequest"},
		"SAML 2.0":          {saml.Namespace, "urn:oasis:names:tc:SAML:2.0:assertion", "InvalidRequest"},
		"proof key":         {"/Bearer<", "/SymmetricKey<", "InvalidRequest"},
		"two realms":        {"<wsa:Address>", "<wsa:Address/><wsa:Address>", "InvalidRequest"},
		"digest password":   {"#PasswordText", "#PasswordDigest", "InvalidSecurity"},
		"two users":         {"<o:Username>", "<o:Username/><o:Username>", "InvalidSecurity"},
		"two security":      {"</s:Header>", `<o:Security xmlns:o="` + soap.Security + `"/></s:Header>`, "InvalidSecurity"},
		"no time":           {"<u:Created>2026", "<u:Created>x", "InvalidSecurity"},
		"header not known":  {"</s:Header>", `<x s:mustUnderstand="1"/></s:Header>`, "MustUnderstand"},
		"long user name":    {"<o:Username>", "<o:Username>" + strings.Repeat("x", maxWord), "InvalidSecurity"},
		"markup in pass":    {"<o:Password Type", "<o:Password><x/></o:Password><o:Password Type", "InvalidSecurity"},
		"long realm":        {"<wsa:Address>", "<wsa:Address>" + strings.Repeat("x", maxWord), "InvalidRequest"},
		"no request at all": {"t:RequestSecurityToken ", "t:Other ", ""},
	} {
		changed := strings.Replace(good, c.old, c.new, 1)
		if changed == good {
			t.Fatalf("%s: nothing to replace", name)
		}
		var f *soap.Fault
		r, err := ParseRequest([]byte(changed))
		if c.subcode == "" && !errors.Is(err, soap.ErrMessage) || c.subcode != "" && (!errors.As(err, &f) || f.Subcode.Local != c.subcode || strings.Contains(f.Reason, "pass>")) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	answer := string(response(Trust13).Marshal())
	for name, changed := range map[string]string{
		"two assertions":  strings.Replace(answer, assertion, assertion+assertion, 1),
		"no assertion":    strings.Replace(answer, assertion, "", 1),
		"another token":   strings.Replace(answer, assertion, "<x/>", 1),
		"no response":     string(request(Trust13).Marshal()),
		"another edition": strings.ReplaceAll(answer, Trust13.Namespace()+`"><t:Lifetime`, Trust2005.Namespace()+`"><t:Lifetime`),
	} {
		if r, err := ParseResponse([]byte(changed)); !errors.Is(err, ErrMessage) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	for _, result := range []string{"", "<x/>", string(response(Trust2005).Marshal()), strings.Repeat("x", MaxResult+1)} {
		if r, err := ParseResult([]byte(result)); !errors.Is(err, ErrMessage) {
			t.Errorf("%.40q: %+v, %v", result, r, err)
		}
	}
}

func FuzzMessages(f *testing.F) {
	f.Add(request(Trust13).Marshal())
	f.Add(request(Trust2005).Marshal())
	f.Add(response(Trust13).Marshal())
	f.Add(response(Trust2005).Marshal())
	f.Add(response(Trust2005).Result())
	f.Add(request(Trust13).NewFault(InvalidScope, "x").Marshal(ActionFault))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := ParseRequest(b); err == nil {
			again, err := ParseRequest(r.Marshal())
			if err != nil || again.Username != r.Username || again.Username != "" && again.Password != r.Password || again.AppliesTo != r.AppliesTo {
				t.Errorf("%+v, then %+v, %v", r, again, err)
			}
		}
		_, _ = ParseResponse(b)
		_, _ = ParseResult(b)
	})
}
