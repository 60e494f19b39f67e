package adcs_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"slices"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/adcs/ca"
	"hellolab/providers/administer"
	"hellolab/providers/conformance"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/cms"
	"hellolab/providers/wire/enroll"
	"hellolab/providers/wire/gss"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/member"
	"hellolab/providers/wire/sid"
	"hellolab/providers/wire/wstep"
)

// issuing is the address of the authority of these tests.
const issuing = "authority.issuing"

// server is a member of the domain that asks for certificates.
type server struct {
	t       testing.TB
	env     providers.Env
	sid     sid.SID
	client  *enroll.Client
	service enroll.Service
}

// newServer joins a server to the domain.
func newServer(t testing.TB, e *conformance.Env, admin *adldap.Conn, host string) *server {
	t.Helper()
	d := conformance.Get[spec.Domain, spec.DomainOut](e, corp)
	env := e.For("federation.sts")
	if env.Rand == nil {
		env.Rand = rand.Reader
	}
	account := member.Account{Realm: d.Out.Realm, Controller: d.Out.Hosts[0], Base: d.Out.DN, Host: host}
	var err error
	if account.Password, err = member.NewPassword(rand.Reader); err != nil {
		t.Fatal(err)
	}
	joined, err := account.Join(admin)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, env: env}
	if s.sid, err = sid.Decode(joined.Bytes("objectSid")); err != nil {
		t.Fatal(err)
	}
	services, err := enroll.Published(admin)
	if err != nil || len(services) == 0 {
		t.Fatalf("%v, %v", services, err)
	}
	s.service = services[0]
	roots, err := enroll.Roots(admin)
	if err != nil {
		t.Fatal(err)
	}
	s.client = &enroll.Client{Env: env, Roots: enroll.Pool(roots), Ticket: func(ctx context.Context, host string) (gss.Credential, error) {
		return account.Ticket(ctx, env, krb.Service("HTTP", host))
	}}
	return s
}

func newKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func csr(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func refused(err error, code ca.Code) bool {
	var f *wstep.Fault
	return errors.As(err, &f) && ca.Code(f.Code) == code
}

// admin signs in to the domain as its administrator.
func admin(t testing.TB, e *conformance.Env) *adldap.Conn {
	t.Helper()
	c, _, err := administer.Directory(t.Context(), e.For(issuing), corp)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// A federation's server becomes an enrollment agent once an administrator lets
// it, and gets a sign-in certificate for a user whose names the directory says.
// The right stays when the authority's declaration changes.
func TestServerBecomesAgent(t *testing.T) {
	e := newDomain(t)
	e.Create(issuing, spec.Authority{Domain: corp, CommonName: "Contoso Issuing CA", NTAuth: true, OCSP: true})
	e.Create("user.alice", spec.User{UPN: "alice@corp.contoso.com", Domain: corp, Password: providers.Secret("Correct-Horse-7"), EnabledInDomain: true, PasswordVersion: 1})
	c := admin(t, e)
	sts := newServer(t, e, c, "sts.corp.contoso.com")
	key := newKey(t)
	if _, err := sts.client.Enroll(t.Context(), sts.service, ca.HelloEnrollmentAgent, csr(t, key)); !refused(err, ca.CodeTemplateDenied) {
		t.Errorf("before it may: %v", err)
	}
	for range 2 {
		if err := enroll.Grant(c, ca.HelloEnrollmentAgent, sts.sid); err != nil {
			t.Fatal(err)
		}
	}
	e.Update(issuing, spec.Authority{Domain: corp, CommonName: "Contoso Issuing CA", NTAuth: true, OCSP: true, Templates: map[string]*spec.AuthorityTemplate{
		ca.HelloEnrollmentAgent: {Enabled: true, Enroll: []providers.Ref{"group.staff"}}}})
	e.Update(issuing, spec.Authority{Domain: corp, CommonName: "Contoso Issuing CA", NTAuth: true, OCSP: true})
	chain, err := sts.client.Enroll(t.Context(), sts.service, ca.HelloEnrollmentAgent, csr(t, key))
	if err != nil {
		t.Fatal(err)
	}
	agent := chain[0]
	if !adcert.HasEKU(agent, adcert.EKUCertificateRequestAgent) || agent.Subject.CommonName != "STS" || agent.NotAfter.Sub(e.Now()) < 700*24*time.Hour {
		t.Errorf("the agent's certificate: %s until %s", agent.Subject, agent.NotAfter)
	}
	a := &enroll.Agent{Key: key, Certificate: agent}
	hers := newKey(t)
	request, err := a.Sign(rand.Reader, `CORP\alice`, ca.HelloAuthentication, csr(t, hers))
	if err != nil {
		t.Fatal(err)
	}
	issued, err := sts.client.Submit(t.Context(), sts.service, request)
	if err != nil {
		t.Fatal(err)
	}
	leaf := issued.Chain[0]
	names, err := adcert.Names(leaf)
	if err != nil || !slices.Equal(names.UPNs, []string{"alice@corp.contoso.com"}) || !hers.PublicKey.Equal(leaf.PublicKey) || len(issued.Chain) != 2 {
		t.Errorf("%+v, %v, chain of %d", names, err, len(issued.Chain))
	}
	full, err := cms.ParseSignedData(issued.CMC)
	if err != nil || full.Verify(issued.Chain[1].PublicKey, cms.Accept{}) != nil {
		t.Errorf("full response: %v", err)
	}
	if err := enroll.Withdraw(c, ca.HelloEnrollmentAgent, sts.sid); err != nil {
		t.Fatal(err)
	}
	if _, err := sts.client.Enroll(t.Context(), sts.service, ca.HelloEnrollmentAgent, csr(t, key)); !refused(err, ca.CodeTemplateDenied) {
		t.Errorf("after the right was withdrawn: %v", err)
	}
	rights, err := enroll.RightsOf(c, ca.HelloEnrollmentAgent)
	if err != nil {
		t.Fatal(err)
	}
	staff := conformance.Get[spec.Group, spec.GroupOut](e, "group.staff")
	for _, entry := range rights.Entries {
		if entry.SID.String() == staff.Out.SID {
			t.Error("what the authority no longer declares stays granted")
		}
	}
}
