package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"hellolab/engine/journal"
	"hellolab/engine/lab"
	"hellolab/providers"
	"hellolab/providers/adds/kdc"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/sid"
	"hellolab/state"
)

// benchSID is the user's of the KDC with accounts in memory.
var benchSID = sid.New(5, 21, 1, 2, 3, 1104)

// testProgram is one of the programs that TestMain makes of this binary.
func testProgram(tb testing.TB, name string, args ...string) *exec.Cmd {
	tb.Helper()
	self, err := exec.LookPath(name)
	if err != nil {
		tb.Fatal(err)
	}
	return exec.Command(self, args...)
}

// benchKDC is a KDC in a process of its own, which prints where it listens:
// "memory DIR", package kdc with accounts in memory and the certificates in
// DIR; "domain DIR", the domain of the lab in DIR.
func benchKDC(kind, dir string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	debug.SetGCPercent(servingGC)
	if kind == "memory" {
		return benchMemory(ctx, dir)
	}
	return benchDomain(ctx, dir)
}

func benchListen() (net.Listener, error) {
	l, err := listen("tcp", "127.0.0.1:0")
	if err == nil {
		fmt.Println(l.Addr())
	}
	return l, err
}

// benchDomain opens a lab's domain on a network whose port for Kerberos is of
// this machine.
func benchDomain(ctx context.Context, dir string) (err error) {
	store, err := state.Open(ctx, state.Options{Path: filepath.Join(dir, labFolder, "state.db"), Now: time.Now, Rand: rand.Reader})
	if err != nil {
		return err
	}
	defer closing(store, &err)
	systems := newSystems(nil, rand.Reader)
	defer closing(systems, &err)
	j, err := journal.Create(filepath.Join(dir, labFolder, "journal"), "bench", time.Now())
	if err != nil {
		return err
	}
	defer closing(j, &err)
	l, err := lab.New(lab.Options{View: store, Registry: systems.registry, Wall: time.Now, Rand: rand.Reader, Emit: j.Emit})
	if err != nil {
		return err
	}
	defer closing(l, &err)
	// The controller enrolls its certificate, as `hellolab serve` has it do.
	kind := systems.registry.Type("domain")
	rec, err := l.Objects().Lookup("domain.corp")
	if err != nil {
		return err
	}
	env := l.Env(rec.Addr, kind, rec.In)
	if err := kind.Due(ctx, env, rec); err != nil {
		return err
	}
	if err := l.Reload(rec.Addr); err != nil {
		return err
	}
	env.Network = benchNetwork{l.Network()}
	service, err := kind.Open(ctx, env, rec)
	if err != nil {
		return err
	}
	defer closing(service, &err)
	<-ctx.Done()
	return nil
}

// benchNetwork is a lab's network but for the controller's port 88.
type benchNetwork struct{ providers.Network }

func (n benchNetwork) Listen(host string, port int) (net.Listener, error) {
	if host == benchHost && port == 88 {
		return benchListen()
	}
	return n.Network.Listen(host, port)
}

func benchMemory(ctx context.Context, dir string) error {
	parse := func(name string) (*x509.Certificate, error) {
		der, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		return x509.ParseCertificate(der)
	}
	root, err := parse("root")
	if err != nil {
		return err
	}
	own, err := parse("kdc")
	if err != nil {
		return err
	}
	der, err := os.ReadFile(filepath.Join(dir, "key"))
	if err != nil {
		return err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return err
	}
	anchors := []*x509.Certificate{root}
	pk, err := kdc.NewPKINIT(kdc.PKINITConfig{
		Identity: benchIdentity{&kdc.Certificate{Chain: []*x509.Certificate{own}, Key: key.(crypto.Signer)}},
		Trust:    &kdc.ChainTrust{Roots: anchors, NTAuth: anchors}, Rand: rand.Reader,
	})
	if err != nil {
		return err
	}
	accounts, err := newBenchAccounts()
	if err != nil {
		return err
	}
	k := kdc.New(kdc.Config{
		Realm: benchRealm, NetBIOS: "CORP", LogonServer: "DC1", DomainSID: benchSID.Domain(),
		Directory: accounts, Preauth: []kdc.Preauth{pk}, Now: time.Now, Rand: rand.Reader,
	})
	l, err := benchListen()
	if err != nil {
		return err
	}
	return kdc.Serve(ctx, l, k.KDCAnswer, kdc.Limits{})
}

type benchIdentity struct{ own *kdc.Certificate }

func (i benchIdentity) Certificate(context.Context) (*kdc.Certificate, error) { return i.own, nil }

// benchAccounts are accounts by name, in small letters.
type benchAccounts map[string]*kdc.Account

func newBenchAccounts() (benchAccounts, error) {
	all := benchAccounts{}
	for name, rid := range map[string]uint32{"alice": benchSID.RID(), "krbtgt/" + strings.ToLower(benchRealm): 502, "ldap/" + benchHost: 1000} {
		a := &kdc.Account{
			SID: benchSID.Domain().Account(rid), SAMAccountName: name, DNSDomain: strings.ToLower(benchRealm), UserAccountControl: 0x200,
			Salt: krb.UserSalt(benchRealm, name), PrimaryGroup: 513, Groups: []kdc.GroupMembership{{RID: 513}, {RID: 1110}, {RID: 1111}}, Created: time.Now().Add(-time.Hour),
		}
		for _, etype := range []int32{krb.AES256, krb.AES128} {
			key, err := krb.StringToKey(etype, benchPassword, a.Salt)
			if err != nil {
				return nil, err
			}
			a.Keys = append(a.Keys, kdc.VersionedKey{KVNO: 1, Key: key})
		}
		all[name] = a
	}
	return all, nil
}

func (all benchAccounts) Client(ctx context.Context, name krb.Name) (*kdc.Account, error) {
	return all.Server(ctx, name)
}

func (all benchAccounts) Server(_ context.Context, name krb.Name) (*kdc.Account, error) {
	if a, ok := all[strings.ToLower(name.String())]; ok {
		return a, nil
	}
	return nil, kdc.ErrUnknownPrincipal
}
