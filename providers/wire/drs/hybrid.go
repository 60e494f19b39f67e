package drs

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"hellolab/providers/wire/sid"
	"hellolab/providers/wire/strict"
)

// HybridRequest completes the registration of a computer that Connect made
// known (managed hybrid join). It is sent without an access token:
//
//	PUT /EnrollmentServer/device/{objectGUID}?api-version=2.0
//
// The computer proves itself by ClientIdentity: the key of the certificate in
// userCertificate of its computer object, which came by synchronization.
type HybridRequest struct {
	CertificateRequest CertificateRequest `json:"CertificateRequest"`
	ServerAdJoinData   ServerAdJoinData   `json:"ServerAdJoinData"`
	JoinType           int                `json:"JoinType"` // JoinHybrid
	Attributes         map[string]any     `json:"attributes,omitempty"`
}

// ServerAdJoinData is what a computer of a domain says of itself.
type ServerAdJoinData struct {
	TransportKey           []byte         `json:"TransportKey"` // CNG blob of Kstk's public half
	TargetDomain           string         `json:"TargetDomain"`
	DeviceType             string         `json:"DeviceType"` // "Windows"
	OSVersion              string         `json:"OSVersion"`
	DeviceDisplayName      string         `json:"DeviceDisplayName"`
	SourceDomainController string         `json:"SourceDomainController,omitempty"`
	TargetDomainID         string         `json:"TargetDomainId"` // tenant id
	ClientIdentity         ClientIdentity `json:"ClientIdentity"`
}

// ClientIdentity is a computer's proof of who it is.
type ClientIdentity struct {
	Type       string `json:"Type"`       // IdentitySigned
	Sid        string `json:"Sid"`        // "<SID>.<yyyy-MM-dd HH:mm:ss>Z"
	SignedBlob []byte `json:"SignedBlob"` // RSASSA-PKCS1-v1_5 with SHA-256 over Sid
}

// IdentitySigned is the type of ClientIdentity that a managed join uses.
const IdentitySigned = "sha256signed"

const identityTime = "2006-01-02 15:04:05Z"

// ErrIdentity is wrapped by every error of ClientIdentity's methods.
var ErrIdentity = errors.New("client identity")

// SignIdentity proves a computer at an instant.
func SignIdentity(rand io.Reader, key crypto.Signer, computer sid.SID, at time.Time) (ClientIdentity, error) {
	c := ClientIdentity{Type: IdentitySigned, Sid: computer.String() + "." + at.UTC().Format(identityTime)}
	sum := sha256.Sum256([]byte(c.Sid))
	var err error
	if c.SignedBlob, err = key.Sign(rand, sum[:], crypto.SHA256); err != nil {
		return ClientIdentity{}, fmt.Errorf("%w: sign: %w", ErrIdentity, err)
	}
	return c, nil
}

// Parse returns what the identity claims. Nothing is proved by it.
func (c ClientIdentity) Parse() (computer sid.SID, at time.Time, err error) {
	if c.Type != IdentitySigned {
		return computer, at, fmt.Errorf("%w: its type is not %s", ErrIdentity, IdentitySigned)
	}
	id, when, ok := strings.Cut(c.Sid, ".")
	if !ok || len(c.Sid) > 256 {
		return computer, at, fmt.Errorf("%w: it is no identifier and time", ErrIdentity)
	}
	if computer, err = sid.Parse(id); err != nil {
		return computer, at, fmt.Errorf("%w: %w", ErrIdentity, err)
	}
	if at, err = time.Parse(identityTime, when); err != nil {
		return computer, at, fmt.Errorf("%w: its time is not yyyy-MM-dd HH:mm:ssZ", ErrIdentity)
	}
	return computer, at, nil
}

// Verify says whether a key of at most maxRSABits signed the identity.
func (c ClientIdentity) Verify(pub *rsa.PublicKey) error {
	if bits := pub.N.BitLen(); bits > maxRSABits {
		return fmt.Errorf("%w: a key of %d bits", ErrIdentity, bits)
	}
	sum := sha256.Sum256([]byte(c.Sid))
	if err := rsa.VerifyPKCS1v15(pub, crypto.SHA256, sum[:], c.SignedBlob); err != nil {
		return fmt.Errorf("%w: %w", ErrIdentity, err)
	}
	return nil
}

// ParseHybridRequest reads a request.
func ParseHybridRequest(data []byte) (*HybridRequest, error) {
	var r HybridRequest
	if err := strict.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("hybrid join request: %w", err)
	}
	return &r, nil
}

// AsJoin returns the parts that a join of any other type has, too.
func (r *HybridRequest) AsJoin() *JoinRequest {
	d := r.ServerAdJoinData
	return &JoinRequest{CertificateRequest: r.CertificateRequest, TransportKey: d.TransportKey, TargetDomain: d.TargetDomain, DeviceType: d.DeviceType,
		OSVersion: d.OSVersion, DeviceDisplayName: d.DeviceDisplayName, JoinType: r.JoinType, Attributes: r.Attributes}
}
