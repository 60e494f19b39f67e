package enroll

import (
	"crypto/x509"
	"fmt"

	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/ldapmsg"
)

// Container is where a directory keeps what it publishes of authorities.
func Container(c *adldap.Conn, name string) string {
	return "CN=" + name + ",CN=Public Key Services,CN=Services,CN=Configuration," + c.Base
}

// Names of containers, and of the object that lists whose certificates may
// sign in.
const (
	Authorities = "Certification Authorities" // the roots that every member trusts
	AIA         = "AIA"                       // further authorities' certificates
	Services    = "Enrollment Services"
	Templates   = "Certificate Templates"
	NTAuth      = "NTAuthCertificates"
)

// Published returns the enrollment services of a directory that are reached
// with Kerberos, in the order of their names.
func Published(c *adldap.Conn) ([]Service, error) {
	found, err := c.Children(Container(c, Services), "cn", "dNSHostName", "certificateTemplates", "msPKI-Enrollment-Servers")
	if err != nil {
		return nil, err
	}
	var out []Service
	for _, e := range found {
		s := Service{Name: e.Text("cn"), Host: e.Text("dNSHostName")}
		for _, t := range e.Values("certificateTemplates") {
			s.Templates = append(s.Templates, string(t))
		}
		for _, v := range e.Values("msPKI-Enrollment-Servers") {
			if url, ok := ParseServerURL(string(v)); ok {
				s.URL = url
			}
		}
		if s.URL != "" {
			out = append(out, s)
		}
	}
	return out, nil
}

// Roots returns the root authorities that a directory publishes.
func Roots(c *adldap.Conn) ([]*x509.Certificate, error) { return certificates(c, Authorities) }

// Intermediates returns further authorities' certificates that a directory
// publishes.
func Intermediates(c *adldap.Conn) ([]*x509.Certificate, error) { return certificates(c, AIA) }

// ForLogon returns the authorities whose certificates may sign in, as a directory
// publishes them (NTAuthCertificates).
func ForLogon(c *adldap.Conn) ([]*x509.Certificate, error) {
	e, err := c.Read(Container(c, NTAuth), "cACertificate")
	if Missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseAll(e)
}

func certificates(c *adldap.Conn, container string) ([]*x509.Certificate, error) {
	found, err := c.Children(Container(c, container), "cACertificate")
	if err != nil {
		return nil, err
	}
	var out []*x509.Certificate
	for _, e := range found {
		certs, err := parseAll(e)
		if err != nil {
			return nil, err
		}
		out = append(out, certs...)
	}
	return out, nil
}

func parseAll(e *adldap.Entry) (out []*x509.Certificate, err error) {
	for _, der := range e.Values("cACertificate") {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("certificate of %s: %w", e.DN, err)
		}
		out = append(out, cert)
	}
	return out, nil
}

// Pool makes a pool of certificates.
func Pool(list []*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, cert := range list {
		pool.AddCert(cert)
	}
	return pool
}

// Missing says whether an error is that an object is not there.
func Missing(err error) bool { return adldap.IsCode(err, ldapmsg.NoSuchObject) }
