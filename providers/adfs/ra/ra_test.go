package ra_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/providers/adcs"
	"hellolab/providers/adcs/ca"
	"hellolab/providers/adfs/farm"
	"hellolab/providers/adfs/farmtest"
	"hellolab/providers/adfs/ra"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/cmc"
	"hellolab/providers/wire/cms"
	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/crl"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/edrs"
	"hellolab/providers/wire/enroll"
	"hellolab/providers/wire/gss"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/winhello"
)

const (
	issuing = "authority.issuing"
	alice   = "alice@" + farmtest.DNSName
	deskID  = "11111111-0000-4000-8000-000000000001"
)

// lab is the registration authority in a domain with a CA, and the user alice.
type lab struct {
	*farmtest.Lab
	service *ra.Service
	ca      *ra.Enterprise
	agent   *enroll.Agent
	sent    []byte // what the service submitted last
	holder  *farm.Account
	proof   *farm.Proof
	tenant  *issuer
}

// issuer signs key receipts.
type issuer struct {
	key  *rsa.PrivateKey
	cert *x509.Certificate
}

func newLab(t *testing.T) *lab {
	l := &lab{Lab: farmtest.New(t), proof: &farm.Proof{DeviceID: deskID}}
	l.Create(issuing, spec.Authority{Domain: farmtest.Corp, CommonName: "Contoso Issuing CA", NTAuth: true, OCSP: true})
	env := l.Service()
	at := func(ctx context.Context, controller string) (*adldap.Conn, error) {
		a := *l.Account
		if controller != "" {
			a.Controller = controller
		}
		return a.Directory(ctx, env)
	}
	l.ca = &ra.Enterprise{Env: env, Directory: at, Authority: "Contoso Issuing CA", Template: ca.HelloAuthentication,
		Ticket: func(ctx context.Context, host string) (gss.Credential, error) {
			return l.Account.Ticket(ctx, env, krb.Service("HTTP", host))
		}}
	l.Must(enroll.Grant(l.Conn, ca.HelloEnrollmentAgent, l.SID))
	l.agent = l.newAgent(ca.HelloEnrollmentAgent)
	l.service = &ra.Service{Directory: at, CA: l, Template: ca.HelloAuthentication, Now: l.Now, Rand: rand.Reader, Emit: env.Emit,
		Agent: func(context.Context) (*enroll.Agent, error) {
			if l.agent == nil {
				return nil, errors.New("it was not enrolled yet")
			}
			return l.agent, nil
		}}
	e := l.Person("alice")
	l.holder = l.account(e, "alice")
	l.tenant = l.newIssuer()
	return l
}

func (l *lab) account(e *adldap.Entry, name string) *farm.Account {
	return &farm.Account{UPN: name + "@" + farmtest.DNSName, Name: name, NetBIOS: "CORP", DN: e.DN, SID: l.SIDOf(e), GUID: e.GUID}
}

// Submit keeps what is sent, and sends it.
func (l *lab) Submit(ctx context.Context, request []byte) (*enroll.Issued, error) {
	l.sent = request
	return l.ca.Submit(ctx, request)
}

// newAgent enrolls the service's account by a template.
func (l *lab) newAgent(template string) *enroll.Agent {
	l.TB.Helper()
	key := l.Key()
	chain, err := l.ca.Enroll(l.TB.Context(), template, l.csr(key))
	l.Must(err)
	return &enroll.Agent{Key: key, Certificate: chain[0]}
}

// csr asks for the administrator's names, which nobody heeds (fault 78).
func (l *lab) csr(key *rsa.PrivateKey) []byte {
	l.TB.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "Administrator"}, DNSNames: []string{"dc1." + farmtest.DNSName},
		EmailAddresses: []string{"administrator@" + farmtest.DNSName}, ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 25, 2}, Value: []byte{5, 0}}}}, key)
	l.Must(err)
	return der
}

func (l *lab) newIssuer() *issuer {
	l.TB.Helper()
	key := l.Key()
	t := &x509.Certificate{SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: "MS-Organization-Access"}, NotBefore: l.Now().Add(-time.Hour), NotAfter: l.Now().Add(10 * 365 * 24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	l.Must(err)
	cert, err := x509.ParseCertificate(der)
	l.Must(err)
	return &issuer{key, cert}
}

// receipt is a good one of alice's key on her device, but for the changes.
func (l *lab) receipt(from *issuer, key *rsa.PrivateKey, change ...func(*drs.Receipt)) string {
	l.TB.Helper()
	now := l.Now().Unix()
	r := drs.Receipt{Issuer: "https://enterpriseregistration.windows.net/tenant", Key: cng.MarshalRSAPublic(&key.PublicKey), OnPremSID: l.holder.SID.String(), DeviceID: deskID, IssuedAt: now, NotBefore: now, Expiration: now + 86400}
	for _, c := range change {
		c(&r)
	}
	text, err := r.Sign(from.key, from.cert)
	l.Must(err)
	return text
}

// ask asks for a certificate of a key.
func (l *lab) ask(key *rsa.PrivateKey, change ...func(*winhello.Request)) ([]*x509.Certificate, error) {
	l.TB.Helper()
	r := winhello.NewRequest(l.csr(key))
	for _, c := range change {
		c(&r)
	}
	answer, err := l.service.Issue(l.TB.Context(), l.holder, l.proof, &r)
	if err != nil {
		return nil, err
	}
	reply := winhello.NewReply(answer)
	chain, err := reply.Chain(&key.PublicKey)
	l.Must(err)
	return chain, nil
}

func withReceipt(text string) func(*winhello.Request) {
	return func(r *winhello.Request) { r.Receipt = text }
}

func refused(err error, oauthError, code, part string) bool {
	var e *adfs.Error
	return errors.As(err, &e) && e.OAuth == oauthError && e.Code == code && strings.Contains(e.Sentence, part)
}

func notRegistered(err error, part string) bool {
	return refused(err, adfs.InvalidRequest, adfs.CodeHelloKey, part)
}

func (l *lab) steps(from time.Time) []string { return l.Steps(event.CRA, from) }

// The key is in Active Directory: the path of a registered key, from the request
// to the certificate and back.
func TestRegisteredKey(t *testing.T) {
	seed.Proves(t, "P5-08")
	seed.Proves(t, "P5-09")
	seed.Proves(t, "P5-11")
	seed.Proves(t, "P5-12")
	seed.Proves(t, "P5-14")
	seed.Proves(t, "P7-03")
	seed.Proves(t, "P7-05")
	seed.Proves(t, "P7-06")
	l := newLab(t)
	key := l.Key()
	l.AddKey("alice", cng.MarshalRSAPublic(&key.PublicKey), guid.GUID{1})
	l.Advance(time.Minute)
	began := l.Now()
	chain, err := l.ask(key)
	l.Must(err)
	if got, want := l.steps(began), []string{"certificate_request_received", "registered_keys_queried", "request_signed", "request_sent_to_ca", "certificate_returned"}; !slices.Equal(got, want) {
		t.Errorf("steps %v, want %v", got, want)
	}
	if e := l.Told(event.CRA, "registered_keys_queried"); e.Protocol != "LDAP" || e.Peer != event.ActiveDirectory || e.Message["attribute"] != "msDS-KeyCredentialLink" || e.Message["filter"] != "(objectSid="+l.holder.SID.String()+")" || e.Message["found"] != true {
		t.Errorf("%+v", e)
	}
	// Two hops back: the CA to the registration authority, and on to the application.
	if e := l.Told(event.Authority, "certificate_issued_to_agent"); e.Peer != event.CRA {
		t.Errorf("%+v", e)
	}
	if e := l.Told(event.CRA, "certificate_returned"); e.Peer != event.CXH {
		t.Errorf("%+v", e)
	}
	// The agent's signature is over a request for alice.
	signed, err := cms.ParseSignedData(l.sent)
	l.Must(err)
	if own := signed.SignerCertificate(); own == nil || !own.Equal(l.agent.Certificate) || signed.Verify(own.PublicKey, cms.Accept{}) != nil || !adcert.HasEKU(own, adcert.EKUCertificateRequestAgent) {
		t.Error("the agent did not sign it")
	}
	inner, err := cmc.ParseRequest(signed.Content)
	if err != nil || inner.Pairs[cmc.RequesterName] != `CORP\alice` || inner.Pairs[cmc.CertificateTemplate] != ca.HelloAuthentication {
		t.Errorf("%+v, %v", inner, err)
	}
	// The names are the directory's, not the request's (fault 78).
	leaf := chain[0]
	names, err := adcert.Names(leaf)
	l.Must(err)
	id, found, err := adcert.SID(leaf)
	if err != nil || !found || id != l.holder.SID || !slices.Equal(names.UPNs, []string{alice}) || strings.Contains(leaf.Subject.String(), "Administrator") || len(leaf.DNSNames) != 0 || len(leaf.EmailAddresses) != 0 {
		t.Errorf("%s, %+v, %s", leaf.Subject, names, id)
	}
	if len(chain) != 2 || leaf.CheckSignatureFrom(chain[1]) != nil {
		t.Errorf("chain of %d", len(chain))
	}
	// A key of another user is none of hers.
	l.Person("bob")
	his := l.Key()
	l.AddKey("bob", cng.MarshalRSAPublic(&his.PublicKey), guid.GUID{2})
	if _, err := l.ask(his); !notRegistered(err, "no key receipt") {
		t.Errorf("another's key: %v", err)
	}
	if e := l.Told(event.CRA, "certificate_request_refused"); e.Outcome != event.Refused || e.Reason.Code != adfs.CodeHelloKey || e.Reason.Hint == "" {
		t.Errorf("%+v", e)
	}
}

// The key has not been synchronized yet: the tenant's receipt proves it. Fault 79.
func TestReceipt(t *testing.T) {
	seed.Proves(t, "P5-07")
	seed.Proves(t, "P5-10")
	l := newLab(t)
	key, other := l.Key(), l.Key()
	l.Must(l.Conn.AddValue(edrs.ServiceDN(l.Conn.Base), edrs.AttributeCloudIssuers, string(l.tenant.cert.Raw)))
	l.Advance(time.Minute)
	began := l.Now()
	good := l.receipt(l.tenant, key)
	if _, err := l.ask(key, withReceipt(good)); err != nil {
		t.Fatal(err)
	}
	if got, want := l.steps(began), []string{"certificate_request_received", "registered_keys_queried", "receipt_verified", "request_signed", "request_sent_to_ca", "certificate_returned"}; !slices.Equal(got, want) {
		t.Errorf("steps %v, want %v", got, want)
	}
	if e := l.Told(event.CRA, "certificate_request_received"); e.Message["receipt"] != true || e.Message["key_id"] == "" {
		t.Errorf("%+v", e)
	}
	if _, err := l.ask(key, withReceipt(good)); err != nil {
		t.Errorf("shown again by its holder: %v", err)
	}
	stranger := l.newIssuer()
	for name, c := range map[string]struct{ receipt, part string }{
		"forged":            {l.receipt(&issuer{stranger.key, l.tenant.cert}, key), "no trusted authority"},
		"of another tenant": {l.receipt(stranger, key), "no trusted authority"},
		"of another key":    {l.receipt(l.tenant, other), "of another key"},
		"of another user":   {l.receipt(l.tenant, key, func(r *drs.Receipt) { r.OnPremSID = "S-1-5-21-1-2-3-1104" }), "of another user"},
		"of another device": {l.receipt(l.tenant, key, func(r *drs.Receipt) { r.DeviceID = guid.GUID{9}.String() }), "of another device"},
		"expired":           {l.receipt(l.tenant, key, func(r *drs.Receipt) { r.Expiration = r.IssuedAt }), "not in its life"},
		"for the future":    {l.receipt(l.tenant, key, func(r *drs.Receipt) { r.NotBefore += 60 }), "not in its life"},
		"of nonsense":       {"AAAA", "not a key receipt"},
		"none":              {"", "no key receipt"},
	} {
		if _, err := l.ask(key, withReceipt(c.receipt)); !notRegistered(err, c.part) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A replayed one is of no use to another user of the same device.
	l.holder = l.account(l.Person("bob"), "bob")
	if _, err := l.ask(key, withReceipt(good)); !notRegistered(err, "of another user") {
		t.Errorf("replayed by another: %v", err)
	}
	l.holder = l.account(l.User("alice"), "alice")
	// Once the key is in Active Directory, nobody looks at a receipt.
	l.AddKey("alice", cng.MarshalRSAPublic(&key.PublicKey), guid.GUID{1})
	l.Advance(time.Minute)
	began = l.Now()
	if _, err := l.ask(key, withReceipt("AAAA")); err != nil {
		t.Error(err)
	}
	if slices.Contains(l.steps(began), "receipt_verified") {
		t.Error("a receipt was looked at for a registered key")
	}
}

// On premises there is no tenant: only a registered key counts.
func TestOnPremises(t *testing.T) {
	seed.Proves(t, "P7-02")
	seed.Proves(t, "P7-04")
	l := newLab(t)
	key := l.Key()
	if _, err := l.ask(key, withReceipt(l.receipt(l.tenant, key))); !notRegistered(err, "no tenant's key receipts are trusted") {
		t.Errorf("with a receipt: %v", err)
	}
	if _, err := l.ask(key); !notRegistered(err, "no key receipt") {
		t.Errorf("without: %v", err)
	}
	l.AddKey("alice", cng.MarshalRSAPublic(&key.PublicKey), guid.GUID{1})
	if _, err := l.ask(key, withReceipt(l.receipt(l.tenant, key))); err != nil {
		t.Errorf("registered, the receipt is ignored: %v", err)
	}
}

// The CA does not take the word of an agent that is none, that has ended, or that
// was taken back; its refusal reaches the client. Fault 77.
func TestAgentRefused(t *testing.T) {
	seed.Proves(t, "P5-13")
	seed.Proves(t, "CE-04")
	seed.Proves(t, "COMP-20")
	l := newLab(t)
	key := l.Key()
	l.AddKey("alice", cng.MarshalRSAPublic(&key.PublicKey), guid.GUID{1})
	good := l.agent
	caSays := func(err error, why string) bool {
		return refused(err, adfs.AccessDenied, "", winhello.AgentRefused) && strings.Contains(err.Error(), "0x8009480B") && strings.Contains(err.Error(), why)
	}
	// The CA takes no such request straight from a client.
	if _, err := l.ca.Enroll(t.Context(), ca.HelloAuthentication, l.csr(key)); err == nil {
		t.Error("the CA issued without an agent")
	}
	l.agent = l.newAgent("Machine")
	if _, err := l.ask(key); !caSays(err, "not for enrollment agents") {
		t.Errorf("not an agent: %v", err)
	}
	own := l.newIssuer()
	l.agent = &enroll.Agent{Key: own.key, Certificate: own.cert}
	if _, err := l.ask(key); !refused(err, adfs.AccessDenied, "", "The certificate authority did not ") {
		t.Errorf("self-made: %v", err)
	}
	l.agent = nil
	if _, err := l.ask(key); !refused(err, adfs.AccessDenied, "", "no enrollment agent certificate") {
		t.Errorf("none: %v", err)
	}
	revoked := l.newAgent(ca.HelloEnrollmentAgent)
	l.Must(adcs.Revoke(t.Context(), l.For(issuing), revoked.Certificate.SerialNumber, crl.KeyCompromise))
	l.Must(adcs.Publish(t.Context(), l.For(issuing)))
	l.agent = revoked
	if _, err := l.ask(key); !caSays(err, "is revoked") {
		t.Errorf("revoked: %v", err)
	}
	l.agent = good
	if _, err := l.ask(key); err != nil {
		t.Errorf("a good agent: %v", err)
	}
	l.Advance(3 * 365 * 24 * time.Hour)
	l.Must(l.Due(t.Context(), issuing))
	if _, err := l.ask(key); !caSays(err, "not in its life") {
		t.Errorf("expired: %v", err)
	}
	if e := l.Told(event.CRA, "certificate_request_refused"); e.Reason.Hint == "" {
		t.Errorf("%+v", e)
	}
}

// Fault 78: what is no request signed with its own key.
func TestRequestRefused(t *testing.T) {
	l := newLab(t)
	key := l.Key()
	l.AddKey("alice", cng.MarshalRSAPublic(&key.PublicKey), guid.GUID{1})
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	l.Must(err)
	broken := bytes.Clone(l.csr(key))
	broken[len(broken)-1] ^= 1
	huge := make([]byte, 16<<10)
	for name, change := range map[string]func(*winhello.Request){
		"another form": func(r *winhello.Request) {
			r.CSRType = "http://schemas.microsoft.com/windows/pki/2009/01/enrollment#PKCS7"
		},
		"no form":       func(r *winhello.Request) { r.CSRType = "" },
		"none":          func(r *winhello.Request) { r.CSR = "" },
		"no base64":     func(r *winhello.Request) { r.CSR = "!" },
		"bad signature": func(r *winhello.Request) { r.CSR = winhello.NewRequest(broken).CSR },
		"small key":     func(r *winhello.Request) { r.CSR = winhello.NewRequest(l.csr(small)).CSR },
		"huge":          func(r *winhello.Request) { r.CSR = winhello.NewRequest(huge).CSR },
	} {
		if _, err := l.ask(key, change); !refused(err, adfs.InvalidRequest, "", "certificate request") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A user that is gone gets nothing.
	l.Must(l.Conn.Delete(l.User("alice").DN))
	if _, err := l.ask(key); !refused(err, adfs.InvalidGrant, adfs.CodeAccountValidation, "") {
		t.Errorf("a deleted user: %v", err)
	}
}

// The registration service's hint chooses the controller; a false one is none.
func TestControllerHint(t *testing.T) {
	l := newLab(t)
	key := l.Key()
	l.AddKey("alice", cng.MarshalRSAPublic(&key.PublicKey), guid.GUID{1})
	var asked []string
	inner := l.service.Directory
	l.service.Directory = func(ctx context.Context, controller string) (*adldap.Conn, error) {
		asked = append(asked, controller)
		if controller == "dc9."+farmtest.DNSName {
			return nil, &net.DNSError{Err: "no such host", Name: controller}
		}
		return inner(ctx, controller)
	}
	sign := func(by *issuer, host string) string {
		text, err := edrs.ProvisioningContext{DomainController: host}.Sign(rand.Reader, by.key, by.cert)
		l.Must(err)
		return text
	}
	own := l.newIssuer()
	l.Must(l.Conn.AddValue(edrs.ServiceDN(l.Conn.Base), edrs.AttributePublic, string(own.cert.Raw)))
	for _, c := range []struct {
		name, pctx string
		want       []string
	}{
		{"good", sign(own, l.Account.Controller), []string{"", l.Account.Controller}},
		{"gone", sign(own, "dc9."+farmtest.DNSName), []string{"", "dc9." + farmtest.DNSName}},
		{"forged", sign(l.tenant, "dc9."+farmtest.DNSName), []string{""}},
		{"nonsense", "AAAA", []string{""}},
	} {
		asked = nil
		if _, err := l.ask(key, func(r *winhello.Request) { r.ProvisioningContext = c.pctx }); err != nil || !slices.Equal(asked, c.want) {
			t.Errorf("%s: asked %q, %v", c.name, asked, err)
		}
	}
}
