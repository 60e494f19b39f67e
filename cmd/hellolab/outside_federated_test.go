package main

//lint:file-ignore SA1019 the library advises against the password grant; its users still need a server that knows it.

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/public"

	"hellolab/providers/wire/oauth"
)

const federatedOutsideLab = `
variable "password" {
  type      = string
  sensitive = true
}

domain "corp" {
  dns_name     = "corp.contoso.com"
  netbios_name = "CORP"
}

authority "issuing" {
  domain      = domain.corp
  common_name = "Contoso Issuing CA"
}

federation "adfs" {
  domain    = domain.corp
  authority = authority.issuing
}

tenant "contoso" {
  domains        = ["contoso.com"]
  authentication = "federated"
  federation     = federation.adfs
}

sync "hybrid" {
  tenant = tenant.contoso
  domain = domain.corp
}

user "alice" {
  upn      = "alice@contoso.com"
  tenant   = tenant.contoso
  domain   = domain.corp
  password = var.password
}
`

// TestOutsideFederated has Microsoft's library for Go sign in to a federated
// tenant: it asks the tenant for the realm, AD FS for its metadata and an
// assertion by WS-Trust, and the tenant for tokens for that.
func TestOutsideFederated(t *testing.T) {
	const password = "Correct horse 7"
	env := []string{"HELLOLAB_VAR_password=" + password}
	o := &outside{dir: applied(t, federatedOutsideLab, env)}
	about := up(t, hellolab(t, o.dir, env, "serve", "-json", "-hosts=microsoft"))
	o.connect(t, about)
	for name, options := range map[string][]public.Option{
		"by the tenant's name": {public.WithAuthority(about.Tenants[0].Authority), public.WithInstanceDiscovery(false)},
		"by Microsoft's":       {public.WithAuthority("https://login.microsoftonline.com/organizations")},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := public.New(oauth.ClientAzureCLI, append(options, public.WithHTTPClient(o.http))...)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.AcquireTokenByUsernamePassword(t.Context(), []string{outsideScope}, outsideUser, password+"x"); err == nil || strings.Contains(err.Error(), password) {
				t.Errorf("a wrong password: %v", err)
			}
			r, err := c.AcquireTokenByUsernamePassword(t.Context(), []string{outsideScope}, outsideUser, password)
			if err != nil {
				t.Fatal(err)
			}
			if r.Account.PreferredUsername != outsideUser || r.AccessToken == "" {
				t.Errorf("account %+v", r.Account)
			}
			if _, err := c.AcquireTokenSilent(t.Context(), []string{otherScope}, public.WithSilentAccount(r.Account)); err != nil {
				t.Errorf("without anybody: %v", err)
			}
		})
	}
	t.Run("MSAL for Python", func(t *testing.T) {
		python := need(t, "/usr/bin/python3")[0]
		if err := exec.CommandContext(t.Context(), python, "-c", "import msal").Run(); err != nil {
			missing(t, "python3-msal")
		}
		cmd := exec.CommandContext(t.Context(), python, "testdata/outside/federated.py", about.Tenants[0].Authority, oauth.ClientAzureCLI, outsideUser, password)
		cmd.Env = append(os.Environ(), o.vars...)
		out, err := cmd.CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != "OK refused\nOK "+outsideUser+" True" {
			t.Errorf("%v\n%s", err, out)
		}
	})
}
