package main

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/lab"
	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/sas"
	"hellolab/providers/wire/web"
	"hellolab/state"
)

const mfaLab = `
tenant "contoso" { domains = ["contoso.com"] }
user "dora" {
  upn      = "dora@contoso.com"
  tenant   = tenant.contoso
  password = "correct horse battery staple"
  mfa      = "push"
}
`

// outsider is a client from outside at the tenant's sign-in page. Its sign-in
// outlives the process that answers it: each call opens the lab anew.
type outsider struct {
	t     *testing.T
	dir   string
	page  *sas.Config
	begun *sas.AuthReply
}

// at runs fn with a client of the lab and its tenant.
func (b *outsider) at(fn func(c *http.Client, t spec.TenantOut)) {
	b.t.Helper()
	store, err := state.Open(b.t.Context(), state.Options{Path: filepath.Join(b.dir, labFolder, "state.db"), Now: time.Now, Rand: rand.Reader})
	b.must(err)
	defer store.Close()
	s := newSystems(nil, rand.Reader)
	defer s.Close()
	l, err := lab.New(lab.Options{View: store, Registry: s.registry, Wall: time.Now, Rand: rand.Reader})
	b.must(err)
	defer l.Close()
	rec, err := l.Objects().Lookup("tenant.contoso")
	b.must(err)
	out, err := providers.Decode[spec.TenantOut](rec.Out)
	b.must(err)
	c := web.Client(l.Env(rec.Addr, s.registry.Type(rec.Kind), rec.In))
	defer c.CloseIdleConnections()
	fn(c, out)
}

func (b *outsider) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *outsider) send(c *http.Client, req *http.Request, err error) web.Reply {
	b.t.Helper()
	b.must(err)
	reply, err := web.Do(c, req)
	b.must(err)
	return reply
}

func (b *outsider) post(c *http.Client, target string, v url.Values) web.Reply {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, target, strings.NewReader(v.Encode()))
	b.must(err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.send(c, req, nil)
}

// begin signs in with the password and asks for the approval.
func (b *outsider) begin() {
	b.t.Helper()
	b.at(func(c *http.Client, t spec.TenantOut) {
		ask := oauth.AuthorizeRequest{ResponseType: "code", ClientID: oauth.ClientBroker, RedirectURI: oauth.NativeRedirect(oauth.ClientBroker), AMRValues: oauth.AMRNGCMFA, Resource: oauth.ResourceDRS}
		req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, "https://"+t.LoginHost+"/"+t.TenantID+"/oauth2/authorize?"+ask.Query().Encode(), nil)
		first, err := sas.ParsePage(b.send(c, req, err).Body)
		b.must(err)
		b.page, err = sas.ParsePage(b.post(c, first.URLPost, sas.Login{Login: "dora@contoso.com", Password: "correct horse battery staple", Ctx: first.Ctx, FlowToken: first.FlowToken}.Form()).Body)
		b.must(err)
		req, err = web.NewJSON(b.t.Context(), http.MethodPost, b.page.URLBeginAuth, sas.AuthRequest{Method: sas.MethodBegin, AuthMethodID: b.page.UserProofs[0].AuthMethodID, FlowToken: b.page.FlowToken, Ctx: b.page.Ctx})
		b.begun, err = sas.ParseAuthReply(b.send(c, req, err).Body)
		b.must(err)
	})
}

// ends asks how it went, and whether a code comes of it.
func (b *outsider) ends(result string) {
	b.t.Helper()
	b.at(func(c *http.Client, _ spec.TenantOut) {
		req, err := web.NewJSON(b.t.Context(), http.MethodPost, b.page.URLEndAuth, sas.AuthRequest{Method: sas.MethodEnd, AuthMethodID: sas.MethodAppNotification, FlowToken: b.begun.FlowToken, Ctx: b.begun.Ctx})
		ended, err := sas.ParseAuthReply(b.send(c, req, err).Body)
		b.must(err)
		reply := b.post(c, b.page.URLPost, sas.ProcessAuth{Request: ended.Ctx, FlowToken: ended.FlowToken}.Form())
		if gave := strings.Contains(reply.Header.Get("Location"), "?code="); ended.ResultValue != result || gave != (result == sas.ResultSuccess) {
			b.t.Errorf("ended with %s, want %s; a code came: %v", ended.ResultValue, result, gave)
		}
	})
}

// TestApproveByCommand: a sign-in from outside waits until a command answers as
// the user's phone.
func TestApproveByCommand(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.lab.hcl"), []byte(mfaLab), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(code int, args ...string) string {
		t.Helper()
		cmd := hellolab(t, dir, nil, args...)
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != code {
			t.Fatalf("hellolab %s ended with exit code %d, want %d\n%s", strings.Join(args, " "), got, code, out)
		}
		return string(out)
	}
	says := func(out, what string) {
		t.Helper()
		if !strings.Contains(out, what) {
			t.Errorf("%q does not say %q", out, what)
		}
	}
	run(0, "apply", "-auto-approve")
	newBrowser := func() *outsider {
		b := &outsider{t: t, dir: dir}
		b.begin()
		return b
	}
	number := func(b *outsider) string { return strconv.Itoa(b.begun.Entropy) }

	b := newBrowser()
	says(run(0, "mfa", "list"), "user.dora  ")
	var waiting []view.Waiting
	if err := json.Unmarshal([]byte(run(0, "mfa", "list", "-json", "user.dora")), &waiting); err != nil || len(waiting) != 1 || waiting[0].User != "user.dora" || waiting[0].Application != oauth.ClientBroker {
		t.Fatalf("%+v, %v", waiting, err)
	}
	says(run(0, "mfa", "approve", "user.dora", number(b)), "Approved: the sign-in of user.dora goes on.")
	says(run(1, "mfa", "approve", "user.dora", number(b), "-id="+waiting[0].ID), "does not wait any more")
	b.ends(sas.ResultSuccess)

	b = newBrowser()
	says(run(0, "mfa", "deny", "user.dora"), "Denied")
	b.ends(sas.ResultDenied)

	b = newBrowser()
	wrong := strconv.Itoa(10 + (b.begun.Entropy-9)%90)
	says(run(1, "mfa", "approve", "user.dora", wrong), "not the number of the sign-in page")
	b.ends(sas.ResultWrongNumber)

	// Of several the one is answered that is named.
	first, second := newBrowser(), newBrowser()
	says(run(1, "mfa", "approve", "user.dora", number(first)), "2 sign-ins wait")
	if err := json.Unmarshal([]byte(run(0, "mfa", "list", "-json")), &waiting); err != nil || len(waiting) != 2 {
		t.Fatalf("%+v, %v", waiting, err)
	}
	run(0, "mfa", "approve", "user.dora", number(second), "-id="+waiting[1].ID)
	second.ends(sas.ResultSuccess)
	first.ends(sas.ResultPending)

	// What the commands did is a part of the recorded sign-in, without secrets.
	recorded := run(0, "trace", "-json")
	says(recorded, `"step":"notification_approved"`)
	says(recorded, `"step":"notification_refused"`)
}
