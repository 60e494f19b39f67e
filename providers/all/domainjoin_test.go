package all_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"hellolab/providers"
	"hellolab/providers/conformance"
	"hellolab/providers/spec"
	"hellolab/providers/windows/domainjoin"
	"hellolab/providers/windows/kerberos"
	"hellolab/providers/windows/ksp"
	"hellolab/providers/windows/position"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/member"
)

// joiner is what a join needs to know of a domain.
func (l *domainLab) joiner(m *pc) (providers.Env, domainjoin.Domain, domainjoin.Administrator) {
	l.t.Helper()
	env := l.For("domain.corp")
	env.Network = m.Network.(position.Network)
	d := conformance.Get[spec.Domain, spec.DomainOut](l.Env, "domain.corp")
	account, _, _ := strings.Cut(d.Out.AdminUPN, "@")
	return env, domainjoin.Domain{Name: d.In.DNSName, Realm: d.Out.Realm, Base: d.Out.DN}, domainjoin.Administrator{Account: account, Password: d.Out.AdminPassword}
}

func machinePassword(t testing.TB) string {
	t.Helper()
	p, err := member.NewPassword(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A machine joins, signs in with its own account, and writes the certificate
// of a hybrid join to its own object, and to no other.
func TestDomainJoin(t *testing.T) {
	l := newCorpLab(t, spec.Domain{}, spec.Authority{})
	m := l.pc("onsite")
	env, d, by := l.joiner(m)
	name, version := domainjoin.OperatingSystem("windows-11-24h2")
	computer := domainjoin.Computer{Name: "laptop", OS: name, OSVersion: version, Password: machinePassword(t)}
	j, err := domainjoin.Join(t.Context(), env, m, d, by, computer)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := json.Marshal(j); err != nil || json.Unmarshal(text, j) != nil {
		t.Fatalf("it cannot be stored: %v", err)
	}
	s, err := m.SignInComputer(t.Context(), j.Account.Name(), computer.Password)
	if err != nil || s.TGT.Client.String() != "LAPTOP$" || s.NTHash != nil {
		t.Fatalf("the machine's sign-in: %+v, %v", s, err)
	}
	for _, spn := range []string{"host/laptop.corp.contoso.com", "HOST/LAPTOP", "RestrictedKrbHost/laptop"} {
		class, host, _ := strings.Cut(spn, "/")
		if _, err := m.Ticket(t.Context(), s, krb.Service(class, host)); err != nil {
			t.Errorf("%s: %v", spn, err)
		}
	}
	own, err := j.Directory(t.Context(), env, m)
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	e, err := own.Read(adldap.ByGUID(j.ObjectGUID), "cn", "dNSHostName", "operatingSystem", "operatingSystemVersion", "userAccountControl")
	if err != nil || e.Text("cn") != "LAPTOP" || e.Text("dNSHostName") != "laptop.corp.contoso.com" || e.Text("userAccountControl") != "4096" ||
		e.Text("operatingSystem") != "Windows 11 Enterprise" || e.Text("operatingSystemVersion") != "10.0 (26100)" {
		t.Errorf("the object: %v, %v", e, err)
	}

	h := newHello(t)
	signer, err := ksp.Signer(t.Context(), h.ksp, h.key, []byte(pin))
	if err != nil {
		t.Fatal(err)
	}
	if found, err := j.Published(own); err != nil || len(found) != 0 {
		t.Errorf("before: %d certificates, %v", len(found), err)
	}
	var der []byte
	for range 2 { // the second takes the first one's place
		if der, err = domainjoin.NewCertificate(rand.Reader, signer, j.ObjectGUID, l.Now()); err != nil {
			t.Fatal(err)
		}
		if err := j.Publish(own, der); err != nil {
			t.Fatal(err)
		}
	}
	found, err := j.Published(own)
	if err != nil || len(found) != 1 || !bytes.Equal(found[0], der) {
		t.Fatalf("%d certificates, %v", len(found), err)
	}
	cert, err := x509.ParseCertificate(found[0])
	if err != nil || cert.Subject.CommonName != j.ObjectGUID || cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) != nil ||
		!cert.PublicKey.(*rsa.PublicKey).Equal(signer.Public()) || l.Now().Before(cert.NotBefore) {
		t.Errorf("the certificate: %v, %v", cert, err)
	}
	other := computer
	other.Name, other.Password = "desk", machinePassword(t)
	o, err := domainjoin.Join(t.Context(), env, m, d, by, other)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Publish(own, der); !adldap.IsCode(err, ldapmsg.InsufficientAccessRights) {
		t.Errorf("another's object: %v", err)
	}
	roots, between, err := domainjoin.Authorities(own)
	if err != nil || len(roots) != 1 || !roots[0].Equal(l.root()) {
		t.Errorf("%d roots, %d further authorities, %v", len(roots), len(between), err)
	}

	// Disabled, enabled, joined anew after an interruption, and gone.
	if err := domainjoin.Change(t.Context(), env, m, d, by, *j, false, "Windows 11 Enterprise", "10.0 (26100)"); err != nil {
		t.Fatal(err)
	}
	_, err = m.SignInComputer(t.Context(), "LAPTOP$", computer.Password)
	refuses(t, "disabled", err, kerberos.PhaseAS, "STATUS_ACCOUNT_DISABLED", krb.ErrClientRevoked)
	if err := domainjoin.Change(t.Context(), env, m, d, by, *j, true, "Windows 11 Enterprise", "10.0 (26100)"); err != nil {
		t.Fatal(err)
	}
	again := computer
	again.Password = machinePassword(t)
	if n, err := domainjoin.Join(t.Context(), env, m, d, by, again); err != nil || n.ObjectGUID != j.ObjectGUID || n.SID != j.SID {
		t.Errorf("joined again as %+v, %v", n, err)
	}
	_, err = m.SignInComputer(t.Context(), "LAPTOP$", computer.Password)
	refuses(t, "the old password", err, kerberos.PhaseAS, "STATUS_WRONG_PASSWORD", krb.ErrPreauthFailed)
	for range 2 {
		if err := domainjoin.Leave(t.Context(), env, m, d, by, *j); err != nil {
			t.Fatal(err)
		}
	}
	_, err = m.SignInComputer(t.Context(), "LAPTOP$", again.Password)
	refuses(t, "after leaving", err, kerberos.PhaseAS, "STATUS_NO_SUCH_USER", krb.ErrClientUnknown)
}

// Joins that are refused.
func TestDomainJoinRefusals(t *testing.T) {
	l := newCorpLab(t, spec.Domain{}, spec.Authority{})
	m := l.pc("onsite")
	env, d, by := l.joiner(m)
	c := domainjoin.Computer{Name: "PC1", OS: "x", OSVersion: "x", Password: machinePassword(t)}
	for _, name := range []string{"", "a.b", "sixteen-letters1", "12345", "-pc", "pc one", "pç"} {
		bad := c
		bad.Name = name
		if _, err := domainjoin.Join(t.Context(), env, m, d, by, bad); !errors.Is(err, domainjoin.ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
	user := domainjoin.Administrator{Account: "alice", Password: first}
	if _, err := domainjoin.Join(t.Context(), env, m, d, user, c); !adldap.IsCode(err, ldapmsg.InsufficientAccessRights) {
		t.Errorf("by a user: %v", err)
	}
	by.Password = "wrong"
	if _, err := domainjoin.Join(t.Context(), env, m, d, by, c); !errors.Is(err, krb.ErrPreauthFailed) {
		t.Errorf("by a wrong password: %v", err)
	}
	away := l.pc("internet")
	env, d, by = l.joiner(away)
	if _, err := domainjoin.Join(t.Context(), env, away, d, by, c); !errors.As(err, new(*position.NoLineOfSight)) {
		t.Errorf("away: %v", err)
	}
	if err := domainjoin.Leave(t.Context(), env, away, d, by, domainjoin.Joined{}); !errors.As(err, new(*position.NoLineOfSight)) {
		t.Errorf("leaving, away: %v", err)
	}
}
