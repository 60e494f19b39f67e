package entra

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/conformance"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/wire/fedmeta"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/saml"
	"hellolab/providers/wire/web"
)

const (
	stsHost   = "sts.contoso.com"
	stsIssuer = "http://" + stsHost + "/adfs/services/trust"
)

// anchorOf is a user's ImmutableID.
func anchorOf(upn string) string { return base64.StdEncoding.EncodeToString([]byte(upn)) }

// sts is a federation service for tests: it publishes metadata, and says of
// anybody what a test wants it to say.
type sts struct {
	now func() time.Time

	mu     sync.Mutex
	keys   []*rsa.PrivateKey   // newest first; the first signs
	certs  []*x509.Certificate // published
	silent bool                // metadata is not answered
	asked  int                 // times that metadata was read
}

// kind makes the service an object of the lab.
func (f *sts) kind() providers.Type {
	return providers.Of(providers.Kind[spec.Federation, spec.FederationOut]{
		Name: "federation", Doc: "A federation service for tests.",
		Hosts: func(providers.Object[spec.Federation, spec.FederationOut]) []string { return []string{stsHost} },
		Create: func(context.Context, providers.Env, spec.Federation) (spec.FederationOut, error) {
			return spec.FederationOut{Issuer: stsIssuer, Host: stsHost}, nil
		},
		Open: func(ctx context.Context, env providers.Env, _ providers.Object[spec.Federation, spec.FederationOut]) (providers.Service, error) {
			cert, err := web.Certificate(ctx, env, []string{stsHost})
			if err != nil {
				return nil, err
			}
			return web.Serve(ctx, env, []string{stsHost}, cert, f)
		},
	})
}

func (f *sts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch r.URL.Path {
	case fedmeta.Path:
		if f.asked++; f.silent {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		m := fedmeta.Metadata{Issuer: stsIssuer, Signing: f.certs, Passive: "https://" + stsHost + "/adfs/ls/",
			Active: "https://" + stsHost + "/adfs/services/trust/2005/usernamemixed", MEX: "https://" + stsHost + "/adfs/services/trust/mex"}
		document, err := m.Marshal("_1", f.keys[0])
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = w.Write(document)
	default:
		http.NotFound(w, r)
	}
}

// roll makes a new token-signing key, published before the former.
func (f *sts) roll(t testing.TB) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(int64(len(f.certs) + 1)), Subject: pkix.Name{CommonName: "ADFS Signing - " + stsHost},
		NotBefore: f.now().Add(-time.Hour), NotAfter: f.now().AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keys, f.certs = append([]*rsa.PrivateKey{key}, f.keys...), append([]*x509.Certificate{cert}, f.certs...)
}

// federatedBench is a federated tenant with a service that the test plays.
type federatedBench struct {
	*bench
	sts *sts
}

func newFederated(t testing.TB, change ...func(*spec.Tenant)) *federatedBench {
	t.Helper()
	f := &sts{}
	e := conformance.NewEnv(t, append(Types(), f.kind())...)
	f.now = e.Now
	f.roll(t)
	e.Create("federation.sts", spec.Federation{Kind: spec.FederationThirdParty, Host: stsHost, Enabled: true})
	change = append([]func(*spec.Tenant){func(in *spec.Tenant) {
		in.Authentication, in.Federation = authenticationFederated, "federation.sts"
	}}, change...)
	b := &federatedBench{sts: f, bench: benchOf(t, e, contoso, "contoso.com", change...)}
	return b
}

// assertion is what the service says of alice, changed as a test wants.
func (b *federatedBench) assertion(change ...func(*saml.Assertion)) *saml.Assertion {
	b.t.Helper()
	id, err := guid.New(rand.Reader)
	b.must(err)
	now := b.Now()
	a := &saml.Assertion{ID: "_" + id.String(), Issuer: stsIssuer, IssueInstant: now, NotBefore: now, NotOnOrAfter: now.Add(time.Hour), Audience: saml.AudienceMicrosoftOnline,
		NameID: anchorOf(aliceUPN), Method: saml.MethodPassword, AuthInstant: now,
		Attributes: []saml.Attribute{{Claim: saml.ClaimUPN, Values: []string{aliceUPN}}, {Claim: saml.ClaimImmutableID, Values: []string{anchorOf(aliceUPN)}}}}
	for _, c := range change {
		c(a)
	}
	return a
}

func withMFA(a *saml.Assertion) {
	a.Attributes = append(a.Attributes, saml.Attribute{Claim: saml.ClaimMethods, Values: []string{saml.MethodPassword, saml.MethodMultiple}})
}

// signed signs with the service's newest key.
func (b *federatedBench) signed(change ...func(*saml.Assertion)) []byte {
	b.t.Helper()
	raw, err := b.assertion(change...).Sign(b.sts.keys[0], b.sts.certs[0])
	b.must(err)
	return raw
}

// federatedToken redeems an assertion for a token of Graph.
func (b *federatedBench) federatedToken(raw []byte, code oauth.Code) *oauth.TokenResponse {
	b.t.Helper()
	tokens, err := b.token(oauth.TokenRequest{GrantType: oauth.GrantSAML11, ClientID: oauth.ClientAzureCLI, Resource: oauth.ResourceGraph, Assertion: oauth.EncodeAssertion(raw)})
	want(b.t, err, code)
	return tokens
}

// What a federated tenant says of itself.
func TestFederatedTenant(t *testing.T) {
	b := newFederated(t)
	domains, err := graph.Get[graph.Page[graph.Domain]](t.Context(), b.admin, "domains")
	b.must(err)
	if len(domains.Value) != 1 || domains.Value[0].AuthenticationType != graph.DomainFederated {
		t.Errorf("domains %+v", domains)
	}
	settings, err := graph.Get[graph.Page[graph.InternalDomainFederation]](t.Context(), b.admin, "domains", "contoso.com", "federationConfiguration")
	b.must(err)
	if s := settings.Value[0]; s.IssuerURI != stsIssuer || s.PassiveSignInURI != "https://"+stsHost+"/adfs/ls/" || string(s.SigningCertificate) != string(b.sts.certs[0].Raw) ||
		s.NextSigningCertificate != nil || s.MFABehavior != graph.BehaviorAccept || s.CertificateUpdate.LastRun != graph.Time(b.Now()) {
		t.Errorf("settings %+v", s)
	}
	for path, want := range map[string]string{
		"/common/UserRealm/" + aliceUPN + "?api-version=1.0":     `"account_type":"Federated"`,
		"/common/userrealm/" + aliceUPN + "?api-version=2.1":     `"NameSpaceType":"Federated"`,
		"/common/userrealm/eve@elsewhere.org?api-version=1.0":    `"account_type":"Unknown"`,
		"/common/userrealm/x@contoso.com?api-version=1.0&":       `"federation_metadata_url":"https://sts.contoso.com/adfs/services/trust/mex"`,
		"/common/userrealm/" + aliceUPN + "?api-version=2.0":     `https://sts.contoso.com/adfs/ls/?username=alice%40contoso.com`,
		"/common/userrealm/" + bobUPN + "?api-version=1.0":       `"federation_protocol":"WSTrust"`,
		"/common/UserRealm/" + bobUPN + "?api-version=1.0&x=1":   `"federation_active_auth_url":"https://sts.contoso.com/adfs/services/trust/2005/usernamemixed"`,
		"/common/UserRealm/alice%40contoso.com?api-version=1.0&": `"cloud_audience_urn":"urn:federation:MicrosoftOnline"`,
	} {
		req, err := http.NewRequest(http.MethodGet, "https://"+b.out.LoginHost+path, nil)
		b.must(err)
		if body := string(b.send(req).Body); !strings.Contains(body, want) {
			t.Errorf("%s: %s", path, body)
		}
	}
	// A user whom the service cannot name is none of a federated domain.
	_, err = graph.Post[graph.User](t.Context(), b.admin, graph.User{UserPrincipalName: "carol@contoso.com"}, "users")
	var refusal *graph.Error
	if !errors.As(err, &refusal) || refusal.Code != graph.CodeBadRequest {
		t.Errorf("a user without an ImmutableID: %v", err)
	}
	_, err = graph.Post[graph.User](t.Context(), b.admin, graph.User{UserPrincipalName: "carol@contoso.com", OnPremises: graph.OnPremises{ImmutableID: anchorOf(aliceUPN)}}, "users")
	if err == nil {
		t.Error("two users have one ImmutableID")
	}
}

// Fault 89: a new token-signing key is learned from the metadata, once a day;
// until then what it signs is refused, and a service that does not answer is a
// warning.
func TestSigningRollover(t *testing.T) {
	b := newFederated(t)
	b.federatedToken(b.signed(withMFA), 0)
	former := b.sts.certs[0]
	b.sts.roll(t)
	b.federatedToken(b.signed(withMFA), oauth.AssertionInvalid)
	look := func(unknown, trouble, stale bool) {
		t.Helper()
		at, err := LookFederation(t.Context(), b.For(contoso))
		b.must(err)
		if at.Unknown != unknown || (at.Trouble != nil) != trouble || at.Stale(b.Now()) != stale {
			t.Errorf("seen from outside: %+v", at)
		}
	}
	look(true, false, false)
	asked := b.sts.asked
	b.must(b.Due(t.Context(), contoso))
	if b.sts.asked != asked {
		t.Error("metadata is read before it is due")
	}
	b.Advance(refreshEvery)
	b.sts.silent = true
	if err := b.Due(t.Context(), contoso); err == nil {
		t.Error("stale metadata is no warning")
	}
	look(false, true, false)
	b.federatedToken(b.signed(withMFA), oauth.AssertionInvalid)
	b.sts.silent = false
	b.must(b.Due(t.Context(), contoso))
	look(false, false, false)
	b.federatedToken(b.signed(withMFA), 0)
	// The former key is good as long as it is published.
	byFormer := func() []byte {
		raw, err := b.assertion(withMFA).Sign(b.sts.keys[1], former)
		b.must(err)
		return raw
	}
	b.federatedToken(byFormer(), 0)
	b.sts.mu.Lock()
	b.sts.certs = b.sts.certs[:1]
	b.sts.mu.Unlock()
	b.Advance(refreshEvery)
	b.must(b.Due(t.Context(), contoso))
	b.federatedToken(byFormer(), oauth.AssertionInvalid)
	b.federatedToken(b.signed(withMFA), 0)
	// Where metadata cannot be read, the administrator says the certificate.
	b.signInAdmin()
	path := []string{"domains", "contoso.com", "federationConfiguration", b.out.TenantID}
	b.must(b.admin.Patch(t.Context(), graph.InternalDomainFederation{NextSigningCertificate: former.Raw}, path...))
	b.federatedToken(byFormer(), 0)
	for _, bad := range []graph.InternalDomainFederation{{}, {IssuerURI: "http://x"}, {SigningCertificate: []byte("x")}} {
		if err := b.admin.Patch(t.Context(), bad, path...); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

func stepsOf(events []event.Event) []string {
	steps := make([]string, len(events))
	for i, e := range events {
		steps[i] = e.Step
	}
	return steps
}
