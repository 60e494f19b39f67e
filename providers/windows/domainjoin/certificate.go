package domainjoin

import (
	"context"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"time"

	"hellolab/providers"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/enroll"
)

// certificateLife is that of the certificate of a hybrid join (ours; it only
// carries the key).
const certificateLife = 10 * 365 * 24 * time.Hour

// NewCertificate makes the certificate of a hybrid join around the machine's
// key: self-signed, and named after the computer's objectGUID.
func NewCertificate(random io.Reader, signer crypto.Signer, objectGUID string, now time.Time) ([]byte, error) {
	serial := make([]byte, 16)
	if _, err := io.ReadFull(random, serial); err != nil {
		return nil, fmt.Errorf("read random serial number: %w", err)
	}
	serial[0] = serial[0]&0x7f | 0x40
	now = now.UTC().Truncate(time.Second)
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial), Subject: pkix.Name{CommonName: objectGUID},
		NotBefore: now.Add(-10 * time.Minute), NotAfter: now.Add(certificateLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	return x509.CreateCertificate(random, template, template, signer.Public(), signer)
}

// Directory signs the computer in to the directory with its own account.
func (j *Joined) Directory(ctx context.Context, env providers.Env, l Locator) (*adldap.Conn, error) {
	host, err := l.Controller(ctx)
	if err != nil {
		return nil, err
	}
	j.Account.Controller = host
	return j.Account.Directory(ctx, env)
}

// Publish writes the computer's certificate to its own object, as the computer:
// the only value of userCertificate.
func (j *Joined) Publish(c *adldap.Conn, der []byte) error {
	return c.Replace(adldap.ByGUID(j.ObjectGUID), adldap.Attributes{"userCertificate": {string(der)}})
}

// Published reads the certificates that stand at the computer's object, DER.
func (j *Joined) Published(c *adldap.Conn) ([][]byte, error) {
	e, err := c.Read(adldap.ByGUID(j.ObjectGUID), "userCertificate")
	if err != nil {
		return nil, err
	}
	return e.Values("userCertificate"), nil
}

// Authorities returns the certificates that the domain's computers trust by
// themselves: its roots, and further authorities' certificates. A domain
// without an authority has none.
func Authorities(c *adldap.Conn) (roots, intermediates []*x509.Certificate, err error) {
	if roots, err = enroll.Roots(c); err != nil && !enroll.Missing(err) {
		return nil, nil, err
	}
	if intermediates, err = enroll.Intermediates(c); err != nil && !enroll.Missing(err) {
		return nil, nil, err
	}
	return roots, intermediates, nil
}
