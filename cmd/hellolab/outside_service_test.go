package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// curl and MIT's kinit against services of a served domain.

const outsideServices = `
variable "password" {
  type      = string
  sensitive = true
}

domain "corp" {
  dns_name     = "corp.contoso.com"
  netbios_name = "CORP"
}

group "staff" {
  domain = domain.corp
}

user "alice" {
  upn      = "alice@contoso.com"
  domain   = domain.corp
  password = var.password
  groups   = [group.staff]
}

user "bo" {
  upn      = "bo@contoso.com"
  domain   = domain.corp
  password = var.password
}

service "web" {
  domain    = domain.corp
  authorize = [group.staff]
}

service "old" {
  domain = domain.corp
  kind   = "ntlm"
}
`

const (
	servicesPassword = "Corr3ct.horse battery"
	servicesRealm    = "CORP.CONTOSO.COM"
)

// services is a served lab and a home for tickets.
type services struct {
	home string
	lab  about
}

func serveServices(t *testing.T) *services {
	t.Helper()
	s, dir := &services{home: t.TempDir()}, t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.lab.hcl"), []byte(outsideServices), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"HELLOLAB_VAR_password=" + servicesPassword}
	if out, err := hellolab(t, dir, env, "apply", "-auto-approve").CombinedOutput(); err != nil {
		t.Fatalf("apply: %v\n%s", err, out)
	}
	cmd := hellolab(t, dir, env, "serve", "-json")
	cmd.Stderr = os.Stderr
	told, err := cmd.StdoutPipe()
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
	if err := json.NewDecoder(told).Decode(&s.lab); err != nil {
		t.Fatalf("serve did not come up: %v", err)
	}
	go io.Copy(io.Discard, told)
	conf := fmt.Sprintf(`[libdefaults]
 default_realm = %[1]s
 dns_lookup_kdc = false
 dns_lookup_realm = false
 rdns = false
 dns_canonicalize_hostname = false
 udp_preference_limit = 1
[realms]
 %[1]s = {
  kdc = %[2]s
 }
[domain_realm]
 .corp.contoso.com = %[1]s
`, servicesRealm, s.at(t, "dc1.corp.contoso.com", 88))
	if err := os.WriteFile(filepath.Join(s.home, "krb5.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// at is where a port of a host is bound on this machine.
func (s *services) at(t *testing.T, host string, port int) string {
	t.Helper()
	for _, h := range s.lab.Hosts {
		for _, p := range h.Ports {
			if h.Host == host && p.Port == port && p.Protocol == "tcp" {
				return p.Bound.String()
			}
		}
	}
	t.Fatalf("port %d of %s is not served", port, host)
	return ""
}

// run runs a program as somebody, whose tickets are their own.
func (s *services) run(t *testing.T, who, stdin, program string, args ...string) string {
	t.Helper()
	path := need(t, program)[0]
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "HOME="+s.home, "KRB5_CONFIG="+filepath.Join(s.home, "krb5.conf"), "KRB5CCNAME=FILE:"+filepath.Join(s.home, who+".cc"))
	out, err := cmd.CombinedOutput()
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatalf("%s: %v", program, err)
	}
	return string(out)
}

// curl fetches a service's page twice in one run, and returns what it printed:
// bodies, each with the status behind it.
func (s *services) curl(t *testing.T, who, host string, args ...string) string {
	t.Helper()
	url := "http://" + host + "/"
	all := append([]string{"-sS", "--noproxy", "*", "--max-time", "20", "--connect-to", host + ":80:" + s.at(t, host, 80), "-w", " status=%{http_code}\n"}, args...)
	return s.run(t, who, "", "curl", append(all, url, url)...)
}

func TestOutsideServices(t *testing.T) {
	const web, old = "web.corp.contoso.com", "old.corp.contoso.com"
	s := serveServices(t)
	for _, who := range []string{"alice", "bo"} {
		if out := s.run(t, who, servicesPassword+"\n", "kinit", who+"@"+servicesRealm); strings.Contains(out, "kinit:") {
			t.Fatalf("kinit %s: %s", who, out)
		}
	}
	negotiate, ntlm := []string{"--negotiate", "-u", ":"}, func(user string) []string { return []string{"--ntlm", "-u", user} }
	for _, c := range []struct {
		name, who, host string
		args            []string
		status, says    string
	}{
		{"a ticket", "alice", web, negotiate, "200", `"user":"alice@` + servicesRealm + `"`},
		{"a ticket of one who is not let in", "bo", web, negotiate, "403", `"not_authorized"`},
		{"no ticket", "nobody", web, negotiate, "401", `"sign_in"`},
		{"nothing", "alice", web, nil, "401", `"sign_in"`},
		{"NTLM, where only tickets are taken", "alice", web, ntlm(`CORP\alice:` + servicesPassword), "401", `"sign_in"`},
		{"NTLM", "nobody", old, ntlm(`CORP\alice:` + servicesPassword), "200", `"user":"CORP\\alice"`},
		{"NTLM by user principal name", "nobody", old, ntlm("alice@contoso.com:" + servicesPassword), "200", `"user":"CORP\\alice"`},
		{"a wrong password", "nobody", old, ntlm(`CORP\alice:wrong`), "401", `"0xC000006D"`},
		{"nobody known", "nobody", old, ntlm(`CORP\nobody:` + servicesPassword), "401", `"0xC000006D"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := s.curl(t, c.who, c.host, c.args...)
			if strings.Count(out, c.says) != 2 || strings.Count(out, "status="+c.status) != 2 {
				t.Errorf("want %s twice, with status %s:\n%s", c.says, c.status, out)
			}
		})
	}
	if out := s.run(t, "alice", "", "klist"); !strings.Contains(out, "HTTP/"+web+"@"+servicesRealm) {
		t.Errorf("alice's tickets:\n%s", out)
	}
}
