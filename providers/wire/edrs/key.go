package edrs

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"hellolab/providers/wire/cms"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/strict"
)

// ParseKeyRequest reads a key registration (MS-KPP 3.1.5.1.1.1). kngc alone is
// the specification's.
func ParseKeyRequest(data []byte) (*drs.KeyRequest, error) { return drs.ParseKeyRequest(data) }

// KeyReply answers a key registration (MS-KPP 3.1.5.1.1.2).
type KeyReply struct {
	KeyID   string `json:"kid"` // GUID
	UPN     string `json:"upn"`
	Context string `json:"pctx,omitempty"` // see ProvisioningContext.Sign
}

// ParseKeyReply reads the reply to a key registration.
func ParseKeyReply(data []byte) (*KeyReply, error) {
	var r KeyReply
	if err := strict.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("key registration reply: %w", err)
	}
	return &r, nil
}

// Error refuses a key registration (MS-KPP 2.2.3.1).
type Error struct {
	Code            string // what exactly, for programs: "mfa_not_current"
	Status          int    // HTTP: 400 or 401
	Sentence        string
	Hint            string // what to do next; never sent
	Target          string // what the request was for
	ClientRequestID string
	TraceID         string
}

func (e *Error) Error() string { return "key registration: " + e.Sentence }

// responseFail is the member response of every refusal.
const responseFail = "ERROR_FAIL"

type errorBody struct {
	Code            string     `json:"code"`
	Message         string     `json:"message"`
	Response        string     `json:"response"`
	Target          string     `json:"target"`
	ClientRequestID string     `json:"clientrequestid"`
	Time            string     `json:"time"`
	Inner           innerError `json:"innererror"`
}

type innerError struct {
	Trace   string `json:"trace"`
	Context string `json:"context"`
}

// Encode returns the refusal's JSON.
func (e *Error) Encode(at time.Time) []byte {
	data, _ := json.Marshal(errorBody{e.Code, e.Sentence, responseFail, e.Target, e.ClientRequestID, at.UTC().Format("01-02-2006 15:04:05Z"), innerError{Trace: e.TraceID}}) // strings always encode
	return data
}

// ParseError reads a refusal. It always returns an error.
func ParseError(status int, body []byte) error {
	var b errorBody
	if err := strict.Unmarshal(body, &b); err != nil || b.Code == "" {
		return fmt.Errorf("enterprise registration service answered %d %s without saying why", status, http.StatusText(status))
	}
	return &Error{Code: b.Code, Status: status, Sentence: b.Message, Target: b.Target, ClientRequestID: b.ClientRequestID, TraceID: b.Inner.Trace}
}

// HasCode says whether err refuses a key registration with that code.
func HasCode(err error, code string) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}

// ProvisioningContext is what a client hands back, unread, when it asks for a
// certificate (pctx): the controller that has the key already.
type ProvisioningContext struct {
	DomainController string `json:"DomainControllerFqdn"`
}

// ErrContext is wrapped by every error of OpenContext.
var ErrContext = errors.New("not a provisioning context")

// maxContext bounds the text of a context.
const maxContext = 16 << 10

// Sign returns the pctx: base64 of a SignedData, SHA-256 with RSA, by the
// service's issuer.
func (p ProvisioningContext) Sign(rand io.Reader, key crypto.Signer, issuer *x509.Certificate) (string, error) {
	content, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("sign provisioning context: %w", err)
	}
	signed, err := cms.Signer{Key: key, Certificates: []*x509.Certificate{issuer}}.Sign(rand, cms.Data, content)
	if err != nil {
		return "", fmt.Errorf("sign provisioning context: %w", err)
	}
	return base64.StdEncoding.EncodeToString(cms.ContentInfo(cms.SignedDataOID, signed)), nil
}

// OpenContext reads a pctx that one of the issuers signed.
func OpenContext(pctx string, issuers []*x509.Certificate) (*ProvisioningContext, error) {
	if len(pctx) > maxContext {
		return nil, fmt.Errorf("%w: it is too long", ErrContext)
	}
	der, err := base64.StdEncoding.DecodeString(pctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrContext, err)
	}
	signed, err := cms.ParseSignedData(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrContext, err)
	}
	for _, issuer := range issuers {
		pub, ok := issuer.PublicKey.(*rsa.PublicKey)
		if !ok || !signed.Signer.Names(issuer) || !signed.ContentType.Equal(cms.Data) || signed.Verify(pub, cms.Accept{}) != nil {
			continue
		}
		var p ProvisioningContext
		if err := strict.Unmarshal(signed.Content, &p); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrContext, err)
		}
		return &p, nil
	}
	return nil, fmt.Errorf("%w: no known issuer signed it", ErrContext)
}
