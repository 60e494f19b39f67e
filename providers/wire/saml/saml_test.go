package saml

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 3, 9, 8, 0, 0, 0, time.UTC)

const issuer = "http://sts.contoso.com/adfs/services/trust"

// service is a token service's key.
type service struct {
	key         *rsa.PrivateKey
	certificate *x509.Certificate
}

func newService(t testing.TB) *service {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ADFS Signing - sts.contoso.com"}, NotBefore: now.AddDate(0, -1, 0), NotAfter: now.AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &service{key, certificate}
}

func (s *service) trust() *Trust {
	return &Trust{Issuer: issuer, Certificates: []*x509.Certificate{s.certificate}, Audience: AudienceMicrosoftOnline, Skew: 5 * time.Minute}
}

func (s *service) sign(t testing.TB, a *Assertion) string {
	t.Helper()
	raw, err := a.Sign(s.key, s.certificate)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func example() *Assertion {
	return &Assertion{
		ID: "_6f9619ff-8b86-d011-b42d-00cf4fc964ff", Issuer: issuer, IssueInstant: now, NotBefore: now, NotOnOrAfter: now.Add(time.Hour),
		Audience: AudienceMicrosoftOnline, NameID: "QUJDREVGR0hJSktMTU5PUA==", NameFormat: FormatUnspecified,
		Method: MethodPassword, AuthInstant: now,
		Attributes: []Attribute{
			{ClaimUPN, []string{"ada&bob@contoso.com"}},
			{ClaimImmutableID, []string{"QUJDREVGR0hJSktMTU5PUA=="}},
			{ClaimMethods, []string{MethodPassword, MethodMultiple}},
		},
	}
}

func TestRoundTrip(t *testing.T) {
	s := newService(t)
	raw := s.sign(t, example())
	if got, err := Unverified([]byte(raw)); err != nil || !reflect.DeepEqual(got, example()) {
		t.Errorf("Unverified = %+v, %v", got, err)
	}
	got, err := s.trust().Verify([]byte(raw), now)
	if err != nil || !reflect.DeepEqual(got, example()) {
		t.Errorf("Verify = %+v, %v", got, err)
	}
	if !got.Has(ClaimMethods, MethodMultiple) || got.Value(ClaimUPN) != "ada&bob@contoso.com" || got.Value(ClaimMethods) != "" || got.Value(ClaimInside) != "" {
		t.Error("claims")
	}
	slash := s.trust()
	slash.Issuer += "/"
	if _, err := slash.Verify([]byte(raw), now); err != nil {
		t.Errorf("issuer with a slash: %v", err)
	}
	// A computer without a name, with a signature in another's writing: white
	// space, wrapped base64.
	computer := example()
	computer.NameID, computer.NameFormat = "", ""
	wrapped := strings.Replace(s.sign(t, computer), "</ds:SignatureValue>", "\n</ds:SignatureValue>\n", 1)
	if a, err := s.trust().Verify([]byte(wrapped), now); err != nil || a.NameID != "" {
		t.Errorf("%+v, %v", a, err)
	}
}

// Fault 88: every assertion that is not exactly what its issuer signed, for
// this reader and now, is refused, and the kind says why.
func TestRefused(t *testing.T) {
	s, stranger := newService(t), newService(t)
	plain := string(example().marshal())
	signed := s.sign(t, example())
	signature := signed[strings.Index(signed, "<ds:Signature "):strings.Index(signed, "</saml:Assertion>")]
	evil := strings.Replace(strings.Replace(plain, "ada&amp;bob", "eve", 1), "_6f9619ff", "_evil", 1)
	edit := func(f func(a *Assertion)) string {
		a := example()
		f(a)
		return s.sign(t, a)
	}
	replace := func(old, new string) string {
		changed := strings.Replace(signed, old, new, 1)
		if changed == signed {
			t.Fatalf("nothing to replace: %s", old)
		}
		return changed
	}
	for name, c := range map[string]struct {
		raw  string
		want Kind
	}{
		"unsigned":                          {plain, Unsigned},
		"by a stranger":                     {stranger.sign(t, example()), UnknownSigner},
		"changed":                           {replace("ada&amp;bob", "eve"), BadSignature},
		"digest changed":                    {replace("<ds:DigestValue>", "<ds:DigestValue>AAAA"), BadSignature},
		"comment in the name":               {replace("ada&amp;bob@", "ada<!-- -->@"), Malformed},
		"comment that joins":                {replace("ada&amp;bob@contoso.com", "ada&amp;bob@contoso.com<!---->.evil"), Malformed},
		"instruction":                       {replace("ada&amp;bob", "ada<?x?>"), Malformed},
		"entity bomb":                       {`<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>` + signed, Malformed},
		"external entity":                   {`<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>` + strings.Replace(signed, "ada", "&x;", 1), Malformed},
		"entity":                            {replace("ada", "&x;"), Malformed},
		"signed one inside another":         {strings.Replace(evil, "</saml:Conditions>", "</saml:Conditions>"+signed, 1), Malformed},
		"signed one in the signature":       {strings.Replace(evil, "</saml:Assertion>", strings.Replace(signature, "</ds:Signature>", "<ds:Object>"+plain+"</ds:Object></ds:Signature>", 1)+"</saml:Assertion>", 1), Malformed},
		"wrapped twice":                     {strings.Replace(evil, "</saml:Assertion>", "<x>"+strings.Replace(signed, "</saml:Assertion>", "<y>"+signed+"</y></saml:Assertion>", 1)+"</x></saml:Assertion>", 1), Malformed},
		"signature of another":              {strings.Replace(evil, "</saml:Assertion>", signature+"</saml:Assertion>", 1), Unsigned},
		"signature of another, same id":     {strings.Replace(strings.Replace(evil, "_evil", "_6f9619ff", 1), "</saml:Assertion>", signature+"</saml:Assertion>", 1), BadSignature},
		"signature deeper":                  {strings.Replace(plain, "</saml:AttributeStatement>", signature+"</saml:AttributeStatement>", 1), Unsigned},
		"two signatures":                    {strings.Replace(signed, signature, signature+signature, 1), Malformed},
		"two ids":                           {replace(` AssertionID=`, ` xmlns:x="x" x:AssertionID="_x" AssertionID=`), Malformed},
		"id of a part":                      {replace(`<saml:AttributeStatement>`, `<saml:AttributeStatement ID="_x">`), Malformed},
		"reference to all":                  {replace(`URI="#_6f9619ff-8b86-d011-b42d-00cf4fc964ff"`, `URI=""`), Unsigned},
		"two references":                    {strings.Replace(signed, "</ds:SignedInfo>", signed[strings.Index(signed, "<ds:Reference "):strings.Index(signed, "</ds:SignedInfo>")]+"</ds:SignedInfo>", 1), Unsigned},
		"another transform":                 {replace("#enveloped-signature", "#base64"), Unsigned},
		"SHA-1 digest":                      {replace(algorithmSHA256, "http://www.w3.org/2000/09/xmldsig#sha1"), Unsigned},
		"HMAC":                              {replace(algorithmRSA, "http://www.w3.org/2000/09/xmldsig#hmac-sha1"), Unsigned},
		"inclusive canonicalization":        {replace(algorithmExclusive, "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"), Unsigned},
		"no certificate":                    {replace(signed[strings.Index(signed, "<ds:KeyInfo>"):strings.Index(signed, "</ds:Signature>")], ""), Unsigned},
		"a key in its place":                {replace(signed[strings.Index(signed, "<ds:X509Data>"):strings.Index(signed, "</ds:KeyInfo>")], "<ds:KeyValue/>"), Unsigned},
		"another issuer":                    {edit(func(a *Assertion) { a.Issuer = "http://sts.fabrikam.com/adfs/services/trust" }), WrongIssuer},
		"another audience":                  {edit(func(a *Assertion) { a.Audience = "urn:other" }), WrongAudience},
		"late":                              {edit(func(a *Assertion) { a.NotBefore, a.NotOnOrAfter = now.Add(-2*time.Hour), now.Add(-time.Hour) }), Expired},
		"late by the skew":                  {edit(func(a *Assertion) { a.NotBefore, a.NotOnOrAfter = now.Add(-2*time.Hour), now.Add(-5*time.Minute) }), Expired},
		"early":                             {edit(func(a *Assertion) { a.NotBefore = now.Add(6 * time.Minute) }), NotYetValid},
		"for ever":                          {edit(func(a *Assertion) { a.NotOnOrAfter = now.AddDate(1, 0, 0) }), Malformed},
		"never":                             {edit(func(a *Assertion) { a.NotOnOrAfter = a.NotBefore }), Malformed},
		"two subjects":                      {s.resign(t, strings.Replace(plain, "QUJDREVGR0hJSktMTU5PUA==", "b3RoZXI=", 1)), Malformed},
		"holder of key":                     {s.resign(t, strings.ReplaceAll(plain, "cm:bearer", "cm:holder-of-key")), Malformed},
		"unknown condition":                 {s.resign(t, strings.Replace(plain, "</saml:Conditions>", "<x/></saml:Conditions>", 1)), Malformed},
		"two audiences":                     {s.resign(t, strings.Replace(plain, "</saml:Audience>", "</saml:Audience><saml:Audience>x</saml:Audience>", 1)), Malformed},
		"unknown statement":                 {s.resign(t, strings.Replace(plain, "<saml:AttributeStatement>", "<saml:Advice/><saml:AttributeStatement>", 1)), Malformed},
		"elements in a value":               {s.resign(t, strings.Replace(plain, "ada&amp;bob", "<b>ada</b>", 1)), Malformed},
		"no authentication":                 {s.resign(t, plain[:strings.Index(plain, "<saml:AuthenticationStatement")]+"</saml:Assertion>"), Malformed},
		"SAML 2.0":                          {s.resign(t, strings.Replace(plain, `MajorVersion="1"`, `MajorVersion="2"`, 1)), Malformed},
		"depth":                             {"<a>" + strings.Repeat("<b>", 5000) + strings.Repeat("</b>", 5000) + "</a>", Malformed},
		"size":                              {edit(func(a *Assertion) { a.NameFormat = strings.Repeat("x", MaxAssertion) }), Malformed},
		"long value":                        {edit(func(a *Assertion) { a.Attributes[0].Values[0] = strings.Repeat("x", maxText+1) }), Malformed},
		"trailing element":                  {signed + plain, Malformed},
		"no XML":                            {"", Malformed},
		"another charset":                   {`<?xml version="1.0" encoding="utf-16"?>` + signed, Malformed},
		"namespace not declared on its own": {replace(` xmlns:saml="`+Namespace+`"`, ""), Malformed},
	} {
		a, err := s.trust().Verify([]byte(c.raw), now)
		if !errors.Is(err, &Error{Kind: c.want}) {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
	// The skew is given.
	for _, at := range []time.Time{now.Add(-5 * time.Minute), now.Add(time.Hour + 5*time.Minute - time.Second)} {
		if _, err := s.trust().Verify([]byte(signed), at); err != nil {
			t.Errorf("at %s: %v", at, err)
		}
	}
}

// resign signs what Assertion.Sign would not write.
func (s *service) resign(t testing.TB, document string) string {
	t.Helper()
	raw, err := SignEnveloped([]byte(document), attributeID, s.key, s.certificate)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func FuzzVerify(f *testing.F) {
	s := newService(f)
	signed := s.sign(f, example())
	for _, seed := range []string{signed, string(example().marshal()), strings.Replace(signed, "saml:", "", 9), "<a/>"} {
		f.Add([]byte(seed))
	}
	trust := s.trust()
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := trust.Verify(raw, now)
		if err != nil {
			if !errors.As(err, new(*Error)) {
				t.Errorf("untyped: %v", err)
			}
			return
		}
		// Only what was signed comes out, whatever stands around it.
		if !reflect.DeepEqual(a, example()) {
			t.Errorf("forged: %+v", a)
		}
	})
}
