package main

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/agext/levenshtein"
	"github.com/zclconf/go-cty/cty"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/lab"
	"hellolab/providers"
	"hellolab/providers/adcs"
	"hellolab/providers/adcs/ca"
	"hellolab/providers/spec"
)

// certificate is one that an authority of the lab issued, as JSON.
type certificate struct {
	Thumbprint string     `json:"thumbprint"` // SHA-1, in capitals
	Serial     string     `json:"serial"`     // in capitals
	Authority  string     `json:"authority"`  // address
	Template   string     `json:"template"`
	Requester  string     `json:"requester"` // DOMAIN\account, or a host
	NotAfter   time.Time  `json:"not_after"`
	Reason     string     `json:"reason,omitempty"`
	RevokedAt  *time.Time `json:"revoked_at,omitempty"` // nil: it is not revoked

	env providers.Env // of the authority
}

// certificates are those of all authorities of a lab, by authority and in the
// order in which they were issued.
func certificates(s *session, l *lab.Lab) ([]certificate, error) {
	authorities, err := providers.ResolveAll[spec.Authority, spec.AuthorityOut](l.Env("", &providers.Type{}, cty.NilVal), "authority")
	if err != nil {
		return nil, err
	}
	var out []certificate
	for _, a := range authorities {
		if a.ID == "" {
			continue
		}
		rec, err := l.Objects().Lookup(a.Addr)
		if err != nil {
			return nil, err
		}
		env := l.Env(a.Addr, s.registry.Type(rec.Kind), rec.In)
		rows, err := adcs.Issued(env)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a.Addr, err)
		}
		for _, r := range rows {
			sum := sha1.Sum(r.Certificate)
			f := certificate{
				Thumbprint: strings.ToUpper(hex.EncodeToString(sum[:])), Serial: strings.ToUpper(r.Serial), Authority: a.Addr,
				Template: r.Template, Requester: r.Requester, NotAfter: r.NotAfter.UTC(), env: env,
			}
			if r.Disposition == ca.Revoked {
				at := r.RevokedAt.UTC()
				f.Reason, f.RevokedAt = r.Reason.String(), &at
			}
			out = append(out, f)
		}
	}
	return out, nil
}

// writeAll lists the certificates.
func (c *revokeCertificateCommand) writeAll(s *session, l *lab.Lab) error {
	all, err := certificates(s, l)
	switch {
	case err != nil:
		return err
	case c.json:
		return view.WriteIndentedJSON(s.out, append([]certificate{}, all...))
	case len(all) == 0:
		s.printf("No authority has issued a certificate.\n")
		return nil
	}
	return writeCertificates(s, all, l.Now())
}

func writeCertificates(s *session, list []certificate, now time.Time) error {
	t := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "THUMBPRINT\tAUTHORITY\tTEMPLATE\tREQUESTER\tENDS\tSTATE")
	for _, f := range list {
		state := "issued"
		switch {
		case f.RevokedAt != nil:
			state = fmt.Sprintf("revoked on %s: %s", f.RevokedAt.Format(time.RFC3339), f.Reason)
		case !now.Before(f.NotAfter):
			state = "ended"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", f.Thumbprint, view.Escape(f.Authority), view.Escape(f.Template), view.Escape(f.Requester), f.NotAfter.Format(time.RFC3339), state)
	}
	return t.Flush()
}

// fewCertificates is how many an error names.
const fewCertificates = 5

func someOf(list []certificate) string {
	var b strings.Builder
	for _, f := range list[:min(len(list), fewCertificates)] {
		fmt.Fprintf(&b, "  %s  %s, %s\n", f.Thumbprint, view.Escape(f.Template), view.Escape(f.Requester))
	}
	return b.String()
}

// distance is how far digits are from the beginning of the thumbprint or of the
// serial number.
func (f *certificate) distance(digits string) int {
	part := func(s string) string { return s[:min(len(s), len(digits))] }
	return min(levenshtein.Distance(digits, part(f.Thumbprint), nil), levenshtein.Distance(digits, part(f.Serial), nil))
}
