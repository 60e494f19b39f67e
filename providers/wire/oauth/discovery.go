package oauth

import (
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
)

// Metadata is the OpenID Connect discovery document.
type Metadata struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	DeviceEndpoint        string   `json:"device_authorization_endpoint,omitempty"`
	EndSessionEndpoint    string   `json:"end_session_endpoint,omitempty"`
	IntrospectionEndpoint string   `json:"introspection_endpoint,omitempty"`
	JWKSURI               string   `json:"jwks_uri"`
	UserinfoEndpoint      string   `json:"userinfo_endpoint,omitempty"`
	ResponseModes         []string `json:"response_modes_supported"`
	ResponseTypes         []string `json:"response_types_supported"`
	SubjectTypes          []string `json:"subject_types_supported"`
	SigningAlgorithms     []string `json:"id_token_signing_alg_values_supported"`
	Scopes                []string `json:"scopes_supported"`
	TokenEndpointAuth     []string `json:"token_endpoint_auth_methods_supported"`
	CodeChallengeMethods  []string `json:"code_challenge_methods_supported,omitempty"`
	Claims                []string `json:"claims_supported,omitempty"`
	MultiRefreshToken     bool     `json:"microsoft_multi_refresh_token,omitempty"` // V1
	TenantRegion          string   `json:"tenant_region_scope,omitempty"`
	CloudInstanceName     string   `json:"cloud_instance_name,omitempty"`
	CloudGraphHost        string   `json:"cloud_graph_host_name,omitempty"`
	GraphHost             string   `json:"msgraph_host,omitempty"`
}

// JWKS is a set of signing keys.
type JWKS struct {
	Keys []JWK `json:"keys"`
}

// JWK is one RSA signing key with its certificate.
type JWK struct {
	KeyType string   `json:"kty"` // "RSA"
	Use     string   `json:"use"` // "sig"
	KeyID   string   `json:"kid"`
	X5T     string   `json:"x5t"`
	N       string   `json:"n"`
	E       string   `json:"e"`
	X5C     [][]byte `json:"x5c,omitempty"`
	Issuer  string   `json:"issuer,omitempty"`
}

// Thumbprint is the x5t of a certificate: base64url of its SHA-1, which Entra
// ID uses as the key id, too.
func Thumbprint(cert []byte) string {
	sum := sha1.Sum(cert)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// NewJWK describes the RSA key of a certificate.
func NewJWK(cert *x509.Certificate, issuer string) (JWK, error) {
	pub, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok {
		return JWK{}, fmt.Errorf("signing key is a %T, want RSA", cert.PublicKey)
	}
	id := Thumbprint(cert.Raw)
	return JWK{
		KeyType: "RSA", Use: "sig", KeyID: id, X5T: id,
		N:   base64.RawURLEncoding.EncodeToString(pub.N.Bytes()),
		E:   base64.RawURLEncoding.EncodeToString(big.NewInt(int64(pub.E)).Bytes()),
		X5C: [][]byte{cert.Raw}, Issuer: issuer,
	}, nil
}

// PublicKey returns the RSA key of a JWK.
func (k JWK) PublicKey() (*rsa.PublicKey, error) {
	n, err := base64.RawURLEncoding.DecodeString(k.N)
	if err != nil {
		return nil, fmt.Errorf("modulus: %w", err)
	}
	e, err := base64.RawURLEncoding.DecodeString(k.E)
	if err != nil {
		return nil, fmt.Errorf("exponent: %w", err)
	}
	exponent := new(big.Int).SetBytes(e)
	if k.KeyType != "RSA" || len(e) > 4 || exponent.Int64() < 3 || exponent.Int64() > 1<<31-1 || exponent.Bit(0) == 0 {
		return nil, errors.New("not an RSA key with an odd exponent")
	}
	pub := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent.Int64())}
	if bits := pub.N.BitLen(); bits < 2048 || bits > 4096 {
		return nil, fmt.Errorf("RSA key of %d bits", bits)
	}
	return pub, nil
}
