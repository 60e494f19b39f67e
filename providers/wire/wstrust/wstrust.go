// Package wstrust is both ends of how a federation service issues SAML
// assertions: WS-Trust 1.3 and 2005 over SOAP 1.2 with a user name in the message
// (usernamemixed) or with the caller known by the transport (windowstransport),
// the WS-MetadataExchange document that tells clients where, and the passive
// requests of WS-Federation, which browsers carry.
//
// Reading is bounded. An assertion is carried as it stands, byte for byte: its
// signature is package saml's matter.
//
// Not here: proof keys, issued and certificate tokens, renewing and
// cancelling; signatures of messages (they travel in TLS).
//
// Source: WS-Trust 1.3 and the 2005 submission; WS-Security UsernameToken
// profile 1.0; WS-Federation 1.2, section 13; MS-MWBF; WS-Policy 1.2; what
// MSAL for Go and for Python look for in a metadata document.
package wstrust

import (
	"encoding/xml"
	"errors"
	"fmt"
	"time"

	"hellolab/providers/wire/saml"
	"hellolab/providers/wire/soap"
)

// Version is an edition of WS-Trust.
type Version int

// Editions; zero is none.
const (
	Trust13 Version = iota + 1
	Trust2005
)

// TokenSAML11 is the type of token that is issued here.
const TokenSAML11 = saml.Namespace

// Namespace returns the edition's.
func (v Version) Namespace() string {
	if v == Trust2005 {
		return "http://schemas.xmlsoap.org/ws/2005/02/trust"
	}
	return "http://docs.oasis-open.org/ws-sx/ws-trust/200512"
}

// Action returns a request's; HTTP carries it as SOAPAction, too.
func (v Version) Action() string { return v.Namespace() + "/RST/Issue" }

// reply returns an answer's action.
func (v Version) reply() string {
	if v == Trust2005 {
		return v.Namespace() + "/RSTR/Issue"
	}
	return v.Namespace() + "/RSTRC/IssueFinal"
}

// keyType returns the type of token without a key of the requester's.
func (v Version) keyType() string {
	if v == Trust2005 {
		return "http://schemas.xmlsoap.org/ws/2005/05/identity/NoProofKey"
	}
	return v.Namespace() + "/Bearer"
}

const (
	nsPolicy = "http://schemas.xmlsoap.org/ws/2004/09/policy"
	// ActionFault is that of a service's faults.
	ActionFault = "http://www.w3.org/2005/08/addressing/soap/fault"

	stamp = "2006-01-02T15:04:05.000Z"
)

func instant(t time.Time) string { return t.UTC().Format(stamp) }

// ErrMessage is wrapped by every error about bytes that are no message of WS-Trust.
var ErrMessage = errors.New("malformed WS-Trust message")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMessage, fmt.Sprintf(format, args...))
}

// Request asks for an assertion (RequestSecurityToken).
type Request struct {
	Version   Version
	MessageID string // urn:uuid:…
	To        string // the endpoint's address
	AppliesTo string // realm of the relying party
	TokenType string // empty: what the service issues
	// Username and Password of usernamemixed; empty where the transport says who asks.
	Username, Password string
	// Created and Expires bound the message's life; zero without a timestamp.
	Created, Expires time.Time
}

// Response is an issued assertion (RequestSecurityTokenResponse).
type Response struct {
	Version          Version
	RelatesTo        string // the request's MessageID
	AppliesTo        string
	Created, Expires time.Time // the token's life
	Assertion        []byte    // as it was signed
}

// Subcodes of faults that a service answers with.
var (
	// FailedAuthentication: user name or password are wrong, or nobody is known.
	FailedAuthentication = xml.Name{Space: soap.Security, Local: "FailedAuthentication"}
	InvalidSecurity      = xml.Name{Space: soap.Security, Local: "InvalidSecurity"} // the timestamp
	InvalidRequest       = xml.Name{Space: Trust13.Namespace(), Local: "InvalidRequest"}
	// InvalidScope: no relying party of that name is known.
	InvalidScope  = xml.Name{Space: Trust13.Namespace(), Local: "InvalidScope"}
	RequestFailed = xml.Name{Space: Trust13.Namespace(), Local: "RequestFailed"}
)

// NewFault refuses a request; the sentence is what people read.
func (r *Request) NewFault(subcode xml.Name, format string, args ...any) *soap.Fault {
	return &soap.Fault{RelatesTo: r.MessageID, Sender: true, Subcode: subcode, Reason: fmt.Sprintf(format, args...)}
}
