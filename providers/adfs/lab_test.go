package adfs_test

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"testing"

	"hellolab/providers"
	"hellolab/providers/adcs"
	"hellolab/providers/adds"
	"hellolab/providers/adfs"
	"hellolab/providers/conformance"
	"hellolab/providers/entra"
	"hellolab/providers/event"
	"hellolab/providers/identity"
	"hellolab/providers/spec"
	wire "hellolab/providers/wire/adfs"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/gss"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/krbclient"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/sas"
	"hellolab/providers/wire/web"
)

const (
	alice    = "alice@contoso.com"
	password = "Correct horse 7 battery"
	appID    = "6c0e9d0e-0b6f-4b0e-9a3e-3f6d0a7f0001"
	redirect = "http://localhost/callback"
	resource = "https://files.contoso.com"
)

var totp = []byte("12345678901234567890")

// lab is a federation service with an account that may sign in, and a client.
type lab struct {
	*conformance.Env
	tb   testing.TB
	http *http.Client
	host string
}

// newLab is AD FS on a domain, changed by an author.
func newLab(tb testing.TB, change ...func(*spec.Federation)) *lab {
	tb.Helper()
	var kinds []providers.Type
	for _, list := range [][]providers.Type{adds.Types(), adcs.Types(), adfs.Types(), entra.Types(), identity.Types()} {
		kinds = append(kinds, list...)
	}
	l := &lab{Env: conformance.NewEnv(tb, kinds...), tb: tb, host: host}
	l.Create(corp, spec.Domain{DNSName: "corp.contoso.com", NetBIOSName: "CORP"})
	l.Create("user.alice", spec.User{UPN: alice, Domain: corp, Password: providers.Secret(password)})
	l.federate(spec.Federation{Domain: corp}, change...)
	return l
}

// newThirdParty is another vendor's service, with the same account.
func newThirdParty(tb testing.TB, change ...func(*spec.Federation)) *lab {
	tb.Helper()
	l := &lab{Env: conformance.NewEnv(tb, append(adfs.Types(), entra.Types()...)...), tb: tb, host: "idp.example.com"}
	l.federate(spec.Federation{Kind: spec.FederationThirdParty, Host: l.host}, change...)
	return l
}

func (l *lab) federate(f spec.Federation, change ...func(*spec.Federation)) {
	l.tb.Helper()
	for _, c := range change {
		c(&f)
	}
	l.Create(service, f)
	l.http = web.Client(l.For(service))
	l.tb.Cleanup(l.http.CloseIdleConnections)
	ctx, a := l.tb.Context(), l.admin()
	account := wire.Account{UPN: alice, TOTPSecret: totp}
	if f.Kind == spec.FederationThirdParty {
		account.Password, account.ImmutableID, account.Name = password, "immutable-alice", "Alice"
	}
	l.must(a.SetAccount(ctx, l.For(service), account))
	l.must(a.SetApplication(ctx, l.For(service), wire.Application{ID: appID, Name: "Files", Resource: resource, RedirectURIs: []string{redirect}}))
}

func (l *lab) admin() wire.Admin {
	return wire.Admin{Host: l.host, Secret: l.out().AdminSecret}
}

func (l *lab) out() spec.FederationOut {
	l.tb.Helper()
	return conformance.Get[spec.Federation, spec.FederationOut](l.Env, service).Out
}

func (l *lab) must(err error) {
	l.tb.Helper()
	if err != nil {
		l.tb.Fatal(err)
	}
}

// send sends a request and reads the answer.
func (l *lab) send(method, target string, body []byte, header http.Header) web.Reply {
	l.tb.Helper()
	req, err := http.NewRequestWithContext(l.tb.Context(), method, target, bytes.NewReader(body))
	l.must(err)
	for name, v := range header {
		req.Header[name] = v
	}
	reply, err := web.Do(l.http, req)
	l.must(err)
	return reply
}

func (l *lab) get(target string, header http.Header) web.Reply {
	return l.send(http.MethodGet, target, nil, header)
}

func (l *lab) post(target string, form url.Values) web.Reply {
	return l.send(http.MethodPost, target, []byte(form.Encode()), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
}

func (l *lab) url(path string) string { return "https://" + l.host + path }

// page reads a page of a sign-in.
func (l *lab) page(reply web.Reply) (*wire.Page, url.Values) {
	l.tb.Helper()
	p, form, err := wire.ReadPage(reply.Body)
	if err != nil {
		l.tb.Fatalf("HTTP status %d: %v\n%s", reply.Status, err, reply.Body)
	}
	return p, form
}

// fill posts a page's form with some fields.
func (l *lab) fill(reply web.Reply, fields map[string]string) web.Reply {
	l.tb.Helper()
	p, form := l.page(reply)
	for name, v := range fields {
		form.Set(name, v)
	}
	return l.post(l.url(p.Action), form)
}

func (l *lab) login(reply web.Reply) web.Reply {
	l.tb.Helper()
	return l.fill(reply, map[string]string{wire.FieldUserName: alice, wire.FieldPassword: password})
}

func (l *lab) code(reply web.Reply) web.Reply {
	l.tb.Helper()
	return l.fill(reply, map[string]string{wire.FieldCode: sas.TOTP(totp, l.Now())})
}

// tokens redeems a grant.
func (l *lab) tokens(form url.Values) (*oauth.TokenResponse, error) {
	l.tb.Helper()
	reply := l.post(l.url(wire.PathToken)+"/", form)
	if reply.Status != http.StatusOK {
		return nil, wire.ParseError(reply.Status, reply.Body)
	}
	return oauth.ParseTokenResponse(reply.Body)
}

// negotiate is the header with a ticket of a member of the domain for the service.
func (l *lab) negotiate(ctx context.Context, account, secret string) http.Header {
	l.tb.Helper()
	d := conformance.Get[spec.Domain, spec.DomainOut](l.Env, corp).Out
	env := l.For(service)
	ticket, err := adldap.Ticket(ctx, env, d.Realm, d.Hosts[0], krb.Principal(account), krbclient.Password(secret), krb.Service("HTTP", l.host))
	l.must(err)
	token, _, err := gss.NewNegotiator(gss.InitiatorConfig{Credential: ticket, Flags: gss.Mutual | gss.Integrity, Now: l.Now(), Rand: env.Rand}).Step(nil)
	l.must(err)
	return http.Header{"Authorization": {gss.Header(token)}}
}

// steps are the names of what the service told since it was so long, refusals
// marked.
func (l *lab) steps(since int) (out []string) {
	for _, e := range l.Events()[since:] {
		switch e.Actor {
		case event.STS, event.MFAAdapter, event.IdentityProvider:
			if e.Outcome != event.Done {
				e.Step += "!"
			}
			out = append(out, e.Step)
		}
	}
	return out
}

func has(list []string, want ...string) bool {
	for _, w := range list {
		if len(want) > 0 && w == want[0] {
			want = want[1:]
		}
	}
	return len(want) == 0
}
