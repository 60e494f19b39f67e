package hello

import (
	"regexp"
	"strings"
	"testing"

	"hellolab/providers/spec"
)

func TestApplicationLabels(t *testing.T) {
	for addr, want := range map[string]string{"application.portal": "portal", "application.my-app2": "my-app2"} {
		if got := ApplicationLabel(addr, spec.Application{}); got != want {
			t.Errorf("%s: %s", addr, got)
		}
	}
	label := regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	seen := map[string]string{}
	for _, c := range []struct{ addr, name string }{
		{"application.portal", ""}, {"module.a.application.portal", ""}, {"module.b.application.portal", ""}, {`application.portal["x"]`, ""}, {`application.portal["y"]`, ""},
		{"application.a", "Portal"}, {"application.a", "portal!"}, {"application.a", "por tal"}, {"application.a", "por-tal"}, {"application.a", "日本"}, {"application.a", "-"},
		{"application.a", strings.Repeat("x", 63)}, {"application.a", strings.Repeat("x", 64)}, {"application.a", strings.Repeat("x", 200)}, {"application.a_b", ""}, {"application.a-b", ""},
		{"application.a", "a---b"},
	} {
		got := ApplicationLabel(c.addr, spec.Application{Name: c.name})
		if !label.MatchString(got) {
			t.Errorf("%v: %q is no DNS label", c, got)
		}
		if other, twice := seen[got]; twice {
			t.Errorf("%v and %s share %q", c, other, got)
		}
		seen[got] = c.addr + " " + c.name
	}
	// One name is one application, however its block is called.
	if ApplicationLabel("application.a", spec.Application{Name: "portal"}) != ApplicationLabel("application.portal", spec.Application{}) {
		t.Error("one name, two labels")
	}
}

func TestValidateApplications(t *testing.T) {
	portal := func(change func(*spec.Application)) map[string]any {
		l := goodLab()
		l["application.portal"] = spec.Application{Tenant: "tenant.contoso"}
		return with(l, "application.portal", change)
	}
	for _, c := range []struct {
		name   string
		change func(*spec.Application)
		want   string // attribute and rule, "?" for a warning; "" for none
	}{
		{"plain", func(*spec.Application) {}, ""},
		{"all of it", func(a *spec.Application) {
			a.RedirectURIs = []string{"https://app.example/cb", "http://localhost:8080", "myapp://auth"}
			a.Require = &spec.ApplicationRequire{MFA: true, JoinedDevice: true, CompliantDevice: true, MaxRisk: "low", RiskAction: "mfa"}
		}, ""},
		{"relative", func(a *spec.Application) { a.RedirectURIs = []string{"/cb"} }, "redirect_uris redirect_uri_malformed"},
		{"empty", func(a *spec.Application) { a.RedirectURIs = []string{""} }, "redirect_uris redirect_uri_malformed"},
		{"fragment", func(a *spec.Application) { a.RedirectURIs = []string{"https://a.example/#x"} }, "redirect_uris redirect_uri_malformed"},
		{"in the clear", func(a *spec.Application) { a.RedirectURIs = []string{"http://a.example/"} }, "redirect_uris redirect_uri_malformed"},
		{"script", func(a *spec.Application) { a.RedirectURIs = []string{"javascript:alert(1)"} }, "redirect_uris redirect_uri_malformed"},
		{"action without risk", func(a *spec.Application) { a.Require = &spec.ApplicationRequire{MFA: true, RiskAction: "mfa"} }, "require.risk_action risk_action_unused?"},
	} {
		got := ""
		for _, p := range Validate(worldOf(t, portal(c.change))) {
			if p.Addr != "application.portal" {
				t.Fatalf("%s: %+v", c.name, p)
			}
			got += p.Attribute + " " + p.Rule
			if p.Warning {
				got += "?"
			}
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	twice := portal(func(*spec.Application) {})
	twice["application.web"] = spec.Application{Tenant: "tenant.contoso", Name: "portal"}
	if ps := Validate(worldOf(t, twice)); len(ps) != 1 || ps[0].Rule != "application_name_taken" || ps[0].Addr != "application.web" {
		t.Errorf("one name twice: %+v", ps)
	}
}
