package ces_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"hellolab/providers/adcs/ca"
	"hellolab/providers/adcs/ces"
	"hellolab/providers/conformance"
	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/cmc"
	"hellolab/providers/wire/cms"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/sid"
	"hellolab/providers/wire/wstep"
)

var (
	ctx    = context.Background()
	domain = sid.New(5, 21, 10, 20, 30)
)

// directory is the accounts of a test. Clients say who they are.
var directory = map[string]*ca.Requester{
	`CORP\alice`: {SID: domain.Account(1104), Groups: []sid.SID{domain.Account(sid.RIDDomainUsers)}, Name: `CORP\alice`, DN: "CN=Alice,DC=corp", UPN: "alice@corp.example"},
	`CORP\adfs$`: {SID: domain.Account(1200), Groups: []sid.SID{domain.Account(sid.RIDDomainAdmins)}, Name: `CORP\adfs$`, DN: "CN=ADFS,DC=corp", UPN: "adfs$@corp.example"},
}

func lookup(_ context.Context, account string) (*ca.Requester, error) {
	if r, ok := directory[account]; ok {
		return r, nil
	}
	return nil, ces.NoSuchAccount(account)
}

type world struct {
	*ca.CA
	url string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	templates := ca.Builtin(domain, guid.GUID{})
	for _, u := range templates {
		if u.Name == ca.User {
			u.Name, u.Enrollment = "Approved", ca.PendAllRequests
			templates = append(templates, u)
		}
	}
	env := ca.Env{Section: conformance.NewEnv(t).For("authority.issuing").Section, Now: func() time.Time { return conformance.Began }, Rand: rand.Reader}
	authority, err := ca.Create(ctx, env, ca.Config{CommonName: "Issuing CA", Domain: "corp.example", Host: "ca.corp.example"}, nil, templates)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(&wstep.Server[ca.Requester]{
		Authenticate: func(_ http.Header, r *http.Request) (ca.Requester, error) {
			name, _, _ := r.BasicAuth()
			who, err := lookup(ctx, `CORP\`+name)
			if err != nil {
				return ca.Requester{}, err
			}
			return *who, nil
		},
		Enroller: &ces.Service{CA: authority, Lookup: lookup, URL: "https://ca.corp.example" + ces.Path(authority)},
		Fail:     func(err error) { t.Errorf("server: %v", err) },
	})
	t.Cleanup(server.Close)
	return &world{authority, server.URL}
}

func (w *world) client(name string) *wstep.Client {
	return &wstep.Client{HTTP: http.DefaultClient, URL: strings.Replace(w.url, "://", "://"+name+":x@", 1), Rand: rand.Reader}
}

func key(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func csr(t *testing.T, k *rsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, k)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func code(err error) ca.Code {
	var f *wstep.Fault
	if !errors.As(err, &f) {
		return 0
	}
	return ca.Code(f.Code)
}

func TestEnroll(t *testing.T) {
	w := newWorld(t)
	alice, k := w.client("alice"), key(t)
	got, err := alice.Enroll(ctx, csr(t, k), false, ca.User)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(got.Certificate)
	if err != nil || cert.CheckSignatureFrom(w.Certificate()) != nil {
		t.Fatal(err)
	}
	if s, _, err := adcert.SID(cert); err != nil || s != directory[`CORP\alice`].SID {
		t.Errorf("it is %s's, %v", s, err)
	}
	full, err := cms.ParseSignedData(got.CMC)
	if err != nil || full.Verify(w.Certificate().PublicKey, cms.Accept{}) != nil {
		t.Errorf("full response: %v", err)
	}
	if _, err := alice.Enroll(ctx, csr(t, k), false, ca.SmartcardLogon); code(err) != ca.CodeTemplateDenied {
		t.Errorf("not hers: %v", err)
	}
	if _, err := w.client("mallory").Enroll(ctx, csr(t, k), false, ca.User); !errors.Is(err, wstep.ErrAuthentication) {
		t.Errorf("nobody: %v", err)
	}
	if _, err := alice.Enroll(ctx, []byte("?"), false, ca.User); code(err) != ca.CodeSyntax {
		t.Errorf("no request: %v", err)
	}
}

func TestPending(t *testing.T) {
	w := newWorld(t)
	alice := w.client("alice")
	got, err := alice.Enroll(ctx, csr(t, key(t)), false, "Approved")
	if err != nil || !got.Pending() || got.Reference != "https://ca.corp.example/Issuing CA_CES_Kerberos/service.svc/CES" {
		t.Fatalf("%+v, %v", got, err)
	}
	if again, err := alice.Status(ctx, got.RequestID); err != nil || !again.Pending() {
		t.Errorf("%+v, %v", again, err)
	}
	id, err := strconv.Atoi(got.RequestID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Resubmit(ctx, id); err != nil {
		t.Fatal(err)
	}
	if again, err := alice.Status(ctx, got.RequestID); err != nil || again.Pending() {
		t.Errorf("%+v, %v", again, err)
	}
	if _, err := w.client("adfs$").Status(ctx, got.RequestID); code(err) != ca.CodeAccessDenied {
		t.Errorf("somebody else's: %v", err)
	}
	for _, id := range []string{"99", "x", "-1"} {
		if _, err := alice.Status(ctx, id); code(err) != ca.CodePropertyEmpty {
			t.Errorf("%s: %v", id, err)
		}
	}
}

// The agent of AD FS asks for alice, and gets what the directory says of her.
func TestOnBehalf(t *testing.T) {
	w := newWorld(t)
	adfs, agentKey := w.client("adfs$"), key(t)
	got, err := adfs.Enroll(ctx, csr(t, agentKey), false, ca.EnrollmentAgent)
	if err != nil {
		t.Fatal(err)
	}
	agent, err := x509.ParseCertificate(got.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(account string) (*wstep.Response, error) {
		content, err := cmc.Request{CSR: csr(t, agentKey), Pairs: map[string]string{cmc.RequesterName: account, cmc.CertificateTemplate: ca.HelloAuthentication}}.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		signed, err := cms.Signer{Key: agentKey, Certificates: []*x509.Certificate{agent}}.Sign(rand.Reader, cmc.PKIData, content)
		if err != nil {
			t.Fatal(err)
		}
		return adfs.Enroll(ctx, cms.ContentInfo(cms.SignedDataOID, signed), true, "")
	}
	if got, err = ask(`CORP\alice`); err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(got.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	names, err := adcert.Names(cert)
	if err != nil || len(names.UPNs) != 1 || names.UPNs[0] != "alice@corp.example" || !adcert.HasEKU(cert, adcert.EKUSmartCardLogon) {
		t.Errorf("%+v, %v", names, err)
	}
	if _, err := ask(`CORP\nobody`); code(err) != ca.CodeBadRequestSubject {
		t.Errorf("nobody: %v", err)
	}
}
