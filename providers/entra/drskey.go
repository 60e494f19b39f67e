package entra

import (
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/wire/attest"
	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/ngc"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/web"
)

// Modes of attestation, values of the tenant's attribute.
const (
	attestRequired  = "required"
	attestPreferred = "preferred"
	attestOff       = "off"
)

// registerKey takes a user's Hello key (the documents' phase C): it validates
// the token, that the second factor is still current, and the attestation;
// finds the user; writes the key; returns its id.
func (s *server) registerKey(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	c, err := s.drsToken(r)
	if err != nil {
		return err
	}
	if err := s.checkKeyMFA(c); err != nil {
		return err
	}
	s.step(ctx, event.DRS, "", "mfa_current", "The registration service validates that the second factor is still current.",
		map[string]any{"mfa_at": time.Unix(c.AuthTime, 0).UTC(), "current_for": s.cfg.Lifetimes.MFA.String()})
	body, err := readDRSBody(r)
	if err != nil {
		return err
	}
	req, err := drs.ParseKeyRequest(body)
	if err != nil {
		return invalid("The key registration is malformed.")
	}
	if len(req.PublicKey) == 0 {
		return missingPart("key_missing", "public key (kngc)")
	}
	pub, err := cng.ParseRSAPublic(req.PublicKey)
	if err != nil {
		return invalid("The public key is not an RSA key blob.")
	}
	if pub.N.BitLen() != 2048 {
		return invalid("The public key must be RSA with 2048 bits.")
	}
	if err := s.checkKeyDevice(req, c); err != nil {
		return err
	}
	attested, err := s.checkAttestation(r, req, pub, c)
	if err != nil {
		return err
	}
	id, err := guid.New(s.env.Rand)
	if err != nil {
		return err
	}
	key := helloKey{ID: id.String(), KeyID: ngc.KeyID(req.PublicKey), Blob: req.PublicKey, DeviceID: c.DeviceID, Created: s.env.Now(), Attested: attested}
	u, d, err := s.writeKey(r, c, key, req)
	if err != nil {
		return err
	}
	answer := drs.KeyReply{KeyID: key.ID, UPN: u.UPN}
	text := "The registration service returns the key id."
	if req.ReturnReceipt && s.cfg.federated() && u.OnPremSID != "" && d.TrustType == graph.TrustHybrid {
		if answer.Receipt, err = s.receipt(u, key); err != nil {
			return err
		}
		text = "The registration service returns the key id and a key receipt."
	}
	s.step(ctx, event.DRS, event.CXH, "key_id_returned", text, map[string]any{"key_id": key.KeyID, "id": key.ID, "receipt": answer.Receipt != ""})
	web.WriteJSON(w, http.StatusOK, answer)
	return nil
}

// receiptLife is how long a federation service takes a key receipt (ours; no
// document tells). The key itself arrives by synchronization long before.
const receiptLife = 24 * time.Hour

// receipt proves to a federation service that a synchronized user's key is
// registered, although the domain has not got it yet.
func (s *server) receipt(u *user, k helloKey) (string, error) {
	now := s.env.Now()
	ca := s.keys.deviceCA
	return drs.Receipt{Issuer: "https://" + s.home.drs + "/" + s.cfg.TenantID, Key: k.Blob, OnPremSID: u.OnPremSID, ObjectID: u.ID, DeviceID: k.DeviceID,
		IssuedAt: now.Unix(), NotBefore: now.Unix(), Expiration: now.Add(receiptLife).Unix()}.Sign(ca.key, ca.cert)
}

func missingPart(subcode, what string) *drs.Error {
	return drsRefusal(drs.InvalidParameter, http.StatusBadRequest, subcode, "", "The key registration lacks the %s.", what)
}

// checkKeyMFA holds the token to the window again: it may live longer than its
// second factor stays current.
func (s *server) checkKeyMFA(c *accessClaims) error {
	const hint = "Give the second factor again, and register the key while it is current."
	if !slices.Contains(c.AMR, oauth.AMRNGCMFA) {
		return drsRefusal(drs.AuthorizationError, http.StatusForbidden, "mfa_missing", hint, "The access token has no current second factor.")
	}
	if s.env.Now().After(time.Unix(c.AuthTime, 0).Add(s.cfg.Lifetimes.MFA)) {
		return drsRefusal(drs.AuthorizationError, http.StatusForbidden, "mfa_not_current", hint, "The second factor is older than %s.", s.cfg.Lifetimes.MFA)
	}
	return nil
}

// checkKeyDevice finds the device information: the token must prove a device,
// and the body must not name another. Where attestation is required the body
// must have all four parts that the documents list.
func (s *server) checkKeyDevice(req *drs.KeyRequest, c *accessClaims) error {
	if c.DeviceID == "" {
		return drsRefusal(drs.AuthorizationError, http.StatusForbidden, "device_missing", "Ask for the token with the device's credential.", "The key registration lacks the device information: the access token proves no device.")
	}
	switch {
	case req.Device == nil || req.Device.DeviceID == "":
		if s.cfg.Attestation == attestRequired {
			return missingPart("device_missing", "device information")
		}
	case !strings.EqualFold(req.Device.DeviceID, c.DeviceID):
		return drsRefusal(drs.AuthorizationError, http.StatusForbidden, "device_mismatch", "", "The device information names another device than the access token.")
	}
	return nil
}

// checkAttestation judges the attestation by the tenant's mode: "required"
// refuses a key without a good one, "preferred" marks it, "off" does not look.
func (s *server) checkAttestation(r *http.Request, req *drs.KeyRequest, pub *rsa.PublicKey, c *accessClaims) (bool, error) {
	ctx := r.Context()
	if s.cfg.Attestation == attestOff {
		return false, nil
	}
	err := s.verifyAttestation(r, req.Attestation, pub, c)
	if err == nil {
		s.step(ctx, event.DRS, event.TPM, "attestation_verified", "The registration service verifies with the AIK certificate that the key was made in the device's TPM.",
			map[string]any{"device_id": c.DeviceID})
		return true, nil
	}
	var refusal *drs.Error
	if !errors.As(err, &refusal) || s.cfg.Attestation == attestRequired {
		return false, err
	}
	s.emit(ctx, event.Event{Actor: event.DRS, Step: "attestation_absent", Text: "The key is registered without a verified attestation.", Outcome: event.Skipped,
		Reason: &event.Reason{Code: string(refusal.Type), Name: refusal.Subcode, Sentence: refusal.Sentence, Hint: refusal.Hint}})
	return false, nil
}

func (s *server) verifyAttestation(r *http.Request, a *drs.KeyAttestation, pub *rsa.PublicKey, c *accessClaims) error {
	switch {
	case a == nil || len(a.Statement) == 0:
		return missingPart("attestation_missing", "attestation statement")
	case len(a.AIKCertificates) == 0:
		return missingPart("aik_certificate_missing", "AIK certificate")
	}
	var inside error
	err := attest.Evidence{
		Statement: a.Statement, AIKChain: a.AIKCertificates, Nonce: a.Nonce, Key: pub, Roots: s.keys.aiks, Now: s.env.Now(),
		Issued: func(cert *x509.Certificate) error {
			var err error
			inside = errors.Join(inside, s.env.Section.View(func(r providers.Reader) error {
				rec, e := get[aikRecord](r, tableAIK, digestOf(cert.Raw))
				switch {
				case errors.Is(e, errNotFound):
					err = errors.New("the AIK certificate was revoked")
				case e == nil && rec.DeviceID != c.DeviceID:
					err = errors.New("the AIK certificate was issued to another device")
				default:
					return e
				}
				return nil
			}))
			return err
		},
		Fresh: func(nonce string) error { _, err := s.nonceExpiry(nonceAttest, nonce); return err },
	}.Verify()
	if inside != nil {
		return inside
	}
	var f *attest.Failure
	if errors.As(err, &f) {
		return drsRefusal(drs.AuthorizationError, http.StatusForbidden, "attestation_"+f.Check,
			"Register a key made in the device's own TPM, attested by the AIK that was issued to the device.", "The attestation is not accepted: %s: %v.", f.Check, f.Err)
	}
	return err
}

// writeKey writes the key into the multi-valued attribute of the token's user.
// A device has one key of a user: a new one takes the place of the old. The
// attestation's nonce is used up in the same transaction.
func (s *server) writeKey(r *http.Request, c *accessClaims, key helloKey, req *drs.KeyRequest) (*user, *device, error) {
	ctx := r.Context()
	var u *user
	var d *device
	replaced := false
	err := s.env.Section.Update(ctx, func(w providers.Writer) error {
		was, err := tokenUser(w, c)
		if err != nil {
			return err
		}
		d, err = deviceByDeviceID(w, c.DeviceID)
		switch {
		case errors.Is(err, errNotFound):
			return drsRefusal(drs.DirectoryError, http.StatusBadRequest, "error_missing_device", "Join the device again.", "The device of the access token is not in the directory.")
		case err != nil:
			return err
		case !d.Enabled:
			return drsRefusal(drs.AuthorizationError, http.StatusForbidden, "device_disabled", "Set enabled_in_tenant of the device.", "The device is disabled.")
		}
		// Nobody's key becomes another's: the id would name two users.
		if owner, taken, err := w.Get(tableHelloKeys, key.KeyID); err != nil {
			return err
		} else if taken && string(owner) != was.ID {
			return drsRefusal(drs.AuthorizationError, http.StatusForbidden, "key_taken", "", "The public key is registered already.")
		}
		if key.Attested {
			if err := s.useAttestNonce(w, req.Attestation.Nonce); err != nil {
				return err
			}
		}
		now := *was
		now.HelloKeys = slices.DeleteFunc(slices.Clone(was.HelloKeys), func(k helloKey) bool { return k.DeviceID == key.DeviceID || k.KeyID == key.KeyID })
		replaced = len(now.HelloKeys) < len(was.HelloKeys)
		now.HelloKeys = append(now.HelloKeys, key)
		u = &now
		return putUser(w, was, &now)
	})
	if err != nil {
		return nil, nil, err
	}
	s.step(ctx, event.DRS, event.EntraID, "user_located", "The registration service locates the user's object in the directory.", map[string]any{"user": u.UPN, "object_id": u.ID})
	s.step(ctx, event.DRS, event.EntraID, "key_written", "The registration service writes the key information to the user's multi-valued attribute.", map[string]any{
		"attribute": "searchableDeviceKey", "key_id": key.KeyID, "device_id": key.DeviceID, "values": len(u.HelloKeys), "replaced": replaced, "attested": key.Attested})
	return u, d, nil
}

func (s *server) useAttestNonce(w providers.Writer, nonce string) error {
	expiry, err := s.nonceExpiry(nonceAttest, nonce)
	if err != nil {
		return drsRefusal(drs.AuthorizationError, http.StatusForbidden, "attestation_nonce", "", "The attestation is not accepted: nonce: %v.", err)
	}
	fresh, err := s.use(w, "attest", nonce, expiry)
	if err == nil && !fresh {
		err = drsRefusal(drs.AuthorizationError, http.StatusForbidden, "attestation_nonce", "Attest the key with a new nonce.", "The attestation is not accepted: nonce: %v.", errNonceUsed)
	}
	return err
}
