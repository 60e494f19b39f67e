package wstep

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"hellolab/providers/wire/soap"
)

const messageID = "urn:uuid:b5d1a601-5091-4a7d-b34b-5204c18b5919"

// windows is a request as a Windows client lays it out (MS-WSTEP 4.1.1.1):
// white space around values, wrapped base64, namespaces in other places.
const windows = `<?xml version="1.0" encoding="utf-8"?>
<s:Envelope xmlns:a="http://www.w3.org/2005/08/addressing" xmlns:s="http://www.w3.org/2003/05/soap-envelope">
 <s:Header>
  <a:Action s:mustUnderstand="1">
   http://schemas.microsoft.com/windows/pki/2009/01/enrollment/RST/wstep</a:Action>
  <a:MessageID>urn:uuid:b5d1a601-5091-4a7d-b34b-5204c18b5919</a:MessageID>
  <a:ReplyTo><a:Address>http://www.w3.org/2005/08/addressing/anonymous</a:Address></a:ReplyTo>
  <a:To s:mustUnderstand="1">https://ca1.corp.contoso.com/x_CES_Kerberos/service.svc/CES</a:To>
 </s:Header>
 <s:Body xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema">
  <RequestSecurityToken PreferredLanguage="en-US" xmlns="http://docs.oasis-open.org/ws-sx/ws-trust/200512">
   <TokenType>http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3</TokenType>
   <RequestType>http://docs.oasis-open.org/ws-sx/ws-trust/200512/Issue</RequestType>
   <BinarySecurityToken EncodingType="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd#base64binary"
     ValueType="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd#PKCS7" a:Id=""
     xmlns="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd">MAMC
AQA=</BinarySecurityToken>
   <RequestID xsi:nil="true" xmlns="http://schemas.microsoft.com/windows/pki/2009/01/enrollment" />
  </RequestSecurityToken>
 </s:Body>
</s:Envelope>`

func TestWindowsRequest(t *testing.T) {
	r, err := ParseRequest([]byte(windows))
	want := &Request{MessageID: messageID, Token: []byte{0x30, 3, 2, 1, 0}, CMS: true}
	if err != nil || !reflect.DeepEqual(r, want) {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestRoundTrip(t *testing.T) {
	for _, want := range []*Request{
		{MessageID: messageID, Token: []byte("token"), Context: map[string]string{ContextTemplate: `a<b>&"c"`, "rmd": "host"}},
		{MessageID: messageID, Token: bytes.Repeat([]byte{0xff}, 10000), CMS: true},
		{MessageID: messageID, Query: true, RequestID: "65"},
	} {
		if got, err := ParseRequest(want.Marshal()); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v", got, err)
		}
	}
	for _, want := range []*Response{
		{RelatesTo: messageID, Disposition: "Issued", Certificate: []byte("certificate"), CMC: []byte("chain"), RequestID: "61"},
		{RelatesTo: messageID, Disposition: "Taken Under Submission", CMC: []byte("chain"), RequestID: "62", Reference: "https://ca/?a=b&c=d"},
	} {
		if got, err := ParseResponse(want.Marshal()); err != nil || !reflect.DeepEqual(got, want) || got.Pending() != (got.Reference != "") {
			t.Errorf("%+v, %v", got, err)
		}
	}
	for _, want := range []*Fault{
		{RelatesTo: messageID, Sender: true, Subcode: "MustUnderstand", Reason: "A <reason>."},
		{RelatesTo: messageID, Reason: "Denied.", Code: 0x80094012, InvalidRequest: true, RequestID: "63"},
		{Reason: "Denied.", Code: 0x80094800},
	} {
		var got *Fault
		if _, err := ParseResponse(want.Marshal()); !errors.As(err, &got) || !reflect.DeepEqual(got, want) || got.Error() == "" {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

// What a client does wrong is told to it.
func TestFaults(t *testing.T) {
	for name, c := range map[string]struct {
		from, to string
		subcode  string
	}{
		"another action":   {"/RST/wstep", "/RST/KET", "ActionNotSupported"},
		"another type":     {"200512/Issue<", "200512/Renew<", "InvalidRequest"},
		"no type":          {"RequestType>", "RequestTypes>", "InvalidRequest"},
		"another token":    {"#X509v3", "#Kerberos", "InvalidRequest"},
		"no request":       {"RequestSecurityToken", "RequestSecurityTokens", "InvalidRequest"},
		"no token":         {"BinarySecurityToken", "BinarySecurityTokens", "InvalidRequest"},
		"empty token":      {"MAMC\nAQA=", "", "InvalidRequest"},
		"security header":  {"<a:ReplyTo>", `<o:Security s:mustUnderstand="1" xmlns:o="urn:o"/><a:ReplyTo>`, "MustUnderstand"},
		"query without id": {"http://docs.oasis-open.org/ws-sx/ws-trust/200512/Issue", typeQuery, "InvalidRequest"},
	} {
		var f *Fault
		if r, err := ParseRequest([]byte(strings.ReplaceAll(windows, c.from, c.to))); !errors.As(err, &f) || f.Subcode != c.subcode || !f.Sender || f.RelatesTo != messageID {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

// Faults 75 and 88: entities, depth, size, and what two readers could read differently.
func TestMalformed(t *testing.T) {
	replaced := func(from, to string) string {
		if !strings.Contains(windows, from) {
			t.Fatalf("%q is not in the message", from)
		}
		return strings.Replace(windows, from, to, 1)
	}
	for name, text := range map[string]string{
		"empty":              "",
		"no envelope":        "<a/>",
		"SOAP 1.1":           strings.ReplaceAll(windows, soap.Namespace, "http://schemas.xmlsoap.org/soap/envelope/"),
		"document type":      replaced("<s:Envelope", `<!DOCTYPE x [<!ENTITY a "b">]><s:Envelope`),
		"entity":             replaced("MAMC", "&a;"),
		"instruction":        replaced("<s:Header>", `<?php x?><s:Header>`),
		"second declaration": replaced("<s:Header>", `<?xml version="1.0"?><s:Header>`),
		"charset":            replaced("utf-8", "utf-16"),
		"two roots":          windows + "<a/>",
		"text behind":        windows + "x",
		"cut":                windows[:len(windows)-1],
		"deep":               replaced("<s:Header>", "<s:Header>"+strings.Repeat("<a>", 100)),
		"many":               replaced("<s:Header>", "<s:Header>"+strings.Repeat("<a/>", 1024)),
		"attributes":         replaced("<s:Header>", "<s:Header"+strings.Repeat(" x='y'", 20)+">"),
		"attribute twice":    replaced("<s:Header>", "<s:Header x='y' x='z'>"),
		"large":              windows + strings.Repeat(" ", MaxMessage),
		"body twice":         replaced("</s:Envelope>", "<s:Body/></s:Envelope>"),
		"empty body":         `<s:Envelope xmlns:s="` + soap.Namespace + `"><s:Body/></s:Envelope>`,
		"token twice":        replaced("<RequestID xsi", `<BinarySecurityToken xmlns="`+nsWSSE+`" EncodingType="`+base64Type+`">AAAA</BinarySecurityToken><RequestID xsi`),
		"type twice":         replaced("<TokenType>", "<RequestType>x</RequestType><TokenType>"),
		"nested":             replaced("<RequestType>", "<RequestType><x/>"),
		"not base64":         replaced("MAMC", "MAM!"),
		"other encoding":     replaced("#base64binary", "#hex"),
	} {
		if r, err := ParseRequest([]byte(text)); !errors.Is(err, ErrXML) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	// A comment does not cut a value short.
	r, err := ParseRequest([]byte(replaced("b5d1a601", "b5d1<!-- -->a601")))
	if err != nil || r.MessageID != messageID {
		t.Errorf("%+v, %v", r, err)
	}
	for name, text := range map[string]string{"no response": "<a/>", "request": windows,
		"two responses": strings.Replace(string((&Response{}).Marshal()), "<RequestSecurityTokenResponse>", "<RequestSecurityTokenResponse/><RequestSecurityTokenResponse>", 1),
		"error code":    strings.Replace(string((&Fault{Code: 1}).Marshal()), "<ErrorCode>1", "<ErrorCode>99999999999", 1)} {
		if r, err := ParseResponse([]byte(text)); !errors.Is(err, ErrXML) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add([]byte(windows))
	f.Add((&Request{MessageID: messageID, Query: true, RequestID: "65"}).Marshal())
	f.Add((&Request{Token: []byte("x"), Context: map[string]string{"a": "b"}}).Marshal())
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseRequest(b)
		if err != nil {
			return
		}
		again, err := ParseRequest(r.Marshal())
		if err != nil || !bytes.Equal(again.Token, r.Token) || again.Query != r.Query {
			t.Errorf("%+v became %+v, %v", r, again, err)
		}
	})
}

func FuzzParseResponse(f *testing.F) {
	f.Add((&Response{RelatesTo: messageID, Certificate: []byte("x"), CMC: []byte("y")}).Marshal())
	f.Add((&Response{Reference: "https://ca"}).Marshal())
	f.Add((&Fault{Code: 0x80094012, Reason: "no"}).Marshal())
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := ParseResponse(b); (r == nil) == (err == nil) {
			t.Errorf("%+v, %v", r, err)
		}
	})
}
