package kdc

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hellolab/providers/wire/krb"
)

// MIT's programs, unpatched, against a KDC on loopback. Where they are not
// installed the tests say so, and fail where they must run
// (HELLOLAB_OUTSIDE=required, as in `make test`).

func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, name := range programs {
		if _, err := exec.LookPath(name); err != nil {
			if os.Getenv("HELLOLAB_OUTSIDE") == "required" {
				t.Fatalf("%s is not installed: `make deps-test` installs it", name)
			}
			t.Skipf("%s is not installed: `make deps-test` installs it", name)
		}
	}
}

// served is a lab that outside programs reach.
type served struct {
	*lab
	t    *testing.T
	dir  string
	kdc  string // address of port 88
	pass string // address of port 464
}

func serve(t *testing.T, preferUDP bool, change func(*Config)) *served {
	t.Helper()
	l := newLab(t, func(c *Config) {
		c.Now = time.Now
		if change != nil {
			change(c)
		}
	})
	s := &served{lab: l, t: t, dir: t.TempDir()}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 4)
	s.kdc = both(t, ctx, done, l.KDCAnswer, l.DatagramAnswer)
	s.pass = both(t, ctx, done, l.PasswordAnswer, l.PasswordAnswer)
	t.Cleanup(func() {
		cancel()
		for range 4 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
	limit := 1
	if preferUDP {
		limit = 4096
	}
	s.write("krb5.conf", fmt.Sprintf(`[libdefaults]
 default_realm = %[1]s
 dns_lookup_kdc = false
 dns_lookup_realm = false
 rdns = false
 dns_canonicalize_hostname = false
 udp_preference_limit = %[2]d
 forwardable = true
[realms]
 %[1]s = {
  kdc = %[3]s
  kpasswd_server = %[4]s
 }
[domain_realm]
 .corp.example = %[1]s
`, realm, limit, s.kdc, s.pass))
	return s
}

// both serves one answer by TCP and one by UDP on the same port.
func both(t *testing.T, ctx context.Context, done chan<- error, tcp, udp Answer) string {
	t.Helper()
	for range 20 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		pc, err := net.ListenPacket("udp", ln.Addr().String())
		if err != nil {
			_ = ln.Close()
			continue
		}
		go func() { done <- Serve(ctx, ln, tcp, Limits{}) }()
		go func() { done <- ServePacket(ctx, pc, udp, Limits{}) }()
		return ln.Addr().String()
	}
	t.Fatal("no port that is free for both")
	return ""
}

func (s *served) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// run runs a program of MIT's and returns what it printed.
func (s *served) run(stdin, program string, args ...string) (string, error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "KRB5_CONFIG="+filepath.Join(s.dir, "krb5.conf"), "KRB5CCNAME=FILE:"+filepath.Join(s.dir, "cc"), "KRB5_TRACE="+filepath.Join(s.dir, "trace"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (s *served) must(stdin, program string, args ...string) string {
	s.t.Helper()
	out, err := s.run(stdin, program, args...)
	if err != nil {
		trace, _ := os.ReadFile(filepath.Join(s.dir, "trace"))
		s.t.Fatalf("%s %v: %v\n%s\n%s", program, args, err, out, trace)
	}
	return out
}

func (s *served) refused(want, stdin, program string, args ...string) {
	s.t.Helper()
	out, err := s.run(stdin, program, args...)
	if err == nil || !strings.Contains(out, want) {
		trace, _ := os.ReadFile(filepath.Join(s.dir, "trace"))
		s.t.Errorf("%s %v: %v, want %q in\n%s\n%s", program, args, err, want, out, trace)
	}
}

func TestMITSignsIn(t *testing.T) {
	need(t, "kinit", "kvno", "klist")
	for _, udp := range []bool{false, true} {
		t.Run(fmt.Sprintf("udp=%v", udp), func(t *testing.T) {
			s := serve(t, udp, nil)
			s.must(secret+"\n", "kinit", "-r", "2d", "alice")
			out := s.must("", "kvno", "ldap/dc1.corp.example", "host/pc1.corp.example")
			if !strings.Contains(out, "kvno = 1") {
				t.Error(out)
			}
			out = s.must("", "klist", "-e", "-f")
			for _, want := range []string{"Default principal: alice@" + realm, "ldap/dc1.corp.example@" + realm, "aes256-cts-hmac-sha1-96", "Flags: FRIA"} {
				if !strings.Contains(out, want) {
					t.Errorf("%q is missing in\n%s", want, out)
				}
			}
			s.must("", "kinit", "-R")
			s.must("", "kvno", "host/pc1")
			s.refused("not found in Kerberos database", "", "kvno", "http/nobody")

			b, err := os.ReadFile(filepath.Join(s.dir, "cc"))
			if err != nil {
				t.Fatal(err)
			}
			cc, err := krb.ParseCCache(b)
			if err != nil || !cc.Principal.Equal(krb.Principal("alice")) || cc.Realm != realm {
				t.Fatalf("%+v, %v", cc, err)
			}
			if _, ok := cc.Find(krb.TGS(realm)); !ok {
				t.Error("no ticket-granting ticket in the cache")
			}
			// What was read is written so that MIT's programs read it.
			s.write("cc", string(cc.Encode()))
			s.must("", "kvno", "ldap/dc1.corp.example")
		})
	}
}

func TestMITCanonicalNames(t *testing.T) {
	need(t, "kinit", "klist")
	s := serve(t, false, nil)
	s.must(secret+"\n", "kinit", "-C", "ALICE")
	if out := s.must("", "klist"); !strings.Contains(out, "Default principal: alice@"+realm) {
		t.Error(out)
	}
	s.must(secret+"\n", "kinit", "-C", "-E", "alice@contoso.com")
	if out := s.must("", "klist"); !strings.Contains(out, "Default principal: alice@"+realm) {
		t.Error(out)
	}
	s.must("", "kvno", "ldap/dc1.corp.example")
	s.must(secret+"\n", "kinit", "Alice")
	if out := s.must("", "klist"); !strings.Contains(out, "Default principal: Alice@"+realm) {
		t.Error(out)
	}
	s.must("", "kvno", "ldap/dc1.corp.example")
}

func TestMITRefusals(t *testing.T) {
	need(t, "kinit")
	s := serve(t, false, nil)
	s.refused("Password incorrect", "wrong\n", "kinit", "alice")
	s.refused("not found in Kerberos database", "x\n", "kinit", "nobody")
	s.change("bob", func(a *Account) { a.UserAccountControl |= Disabled })
	s.refused("credentials have been revoked", secret+"\n", "kinit", "bob")
	s.change("bob", func(a *Account) { a.UserAccountControl = 0x200 | SmartCardRequired })
	s.refused("KDC policy rejects request", secret+"\n", "kinit", "bob")
	s.change("alice", func(a *Account) { a.PasswordMustChange = time.Now().Add(-time.Hour) })
	s.refused("Password expired", secret+"\n", "kinit", "alice")
	// The other way round: the password is changed on the way to the ticket.
	s.change("alice", func(a *Account) { a.PasswordMustChange = time.Time{}; a.UserAccountControl |= PasswordExpired })
	s.must(secret+"\nbrand new secret\nbrand new secret\n", "kinit", "alice")
	s.must("brand new secret\n", "kinit", "alice")
}

func TestMITKeytab(t *testing.T) {
	need(t, "kinit", "klist")
	s := serve(t, false, nil)
	entry := krb.KeytabEntry{Realm: realm, Name: krb.Principal("PC1$"), Time: time.Now(), KVNO: 1, Key: s.account("PC1$").Keys[0].Key}
	b, err := krb.EncodeKeytab([]krb.KeytabEntry{entry})
	if err != nil {
		t.Fatal(err)
	}
	s.write("keytab", string(b))
	if out := s.must("", "klist", "-e", "-k", filepath.Join(s.dir, "keytab")); !strings.Contains(out, "PC1$@"+realm) || !strings.Contains(out, "aes256-cts-hmac-sha1-96") {
		t.Error(out)
	}
	s.must("", "kinit", "-k", "-t", filepath.Join(s.dir, "keytab"), "PC1$")
	// A service opens the tickets for it by its keytab: PC1$ asks for one to itself.
	s.must("", "kvno", "-k", filepath.Join(s.dir, "keytab"), "PC1$")
}

func TestMITPassword(t *testing.T) {
	need(t, "kinit", "kpasswd")
	for _, udp := range []bool{false, true} {
		t.Run(fmt.Sprintf("udp=%v", udp), func(t *testing.T) {
			s := serve(t, udp, nil)
			out := s.must(secret+"\nanother secret\nanother secret\n", "kpasswd", "alice")
			if !strings.Contains(out, "Password changed") {
				t.Error(out)
			}
			s.refused("Password incorrect", secret+"\n", "kinit", "alice")
			s.must("another secret\n", "kinit", "alice")
			s.refused("fewer than 8 characters", "another secret\nshort\nshort\n", "kpasswd", "alice")
		})
	}
}

// The KDC's clock is wrong: MIT's client learns it from the error.
func TestMITSkew(t *testing.T) {
	need(t, "kinit")
	s := serve(t, false, func(c *Config) { c.Now = func() time.Time { return time.Now().Add(20 * time.Minute) } })
	s.must(secret+"\n", "kinit", "alice")
	if trace, err := os.ReadFile(filepath.Join(s.dir, "trace")); err != nil || !bytes.Contains(trace, []byte("Received error from KDC")) {
		t.Errorf("%v\n%s", err, trace)
	}
	s.must("", "kvno", "ldap/dc1.corp.example")
}
