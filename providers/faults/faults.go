// Package faults is the ways to break a lab that need no system's own tools: on
// the network, by a clock, by declaring an object otherwise, and by what an
// administrator does over LDAP and Graph. What takes the tools of one system
// (a TPM's owner, a certification authority's administrator) that system gives
// itself, and package all puts them together.
//
// A fault says what is broken, never what follows: that is what a sign-in finds
// out.
package faults

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/spec"
)

// All returns the faults of the package.
func All() []providers.Fault {
	return slices.Concat(network(), changes(), federations(), controllers(), tenantAdministration(), domainAdministration())
}

// answering are the kinds whose objects answer on hosts.
var answering = []string{"tenant", "domain", "authority", "federation", "sync", "application", "service"}

// Ports of an authority.
const (
	portLists      = 80  // HTTP: lists and OCSP
	portEnrollment = 443 // HTTPS
)

func network() []providers.Fault {
	return []providers.Fault{
		{
			Name: "host_down", Targets: answering,
			Doc:    "None of its hosts answers, or `host` does not.",
			Params: []providers.Attr{aHost()},
			Begin:  cut(0, providers.Outage{}),
		},
		{
			Name: "host_slow", Targets: answering,
			Doc:    "Each answer of its hosts, or of `host`, takes `delay` longer, of lab time.",
			Params: []providers.Attr{duration("delay", "how much longer each answer takes.", true), aHost()},
			Check:  positive("delay"),
			Begin: func(ctx context.Context, b providers.Breaker, is providers.Broken) error {
				slow, err := providers.ParseDuration(is.Text("delay"))
				if err != nil {
					return err
				}
				return cut(0, providers.Outage{Slow: slow})(ctx, b, is)
			},
		},
		{
			Name: "revocation_unreachable", Targets: []string{"authority"},
			Doc:   "Its revocation lists and OCSP are reached from nowhere; it still enrolls.",
			Begin: cut(portLists, providers.Outage{}),
		},
		{
			Name: "enrollment_down", Targets: []string{"authority"},
			Doc:   "Nobody gets or renews a certificate from it; its lists are still reached.",
			Begin: cut(portEnrollment, providers.Outage{}),
		},
		{
			Name: "controller_off", Targets: []string{"domain"},
			Doc:    "One domain controller is off, the only one or that of `controller`.",
			Params: []providers.Attr{Controller()},
			Begin:  controllerOff,
		},
		{
			Name: "clock_skew", Targets: []string{"device"},
			Doc:    "Its clock is ahead by `by`, or behind by less than zero.",
			Params: []providers.Attr{duration("by", "how far ahead: \"10m\", \"-10m\".", true)},
			Check:  someDuration("by"),
			Begin: func(_ context.Context, b providers.Breaker, is providers.Broken) error {
				by, err := signedDuration(is.Text("by"))
				b.Skew(is.Target.Addr, by)
				return err
			},
		},
	}
}

// cut is an outage, but for its host, on each host of the target.
func cut(port int, o providers.Outage) func(context.Context, providers.Breaker, providers.Broken) error {
	return func(_ context.Context, b providers.Breaker, is providers.Broken) error {
		hosts, err := b.Hosts(is.Target.Addr)
		if err == nil && len(hosts) == 0 {
			err = fmt.Errorf("%s answers on no host", is.Target.Addr)
		}
		if only := is.Text(aHost().Name); only != "" && err == nil {
			all := hosts
			hosts = slices.DeleteFunc(slices.Clone(all), func(h string) bool { return !strings.EqualFold(h, only) })
			if len(hosts) == 0 {
				err = fmt.Errorf("%s does not answer on %q; its hosts are %s", is.Target.Addr, only, strings.Join(all, ", "))
			}
		}
		for _, h := range hosts {
			o.Host, o.Port = h, port
			b.Cut(o)
		}
		return err
	}
}

// aHost is the parameter of faults that may be of one host.
func aHost() providers.Attr {
	return providers.Attr{Name: "host", Doc: "which of its hosts; all when absent.", Type: cty.String, Default: cty.NilVal}
}

// Controller is the parameter of faults that are of one domain controller.
func Controller() providers.Attr {
	return providers.Attr{Name: "controller", Doc: "which controller, by its label.", Type: cty.String, Default: cty.NilVal}
}

func controllerOff(_ context.Context, b providers.Breaker, is providers.Broken) error {
	d, err := objectOf[spec.Domain, spec.DomainOut](b, is.Target.Addr)
	if err != nil {
		return err
	}
	name := is.Text("controller")
	if name == "" && len(d.Out.Hosts) > 1 {
		return fmt.Errorf("%s has %d controllers: say which, as in controller = %q", d.Addr, len(d.Out.Hosts), label(d.Out.Hosts[0]))
	}
	for _, host := range d.Out.Hosts {
		if name == "" || strings.EqualFold(label(host), name) {
			b.Cut(providers.Outage{Host: host})
			return nil
		}
	}
	return fmt.Errorf("%s has no controller %q", d.Addr, name)
}

func label(host string) string {
	name, _, _ := strings.Cut(host, ".")
	return name
}

// objectOf is an object decoded into its kind's structs.
func objectOf[In, Out any](b providers.Breaker, addr string) (o providers.Object[In, Out], err error) {
	env, err := b.Env("")
	if err != nil {
		return o, err
	}
	if o, err = providers.Resolve[In, Out](env, providers.Ref(addr)); err != nil {
		return o, fmt.Errorf("%s: %w", addr, err)
	}
	if o.ID == "" {
		return o, fmt.Errorf("%s does not exist yet", addr)
	}
	return o, nil
}
