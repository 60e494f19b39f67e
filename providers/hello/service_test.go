package hello

import (
	"slices"
	"testing"

	"hellolab/providers"
	"hellolab/providers/spec"
)

func TestValidateServices(t *testing.T) {
	type lab = map[string]any
	for _, c := range []struct {
		name    string
		service spec.Service
		want    string // "" for none: of service.web
	}{
		{"as it is", spec.Service{Domain: "domain.corp", Kind: "kerberos"}, ""},
		{"with everything", spec.Service{Domain: "domain.corp", Kind: "ntlm", Name: "Web-1", SPN: "HTTP/intranet.contoso.com:8080", Authorize: []providers.Ref{"group.staff", "user.al"}}, ""},
		{"a gesture again", spec.Service{Domain: "domain.corp", Kind: "vpn", Force: true}, ""},
		{"a gesture again, without a key", spec.Service{Domain: "domain.corp", Kind: "kerberos", Force: true}, "service.web force force_without_key"},
		{"a name of 15", spec.Service{Domain: "domain.corp", Name: "abcdefghijklmno"}, ""},
		{"a name of 16", spec.Service{Domain: "domain.corp", Name: "abcdefghijklmnop"}, "service.web name service_name_malformed"},
		{"a name with a dot", spec.Service{Domain: "domain.corp", Name: "web.corp"}, "service.web name service_name_malformed"},
		{"a controller's name", spec.Service{Domain: "domain.corp", Name: "DC1"}, "service.web name service_name_of_controller"},
		{"another's name", spec.Service{Domain: "domain.corp", Name: "OTHER", SPN: "HTTP/x"}, "service.web name service_name_taken"},
		{"another's name in another domain", spec.Service{Domain: "domain.fabrikam", Name: "other"}, ""},
		{"no host in its principal", spec.Service{Domain: "domain.corp", SPN: "HTTP"}, "service.web spn spn_malformed"},
		{"what Read says of none", spec.Service{Domain: "domain.corp", SPN: "none"}, "service.web spn spn_malformed"},
		{"another's principal", spec.Service{Domain: "domain.corp", SPN: "http/OTHER.corp.contoso.com"}, "service.web spn spn_taken"},
		{"people of a tenant", spec.Service{Domain: "domain.corp", Authorize: []providers.Ref{"group.cloud"}}, "service.web authorize authorized_elsewhere"},
		{"people of another domain", spec.Service{Domain: "domain.fabrikam", Authorize: []providers.Ref{"user.al"}}, "service.web authorize authorized_elsewhere"},
	} {
		objects := lab{
			"domain.corp":     spec.Domain{DNSName: "corp.contoso.com", NetBIOSName: "CORP", FunctionalLevel: "2016", Mapping: "full"},
			"domain.fabrikam": spec.Domain{DNSName: "fabrikam.com", NetBIOSName: "FABRIKAM", FunctionalLevel: "2016", Mapping: "full"},
			"group.staff":     spec.Group{Domain: "domain.corp"},
			"group.cloud":     spec.Group{Tenant: "tenant.contoso"},
			"user.al":         spec.User{UPN: "al@corp.contoso.com", Domain: "domain.corp", Password: providers.Secret("x"), EnabledInDomain: true},
			"service.other":   spec.Service{Domain: "domain.corp", Kind: "kerberos"},
			"service.web":     c.service,
		}
		var got []string
		for _, p := range Validate(worldOf(t, objects)) {
			if p.Detail == "" || p.Summary == "" {
				t.Errorf("%s: %+v says nothing", c.name, p)
			}
			got = append(got, p.Addr+" "+p.Attribute+" "+p.Rule)
		}
		var want []string
		if c.want != "" {
			want = []string{c.want}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", c.name, got, want)
		}
	}
}

func TestServiceNames(t *testing.T) {
	for _, c := range []struct {
		addr      string
		in        spec.Service
		name, spn string
	}{
		{"service.web", spec.Service{}, "web", "HTTP/web.corp.contoso.com"},
		{"module.a.service.Web", spec.Service{}, "Web", "HTTP/web.corp.contoso.com"},
		{"service.web", spec.Service{Name: "W1", SPN: "HTTP/x"}, "W1", "HTTP/x"},
	} {
		if name, spn := ServiceName(c.addr, c.in), ServiceSPN(c.addr, c.in, "corp.contoso.com"); name != c.name || spn != c.spn {
			t.Errorf("%s: %q %q", c.addr, name, spn)
		}
	}
}
