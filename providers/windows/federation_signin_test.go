package windows

import (
	"testing"

	"hellolab/providers/wire/wstrust"
)

// A password goes to no host but those that the tenant named.
func TestEndpointForPassword(t *testing.T) {
	realm := userRealm{Metadata: "https://sts.contoso.com/adfs/services/trust/mex", Active: "https://sts.contoso.com/adfs/services/trust/2005/usernamemixed"}
	own := wstrust.Endpoint{Version: wstrust.Trust13, URL: "https://STS.contoso.com/adfs/services/trust/13/usernamemixed"}
	named := wstrust.Endpoint{Version: wstrust.Trust2005, URL: realm.Active}
	tickets := wstrust.Endpoint{Version: wstrust.Trust13, Windows: true, URL: "https://sts.contoso.com/adfs/services/trust/13/windowstransport"}
	foreign := func(url string) wstrust.Endpoint { return wstrust.Endpoint{Version: wstrust.Trust13, URL: url} }
	for name, c := range map[string]struct {
		all  []wstrust.Endpoint
		want string
		code string
	}{
		"what the tenant named":   {[]wstrust.Endpoint{own, named}, named.URL, ""},
		"the first of its own":    {[]wstrust.Endpoint{tickets, own}, own.URL, ""},
		"none":                    {nil, "", "federation_without_password_endpoint"},
		"none but for tickets":    {[]wstrust.Endpoint{tickets}, "", "federation_without_password_endpoint"},
		"another host before":     {[]wstrust.Endpoint{foreign("https://evil.example/trust"), own}, own.URL, ""},
		"another host alone":      {[]wstrust.Endpoint{foreign("https://evil.example/trust")}, "", "federation_refused"},
		"its name as a user's":    {[]wstrust.Endpoint{foreign("https://sts.contoso.com@evil.example/trust")}, "", "federation_refused"},
		"a longer name":           {[]wstrust.Endpoint{foreign("https://sts.contoso.com.evil.example/trust")}, "", "federation_refused"},
		"another port":            {[]wstrust.Endpoint{foreign("https://sts.contoso.com:8443/trust")}, "", "federation_refused"},
		"no address":              {[]wstrust.Endpoint{foreign("https://%zz/")}, "", "federation_refused"},
		"tickets and the foreign": {[]wstrust.Endpoint{tickets, foreign("https://evil.example/trust")}, "", "federation_refused"},
	} {
		got, err := forPassword(realm, c.all)
		code := ""
		if err != nil {
			code = reasonOf(err).Code
		}
		if got.URL != c.want || code != c.code {
			t.Errorf("%s: %q, %q (%v)", name, got.URL, code, err)
		}
	}
}
