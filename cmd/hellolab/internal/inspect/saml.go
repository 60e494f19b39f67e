package inspect

import (
	"bytes"
	"crypto/x509"
	"regexp"

	"hellolab/providers/wire/saml"
)

// assertion finds an assertion of SAML 1.1 in the reply or form it came in.
var assertion = regexp.MustCompile(`(?s)<(?:\w{1,16}:)?Assertion\s[^>]*AssertionID=`)

// decodeSAML reads an assertion of SAML 1.1, alone or in a WS-Trust reply.
func decodeSAML(i *inspector, in Input) (*Node, error) {
	for _, b := range append([][]byte{in.Raw}, in.Bytes...) {
		if one := cutAssertion(b); one != nil {
			return i.assertion(one)
		}
	}
	return nil, not("there is no Assertion with an AssertionID in it")
}

// cutAssertion returns the first assertion of a document, nil when it has none.
func cutAssertion(b []byte) []byte {
	at := assertion.FindIndex(b)
	if at == nil {
		return nil
	}
	name, _, _ := bytes.Cut(b[at[0]+1:], []byte(" "))
	name = bytes.TrimRight(name, "\t\r\n")
	end := []byte("</" + string(name) + ">")
	to := bytes.Index(b[at[0]:], end)
	if to < 0 {
		return b[at[0]:]
	}
	return b[at[0] : at[0]+to+len(end)]
}

func (i *inspector) assertion(raw []byte) (*Node, error) {
	a, err := saml.Unverified(raw)
	if err != nil {
		return nil, err
	}
	n := &Node{Title: "SAML 1.1 assertion"}
	n.add("id", a.ID)
	n.add("issuer", a.Issuer)
	n.add("audience", a.Audience)
	n.time("issued at", a.IssueInstant, i.o.Now)
	n.time("not before", a.NotBefore, i.o.Now)
	n.time("not on or after", a.NotOnOrAfter, i.o.Now)
	n.text("subject", a.NameID)
	n.text("subject format", a.NameFormat)
	n.text("authentication method", a.Method)
	if !a.AuthInstant.IsZero() {
		n.time("authenticated at", a.AuthInstant, i.o.Now)
	}
	claims := Fields{}
	for _, c := range a.Attributes {
		claims.noted(c.Name, list(c.Values), c.Namespace)
	}
	verdict := i.signatureSAML(raw, a)
	n.noted("claims", claims, claimsNote(verdict))
	n.add("signature", verdict)
	return n, nil
}

// signatureSAML tells whose key verifies the signature, whatever the time is.
func (i *inspector) signatureSAML(raw []byte, a *saml.Assertion) string {
	tried := false
	for _, k := range i.o.Keys {
		if k.Cert == nil {
			continue
		}
		tried = true
		trust := saml.Trust{Issuer: a.Issuer, Audience: a.Audience, Certificates: []*x509.Certificate{k.Cert}}
		if _, err := trust.Verify(raw, a.NotBefore); err == nil {
			return verdictVerified + " with " + k.ID
		}
	}
	if tried {
		return verdictWrong + " with any certificate given"
	}
	return verdictUnknown + ": no token-signing certificate was given (-key, -lab)"
}
