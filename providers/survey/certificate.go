package survey

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"slices"
	"strings"
	"time"

	"hellolab/providers/hello/access"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/keycred"
)

// portLDAPS is where a controller shows the certificate that its KDC signs with.
const portLDAPS = 636

// patience is how long one question may take, in real time.
const patience = 15 * time.Second

// keyID is a key's id as tenants spell it.
func keyID(k keycred.Key) string { return base64.StdEncoding.EncodeToString(k.ID) }

// certificates reads those of a domain's controllers, by computer name.
func (s *survey) certificates(d domainObject) map[string]*access.Certificate {
	out := map[string]*access.Certificate{}
	for _, host := range d.Out.Hosts {
		chain, err := s.handshake(host)
		if err != nil {
			s.gap("The certificate of "+host, err)
		}
		if len(chain) == 0 {
			continue
		}
		name, _, _ := strings.Cut(strings.ToLower(host), ".")
		out[name] = s.certificate(chain[0], d)
	}
	return out
}

// handshake returns the certificates that a host shows, unverified: what is
// wrong with them is what is asked. A controller that has none hangs up.
func (s *survey) handshake(host string) ([]*x509.Certificate, error) {
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	raw, err := s.env.Network.Dial(ctx, host, portLDAPS)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, &tls.Config{ServerName: host, InsecureSkipVerify: true, Time: s.env.Now, Rand: s.env.Rand, MinVersion: tls.VersionTLS12})
	defer conn.Close()
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, ctx.Err()
	}
	return conn.ConnectionState().PeerCertificates, nil
}

func (s *survey) certificate(leaf *x509.Certificate, d domainObject) *access.Certificate {
	c := &access.Certificate{
		NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter, ForKDC: adcert.HasEKU(leaf, adcert.EKUKPKdc),
		ForServer: slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageServerAuth),
		Named:     slices.ContainsFunc(leaf.DNSNames, func(n string) bool { return strings.EqualFold(n, d.In.DNSName) }),
		Template:  spec.TemplateDomainController, Responder: len(leaf.OCSPServer) > 0,
		Serial: leaf.SerialNumber.Text(16),
	}
	switch {
	case c.ForKDC:
		c.Template = spec.TemplateKerberosAuthentication
	case adcert.HasEKU(leaf, adcert.EKUSmartCardLogon):
		c.Template = spec.TemplateDomainControllerAuthentication
	}
	c.Authority, c.Revoked = s.issuer(leaf)
	return c
}

func parse(text string) *x509.Certificate {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil
	}
	return cert
}
