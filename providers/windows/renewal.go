package windows

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
)

// usualRenewal is the age at which Windows renews a primary refresh token
// (Microsoft, "Understanding primary refresh token": every four hours).
const usualRenewal = 4 * time.Hour

// renewal is the age at which this device renews. Windows has it built in; a lab
// may say otherwise with the tenant.
func (c *cloudAP) renewal() (time.Duration, error) {
	if c.sts != nil {
		return usualRenewal, nil
	}
	t, err := providers.Resolve[spec.Tenant, spec.TenantOut](c.m.env, c.m.in.Tenant)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", c.m.in.Tenant, err)
	}
	if t.In.Lifetimes == nil {
		return usualRenewal, nil
	}
	return t.In.Lifetimes.PRTRenewal, nil
}

// renewIfDue renews a token that is older than that, in place and in LSASS's
// cache.
func (c *cloudAP) renewIfDue(ctx context.Context, rec *prtRecord) error {
	age, err := c.renewal()
	if err != nil {
		return err
	}
	if c.m.env.Now().Sub(rec.Obtained) <= age {
		return nil
	}
	return c.renew(ctx, rec)
}

// renew asks for the next primary refresh token with the one at hand (MS-OAPXBC
// 3.2.5.1.3, the scope "aza"): the request is signed with a key of the session
// key, which stays, unless the tenant sends another because it is 30 days old.
func (c *cloudAP) renew(ctx context.Context, rec *prtRecord) error {
	at := c.at()
	c.trace.step(event.CloudAP, at.actor, https, "prt_renewal", "Cloud AP renews the primary refresh token of "+at.name+", with the one that it has and its session key.",
		message{"scope": at.scope, "obtained": rec.Obtained, "credential": rec.Credential})
	reply, err := c.ask(ctx, rec, prt.Request{ClientID: oauth.ClientCloudAP, Scope: at.scope, TGT: prt.Flag(c.tgt)})
	if err != nil {
		c.trace.refused(event.CloudAP, event.LSASS, local, "prt_not_renewed", "The primary refresh token of "+at.name+" is not renewed.", err)
		return err
	}
	if reply.RefreshToken == "" {
		return fmt.Errorf("the reply of %s brings no primary refresh token", at.name)
	}
	next := *rec
	kept := reply.SessionKeyJWE == ""
	if !kept {
		fresh, err := c.keep(ctx, reply, rec.Credential, rec.UPN)
		if err != nil {
			return err
		}
		next.SessionKey = fresh.SessionKey
	}
	if next.tickets, err = c.openTickets(ctx, reply, &next); err != nil {
		return err
	}
	now := c.m.env.Now()
	next.Token, next.Obtained = reply.RefreshToken, now
	if name, ok := claims(reply.IDToken)["upn"].(string); ok && name != "" && c.sts == nil {
		next.UPN = name // the account may have another by now
	}
	next.Expires = now.Add(time.Duration(reply.RefreshTokenExpiresIn) * time.Second)
	err = c.m.env.Section.Record(ctx, func(w providers.Writer) error {
		return errors.Join(put(w, at.table, next.key(), next), c.renewCached(w, next), next.tickets.keep(w, next.SID))
	})
	if err != nil {
		return err
	}
	failpoint(c.m.env, "device:prt-renewed")
	c.trace.step(event.LSASS, "", local, "prt_cached", "LSASS caches the renewed primary refresh token of "+at.name+".",
		message{"credential": next.Credential, "expires": next.Expires, "session_key_kept": kept})
	c.ticketsCached(next.tickets)
	*rec = next
	return nil
}

// ask sends a request with a primary refresh token, signed with a key of its
// session key, and opens the reply with another (MS-OAPXBC 3.1.5.1.3).
func (c *cloudAP) ask(ctx context.Context, rec *prtRecord, r prt.Request) (*oauth.TokenResponse, error) {
	nonce, err := c.nonce(ctx)
	if err != nil {
		return nil, err
	}
	now, at := c.m.env.Now(), c.at()
	r.RequestNonce, r.GrantType, r.RefreshToken = nonce, oauth.GrantRefreshToken, rec.Token
	r.Issuer, r.Audience, r.WinVer = "aad:brokerplugin", at.host, osVersion(c.m.in.OS)
	r.IssuedAt, r.Expires = prt.Time(now.Unix()), prt.Time(now.Add(5*time.Minute).Unix())
	session := c.deriver(ctx, rec)
	signed, err := c.signWithSession(session, r)
	if err != nil {
		return nil, err
	}
	req, err := c.request(ctx, signed, false)
	if err != nil {
		return nil, err
	}
	body, err := c.body(req)
	if isOver(err) {
		return nil, errors.Join(err, c.drop(ctx, rec))
	}
	if err != nil {
		return nil, err
	}
	return openReply(string(body), session, at.kind)
}

// drop is LSASS forgetting a token that the tenant does not take any more.
func (c *cloudAP) drop(ctx context.Context, rec *prtRecord) error {
	return c.m.env.Section.Record(ctx, func(w providers.Writer) error {
		at := c.at()
		held, ok, err := load[prtRecord](w, at.table, rec.key())
		if err != nil || !ok || held.Token != rec.Token {
			return err
		}
		c.trace.step(event.LSASS, "", local, "prt_dropped", "LSASS drops a primary refresh token that "+at.name+" does not take any more.", message{"credential": rec.Credential, "obtained": rec.Obtained})
		return w.Delete(at.table, rec.key())
	})
}

// errReply is a token response that is not what its issuer wrote.
var errReply = errors.New("the reply was changed, or is not for this session")

// openReply verifies a reply and reads it; kind is what its issuer calls tokens. A reply under AES-CBC, which is what
// the cloud sends, has no tag: what was changed in it decrypts to other bytes.
// Changed in its first block, it does not begin as token responses do; behind,
// a block of it is noise, which one time in a million is text by chance: beyond
// that it is TLS that guards the reply.
func openReply(text string, session prt.Deriver, kind string) (*oauth.TokenResponse, error) {
	body, err := prt.OpenResponse(strings.TrimSpace(text), session)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errReply, err)
	}
	reply, err := oauth.ParseTokenResponse(body)
	if err != nil || !utf8.Valid(body) {
		return nil, errReply
	}
	var members map[string]json.RawMessage // whose names count by the letter
	if err := json.Unmarshal(body, &members); err != nil || string(members["token_type"]) != `"`+kind+`"` {
		return nil, errReply
	}
	return reply, nil
}
