// Package saml is SAML 1.1 assertions: statements of a token service about a
// user or a computer, signed as XML.
//
// An assertion that is read must be the one that is signed: its only signature
// is its own child, covers it whole by its AssertionID, and what is read are the
// octets whose digest was verified. Algorithms are pinned to exclusive
// canonicalization, SHA-256 and RSA. Comments, document types and entities are
// refused. The certificate in a signature is a hint only: it must be one that
// the reader knows.
//
// XML signatures and canonicalization are those of goxmldsig.
//
// Not here: SAML 2.0, encrypted assertions, holder-of-key confirmation, and
// whether an assertion was used before, which its reader keeps by ID.
//
// Source: OASIS SAML 1.1 core (saml-core-1.1), section 2 and 5; XML Signature;
// Exclusive XML Canonicalization 1.0. Claims: the documentation of hybrid join
// and of federation with Microsoft Entra ID.
package saml

import (
	"fmt"
	"time"
)

// Namespace is that of SAML 1.0 and 1.1 assertions; it also names the token type.
const Namespace = "urn:oasis:names:tc:SAML:1.0:assertion"

const (
	nsSignature = "http://www.w3.org/2000/09/xmldsig#"

	attributeID = "AssertionID"

	confirmBearer = "urn:oasis:names:tc:SAML:1.0:cm:bearer"
)

// FormatUnspecified is the format of a name that its readers agreed on.
const FormatUnspecified = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"

// AudienceMicrosoftOnline is the tenant's service as an audience and realm.
const AudienceMicrosoftOnline = "urn:federation:MicrosoftOnline"

// Values of Assertion.Method.
const (
	MethodPassword = "urn:oasis:names:tc:SAML:1.0:am:password"
	MethodWindows  = "urn:federation:authentication:windows"
	MethodX509     = "urn:oasis:names:tc:SAML:1.0:am:X509-PKI"
	// MethodMultiple is a value of ClaimMethods: a second factor was verified.
	MethodMultiple = "http://schemas.microsoft.com/claims/multipleauthn"
)

// Claim names an attribute.
type Claim struct{ Namespace, Name string }

// URI returns the claim's name as claim rules write it.
func (c Claim) URI() string { return c.Namespace + "/" + c.Name }

// Claims that a federated tenant reads, those of computers last.
var (
	ClaimUPN         = Claim{"http://schemas.xmlsoap.org/claims", "UPN"}
	ClaimImmutableID = Claim{"http://schemas.microsoft.com/LiveID/Federation/2008/05", "ImmutableID"} // base64 of the object's GUID
	ClaimMethods     = Claim{"http://schemas.microsoft.com/claims", "authnmethodsreferences"}
	ClaimInside      = Claim{"http://schemas.microsoft.com/ws/2012/01", "insidecorporatenetwork"} // "true", "false"

	ClaimAccountType = Claim{"http://schemas.microsoft.com/ws/2012/01", "accounttype"}                           // AccountComputer
	ClaimObjectGUID  = Claim{"http://schemas.microsoft.com/identity/claims", "onpremobjectguid"}                 // base64 of its bytes
	ClaimPrimarySID  = Claim{"http://schemas.microsoft.com/ws/2008/06/identity/claims", "primarysid"}            // S-1-5-…
	ClaimIssuerID    = Claim{"http://schemas.microsoft.com/ws/2008/06/identity/claims", "issuerid"}              // of several federated domains
	ClaimMethodTime  = Claim{"http://schemas.microsoft.com/ws/2008/06/identity/claims", "authenticationinstant"} // RFC 3339
)

// AccountComputer is ClaimAccountType's value for a domain-joined computer.
const AccountComputer = "DJ"

// Assertion says who was authenticated, how and when.
type Assertion struct {
	ID           string // AssertionID: "_" and a GUID
	Issuer       string
	IssueInstant time.Time
	// NotBefore and NotOnOrAfter are its life.
	NotBefore, NotOnOrAfter time.Time
	Audience                string
	NameID, NameFormat      string // of the subject; one without a name has neither
	Method                  string // of authentication, AuthInstant when
	AuthInstant             time.Time
	Attributes              []Attribute
}

// Attribute is what the issuer says of the subject.
type Attribute struct {
	Claim
	Values []string
}

// Values returns the values of a claim.
func (a *Assertion) Values(c Claim) []string {
	var all []string
	for _, attribute := range a.Attributes {
		if attribute.Claim == c {
			all = append(all, attribute.Values...)
		}
	}
	return all
}

// Value returns the only value of a claim; "" when there is none, or several.
func (a *Assertion) Value(c Claim) string {
	if values := a.Values(c); len(values) == 1 {
		return values[0]
	}
	return ""
}

// Has says whether a claim has a value.
func (a *Assertion) Has(c Claim, value string) bool {
	for _, v := range a.Values(c) {
		if v == value {
			return true
		}
	}
	return false
}

// Kind says why an assertion is refused.
type Kind string

// Kinds of refusals.
const (
	Malformed     Kind = "malformed"      // no SAML 1.1 assertion of the kind that is read
	Unsigned      Kind = "unsigned"       // and of shapes of signatures that are not taken
	UnknownSigner Kind = "unknown_signer" // signed by a certificate that is not one of the issuer's
	BadSignature  Kind = "bad_signature"
	WrongIssuer   Kind = "wrong_issuer"
	WrongAudience Kind = "wrong_audience"
	NotYetValid   Kind = "not_yet_valid"
	Expired       Kind = "expired"
)

// Error is a refusal of an assertion.
type Error struct {
	Kind   Kind
	Detail string // what is wrong; holds nothing secret
}

func (e *Error) Error() string { return "assertion refused: " + e.Detail }

// Is matches errors of the same kind.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Kind == e.Kind
}

func refuse(kind Kind, format string, args ...any) error {
	return &Error{Kind: kind, Detail: fmt.Sprintf(format, args...)}
}
