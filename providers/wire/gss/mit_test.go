package gss

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hellolab/providers/wire/krb"
)

// mit is MIT Kerberos' library on the other side, in a Python program.
type mit struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Reader
}

const python = "/usr/bin/python3" // Debian's, whose package python3-gssapi is

// files gives MIT's library a configuration, the client's ticket and the
// service's key.
func (l *lab) files(t *testing.T) (env []string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	raw, err := l.cred.Ticket.Encode()
	if err != nil {
		t.Fatal(err)
	}
	keytab, err := krb.EncodeKeytab([]krb.KeytabEntry{{Realm: realm, Name: l.service, Time: l.now, KVNO: 3, Key: l.key}})
	if err != nil {
		t.Fatal(err)
	}
	cache := krb.CCache{Realm: realm, Principal: l.cred.Client, Credentials: []krb.Credential{{
		CRealm: realm, Client: l.cred.Client, SRealm: realm, Server: l.service, Key: l.cred.Session,
		AuthTime: l.now, StartTime: l.now, EndTime: l.now.Add(10 * time.Hour), Ticket: raw,
	}}}
	conf := "[libdefaults]\n default_realm = " + realm + "\n dns_lookup_kdc = false\n dns_canonicalize_hostname = false\n rdns = false\n"
	return append(os.Environ(), "KRB5_CONFIG="+write("krb5.conf", []byte(conf)), "KRB5CCNAME=FILE:"+write("ccache", cache.Encode()),
		"KRB5_KTNAME=FILE:"+write("keytab", keytab), "KRB5RCACHENAME=none:")
}

func startMIT(t *testing.T, env []string, args ...string) *mit {
	t.Helper()
	if err := exec.Command(python, "-c", "import gssapi").Run(); err != nil {
		t.Skip("MIT Kerberos' library is not here: install python3-gssapi")
	}
	cmd := exec.Command(python, append([]string{"testdata/mit.py"}, args...)...)
	cmd.Env, cmd.Stderr = env, os.Stderr
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
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	return &mit{t: t, in: in, out: bufio.NewReader(out)}
}

func (m *mit) do(command string, args ...[]byte) (string, []byte, error) {
	m.t.Helper()
	line := command
	for _, a := range args {
		if len(a) == 0 {
			line += " -"
		} else {
			line += " " + hex.EncodeToString(a)
		}
	}
	if _, err := fmt.Fprintln(m.in, line); err != nil {
		m.t.Fatal(err)
	}
	answer, err := m.out.ReadString('\n')
	if err != nil {
		m.t.Fatal(err)
	}
	word, rest, _ := strings.Cut(strings.TrimSpace(answer), " ")
	if word == "error" {
		return word, nil, errors.New(rest)
	}
	if rest == "-" {
		return word, nil, nil
	}
	b, err := hex.DecodeString(rest)
	if err != nil {
		m.t.Fatal(err)
	}
	return word, b, nil
}

func (m *mit) must(command string, args ...[]byte) (string, []byte) {
	m.t.Helper()
	word, b, err := m.do(command, args...)
	if err != nil {
		m.t.Fatalf("MIT's %s: %v", command, err)
	}
	return word, b
}

// talk sends messages both ways, signed, sealed and with MICs.
func (m *mit) talk(c *Context) {
	m.t.Helper()
	for _, message := range [][]byte{{1}, []byte("a short message"), bytes.Repeat([]byte("0123456789"), 500)} {
		for _, seal := range []bool{false, true} {
			token, err := c.Wrap(message, seal)
			if err != nil {
				m.t.Fatal(err)
			}
			word, got := m.must("unwrap", token)
			if !bytes.Equal(got, message) || (word == "sealed") != seal {
				m.t.Errorf("MIT read %s %q, want sealed %v, %q", word, got, seal, message)
			}
			command := "sign"
			if seal {
				command = "seal"
			}
			_, token = m.must(command, message)
			got, sealed, err := c.Unwrap(token)
			if err != nil || !bytes.Equal(got, message) || sealed != seal {
				m.t.Errorf("MIT wrote %q, sealed %v, %v", got, sealed, err)
			}
		}
		mic, err := c.MIC(message)
		if err != nil {
			m.t.Fatal(err)
		}
		m.must("verify", message, mic)
		_, mic = m.must("mic", message)
		if err := c.VerifyMIC(message, mic); err != nil {
			m.t.Errorf("MIT's MIC: %v", err)
		}
	}
}

// here makes a lab at the present time, which MIT's library keeps to.
func here(t *testing.T, etype int32) *lab {
	l := newLab(t, etype)
	l.now = time.Now()
	part, err := l.cred.Ticket.Open(l.key)
	if err != nil {
		t.Fatal(err)
	}
	part.AuthTime, part.StartTime, part.EndTime = l.now, l.now, l.now.Add(time.Hour)
	if l.cred.Ticket, err = krb.SealTicket(l.key, 3, realm, l.service, part); err != nil {
		t.Fatal(err)
	}
	return l
}

func TestMITInitiates(t *testing.T) {
	for _, etype := range []int32{krb.AES128, krb.AES256} {
		for _, mech := range []string{"krb5", "spnego"} {
			for _, flags := range []Flags{all, all &^ Mutual} {
				l := here(t, etype)
				m := startMIT(t, l.files(t), "initiate", mech, l.service.String()+"@"+realm, fmt.Sprint(uint32(flags)))
				a := l.accept.New()
				word, token := m.must("step", nil)
				for done := false; !done || word != "done"; {
					var err error
					if token, done, err = a.Step(token); err != nil {
						t.Fatal(err)
					}
					if word != "done" {
						word, token = m.must("step", token)
					}
				}
				if a.Client().Name.String() != "alice" || !a.Context().Flags().Has(flags) {
					t.Errorf("client %v, flags %#x", a.Client().Name, a.Context().Flags())
				}
				m.talk(a.Context())
			}
		}
	}
}

func TestMITAccepts(t *testing.T) {
	for _, etype := range []int32{krb.AES128, krb.AES256} {
		for name, begin := range map[string]func(InitiatorConfig) Exchange{
			"bare":   func(c InitiatorConfig) Exchange { return NewInitiator(c) },
			"SPNEGO": func(c InitiatorConfig) Exchange { return NewNegotiator(c) },
		} {
			for _, flags := range []Flags{all, all &^ Mutual} {
				l := here(t, etype)
				m := startMIT(t, l.files(t), "accept")
				i := begin(l.initiator(flags))
				token, done, err := i.Step(nil)
				for word := ""; err == nil && (!done || word != "done"); {
					word, token = m.must("step", token)
					if !done {
						token, done, err = i.Step(token)
					}
				}
				if err != nil {
					t.Fatalf("%s, flags %#x: %v", name, flags, err)
				}
				if _, peer := m.must("peer"); string(peer) != "alice@"+realm {
					t.Errorf("MIT sees %s", peer)
				}
				m.talk(i.Context())
			}
		}
	}
}
