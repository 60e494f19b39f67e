package all_test

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/adcs/ca"
	"hellolab/providers/conformance"
	reasons "hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/windows/container"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/sid"
)

// newCertificateLab is newBothLab in a tenant that became federated, after key trust
// gave way to certificate trust: the laptop reaches the domain by A4, the desk by A7,
// and neither has a certificate yet. Connect has not carried the keys down.
func newCertificateLab(t testing.TB) *lab {
	t.Helper()
	l := newBothLab(t)
	l.certificateTrust()
	return l
}

func (l *lab) certificateTrust() {
	l.t.Helper()
	l.Create(adfs, spec.Federation{Kind: spec.FederationADFS, Domain: corp, Authority: "authority.issuing"})
	l.Create("trust.certificate", spec.Trust{Type: spec.TrustCertificate, Tenant: "tenant.contoso", Domain: corp, Federation: adfs})
	l.Update("policy.hello", spec.Policy{Source: "gpo", Trust: "trust.certificate", UsePassportForWork: new(true)})
	l.Update("tenant.contoso", spec.Tenant{Domains: []string{"contoso.com"}, Attestation: "required", Authentication: "federated", Federation: adfs})
}

// issuing is how an authority issues a certificate in a test.
type issuing struct {
	template  ca.Template
	requester ca.Requester
}

// authority is the lab's, with templates as they are given.
func (l *lab) authority(templates ...ca.Template) *ca.CA {
	l.t.Helper()
	c, err := ca.Open(ca.Env{Section: l.For("authority.issuing").Section, Now: l.Now, Rand: rand.Reader}, templates)
	if err != nil {
		l.t.Fatal(err)
	}
	return c
}

// aliceAtCA is what the directory says of alice to an authority.
func (l *lab) aliceAtCA() ca.Requester {
	l.t.Helper()
	u := conformance.Get[spec.User, spec.UserOut](l.Env, alice).Out
	id, err := sid.Parse(u.SID)
	if err != nil {
		l.t.Fatal(err)
	}
	return ca.Requester{SID: id, Groups: []sid.SID{sid.Everyone}, Name: `CORP\alice`, DN: u.DN, CommonName: "alice", UPN: "alice@contoso.com"}
}

// released is alice's container on a device, opened by the PIN, and her key in it.
func (l *lab) released(device string) (*container.Released, container.UserKey) {
	l.t.Helper()
	c := l.containerOf(device, "alice")
	r, err := c.ReleaseWithPIN(l.t.Context(), l.tpmOf(device), []byte(pin))
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(r.Close)
	key, ok := c.UserKey(l.tenant().TenantID)
	if !ok {
		l.t.Fatalf("no key of alice on %s", device)
	}
	return r, key
}

// helloCSR is a request for a certificate that alice's Hello key signed.
func (l *lab) helloCSR(device string) []byte {
	l.t.Helper()
	r, key := l.released(device)
	signer, err := r.Section(key.Provider).Signer(l.t.Context(), key.ID)
	if err != nil {
		l.t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{SignatureAlgorithm: x509.SHA256WithRSA}, signer)
	if err != nil {
		l.t.Fatal(err)
	}
	return csr
}

// issue has the authority issue a certificate for alice's Hello key by the template
// that Hello has, as changed, and without an enrollment agent.
func (l *lab) issue(device string, change ...func(*issuing)) []*x509.Certificate {
	l.t.Helper()
	return l.issueFor(l.helloCSR(device), l.aliceAtCA(), change...)
}

// issueFor is issue for a request, of this lab or another.
func (l *lab) issueFor(csr []byte, who ca.Requester, change ...func(*issuing)) []*x509.Certificate {
	l.t.Helper()
	i := issuing{requester: who}
	for _, t := range ca.Builtin(who.SID, guid.GUID{1}) {
		if t.Name == ca.HelloAuthentication {
			i.template = t
		}
	}
	i.template.Signatures, i.template.Enroll = 0, []sid.SID{sid.Everyone}
	for _, c := range change {
		c(&i)
	}
	authority := l.authority(i.template)
	issued, err := authority.Issue(l.t.Context(), ca.Request{Requester: i.requester, CSR: csr, Template: i.template.Name})
	if err != nil {
		l.t.Fatal(err)
	}
	return append([]*x509.Certificate{issued.Certificate}, authority.Chain()...)
}

// replaceCertificate puts another certificate in the place of those in alice's
// Personal store.
func (l *lab) replaceCertificate(device string, chain []*x509.Certificate) {
	l.t.Helper()
	c := l.containerOf(device, "alice")
	c.UserKeys[0].Certificates = nil
	l.keep(device, "container", l.sid("alice"), c)
	err := l.windows.InstallCertificate(l.t.Context(), l.For(device), alice, device, windows.PurposeSignIn, reasons.RegistrationAuthority, chain)
	if err != nil {
		l.t.Fatal(err)
	}
}

// certify issues and installs.
func (l *lab) certify(device string, change ...func(*issuing)) *x509.Certificate {
	l.t.Helper()
	chain := l.issue(device, change...)
	err := l.windows.InstallCertificate(l.t.Context(), l.For(device), alice, device, windows.PurposeSignIn, reasons.RegistrationAuthority, chain)
	if err != nil {
		l.t.Fatal(err)
	}
	return chain[0]
}

// What a certificate is otherwise than Hello's template has it.
func lives(d time.Duration) func(*issuing) { return func(i *issuing) { i.template.Validity = d } }

func naming(n ca.NameFlag) func(*issuing) { return func(i *issuing) { i.template.Names = n } }

func purposes(p ...asn1.ObjectIdentifier) func(*issuing) {
	return func(i *issuing) { i.template.EKUs = p }
}

func as(change func(*ca.Requester)) func(*issuing) {
	return func(i *issuing) { change(&i.requester) }
}

// byA4 signs alice in at the laptop, and goes to the domain.
func byA4(to ...string) windows.Request {
	return windows.Request{User: alice, Device: laptop, PIN: providers.Secret(pin), To: append(to, corp)}
}

func sha256Hex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// personalStore is alice's, on a device.
func (l *lab) personalStore(device string) []windows.PersonalCertificate {
	l.t.Helper()
	all, err := l.windows.Certificates(l.For(device), device, alice)
	if err != nil {
		l.t.Fatal(err)
	}
	return all
}

// leafOf is alice's sign-in certificate on a device, the one that ends last.
func (l *lab) leafOf(device string) *x509.Certificate {
	l.t.Helper()
	store := l.personalStore(device)
	if len(store) == 0 {
		l.t.Fatalf("alice has no certificate on %s", device)
	}
	cert, err := x509.ParseCertificate(store[0].DER)
	if err != nil {
		l.t.Fatal(err)
	}
	return cert
}
