package windows

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows/ksp"
	"hellolab/providers/windows/position"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
	"hellolab/providers/wire/web"
)

// cloudAP is the Cloud Authentication security support provider in LSASS: it
// proves user and device to the tenant, or to AD FS, and holds the primary
// refresh token.
type cloudAP struct {
	m      *machine
	trace  *trace
	http   *http.Client
	tenant spec.TenantOut
	sts    *federationObject // AD FS, where it is asked for its own token; nil: the tenant is
	tgt    bool              // whether tickets of Entra Kerberos are asked for, too
}

// Credentials a primary refresh token was obtained with. Each has its own: a
// password's carries no second factor, a Hello key's does.
const (
	byPassword = "password"
	byRefresh  = "refresh_token" // of the out-of-box sign-in
	byHello    = "ngc"
)

// prtRecord is a primary refresh token in LSASS's cache. The token is of no
// use without the session key, which only the device's key provider has.
type prtRecord struct {
	SID        string     `json:"sid"`
	Token      string     `json:"token"`
	SessionKey ksp.Sealed `json:"session_key"`
	Credential string     `json:"credential"`
	Tenant     string     `json:"tenant"` // whose it is: the tenant's id, or the host of AD FS
	UPN        string     `json:"upn"`
	Obtained   time.Time  `json:"obtained"`
	Expires    time.Time  `json:"expires"`

	SecondFactor time.Time `json:"second_factor,omitzero"` // when one was given with what it was obtained by, as far as the device knows

	tickets *cloudTickets // that came with it; nil: none were asked for
}

// key is where the record lies.
func (r *prtRecord) key() string { return r.SID + "|" + r.Credential }

// issuer is who issues primary refresh tokens.
type issuer struct {
	actor event.Actor
	name  string // in sentences
	id    string // as records name it
	aud   string // of a Hello key's assertion
	host  string // that requests are for
	token string // URL of the token endpoint
	scope string // that asks for a primary refresh token
	kind  string // token_type of access tokens
	table string // of the device's section, where its tokens lie
}

// at is who is asked.
func (c *cloudAP) at() issuer {
	if c.sts != nil {
		host := c.sts.Out.Host
		return issuer{event.STS, "AD FS", host, adfs.Issuer(host), host, "https://" + host + adfsToken, "openid aza ugs", "bearer", tableEnterprise}
	}
	t := c.tenant
	return issuer{event.EntraID, "the tenant", t.TenantID, t.TenantID, t.LoginHost, "https://" + t.LoginHost + "/" + t.TenantID + "/oauth2/token", "openid aza ugs", "Bearer", tablePRT}
}

// connectTries is how often Cloud AP tries to connect where attempts time out: "more
// than six endpoints", "approximately 126 seconds" at 21 each ("Troubleshoot Windows
// Hello for Business sign-in on captive-portal Wi-Fi").
const connectTries = 6

// nonce sends what is in effect an empty OAuth request, and gets a nonce.
func (c *cloudAP) nonce(ctx context.Context) (string, error) {
	form := oauth.TokenRequest{GrantType: oauth.GrantServerChallenge}.Form()
	at := c.at()
	c.trace.step(event.CloudAP, at.actor, https, "nonce_request", "Cloud AP asks "+at.name+" for a nonce.", message{"grant_type": oauth.GrantServerChallenge})
	var reply web.Reply
	for tried := 1; ; tried++ {
		req, err := formRequest(ctx, at.token, form)
		if err != nil {
			return "", err
		}
		reply, err = web.Do(c.http, req)
		if err == nil {
			break
		}
		var silent *position.Unanswered
		if !errors.As(err, &silent) || tried == connectTries {
			return "", err
		}
		c.trace.step(event.CloudAP, at.actor, https, "connect_retry", "Nobody answers, and nobody refuses: Cloud AP tries again.", message{"tried": tried, "of": connectTries})
	}
	if reply.Status != http.StatusOK && c.sts != nil {
		return "", adfs.ParseError(reply.Status, reply.Body)
	}
	if reply.Status != http.StatusOK {
		return "", oauth.ParseError(reply.Status, reply.Body)
	}
	var n oauth.NonceResponse
	if err := reply.JSON(&n); err != nil {
		return "", err
	}
	if n.Nonce == "" {
		return "", fmt.Errorf("%s answered without a nonce", at.name)
	}
	return n.Nonce, nil
}

// exchange sends a request for a primary refresh token, signed with the
// device key.
func (c *cloudAP) exchange(ctx context.Context, r prt.Request) (*oauth.TokenResponse, error) {
	own, at := c.m.identity(), c.at()
	if own == nil {
		return nil, refuse("device_not_joined", nil)
	}
	key, err := c.m.deviceSigner(ctx)
	if err != nil {
		return nil, err
	}
	now := c.m.env.Now()
	r.ClientID, r.Scope, r.WinVer = oauth.ClientCloudAP, at.scope, osVersion(c.m.in.OS)
	r.IssuedAt, r.Expires = prt.Time(now.Unix()), prt.Time(now.Add(5*time.Minute).Unix())
	signed, err := prt.SignDeviceRequest(key, own.Certificate, r)
	if err != nil {
		return nil, fmt.Errorf("sign with the device key: %w", err)
	}
	req, err := c.request(ctx, signed, c.tgt)
	if err != nil {
		return nil, err
	}
	body, err := c.body(req)
	if err != nil {
		return nil, err
	}
	return oauth.ParseTokenResponse(body)
}

// body returns what the token endpoint answers when it does not refuse.
func (c *cloudAP) body(req *http.Request) ([]byte, error) {
	if c.sts != nil {
		return adfsBody(c.http, req)
	}
	return tokenBody(c.http, req)
}

// request is one to the token endpoint that carries a signed request.
func (c *cloudAP) request(ctx context.Context, signed string, tgt bool) (*http.Request, error) {
	r := oauth.TokenRequest{GrantType: oauth.GrantJWTBearer, Request: signed}
	if c.sts == nil {
		r.WindowsAPIVersion, r.ClientInfo, r.TGT = "2.0", true, tgt
	}
	return formRequest(ctx, c.at().token, r.Form())
}

// keep unwraps the session key with the transport key and puts it back into
// the key provider, from where it only computes. The key passes through the
// host's memory once: MS-OAPXBC's format leaves a TPM no other way (R7).
func (c *cloudAP) keep(ctx context.Context, reply *oauth.TokenResponse, credential, upn string) (*prtRecord, error) {
	if reply.RefreshToken == "" || reply.SessionKeyJWE == "" {
		return nil, fmt.Errorf("the reply of %s brings no primary refresh token", c.at().name)
	}
	sessionKey, err := c.unwrap(ctx, reply.SessionKeyJWE)
	if err != nil {
		return nil, fmt.Errorf("unwrap the session key: %w", err)
	}
	defer clear(sessionKey)
	c.trace.step(event.CloudAP, keyHolder(c.m), tpm20, "session_key_unwrapped",
		"Cloud AP has the session key decrypted with the private transport key.",
		message{"algorithm": "RSA-OAEP", "key_length": len(sessionKey)})
	sealed, err := c.m.ksp.ImportHMAC(ctx, sessionKey)
	if err != nil {
		return nil, fmt.Errorf("protect the session key: %w", err)
	}
	c.trace.step(event.CloudAP, keyHolder(c.m), tpm20, "session_key_protected",
		"Cloud AP has the session key protected by the device's key provider.",
		message{"storage": string(sealed.Storage), "use": "HMAC-SHA256"})
	now := c.m.env.Now()
	rec := &prtRecord{
		Token:      reply.RefreshToken,
		SessionKey: sealed,
		Credential: credential,
		Tenant:     c.at().id,
		UPN:        upn,
		Obtained:   now,
		Expires:    now.Add(time.Duration(reply.RefreshTokenExpiresIn) * time.Second),
	}
	rec.tickets, err = c.openTickets(ctx, reply, rec)
	return rec, err
}

// unwrap decrypts a session key. What is not for this device's transport key, is
// padded or wrapped in another way, or was changed is refused with one error:
// who sent it learns nothing of how far it got.
func (c *cloudAP) unwrap(ctx context.Context, jwe string) ([]byte, error) {
	wrapped, err := prt.EncryptedSessionKey(jwe)
	if err != nil {
		return nil, errReply
	}
	key, err := c.m.ksp.DecryptOAEP(ctx, c.m.rec.TransportKey, wrapped)
	if errors.Is(err, ksp.ErrDecrypt) {
		return nil, errReply
	}
	if err != nil {
		return nil, err
	}
	if err := prt.CheckSessionKey(jwe, key); err != nil {
		clear(key)
		return nil, errReply
	}
	return key, nil
}

// cache is LSASS keeping the token and the tickets that came with it. session
// says that the user's session begins or goes on with them. The out-of-box
// sign-in's own token worked once and is void.
func (c *cloudAP) cache(ctx context.Context, sid string, rec *prtRecord, session bool) error {
	rec.SID = sid
	return c.m.env.Section.Record(ctx, func(w providers.Writer) error {
		err := errors.Join(put(w, tablePRT, rec.key(), rec), rec.tickets.keep(w, sid))
		if session && !c.m.personal() { // the session there is the owner's, and the broker keeps the token beyond it
			err = errors.Join(err, put(w, tableSession, sid, sessionRecord{UPN: rec.UPN, Since: rec.Obtained}))
		}
		if rec.Credential == byRefresh {
			err = errors.Join(err, w.Delete(tableWAM, sid))
		}
		return err
	})
}

// deriver derives keys from the session key inside the key provider.
func (c *cloudAP) deriver(ctx context.Context, rec *prtRecord) prt.Deriver {
	return func(kdfContext []byte) ([]byte, error) {
		return c.m.ksp.HMAC(ctx, rec.SessionKey, prt.KDFInput(kdfContext))
	}
}

// accessToken asks, with the primary refresh token, for an access token to a
// resource. A token that is of age is renewed first. freshMFA demands a second
// factor within the tenant's window.
func (c *cloudAP) accessToken(ctx context.Context, rec *prtRecord, client, resource string, freshMFA bool) (*oauth.TokenResponse, error) {
	if err := c.renewIfDue(ctx, rec); err != nil {
		return nil, err
	}
	r := prt.Request{ClientID: client, Scope: "openid", Resource: resource, RedirectURI: oauth.NativeRedirect(client)}
	if freshMFA {
		r.AMRValues = oauth.AMRNGCMFA
	}
	return c.ask(ctx, rec, r)
}

func (c *cloudAP) signWithSession(session prt.Deriver, r prt.Request) (string, error) {
	kdf, err := random(c.m.env, prt.ContextSize)
	if err != nil {
		return "", err
	}
	return prt.SignRequest(session, kdf, r)
}

// sessionCredential proves user and device to the tenant's sign-in page
// (x-ms-RefreshTokenCredential, MS-OAPXBC 3.1.5.2.1).
func (c *cloudAP) sessionCredential(ctx context.Context, rec *prtRecord) (string, error) {
	nonce, err := c.nonce(ctx)
	if err != nil {
		return "", err
	}
	return c.signWithSession(c.deriver(ctx, rec), prt.Request{RefreshToken: rec.Token, IsPrimary: "true", RequestNonce: nonce})
}

// keyHolder is the lane of the device's key provider. The documents draw a TPM
// only; a device without one keeps keys in software, and its lane is the
// device's own.
func keyHolder(m *machine) event.Actor {
	if m.tpm != nil {
		return event.TPM
	}
	return event.Device
}

func splitToken(token string) []string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil
	}
	return parts
}
