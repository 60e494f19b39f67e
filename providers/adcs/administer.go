package adcs

import (
	"context"
	"crypto/x509"
	"math/big"
	"time"

	"hellolab/providers"
	"hellolab/providers/adcs/ca"
	"hellolab/providers/wire/crl"
	"hellolab/providers/wire/sid"
)

// Revoke takes a certificate of an authority back and publishes its lists, as
// its administrator does at its console (certutil -revoke, certutil -crl). env is
// that of the authority.
func Revoke(ctx context.Context, env providers.Env, serial *big.Int, why crl.Reason) error {
	authority, _, err := load(env)
	if err != nil {
		return err
	}
	if err := authority.Revoke(ctx, serial, why, time.Time{}); err != nil {
		return err
	}
	return authority.Publish(ctx)
}

// Controller is what a certificate says of a domain controller.
type Controller struct {
	SID        sid.SID
	DN         string
	Host       string // DNS name
	Domain     string // DNS name
	NetBIOS    string
	CommonName string
}

// IssueController issues a certificate for Kerberos authentication to a domain
// controller, as an administrator does who says whom it is for. The chain comes
// leaf first.
func IssueController(ctx context.Context, env providers.Env, c Controller, csr []byte) ([]*x509.Certificate, error) {
	authority, set, err := load(env)
	if err != nil {
		return nil, err
	}
	domain, err := sid.Parse(set.Domain)
	if err != nil {
		return nil, err
	}
	issued, err := authority.Issue(ctx, ca.Request{
		Template: "KerberosAuthentication", CSR: csr,
		Requester: ca.Requester{
			SID: c.SID, Groups: []sid.SID{domain.Account(sid.RIDDomainControllers)}, Name: c.NetBIOS + `\` + c.CommonName + "$",
			DN: c.DN, CommonName: c.CommonName, DNSNames: []string{c.Host}, DomainDNS: c.Domain, DomainNetBIOS: c.NetBIOS,
		},
	})
	if err != nil {
		return nil, err
	}
	return append([]*x509.Certificate{issued.Certificate}, authority.Chain()...), nil
}
