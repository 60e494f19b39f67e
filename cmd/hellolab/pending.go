package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/adcs"
	"hellolab/providers/adcs/ca"
	"hellolab/providers/hello/access"
)

// surveyRevocations adds to facts which certificates their authorities have revoked,
// though no list says so yet, and when the last list that does not has ended. env is
// that of an object.
func surveyRevocations(ctx context.Context, env func(string) providers.Env, facts *access.Facts) {
	open := map[string]map[string][]*time.Time{} // authority -> serial number -> of whom to say it
	ask := func(authority, serial string, revoked bool, at *time.Time) {
		if authority == "" || serial == "" || revoked {
			return
		}
		if open[authority] == nil {
			open[authority] = map[string][]*time.Time{}
		}
		open[authority][serial] = append(open[authority][serial], at)
	}
	for _, d := range facts.Domains {
		for _, c := range d.Certificates {
			ask(c.Authority, c.Serial, c.Revoked, &c.RevokedBy)
		}
	}
	for _, m := range facts.Machines {
		for _, k := range m.Credentials {
			for _, c := range slices.Concat(k.Certificates, k.Further) {
				if leaf, err := x509.ParseCertificate(c.Raw); err == nil {
					ask(c.Authority, leaf.SerialNumber.Text(16), c.Revoked, &c.RevokedBy)
				}
			}
		}
	}
	for authority, certificates := range open {
		if err := pendingOf(ctx, env(authority), certificates); err != nil {
			facts.Gaps = append(facts.Gaps, fmt.Sprintf("What %s has revoked could not be read: %v.", authority, err))
		}
	}
	slices.Sort(facts.Gaps)
}

// pendingOf notes of an authority's certificates, by their serial numbers, until when
// its lists may not say that they are revoked.
func pendingOf(ctx context.Context, env providers.Env, certificates map[string][]*time.Time) error {
	rows, err := adcs.Issued(env)
	if err != nil {
		return err
	}
	var until time.Time
	for _, r := range rows {
		held := certificates[strings.ToLower(r.Serial)]
		if r.Disposition != ca.Revoked || len(held) == 0 {
			continue
		}
		if until.IsZero() {
			lists, err := adcs.ListsOf(ctx, env)
			if err != nil {
				return err
			}
			if lists.Next.IsZero() || lists.Until.IsZero() {
				return nil // nobody learns of it by itself
			}
			until = lists.Until
		}
		for _, at := range held {
			*at = until
		}
	}
	return nil
}
