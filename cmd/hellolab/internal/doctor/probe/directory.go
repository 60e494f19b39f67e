package probe

import (
	"crypto/x509"
	"fmt"
	"math"
	"strconv"
	"time"

	"hellolab/cmd/hellolab/internal/doctor"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/enroll"
	"hellolab/providers/wire/filetime"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/sid"
)

// Directory reads what a domain publishes, over a connection of an
// administrator; domain is its identifier. Accounts are not among it.
func Directory(c *adldap.Conn, domain sid.SID, d *doctor.Domain) error {
	for _, part := range []struct {
		container string
		into      *[]*x509.Certificate
	}{{enroll.Authorities, &d.Roots}, {enroll.AIA, &d.Others}} {
		found, err := c.Children(enroll.Container(c, part.container), "cACertificate")
		if err != nil && !enroll.Missing(err) {
			return err
		}
		if *part.into, err = certificates(found...); err != nil {
			return err
		}
	}
	store, err := c.Read("CN="+enroll.NTAuth+",CN=Public Key Services,CN=Services,CN=Configuration,"+c.Base, "cACertificate")
	switch {
	case enroll.Missing(err):
	case err != nil:
		return err
	default:
		if d.NTAuth, err = certificates(store); err != nil {
			return err
		}
	}
	services, err := enroll.Published(c)
	if err != nil && !enroll.Missing(err) {
		return err
	}
	d.Enrollment = len(services)
	for _, rid := range []uint32{sid.RIDKeyAdmins, sid.RIDEnterpriseKeyAdmins} {
		g, err := c.First(ldapmsg.EqualTo("objectSid", domain.Account(rid).String()), "member")
		if enroll.Missing(err) {
			continue
		}
		if err != nil {
			return err
		}
		d.KeyAdmins += len(g.Values("member"))
	}
	return nil
}

// certificates reads those of entries.
func certificates(entries ...*adldap.Entry) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for _, e := range entries {
		for _, der := range e.Values("cACertificate") {
			cert, err := x509.ParseCertificate(der)
			if err != nil {
				return nil, fmt.Errorf("certificate of %s: %w", e.DN, err)
			}
			out = append(out, cert)
		}
	}
	return out, nil
}

// Attributes that Password reads.
const (
	attributeControl = "userAccountControl"
	attributeExpiry  = "msDS-UserPasswordExpiryTimeComputed"
	attributeSet     = "pwdLastSet"
)

// PasswordAttributes are what Password wants to have been read.
func PasswordAttributes() []string {
	return []string{attributeControl, attributeExpiry, attributeSet}
}

// Password reads how an account's password stands (MS-ADTS 3.1.1.4.5.36).
// Accounts that are disabled have none that matters.
func Password(e *adldap.Entry, a *doctor.Account) error {
	const disabled = 0x2
	control, err := strconv.ParseInt(e.Text(attributeControl), 10, 64)
	if err != nil {
		return fmt.Errorf("%s of %s: %w", attributeControl, e.DN, err)
	}
	expiry, err := strconv.ParseUint(e.Text(attributeExpiry), 10, 64)
	if err != nil {
		return fmt.Errorf("%s of %s: %w", attributeExpiry, e.DN, err)
	}
	switch {
	case control&disabled != 0, expiry == math.MaxInt64:
	case expiry == 0:
		a.MustChange = e.Text(attributeSet) == "0"
	default:
		a.Expires = filetime.Time(expiry).UTC().Truncate(time.Second)
	}
	return nil
}
