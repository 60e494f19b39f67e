package ca

import (
	"context"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/crl"
	"hellolab/providers/wire/rsakey"
)

// Parent is the authority above a subordinate one. *CA is one.
type Parent interface {
	// IssueSubordinate certifies an authority by its request and returns the
	// chain, the new certificate first, the root last.
	IssueSubordinate(ctx context.Context, csr []byte) ([]*x509.Certificate, error)
}

// Create sets up the authority: a root without a parent, else a subordinate.
// It may be called again after it was interrupted, or on one that is there: the
// key that was made first stays.
func Create(ctx context.Context, env Env, config Config, parent Parent, templates []Template) (*CA, error) {
	config, err := config.complete()
	if err != nil {
		return nil, err
	}
	a, err := keyOf(ctx, env, config)
	if err != nil {
		return nil, fmt.Errorf("make authority: %w", err)
	}
	if len(a.Chain) == 0 {
		if err := a.certify(ctx, env, parent); err != nil {
			return nil, fmt.Errorf("certify authority: %w", err)
		}
		if err := save(ctx, env, a); err != nil {
			return nil, err
		}
	}
	c, err := open(env, a, templates)
	if err != nil {
		return nil, err
	}
	if _, err := c.current(ctx); errors.Is(err, ErrNoList) { // Manual: the first one is still made
		err = c.Publish(ctx)
		return c, err
	} else if err != nil {
		return nil, err
	}
	return c, nil
}

// keyOf returns the record of the authority, with a new key where there was none.
func keyOf(ctx context.Context, env Env, config Config) (*authority, error) {
	var a authority
	err := env.Section.View(func(r providers.Reader) error { return get(r, tableCA, keyAuthority, &a) })
	if err == nil || !errors.Is(err, errNone) {
		return &a, err
	}
	key, err := rsakey.New(env.Rand, config.KeyBits)
	if err != nil {
		return nil, err
	}
	a.Config = config
	if a.PKCS8, err = x509.MarshalPKCS8PrivateKey(key); err != nil {
		return nil, err
	}
	return &a, save(ctx, env, &a)
}

func save(ctx context.Context, env Env, a *authority) error {
	return env.Section.Update(ctx, func(w providers.Writer) error { return put(w, tableCA, keyAuthority, a) })
}

func (a *authority) certify(ctx context.Context, env Env, parent Parent) error {
	key, err := parseKey(a.PKCS8)
	if err != nil {
		return err
	}
	subject, err := a.Config.subject()
	if err != nil {
		return err
	}
	var chain []*x509.Certificate
	if parent != nil {
		csr, err := x509.CreateCertificateRequest(env.Rand, &x509.CertificateRequest{RawSubject: subject, SignatureAlgorithm: x509.SHA256WithRSA}, key)
		if err != nil {
			return err
		}
		if chain, err = parent.IssueSubordinate(ctx, csr); err != nil {
			return err
		}
		if len(chain) < 2 || !samePublic(chain[0].PublicKey, key.Public()) {
			return errors.New("the parent's answer is no chain for this authority's key")
		}
	} else {
		root, err := a.Config.selfSigned(env, key, subject)
		if err != nil {
			return err
		}
		chain = append(chain, root)
	}
	for _, cert := range chain {
		a.Chain = append(a.Chain, cert.Raw)
	}
	return nil
}

func samePublic(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

var (
	oidDomainComponent = asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}
	oidCommonName      = asn1.ObjectIdentifier{2, 5, 4, 3}
)

// subject is DC=…, CN=name, from the root down.
func (c Config) subject() ([]byte, error) {
	var name pkix.RDNSequence
	labels := strings.Split(c.Domain, ".")
	slices.Reverse(labels)
	for _, l := range labels {
		name = append(name, domainComponent(l))
	}
	return asn1.Marshal(append(name, []pkix.AttributeTypeAndValue{{Type: oidCommonName, Value: c.CommonName}}))
}

// domainComponent is an IA5String by RFC 4519 2.4.
func domainComponent(label string) pkix.RelativeDistinguishedNameSET {
	return []pkix.AttributeTypeAndValue{{Type: oidDomainComponent, Value: asn1.RawValue{Tag: asn1.TagIA5String, Bytes: []byte(label)}}}
}

func (c Config) selfSigned(env Env, key crypto.Signer, subject []byte) (*x509.Certificate, error) {
	serial := make([]byte, 16) // a root's own is 128 random bits, apart from those it gives
	if _, err := env.Rand.Read(serial); err != nil {
		return nil, err
	}
	serial[0] = serial[0]&0x3f | 0x40
	template, err := authorityTemplate(key.Public(), c.PathLen)
	if err != nil {
		return nil, err
	}
	template.SerialNumber, template.RawSubject = new(big.Int).SetBytes(serial), subject
	template.NotBefore = env.Now().Add(-backdate)
	template.NotAfter = env.Now().Add(c.Validity)
	return sign(env, template, template, key.Public(), key)
}

// authorityTemplate is what all certificates of authorities have.
func authorityTemplate(pub crypto.PublicKey, pathLen int) (*x509.Certificate, error) {
	id, err := keyID(pub)
	if err != nil {
		return nil, err
	}
	version, err := asn1.Marshal(0) // the first key and the first certificate
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		IsCA: true, BasicConstraintsValid: true, MaxPathLen: max(pathLen, -1), MaxPathLenZero: pathLen == 0,
		KeyUsage:        x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		SubjectKeyId:    id,
		ExtraExtensions: []pkix.Extension{{Id: adcert.ExtCAVersion, Value: version}},
	}, nil
}

// sign makes a certificate and reads it back.
func sign(env Env, template, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	template.SignatureAlgorithm = x509.SHA256WithRSA
	der, err := x509.CreateCertificate(env.Rand, template, parent, pub, key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}

// IssueSubordinate certifies an authority below this one: an administrator's
// act, which asks no template's rights. The name is the request's, and must not
// be this authority's own.
func (c *CA) IssueSubordinate(ctx context.Context, csr []byte) ([]*x509.Certificate, error) {
	request, err := parseRequest(csr)
	if err != nil {
		return nil, err
	}
	pathLen := c.cert.MaxPathLen - 1
	switch {
	case c.cert.MaxPathLenZero || c.cert.MaxPathLen == 0:
		return nil, refuse(CodeInvalidCA, "This authority may have no authority below it.")
	case c.cert.MaxPathLen < 0:
		pathLen = 0
	}
	if name, err := adcert.NameOf(request.RawSubject); err != nil || len(name) == 0 || string(request.RawSubject) == string(c.cert.RawSubject) {
		return nil, refuse(CodeBadRequestSubject, "A subordinate authority must have a name, and one of its own.")
	}
	if err := checkKey(request.PublicKey, minKeyBits, false); err != nil {
		return nil, err
	}
	template, err := authorityTemplate(request.PublicKey, pathLen)
	if err != nil {
		return nil, err
	}
	template.RawSubject = request.RawSubject
	name := adcert.Template{Name: SubCA}
	ext, err := name.Extension()
	if err != nil {
		return nil, err
	}
	template.ExtraExtensions = append(template.ExtraExtensions, ext)
	if err := c.addresses(template); err != nil {
		return nil, err
	}
	issued, err := c.issue(ctx, template, request.PublicKey, row{Template: SubCA, Requester: "administrator"}, 5*year)
	if err != nil {
		return nil, err
	}
	return append([]*x509.Certificate{issued.Certificate}, c.chain...), nil
}

// addresses writes where the lists, this CA's certificate and OCSP are.
func (c *CA) addresses(template *x509.Certificate) error {
	config := c.Config()
	if points := config.listAddresses(false); len(points) > 0 {
		ext, err := crl.Points(crl.ExtPoints, points)
		if err != nil {
			return err
		}
		template.ExtraExtensions = append(template.ExtraExtensions, ext)
	}
	template.IssuingCertificateURL = config.certificateAddresses()
	if config.OCSP {
		template.OCSPServer = []string{config.ocspAddress()}
	}
	return nil
}

// lifetime is now, and now and life, but not beyond the authority's own end.
func (c *CA) lifetime(life time.Duration) (notBefore, notAfter time.Time, err error) {
	now := c.env.Now()
	notBefore, notAfter = now.Add(-backdate), now.Add(life)
	if now.Before(c.cert.NotBefore) || !now.Before(c.cert.NotAfter) {
		return notBefore, notAfter, refuse(CodeInvalidCA, "The authority's own certificate is not in its life.")
	}
	if notAfter.After(c.cert.NotAfter) {
		notAfter = c.cert.NotAfter
	}
	if notBefore.Before(c.cert.NotBefore) {
		notBefore = c.cert.NotBefore
	}
	return notBefore, notAfter, nil
}
