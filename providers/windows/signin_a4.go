package windows

import (
	"strings"

	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows/kerberos"
)

// needCertificate refuses a sign-in to the domain by a key that has no certificate
// yet (seed 003: "if a user certificate for the Hello credential has not been
// provisioned, the first authentication of that user with the Hello gesture will
// fail").
func (s *signingIn) needCertificate() error {
	if s.certificate != nil {
		return nil
	}
	err := refuse("certificate_missing", nil)
	s.trace.refused(event.Kerberos, event.Store, local, "certificate_missing", "The Kerberos provider finds no sign-in certificate for the Hello key.", err)
	return err
}

// certificateHint is phase A of flow A4: the certificate leads to the user's
// domain, by the distinguished name in its subject or by the user principal name.
func (s *signingIn) certificateHint(asked spec.Domain) error {
	if err := s.needCertificate(); err != nil {
		return err
	}
	t, cert := s.trace, s.certificate[0]
	domain, from := kerberos.HintIn(cert)
	var err error
	switch {
	case domain == "":
		err = refuse("certificate_no_domain", nil)
	case !strings.EqualFold(domain, asked.DNSName):
		err = because("certificate_no_domain", nil, "The sign-in certificate of %s leads to %s, not to %s.", s.user.addr, domain, asked.DNSName)
	}
	if err != nil {
		t.refused(event.LSASS, event.Kerberos, local, "domain_hint", "The certificate gives the Kerberos provider no hint of the domain.", err)
		return err
	}
	t.step(event.LSASS, event.Kerberos, local, "domain_hint", "The Kerberos provider takes the hint for the domain from the user's certificate.",
		message{"domain": domain, "from": from, "subject": kerberos.NameOf(cert.RawSubject), "issuer": kerberos.NameOf(cert.RawIssuer)})
	return nil
}
