package entra

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
	"hellolab/providers/wire/saml"
)

// assertionRefusals pairs why an assertion is refused with the code that says so.
var assertionRefusals = map[saml.Kind]oauth.Code{
	saml.Malformed: oauth.SAMLTokenInvalid, saml.Unsigned: oauth.SAMLTokenInvalid,
	saml.UnknownSigner: oauth.AssertionInvalid, saml.BadSignature: oauth.AssertionInvalid,
	saml.WrongIssuer: oauth.FederationRealmUnknown, saml.WrongAudience: oauth.AssertionUnauthorized,
	saml.NotYetValid: oauth.AssertionNotInLife, saml.Expired: oauth.AssertionNotInLife,
}

// readAssertion validates an assertion of the tenant's federation service and
// uses it up: issuer, signature, audience, life, and that it comes once.
func (s *server) readAssertion(ctx context.Context, raw []byte) (*federated, error) {
	f, err := s.federation()
	if err != nil {
		return nil, err
	}
	if len(raw) == 0 {
		return nil, oauth.NewError(oauth.SAMLTokenInvalid)
	}
	if f == nil {
		return nil, oauth.NewError(oauth.FederationRealmUnknown, "The requested federation realm object does not exist: no domain of the tenant is federated.")
	}
	signing, err := f.signing()
	if err != nil {
		return nil, err
	}
	trust := saml.Trust{Issuer: f.Issuer, Certificates: signing, Audience: saml.AudienceMicrosoftOnline, Skew: maxSkew}
	a, err := trust.Verify(raw, s.env.Now())
	var refusal *saml.Error
	if errors.As(err, &refusal) {
		e := oauth.NewError(assertionRefusals[refusal.Kind])
		e.Sentence = e.Sentence[:len(e.Sentence)-1] + ": " + refusal.Detail + "."
		return nil, e
	}
	if err != nil {
		return nil, err
	}
	first, err := s.useOnce(ctx, "assertion", a.ID, a.NotOnOrAfter.Add(maxSkew))
	if err == nil && !first {
		err = oauth.NewError(oauth.AssertionInvalid, "The assertion was used before.")
	}
	if err != nil {
		return nil, err
	}
	return &federated{a, f.actor()}, nil
}

// federated is an assertion that was validated, and who issued it, in traces.
type federated struct {
	*saml.Assertion
	by event.Actor
}

// assertionProof is the sign-in of a user at the federation service.
func (s *server) assertionProof(ctx context.Context, raw []byte) (proof, *user, error) {
	a, err := s.readAssertion(ctx, raw)
	if err != nil {
		return proof{}, nil, err
	}
	return s.userOfAssertion(ctx, a)
}

// userOfAssertion finds the user by the name of the assertion, which is the
// ImmutableID, and reads how they signed in.
func (s *server) userOfAssertion(ctx context.Context, a *federated) (proof, *user, error) {
	if id := a.Values(saml.ClaimImmutableID); a.NameID == "" || len(id) > 0 && !slices.Equal(id, []string{a.NameID}) {
		return proof{}, nil, oauth.NewError(oauth.SAMLTokenInvalid, "The SAML token is not valid: its name is not one ImmutableID.")
	}
	var u *user
	err := s.env.Section.View(func(r providers.Reader) error {
		id, ok, err := r.Get(tableAnchors, a.NameID)
		if err != nil {
			return err
		}
		if !ok {
			return errNotFound
		}
		u, err = userByID(r, string(id))
		return err
	})
	switch {
	case errors.Is(err, errNotFound):
		return proof{}, nil, oauth.NewError(oauth.UserNotInDirectory)
	case err != nil:
		return proof{}, nil, err
	case !u.Enabled:
		return proof{}, nil, oauth.NewError(oauth.UserDisabled)
	}
	at := a.AuthInstant
	if now := s.env.Now(); at.After(now) {
		at = now
	}
	p := proof{UserID: u.ID, UPN: u.UPN, AuthTime: at.UnixMilli(), Credential: credentialFederated, AMR: []string{oauth.AMRPassword}}
	if a.Method == saml.MethodWindows {
		p.AMR = []string{oauth.AMRWindows}
	}
	verified := a.Has(saml.ClaimMethods, saml.MethodMultiple) || a.Method == saml.MethodMultiple
	counts := verified && s.elsewhere()
	if counts {
		p.addMFA(at)
	}
	s.step(ctx, event.EntraID, a.by, "assertion_validated", "Entra ID validates the assertion of the federation service: issuer, signature, audience, life, and the claims that go with it.",
		map[string]any{"issuer": a.Issuer, "user": u.UPN, "immutable_id": a.NameID, "method": a.Method, "mfa_verified": verified, "mfa_counts": counts, "signed_in_at": a.AuthInstant, "good_until": a.NotOnOrAfter})
	return p, u, nil
}

// samlGrant takes the assertion of a federation service for tokens. A device
// that adds its credential (MS-OAPXBC 2.2.1.1 and 2.2.1.2), as it does at the
// authorization endpoint, is proved beside the user. A computer's assertion is
// good for a token of the registration service.
func (s *server) samlGrant(w http.ResponseWriter, r *http.Request, v oauth.Version, req oauth.TokenRequest) error {
	ctx := r.Context()
	if req.Assertion == "" {
		return missing("assertion")
	}
	t, err := s.targetOf(req.Resource, req.Scope)
	if err != nil {
		return err
	}
	demands, err := demandsOf(req.AMRValues, req.Claims, req.ClientID, t)
	if err != nil {
		return err
	}
	a, err := s.readAssertion(ctx, oauth.DecodeAssertion(req.Assertion))
	if err != nil {
		return err
	}
	if a.Has(saml.ClaimAccountType, saml.AccountComputer) {
		return s.computerGrant(w, r, v, req, a, t)
	}
	p, u, err := s.userOfAssertion(ctx, a)
	if err != nil {
		return err
	}
	device, err := s.credentialDevice(r, p.UserID)
	if err != nil {
		return err
	}
	if device != "" {
		p.addDevice(device)
	}
	return s.grantTokens(w, r, v, tokenGrant{user: u, proof: p, client: req.ClientID, target: t, demands: demands, clientInfo: req.ClientInfo})
}

// credentialDevice is the device that a credential in the request's header
// proves; "" without one, or when it is not valid, which the trace says. A
// session of another user proves no device for this one.
func (s *server) credentialDevice(r *http.Request, userID string) (string, error) {
	ctx := r.Context()
	if text := r.Header.Get(oauth.HeaderRefreshTokenCredential); text != "" {
		p, err := s.readPRTCredential(ctx, text)
		if err == nil && p.UserID == userID {
			if _, _, err = s.standing(*p); err == nil {
				return p.DeviceID, nil
			}
		}
		if err == nil {
			err = oauth.NewError(oauth.GrantInvalid, "The session is of another user.")
		}
		if err := s.ignored(ctx, oauth.HeaderRefreshTokenCredential, err); err != nil {
			return "", err
		}
	}
	if text := r.Header.Get(oauth.HeaderDeviceCredential); text != "" {
		id, err := s.readDeviceCredential(ctx, text)
		if err == nil {
			return id, nil
		}
		return "", s.ignored(ctx, oauth.HeaderDeviceCredential, err)
	}
	return "", nil
}

// samlDeviceProof is the assertion of a federation service on a registered
// device: a password sign-in of a federated user.
func (s *server) samlDeviceProof(ctx context.Context, dp *deviceProof, c prt.Request) (proof, *device, error) {
	if err := s.takeNonces(ctx, c.RequestNonce); err != nil {
		return proof{}, nil, err
	}
	d, err := s.signInDevice(dp)
	if err != nil {
		return proof{}, nil, err
	}
	p, _, err := s.assertionProof(ctx, oauth.DecodeAssertion(c.Assertion))
	if err != nil {
		return proof{}, nil, err
	}
	p.addDevice(d.DeviceID)
	return p, d, nil
}

// computerGrant issues a token of the registration service to a computer of a
// federated domain.
func (s *server) computerGrant(w http.ResponseWriter, r *http.Request, v oauth.Version, req oauth.TokenRequest, a *federated, t target) error {
	ctx := r.Context()
	if t.resource != oauth.ResourceDRS {
		return oauth.NewError(oauth.ResourceNotFound, "A computer has no permission for %s.", t.resource)
	}
	object, err := computerOf(a.Assertion)
	if err != nil {
		return err
	}
	s.step(ctx, event.EntraID, a.by, "computer_assertion_validated", "Entra ID validates the assertion of the federation service about a computer of the domain.",
		map[string]any{"issuer": a.Issuer, "object_guid": object, "sid": a.Value(saml.ClaimPrimarySID), "good_until": a.NotOnOrAfter})
	now := s.env.Now()
	c := accessClaims{Audience: t.resource, ACR: "1", AMR: []string{oauth.AMRWindows}, AppID: req.ClientID, AppIDACR: "0", Scope: t.scope, Subject: object,
		AccountType: saml.AccountComputer, ObjectGUID: object, PrimarySID: a.Value(saml.ClaimPrimarySID)}
	token, err := s.finishAccessToken(&c, now)
	if err != nil {
		return err
	}
	s.step(ctx, event.EntraID, event.Device, "computer_token_issued", "Entra ID creates an access token of the registration service for the computer.",
		map[string]any{"aud": c.Audience, "object_guid": object, "expires": time.Unix(c.Expires, 0).UTC()})
	life := oauth.Seconds(s.cfg.Lifetimes.AccessToken / time.Second)
	return s.answerToken(w, r, v, oauth.TokenResponse{TokenType: "Bearer", Scope: t.reply(v), ExpiresIn: life, ExtExpiresIn: life, ExpiresOn: oauth.Seconds(c.Expires),
		NotBefore: oauth.Seconds(c.NotBefore), Resource: t.resource, AccessToken: token})
}
