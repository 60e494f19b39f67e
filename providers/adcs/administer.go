package adcs

import (
	"context"
	"crypto/x509"
	"errors"
	"math/big"
	"time"

	"hellolab/providers"
	"hellolab/providers/adcs/ca"
	"hellolab/providers/wire/crl"
	"hellolab/providers/wire/sid"
)

// Revoke takes a certificate of an authority back, as its administrator does at
// its console (certutil -revoke). Nobody learns of it before the next list. env
// is that of the authority. A refusal is a *ca.Error.
func Revoke(ctx context.Context, env providers.Env, serial *big.Int, why crl.Reason) error {
	authority, _, err := load(env)
	if err != nil {
		return err
	}
	return authority.Revoke(ctx, serial, why, time.Time{})
}

// Publish publishes an authority's lists now (certutil -crl).
func Publish(ctx context.Context, env providers.Env) error {
	authority, _, err := load(env)
	if err != nil {
		return err
	}
	return authority.Publish(ctx)
}

// Issued are the certificates that an authority has issued, in order, revoked
// ones and those that have ended included.
func Issued(env providers.Env) ([]ca.Row, error) {
	authority, _, err := load(env)
	if err != nil {
		return nil, err
	}
	var out []ca.Row
	for after := 0; ; {
		rows, err := authority.List(after)
		if err != nil || len(rows) == 0 {
			return out, err
		}
		after = rows[len(rows)-1].RequestID
		for _, r := range rows {
			if r.Certificate != nil {
				out = append(out, r)
			}
		}
	}
}

// Lists says what becomes of an authority's newest revocation lists.
type Lists struct {
	Next  time.Time // when the next one is due; zero: none is published by itself
	Until time.Time // how long who holds them may go by them; zero: there are none
}

// ListsOf publishes what is due, as a client that asks has the authority do.
func ListsOf(ctx context.Context, env providers.Env) (Lists, error) {
	authority, _, err := load(env)
	if err != nil {
		return Lists{}, err
	}
	base, delta, err := authority.Lists(ctx)
	if errors.Is(err, ca.ErrNoList) {
		return Lists{}, nil
	}
	if err != nil {
		return Lists{}, err
	}
	var out Lists
	for _, der := range [][]byte{base, delta} {
		if der == nil {
			continue
		}
		l, err := crl.Parse(der)
		if err != nil {
			return out, err
		}
		if out.Until.IsZero() || l.NextUpdate.Before(out.Until) {
			out.Until = l.NextUpdate
		}
	}
	out.Next, err = authority.NextPublication(ctx)
	return out, err
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
