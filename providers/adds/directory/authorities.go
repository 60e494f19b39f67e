package directory

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
)

// Published are the certificates that the configuration container publishes
// (MS-ADTS 7.1).
type Published struct {
	Roots         []*x509.Certificate // Certification Authorities: what every member trusts
	Intermediates []*x509.Certificate // AIA
	NTAuth        []*x509.Certificate // whose certificates may sign in
}

// Authorities reads what is published of certification authorities. The
// certificates are shared: nobody changes one.
func (d *Directory) Authorities(ctx context.Context) (Published, error) {
	return remembered(d, "authorities", func(r reader) (Published, error) { return d.authorities(ctx, r) })
}

func (d *Directory) authorities(ctx context.Context, r reader) (out Published, err error) {
	services := d.cfg.publicKeyServices()
	for _, part := range []struct {
		dn    string
		below bool
		into  *[]*x509.Certificate
	}{
		{"CN=Certification Authorities," + services, true, &out.Roots}, {"CN=AIA," + services, true, &out.Intermediates},
		{"CN=NTAuthCertificates," + services, false, &out.NTAuth},
	} {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		p, err := pathOf(part.dn)
		if err != nil {
			return out, err
		}
		top, err := r.atPath(p)
		if errors.Is(err, errNotFound) {
			continue
		}
		if err != nil {
			return out, err
		}
		list := []*object{top}
		if part.below {
			if list, err = r.below(top); err != nil {
				return out, err
			}
		}
		for _, o := range list {
			for _, der := range o.Values["cACertificate"] {
				cert, err := x509.ParseCertificate(der)
				if err != nil {
					return out, fmt.Errorf("certificate of %s: %w", o.DN, err)
				}
				*part.into = append(*part.into, cert)
			}
		}
	}
	return out, nil
}

// HasBelow says whether anything stands below a name.
func (d *Directory) HasBelow(dn string) bool {
	found := false
	_ = d.view(func(r reader) error { // what cannot be read is not there
		p, err := pathOf(dn)
		if err != nil {
			return err
		}
		return r.Scan(tableTree, string(p), func(key string, _ []byte) error {
			found = found || key != string(p)
			return nil
		})
	})
	return found
}
