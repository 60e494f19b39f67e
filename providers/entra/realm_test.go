package entra

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/web"
)

func (b *bench) get(target string) web.Reply {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, target, nil)
	b.must(err)
	return b.send(req)
}

func TestInstanceDiscovery(t *testing.T) {
	b := newBench(t)
	at := func(endpoint string) web.Reply {
		return b.get("https://" + b.out.LoginHost + "/common/discovery/instance?api-version=1.1&authorization_endpoint=" + url.QueryEscape(endpoint))
	}
	for path, tenant := range map[string]string{"/" + b.out.TenantID: b.out.TenantID, "/contoso.com": b.out.TenantID, "/common": "common", "/organizations": "organizations"} {
		var answer struct {
			Endpoint string `json:"tenant_discovery_endpoint"`
			Metadata []struct {
				Network string   `json:"preferred_network"`
				Aliases []string `json:"aliases"`
			} `json:"metadata"`
		}
		b.must(at("https://" + b.out.LoginHost + path + "/oauth2/v2.0/authorize").JSON(&answer))
		if answer.Endpoint != "https://"+b.out.LoginHost+"/"+tenant+"/v2.0/.well-known/openid-configuration" ||
			len(answer.Metadata) != 1 || !slices.Contains(answer.Metadata[0].Aliases, b.out.LoginHost) {
			t.Errorf("%s: %+v", path, answer)
		}
	}
	for _, endpoint := range []string{"", "https://evil.example/common/oauth2/v2.0/authorize", "http://" + b.out.LoginHost + "/common/", "https://" + b.out.LoginHost + ".evil.example/"} {
		reply := at(endpoint)
		want(t, oauth.ParseError(reply.Status, reply.Body), oauth.InstanceUnknown)
	}
}

func TestRealm(t *testing.T) {
	b := newBench(t)
	for _, tt := range []struct{ name, version, member, want string }{
		{aliceUPN, "1.0", "account_type", "Managed"},
		{"ALICE%40Contoso.com", "1.0", "account_type", "Managed"},
		{"someone@fabrikam.example", "1.0", "account_type", "Unknown"},
		{"nobody@common", "1.0", "account_type", "Unknown"},
		{"nobody@" + b.out.TenantID, "1.0", "account_type", "Unknown"},
		{aliceUPN, "2.0", "NameSpaceType", "Managed"},
		{aliceUPN, "2.1", "DomainName", "contoso.com"},
		{"someone@fabrikam.example", "2.1", "NameSpaceType", "Unknown"},
	} {
		var answer map[string]any
		b.must(b.get("https://" + b.out.LoginHost + "/common/UserRealm/" + tt.name + "?api-version=" + tt.version).JSON(&answer))
		if answer[tt.member] != tt.want {
			t.Errorf("%s, %s: %v", tt.name, tt.version, answer)
		}
	}
}

func TestCredentialType(t *testing.T) {
	b := newBench(t)
	ask := func(body any) web.Reply {
		req, err := web.NewJSON(t.Context(), http.MethodPost, "https://"+b.out.LoginHost+"/common/GetCredentialType", body)
		b.must(err)
		return b.send(req)
	}
	for name, exists := range map[string]int{aliceUPN: oauth.AccountExists, " Alice@Contoso.com ": oauth.AccountExists, "nobody@contoso.com": oauth.AccountMissing, "x@fabrikam.example": oauth.AccountMissing} {
		var answer oauth.CredentialTypeReply
		b.must(ask(oauth.CredentialTypeRequest{Username: name, FlowToken: "f"}).JSON(&answer))
		managed := answer.EstsProperties.DomainType == oauth.DomainManaged
		if answer.IfExistsResult != exists || answer.FlowToken != "f" || managed != strings.Contains(strings.ToLower(name), "@contoso.com") {
			t.Errorf("%s: %+v", name, answer)
		}
	}
	reply := ask(map[string]any{"username": ""})
	want(t, oauth.ParseError(reply.Status, reply.Body), oauth.RequestMalformed)
}

func TestUserinfo(t *testing.T) {
	b := newBench(t)
	var subjects []string
	for _, client := range []string{oauth.ClientAzureCLI, oauth.ClientGraphCLI} {
		tokens, err := b.token(oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: client, Resource: oauth.ResourceGraph, Username: aliceUPN, Password: password})
		b.must(err)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+b.out.GraphHost+pathUserinfo, nil)
		b.must(err)
		req.Header.Set("Authorization", "Bearer "+tokens.AccessToken)
		var who map[string]string
		b.must(b.send(req).JSON(&who))
		if id := claimsOf(t, tokens.IDToken); who["sub"] == "" || who["sub"] != id.Subject || who["email"] != aliceUPN {
			t.Errorf("userinfo %v, id token %+v", who, id)
		}
		subjects = append(subjects, who["sub"])
	}
	if subjects[0] == subjects[1] {
		t.Error("two clients see one subject")
	}
	if reply := b.get("https://" + b.out.GraphHost + pathUserinfo); reply.Status != http.StatusUnauthorized || reply.Header.Get("WWW-Authenticate") == "" {
		t.Errorf("without a token: %d", reply.Status)
	}
}
