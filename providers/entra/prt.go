package entra

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/jose"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
)

// primaryToken is what a primary refresh token holds, sealed: claims about the
// user and the device, and the session key, which the tenant therefore keeps
// nowhere.
type primaryToken struct {
	proof
	Tenant         string `json:"tid"`
	IssuedAt       int64  `json:"iat"` // Unix seconds
	Expires        int64  `json:"exp"`
	SessionKey     []byte `json:"session_key"`
	SessionKeyBorn int64  `json:"session_key_born"`
}

// sessionKeyLife is the age at which renewal brings a new session key
// (Microsoft Entra documentation).
const sessionKeyLife = 30 * 24 * time.Hour

// cipherGCM is the value of the tenant's attribute for standard replies.
const cipherGCM = "gcm"

// jwtBearer takes the signed request: RS256 by a device key asks for a PRT,
// HS256 by a key of a session key uses one.
func (s *server) jwtBearer(w http.ResponseWriter, r *http.Request, v oauth.Version, req oauth.TokenRequest) error {
	if req.Request == "" {
		return missing("request")
	}
	t, err := jose.Parse(req.Request)
	if err != nil {
		return oauth.NewError(oauth.RequestMalformed, "The signed request is malformed.")
	}
	var c prt.Request
	if err := t.Claims(&c); err != nil {
		return oauth.NewError(oauth.RequestMalformed, "The claims of the signed request are malformed.")
	}
	if len(t.Header.X5C) > 0 {
		return s.issuePRT(w, r, v, t, c, req.TGT)
	}
	return s.usePRT(w, r, v, t, c, req.TGT || bool(c.TGT))
}

// deviceProof is a request or connection that a device key authenticated.
type deviceProof struct {
	identity   drs.Identity
	thumbprint string
}

// verifyDeviceCertificate trusts a certificate that the tenant's own authority
// issued and that is in its life.
func (s *server) verifyDeviceCertificate(cert *x509.Certificate) (*deviceProof, error) {
	_, err := cert.Verify(x509.VerifyOptions{Roots: s.keys.devices, CurrentTime: s.env.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil {
		return nil, err
	}
	id, err := drs.ParseIdentity(cert)
	if err != nil {
		return nil, err
	}
	if id.TenantID.String() != s.cfg.TenantID {
		return nil, errors.New("the device certificate is of another tenant")
	}
	return &deviceProof{id, drs.Thumbprint(cert.Raw)}, nil
}

// verifyDeviceRequest checks a token signed with a device key.
func (s *server) verifyDeviceRequest(t *jose.Token) (*deviceProof, error) {
	refuse := func(sentence string) error { return oauth.NewError(oauth.DeviceJWTInvalid, sentence) }
	if len(t.Header.X5C) == 0 {
		return nil, refuse("The request carries no device certificate.")
	}
	cert, err := x509.ParseCertificate(t.Header.X5C[0])
	if err != nil {
		return nil, refuse("The device certificate is malformed.")
	}
	d, err := s.verifyDeviceCertificate(cert)
	if err != nil {
		return nil, refuse("The device certificate was not issued by this tenant or is not valid now.")
	}
	pub, ok := rsaPublic(cert.PublicKey)
	if !ok || t.VerifyRS256(pub) != nil {
		return nil, refuse("The request is not signed with the device's key.")
	}
	return d, nil
}

func rsaPublic(key any) (*rsa.PublicKey, bool) {
	pub, ok := key.(*rsa.PublicKey)
	return pub, ok
}

// deviceOf finds the device that proved itself. A certificate that a later
// join replaced proves nothing.
func (s *server) deviceOf(p *deviceProof) (d *device, err error) {
	err = s.env.Section.View(func(r providers.Reader) error {
		d, err = deviceByDeviceID(r, p.identity.DeviceID.String())
		return err
	})
	if err == nil && d.Thumbprint != p.thumbprint {
		err = errNotFound
	}
	return d, err
}

// issuePRT answers the request for a primary refresh token. The device comes
// first: without its proof no user data is read.
func (s *server) issuePRT(w http.ResponseWriter, r *http.Request, v oauth.Version, t *jose.Token, c prt.Request, tickets bool) error {
	ctx := r.Context()
	dp, err := s.verifyDeviceRequest(t)
	if err != nil {
		return err
	}
	if err := s.checkClient(c.ClientID); err != nil {
		return err
	}
	s.step(ctx, event.EntraID, event.CloudAP, "device_signature_verified", "Entra ID verifies that the request is signed with the device's key.",
		map[string]any{"device_id": dp.identity.DeviceID.String(), "certificate": dp.thumbprint})
	var p proof
	var d *device
	var refresh *refreshToken
	switch c.GrantType {
	case oauth.GrantJWTBearer:
		p, d, err = s.helloProof(ctx, dp, c)
	case oauth.GrantPassword:
		p, d, err = s.passwordDeviceProof(ctx, dp, c)
	case oauth.GrantRefreshToken:
		p, d, refresh, err = s.refreshDeviceProof(ctx, dp, c)
	case oauth.GrantSAML11:
		p, d, err = s.samlDeviceProof(ctx, dp, c)
	default:
		err = oauth.NewError(oauth.GrantTypeUnsupported, "The grant type '%.64s' is not supported in a device request.", c.GrantType)
	}
	if err != nil {
		return err
	}
	u, _, err := s.standing(p)
	if err != nil {
		return err
	}
	if refresh != nil {
		if err := s.useRefreshToken(ctx, refresh); err != nil {
			return err
		}
	}
	issued := func() {
		s.step(ctx, event.EntraID, event.CloudAP, "prt_issued", "Entra ID creates a PRT with a session key encrypted to the device's transport key.",
			map[string]any{"user": u.UPN, "device_id": d.DeviceID, "amr": p.AMR, "expires": s.env.Now().Add(s.cfg.Lifetimes.PRT).UTC()})
	}
	resp, err := s.newPRT(ctx, p, prtReply{user: u, device: d, client: c.ClientID, version: v, tickets: tickets, issued: issued})
	if err != nil {
		return err
	}
	return s.answerToken(w, r, v, resp)
}

// passwordDeviceProof is a user's password on a registered device.
func (s *server) passwordDeviceProof(ctx context.Context, dp *deviceProof, c prt.Request) (proof, *device, error) {
	if err := s.takeNonces(ctx, c.RequestNonce); err != nil {
		return proof{}, nil, err
	}
	d, err := s.signInDevice(dp)
	if err != nil {
		return proof{}, nil, err
	}
	u, err := s.checkPassword(ctx, c.Username, c.Password, d.DeviceID)
	if err != nil {
		return proof{}, nil, err
	}
	p := passwordProof(u, s.env.Now())
	p.addDevice(d.DeviceID)
	return p, d, nil
}

// refreshDeviceProof is a refresh token on a registered device: the user signed
// in just before, for instance to join it.
func (s *server) refreshDeviceProof(ctx context.Context, dp *deviceProof, c prt.Request) (proof, *device, *refreshToken, error) {
	if err := s.takeNonces(ctx, c.RequestNonce); err != nil {
		return proof{}, nil, nil, err
	}
	d, err := s.signInDevice(dp)
	if err != nil {
		return proof{}, nil, nil, err
	}
	t, err := s.openRefreshToken(c.RefreshToken)
	if err != nil {
		return proof{}, nil, nil, err
	}
	if !knowsClient(t.ClientID) {
		return proof{}, nil, nil, oauth.NewError(oauth.GrantInvalid, "The refresh token was issued to an application that may not ask for a primary refresh token.")
	}
	if t.DeviceID != "" && t.DeviceID != d.DeviceID {
		return proof{}, nil, nil, oauth.NewError(oauth.GrantInvalid, "The refresh token was issued on another device.")
	}
	p := t.proof
	p.addDevice(d.DeviceID)
	return p, d, t, nil
}

// signInDevice is the device's state at a sign-in that is not Hello's.
func (s *server) signInDevice(dp *deviceProof) (*device, error) {
	d, err := s.deviceOf(dp)
	switch {
	case errors.Is(err, errNotFound):
		return nil, oauth.NewError(oauth.DeviceNotFound)
	case err != nil:
		return nil, err
	case !d.Enabled:
		return nil, oauth.NewError(oauth.DeviceDisabled)
	}
	return d, nil
}

// takeNonces verifies the nonces of a request and uses them up.
func (s *server) takeNonces(ctx context.Context, nonces ...string) error {
	for _, n := range nonces {
		if n == "" {
			return oauth.NewError(oauth.NonceInvalid, "The request nonce is missing.")
		}
	}
	err := s.useNonces(ctx, nonceSignIn, nonces...)
	switch {
	case errors.Is(err, errNonceForeign):
		return oauth.NewError(oauth.NonceInvalid, "The request nonce was not issued by this tenant.")
	case errors.Is(err, errNonceExpired):
		return oauth.NewError(oauth.NonceInvalid, "The request nonce has expired; it is good for %s.", s.cfg.Lifetimes.Nonce)
	case errors.Is(err, errNonceUsed):
		return oauth.NewError(oauth.NonceInvalid, "The request nonce was used before.")
	}
	return err
}

// prtReply says how a primary refresh token is answered.
type prtReply struct {
	user    *user
	device  *device
	client  string
	version oauth.Version
	withKey bool   // with the session key, encrypted to the device's transport key
	tickets bool   // with Kerberos tickets
	issued  func() // is told of the token, before tickets are made beside it; nil: nobody asks
}

// newPRT makes a primary refresh token and its session key.
func (s *server) newPRT(ctx context.Context, p proof, to prtReply) (oauth.TokenResponse, error) {
	key := make([]byte, prt.SessionKeySize)
	if _, err := io.ReadFull(s.env.Rand, key); err != nil {
		return oauth.TokenResponse{}, err
	}
	defer clear(key)
	to.withKey = true
	return s.prtResponse(ctx, primaryToken{proof: p, Tenant: s.cfg.TenantID, SessionKey: key, SessionKeyBorn: s.env.Now().Unix()}, to)
}

// prtResponse seals t anew and answers it.
func (s *server) prtResponse(ctx context.Context, t primaryToken, to prtReply) (oauth.TokenResponse, error) {
	now, life, u := s.env.Now(), s.cfg.Lifetimes.PRT, to.user
	t.IssuedAt, t.Expires = now.Unix(), now.Add(life).Unix()
	sealed, err := s.seal.Seal(purposePRT, t)
	if err != nil {
		return oauth.TokenResponse{}, err
	}
	// As recorded: the life is counted in whole seconds, the last not included.
	in := oauth.Seconds(life/time.Second) - 1
	resp := oauth.TokenResponse{
		TokenType: "Bearer", ExpiresIn: in, ExpiresOn: oauth.Seconds(t.Expires), RefreshToken: s.tokenText(prtPrefix, sealed), RefreshTokenExpiresIn: in,
		ClientInfo: oauth.ClientInfo{UID: u.ID, UTID: s.cfg.TenantID}.Encode(), DeviceTenantID: s.cfg.TenantID,
	}
	if resp.IDToken, err = s.newIDToken(u, t.proof, to.client, "", to.version, false); err != nil {
		return oauth.TokenResponse{}, err
	}
	if to.withKey {
		transport, err := cng.ParseRSAPublic(to.device.TransportKey)
		if err != nil {
			return oauth.TokenResponse{}, oauth.NewError(oauth.HelloTransportKeyNotFound)
		}
		if resp.SessionKeyJWE, err = prt.WrapSessionKey(s.env.Rand, transport, t.SessionKey); err != nil {
			return oauth.TokenResponse{}, err
		}
	}
	if to.issued != nil {
		to.issued()
	}
	if to.tickets {
		err = s.addTickets(ctx, u, prt.Key(t.SessionKey), &resp)
	}
	return resp, err
}

// openPRT reads a primary refresh token.
func (s *server) openPRT(text string) (*primaryToken, error) {
	var t primaryToken
	sealed, ok := sealedPart(prtPrefix, text)
	if !ok || s.seal.Open(purposePRT, sealed, &t) != nil || t.Tenant != s.cfg.TenantID {
		return nil, oauth.NewError(oauth.GrantInvalid, "The primary refresh token is not valid.")
	}
	if s.env.Now().After(time.Unix(t.Expires, 0)) {
		return nil, oauth.NewError(oauth.RefreshTokenExpired, "The primary refresh token has expired.")
	}
	return &t, nil
}

// usePRT answers a request signed with a key of the session key: an access
// token for an application, or the renewal of the PRT.
func (s *server) usePRT(w http.ResponseWriter, r *http.Request, v oauth.Version, t *jose.Token, c prt.Request, tickets bool) error {
	ctx := r.Context()
	if c.GrantType != oauth.GrantRefreshToken {
		return oauth.NewError(oauth.GrantTypeUnsupported, "The grant type '%.64s' is not supported in a session request.", c.GrantType)
	}
	token, err := s.openPRT(c.RefreshToken)
	if err != nil {
		return err
	}
	session := prt.Key(token.SessionKey)
	if prt.VerifyRequest(t, session) != nil {
		return oauth.NewError(oauth.SessionKeyInvalid, "The request is not signed with the session key of the primary refresh token.")
	}
	if err := s.takeNonces(ctx, c.RequestNonce); err != nil {
		return err
	}
	if err := s.checkClient(c.ClientID); err != nil {
		return err
	}
	target, err := s.targetOf(c.Resource, c.Scope)
	if err != nil {
		return err
	}
	demands, err := demandsOf(c.AMRValues, c.RequestedClaims, strings.ToLower(c.ClientID), target)
	if err != nil {
		return err
	}
	u, d, err := s.standing(token.proof)
	if err != nil {
		return err
	}
	s.step(ctx, event.EntraID, actorOf(c.ClientID), "session_signature_verified", "Entra ID verifies the signature made with a key of the session key.",
		map[string]any{"user": u.UPN, "device_id": token.DeviceID, "kdf_version": max(t.Header.KDFVersion, 1)})
	var resp oauth.TokenResponse
	if target.prt {
		resp, err = s.renewPRT(ctx, *token, prtReply{user: u, device: d, client: c.ClientID, version: v, tickets: tickets})
	} else {
		resp, err = s.makeTokens(ctx, v, tokenGrant{user: u, proof: token.proof, client: strings.ToLower(c.ClientID), target: target,
			demands: demands, clientInfo: true}, false)
	}
	if err != nil {
		return err
	}
	body, err := resp.Encode(v)
	if err != nil {
		return err
	}
	salt := make([]byte, prt.ContextSize)
	if _, err := io.ReadFull(s.env.Rand, salt); err != nil {
		return err
	}
	cipher := prt.CBC
	if s.cfg.ReplyCipher == cipherGCM {
		cipher = prt.GCM
	}
	sealed, err := prt.SealResponse(s.env.Rand, session, salt, body, cipher)
	if err != nil {
		return err
	}
	s.step(ctx, event.EntraID, actorOf(c.ClientID), "response_sealed", "Entra ID returns the answer, protected with a new key of the session key.",
		map[string]any{"salt_bytes": len(salt)})
	reply(w, http.StatusOK, typeJOSE, []byte(sealed))
	return nil
}

// renewPRT makes the next PRT of a session: the same proof and session key, or
// a new key when the old one is of age.
func (s *server) renewPRT(ctx context.Context, t primaryToken, to prtReply) (oauth.TokenResponse, error) {
	roll := s.env.Now().After(time.Unix(t.SessionKeyBorn, 0).Add(sessionKeyLife))
	if roll {
		return s.newPRT(ctx, t.proof, to)
	}
	return s.prtResponse(ctx, t, to)
}
