package entra

import (
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/wire/attest"
	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/saml"
	"hellolab/providers/wire/web"
)

// serveDRS routes the registration service's host.
func (s *server) serveDRS(w http.ResponseWriter, r *http.Request) {
	seg := segments(r.URL.Path)
	get, post := r.Method == http.MethodGet, r.Method == http.MethodPost
	var err error
	step := "registration_refused"
	switch path := strings.Join(seg, "/"); {
	case len(seg) == 2 && seg[1] == "discover" && get:
		err = s.discover(w, seg[0])
	case len(seg) == 3 && strings.HasPrefix(path, "enrollmentserver/nonce/") && get:
		err = s.drsNonce(w, r, seg[2])
	case path == "enrollmentserver/device" && post:
		err = s.join(w, r)
	case len(seg) == 3 && strings.HasPrefix(path, "enrollmentserver/device/") && r.Method == http.MethodDelete:
		err = s.leave(w, r, seg[2])
	case len(seg) == 3 && strings.HasPrefix(path, "enrollmentserver/device/") && r.Method == http.MethodPut:
		err = s.hybridJoin(w, r, seg[2])
	case path == "enrollmentserver/key" && post:
		step = "key_registration_refused"
		err = s.registerKey(w, r)
	case path == "enrollmentserver/pinreset/key" && get:
		err = s.pinResetKey(w)
	case path == "enrollmentserver/pinreset/recover" && post:
		step = "pin_reset_refused"
		err = s.recoverPIN(w, r)
	case path == "enrollmentserver/aik" && post:
		step = "aik_refused"
		err = s.enrolAIK(w, r)
	case path == "enrollmentserver/aik/activate" && post:
		step = "aik_refused"
		err = s.activateAIK(w, r)
	default:
		http.NotFound(w, r)
		return
	}
	if err != nil {
		s.refuseDRS(w, r, step, err)
	}
}

// discover answers where the service's parts are.
func (s *server) discover(w http.ResponseWriter, tenant string) error {
	if tenant == "common" || !s.knowsTenant(tenant) {
		return drsRefusal(drs.InvalidParameter, http.StatusBadRequest, "tenant_not_found", "Check the tenant's domain or id.", "The tenant was not found.")
	}
	base := "https://" + s.hosts.drs
	at := func(prefix, path, version string) drs.Endpoint {
		return drs.Endpoint{Prefix: prefix, URL: base + path, ResourceID: oauth.ResourceDRS, ServiceVersion: version}
	}
	d := drs.Discovery{
		DiscoveryService:          drs.Endpoint{Prefix: "Discovery", URL: base + "/" + tenant + "/Discover", ServiceVersion: "1.9"},
		DeviceRegistrationService: at("Registration", "/EnrollmentServer/DeviceEnrollmentWebService.svc", "1.0"),
		DeviceJoinService:         at("Join", drs.PathDevice, "2.0"),
		KeyProvisioningService:    at("KeyProvision", drs.PathKey, "1.0"),
		NonceService:              at("", drs.PathNonce+s.cfg.TenantID+"/", "1.0"),
		TenantInfo:                drs.TenantInfo{DisplayName: s.cfg.Name, TenantID: s.cfg.TenantID, TenantName: s.cfg.Domains[0]},
	}
	login := "https://" + s.hosts.login + "/" + s.cfg.TenantID
	d.AuthenticationService.OAuth2.AuthCodeEndpoint = login + "/oauth2/authorize"
	d.AuthenticationService.OAuth2.TokenEndpoint = login + "/oauth2/token"
	d.IdentityProviderService.Federated = s.cfg.federated()
	d.IdentityProviderService.PassiveAuthEndpoint = login + "/wsfed"
	web.WriteJSON(w, http.StatusOK, d)
	return nil
}

// drsNonce answers the registration service's nonces, which key attestations
// hold.
func (s *server) drsNonce(w http.ResponseWriter, r *http.Request, tenant string) error {
	if tenant == "common" || !s.knowsTenant(tenant) {
		return drsRefusal(drs.InvalidParameter, http.StatusBadRequest, "tenant_not_found", "Check the tenant's domain or id.", "The tenant was not found.")
	}
	n, err := s.newNonce(nonceAttest)
	if err != nil {
		return err
	}
	var answer drs.NonceReply
	answer.Value = n
	answer.Status.Message, answer.Status.TraceID, answer.Status.Time = "Success", s.traceID(), s.env.Now().UTC().Format(time.RFC3339)
	s.step(r.Context(), event.DRS, event.Device, "attestation_nonce_issued", "The registration service returns a nonce for key attestation.",
		map[string]any{"good_for": attest.NonceLife.String()})
	web.WriteJSON(w, http.StatusOK, answer)
	return nil
}

// drsToken validates the access token of a registration request: signature,
// issuer, audience, life, and that it stands for a user.
func (s *server) drsToken(r *http.Request) (*accessClaims, error) {
	return s.tokenFor(r, oauth.ResourceDRS, registrationService)
}

const registrationService = "registration service"

// tokenFor validates the access token of a request to one of the services of this
// host.
func (s *server) tokenFor(r *http.Request, resource, service string) (*accessClaims, error) {
	c, err := s.claimsFor(r, resource, service)
	if err != nil {
		return nil, err
	}
	return c, s.ofUser(r, c, service)
}

// ofUser refuses a token that stands for no user.
func (s *server) ofUser(r *http.Request, c *accessClaims, service string) error {
	if c.IDType == "app" || c.UPN == "" {
		return drsRefusal(drs.AuthorizationError, http.StatusForbidden, "token_without_user", "", "The access token stands for no user.")
	}
	s.step(r.Context(), event.DRS, "", "token_validated", "The "+service+" validates the access token.", map[string]any{"aud": c.Audience, "user": c.UPN, "amr": c.AMR})
	return nil
}

// claimsFor is tokenFor for whomever the token stands for.
func (s *server) claimsFor(r *http.Request, resource, service string) (*accessClaims, error) {
	c, err := s.bearer(r, resource)
	if err != nil {
		subcode := "token_invalid"
		for sub, target := range map[string]error{"token_missing": errTokenMissing, "token_signature": errTokenSignature, "token_issuer": errTokenIssuer,
			"token_audience": errTokenAudience, "token_expired": errTokenExpired} {
			if errors.Is(err, target) {
				subcode = sub
			}
		}
		return nil, drsRefusal(drs.AuthenticationError, http.StatusUnauthorized, subcode, "Get a new access token for the "+service+".", "%s.", upperFirst(err.Error()))
	}
	return c, nil
}

func upperFirst(s string) string {
	first, _, _ := strings.Cut(s, ":") // the cause behind it is for the log
	return strings.ToUpper(first[:1]) + first[1:]
}

// tokenUser finds the user of a token and refuses one who may not sign in.
func tokenUser(r providers.Reader, c *accessClaims) (*user, error) {
	u, err := userByID(r, c.ObjectID)
	switch {
	case errors.Is(err, errNotFound):
		return nil, drsRefusal(drs.DirectoryError, http.StatusBadRequest, "user_not_found", "", "The user of the access token is not in the directory.")
	case err != nil:
		return nil, err
	case !u.Enabled:
		return nil, drsRefusal(drs.AuthorizationError, http.StatusForbidden, "user_disabled", "Set enabled_in_tenant of the user.", "The user account is disabled.")
	case c.IssuedAt < u.SessionsValidFrom.Unix():
		return nil, drsRefusal(drs.AuthenticationError, http.StatusUnauthorized, "token_revoked", "Sign in again.", "The access token was revoked.")
	}
	return u, nil
}

const (
	maxDRSBody     = 256 << 10
	deviceLife     = 10 * 365 * 24 * time.Hour // MS-DVRJ 4.1
	maxDisplayName = 256
)

func readDRSBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxDRSBody+1))
	if err != nil || len(body) > maxDRSBody {
		return nil, invalid("The request body cannot be read or is too long.")
	}
	return body, nil
}

func invalid(sentence string, args ...any) *drs.Error {
	return drsRefusal(drs.InvalidParameter, http.StatusBadRequest, "invalid_parameter", "", sentence, args...)
}

// join makes a device object and its certificate.
func (s *server) join(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	c, err := s.claimsFor(r, oauth.ResourceDRS, registrationService)
	switch {
	case err != nil:
		return err
	case c.AccountType == saml.AccountComputer:
		return s.joinComputer(w, r, c)
	}
	if err := s.ofUser(r, c, registrationService); err != nil {
		return err
	}
	body, err := readDRSBody(r)
	if err != nil {
		return err
	}
	req, err := drs.ParseJoinRequest(body)
	if err != nil {
		return invalid("The join request is malformed.")
	}
	trust, ok := trustTypes[req.JoinType]
	if !ok {
		return invalid("Join type %d is not supported; 0 joins a device, 4 registers one.", req.JoinType)
	}
	d, pub, err := s.newDevice(req, trust, c.ObjectID)
	if err != nil {
		return err
	}
	der, err := s.deviceCertificate(d, pub, c.ObjectID)
	if err != nil {
		return err
	}
	d.Thumbprint = drs.Thumbprint(der)
	err = s.env.Section.Update(ctx, func(w providers.Writer) error {
		u, err := tokenUser(w, c)
		if err != nil {
			return err
		}
		d.Owner = u.ID
		if err := checkQuota(w, u.ID, s.cfg.DeviceQuota); err != nil {
			return err
		}
		return putDevice(w, d)
	})
	if err != nil {
		return err
	}
	s.step(ctx, event.DRS, event.Device, "device_registered", "The registration service creates the device object and its certificate.", map[string]any{
		"device_id": d.DeviceID, "name": d.DisplayName, "trust_type": d.TrustType, "user": c.UPN, "certificate": d.Thumbprint, "transport_key": keyDigest(d.TransportKey)})
	var answer drs.JoinReply
	answer.Certificate.Thumbprint, answer.Certificate.RawBody = d.Thumbprint, der
	answer.User.UPN = c.UPN
	if d.TrustType == graph.TrustJoined { // who joins a device administers it; a personal device is its owner's already
		owner, _ := guid.Parse(c.ObjectID) // made by this package
		answer.MembershipChanges = []drs.MembershipChange{{LocalSID: drs.SIDAdministrators, AddSIDs: []string{owner.SID()}}}
	}
	web.WriteJSON(w, http.StatusOK, answer)
	return nil
}

func keyDigest(blob []byte) string {
	sum := sha256.Sum256(blob)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// trustTypes are the join types that the service takes, by what becomes of the
// device object. A managed hybrid join is another request (hybridJoin).
var trustTypes = map[int]string{drs.JoinEntra: graph.TrustJoined, drs.JoinRegister: graph.TrustRegistered}

// newDevice reads a join request. Names in the certificate request are not
// used: the service names the device.
func (s *server) newDevice(req *drs.JoinRequest, trust, owner string) (*device, any, error) {
	if !strings.EqualFold(req.CertificateRequest.Type, "pkcs10") {
		return nil, nil, invalid("The certificate request must be of type pkcs10.")
	}
	if req.TargetDomain != "" && !s.knowsTenant(strings.ToLower(req.TargetDomain)) {
		return nil, nil, invalid("The target domain is not one of the tenant's.")
	}
	pub, err := drs.ParseCSR(req.CertificateRequest.Data)
	if err != nil {
		return nil, nil, invalid("The certificate request is not valid: it must be PKCS #10 with an RSA key of at least 2048 bits, signed with it.")
	}
	transport, err := cng.ParseRSAPublic(req.TransportKey)
	if err != nil {
		return nil, nil, invalid("The transport key is not a public RSA key blob.")
	}
	if transport.Equal(pub) {
		return nil, nil, invalid("The transport key must not be the device key.")
	}
	name := req.DeviceDisplayName
	if name == "" || len(name) > maxDisplayName || strings.ContainsFunc(name, isControl) {
		return nil, nil, invalid("The device's display name is missing or malformed.")
	}
	if len(req.DeviceType) > 64 || len(req.OSVersion) > 64 || strings.ContainsFunc(req.DeviceType+req.OSVersion, isControl) {
		return nil, nil, invalid("The device's type or version is malformed.")
	}
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, nil, err
	}
	id, err := guid.New(s.env.Rand)
	if err != nil {
		return nil, nil, err
	}
	object, err := guid.New(s.env.Rand)
	if err != nil {
		return nil, nil, err
	}
	return &device{ID: object.String(), DeviceID: id.String(), DisplayName: name, Enabled: true, OS: req.DeviceType, OSVersion: req.OSVersion, TrustType: trust,
		Owner: owner, SPKI: spki, TransportKey: req.TransportKey, Registered: s.env.Now()}, pub, nil
}

// isControl says whether a rune may not stand in a name: controls and the
// marks that turn the direction of text.
func isControl(r rune) bool {
	return r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x200e || r == 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0xfffd
}

// checkQuota refuses an owner who has as many devices as the tenant allows. Those of
// a hybrid join have no owner.
func checkQuota(r providers.Reader, owner string, quota int) error {
	quota = cmp.Or(quota, defaultDeviceQuota)
	owned, err := below(r, tableOwned, owner+"/")
	if err == nil && len(owned) >= quota {
		err = drsRefusal(drs.AuthorizationError, http.StatusForbidden, "device_quota", "Remove devices that are not in use.", "The user has joined %d devices, which is the limit.", quota)
	}
	return err
}

// deviceCertificate issues the certificate of a device that a user, by object
// id, joins; the nil GUID where nobody does.
func (s *server) deviceCertificate(d *device, pub any, user string) ([]byte, error) {
	id, err := guid.Parse(d.DeviceID)
	if err != nil {
		return nil, fmt.Errorf("device id: %w", err)
	}
	userID, err := guid.Parse(user)
	if err != nil {
		return nil, fmt.Errorf("user id: %w", err)
	}
	tid, err := guid.Parse(s.cfg.TenantID)
	if err != nil {
		return nil, fmt.Errorf("tenant id: %w", err)
	}
	now := s.env.Now()
	usage, err := drs.ClientAuthExtension()
	if err != nil {
		return nil, err
	}
	return s.keys.deviceCA.issue(s.env.Rand, &x509.Certificate{
		Subject: pkix.Name{CommonName: d.DeviceID}, NotBefore: now.Add(-backdate), NotAfter: now.Add(deviceLife), BasicConstraintsValid: true,
		ExtraExtensions: append([]pkix.Extension{usage}, drs.Identity{DeviceID: id, UserID: userID, TenantID: tid, Joined: d.TrustType != graph.TrustRegistered, Region: region}.Extensions()...),
	}, pub)
}

// leave deletes the device that the TLS client certificate names.
func (s *server) leave(w http.ResponseWriter, r *http.Request, deviceID string) error {
	ctx := r.Context()
	dp, err := s.tlsDevice(r)
	if err != nil {
		return err
	}
	if dp.identity.DeviceID.String() != deviceID {
		return drsRefusal(drs.AuthorizationError, http.StatusBadRequest, "device_mismatch", "", "The device certificate is of another device.")
	}
	err = s.env.Section.Update(ctx, func(w providers.Writer) error {
		d, err := deviceByDeviceID(w, deviceID)
		if errors.Is(err, errNotFound) {
			return drsRefusal(drs.DirectoryError, http.StatusBadRequest, "error_missing_device", "", "The device object by the given id is not found.")
		}
		if err != nil {
			return err
		}
		return deleteDevice(w, d)
	})
	if err != nil {
		return err
	}
	s.step(ctx, event.DRS, event.Device, "device_deleted", "The registration service deletes the device object.", map[string]any{"device_id": deviceID})
	w.WriteHeader(http.StatusOK)
	return nil
}

// tlsDevice is the device that a TLS client certificate proves.
func (s *server) tlsDevice(r *http.Request) (*deviceProof, error) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil, drsRefusal(drs.AuthenticationError, http.StatusUnauthorized, "device_certificate_missing", "Present the device certificate.", "The request needs the device certificate as TLS client certificate.")
	}
	dp, err := s.verifyDeviceCertificate(r.TLS.PeerCertificates[0])
	if err == nil {
		_, err = s.deviceOf(dp)
	}
	switch {
	case errors.Is(err, errNotFound):
		return nil, drsRefusal(drs.DirectoryError, http.StatusUnauthorized, "error_missing_device", "Join the device again.", "The device object by the given id is not found, or it has another certificate by now.")
	case err != nil:
		return nil, drsRefusal(drs.AuthenticationError, http.StatusUnauthorized, "device_certificate_invalid", "Join the device again.", "The device certificate was not issued by this tenant or is not valid now.")
	}
	return dp, nil
}

// digestOf names a certificate in a table.
func digestOf(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}
