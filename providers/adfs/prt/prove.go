package prt

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"hellolab/providers/adfs/farm"
	"hellolab/providers/event"
	"hellolab/providers/wire/addevice"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/filetime"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/jose"
	"hellolab/providers/wire/keycred"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/ngc"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
	"hellolab/providers/wire/sid"
)

// deviceSignature checks that a request is signed with the key of the certificate
// in it. Whose certificate it is, the directory says (deviceOf): its digest stands
// there, and no authority is believed besides.
func (s *Service) deviceSignature(t *jose.Token) (*x509.Certificate, error) {
	cert, err := x509.ParseCertificate(t.Header.X5C[0])
	if err != nil {
		return nil, invalidGrant("The device certificate is malformed.")
	}
	if now := s.Now(); now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
		return nil, invalidGrant("The device certificate is not valid at this time.").WithHint("Register the device again.")
	}
	pub, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok || t.VerifyRS256(pub) != nil {
		return nil, invalidGrant("The request is not signed with the device's key.")
	}
	return cert, nil
}

// deviceOf finds the device of a certificate in the domain.
func (s *Service) deviceOf(ctx context.Context, c *adldap.Conn, cert *x509.Certificate) (*addevice.Device, error) {
	identity := drs.AlternativeSecurityID(drs.Thumbprint(cert.Raw), cert.RawSubjectPublicKeyInfo)
	d, err := addevice.FindByIdentity(c, identity)
	if d, err = usable(d, err); err != nil {
		return nil, err
	}
	s.step(ctx, event.ActiveDirectory, ldap, "device_found", "AD FS finds the device that signed the request in Active Directory.", map[string]any{
		"device_id": d.ID.String(), "name": d.Name, "altSecurityIdentities": identity, "written_back": d.Anchor != ""})
	return d, nil
}

// usable is a device that may be served.
func usable(d *addevice.Device, err error) (*addevice.Device, error) {
	switch {
	case errors.Is(err, addevice.ErrNotWritten):
		return nil, invalidGrant("%s", adfs.NotWrittenBack).WithHint("Set device_writeback of the sync and run a cycle, or register the device with the enterprise service.")
	case err != nil:
		return nil, err
	case !d.Enabled:
		return nil, invalidGrant("The device is disabled.").WithHint("Enable the device.")
	}
	return d, nil
}

// prove establishes who the user is, by whatever the request brings.
func (s *Service) prove(ctx context.Context, conn *adldap.Conn, d *addevice.Device, c prt.Request) (*primary, *farm.Account, error) {
	s.step(ctx, event.CloudAP, https, "device_signature_verified", "AD FS verifies that the request is signed with the device's key.", map[string]any{"device_id": d.ID.String()})
	switch c.GrantType {
	case oauth.GrantPassword:
		return s.byPassword(ctx, d, c)
	case oauth.GrantJWTBearer:
		return s.byAssertion(ctx, conn, d, c)
	case oauth.GrantRefreshToken:
		return s.byRefreshToken(ctx, d, c)
	}
	return nil, nil, adfs.NewError(adfs.UnsupportedGrantType, adfs.CodeGrantType, "The grant type '%.64s' is not supported in a device request.", c.GrantType)
}

func (s *Service) byPassword(ctx context.Context, d *addevice.Device, c prt.Request) (*primary, *farm.Account, error) {
	a, err := s.Accounts.Password(ctx, c.Username, c.Password)
	if err != nil {
		return nil, nil, err
	}
	p := farm.Proof{UPN: a.UPN, SID: a.SID.String(), AMR: []string{oauth.AMRPassword}, Method: adfs.MethodPassword, At: s.Now().Unix(), DeviceID: d.ID.String()}
	return &primary{Proof: p, Credential: credentialPassword}, a, nil
}

func (s *Service) byRefreshToken(ctx context.Context, d *addevice.Device, c prt.Request) (*primary, *farm.Account, error) {
	p, err := s.Tokens.Redeem(ctx, c.ClientID, c.RefreshToken)
	if err != nil {
		return nil, nil, err
	}
	if p.DeviceID != "" && !strings.EqualFold(p.DeviceID, d.ID.String()) {
		return nil, nil, invalidGrant("The refresh token was issued on another device.")
	}
	a, err := s.Accounts.Standing(ctx, p)
	if err != nil {
		return nil, nil, err
	}
	own := *p
	own.DeviceID = d.ID.String()
	return &primary{Proof: own, Credential: credentialToken}, a, nil
}

// byAssertion verifies a sign-in by something that the user signed (MS-OAPXBC
// 3.2.5.1.2.3): the user by name, what it was signed with as byHello and
// byCertificate have it, and that the nonce is that of the request around it.
func (s *Service) byAssertion(ctx context.Context, conn *adldap.Conn, d *addevice.Device, c prt.Request) (*primary, *farm.Account, error) {
	a, err := ngc.ParseUserAssertion(c.Assertion)
	if err != nil {
		return nil, nil, adfs.NewError(adfs.InvalidRequest, "", "The assertion is malformed.")
	}
	u, err := conn.First(ldapmsg.EqualTo("userPrincipalName", a.Claims.Issuer), userAttributes...)
	if adldap.IsCode(err, ldapmsg.NoSuchObject) {
		return nil, nil, invalidGrant("There is no user %.256q.", a.Claims.Issuer)
	}
	if err != nil {
		return nil, nil, err
	}
	id, err := sid.Decode(u.Bytes("objectSid"))
	if err != nil {
		return nil, nil, fmt.Errorf("objectSid of %s: %w", u.DN, err)
	}
	p := &primary{Proof: farm.Proof{UPN: u.Text("userPrincipalName"), SID: id.String(), At: s.Now().Unix(), DeviceID: d.ID.String()}}
	if a.Certificate != nil {
		err = s.byCertificate(ctx, conn, u, a, c.RequestNonce, p)
	} else {
		err = s.byHello(ctx, u, d, a, c.RequestNonce, p)
	}
	if err != nil {
		return nil, nil, err
	}
	account, err := s.Accounts.Standing(ctx, &p.Proof)
	return p, account, err
}

// byHello verifies a Windows Hello for Business sign-in: the key is among those in
// the user's msDS-KeyCredentialLink, and of this device.
func (s *Service) byHello(ctx context.Context, u *adldap.Entry, d *addevice.Device, a *ngc.Assertion, nonce string, p *primary) error {
	key := keyOf(u, a.KeyID)
	s.step(ctx, event.ActiveDirectory, ldap, "registered_keys_read", "AD FS looks for the key among those registered for the user in Active Directory.", map[string]any{
		"object": u.DN, "attribute": addevice.KeyAttribute, "key_id": a.KeyID, "found": key != nil})
	if key == nil {
		return invalidGrant("The key of the assertion is not registered for the user in Active Directory.").WithHint("Wait for the synchronization of keys, or provision again.")
	}
	pub, err := key.PublicKey()
	if err != nil {
		return err
	}
	own, ok := pub.(*rsa.PublicKey)
	if !ok || a.Token.VerifyRS256(own) != nil {
		return invalidGrant("The assertion is not signed with the key that it names.")
	}
	if err := s.checkAssertion(a.Claims, nonce); err != nil {
		return err
	}
	if key.Device != nil && *key.Device != d.ID {
		return invalidGrant("The key was registered on another device.")
	}
	s.step(ctx, event.CloudAP, https, "signature_verified", "AD FS verifies the signature with the user's registered public key.", map[string]any{"user": p.UPN, "key_id": a.KeyID})
	// Possession of the key and the gesture that opens it are two factors, but not
	// the fresh one that key registration asks for.
	p.AMR, p.Method, p.Credential, p.KeyID = []string{oauth.AMRRSA, oauth.AMRMFA}, adfs.MethodHello, credentialHello, a.KeyID
	return nil
}

// checkAssertion bounds an assertion by its own claims. Clients backdate iat.
func (s *Service) checkAssertion(c ngc.Claims, nonce string) error {
	if now := s.Now(); now.Unix() >= int64(c.Expires) || int64(c.IssuedAt) > now.Add(maxSkew).Unix() {
		return invalidGrant("The assertion is not valid at this time.").WithHint("Set the device's clock.")
	}
	if aud := strings.TrimSuffix(c.Audience, "/"); aud != adfs.Issuer(s.Host) && aud != adfs.TrustIssuer(s.Host) {
		return invalidGrant("The assertion is for another audience.")
	}
	if subtle.ConstantTimeCompare([]byte(c.RequestNonce), []byte(nonce)) != 1 {
		return invalidGrant("The assertion does not hold the nonce of the request.")
	}
	return nil
}

// userAttributes are read of a user.
var userAttributes = []string{"objectSid", "userPrincipalName", "pwdLastSet", "sAMAccountName", attributeMappings, "whenCreated", addevice.KeyAttribute}

// keyOf is a user's Hello key by its id, nil for none. A value that is no key is
// passed over.
func keyOf(u *adldap.Entry, id string) *keycred.Key {
	want, err := base64.StdEncoding.DecodeString(id)
	if err != nil {
		return nil
	}
	for _, v := range u.Values(addevice.KeyAttribute) {
		b, err := ldapmsg.ParseDNBinary(string(v))
		if err != nil {
			continue
		}
		k, err := keycred.Parse(b.Binary)
		if err != nil || k.Usage != keycred.UsageNGC {
			continue
		}
		if sum := sha256.Sum256(k.Material); subtle.ConstantTimeCompare(sum[:], want) == 1 {
			return &k
		}
	}
	return nil
}

// standing is the account of a PRT, while user and device may sign in, the
// password that it was made with is the user's, and the key is registered.
func (s *Service) standing(ctx context.Context, p *primary) (*farm.Account, error) {
	a, err := s.Accounts.Standing(ctx, &p.Proof)
	if err != nil {
		return nil, err
	}
	conn, err := s.Directory(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	id, err := guid.Parse(p.DeviceID)
	if err != nil {
		return nil, fmt.Errorf("device of a primary refresh token: %w", err)
	}
	d, err := addevice.Find(conn, id)
	if _, err = usable(d, err); err != nil {
		return nil, err
	}
	u, err := conn.First(ldapmsg.EqualTo("objectSid", p.SID), userAttributes...)
	if err != nil {
		return nil, err
	}
	switch p.Credential {
	case credentialPassword:
		ticks, _ := strconv.ParseUint(u.Text("pwdLastSet"), 10, 64)
		if filetime.Time(ticks).After(time.Unix(p.At+1, 0)) {
			return nil, adfs.NewError(adfs.InvalidGrant, adfs.CodeRefreshInvalid, "The primary refresh token was made with a password that is not the user's any more.").WithHint("Sign in with the new password.")
		}
	case credentialHello:
		if keyOf(u, p.KeyID) == nil {
			return nil, adfs.NewError(adfs.InvalidGrant, adfs.CodeRefreshInvalid, "The key that the primary refresh token was made with is not registered any more.").WithHint("Provision Windows Hello again.")
		}
	case credentialCertificate:
		if err := s.certificateStands(ctx, conn, u, p.X509); err != nil {
			return nil, err
		}
	}
	return a, nil
}
