// Package wstep is the enrollment protocol of AD CS' Certificate Enrollment Web
// Service: WS-Trust requests for X.509 certificates in SOAP 1.2 over HTTPS.
// Client and server share the messages here. Who asks is settled by the
// transport (HTTP Negotiate, or a certificate) and told to the server by a
// function; what is decided is an Enroller's.
//
// Reading is bounded in bytes, depth and elements; document types, entities
// and unknown headers that must be understood are refused.
//
// Not here: key exchange tokens (no key is archived in a lab), user names and
// passwords in a message, enrollment policy (MS-XCEP).
//
// Source: MS-WSTEP, with the examples of its section 4; SOAP 1.2; WS-Trust 1.3.
package wstep

import (
	"encoding/base64"
	"fmt"
	"strings"

	"hellolab/providers/wire/soap"
	"hellolab/providers/wire/xmltree"
)

// Namespaces.
const (
	nsWST   = "http://docs.oasis-open.org/ws-sx/ws-trust/200512"
	nsWSSE  = soap.Security
	nsWSTEP = "http://schemas.microsoft.com/windows/pki/2009/01/enrollment"
	nsAuth  = "http://schemas.xmlsoap.org/ws/2006/12/authorization"
	nsFault = "http://schemas.microsoft.com/net/2005/12/windowscommunicationfoundation/dispatcher"
)

// MaxMessage bounds a message that is read, in bytes.
const MaxMessage = soap.MaxMessage

// ErrXML is wrapped by every error about a message that is no envelope of ours.
var ErrXML = xmltree.ErrXML

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrXML, fmt.Sprintf(format, args...))
}

// Actions and types.
const (
	actionRequest  = nsWSTEP + "/RST/wstep"
	actionResponse = nsWSTEP + "/RSTRC/wstep"
	actionFault    = nsFault + "/fault"

	typeIssue = nsWST + "/Issue"
	typeQuery = nsWSTEP + "/QueryTokenStatus"

	tokenX509   = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3"
	valuePKCS7  = nsWSSE + "#PKCS7" // CMS, and CMC in it
	valuePKCS10 = nsWSTEP + "#PKCS10"
	base64Type  = nsWSSE + "#base64binary"
)

// Request asks for a certificate, or for the state of an earlier request.
type Request struct {
	MessageID string // urn:uuid:…
	Query     bool   // the state of RequestID, nothing new

	Token     []byte            // PKCS #10, or a CMS message around one; DER
	CMS       bool              // which of the two the sender says it is; a server looks for itself
	Context   map[string]string // additional context, such as CertificateTemplate
	RequestID string            // of a query
}

// Response is the answer to one.
type Response struct {
	RelatesTo   string // the request's MessageID
	Disposition string // for people: "Issued"
	Certificate []byte // DER; nil while the request is pending
	CMC         []byte // the CA's full CMC response, with the chain; DER
	RequestID   string
	Reference   string // where a pending request can be asked after
}

// Pending says whether the CA has not decided yet.
func (r *Response) Pending() bool { return r.Certificate == nil }

// Fault is a refusal.
type Fault struct {
	RelatesTo string
	Sender    bool   // the message is at fault; else the receiver could not or would not
	Subcode   string // local name: InternalServiceFault, ActionNotSupported, …
	Reason    string // a sentence
	// Of CertificateEnrollmentWSDetail: the CA's HRESULT (0: none), whether it
	// denied the request, and the request's number.
	Code           uint32
	InvalidRequest bool
	RequestID      string
}

func (f *Fault) Error() string {
	if f.Code != 0 {
		return fmt.Sprintf("the enrollment service answers 0x%08X: %s", f.Code, f.Reason)
	}
	return "the enrollment service answers: " + f.Reason
}

// decodeBase64 reads base64 with white space anywhere, as Windows wraps it.
func decodeBase64(text string) ([]byte, error) {
	text = strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\r\n", r) {
			return -1
		}
		return r
	}, text)
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, malformed("base64")
	}
	return b, nil
}
