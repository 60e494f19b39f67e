package adfs

import (
	"fmt"
	"slices"

	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/strict"
)

// Capabilities of a service (MS-OIDCE 2.2.3.2).
const (
	CapabilityHelloCertificate = "winhello_cert"    // it issues certificates for Hello keys
	CapabilityHelloReceipt     = "winhello_cert_kr" // and takes a receipt of the registration for the key
	CapabilityKDF2             = "kdf_ver2"         // keys of requests are derived from the request, too
)

// Metadata is the discovery document (MS-OIDCE 2.2.3.2).
type Metadata struct {
	oauth.Metadata
	AccessTokenIssuer string   `json:"access_token_issuer"`
	Capabilities      []string `json:"capabilities,omitempty"`
	GrantTypes        []string `json:"grant_types_supported"`
	PasswordChange    string   `json:"pwd_url,omitempty"`
}

// NewMetadata describes the service of a host.
func NewMetadata(host string, capabilities ...string) Metadata {
	base := "https://" + host
	return Metadata{
		Metadata: oauth.Metadata{
			Issuer: Issuer(host), AuthorizationEndpoint: base + PathAuthorize + "/", TokenEndpoint: base + PathToken + "/", DeviceEndpoint: base + PathDeviceCode,
			EndSessionEndpoint: base + PathLogout, JWKSURI: base + PathKeys, UserinfoEndpoint: base + PathUserinfo,
			ResponseModes: []string{"query", "fragment", "form_post"}, ResponseTypes: []string{"code"}, SubjectTypes: []string{"pairwise"},
			SigningAlgorithms: []string{"RS256"}, Scopes: []string{"openid", "profile", "email", "offline_access", "aza", "ugs", "winhello_cert", ScopeImpersonate},
			TokenEndpointAuth: []string{"client_secret_post", "client_secret_basic", "none"}, CodeChallengeMethods: []string{"S256"},
			Claims:            []string{"aud", "iss", "iat", "exp", "auth_time", "nonce", "at_hash", "sub", "upn", "unique_name", "pwd_exp", "sid", "amr"},
			MultiRefreshToken: true,
		},
		AccessTokenIssuer: TrustIssuer(host), Capabilities: capabilities,
		GrantTypes: []string{oauth.GrantAuthorizationCode, oauth.GrantRefreshToken, oauth.GrantClientCredentials, oauth.GrantJWTBearer, oauth.GrantPassword,
			oauth.GrantServerChallenge, oauth.GrantDeviceCode},
	}
}

// Can says whether a service has a capability.
func (m *Metadata) Can(capability string) bool { return slices.Contains(m.Capabilities, capability) }

// ParseMetadata reads a discovery document.
func ParseMetadata(data []byte) (*Metadata, error) {
	var m Metadata
	if err := strict.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("openid configuration: %w", err)
	}
	return &m, nil
}
