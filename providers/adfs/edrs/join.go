package edrs

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"hellolab/providers/event"
	"hellolab/providers/wire/addevice"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/edrs"
	"hellolab/providers/wire/filetime"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/keycred"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/sid"
	"hellolab/providers/wire/web"
)

// computer is who registers a device: what the token's claims say of it.
type computer struct {
	id  guid.GUID
	sid sid.SID
	upn string
}

// computerOf reads the claims of a registration. Whatever is missing or wrong is
// a bad request (MS-DVRJ 3.1.5.1.1.3).
func computerOf(c *adfs.Claims) (*computer, error) {
	lacks := func(what string) error {
		return refusal(drs.AuthenticationError, http.StatusBadRequest, "token_claims", "Sign in as a computer of the domain.", "The access token does not let this computer register: %s.", what)
	}
	if c.PermitsRegister != edrs.Permitted {
		return nil, lacks("it has no claim PermitDeviceRegistrationClaim of value true")
	}
	if c.AccountType != adfs.AccountComputer {
		return nil, lacks("its claim accounttype is not " + adfs.AccountComputer)
	}
	raw, err := base64.StdEncoding.DecodeString(c.ObjectGUID)
	if err != nil || len(raw) != len(guid.GUID{}) {
		return nil, lacks("its claim onpremobjectguid is not base64 of a GUID")
	}
	p := &computer{id: guid.FromWindows([16]byte(raw)), upn: c.UPN}
	if p.sid, err = sid.Parse(c.PrimarySID); err != nil || p.id.IsZero() {
		return nil, lacks("its claim primarysid is not a security identifier")
	}
	return p, nil
}

// join makes the computer that asks a registered device, and gives it a
// certificate.
func (s *Service) join(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	if v := r.URL.Query().Get("api-version"); v != edrs.APIVersion {
		return invalid("The service has api-version %s.", edrs.APIVersion)
	}
	claims, err := s.bearer(r)
	if err != nil {
		return tokenRefused(err)
	}
	who, err := computerOf(claims)
	if err != nil {
		return err
	}
	s.step(ctx, event.Device, "token_validated", "The Enterprise DRS validates the access token of a computer.", map[string]any{"aud": claims.Audience, "primarysid": who.sid.String(), "onpremobjectguid": who.id.String()})
	body, err := readBody(r)
	if err != nil {
		return invalid("The request body cannot be read or is too long.")
	}
	req, pub, err := s.joinRequest(body)
	if err != nil {
		return err
	}
	c, err := s.Directory(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	svc, err := s.service(c)
	if err != nil {
		return err
	}
	if err := checkQuota(c, svc, who); err != nil {
		return err
	}
	der, err := s.certificate(c, svc, who, pub)
	if err != nil {
		return err
	}
	if err := s.writeDevice(ctx, c, svc, who, req, der); err != nil {
		return directoryRefused(err)
	}
	var answer drs.JoinReply
	answer.Certificate.Thumbprint, answer.Certificate.RawBody = drs.Thumbprint(der), der
	answer.User.UPN = who.upn
	answer.MembershipChanges = []drs.MembershipChange{{LocalSID: drs.SIDAdministrators, AddSIDs: []string{}}}
	s.step(ctx, event.Device, "device_registered", "The Enterprise DRS returns the device's certificate.", map[string]any{
		"device_id": who.id.String(), "certificate": answer.Certificate.Thumbprint, "issuer": drs.Thumbprint(svc.cert.Raw)})
	web.WriteJSON(w, http.StatusOK, answer)
	return nil
}

// tokenRefused makes a refused token one of device registration.
func tokenRefused(err error) error {
	var e *adfs.Error
	if !errors.As(err, &e) {
		return err
	}
	return refusal(drs.AuthenticationError, http.StatusUnauthorized, "token_invalid", e.Hint, "%s", e.Sentence)
}

// directoryRefused makes what the directory refused a refusal.
func directoryRefused(err error) error {
	var e *adldap.Error
	if !errors.As(err, &e) {
		return err
	}
	return refusal(drs.DirectoryError, http.StatusBadRequest, "directory_refused", "Give the federation service's account its rights on registered devices.", "The directory did not take the device: %s", e.Sentence)
}

// service is the forest's registration service, which must be on.
func (s *Service) service(c *adldap.Conn) (*service, error) {
	svc, err := loadService(c, s.Seal)
	switch {
	case errors.Is(err, edrs.ErrNoService), errors.Is(err, errNoIssuer):
		return nil, refusal(drs.DirectoryError, http.StatusBadRequest, "not_initialized", "Apply the lab again, which sets up device registration.", "Device registration is not set up: %v.", err)
	case err != nil:
		return nil, err
	case !svc.enabled:
		return nil, refusal(drs.AuthorizationError, http.StatusBadRequest, "registration_disabled", "Set msDS-IsEnabled of the registration service's object.", "Device registration is disabled.")
	}
	return svc, nil
}

const maxName = 256

// joinRequest reads a request. Names in the certificate request do not count.
func (s *Service) joinRequest(body []byte) (*drs.JoinRequest, *rsa.PublicKey, error) {
	req, err := drs.ParseJoinRequest(body)
	if err != nil {
		return nil, nil, invalid("The join request is malformed.")
	}
	if req.JoinType != drs.JoinHybrid {
		return nil, nil, refusal(drs.AuthenticationError, http.StatusBadRequest, "join_type", "", "Join type %d is not allowed; the service registers computers of its domain, type %d.", req.JoinType, drs.JoinHybrid)
	}
	if !strings.EqualFold(req.CertificateRequest.Type, "pkcs10") {
		return nil, nil, invalid("The certificate request must be of type pkcs10.")
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
	if name := req.DeviceDisplayName; name == "" || len(name) > maxName || strings.ContainsFunc(name, isControl) {
		return nil, nil, invalid("The device's display name is missing or malformed.")
	}
	if len(req.DeviceType) > 64 || len(req.OSVersion) > 64 || strings.ContainsFunc(req.DeviceType+req.OSVersion, isControl) {
		return nil, nil, invalid("The device's type or version is malformed.")
	}
	return req, pub, nil
}

// isControl says whether a rune may not stand in a name: controls and the marks
// that turn the direction of text.
func isControl(r rune) bool {
	return r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x200e || r == 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0xfffd
}

// checkQuota counts the devices that an owner has registered, this one aside.
func checkQuota(c *adldap.Conn, svc *service, who *computer) error {
	owned, err := c.List(svc.location, ldapmsg.And{ldapmsg.EqualTo("objectClass", addevice.Class), ldapmsg.Equal{Attribute: "msDS-RegisteredOwner", Value: who.sid.Bytes()}}, "msDS-DeviceID")
	if err != nil {
		return err
	}
	others := 0
	for _, e := range owned {
		if id := e.Bytes("msDS-DeviceID"); len(id) == 16 && guid.FromWindows([16]byte(id)) != who.id {
			others++
		}
	}
	if others >= svc.quota {
		return refusal(drs.AuthorizationError, http.StatusBadRequest, "device_quota", "Remove devices that are not in use.", "%s has registered %d devices, which is the limit.", who.sid, svc.quota)
	}
	return nil
}

// certificate issues the device's certificate: with its id, which is the
// computer's objectGUID, the domain, and the controller that wrote it.
func (s *Service) certificate(c *adldap.Conn, svc *service, who *computer, pub *rsa.PublicKey) ([]byte, error) {
	domain, err := c.Read(c.Base)
	if err != nil {
		return nil, err
	}
	controller, _, err := controllerOf(c)
	if err != nil {
		return nil, err
	}
	return svc.issue(s.Rand, s.Now(), drs.Identity{DeviceID: who.id, UserID: who.id, Joined: true, DomainID: domain.GUID, InvocationID: controller}, pub)
}

// controllerOf is the controller that a connection leads to: its NTDS settings'
// objectGUID, which a controller's first invocation id is, and its DNS name.
func controllerOf(c *adldap.Conn) (id guid.GUID, host string, err error) {
	root, err := c.RootDSE("dsServiceName", "dnsHostName")
	if err != nil {
		return id, "", err
	}
	settings, err := c.Read(root.Text("dsServiceName"))
	if err != nil {
		return id, "", err
	}
	return settings.GUID, root.Text("dnsHostName"), nil
}

// trustDomain is msDS-DeviceTrustType of a computer of the domain.
const trustDomain = "2"

// writeDevice makes the device's object, or makes it what it is to be. Its former
// certificate and transport key count no more. MS-DVRJ adds the certificate's name
// to the former; here it takes their place, as a new key does.
func (s *Service) writeDevice(ctx context.Context, c *adldap.Conn, svc *service, who *computer, req *drs.JoinRequest, der []byte) error {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	now := s.Now()
	d := addevice.Device{ID: who.id, Name: req.DeviceDisplayName, Identities: []string{drs.AlternativeSecurityID(drs.Thumbprint(der), cert.RawSubjectPublicKeyInfo)},
		OS: req.DeviceType, OSVersion: req.OSVersion, Enabled: true, Owner: who.sid}
	values := d.Values()
	delete(values, "msDS-CloudAnchor") // of a device that the tenant knows, too
	delete(values, "msDS-IsManaged")
	delete(values, "msDS-IsCompliant")
	values["msDS-RegisteredUsers"] = []string{string(who.sid.Bytes())}
	values["msDS-DeviceTrustType"] = []string{trustDomain}
	values["msDS-CloudIsManaged"] = []string{"FALSE"}
	values["msDS-ApproximateLastLogonTimeStamp"] = []string{strconv.FormatUint(filetime.From(now), 10)}
	found, err := c.List(svc.location, ldapmsg.And{ldapmsg.EqualTo("objectClass", addevice.Class), ldapmsg.Equal{Attribute: "msDS-DeviceID", Value: []byte(values["msDS-DeviceID"][0])}}, "msDS-IsEnabled", addevice.KeyAttribute)
	if err != nil {
		return err
	}
	if len(found) > 0 && strings.EqualFold(found[0].Text("msDS-IsEnabled"), "FALSE") {
		return deviceDisabled()
	}
	dn, step, text := "CN="+who.id.String()+","+svc.location, "device_written", "The Enterprise DRS makes the device's object in Active Directory."
	if len(found) == 0 {
		maps.DeleteFunc(values, func(_ string, v []string) bool { return len(v) == 0 })
		values["objectClass"] = []string{addevice.Class}
		err = c.Add(dn, values)
	} else {
		dn, step, text = found[0].DN, "device_updated", "The Enterprise DRS updates the device's object in Active Directory."
		err = c.Replace(dn, values)
	}
	if err != nil {
		return err
	}
	key := keycred.New(req.TransportKey, keycred.UsageSTK, keycred.SourceAD)
	stamp := keycred.StampOf(now, keycred.SourceAD)
	key.Device, key.Custom, key.Created, key.LastLogon = &who.id, keycred.Custom{1, 0}, &stamp, &stamp
	blob, err := key.Marshal()
	if err != nil {
		return fmt.Errorf("transport key: %w", err)
	}
	if err := c.Replace(dn, adldap.Attributes{addevice.KeyAttribute: {ldapmsg.DNBinary{Binary: blob, DN: dn}.String()}}); err != nil {
		return err
	}
	s.ldapStep(ctx, step, text, map[string]any{"object": dn, "device_id": who.id.String(), "name": d.Name, "altSecurityIdentities": d.Identities, "owner_sid": who.sid.String(), "transport_key_usage": key.Usage.String()})
	return nil
}

// deviceDisabled refuses a device that an administrator has switched off: it cannot
// switch itself on.
func deviceDisabled() error {
	return refusal(drs.AuthorizationError, http.StatusBadRequest, "device_disabled", "Enable the device.", "The device is disabled.")
}

// leave removes the device whose certificate the TLS connection proves (MS-DVRJ
// 3.1.5.1.2.3).
func (s *Service) leave(w http.ResponseWriter, r *http.Request, device string) error {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return refusal(drs.AuthenticationError, http.StatusUnauthorized, "device_certificate_missing", "Present the device certificate.", "The request needs the device certificate as TLS client certificate.")
	}
	ctx, cert := r.Context(), r.TLS.PeerCertificates[0]
	c, err := s.Directory(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	d, err := addevice.FindByIdentity(c, drs.AlternativeSecurityID(drs.Thumbprint(cert.Raw), cert.RawSubjectPublicKeyInfo))
	if errors.Is(err, addevice.ErrNotWritten) {
		return refusal(drs.DirectoryError, http.StatusUnauthorized, "error_missing_device", "", "The device object of the certificate is not found.")
	}
	if err != nil {
		return err
	}
	if now := s.Now(); now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
		return refusal(drs.AuthenticationError, http.StatusUnauthorized, "device_certificate_expired", "", "The device certificate is not valid at this time.")
	}
	if !d.Enabled { // else it would come back enabled
		return deviceDisabled()
	}
	if d.ID.String() != device {
		return refusal(drs.AuthorizationError, http.StatusBadRequest, "device_mismatch", "", "The device certificate is of another device.")
	}
	dn := addevice.DN(c.Base, d.ID)
	if err := c.Delete(dn); err != nil {
		return directoryRefused(err)
	}
	s.ldapStep(ctx, "device_deleted", "The Enterprise DRS deletes the device's object.", map[string]any{"object": dn, "device_id": device})
	w.WriteHeader(http.StatusOK)
	return nil
}
