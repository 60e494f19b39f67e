package faults

import (
	"context"
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
)

// controllers are faults by domain controllers that are otherwise than declared.
func controllers() []providers.Fault {
	template := func(name string) func(*spec.Controller, providers.Broken) error {
		return func(c *spec.Controller, _ providers.Broken) error {
			c.KDCCertificate = &spec.KDCCertificate{Template: name}
			return nil
		}
	}
	build := duration("build", "its build and revision, as in \"17763.100\".", true)
	return []providers.Fault{
		controller("kdc_certificate_missing", "Its controllers have no certificate for their KDCs, or that of `controller` has none.", template(spec.TemplateNone)),
		controller("kdc_certificate_without_purpose", "The certificates of its KDCs, or that of `controller`, are by a template without KDC authentication.", template(spec.TemplateDomainController)),
		controller("controller_read_only", "A controller, that of `controller`, is read-only.", func(c *spec.Controller, _ providers.Broken) error {
			c.Writable = new(false)
			return nil
		}),
		controller("controller_outdated", "Its controllers, or that of `controller`, are of an old `build`, without the updates since.", outdate, build),
	}
}

// controller is a fault by a change of controllers of a domain. Those whose
// certificates it touches enroll again without it.
func controller(name, doc string, change func(*spec.Controller, providers.Broken) error, params ...providers.Attr) providers.Fault {
	return providers.Fault{Name: name, Doc: doc, Targets: []string{"domain"}, Params: append(params, Controller()),
		Begin: func(ctx context.Context, b providers.Breaker, is providers.Broken) error {
			blocks, err := changed(b, is, change)
			if err != nil {
				return err
			}
			return b.Change(ctx, is.Target.Addr, map[string]cty.Value{"controller": blocks})
		}}
}

// changed is a domain's controller blocks with a change of those that are meant.
func changed(b providers.Breaker, is providers.Broken, change func(*spec.Controller, providers.Broken) error) (cty.Value, error) {
	d, err := objectOf[spec.Domain, spec.DomainOut](b, is.Target.Addr)
	if err != nil {
		return cty.NilVal, err
	}
	only := is.Text(Controller().Name)
	names, by := hello.Controllers(d.In)
	d.In.Controllers = map[string]*spec.Controller{}
	hit := false
	for _, name := range names {
		c := by[name]
		if only == "" || strings.EqualFold(name, only) {
			hit = true
			if err := change(&c, is); err != nil {
				return cty.NilVal, err
			}
		}
		d.In.Controllers[name] = &c
	}
	if !hit {
		return cty.NilVal, fmt.Errorf("%s has no controller %q; it has %s", d.Addr, only, strings.Join(names, ", "))
	}
	in, err := providers.Encode(d.In, providers.NullZero)
	if err != nil {
		return cty.NilVal, err
	}
	return in.GetAttr("controller"), nil
}

// releases are the systems of builds.
var releases = map[string]string{"14393": "windows-server-2016", "17763": "windows-server-2019", "20348": "windows-server-2022", "26100": "windows-server-2025"}

func outdate(c *spec.Controller, is providers.Broken) error {
	build, _, _ := strings.Cut(is.Text("build"), ".")
	os, ok := releases[build]
	if !ok {
		return fmt.Errorf("there is no Windows Server of build %q; there are 14393, 17763, 20348 and 26100", build)
	}
	c.OS, c.Build = os, is.Text("build")
	return nil
}
