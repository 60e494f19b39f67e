package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/providers/conformance/browser"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/sas"
)

// Clients that others wrote, unpatched, against a lab that is served: each is
// told where the authority is and nothing else, and reaches it through the
// proxy and the authorities that `serve` exports. What they need is installed
// by .ci/deps; where it is not there the tests say so, and fail where they must
// run (HELLOLAB_OUTSIDE=required, as in `make test`).

const outsideLab = `
variable "password" {
  type      = string
  sensitive = true
}

tenant "contoso" {
  domains = ["contoso.com"]
}

user "alice" {
  upn      = "alice@contoso.com"
  tenant   = tenant.contoso
  password = var.password
}

user "bo" {
  upn      = "bo@contoso.com"
  tenant   = tenant.contoso
  password = var.password
  mfa      = "push"
}

application "portal" {
  tenant = tenant.contoso
  require {
    mfa = true
  }
}

output "totp_secret" {
  value     = user.alice.totp_secret
  sensitive = true
}

output "portal" {
  value = application.portal.url
}
`

const (
	outsideUser     = "alice@contoso.com"
	outsidePassword = "correct horse battery staple"
	outsideScope    = oauth.ResourceGraph + "/User.Read"
	otherScope      = oauth.ResourceDRS + "/adrs_access"
)

// outside is a served lab and what a client of it needs.
type outside struct {
	dir       string
	vars      []string // of the environment, as exported
	http      *http.Client
	authority string
	portal    string
	secret    []byte // of alice's authenticator app
	typed     int64  // step of the code she typed last
}

// need says that programs are missing: the test cannot run, or must not be
// passed over.
func need(t *testing.T, programs ...string) []string {
	t.Helper()
	paths := make([]string, len(programs))
	for i, name := range programs {
		path, err := exec.LookPath(name)
		if err != nil {
			missing(t, name)
		}
		paths[i] = path
	}
	return paths
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("HELLOLAB_OUTSIDE") == "required" {
		t.Fatalf("%s is not installed: `make deps-test` installs it", what)
	}
	t.Skipf("%s is not installed: `make deps-test` installs it", what)
}

// serveOutside applies the lab and serves it until the test ends.
func serveOutside(t *testing.T, flags ...string) *outside {
	t.Helper()
	env := []string{"HELLOLAB_VAR_password=" + outsidePassword}
	o := &outside{dir: applied(t, outsideLab, env)}
	output := func(name string) string {
		out, err := hellolab(t, o.dir, env, "output", "-raw", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	var err error
	if o.secret, err = sas.ParseTOTPSecret(output("totp_secret")); err != nil {
		t.Fatal(err)
	}
	o.portal = output("portal")
	about := up(t, hellolab(t, o.dir, env, append([]string{"serve", "-json"}, flags...)...))
	o.authority = about.Tenants[0].Authority
	o.connect(t, about)
	return o
}

// applied returns the folder of a lab that is applied.
func applied(t *testing.T, files string, env []string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.lab.hcl"), []byte(files), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := hellolab(t, dir, env, "apply", "-auto-approve").CombinedOutput(); err != nil {
		t.Fatalf("apply: %v\n%s", err, out)
	}
	return dir
}

// up starts a command that serves a lab, `serve -json`, until the test ends.
func up(t *testing.T, cmd *exec.Cmd) *about {
	t.Helper()
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("serve ended with %v", err)
		}
	})
	var about about
	if err := json.NewDecoder(stdout).Decode(&about); err != nil {
		t.Fatalf("serve did not come up: %v", err)
	}
	go io.Copy(io.Discard, stdout)
	return &about
}

// variables reads them as a client's shell would.
func variables(t *testing.T, dir string) (vars map[string]string, env []string) {
	t.Helper()
	out, err := hellolab(t, dir, nil, "env", "-json").Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &vars); err != nil {
		t.Fatalf("env -json: %v\n%s", err, out)
	}
	for name, value := range vars {
		env = append(env, name+"="+value)
	}
	slices.Sort(env)
	return vars, env
}

// connect reads the variables as a client's shell would, and makes a client of
// our own out of them.
func (o *outside) connect(t *testing.T, a *about) {
	t.Helper()
	vars, env := variables(t, o.dir)
	o.vars = env
	proxy, err := url.Parse(vars["HTTPS_PROXY"])
	if err != nil || proxy.Host == "" {
		t.Fatalf("HTTPS_PROXY=%q: %v", vars["HTTPS_PROXY"], err)
	}
	pem, err := os.ReadFile(a.CA)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		Proxy: func(r *http.Request) (*url.URL, error) {
			if r.URL.Scheme == "http" { // the client's own address on this machine
				return nil, nil
			}
			return proxy, nil
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	o.http = &http.Client{Transport: transport, Jar: jar, Timeout: time.Minute}
}

// code is what alice's app shows. Each code works once, so she may have to wait
// for the next.
func (o *outside) code() string {
	for {
		now := time.Now()
		if step := now.Unix() / 30; step > o.typed {
			o.typed = step
			return sas.TOTP(o.secret, now)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// alice opens a page and signs in there.
func (o *outside) alice(t *testing.T, start string, typed map[string]string) *browser.Page {
	t.Helper()
	p := browser.Person{HTTP: o.http, Press: map[string]string{"answer": "continue"}, Type: map[string]func() string{
		"login":  func() string { return outsideUser },
		"passwd": func() string { return outsidePassword },
		"otc":    o.code,
	}}
	for name, text := range typed {
		p.Type[name] = func() string { return text }
	}
	page, err := p.Visit(t.Context(), start)
	if err != nil {
		t.Errorf("at %.100s: %v", start, err)
		return nil
	}
	if page.Refusal != "" {
		t.Errorf("at %.100s: %s", start, page.Refusal)
	}
	return page
}

// shownNumber is the number of a sign-in page that waits for the user's phone.
var shownNumber = regexp.MustCompile(`id="number">(\d\d)<`)

// phone has bo, who approves on the phone, sign in at the application: the
// approval is a command beside the one that serves.
func (o *outside) phone(t *testing.T) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	own := *o.http
	own.Jar = jar // another person's browser
	answers := 0
	p := browser.Person{HTTP: &own, Press: map[string]string{"mfaAuthMethod": "PhoneAppNotification"}, Type: map[string]func() string{
		"login":  func() string { return "bo@contoso.com" },
		"passwd": func() string { return outsidePassword },
	}, Look: func(page *browser.Page) {
		number := shownNumber.FindSubmatch(page.Body)
		if number == nil || answers > 0 {
			return
		}
		answers++
		if out, err := hellolab(t, o.dir, nil, "mfa", "list").CombinedOutput(); err != nil || !strings.Contains(string(out), "user.bo") {
			t.Errorf("mfa list: %v\n%s", err, out)
		}
		if out, err := hellolab(t, o.dir, nil, "mfa", "approve", "user.bo", string(number[1])).CombinedOutput(); err != nil {
			t.Errorf("mfa approve: %v\n%s", err, out)
		}
	}}
	page, err := p.Visit(t.Context(), o.portal)
	if err != nil {
		t.Fatal(err)
	}
	if answers != 1 || page.Refusal != "" || !strings.Contains(string(page.Body), "bo@contoso.com") {
		t.Errorf("%d approvals; at %s: %d %q\n%s", answers, page.URL, page.Status, page.Refusal, page.Body)
	}
}

// script runs one of the scripts of testdata/outside and plays the person that
// it asks for: a line "BROWSE url" opens a page, "CODE url usercode" enters a
// user code, "OTP" wants the code of the app on its input. It returns what the
// script reports as done.
func (o *outside) script(t *testing.T, name string, env ...string) (done []string) {
	t.Helper()
	folder, err := filepath.Abs("testdata/outside")
	if err != nil {
		t.Fatal(err)
	}
	node := filepath.Join(folder, "node_modules", ".bin", "node") // where the system's is too old
	if !exists(node) {
		node = need(t, "node")[0]
	}
	if !exists(filepath.Join(folder, "node_modules")) {
		missing(t, "testdata/outside/node_modules")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, filepath.Join(folder, name))
	cmd.Env = append(append(os.Environ(), o.vars...), append(env, "AUTHORITY="+o.authority, "CLIENT="+oauth.ClientAzureCLI, "USER_NAME="+outsideUser,
		"PASSWORD="+outsidePassword, "SCOPE="+outsideScope, "OTHER_SCOPE="+otherScope)...)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "BROWSE":
			o.alice(t, rest, nil)
		case "CODE":
			page, code, _ := strings.Cut(rest, " ")
			o.alice(t, page, map[string]string{"otc": code})
		case "OTP":
			fmt.Fprintln(in, o.code())
		case "OK":
			done = append(done, rest)
		default:
			t.Errorf("%s says %q", name, lines.Text())
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, complaints.String())
	}
	return done
}

func demand(t *testing.T, done []string, want ...string) {
	t.Helper()
	if !slices.Equal(done, want) {
		t.Errorf("done: %q\nwant: %q", done, want)
	}
}

func TestOutsideClients(t *testing.T) {
	o := serveOutside(t)
	t.Run("msal-node", func(t *testing.T) {
		demand(t, o.script(t, "msal-node.mjs"), "password", "wrong password", "silent", "refresh", "device code", "interactive")
	})
	t.Run("openid-client", func(t *testing.T) {
		demand(t, o.script(t, "openid-client.mjs"), "discovery", "code", "userinfo", "refresh", "reuse")
	})
	t.Run("msal-go", o.msalGo)
	t.Run("curl", o.curl)
	t.Run("phone", o.phone)
	t.Run("chromium", o.chromium)
}

// curl knows the lab by its variables alone.
func (o *outside) curl(t *testing.T) {
	curl := need(t, "curl")[0]
	run := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), curl, append([]string{"-sS", "--fail-with-body", "--max-time", "20"}, args...)...)
		cmd.Env = append(os.Environ(), o.vars...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("curl %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	var m oauth.Metadata
	if err := json.Unmarshal([]byte(run(o.authority+"/v2.0/.well-known/openid-configuration")), &m); err != nil || m.Issuer != o.authority+"/v2.0" {
		t.Fatalf("configuration %+v, %v", m, err)
	}
	answer := run(m.TokenEndpoint, "-d", "grant_type=password", "-d", "client_id="+oauth.ClientAzureCLI, "-d", "username="+outsideUser,
		"--data-urlencode", "password="+outsidePassword, "-d", "scope=openid")
	tokens, err := oauth.ParseTokenResponse([]byte(answer))
	if err != nil || tokens.AccessToken == "" {
		t.Fatalf("%v: %s", err, answer)
	}
	if who := run(m.UserinfoEndpoint, "-H", "Authorization: Bearer "+tokens.AccessToken); !strings.Contains(who, outsideUser) {
		t.Errorf("userinfo %s", who)
	}
}

// chromium signs in at the application, as a person with a browser does.
func (o *outside) chromium(t *testing.T) {
	paths := need(t, "chromium", "certutil")
	home := t.TempDir()
	store := filepath.Join(home, ".pki", "nssdb")
	if err := os.MkdirAll(store, 0o700); err != nil {
		t.Fatal(err)
	}
	var ca string
	for _, v := range o.vars {
		if file, ok := strings.CutPrefix(v, "HELLOLAB_CA="); ok {
			ca = file
		}
	}
	for _, args := range [][]string{{"-N", "--empty-password"}, {"-A", "-n", "hellolab", "-t", "C,,", "-i", ca}} {
		if out, err := exec.CommandContext(t.Context(), paths[1], append([]string{"-d", "sql:" + store}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("certutil %v: %v\n%s", args, err, out)
		}
	}
	demand(t, o.script(t, "chromium.mjs", "HOME="+home, "CHROMIUM="+paths[0], "URL="+o.portal, "DONE="+outsideUser), "refused", "signed in")
}
