package adfs_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/adcs"
	"hellolab/providers/adds"
	"hellolab/providers/adfs"
	"hellolab/providers/conformance"
	"hellolab/providers/identity"
	"hellolab/providers/spec"
)

const (
	corp    = "domain.corp"
	service = "federation.sts"
	host    = "sts.corp.contoso.com"
)

// newDomain is a domain on the network.
func newDomain(tb testing.TB) *conformance.Env {
	tb.Helper()
	var kinds []providers.Type
	for _, list := range [][]providers.Type{adds.Types(), adcs.Types(), adfs.Types(), identity.Types()} {
		kinds = append(kinds, list...)
	}
	e := conformance.NewEnv(tb, kinds...)
	e.Create(corp, spec.Domain{DNSName: "corp.contoso.com", NetBIOSName: "CORP"})
	return e
}

func TestFederationConforms(t *testing.T) {
	federation := func(n int) map[string]cty.Value {
		in := map[string]cty.Value{"domain": cty.StringVal(corp)}
		if n > 0 { // a domain has one registration service
			in["host"] = cty.StringVal(fmt.Sprintf("sts%d.corp.contoso.com", n))
			in["device_registration"] = cty.False
		}
		return in
	}
	conformance.Run(t, conformance.Harness{
		Kind: "federation", Env: newDomain, Every: 8,
		In: func(n int) any { return cty.ObjectVal(federation(n)) },
		Change: func(n int) any {
			in := federation(n)
			in["mfa_rule"], in["mfa"], in["device_registration"], in["signing_version"] = cty.StringVal("always"), cty.StringVal("none"), cty.False, cty.NumberIntVal(2)
			return cty.ObjectVal(in)
		},
	})
}

// A registration authority enrolls within the same calls.
func TestRegistrationAuthorityConforms(t *testing.T) {
	federation := func(n int) spec.Federation {
		return spec.Federation{Domain: corp, Host: fmt.Sprintf("sts%d.corp.contoso.com", n), Authority: issuing}
	}
	without := func(in spec.Federation, attributes ...string) cty.Value {
		v, err := providers.Encode(in, providers.OmitZero)
		if err != nil {
			t.Fatal(err)
		}
		attrs := v.AsValueMap()
		for _, a := range attributes {
			attrs[a] = cty.False
		}
		return cty.ObjectVal(attrs)
	}
	conformance.Run(t, conformance.Harness{
		Kind: "federation", Every: 13,
		Env: func(tb testing.TB) *conformance.Env {
			e := newDomain(tb)
			e.Create(issuing, spec.Authority{Domain: corp, CommonName: "Contoso Issuing CA", NTAuth: true, OCSP: true})
			return e
		},
		In:     func(n int) any { return without(federation(n), "device_registration") },
		Change: func(n int) any { return without(federation(n), "device_registration", "registration_authority") },
	})
}

func TestThirdPartyConforms(t *testing.T) {
	federation := func(n int) spec.Federation {
		return spec.Federation{Kind: spec.FederationThirdParty, Host: fmt.Sprintf("idp%d.example.com", n)}
	}
	conformance.Run(t, conformance.Harness{
		Kind: "federation", Env: func(tb testing.TB) *conformance.Env { return conformance.NewEnv(tb, adfs.Types()...) },
		In: func(n int) any { return federation(n) },
		Change: func(n int) any {
			f := federation(n)
			f.MFARule, f.SigningVersion = spec.MFANever, 2
			f.Lifetimes = &spec.FederationLifetimes{Nonce: time.Minute, Assertion: time.Minute, AccessToken: time.Minute, MFA: time.Minute, PRT: time.Hour, SigningOverlap: time.Hour}
			return f
		},
	})
}
