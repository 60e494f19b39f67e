package all_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/adcs"
	"hellolab/providers/adds"
	"hellolab/providers/conformance"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/identity"
	"hellolab/providers/spec"
	"hellolab/providers/windows/kerberos"
	"hellolab/providers/windows/ksp"
	"hellolab/providers/windows/position"
	"hellolab/providers/wire/gss"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/keycred"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/ntlm"
)

const aliceDN = "CN=alice,CN=Users,DC=corp,DC=contoso,DC=com"

// corpKinds are the kinds of a domain with authorities and services.
func corpKinds() []providers.Type {
	return slices.Concat(adds.Types(), adcs.Types(), identity.Types())
}

// newCorpLab is a domain as declared, an authority as declared, and people.
func newCorpLab(t testing.TB, d spec.Domain, a spec.Authority) *domainLab {
	t.Helper()
	e := conformance.NewEnv(t, corpKinds()...)
	d.DNSName, d.NetBIOSName = "corp.contoso.com", "CORP"
	a.Domain, a.CommonName, a.NTAuth = "domain.corp", "Contoso Issuing CA", true
	e.Create("domain.corp", d)
	e.Create("authority.issuing", e.With("authority", a, "ocsp", cty.BoolVal(a.OCSP)))
	for _, name := range []string{"alice", "keeper"} {
		e.Create("user."+name, spec.User{UPN: name + "@contoso.com", Domain: "domain.corp", Password: providers.Secret("First.pa55word")})
	}
	e.Create("group.keys", spec.Group{Domain: "domain.corp", WellKnown: "key_admins", Members: []providers.Ref{"user.keeper"}})
	l := &domainLab{e, t}
	l.due()
	return l
}

// pc is a machine that trusts the domain's root: its position and its Kerberos
// provider.
type pc struct {
	*kerberos.Provider
	l     *domainLab
	ahead time.Duration // of its clock
	steps []string
	notes map[string]map[string]any
}

func (l *domainLab) pc(place string, change ...func(*kerberos.Config)) *pc {
	l.t.Helper()
	m := &pc{l: l, notes: map[string]map[string]any{}}
	env := l.For("domain.corp")
	d := conformance.Get[spec.Domain, spec.DomainOut](l.Env, "domain.corp")
	c := kerberos.Config{
		Network:    position.Of(env, position.Position{Place: place}),
		Domain:     kerberos.Domain{Name: d.In.DNSName, Realm: d.Out.Realm, Servers: d.Out.Hosts},
		Validation: kerberos.Validation{Roots: []*x509.Certificate{l.root()}, Strict: true},
		Now:        func() time.Time { return l.Now().Add(m.ahead) }, Rand: rand.Reader,
		Emit: func(step, text string, message map[string]any) {
			m.steps, m.notes[step] = append(m.steps, step), message
			if text == "" || step == "" {
				l.t.Errorf("step %q says %q", step, text)
			}
		},
	}
	for _, f := range change {
		f(&c)
	}
	m.Provider = kerberos.New(c)
	return m
}

// root is the certificate of the lab's authority.
func (l *domainLab) root() *x509.Certificate { return l.rootOf("authority.issuing") }

func (l *domainLab) rootOf(addr string) *x509.Certificate {
	l.t.Helper()
	block, _ := pem.Decode([]byte(conformance.Get[spec.Authority, spec.AuthorityOut](l.Env, addr).Out.Certificate))
	if block == nil {
		l.t.Fatal("the authority has no certificate")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		l.t.Fatal(err)
	}
	return cert
}

// hello is a Hello key in a key storage: it signs digests after its PIN.
type hello struct {
	ksp *ksp.SoftwareProvider
	key ksp.Key
}

func newHello(t testing.TB) hello {
	t.Helper()
	machine := make([]byte, ksp.MachineKeySize)
	rand.Read(machine)
	p, err := ksp.NewSoftware(machine, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k, err := p.CreateKey(t.Context(), ksp.UserSign, []byte(pin))
	if err != nil {
		t.Fatal(err)
	}
	return hello{p, k}
}

// credential is the key, unlocked with a PIN.
func (h hello) credential(t testing.TB, with string) kerberos.Key {
	t.Helper()
	signer, err := ksp.Signer(t.Context(), h.ksp, h.key, []byte(with))
	if err != nil {
		t.Fatal(err)
	}
	return kerberos.Key{Signer: signer, Subject: kerberos.KeySubject("S-1-5-21-1-2-3-1104", "key", "login.windows.net/tenant/alice@contoso.com")}
}

// register writes the key to alice's account, as Connect does.
func (l *domainLab) register(h hello) {
	l.t.Helper()
	pub, err := h.key.RSA()
	if err != nil {
		l.t.Fatal(err)
	}
	l.registerPublic(pub)
}

func (l *domainLab) registerPublic(pub *rsa.PublicKey) {
	l.t.Helper()
	device, err := guid.New(rand.Reader)
	if err != nil {
		l.t.Fatal(err)
	}
	k := keycred.FromEntra(keycred.UserKey{Public: pub, Device: device, Created: l.Now(), MFA: true})
	blob, err := k.Marshal()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := l.directory("keeper").AddValue(aliceDN, "msDS-KeyCredentialLink", ldapmsg.DNBinary{Binary: blob, DN: aliceDN}.String()); err != nil {
		l.t.Fatal(err)
	}
}

func (m *pc) signInKey(h hello) (*kerberos.Session, error) {
	m.l.t.Helper()
	return m.SignInKey(m.l.t.Context(), kerberos.Client("alice@contoso.com"), h.credential(m.l.t, pin))
}

// refuses demands a refusal of a phase with a status, and Kerberos' code.
func refuses(t testing.TB, what string, err error, phase kerberos.Phase, status string, code krb.Code) *kerberos.Error {
	t.Helper()
	var e *kerberos.Error
	if !errors.As(err, &e) {
		t.Fatalf("%s: %v; want a refusal with %s", what, err, status)
	}
	if e.Phase != phase || e.Status.Name != status || e.Code != code {
		t.Errorf("%s: %q %s %d (%v); want %q %s %d", what, e.Phase, e.Status.Name, e.Code, err, phase, status, code)
	}
	if e.Sentence == "" || e.Sentence[len(e.Sentence)-1] != '.' {
		t.Errorf("%s: no sentence: %q", what, e.Sentence)
	}
	return e
}

// A key that Connect wrote signs its user in; the ticket-granting ticket then
// buys tickets, and the machine needs neither key nor AS exchange for that.
func TestKerberosKeyTrust(t *testing.T) {
	seed.Proves(t, "A3-02")
	seed.Proves(t, "A3-03")
	seed.Proves(t, "A3-14")
	seed.Proves(t, "KEY-23")
	l := newCorpLab(t, spec.Domain{}, spec.Authority{OCSP: true})
	l.Create("service.web", spec.Service{Domain: "domain.corp", Kind: spec.ServiceKerberos, Enabled: true})
	h, m := newHello(t), l.pc("onsite")
	_, err := m.signInKey(h)
	refuses(t, "a key that is not registered", err, kerberos.PhaseAS, "STATUS_PKINIT_CLIENT_FAILURE", krb.ErrClientNotTrusted)
	l.register(h)
	_, err = m.SignInKey(t.Context(), kerberos.Client("alice@contoso.com"), h.credential(t, "000000"))
	if !errors.Is(err, ksp.ErrWrongAuth) || errors.As(err, new(*kerberos.Error)) {
		t.Errorf("a wrong PIN: %v", err)
	}
	_, err = m.SignInKey(t.Context(), kerberos.Client("keeper@contoso.com"), h.credential(t, pin))
	refuses(t, "another's key", err, kerberos.PhaseAS, "STATUS_PKINIT_CLIENT_FAILURE", krb.ErrClientNotTrusted)

	m.steps = nil
	s, err := m.signInKey(h)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"as_request", "kdc_certificate_accepted", "tgt_cached", "logon_pac"}; !slices.Equal(m.steps, want) {
		t.Errorf("steps %q, want %q", m.steps, want)
	}
	if n := m.notes["as_request"]; n["issuer"] != n["subject"] || n["agreement"] != "MODP group 14 (2048 bits)" || n["fresh"] != true {
		t.Errorf("AS-REQ: %v", n)
	}
	hash, err := ntlm.NTHash("First.pa55word")
	if err != nil {
		t.Fatal(err)
	}
	if s.Account != "alice" || s.SID == "" || s.Groups[0] != s.SID || !bytes.Equal(s.NTHash, hash) || s.Skew != 0 || s.TGT.EndTime.Sub(l.Now()) != 10*time.Hour {
		t.Errorf("session of %q, %s in %q, NT hash %x, skew %s, to %s", s.Account, s.SID, s.Groups, s.NTHash, s.Skew, s.TGT.EndTime)
	}
	for _, group := range []string{"S-1-18-3", "S-1-18-4", "S-1-18-5"} { // fresh, by key trust, whose key is of a second factor
		if !slices.Contains(s.Groups, group) {
			t.Errorf("no %s in %q", group, s.Groups)
		}
	}

	// What is stored is what is used: a cache lives beyond the process.
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	s = new(kerberos.Session)
	if err := json.Unmarshal(text, s); err != nil {
		t.Fatal(err)
	}
	asked := l.asRequests()
	m = l.pc("onsite")
	name := krb.Service("HTTP", "web.corp.contoso.com")
	cred, err := m.Ticket(t.Context(), s, name)
	if err != nil {
		t.Fatal(err)
	}
	if who := l.negotiate(m, cred, "web.corp.contoso.com"); who != "alice@CORP.CONTOSO.COM" {
		t.Errorf("the service lets %q in", who)
	}
	if l.asRequests() != asked {
		t.Error("a ticket for a service took an AS exchange")
	}
	m.steps = nil
	if again, err := m.Ticket(t.Context(), s, krb.Service("http", "WEB.corp.contoso.com")); err != nil || !bytes.Equal(again.Ticket, cred.Ticket) || len(m.steps) > 0 {
		t.Errorf("the cache does not serve: %v, %q", err, m.steps)
	}
	cache, err := s.CCache()
	if err != nil || len(cache.Credentials) != 2 || cache.Principal.String() != "alice" {
		t.Errorf("cache %+v, %v", cache, err)
	}
	_, err = m.Ticket(t.Context(), s, krb.Service("HTTP", "nobody.corp.contoso.com"))
	refuses(t, "no such service", err, kerberos.PhaseTGS, "STATUS_NO_TRUST_SAM_ACCOUNT", krb.ErrServerUnknown)
	s.Purge()
	_, err = m.Ticket(t.Context(), s, name)
	refuses(t, "after a purge", err, kerberos.PhaseTGS, "STATUS_LOGON_FAILURE", 0)
}

// asRequests counts the AS-REQs that the domain's controllers saw.
func (l *domainLab) asRequests() (n int) {
	for _, e := range l.Events() {
		if e.Step == "as_req" {
			n++
		}
	}
	return n
}

// negotiate shows a ticket to a service over the machine's network, and returns
// whom it takes the client for.
func (l *domainLab) negotiate(m *pc, cred *krb.Credential, host string) string {
	l.t.Helper()
	c, err := kerberos.GSS(cred)
	if err != nil {
		l.t.Fatal(err)
	}
	token, _, err := gss.NewNegotiator(gss.InitiatorConfig{Credential: c, Flags: gss.Mutual, Now: m.Now(), Rand: rand.Reader}).Step(nil)
	if err != nil {
		l.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, "http://"+host+"/", nil)
	if err != nil {
		l.t.Fatal(err)
	}
	r.Header.Set("Authorization", gss.Header(token))
	line := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return m.Network.Dial(ctx, host, 80) }}
	answer, err := (&http.Client{Transport: line}).Do(r)
	if err != nil {
		l.t.Fatal(err)
	}
	defer answer.Body.Close()
	var body struct{ User string }
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil || answer.StatusCode != http.StatusOK {
		l.t.Fatalf("%s: %v", answer.Status, err)
	}
	return body.User
}
