package inspect

import (
	"crypto/x509"
	"fmt"

	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/crl"
)

// enterprise are the parts of a certificate that an enterprise CA writes: whose
// it is for a KDC, by what template, and where its revocation is told.
func enterprise(n *Node, cert *x509.Certificate) {
	switch t, found, err := adcert.TemplateOf(cert); {
	case err != nil:
		n.add("template", "(cannot be read)")
	case found && t.ID != nil:
		n.noted("template", t.ID.String(), fmt.Sprintf("version %d.%d", t.Major, t.Minor))
	case found:
		n.add("template", t.Name)
	}
	switch s, found, err := adcert.SID(cert); {
	case err != nil:
		n.add("security identifier", "(cannot be read)")
	case found:
		n.noted("security identifier", s.String(), "the account, in strong mapping")
	}
	if urls := cert.CRLDistributionPoints; len(urls) > 0 {
		n.add("revocation lists", list(urls))
	}
	switch urls, err := crl.FreshestOf(cert); {
	case err != nil:
		n.add("delta lists", "(cannot be read)")
	case len(urls) > 0:
		n.add("delta lists", list(urls))
	}
	if urls := cert.OCSPServer; len(urls) > 0 {
		n.add("OCSP", list(urls))
	}
	if urls := cert.IssuingCertificateURL; len(urls) > 0 {
		n.add("issuer's certificate", list(urls))
	}
}
