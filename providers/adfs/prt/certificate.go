package prt

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"time"

	"hellolab/providers/event"
	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/enroll"
	"hellolab/providers/wire/ngc"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/revocation"
	"hellolab/providers/wire/sid"
)

// Revocation says whether certificates of a verified chain, leaf first, were taken
// back: one result for each but the root. A revocation.Checker is one.
type Revocation interface {
	CheckChain(ctx context.Context, chain []*x509.Certificate, at time.Time) []revocation.Result
}

// How a certificate names its account (KB5014754): by its security identifier or a
// strong mapping; also by its names, if it is no older than the account; by names.
const (
	MappingFull          = "full"
	MappingCompatibility = "compatibility"
	MappingNone          = "none"
)

// attributeMappings are the certificates that an account is mapped to besides.
const attributeMappings = "altSecurityIdentities"

// maxCertificate bounds a user's certificate, which the token carries.
const maxCertificate = 6 << 10

// byCertificate verifies a sign-in by a user's certificate (MS-OAPXBC
// 3.2.5.1.2.1.4): who holds its key signed, and the certificate is one that signs
// in to the domain, as the user of the assertion. What costs least comes first.
func (s *Service) byCertificate(ctx context.Context, conn *adldap.Conn, u *adldap.Entry, a *ngc.Assertion, nonce string, p *primary) error {
	cert, err := userCertificate(a.Certificate)
	if err != nil {
		return err
	}
	pub, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok || a.Token.VerifyRS256(pub) != nil {
		return invalidGrant("The assertion is not signed with the key of its certificate.")
	}
	if err := s.checkAssertion(a.Claims, nonce); err != nil {
		return err
	}
	if !adcert.HasEKU(cert, adcert.EKUSmartCardLogon, adcert.EKUKPClientAuth, adcert.EKUClientAuth) {
		return invalidGrant("The user's certificate has neither the purpose Smart Card Logon nor Client Authentication.").WithHint("Issue it by a template for signing in.")
	}
	by, err := s.mapped(cert, u)
	if err != nil {
		return err
	}
	chain, err := s.chainOf(conn, cert)
	if err != nil {
		return err
	}
	known, err := s.revocationOf(ctx, chain)
	if err != nil {
		return err
	}
	if known.Status == revocation.Unknown {
		return invalidGrant("Whether the user's certificate was revoked is not known: %s.", known.Cause).WithHint("Publish the authority's lists, and open them to AD FS.")
	}
	s.step(ctx, event.ActiveDirectory, ldap, "user_certificate_verified", "AD FS verifies the user's certificate by the authorities that Active Directory publishes, and finds whose it is.", map[string]any{
		"user": p.UPN, "serial_number": cert.SerialNumber.Text(16), "issuer": cert.Issuer.String(), "mapped_by": by, "revocation": known.String()})
	s.step(ctx, event.CloudAP, https, "signature_verified", "AD FS verifies the signature with the public key of the user's certificate.", map[string]any{
		"user": p.UPN, "serial_number": cert.SerialNumber.Text(16)})
	p.AMR, p.Method, p.Credential, p.X509 = []string{oauth.AMRRSA}, adfs.MethodCertificate, credentialCertificate, cert.Raw
	if adcert.HasEKU(cert, adcert.EKUSmartCardLogon) {
		// Its key is opened by a gesture, as a Hello key is: that is what the purpose
		// says. One for any client may lie in a file.
		p.AMR = append(p.AMR, oauth.AMRMFA)
	}
	return nil
}

// certificateStands refuses what was proved by a certificate that does not sign in
// any more. Lists that cannot be had end no session.
func (s *Service) certificateStands(ctx context.Context, conn *adldap.Conn, u *adldap.Entry, der []byte) error {
	cert, err := userCertificate(der)
	if err == nil {
		_, err = s.mapped(cert, u)
	}
	var chain []*x509.Certificate
	if err == nil {
		chain, err = s.chainOf(conn, cert)
	}
	if err == nil {
		_, err = s.revocationOf(ctx, chain)
	}
	var refused *adfs.Error
	if errors.As(err, &refused) {
		return adfs.NewError(adfs.InvalidGrant, adfs.CodeRefreshInvalid, "The primary refresh token was made with a certificate that does not sign in any more: %s", refused.Sentence).WithHint("Sign in again.")
	}
	return err
}

func userCertificate(der []byte) (*x509.Certificate, error) {
	if len(der) > maxCertificate {
		return nil, invalidGrant("The user's certificate is longer than %d bytes.", maxCertificate)
	}
	cert, err := x509.ParseCertificate(der)
	if err == nil {
		_, err = adcert.Understand(cert)
	}
	if err != nil {
		return nil, invalidGrant("The user's certificate is malformed.")
	}
	return cert, nil
}

// chainOf is a certificate's path to a root, by what the domain publishes alone:
// roots, further authorities, and whose certificates may sign in.
func (s *Service) chainOf(conn *adldap.Conn, cert *x509.Certificate) ([]*x509.Certificate, error) {
	if now := s.Now(); now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
		return nil, invalidGrant("The user's certificate has expired or is not valid yet.").WithHint("Enroll another, and set the device's clock.")
	}
	roots, err := enroll.Roots(conn)
	if err != nil {
		return nil, err
	}
	others, err := enroll.Intermediates(conn)
	if err != nil {
		return nil, err
	}
	logon, err := enroll.ForLogon(conn)
	if err != nil {
		return nil, err
	}
	paths, err := cert.Verify(x509.VerifyOptions{Roots: enroll.Pool(roots), Intermediates: enroll.Pool(slices.Concat(others, logon)), CurrentTime: s.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err != nil {
		return nil, invalidGrant("No path leads from the user's certificate to an authority that the domain trusts.").WithHint("Enroll a certificate of the domain's authority.") //nolint:nilerr // a refusal
	}
	for _, path := range paths {
		if len(path) > 1 && slices.ContainsFunc(logon, path[1].Equal) {
			return path, nil
		}
	}
	return nil, invalidGrant("The authority that issued the user's certificate is not in the domain's NTAuth store.").WithHint("Publish it there (ntauth of the authority).")
}

// revocationOf is what is known of a chain. One that was revoked is refused.
func (s *Service) revocationOf(ctx context.Context, chain []*x509.Certificate) (revocation.Result, error) {
	if s.Revocation == nil {
		return revocation.Result{}, invalidGrant("The service takes no certificates of users.")
	}
	worst := revocation.Worst(s.Revocation.CheckChain(ctx, chain, s.Now()))
	if worst.Status == revocation.Revoked {
		return worst, invalidGrant("The user's certificate, or its authority's, is revoked: %s.", worst.Reason).WithHint("Enroll another.")
	}
	return worst, nil
}

// mapped says by what a certificate is the user's; one that is not is refused. The
// rules are those of the domain's controllers.
func (s *Service) mapped(cert *x509.Certificate, u *adldap.Entry) (by string, err error) {
	account, err := sid.Decode(u.Bytes("objectSid"))
	if err != nil {
		return "", err
	}
	names, err := adcert.Names(cert)
	if err != nil {
		return "", invalidGrant("The names in the user's certificate cannot be read.")
	}
	named := slices.ContainsFunc(names.UPNs, func(upn string) bool { return isUPN(u, upn) })
	if len(names.UPNs) > 0 && !named {
		return "", invalidGrant("The user's certificate names another user.")
	}
	owner, found, err := adcert.SID(cert)
	switch {
	case err != nil:
		return "", invalidGrant("The security identifier in the user's certificate cannot be read.")
	case found && owner != account:
		return "", invalidGrant("The user's certificate was issued to another account.")
	case found:
		return "security identifier", nil
	}
	weak := named
	for _, v := range u.Values(attributeMappings) {
		m, err := adcert.ParseMapping(string(v))
		if err != nil || !m.Match(cert) {
			continue
		}
		if m.Strong() {
			return attributeMappings, nil
		}
		weak = true
	}
	if weak && s.namesCount(cert, u) {
		return "name", nil
	}
	return "", invalidGrant("Nothing but a name, or nothing at all, maps the certificate to the user.").WithHint("Issue it again from an authority that writes the security identifier.")
}

// isUPN compares with a user's principal name, and with the one that every account
// has without being given it: its own name in its domain's.
func isUPN(u *adldap.Entry, upn string) bool {
	if strings.EqualFold(upn, u.Text("userPrincipalName")) {
		return true
	}
	var domain []string
	for _, part := range strings.Split(u.DN, ",") {
		if name, value, _ := strings.Cut(part, "="); strings.EqualFold(name, "DC") {
			domain = append(domain, value)
		}
	}
	return strings.EqualFold(upn, u.Text("sAMAccountName")+"@"+strings.Join(domain, "."))
}

// namesCount says whether the domain goes by the names in a certificate.
func (s *Service) namesCount(cert *x509.Certificate, u *adldap.Entry) bool {
	if s.Mapping == nil {
		return false
	}
	switch s.Mapping() {
	case MappingNone:
		return true
	case MappingCompatibility:
		created, err := time.Parse("20060102150405.0Z", u.Text("whenCreated"))
		return err == nil && !cert.NotBefore.Before(created)
	}
	return false
}
