// Package prt issues enterprise primary refresh tokens and takes them: the part of
// AD FS that speaks MS-OAPXBC. A PRT is for a user on a device that the domain
// has: an msDS-Device whose certificate signs the request, and to whose transport
// key the session key is encrypted. A device that only a tenant knows gets none
// until it is written back.
//
//	srv_challenge                      → nonce
//	jwt-bearer, RS256 by a device key  → PRT and session key
//	jwt-bearer, HS256 by a session key → tokens, or a certificate; with the scope aza the next PRT
//	x-ms-RefreshTokenCredential        → who is signed in, at the authorization endpoint
//
// The service keeps no PRT: what it needs of one is sealed in it. Whatever one
// proved counts only while user, device and key stand in the directory as they did.
//
// Sources: MS-OAPXBC 3.2.5.1; Microsoft, "AD FS Single Sign-On Settings" (what
// ends a persistent sign-in).
package prt

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"hellolab/providers/adfs/farm"
	"hellolab/providers/event"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/jose"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
	"hellolab/providers/wire/web"
	"hellolab/providers/wire/winhello"
)

// Sealer encrypts what is handed out, and derives keys, each for a purpose.
type Sealer interface {
	Seal(purpose string, v any) (string, error)
	Open(purpose, text string, v any) error
	Key(purpose string) []byte
}

// Accounts are the service's. What they refuse is an *adfs.Error.
type Accounts interface {
	// Password signs an account in.
	Password(ctx context.Context, name, password string) (*farm.Account, error)
	// Standing is the account of a proof as it is now; one that may not sign in
	// any more is refused.
	Standing(ctx context.Context, p *farm.Proof) (*farm.Account, error)
}

// Tokens are the token service's. What they refuse is an *adfs.Error.
type Tokens interface {
	// Client refuses a client that is not registered, or that may not ask for a scope.
	Client(ctx context.Context, id, scope string) error
	// Redeem is the proof of a refresh token of a client, which is used up.
	Redeem(ctx context.Context, client, refreshToken string) (*farm.Proof, error)
	// Issue makes an access token and an id token; without a resource, an id token
	// and whatever access token the service gives then.
	Issue(ctx context.Context, g Grant) (*oauth.TokenResponse, error)
}

// Once remembers what works once: it says whether a text of a kind was not used
// before. It may forget it after expiry.
type Once func(ctx context.Context, kind, text string, expiry time.Time) (first bool, err error)

// Grant is what tokens are asked for with.
type Grant struct {
	Account   *farm.Account
	Proof     *farm.Proof
	Client    string
	Resource  string
	Scope     string
	AMRValues string // a demand, as oauth.ParseDemands reads it
	Claims    string // likewise
	IDOnly    bool   // nothing but an id token
}

// Certificates issues a sign-in certificate for the holder of a PRT and returns
// the CA's answer, a CMS message. What it refuses is an *adfs.Error.
type Certificates func(ctx context.Context, holder *farm.Account, p *farm.Proof, r *winhello.Request) ([]byte, error)

// Service issues and takes. Certificates may be nil: the service is no
// registration authority. Without Revocation nobody signs in by certificate.
type Service struct {
	Host         string // of the federation service
	Directory    func(ctx context.Context) (*adldap.Conn, error)
	Seal         Sealer
	Accounts     Accounts
	Tokens       Tokens
	Once         Once
	Certificates Certificates
	Revocation   Revocation
	Mapping      func() string // how a certificate names its account, as the domain has it: MappingFull, …; nil: full
	NonceLife    time.Duration
	Life         time.Duration // of a PRT; each renewal begins it anew
	Now          func() time.Time
	Rand         io.Reader
	Emit         event.Sink
}

// purposePRT is what a PRT is sealed for.
const purposePRT = "enterprise prt"

// primary is what a PRT holds.
type primary struct {
	farm.Proof
	Issued     int64  `json:"iat"` // Unix seconds
	Expires    int64  `json:"exp"`
	SessionKey []byte `json:"session_key"`
	Credential string `json:"credential"`     // what it was made with
	KeyID      string `json:"kid,omitempty"`  // of credentialHello
	X509       []byte `json:"x509,omitempty"` // of credentialCertificate: DER
}

// Credentials that a PRT is made with.
const (
	credentialPassword    = "password"
	credentialHello       = "hello"
	credentialToken       = "token"
	credentialCertificate = "certificate"
)

// maxSkew is how far a time of a client may lie ahead, and maxLife how long a
// request may be good that has no nonce: the specification's example has an hour.
const (
	maxSkew = 5 * time.Minute
	maxLife = time.Hour + maxSkew
)

func invalidGrant(sentence string, args ...any) *adfs.Error {
	return adfs.NewError(adfs.InvalidGrant, "", sentence, args...)
}

func (s *Service) step(ctx context.Context, peer event.Actor, protocol, step, text string, message map[string]any) {
	s.Emit.Emit(event.Event{At: s.Now(), Correlation: web.Correlation(ctx), Actor: event.STS, Peer: peer, Protocol: protocol, Step: step, Text: text, Message: message})
}

const (
	https = "HTTPS"
	ldap  = "LDAP"
)

// Serve answers a request of grant type jwt-bearer, whose member request this is.
// A refusal is returned, and nothing is written then.
func (s *Service) Serve(w http.ResponseWriter, r *http.Request, request string) error {
	if request == "" {
		return adfs.NewError(adfs.InvalidRequest, "", "The request carries no signed request.")
	}
	t, err := jose.Parse(request)
	if err != nil {
		return adfs.NewError(adfs.InvalidRequest, "", "The signed request is malformed.")
	}
	c, err := winhello.ParseRequest(t.Payload)
	if err != nil {
		return adfs.NewError(adfs.InvalidRequest, "", "The claims of the signed request are malformed.")
	}
	if len(t.Header.X5C) > 0 {
		return s.issue(w, r, t, c.Request)
	}
	return s.use(w, r, t, c)
}

// reply is the answer to a request for a PRT (MS-OAPXBC 3.2.5.1.2.2).
type reply struct {
	TokenType     string `json:"token_type"` // "pop"
	RefreshToken  string `json:"refresh_token"`
	ExpiresIn     int64  `json:"refresh_token_expires_in"`
	SessionKeyJWE string `json:"session_key_jwe"`
	IDToken       string `json:"id_token"`
}

// issue answers a request for a PRT. The device comes first: without its proof no
// user data is read.
func (s *Service) issue(w http.ResponseWriter, r *http.Request, t *jose.Token, c prt.Request) error {
	ctx := r.Context()
	cert, err := s.deviceSignature(t)
	if err != nil {
		return err
	}
	if err := s.takeNonce(ctx, c.RequestNonce); err != nil {
		return err
	}
	conn, err := s.Directory(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	d, err := s.deviceOf(ctx, conn, cert)
	if err != nil {
		return err
	}
	if err := s.Tokens.Client(ctx, c.ClientID, c.Scope); err != nil {
		return err
	}
	p, a, err := s.prove(ctx, conn, d, c)
	if err != nil {
		return err
	}
	if a.Computer {
		return invalidGrant("A computer gets no primary refresh token.")
	}
	transport, err := cng.ParseRSAPublic(d.TransportKey)
	if err != nil {
		return invalidGrant("The device has no transport key in Active Directory, to which a session key could be encrypted.").WithHint("Register the device again, or wait for device write-back.")
	}
	p.SessionKey = make([]byte, prt.SessionKeySize)
	if _, err := io.ReadFull(s.Rand, p.SessionKey); err != nil {
		return err
	}
	defer clear(p.SessionKey)
	answer := reply{TokenType: "pop", ExpiresIn: int64(s.Life / time.Second)}
	if answer.SessionKeyJWE, err = prt.WrapSessionKey(s.Rand, transport, p.SessionKey); err != nil {
		return err
	}
	if answer.RefreshToken, err = s.sealed(p); err != nil {
		return err
	}
	id, err := s.Tokens.Issue(ctx, Grant{Account: a, Proof: &p.Proof, Client: c.ClientID, Scope: c.Scope, IDOnly: true})
	if err != nil {
		return err
	}
	answer.IDToken = id.IDToken
	s.step(ctx, event.CloudAP, https, "enterprise_prt_issued", "AD FS creates an enterprise PRT with a session key encrypted to the device's transport key.", map[string]any{
		"user": a.UPN, "device_id": p.DeviceID, "amr": p.AMR, "expires": time.Unix(p.Expires, 0).UTC()})
	web.WriteJSON(w, http.StatusOK, answer)
	return nil
}

// sealed gives a PRT its life, from now on, and returns its text.
func (s *Service) sealed(p *primary) (string, error) {
	now := s.Now()
	p.Issued, p.Expires = now.Unix(), now.Add(s.Life).Unix()
	return s.Seal.Seal(purposePRT, p)
}

// open reads a PRT.
func (s *Service) open(text string) (*primary, error) {
	var p primary
	if s.Seal.Open(purposePRT, text, &p) != nil {
		return nil, adfs.NewError(adfs.InvalidGrant, adfs.CodeRefreshInvalid, "The primary refresh token is not valid.").WithHint("Sign in again.")
	}
	if s.Now().Unix() >= p.Expires {
		return nil, adfs.NewError(adfs.InvalidGrant, adfs.CodeRefreshExpired, "The primary refresh token has expired.").WithHint("Sign in again.")
	}
	return &p, nil
}

// use answers a request signed with a key of the session key: tokens for an
// application, or a certificate (MS-OAPXBC 3.2.5.1.3, 3.2.5.1.4).
func (s *Service) use(w http.ResponseWriter, r *http.Request, t *jose.Token, c *winhello.Request) error {
	ctx := r.Context()
	if c.GrantType != oauth.GrantRefreshToken {
		return adfs.NewError(adfs.UnsupportedGrantType, adfs.CodeGrantType, "The grant type '%.64s' is not supported in a session request.", c.GrantType)
	}
	p, err := s.open(c.RefreshToken)
	if err != nil {
		return err
	}
	session := prt.Key(p.SessionKey)
	if prt.VerifyRequest(t, session) != nil {
		return invalidGrant("The request is not signed with the session key of the primary refresh token.")
	}
	if err := s.checkTimes(ctx, c.Request); err != nil {
		return err
	}
	a, err := s.standing(ctx, p)
	if err != nil {
		return err
	}
	if err := s.Tokens.Client(ctx, c.ClientID, c.Scope); err != nil {
		return err
	}
	peer := event.WAM
	if strings.EqualFold(c.ClientID, oauth.ClientCloudAP) {
		peer = event.CloudAP
	}
	s.step(ctx, peer, https, "session_signature_verified", "AD FS verifies the signature made with a key of the session key.", map[string]any{
		"user": a.UPN, "device_id": p.DeviceID, "kdf_version": max(t.Header.KDFVersion, 1)})
	var body []byte
	if c.CertificateUse != "" || c.Resource == winhello.Resource {
		body, err = s.certificate(ctx, a, p, c)
	} else {
		body, err = s.tokens(ctx, a, p, c.Request)
	}
	if err != nil {
		return err
	}
	return s.seal(ctx, w, peer, session, body)
}

// checkTimes bounds a request by its own claims, and by a nonce where it has one.
func (s *Service) checkTimes(ctx context.Context, c prt.Request) error {
	now := s.Now()
	if c.Expires != 0 && now.Unix() >= int64(c.Expires) || int64(c.IssuedAt) > now.Add(maxSkew).Unix() {
		return invalidGrant("The request is not valid at this time.").WithHint("Set the device's clock.")
	}
	if c.RequestNonce == "" {
		switch {
		case c.Expires == 0:
			return adfs.NewError(adfs.InvalidRequest, "", "The request has neither an end nor a nonce.")
		case int64(c.Expires) > now.Add(maxLife).Unix():
			return invalidGrant("The request is good for longer than %s.", maxLife)
		}
		return nil
	}
	return s.takeNonce(ctx, c.RequestNonce)
}

// tokens are the access token that was asked for, and with the scope aza the next
// PRT.
func (s *Service) tokens(ctx context.Context, a *farm.Account, p *primary, c prt.Request) ([]byte, error) {
	answer, err := s.Tokens.Issue(ctx, Grant{Account: a, Proof: &p.Proof, Client: c.ClientID, Resource: c.Resource, Scope: c.Scope, AMRValues: c.AMRValues, Claims: c.RequestedClaims})
	if err != nil {
		return nil, err
	}
	if answer.TokenType == "" {
		answer.TokenType = "bearer"
	}
	answer.RefreshToken, answer.RefreshTokenExpiresIn = "", 0
	if wantsPRT(c.Scope) {
		if answer.RefreshToken, err = s.sealed(p); err != nil {
			return nil, err
		}
		answer.RefreshTokenExpiresIn = oauth.Seconds(s.Life / time.Second)
	}
	return answer.Encode(oauth.V2)
}

func wantsPRT(scope string) bool { return slices.Contains(strings.Fields(scope), "aza") }

// certificate is the answer with a sign-in certificate.
func (s *Service) certificate(ctx context.Context, a *farm.Account, p *primary, c *winhello.Request) ([]byte, error) {
	if c.Resource != winhello.Resource {
		return nil, adfs.NewError(adfs.InvalidResource, adfs.CodeResource, "The resource of a certificate request is %s.", winhello.Resource)
	}
	if s.Certificates == nil {
		return nil, adfs.NewError(adfs.InvalidResource, adfs.CodeResource, "The federation service is no certificate registration authority.").WithHint("Set registration_authority and authority of the federation.")
	}
	if !slices.Contains(strings.Fields(c.Scope), winhello.Use) {
		return nil, adfs.NewError(adfs.InvalidScope, "", "A certificate request has the scope %s.", winhello.Use)
	}
	if c.CertificateUse != winhello.Use {
		return nil, adfs.NewError(adfs.InvalidRequest, "", "The certificate is for no use that the service knows.")
	}
	der, err := s.Certificates(ctx, a, &p.Proof, c)
	if err != nil {
		return nil, err
	}
	id, err := s.Tokens.Issue(ctx, Grant{Account: a, Proof: &p.Proof, Client: c.ClientID, Scope: c.Scope, IDOnly: true})
	if err != nil {
		return nil, err
	}
	answer := winhello.NewReply(der)
	answer.Scope, answer.IDToken = c.Scope, id.IDToken
	if wantsPRT(c.Scope) {
		if answer.RefreshToken, err = s.sealed(p); err != nil {
			return nil, err
		}
		answer.RefreshTokenExpiresIn = oauth.Seconds(s.Life / time.Second)
	}
	return json.Marshal(answer)
}

// seal encrypts an answer with a new key of the session key.
func (s *Service) seal(ctx context.Context, w http.ResponseWriter, peer event.Actor, session prt.Deriver, body []byte) error {
	salt := make([]byte, prt.ContextSize)
	if _, err := io.ReadFull(s.Rand, salt); err != nil {
		return err
	}
	text, err := prt.SealResponse(s.Rand, session, salt, body, prt.Session)
	if err != nil {
		return err
	}
	s.step(ctx, peer, https, "response_sealed", "AD FS returns the answer, protected with a new key of the session key.", map[string]any{"salt_bytes": len(salt)})
	h := w.Header()
	h.Set("Content-Type", "application/jose; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	w.WriteHeader(http.StatusOK)
	_, _ = io.WriteString(w, text) // the peer is gone when this fails
	return nil
}
