package entra

import (
	"bytes"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"hellolab/providers/conformance"
	"hellolab/providers/spec"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
	"hellolab/providers/wire/sealed"
)

// FuzzServe sends anything to everything a tenant answers, with an
// administrator's or a registration token where one is asked for.
func FuzzServe(f *testing.F) {
	e := conformance.NewEnv(f, Types()...)
	e.Create(contoso, spec.Tenant{Domains: []string{"contoso.com"}})
	b := &bench{Env: e, t: f, addr: contoso, out: conformance.Get[spec.Tenant, spec.TenantOut](e, contoso).Out}
	s := b.server()
	sign := func(c accessClaims) string {
		text, err := s.finishAccessToken(&c, e.Now())
		if err != nil {
			f.Fatal(err)
		}
		return text
	}
	tokens := map[string]string{
		s.hosts.graph: sign(accessClaims{Audience: oauth.ResourceGraph, IDType: "app", Roles: []string{roleAdmin}}),
		s.hosts.drs:   sign(accessClaims{Audience: oauth.ResourceDRS, UPN: aliceUPN, DeviceID: "d", AMR: []string{"ngcmfa"}, AuthTime: e.Now().Unix()}),
	}
	sync := sign(accessClaims{Audience: oauth.ResourceGraph, IDType: "app", Roles: []string{roleSync}})
	hosts := []string{s.hosts.login, s.hosts.drs, s.hosts.graph}
	for i, seed := range []struct{ method, target, body string }{
		{"POST", "/common/oauth2/token", url.Values{"grant_type": {"password"}, "client_id": {oauth.ClientBroker}, "username": {aliceUPN}, "password": {"x"}}.Encode()},
		{"POST", "/common/oauth2/v2.0/token", "grant_type=" + url.QueryEscape(oauth.GrantJWTBearer) + "&request=eyJhbGciOiJSUzI1NiIsIng1YyI6IkFBPT0ifQ.e30.AAAA"},
		{"POST", "/EnrollmentServer/key/", `{"kngc":"AA==","attestation":{"statement":"AA=="}}`},
		{"POST", "/EnrollmentServer/device/", `{"CertificateRequest":{"Type":"pkcs10","Data":"AA=="},"JoinType":0}`},
		{"GET", "/common/oauth2/authorize?client_id=" + oauth.ClientBroker + "&redirect_uri=http://localhost&response_type=code", ""},
		{"POST", "/v1.0/users", `{"userPrincipalName":"x@contoso.com"}`},
		{"GET", "/v1.0/users?$filter=userPrincipalName%20eq%20'x'&$top=1&$skiptoken=AA", ""},
		{"PATCH", "/v1.0/devices(deviceId='11111111-2222-3333-4444-555555555555')", `{"accountEnabled":false}`},
		{"POST", "/common/SAS/EndAuth", `{"Method":"EndAuth","AuthMethodId":"PhoneAppOTP","Ctx":"x"}`},
		{"GET", "/common/SAS/EndAuth?authMethodId=PhoneAppNotification&pollCount=1", ""},
		{"POST", "/common/phone/list", `{"user":"` + oauth.ClientBroker + `","nonce":"AA","proof":"AA=="}`},
		{"POST", "/common/phone/answer", `{"user":"` + oauth.ClientBroker + `","nonce":"AA","proof":"AA==","notification":"x","decision":"approve","number":42}`},
		{"POST", "/v1.0/users/x/authentication/microsoftAuthenticatorMethods", `{}`},
		{"POST", "/common/oauth2/introspect", "token=a.b.c"},
		{"GET", "/contoso.com/Discover?api-version=1.9", ""},
		{"POST", "/v1.0/identity/conditionalAccess/policies", `{"displayName":"x","state":"enabled","conditions":{"applications":{"includeApplications":["All"]},"devices":{"deviceFilter":{"mode":"exclude","rule":"device.trustType -eq \"AzureAD\""}}},"grantControls":{"operator":"AND","builtInControls":["block"]}}`},
		{"GET", "/common/oauth2/v2.0/authorize?scope=api://x/.default&client_id=11111111-2222-3333-4444-555555555555", ""},
		{"DELETE", "/EnrollmentServer/device/11111111-2222-3333-4444-555555555555", ""},
		{"PUT", "/EnrollmentServer/device/11111111-2222-3333-4444-555555555555?api-version=2.0", `{"CertificateRequest":{"Type":"pkcs10","Data":"AA=="},"ServerAdJoinData":{"TransportKey":"AA==","ClientIdentity":{"Type":"sha256signed","Sid":"S-1-5-21-1-2-3-1104.2026-03-02 09:00:00Z","SignedBlob":"AA=="}},"JoinType":6}`},
		{"GET", "/v1.0/users/delta?$select=id,searchableDeviceKey&$deltatoken=AAAA", ""},
		{"POST", "/v1.0/devices", `{"deviceId":"11111111-2222-3333-4444-555555555555","displayName":"pc","trustType":"ServerAd","onPremisesSyncEnabled":true,"onPremisesSecurityIdentifier":"S-1-5-21-1-2-3-1104","userCertificate":["AA=="]}`},
		{"POST", "/v1.0/users", `{"userPrincipalName":"y@contoso.com","onPremisesSyncEnabled":true,"onPremisesImmutableId":"AAAA","onPremisesPasswordHash":{"credentialData":"v1;PPH1_MD4,00,1000,00;"}}`},
		{"POST", "/v1.0/applications/11111111-2222-3333-4444-555555555555/addPassword", `{"passwordCredential":{"displayName":"x"}}`},
		{"POST", "/v1.0/applications", `{"displayName":"x","uniqueName":"x","publicClient":{"redirectUris":["http://localhost"]}}`},
	} {
		f.Add(uint8(i), seed.method, seed.target, []byte(seed.body))
	}
	f.Fuzz(func(t *testing.T, host uint8, method, target string, body []byte) {
		u, err := url.ParseRequestURI(target)
		if err != nil || !strings.HasPrefix(target, "/") || strings.ContainsAny(method, " \r\n\t") || method == "" {
			return
		}
		for _, kind := range []string{"application/json", "application/x-www-form-urlencoded"} {
			r := &http.Request{Method: method, URL: u, Host: hosts[int(host)%len(hosts)], Header: http.Header{"Content-Type": {kind}}, Body: http.NoBody}
			r.Body = readCloser{bytes.NewReader(body)}
			r.Header.Set("Authorization", "Bearer "+tokens[r.Host])
			if r.Host == s.hosts.graph && host >= 128 { // Connect asks
				r.Header.Set("Authorization", "Bearer "+sync)
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r.WithContext(t.Context()))
			if w.Code >= 500 {
				t.Fatalf("%s %s: %d %s", method, target, w.Code, w.Body)
			}
			if w.Code == http.StatusOK && bytes.Contains(w.Body.Bytes(), []byte("access_token")) {
				t.Fatalf("%s %s: a token", method, target)
			}
		}
	})
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

// FuzzSealed looks for texts that open without having been sealed.
func FuzzSealed(f *testing.F) {
	s := newSealer(guid.GUID{1}, bytes.Repeat([]byte{1}, sealed.KeySize), rand.Reader)
	good, err := s.Seal(purposePRT, primaryToken{SessionKey: make([]byte, prt.SessionKeySize)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		var token primaryToken
		if err := s.Open(purposePRT, text, &token); (err == nil) != (text == good) {
			t.Fatalf("opens: %v", err)
		}
		var other refreshToken
		if s.Open(purposeRefresh, text, &other) == nil {
			t.Fatal("opens for another purpose")
		}
	})
}
