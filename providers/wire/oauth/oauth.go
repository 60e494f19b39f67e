// Package oauth is Entra ID's OAuth 2.0 as clients see it: parameters and
// replies of the authorize and token endpoints, discovery documents, signing
// keys and errors (RFC 6749, RFC 7636, OpenID Connect Discovery, MS-OAPXBC,
// MS-OIDCE, and what the public MSAL libraries expect).
//
// The endpoint exists twice, /oauth2/token and /oauth2/v2.0/token. Version
// names which one answers: V1 writes numbers as strings and takes resource, V2
// writes numbers and takes scope.
package oauth

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"hellolab/providers/wire/strict"
)

// Version is the protocol version of an endpoint.
type Version int

const (
	V1 Version = 1
	V2 Version = 2
)

// ErrRepeated says that a request gives a parameter twice (RFC 6749 3.2).
var ErrRepeated = errors.New("parameter is given twice")

// TokenRequest is the form of the token endpoint. Zero fields are not sent.
type TokenRequest struct {
	GrantType         string
	ClientID          string
	ClientSecret      string
	Resource          string // V1
	Scope             string // V2
	Username          string
	Password          string
	RefreshToken      string
	Code              string
	DeviceCode        string
	RedirectURI       string
	CodeVerifier      string
	Request           string // GrantJWTBearer: the signed request
	Assertion         string // GrantSAML11: EncodeAssertion of a federation service's
	AMRValues         string // V1: see ParseDemands
	Claims            string // V2: see ParseDemands
	ClientInfo        bool
	WindowsAPIVersion string // "2.0" with GrantJWTBearer
	TGT               bool   // with GrantJWTBearer: ask for the members TGTAD and TGTCloud, too
}

// fields pairs the form's names with the struct's strings.
func (r *TokenRequest) fields() []field {
	return []field{
		{"grant_type", &r.GrantType}, {"client_id", &r.ClientID}, {"client_secret", &r.ClientSecret},
		{"resource", &r.Resource}, {"scope", &r.Scope}, {"username", &r.Username}, {"password", &r.Password},
		{"refresh_token", &r.RefreshToken}, {"code", &r.Code}, {"device_code", &r.DeviceCode}, {"redirect_uri", &r.RedirectURI},
		{"code_verifier", &r.CodeVerifier}, {"request", &r.Request}, {"amr_values", &r.AMRValues}, {"claims", &r.Claims},
		{"windows_api_version", &r.WindowsAPIVersion}, {"assertion", &r.Assertion},
	}
}

// Form returns the request as form values.
func (r TokenRequest) Form() url.Values {
	v := encodeFields(r.fields())
	if r.ClientInfo {
		v.Set("client_info", "1")
	}
	if r.TGT {
		v.Set("tgt", "true")
	}
	return v
}

// ParseTokenRequest reads form values. Unknown parameters are ignored; one
// that is given twice is ErrRepeated.
func ParseTokenRequest(v url.Values) (TokenRequest, error) {
	var r TokenRequest
	if err := decodeFields(v, r.fields()); err != nil {
		return TokenRequest{}, err
	}
	r.ClientInfo = v.Get("client_info") == "1"
	r.TGT = strings.EqualFold(v.Get("tgt"), "true") // clients differ in letter case
	return r, nil
}

// EncodeAssertion writes an assertion for GrantSAML11, here and inside a device's
// signed request.
func EncodeAssertion(raw []byte) string { return base64.StdEncoding.EncodeToString(raw) }

// DecodeAssertion reads the base64 of an assertion, in either alphabet, padded
// or not: clients differ. It is nil for other text.
func DecodeAssertion(text string) []byte {
	text = strings.NewReplacer("-", "+", "_", "/", "\r", "", "\n", "").Replace(strings.TrimRight(text, "="))
	b, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	return b
}

// AuthorizeRequest is the query of the authorize endpoint. Zero fields are not
// sent.
type AuthorizeRequest struct {
	ResponseType        string // "code"
	ClientID            string
	RedirectURI         string
	Resource            string // V1
	Scope               string // V2
	ResponseMode        string // "query" when empty; "fragment", "form_post"
	State               string
	Nonce               string
	CodeChallenge       string
	CodeChallengeMethod string // "S256"
	Prompt              string // "none", "login"
	LoginHint           string
	Claims              string // see ParseDemands
	AMRValues           string // V1: see ParseDemands
	DomainHint          string
	SSONonce            string // the nonce for the session credential of this very request
	ClientRequestID     string // correlation
}

func (r *AuthorizeRequest) fields() []field {
	return []field{
		{"response_type", &r.ResponseType}, {"client_id", &r.ClientID}, {"redirect_uri", &r.RedirectURI},
		{"resource", &r.Resource}, {"scope", &r.Scope}, {"response_mode", &r.ResponseMode}, {"state", &r.State},
		{"nonce", &r.Nonce}, {"code_challenge", &r.CodeChallenge}, {"code_challenge_method", &r.CodeChallengeMethod},
		{"prompt", &r.Prompt}, {"login_hint", &r.LoginHint}, {"claims", &r.Claims}, {"amr_values", &r.AMRValues},
		{"domain_hint", &r.DomainHint}, {"sso_nonce", &r.SSONonce}, {"client-request-id", &r.ClientRequestID},
	}
}

// Query returns the request as query values.
func (r AuthorizeRequest) Query() url.Values { return encodeFields(r.fields()) }

// ParseAuthorizeRequest reads query values, as ParseTokenRequest does.
func ParseAuthorizeRequest(v url.Values) (AuthorizeRequest, error) {
	var r AuthorizeRequest
	if err := decodeFields(v, r.fields()); err != nil {
		return AuthorizeRequest{}, err
	}
	return r, nil
}

type field struct {
	name string
	v    *string
}

func encodeFields(fields []field) url.Values {
	v := url.Values{}
	for _, f := range fields {
		if *f.v != "" {
			v.Set(f.name, *f.v)
		}
	}
	return v
}

func decodeFields(v url.Values, fields []field) error {
	for _, f := range fields {
		switch got := v[f.name]; len(got) {
		case 0:
		case 1:
			*f.v = got[0]
		default:
			return fmt.Errorf("%s: %w", f.name, ErrRepeated)
		}
	}
	return nil
}

// Challenge returns the S256 code challenge of a verifier (RFC 7636 4.2).
func Challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// ValidVerifier says whether s has the form of a code verifier: 43 to 128
// unreserved characters.
func ValidVerifier(s string) bool {
	if len(s) < 43 || len(s) > 128 {
		return false
	}
	for _, c := range []byte(s) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0) {
			return false
		}
	}
	return true
}

// NonceResponse answers GrantServerChallenge. The capital N is the protocol's.
type NonceResponse struct {
	Nonce string `json:"Nonce"`
}

// Seconds is a count of seconds or a Unix time, which V1 writes as a string.
// Either form is read.
type Seconds int64

func (s *Seconds) UnmarshalJSON(data []byte) error {
	text := string(data)
	if len(data) > 1 && data[0] == '"' {
		text = text[1 : len(text)-1]
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return fmt.Errorf("%.32q is not a whole number", text)
	}
	*s = Seconds(n)
	return nil
}

// TokenResponse is the reply of the token endpoint. With a PRT, RefreshToken
// is the PRT and SessionKeyJWE carries its session key.
type TokenResponse struct {
	TokenType             string  `json:"token_type"` // "Bearer"
	Scope                 string  `json:"scope,omitempty"`
	ExpiresIn             Seconds `json:"expires_in"`
	ExtExpiresIn          Seconds `json:"ext_expires_in"`
	ExpiresOn             Seconds `json:"expires_on,omitempty"`
	NotBefore             Seconds `json:"not_before,omitempty"`
	Resource              string  `json:"resource,omitempty"`
	AccessToken           string  `json:"access_token,omitempty"`
	RefreshToken          string  `json:"refresh_token,omitempty"`
	RefreshTokenExpiresIn Seconds `json:"refresh_token_expires_in,omitempty"` // a number in both versions
	FOCI                  string  `json:"foci,omitempty"`
	IDToken               string  `json:"id_token,omitempty"`
	ClientInfo            string  `json:"client_info,omitempty"`
	SessionKeyJWE         string  `json:"session_key_jwe,omitempty"`
	DeviceTenantID        string  `json:"device_tenant_id,omitempty"`
	TGTAD                 string  `json:"tgt_ad,omitempty"`
	TGTCloud              string  `json:"tgt_cloud,omitempty"`
	TopLevelNames         string  `json:"kerberos_top_level_names,omitempty"`
}

// Encode writes the reply as the endpoint of that version does.
func (r TokenResponse) Encode(v Version) ([]byte, error) {
	if v != V1 {
		return json.Marshal(r)
	}
	type plain TokenResponse
	text := func(s Seconds) string {
		if s == 0 {
			return ""
		}
		return strconv.FormatInt(int64(s), 10)
	}
	return json.Marshal(struct {
		plain
		ExpiresIn    string `json:"expires_in"`
		ExtExpiresIn string `json:"ext_expires_in"`
		ExpiresOn    string `json:"expires_on,omitempty"`
		NotBefore    string `json:"not_before,omitempty"`
	}{
		plain(r),
		strconv.FormatInt(int64(r.ExpiresIn), 10), strconv.FormatInt(int64(r.ExtExpiresIn), 10),
		text(r.ExpiresOn), text(r.NotBefore),
	})
}

// ParseTokenResponse reads a reply of either version.
func ParseTokenResponse(data []byte) (*TokenResponse, error) {
	var r TokenResponse
	if err := strict.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("token response: %w", err)
	}
	return &r, nil
}

// ClientInfo names the account to MSAL, which makes its home account id
// "uid.utid" of it.
type ClientInfo struct {
	UID  string `json:"uid"`  // object id of the user
	UTID string `json:"utid"` // tenant id
}

// Encode returns the client_info value.
func (c ClientInfo) Encode() string {
	data, _ := json.Marshal(c) // two strings always encode
	return base64.RawURLEncoding.EncodeToString(data)
}
