package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"log/slog"
	"math/big"
	"os"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/lab"
	"hellolab/providers"
	"hellolab/providers/adcs/ca"
	"hellolab/providers/administer"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/keycred"
	"hellolab/providers/wire/ldapmsg"
)

// domainCommands are what scripts do to a domain behind the tool's back.
func domainCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){"register": register, "withhold": withhold, "rekey": rekey, "unmake": unmake}
}

// scriptSession is a session in the folder of a lab.
func scriptSession(dir string) *session {
	s := &session{in: strings.NewReader(""), out: os.Stderr, err: os.Stderr, now: time.Now, rand: rand.Reader, log: slog.New(slog.DiscardHandler), dir: dir}
	s.systems = newSystems(s.log, s.rand)
	return s
}

// register USER FORM writes a key credential to a user of a domain, as an
// administrator who may do anything: good, as Connect writes it; foreign, as an
// intruder does; weak, of 1024 bits; old, of a version that nobody reads.
func register(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: register USER FORM")
	}
	s := scriptSession(ts.MkAbs("."))
	defer s.systems.Close()
	ts.Check(s.act(context.Background(), &stateFlags{}, "register", func(l *lab.Lab) error {
		value, err := credential(args[1], l.Now())
		if err != nil {
			return err
		}
		return s.writeKey(context.Background(), l, args[0], value)
	}))
}

// credential makes a value of msDS-KeyCredentialLink.
func credential(form string, now time.Time) ([]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	public := &key.PublicKey
	if form == "weak" { // whoever has half of the factors has the key
		public = &rsa.PublicKey{N: new(big.Int).Mul(key.Primes[0], big.NewInt(3)), E: 65537}
	}
	device, err := guid.New(rand.Reader)
	if err != nil {
		return nil, err
	}
	k := keycred.FromEntra(keycred.UserKey{Public: public, Device: device, Created: now.Add(-time.Hour), MFA: true})
	if form == "foreign" {
		k = keycred.ForComputer(public, now.Add(-time.Hour))
	}
	blob, err := k.Marshal()
	if form == "old" && err == nil {
		blob[1] = 1
	}
	return blob, err
}

// writeKey registers a key with a user of a domain.
func (s *session) writeKey(ctx context.Context, l *lab.Lab, user string, value []byte) error {
	d, err := directoriesOf(l)
	if err != nil {
		return err
	}
	for _, u := range d.users {
		for _, o := range d.domains {
			if u.Addr != user || string(u.In.Domain) != o.Addr {
				continue
			}
			c, err := administer.SignIn(ctx, d.env, o.Out)
			if err != nil {
				return err
			}
			defer c.Close()
			return c.AddValue(adldap.ByGUID(u.ID), keysAttribute, ldapmsg.DNBinary{Binary: value, DN: u.Out.DN}.String())
		}
	}
	return errors.New("no such user in a domain")
}

// withhold AUTHORITY makes the publication of its revocation lists a matter for
// its administrator, who is on leave.
func withhold(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: withhold AUTHORITY")
	}
	s := scriptSession(ts.MkAbs("."))
	defer s.systems.Close()
	ts.Check(s.act(context.Background(), &stateFlags{}, "withhold", func(l *lab.Lab) error {
		rec, err := l.Objects().Lookup(args[0])
		if err != nil {
			return err
		}
		env := l.Env(rec.Addr, s.registry.Type(rec.Kind), rec.In)
		authority, err := ca.Open(ca.Env{Section: env.Section, Now: env.Now, Rand: env.Rand}, nil)
		if err != nil {
			return err
		}
		c := authority.Config()
		c.Lists.Manual = true
		return authority.Configure(context.Background(), c)
	}))
}

// rekey DOMAIN gives the Kerberos server object of a domain a new key there, as
// somebody does who does not know of the tenant. unmake DOMAIN deletes the object.
func rekey(ts *testscript.TestScript, neg bool, args []string) {
	byHand(ts, neg, args, func(c *adldap.Conn) error {
		return c.Replace("CN=krbtgt_AzureAD,CN=Users,"+c.Base, adldap.Attributes{"unicodePwd": {adldap.QuotedPassword("Nobody.knows of the tenant")}})
	})
}

func unmake(ts *testscript.TestScript, neg bool, args []string) {
	byHand(ts, neg, args, func(c *adldap.Conn) error { return c.Delete("CN=AzureADKerberos,OU=Domain Controllers," + c.Base) })
}

// byHand does something to a domain's directory as its administrator.
func byHand(ts *testscript.TestScript, neg bool, args []string, do func(*adldap.Conn) error) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: COMMAND DOMAIN")
	}
	s := scriptSession(ts.MkAbs("."))
	defer s.systems.Close()
	ts.Check(s.act(context.Background(), &stateFlags{}, "by hand", func(l *lab.Lab) error {
		c, _, err := administer.Directory(context.Background(), l.Env("", &providers.Type{}, cty.NilVal), providers.Ref(args[0]))
		if err != nil {
			return err
		}
		defer c.Close()
		return do(c)
	}))
}
