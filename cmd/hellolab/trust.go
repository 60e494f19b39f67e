package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/lab"
	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/trust"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/web"
)

type trustObject = providers.Object[spec.Trust, spec.TrustOut]

// trustRotateCommand gives the Kerberos server object of a trust a new key, in
// the domain and in the tenant, as Set-AzureADKerberosServer -RotateServerKey
// does.
type trustRotateCommand struct {
	rehearsal
	json bool
}

func (c *trustRotateCommand) flags(fs *flag.FlagSet) {
	c.rehearsal.flags(fs)
	fs.BoolVar(&c.json, "json", false, "print the versions as JSON")
}

func (c *trustRotateCommand) run(ctx context.Context, s *session, args []string) error {
	if len(args) != 1 {
		return mistake("Usage: hellolab trust rotate ADDRESS, such as hellolab trust rotate trust.cloud", "A trust is needed")
	}
	if !c.json {
		err := c.show(ctx, s, func(l *lab.Lab) (bool, error) {
			_, _, err := s.rotate(ctx, l, args[0])
			return err == nil, err
		})
		if err != nil {
			return err
		}
	}
	return s.act(ctx, &c.stateFlags, "trust rotate", func(l *lab.Lab) error {
		o, r, err := s.rotate(ctx, l, args[0])
		if err != nil {
			return err
		}
		if c.json {
			return view.WriteIndentedJSON(s.out, rotated{o.Addr, string(o.In.Domain), string(o.In.Tenant), r})
		}
		s.printf("%s", rotation(o, r))
		return nil
	})
}

// rotate gives the server object of the trust at an address a new key, as a flow of
// its own.
func (s *session) rotate(ctx context.Context, l *lab.Lab, addr string) (trustObject, trust.Rotation, error) {
	o, err := s.cloudTrustNamed(l, addr)
	if err != nil {
		return o, trust.Rotation{}, err
	}
	id, err := guid.New(s.rand)
	if err != nil {
		return o, trust.Rotation{}, err
	}
	r, err := trust.Rotate(web.WithCorrelation(ctx, id.String()), l.Env(o.Addr, &providers.Type{}, cty.NilVal), o.In)
	if errors.Is(err, trust.ErrNoServer) {
		return o, r, mistake("Apply, which makes the objects of the trust anew.", "%s has no Kerberos server object of %s any more", o.In.Domain, o.Addr)
	}
	return o, r, err
}

// cloudTrustNamed finds a trust that has a key of its own.
func (s *session) cloudTrustNamed(l *lab.Lab, addr string) (o trustObject, err error) {
	if err := s.isA(l, addr, "trust"); err != nil {
		return o, err
	}
	o, err = providers.Resolve[spec.Trust, spec.TrustOut](l.Env("", &providers.Type{}, cty.NilVal), providers.Ref(addr))
	switch {
	case err != nil:
		return o, err
	case o.In.Type != spec.TrustCloudKerberos:
		return o, mistake("A trust of type \"cloud_kerberos\" has one.", "%s is of type %s and has no key to rotate", addr, view.Quote(o.In.Type))
	case o.ID == "":
		return o, mistake("Apply first.", "%s is not made yet", addr)
	}
	return o, nil
}

// rotated is a rotation as JSON.
type rotated struct {
	Trust  string `json:"trust"`
	Domain string `json:"domain"`
	Tenant string `json:"tenant"`
	trust.Rotation
}

// rotation says what was done, and what that means to who holds tickets.
func rotation(o trustObject, r trust.Rotation) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Rotated: the key of krbtgt_%d now has version %d in %s and %s", r.Server, r.Is, view.Escape(string(o.In.Domain)), view.Escape(string(o.In.Tenant)))
	switch {
	case r.WasDomain == r.WasTenant:
		fmt.Fprintf(&b, "; it was %d.\n", r.WasDomain)
	case r.WasTenant == 0:
		fmt.Fprintf(&b, "; it was %d in the domain, and the tenant had none.\n", r.WasDomain)
	default:
		fmt.Fprintf(&b, "; it was %d in the domain and %d in the tenant.\n", r.WasDomain, r.WasTenant)
	}
	b.WriteString("Devices get a partial ticket under the new key when they sign in to the tenant again.\n")
	return b.String()
}
