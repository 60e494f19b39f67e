package kdc

import (
	"crypto/x509"
	"encoding/asn1"
	"strings"

	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/krb"
)

// MappingMode is how strictly a certificate must say whose it is (KB5014754).
type MappingMode int

// Modes. A strong mapping is the account's security identifier in the
// certificate, or a value of altSecurityIdentities that names one certificate
// or key; a weak one goes by names.
const (
	MappingFull          MappingMode = iota // only strong mappings count
	MappingCompatibility                    // weak ones, too, if the certificate is no older than the account
	MappingNone                             // weak ones, too
)

// admit decides whether a trusted certificate is one for signing in as the
// account: its purpose (77), its names (75), its mapping (66). Fault 65.
func (p *PKINIT) admit(x *ASExchange, cert *x509.Certificate) error {
	purposes := []asn1.ObjectIdentifier{adcert.EKUKPClientAuth, adcert.EKUSmartCardLogon}
	if p.Policy.ClientAuthEKU {
		purposes = append(purposes, adcert.EKUClientAuth)
	}
	if !adcert.HasEKU(cert, purposes...) {
		return krb.NewError(krb.ErrInconsistentKeyPurpose, "The certificate has neither the purpose Smart Card Logon nor PKINIT Client Authentication.")
	}
	named, err := names(x, cert)
	if err != nil {
		return err
	}
	return p.mapped(x.Account, cert, named)
}

// names says whether the certificate names the account. One that names
// somebody else is refused; one without names of accounts leaves it to the
// mapping.
func names(x *ASExchange, cert *x509.Certificate) (bool, error) {
	account := x.Account
	n, err := adcert.Names(cert)
	if err != nil {
		return false, err
	}
	for _, upn := range n.UPNs {
		if account.isUPN(upn) {
			return true, nil
		}
	}
	for _, p := range n.Principals {
		switch {
		case len(p.Parts) != 1:
		case p.Type == krb.NTEnterprise && account.isUPN(p.Parts[0]),
			strings.EqualFold(p.Realm, x.Realm) && strings.EqualFold(p.Parts[0], account.SAMAccountName):
			return true, nil
		}
	}
	computer := strings.HasSuffix(account.SAMAccountName, "$")
	for _, dns := range n.DNSNames {
		if host, domain, _ := strings.Cut(dns, "."); computer && strings.EqualFold(domain, account.DNSDomain) && strings.EqualFold(host+"$", account.SAMAccountName) {
			return true, nil
		}
	}
	if len(n.UPNs)+len(n.Principals) > 0 || computer && len(n.DNSNames) > 0 {
		return false, krb.NewError(krb.ErrClientNameMismatch, "The certificate does not name %s.", account.SAMAccountName)
	}
	return false, nil
}

// isUPN compares with the account's user principal name, or with the one that
// every account has without being given it.
func (a *Account) isUPN(upn string) bool {
	return a.UPN != "" && strings.EqualFold(upn, a.UPN) || strings.EqualFold(upn, a.SAMAccountName+"@"+a.DNSDomain)
}

// mapped decides by the mapping. named says that the certificate names the
// account, which is a weak mapping.
func (p *PKINIT) mapped(account *Account, cert *x509.Certificate, named bool) error {
	owner, found, err := adcert.SID(cert)
	switch {
	case err != nil:
		return krb.NewError(krb.ErrCertificateMismatch, "The security identifier in the certificate cannot be read.")
	case found && owner != account.SID:
		return krb.NewError(krb.ErrCertificateMismatch, "The certificate was issued to another account, %s.", owner)
	case found:
		return nil
	}
	weak := named
	for _, text := range account.AltSecurityIdentities {
		m, err := adcert.ParseMapping(text)
		if err != nil || !m.Match(cert) {
			continue
		}
		if m.Strong() {
			return nil
		}
		weak = true
	}
	switch {
	case !weak:
		return krb.NewError(krb.ErrCertificateMismatch, "Nothing maps the certificate to %s.", account.SAMAccountName)
	case p.Policy.Mapping == MappingNone:
		return nil
	case p.Policy.Mapping == MappingCompatibility && !cert.NotBefore.Before(account.Created.Add(-p.Policy.Backdating)):
		return nil
	case p.Policy.Mapping == MappingCompatibility:
		return krb.NewError(krb.ErrCertificateMismatch, "The certificate is older than the account %s that it names.", account.SAMAccountName)
	}
	return krb.NewError(krb.ErrCertificateMismatch, "The certificate is mapped to %s by a name only.", account.SAMAccountName).
		WithHint("Issue it again from an authority that writes the security identifier, or map it in altSecurityIdentities by issuer and serial number.")
}
