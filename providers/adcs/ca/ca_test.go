package ca_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"sync"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/adcs/ca"
	"hellolab/providers/conformance"
	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/sid"
)

var (
	ctx    = context.Background()
	domain = sid.New(5, 21, 10, 20, 30)
	forest = guid.GUID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
)

// lab is a section, a clock and the authority in it.
type lab struct {
	t   testing.TB
	env ca.Env
	mu  sync.Mutex
	now time.Time
	*ca.CA
}

func (l *lab) clock() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

func (l *lab) advance(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = l.now.Add(d)
}

// templates are the builtin ones and one that waits for approval.
func templates() []ca.Template {
	list := ca.Builtin(domain, forest)
	for _, t := range list {
		if t.Name == ca.User {
			t.Name, t.Enrollment = "Approved", ca.PendAllRequests
			list = append(list, t)
		}
	}
	return list
}

func config() ca.Config {
	return ca.Config{CommonName: "Contoso Issuing CA", Domain: "corp.contoso.com", Host: "ca1.corp.contoso.com", HTTP: true, OCSP: true,
		ConfigurationDN: "CN=Configuration,DC=corp,DC=contoso,DC=com", PathLen: -1}
}

func freshSection(t testing.TB) providers.Section {
	return conformance.NewEnv(t).For("authority.issuing").Section
}

func newLab(t testing.TB, c ca.Config) *lab {
	t.Helper()
	l := &lab{t: t, now: conformance.Began}
	l.env = ca.Env{Section: freshSection(t), Now: l.clock, Rand: rand.Reader}
	var err error
	if l.CA, err = ca.Create(ctx, l.env, c, nil, templates()); err != nil {
		t.Fatal(err)
	}
	return l
}

// again opens the authority anew, as after a restart.
func (l *lab) again() *ca.CA {
	l.t.Helper()
	c, err := ca.Open(l.env, templates())
	if err != nil {
		l.t.Fatal(err)
	}
	return c
}

func alice() ca.Requester {
	return ca.Requester{SID: domain.Account(1104), Groups: []sid.SID{domain.Account(sid.RIDDomainUsers), sid.AuthenticatedUsers}, Name: `CORP\alice`,
		DN: `CN=Doe\, Alice,OU=Staff,DC=corp,DC=contoso,DC=com`, UPN: "alice@corp.contoso.com", Email: "alice@contoso.com"}
}

func controller() ca.Requester {
	return ca.Requester{SID: domain.Account(1000), Groups: []sid.SID{domain.Account(sid.RIDDomainControllers)}, Name: `CORP\DC1$`, ObjectGUID: forest,
		DN: "CN=DC1,OU=Domain Controllers,DC=corp,DC=contoso,DC=com", DNSNames: []string{"dc1.corp.contoso.com"}, DomainDNS: "corp.contoso.com", DomainNetBIOS: "CORP"}
}

func admin() ca.Requester {
	return ca.Requester{SID: domain.Account(500), Groups: []sid.SID{domain.Account(sid.RIDDomainAdmins)}, Name: `CORP\Administrator`,
		DN: "CN=Administrator,CN=Users,DC=corp,DC=contoso,DC=com", UPN: "administrator@corp.contoso.com"}
}

var shared = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func rsaKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func csr(t testing.TB, key crypto.Signer, template x509.CertificateRequest) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &template, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// issue asks for a certificate that must be issued.
func (l *lab) issue(r ca.Requester, template string) *x509.Certificate {
	l.t.Helper()
	issued, err := l.Issue(ctx, ca.Request{Requester: r, Template: template, CSR: csr(l.t, rsaKey(l.t), x509.CertificateRequest{})})
	if err != nil {
		l.t.Fatal(err)
	}
	return issued.Certificate
}

func TestAuthority(t *testing.T) {
	l := newLab(t, config())
	cert := l.Certificate()
	if !cert.IsCA || cert.CheckSignatureFrom(cert) != nil || cert.MaxPathLen != -1 || !cert.NotAfter.After(l.clock().AddDate(9, 0, 0)) {
		t.Errorf("root certificate: %+v", cert)
	}
	if name, err := adcert.NameOf(cert.RawSubject); err != nil || name.String() != "DC=com,DC=contoso,DC=corp,CN=Contoso Issuing CA" {
		t.Errorf("subject %s, %v", name, err)
	}
	again, err := ca.Create(ctx, l.env, config(), nil, templates())
	if err != nil || !bytes.Equal(again.Certificate().Raw, cert.Raw) {
		t.Errorf("made twice: %v", err)
	}
	if !bytes.Equal(l.again().Certificate().Raw, cert.Raw) {
		t.Error("opened as another one")
	}
	if _, err := ca.Open(ca.Env{Section: freshSection(t), Now: l.clock, Rand: rand.Reader}, nil); !errors.Is(err, ca.ErrNotSetUp) {
		t.Errorf("opened from nothing: %v", err)
	}
}

func TestTwoTiers(t *testing.T) {
	rootConfig := config()
	rootConfig.CommonName, rootConfig.PathLen, rootConfig.Host = "Contoso Root CA", 1, "root.corp.contoso.com"
	root := newLab(t, rootConfig)
	issuing := &lab{t: t, now: conformance.Began}
	issuing.env = ca.Env{Section: freshSection(t), Now: issuing.clock, Rand: rand.Reader}
	var err error
	if issuing.CA, err = ca.Create(ctx, issuing.env, config(), root, templates()); err != nil {
		t.Fatal(err)
	}
	sub := issuing.Certificate()
	if !sub.IsCA || !sub.MaxPathLenZero || len(sub.CRLDistributionPoints) != 2 || len(sub.IssuingCertificateURL) != 2 || len(issuing.Chain()) != 2 {
		t.Errorf("issuing CA: %+v", sub)
	}
	leaf := issuing.issue(controller(), ca.KerberosAuthentication)
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(root.Certificate())
	between.AddCert(sub)
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: issuing.clock(), DNSName: "dc1.corp.contoso.com"}); err != nil {
		t.Error(err)
	}
	// A third tier is one too many.
	third := ca.Env{Section: freshSection(t), Now: issuing.clock, Rand: rand.Reader}
	c := config()
	c.CommonName = "Third"
	if _, err := ca.Create(ctx, third, c, issuing, nil); !errors.Is(err, &ca.Error{Code: ca.CodeInvalidCA}) {
		t.Errorf("third tier: %v", err)
	}
	// An authority of the parent's own name would be mistaken for it.
	if _, err := root.IssueSubordinate(ctx, csr(t, rsaKey(t), x509.CertificateRequest{RawSubject: root.Certificate().RawSubject})); !errors.Is(err, &ca.Error{Code: ca.CodeBadRequestSubject}) {
		t.Errorf("namesake: %v", err)
	}
}

func TestConfigRefused(t *testing.T) {
	for name, change := range map[string]func(*ca.Config){
		"no name":       func(c *ca.Config) { c.CommonName = "" },
		"long name":     func(c *ca.Config) { c.CommonName = string(make([]byte, 65)) },
		"host":          func(c *ca.Config) { c.Host = "ca one" },
		"domain":        func(c *ca.Config) { c.Domain = "a..b" },
		"key":           func(c *ca.Config) { c.KeyBits = 1024 },
		"short lists":   func(c *ca.Config) { c.Lists.Period = time.Minute },
		"long deltas":   func(c *ca.Config) { c.Lists.DeltaPeriod = 30 * 24 * time.Hour },
		"short life":    func(c *ca.Config) { c.Validity = time.Hour },
		"control signs": func(c *ca.Config) { c.CommonName = "a\nb" },
	} {
		c := config()
		change(&c)
		if _, err := ca.Create(ctx, ca.Env{}, c, nil, nil); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	l := newLab(t, config())
	c := config()
	c.Host = "other.contoso.com"
	if err := l.Configure(ctx, c); err == nil {
		t.Error("the host was changed")
	}
	c = config()
	c.OCSP, c.HTTP = false, false
	if err := l.Configure(ctx, c); err != nil {
		t.Error(err)
	}
	if got := l.again().Config(); got.OCSP || got.HTTP || got.Lists.Period != 7*24*time.Hour {
		t.Errorf("configuration %+v", got)
	}
}

// stopping is a section that fails at the n-th write, before or after the commit.
type stopping struct {
	providers.Section
	left  int
	after bool
}

var errKilled = errors.New("killed")

func (s *stopping) write(commit func() error) error {
	if s.left--; s.left > 0 {
		return commit()
	}
	if s.left == 0 && s.after {
		if err := commit(); err != nil {
			return err
		}
	}
	return errKilled
}

func (s *stopping) Update(ctx context.Context, fn func(providers.Writer) error) error {
	return s.write(func() error { return s.Section.Update(ctx, fn) })
}

func (s *stopping) Record(ctx context.Context, fn func(providers.Writer) error) error {
	return s.write(func() error { return s.Section.Record(ctx, fn) })
}

// Fault 81: killed at each write of making the authority and of issuing, it
// comes up again, and no serial number is given twice.
func TestKilled(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	request := ca.Request{Requester: controller(), Template: ca.KerberosAuthentication, CSR: csr(t, key, x509.CertificateRequest{Subject: pkix.Name{CommonName: "x"}})}
	for _, after := range []bool{false, true} {
		section := freshSection(t)
		env := ca.Env{Section: section, Now: func() time.Time { return conformance.Began }, Rand: rand.Reader}
		var made []byte
		serials := map[string]bool{}
		for n := 1; n < 16; n++ {
			broken := env
			broken.Section = &stopping{Section: section, left: n % 8, after: after}
			c, err := ca.Create(ctx, broken, config(), nil, templates())
			if err != nil {
				if !errors.Is(err, errKilled) {
					t.Fatal(err)
				}
				continue
			}
			if made == nil {
				made = c.Certificate().Raw
			}
			if !bytes.Equal(made, c.Certificate().Raw) {
				t.Fatal("another authority came up")
			}
			for {
				issued, err := c.Issue(ctx, request)
				if err != nil {
					if !errors.Is(err, errKilled) {
						t.Fatal(err)
					}
					break
				}
				serial := issued.Certificate.SerialNumber.String()
				if serials[serial] {
					t.Fatalf("serial %s twice", serial)
				}
				serials[serial] = true
			}
		}
		c, err := ca.Open(env, templates())
		if err != nil {
			t.Fatal(err)
		}
		rows, err := c.List(0)
		if err != nil || len(serials) == 0 {
			t.Fatal(err, len(serials))
		}
		seen := map[string]bool{}
		issued := 0
		for _, r := range rows {
			if seen[r.Serial] {
				t.Errorf("serial %s is in two rows", r.Serial)
			}
			seen[r.Serial] = true
			if r.Disposition == ca.DispositionIssued {
				issued++
			}
		}
		if issued < len(serials) {
			t.Errorf("%d certificates left, %d are recorded", len(serials), issued)
		}
	}
}

// Many at once never get one serial number.
func TestConcurrent(t *testing.T) {
	l := newLab(t, config())
	request := ca.Request{Requester: alice(), Template: ca.User, CSR: csr(t, rsaKey(t), x509.CertificateRequest{})}
	var mu sync.Mutex
	serials := map[string]bool{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				issued, err := l.Issue(ctx, request)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				serials[issued.Certificate.SerialNumber.String()] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(serials) != 80 {
		t.Errorf("%d serial numbers for 80 certificates", len(serials))
	}
	if n := l.issue(alice(), ca.User).SerialNumber.BitLen(); n <= 144 || n > 152 {
		t.Errorf("a serial number of %d bits is not 19 bytes", n)
	}
}
