package entra

import (
	"context"
	"errors"
	"strings"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/ngc"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
)

// helloProof verifies a Windows Hello for Business sign-in in the order of the
// documents: the key that the request names, its signature, then the nonce,
// then the state of the device.
func (s *server) helloProof(ctx context.Context, dp *deviceProof, c prt.Request) (proof, *device, error) {
	a, err := ngc.ParseAssertion(c.Assertion)
	if err != nil {
		return proof{}, nil, oauth.NewError(oauth.RequestMalformed, "The assertion is malformed.")
	}
	u, key, err := s.helloKeyOf(a)
	if err != nil {
		return proof{}, nil, err
	}
	pub, err := cng.ParseRSAPublic(key.Blob)
	if err != nil {
		return proof{}, nil, err
	}
	if a.Token.VerifyRS256(pub) != nil {
		return proof{}, nil, oauth.NewError(oauth.HelloSignatureInvalid)
	}
	s.step(ctx, event.EntraID, event.CloudAP, "signature_verified", "Entra ID verifies the signature with the user's registered public key.",
		map[string]any{"user": u.UPN, "key_id": key.KeyID})
	if err := s.checkAssertionTimes(a.Claims); err != nil {
		return proof{}, nil, err
	}
	if err := s.takeNonces(ctx, c.RequestNonce, a.Claims.RequestNonce); err != nil {
		return proof{}, nil, err
	}
	s.step(ctx, event.EntraID, event.CloudAP, "nonce_verified", "Entra ID verifies the signed nonce.",
		map[string]any{"good_for": s.cfg.Lifetimes.Nonce.String()})
	d, err := s.helloDevice(dp, key)
	if err != nil {
		return proof{}, nil, err
	}
	// Possession of the key and the gesture that opens it are two factors.
	p := proof{UserID: u.ID, UPN: u.UPN, DeviceID: d.DeviceID, AMR: []string{oauth.AMRRSA, oauth.AMRMFA},
		AuthTime: s.env.Now().UnixMilli(), Credential: credentialHello, KeyID: key.KeyID}
	return p, d, nil
}

// helloKeyOf finds the one user whose key the assertion names. That it is the
// user who is named, too, is part of the search: another's key is no key.
func (s *server) helloKeyOf(a *ngc.Assertion) (u *user, key *helloKey, err error) {
	err = s.env.Section.View(func(r providers.Reader) error {
		if u, err = userByUPN(r, a.Claims.Issuer); err != nil {
			return err
		}
		owner, ok, err := r.Get(tableHelloKeys, a.KeyID)
		if err != nil {
			return err
		}
		if ok && string(owner) == u.ID {
			key, _ = u.helloKey(a.KeyID)
		}
		return nil
	})
	switch {
	case errors.Is(err, errNotFound):
		return nil, nil, oauth.NewError(oauth.UserAccountNotFound)
	case err != nil:
		return nil, nil, err
	case key == nil:
		return nil, nil, oauth.NewError(oauth.HelloKeyNotFound)
	}
	return u, key, nil
}

// checkAssertionTimes bounds an assertion by its own claims. Clients backdate
// iat, some by an hour; it must only not lie ahead.
func (s *server) checkAssertionTimes(c ngc.Claims) error {
	now := s.env.Now()
	if now.Unix() >= int64(c.Expires) || int64(c.IssuedAt) > now.Add(maxSkew).Unix() {
		return oauth.NewError(oauth.GrantInvalid, "The assertion is not valid at this time.")
	}
	if aud := strings.ToLower(c.Audience); aud != "common" && !s.knowsTenant(aud) && c.Audience != s.issuer(oauth.V1) && c.Audience != s.issuer(oauth.V2) {
		return oauth.NewError(oauth.GrantInvalid, "The assertion is for another audience.")
	}
	return nil
}

// helloDevice is the state of the device that the key was made on, which must
// be the device that signed the request.
func (s *server) helloDevice(dp *deviceProof, key *helloKey) (*device, error) {
	d, err := s.deviceOf(dp)
	switch {
	case errors.Is(err, errNotFound):
		return nil, oauth.NewError(oauth.HelloDeviceNotFound)
	case err != nil:
		return nil, err
	case d.DeviceID != key.DeviceID:
		return nil, oauth.NewError(oauth.HelloKeyNotFound, "The Windows Hello for Business key was registered on another device.")
	case !d.Enabled:
		return nil, oauth.NewError(oauth.HelloDeviceDisabled)
	case len(d.TransportKey) == 0:
		return nil, oauth.NewError(oauth.HelloTransportKeyNotFound)
	}
	return d, nil
}
