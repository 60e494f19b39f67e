package kdc

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/krbclient"
	"hellolab/providers/wire/pac"
)

// MIT's kvno uses the full ticket-granting ticket that a partial one was
// exchanged for.
func TestMITUsesFullTicket(t *testing.T) {
	need(t, "kvno", "klist")
	s := serve(t, false, nil)
	s.now = time.Now() // what the ticket's issuer goes by
	c := cloudOf(t, s.lab)
	partial := c.partial(t, "alice", nil)
	r, err := c.client().TGS(context.Background(), partial, krbclient.TGSRequest{Server: krb.TGS(realm), Options: krb.OptCanonicalize | krb.FlagForwardable})
	if err != nil {
		t.Fatal(err)
	}
	cache := krb.CCache{Realm: realm, Principal: krb.Principal("alice"), Credentials: []krb.Credential{r.Credential}}
	s.write("cc", string(cache.Encode()))
	if out := s.must("", "kvno", "ldap/dc1.corp.example", "host/pc1.corp.example"); !strings.Contains(out, "kvno = 1") {
		t.Error(out)
	}
	if out := s.must("", "klist", "-e"); !strings.Contains(out, "Default principal: alice@"+realm) || !strings.Contains(out, "ldap/dc1.corp.example@"+realm) {
		t.Error(out)
	}
	// MIT's programs take the partial one, too, and so get a full one by themselves.
	cache.Credentials = []krb.Credential{*partial}
	s.write("cc", string(cache.Encode()))
	s.must("", "kvno", "ldap/dc1.corp.example")
	cache = krb.CCache{Realm: realm, Principal: krb.Principal("admin"), Credentials: []krb.Credential{*c.partial(t, "admin", nil)}}
	s.write("cc", string(cache.Encode()))
	s.refused("TGT has been revoked", "", "kvno", "ldap/dc1.corp.example")
}

// keyListDriver is what keylistattack.py of impacket's examples does, where those
// are not installed beside the library.
const keyListDriver = `
import sys
from impacket.examples.secretsdump import KeyListSecrets
from impacket.krb5 import constants
from impacket.krb5.types import Principal
domain, kdc, number, key, user = sys.argv[1:]
secrets = KeyListSecrets(domain, kdc, int(number), key)
name = Principal(user, type=constants.PrincipalNameType.NT_PRINCIPAL.value)
ticket, session = secrets.createPartialTGT(name)
full = secrets.getFullTGT(name, ticket, session)
if full is not None:
    print(domain + "\\" + user + ":" + secrets.getKey(full, session)[2:])
`

// impacket's keylistattack makes a partial ticket with the read-only controller's
// key and gets the NT hash of an account that the controller may know, and of no
// other. Its tickets have no PAC: a domain refuses them that demands one.
func TestImpacketKeyList(t *testing.T) {
	const python, script = "/usr/bin/python3", "/usr/share/doc/python3-impacket/examples/keylistattack.py"
	if exec.Command(python, "-c", "import impacket").Run() != nil {
		need(t, "python3-impacket") // no program of this name: says so
	}
	for _, bare := range []bool{true, false} {
		l := newLab(t, func(c *Config) {
			c.Policy.AllowUnprotected, c.Policy.AllowBarePartial = true, bare
		})
		l.now, l.Now = time.Now(), time.Now
		c := cloudOf(t, l)
		host := c.onPort88(t)
		run := func(user string) string {
			t.Helper()
			key := hex.EncodeToString(c.readOnly.Krbtgt.Keys[0].Key.Value)
			cmd := exec.CommandContext(t.Context(), python, script, "-rodcNo", fmt.Sprint(number), "-rodcKey", key, "-domain", realm, "-kdc", host, "-t", user, "LIST")
			if _, err := os.Stat(script); err != nil {
				cmd = exec.CommandContext(t.Context(), python, "-c", keyListDriver, realm, host, fmt.Sprint(number), key, user)
			}
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			return string(out)
		}
		nt, _ := c.account("alice").key(krb.RC4)
		if out, want := run("alice"), realm+`\alice:`+hex.EncodeToString(nt.Key.Value); strings.Contains(out, want) != bare {
			t.Errorf("tickets without a PAC taken: %v, and keylistattack of alice says\n%s", bare, out)
		}
		for _, user := range []string{"admin", "bob"} {
			secret, _ := c.account(user).key(krb.RC4)
			if out := run(user); strings.Contains(out, hex.EncodeToString(secret.Key.Value)) || !strings.Contains(out, "not allowed") && !strings.Contains(out, "KDC_ERR_TGT_REVOKED") {
				t.Errorf("keylistattack of %s says\n%s", user, out)
			}
		}
		if e := c.last(); e.Reason == nil || e.Reason.Name != "KDC_ERR_TGT_REVOKED" {
			t.Errorf("the last event is %+v", e)
		}
	}
}

// onPort88 serves the KDC where impacket looks, on an address of loopback, and
// returns that address as one number: impacket cuts a host's name at its first dot.
func (c *cloud) onPort88(t *testing.T) string {
	t.Helper()
	for last := byte(1); last < 250; last++ {
		ip := net.IPv4(127, 88, byte(os.Getpid()), last)
		ln, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: ip, Port: 88})
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EADDRNOTAVAIL) {
			t.Skipf("impacket knows no other port than 88, which is not this user's to bind: %v", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- Serve(ctx, ln, c.KDCAnswer, Limits{}) }()
		t.Cleanup(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
		return fmt.Sprint(binary.BigEndian.Uint32(ip.To4()))
	}
	t.Skip("impacket knows no other port than 88, which is taken on every address")
	return ""
}

// TestPACOfKeyListTool: what newer versions of such tools send, a PAC with the
// account's identifier, needs no leniency.
func TestPACOfKeyListTool(t *testing.T) {
	c := newCloud(t, func(cfg *Config) { cfg.Policy.AllowUnprotected = true })
	q := c.request(c.partial(t, "alice", func(p *partialTGT) {
		p.kvno = number << 16 // no version
		p.pac.Attributes = &pac.Attributes{Flags: pac.PACRequested}
	}))
	q.noSum, q.extra = true, keyListReq(t, krb.RC4)
	rep, err := c.ask(q.encode(t))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := q.cred.Key.Open(krb.UsageTGSRepSessionKey, rep.EncPart)
	if err != nil {
		t.Fatal(err)
	}
	part, err := krb.ParseEncKDCRepPart(plain)
	if err != nil {
		t.Fatal(err)
	}
	value, ok := krb.FindPA(part.PAData, krb.PAKeyListRep)
	keys, err := krb.ParseKeyListRep(value)
	if nt, _ := c.account("alice").key(krb.RC4); !ok || err != nil || len(keys) != 1 || !keys[0].Equal(nt.Key) {
		t.Errorf("%v, %v", ok, err)
	}
}
