package edrs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"hellolab/providers/event"
	"hellolab/providers/wire/addevice"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/edrs"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/keycred"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/ngc"
	"hellolab/providers/wire/sid"
	"hellolab/providers/wire/web"
)

// keyRefusal refuses a key: 401 where the token's claims do not do, 400 for all
// else (MS-KPP 3.1.5.1.1.3).
func keyRefusal(status int, code, hint, sentence string, args ...any) *edrs.Error {
	return &edrs.Error{Code: code, Status: status, Hint: hint, Sentence: fmt.Sprintf(sentence, args...)}
}

func claimsRefused(code, hint, sentence string, args ...any) *edrs.Error {
	return keyRefusal(http.StatusUnauthorized, code, hint, sentence, args...)
}

func badRequest(code, hint, sentence string, args ...any) *edrs.Error {
	return keyRefusal(http.StatusBadRequest, code, hint, sentence, args...)
}

// registerKey takes a user's Hello key (the documents' phase C): it validates the
// token and that the second factor is still current, finds the user in Active
// Directory, writes the key there, and returns its id.
func (s *Service) registerKey(w http.ResponseWriter, r *http.Request) {
	client, request := correlate(w, r), s.trace()
	w.Header().Set("request-id", request)
	answer, err := s.key(r)
	if err == nil {
		web.WriteJSON(w, http.StatusOK, answer)
		return
	}
	var e *edrs.Error
	if !errors.As(err, &e) {
		s.logError(r.Context(), err)
		e = badRequest("internal", "Try again; the log has the cause.", "The service could not complete the request.")
	}
	s.emit(r.Context(), event.Event{Step: "key_registration_refused", Text: e.Sentence, Outcome: event.Refused, Reason: &event.Reason{Code: e.Code, Sentence: e.Sentence, Hint: e.Hint}})
	sent := *e
	sent.ClientRequestID, sent.TraceID, sent.Target = client, request, edrs.Resource(s.Host)
	reply(w, e.Status, typeJSON, sent.Encode(s.Now()))
}

func (s *Service) key(r *http.Request) (*edrs.KeyReply, error) {
	ctx := r.Context()
	if v := r.URL.Query().Get("api-version"); v != edrs.APIVersion {
		return nil, badRequest("api_version", "", "The service has api-version %s.", edrs.APIVersion)
	}
	claims, err := s.bearer(r)
	if err != nil {
		var e *adfs.Error
		if errors.As(err, &e) {
			err = claimsRefused("token_invalid", e.Hint, "%s", e.Sentence)
		}
		return nil, err
	}
	s.step(ctx, "", "token_validated", "The Enterprise DRS validates the access token.", map[string]any{"aud": claims.Audience, "user": claims.UPN, "amr": claims.AMR})
	device, err := s.keyClaims(ctx, claims)
	if err != nil {
		return nil, err
	}
	body, err := readBody(r)
	if err != nil {
		return nil, badRequest("invalid_parameter", "", "The request body cannot be read or is too long.")
	}
	req, err := keyRequest(body, device)
	if err != nil {
		return nil, err
	}
	c, err := s.Directory(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := checkDevice(c, device); err != nil {
		return nil, err
	}
	return s.writeKey(ctx, c, claims, device, req)
}

// keyClaims checks that a token tells of a device, a user, and a second factor
// that is current: the token may live longer than that.
func (s *Service) keyClaims(ctx context.Context, c *adfs.Claims) (device guid.GUID, err error) {
	const again = "Give the second factor again, and register the key while it is current."
	if c.UPN == "" || c.AccountType == adfs.AccountComputer {
		return device, claimsRefused("token_without_user", "", "The access token stands for no user.")
	}
	if device, err = guid.Parse(c.DeviceID); err != nil || device.IsZero() {
		return device, claimsRefused("device_missing", "Ask for the token with the device's credential.", "The access token proves no device.")
	}
	// A Hello key and its gesture are two factors, too, but not one that was asked for
	// to register a key.
	gesture := (c.AuthMethod == adfs.MethodHello || c.AuthMethod == adfs.MethodCertificate) && c.MethodReferences == ""
	if gesture || !slices.ContainsFunc(edrs.AMRMultiple(), func(method string) bool { return slices.Contains(c.AMR, method) }) {
		return device, claimsRefused("mfa_missing", again, "The access token tells of no second factor.")
	}
	at, now := time.Unix(c.AuthTime, 0), s.Now()
	if now.After(at.Add(s.MFA)) || at.After(now.Add(maxSkew)) {
		return device, claimsRefused("mfa_not_current", again, "The second factor is older than %s.", s.MFA)
	}
	s.step(ctx, "", "mfa_current", "The Enterprise DRS validates that the second factor is still current.", map[string]any{"mfa_at": at.UTC(), "current_for": s.MFA.String()})
	return device, nil
}

// maxSkew is how far a second factor may lie ahead.
const maxSkew = 5 * time.Minute

// keyRequest reads a request: a key that Windows makes, and no other device than
// the token's.
func keyRequest(body []byte, device guid.GUID) (*drs.KeyRequest, error) {
	req, err := edrs.ParseKeyRequest(body)
	if err != nil {
		return nil, badRequest("invalid_parameter", "", "The key registration is malformed.")
	}
	if len(req.PublicKey) == 0 {
		return nil, badRequest("key_missing", "", "The key registration lacks the public key (kngc).")
	}
	pub, err := cng.ParseRSAPublic(req.PublicKey)
	if err != nil || pub.N.BitLen() != 2048 {
		return nil, badRequest("invalid_parameter", "", "The public key must be an RSA key blob of 2048 bits.")
	}
	if d := req.Device; d != nil && d.DeviceID != "" && !strings.EqualFold(d.DeviceID, device.String()) {
		return nil, badRequest("device_mismatch", "", "The device information names another device than the access token.")
	}
	return req, nil
}

// checkDevice holds the token's device against the directory: it must be a
// registered device that is enabled.
func checkDevice(c *adldap.Conn, id guid.GUID) error {
	d, err := addevice.Find(c, id)
	switch {
	case errors.Is(err, addevice.ErrNotWritten):
		return claimsRefused("error_missing_device", "Register the device, or wait for device write-back.", "The device of the access token is not in Active Directory.")
	case err != nil:
		return err
	case !d.Enabled:
		return claimsRefused("device_disabled", "Enable the device.", "The device is disabled.")
	}
	return nil
}

const uacDisabled = 0x2 // of userAccountControl (MS-ADTS 2.2.16)

// writeKey writes the key to the user that the token names. A device has one key
// of a user: a new one takes the place of the old, as in a tenant. Keys that came
// from a tenant stay.
func (s *Service) writeKey(ctx context.Context, c *adldap.Conn, claims *adfs.Claims, device guid.GUID, req *drs.KeyRequest) (*edrs.KeyReply, error) {
	u, err := c.First(ldapmsg.EqualTo("userPrincipalName", claims.UPN), "objectSid", "userAccountControl", "userPrincipalName", addevice.KeyAttribute)
	if adldap.IsCode(err, ldapmsg.NoSuchObject) {
		return nil, badRequest("user_not_found", "", "The user of the access token is not in Active Directory.")
	}
	if err != nil {
		return nil, err
	}
	if id, err := sid.Decode(u.Bytes("objectSid")); claims.PrimarySID != "" && (err != nil || id.String() != claims.PrimarySID) {
		return nil, badRequest("user_not_found", "", "The name in the access token is another user's by now.")
	}
	if bits, _ := strconv.ParseInt(u.Text("userAccountControl"), 10, 64); bits&uacDisabled != 0 {
		return nil, badRequest("user_disabled", "Set enabled of the user.", "The user account is disabled.")
	}
	s.ldapStep(ctx, "user_located", "The Enterprise DRS locates the user's object in Active Directory.", map[string]any{"filter": ldapmsg.EqualTo("userPrincipalName", claims.UPN).String(), "object": u.DN})
	now := s.Now()
	key := keycred.New(req.PublicKey, keycred.UsageNGC, keycred.SourceAD)
	stamp := keycred.StampOf(now, keycred.SourceAD)
	key.Device, key.Custom, key.Created, key.LastLogon = &device, keycred.Custom{1, 2}, &stamp, &stamp
	blob, err := key.Marshal()
	if err != nil {
		return nil, fmt.Errorf("key credential: %w", err)
	}
	replaced, total := 0, 1
	for _, v := range u.Values(addevice.KeyAttribute) {
		b, err := ldapmsg.ParseDNBinary(string(v))
		if err != nil {
			return nil, fmt.Errorf("%s of %s: %w", addevice.KeyAttribute, u.DN, err)
		}
		if k, err := keycred.Parse(b.Binary); err != nil || k.Usage != keycred.UsageNGC || k.Source != keycred.SourceAD || k.Device == nil || *k.Device != device {
			total++
			continue
		}
		if err := c.RemoveValue(u.DN, addevice.KeyAttribute, ldapmsg.DNBinary{Binary: b.Binary, DN: u.DN}.String()); err != nil {
			return nil, keyNotWritten(err)
		}
		replaced++
	}
	if err := c.AddValue(u.DN, addevice.KeyAttribute, ldapmsg.DNBinary{Binary: blob, DN: u.DN}.String()); err != nil {
		return nil, keyNotWritten(err)
	}
	s.ldapStep(ctx, "key_written", "The Enterprise DRS writes the key information to the user's multi-valued attribute.", map[string]any{
		"attribute": addevice.KeyAttribute, "object": u.DN, "key_id": ngc.KeyID(req.PublicKey), "device_id": device.String(), "values": total, "replaced": replaced > 0})
	return s.keyReply(ctx, c, u.Text("userPrincipalName"), req.PublicKey)
}

func keyNotWritten(err error) error {
	var e *adldap.Error
	if !errors.As(err, &e) {
		return err
	}
	return badRequest("directory_refused", "Make the federation service's account a member of Key Admins; where AdminSDHolder protects the user, set adminsdholder_key_admins = true in the domain.", "Active Directory did not take the key: %s", e.Sentence)
}

// keyReply is the key's id, and the controller that has the key already.
func (s *Service) keyReply(ctx context.Context, c *adldap.Conn, upn string, blob []byte) (*edrs.KeyReply, error) {
	id, err := guid.New(s.Rand)
	if err != nil {
		return nil, err
	}
	svc, err := loadService(c, s.Seal)
	if err != nil {
		return nil, err
	}
	_, host, err := controllerOf(c)
	if err != nil {
		return nil, err
	}
	answer := &edrs.KeyReply{KeyID: id.String(), UPN: upn}
	if answer.Context, err = (edrs.ProvisioningContext{DomainController: host}).Sign(s.Rand, svc.key, svc.cert); err != nil {
		return nil, err
	}
	s.step(ctx, event.CXH, "key_id_returned", "The Enterprise DRS returns the key id.", map[string]any{"key_id": ngc.KeyID(blob), "id": answer.KeyID, "controller": host})
	return answer, nil
}
