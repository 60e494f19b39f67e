package member

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"hellolab/providers/adds/kdc"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/enroll"
	"hellolab/providers/wire/filetime"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/sid"
)

// byCertificate takes the certificate of a connection, whose key TLS has proved
// (as NPS does for a VPN gateway with EAP-TLS): its purpose, its path to an
// authority that the domain lets sign in, revocation, and the account that it
// bears the security identifier of. A nil visitor without an error has to come
// again, with a certificate.
func (s *server) byCertificate(ctx context.Context, state *tls.ConnectionState) (*visitor, error) {
	if state == nil || len(state.PeerCertificates) == 0 {
		return nil, nil
	}
	chain := state.PeerCertificates
	leaf := chain[0]
	names, err := adcert.Understand(leaf)
	if err != nil {
		return nil, unauthorized("certificate_malformed", "The names in the certificate cannot be read.", "")
	}
	if !adcert.HasEKU(leaf, adcert.EKUClientAuth) {
		return nil, unauthorized("certificate_purpose", "The certificate is not for client authentication.", "Issue one by a template that has the purpose, such as VPNUser.")
	}
	c, err := adldap.SignIn(ctx, s.env, adldap.Domain{Realm: s.domain.Realm, Host: s.domain.Hosts[0], BaseDN: s.domain.DN, Account: s.account, Password: s.password})
	if err != nil {
		s.log.WarnContext(ctx, "the domain cannot be asked", "error", err)
		return nil, unavailable()
	}
	defer c.Close()
	if err := s.trust(ctx, c, chain); err != nil {
		return nil, err
	}
	return s.holder(c, leaf, names)
}

func unavailable() *refusal {
	return &refusal{status: http.StatusServiceUnavailable, code: "domain_unavailable", sentence: "The service cannot ask its domain.",
		hint: "Check that the domain's controller answers, and that the service's computer account is enabled and has the password it joined with."}
}

// trust verifies a path by what the directory publishes.
func (s *server) trust(ctx context.Context, c *adldap.Conn, chain []*x509.Certificate) error {
	trust := kdc.ChainTrust{Revocation: kdc.Revocation(s.checker)}
	for _, part := range []struct {
		into *[]*x509.Certificate
		read func(*adldap.Conn) ([]*x509.Certificate, error)
	}{{&trust.Roots, enroll.Roots}, {&trust.Intermediates, enroll.Intermediates}, {&trust.NTAuth, enroll.ForLogon}} {
		list, err := part.read(c)
		if err != nil {
			return err
		}
		*part.into = list
	}
	err := trust.VerifyClient(ctx, chain, s.env.Now())
	var no *kdc.TrustError
	if !errors.As(err, &no) {
		return err
	}
	code, sentence := "certificate_untrusted", "The certificate does not lead to an authority that the domain lets sign in."
	switch no.Kind {
	case kdc.Expired:
		code, sentence = "certificate_expired", "The certificate, or one above it, is not in its life."
	case kdc.Revoked:
		code, sentence = "certificate_revoked", "The certificate, or one above it, is revoked."
	case kdc.RevocationUnknown, kdc.RevocationUnavailable:
		code, sentence = "certificate_revocation_unknown", "Whether the certificate is revoked cannot be learned."
	case kdc.Invalid, kdc.WeakDigest:
		code, sentence = "certificate_invalid", "The certificate's path breaks a rule, or is signed with a broken digest."
	}
	return unauthorized(code, sentence, "")
}

// holder is whom a certificate is of: the account with the security identifier in
// it, whose user principal name it must not contradict. A certificate without one
// maps to nobody (full enforcement of strong mapping).
func (s *server) holder(c *adldap.Conn, leaf *x509.Certificate, names adcert.SAN) (*visitor, error) {
	other := unauthorized("certificate_other_account", "The certificate maps to no account of the domain.", "Issue one that bears the account's security identifier.")
	id, found, err := adcert.SID(leaf)
	if err != nil || !found {
		return nil, other
	}
	e, err := c.First(ldapmsg.EqualTo("objectSid", id.String()))
	if adldap.IsCode(err, ldapmsg.NoSuchObject) {
		return nil, other
	}
	if err != nil {
		return nil, err
	}
	if e, err = c.Read(adldap.ByGUID(e.GUID.String()), "sAMAccountName", "userPrincipalName", "userAccountControl", "accountExpires", "tokenGroups"); err != nil {
		return nil, err
	}
	upn := e.Text("userPrincipalName")
	if len(names.UPNs) > 0 && !slices.ContainsFunc(names.UPNs, func(n string) bool { return strings.EqualFold(n, upn) }) {
		return nil, other
	}
	bits, err := strconv.ParseInt(e.Text("userAccountControl"), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("userAccountControl of %s: %w", e.DN, err)
	}
	if bits&uacDisabled != 0 {
		return nil, unauthorized("account_disabled_in_domain", "The account of the certificate is disabled.", "Enable the account.")
	}
	expires, err := strconv.ParseUint(e.Text("accountExpires"), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("accountExpires of %s: %w", e.DN, err)
	}
	if at := filetime.Time(expires); !at.IsZero() && !s.env.Now().Before(at) {
		return nil, unauthorized("account_expired_in_domain", "The account of the certificate has expired.", "Extend it in the directory.")
	}
	v := &visitor{Service: s.out.URL, User: upn, Account: s.ntlm.NetBIOSDomain + `\` + e.Text("sAMAccountName"), SID: id, Authentication: spec.ServiceVPN}
	for _, raw := range e.Values("tokenGroups") {
		g, err := sid.Decode(raw)
		if err != nil {
			return nil, fmt.Errorf("groups of %s: %w", e.DN, err)
		}
		v.Groups = append(v.Groups, g)
	}
	return v.complete(), nil
}

// byCertificateTicket holds a client of Remote Desktop to having signed in with a
// certificate: by a public key, its ticket's PAC says, and not by one that is
// registered with the account (MS-DTYP 2.4.2.4).
func byCertificateTicket(who *visitor) error {
	if slices.Contains(who.Groups, sid.FreshPublicKey) && !slices.Contains(who.Groups, sid.KeyTrust) {
		return nil
	}
	return unauthorized("certificate_required", "The ticket was not obtained with a certificate.", "Sign in to the server with a certificate of the Hello container.")
}
