// Package winhello is how a device obtains a user's sign-in certificate from a
// certificate registration authority, which is part of AD FS: the enterprise
// primary refresh token is exchanged for it (MS-OAPXBC 3.2.5.1.4).
//
// The request is a form of the token endpoint, grant_type jwt-bearer, whose
// member request is a Request signed with a key of the session key. The reply
// is sealed as every reply to such a request is (prt.Session) and holds a Reply.
// A refusal is an error of OAuth in the clear. Whether a service is such an
// authority, it says among its capabilities (package adfs).
//
//	device → AD FS  Request: csr, and krctx when the tenant registered the key
//	AD FS → device  Reply: x5c, the certificate and those above it
package winhello

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"

	"hellolab/providers/wire/cms"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
	"hellolab/providers/wire/strict"
)

// Values of Request.
const (
	Resource   = "urn:microsoft:winhello:cert:prov:server"
	Use        = "winhello_cert" // cert_token_use, and a scope
	TypePKCS10 = "http://schemas.microsoft.com/windows/pki/2009/01/enrollment#PKCS10"
	Scope      = "aza openid " + Use
)

// Beginnings of the sentences with which a registration authority refuses, by
// what is wrong. Only KeyUnknown and ReceiptRefused come with a number (MSIS9711).
const (
	KeyUnknown     = "The key of the certificate request is not registered for the user in Active Directory"
	ReceiptRefused = "The key receipt of the certificate request is not accepted"
	AgentMissing   = "The registration authority has no enrollment agent certificate"
	AgentRefused   = "The certificate authority did not take the enrollment agent's signature"
	NotIssued      = "The certificate authority did not issue the certificate"
)

// Request asks for a certificate.
type Request struct {
	prt.Request                // ClientID, Scope, Resource, GrantType refresh_token, RefreshToken, IssuedAt, Expires
	CertificateUse      string `json:"cert_token_use,omitempty"` // Use
	CSRType             string `json:"csr_type,omitempty"`       // TypePKCS10
	CSR                 string `json:"csr,omitempty"`            // base64 of DER; its public key alone counts
	ProvisioningContext string `json:"pctx,omitempty"`           // of the enterprise registration service (package edrs)
	Receipt             string `json:"krctx,omitempty"`          // of the tenant's registration service (drs.Receipt)
}

// NewRequest is a request for a PKCS #10. The caller adds what its client is,
// the PRT, the times and the contexts.
func NewRequest(csr []byte) Request {
	return Request{
		Request:        prt.Request{ClientID: oauth.ClientProvisioning, GrantType: oauth.GrantRefreshToken, Scope: Scope, Resource: Resource},
		CertificateUse: Use, CSRType: TypePKCS10, CSR: base64.StdEncoding.EncodeToString(csr),
	}
}

// Sign signs the request with a key of the session key; ctx is prt.ContextSize
// random bytes.
func (r Request) Sign(session prt.Deriver, ctx []byte) (string, error) {
	return prt.SignClaims(session, ctx, r)
}

// ParseRequest reads the claims of a request, whose signature was verified.
func ParseRequest(payload []byte) (*Request, error) {
	var r Request
	if err := strict.Unmarshal(payload, &r); err != nil {
		return nil, fmt.Errorf("certificate request: %w", err)
	}
	return &r, nil
}

// ErrCSR says that a request's csr is no base64.
var ErrCSR = errors.New("the csr is missing or no base64")

// DER decodes the csr.
func (r *Request) DER() ([]byte, error) {
	der, err := base64.StdEncoding.DecodeString(r.CSR)
	if err != nil || len(der) == 0 {
		return nil, ErrCSR
	}
	return der, nil
}

// Reply brings the certificate, and with the scope "aza" the next PRT.
type Reply struct {
	Certificates          string        `json:"x5c"`        // base64 of a CMS message: certificates only, or a CA's full CMC response
	TokenType             string        `json:"token_type"` // "bearer"
	ExpiresIn             oauth.Seconds `json:"expires_in"` // to be ignored
	RefreshToken          string        `json:"refresh_token,omitempty"`
	RefreshTokenExpiresIn oauth.Seconds `json:"refresh_token_expires_in,omitempty"`
	Scope                 string        `json:"scope"`
	IDToken               string        `json:"id_token"`
}

// NewReply brings a CA's answer.
func NewReply(cms []byte) Reply {
	return Reply{Certificates: base64.StdEncoding.EncodeToString(cms), TokenType: "bearer"}
}

// ParseReply reads an opened reply.
func ParseReply(data []byte) (*Reply, error) {
	var r Reply
	if err := strict.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("certificate reply: %w", err)
	}
	return &r, nil
}

// ErrNoCertificate says that a reply has no certificate of the key.
var ErrNoCertificate = errors.New("the reply has no certificate of the key")

// Chain returns the certificate of the key that the request was for, and those
// above it in order. None is verified.
func (r *Reply) Chain(key crypto.PublicKey) ([]*x509.Certificate, error) {
	der, err := base64.StdEncoding.DecodeString(r.Certificates)
	if err != nil {
		return nil, fmt.Errorf("x5c: %w", err)
	}
	certs, err := cms.ParseCertificates(der)
	if err != nil {
		return nil, fmt.Errorf("x5c: %w", err)
	}
	for _, cert := range certs {
		if pub, ok := cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); ok && pub.Equal(key) {
			return cms.Chain(cert, certs), nil
		}
	}
	return nil, ErrNoCertificate
}
