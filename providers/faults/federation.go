package faults

import (
	"context"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
)

// federations are faults by federation services, and authorities of certificate
// trust, that are otherwise than declared.
func federations() []providers.Fault {
	service := func(name, doc string, attribute string, v cty.Value) providers.Fault {
		return declared(name, doc, "federation", map[string]cty.Value{attribute: v})
	}
	return []providers.Fault{
		service("federation_stopped", "Its service does not run: its hosts answer that it is unavailable.", "enabled", cty.False),
		service("adapter_missing", "It has no adapter for second factors any more.", "mfa", cty.StringVal(spec.AdapterNone)),
		service("registration_authority_off", "It is no certificate registration authority.", "registration_authority", cty.False),
		service("device_registration_off", "Its Enterprise Device Registration Service does not answer.", "device_registration", cty.False),

		service("password_endpoints_off", "Its endpoints for user names and passwords by message (WS-Trust usernamemixed) are disabled, and its metadata names none.", "password_endpoints", cty.False),
		service("scope_missing", "Windows' sign-in may not ask it for the scope ugs: the permission is missing, as AD FS of Windows Server 2019 can have it.", "ugs_scope", cty.False),

		declared("not_in_ntauth", "The forest does not trust it for logon certificates: it is not in NTAuthCertificates.", "authority", map[string]cty.Value{"ntauth": cty.False}),
		template("sign_in_template_off", "It does not issue sign-in certificates: the template "+hello.SignInTemplate+" is withdrawn.", hello.SignInTemplate, withdrawn),
		template("agent_template_off", "It does not issue enrollment agent certificates: the template "+hello.AgentTemplate+" is withdrawn.", hello.AgentTemplate, withdrawn),
		template("security_identifier_missing", "The sign-in certificates that it issues, or renews, bear no security identifier of the account (KB5014754).", hello.SignInTemplate, func(t *spec.AuthorityTemplate) { t.SID = new(false) }),
		authority("delta_lists_refused", "Its web server answers 404 for delta lists, whose names have a plus sign; without OCSP nobody learns whether its certificates are revoked.", "crl", func(a *spec.Authority) {
			own := spec.AuthorityCRL{Validity: 7 * 24 * time.Hour, Delta: 24 * time.Hour, Overlap: 12 * time.Hour} // as without the block
			if a.CRL != nil {
				own = *a.CRL
			}
			own.DoubleEscape = new(false)
			a.CRL = &own
		}),
		authority("lists_closed_to_controllers", "Domain controllers cannot read its lists; everybody else can.", "crl", func(a *spec.Authority) {
			own := spec.AuthorityCRL{}
			if a.CRL != nil {
				own = *a.CRL
			}
			own.ReachableFrom = []string{"onsite", "internet"}
			a.CRL = &own
		}),
	}
}

func withdrawn(t *spec.AuthorityTemplate) { t.Enabled = false }

// template is a fault by a template of an authority that is otherwise.
func template(name, doc, which string, change func(*spec.AuthorityTemplate)) providers.Fault {
	return authority(name, doc, "template", func(a *spec.Authority) {
		all := map[string]*spec.AuthorityTemplate{}
		for n, t := range a.Templates {
			all[n] = t
		}
		own := spec.AuthorityTemplate{Enabled: true}
		if t := all[which]; t != nil {
			own = *t
		}
		change(&own)
		all[which] = &own
		a.Templates = all
	})
}

// authority is a fault by one block of an authority that is otherwise.
func authority(name, doc, block string, change func(*spec.Authority)) providers.Fault {
	return providers.Fault{Name: name, Doc: doc, Targets: []string{"authority"},
		Begin: func(ctx context.Context, b providers.Breaker, is providers.Broken) error {
			a, err := objectOf[spec.Authority, spec.AuthorityOut](b, is.Target.Addr)
			if err != nil {
				return err
			}
			change(&a.In)
			in, err := providers.Encode(a.In, providers.NullZero)
			if err != nil {
				return err
			}
			return b.Change(ctx, is.Target.Addr, map[string]cty.Value{block: in.GetAttr(block)})
		}}
}
