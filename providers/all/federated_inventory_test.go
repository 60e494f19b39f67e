package all_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"hellolab/providers/conformance"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/spec"
	"hellolab/providers/wire/fedmeta"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/saml"
	"hellolab/providers/wire/web"
)

// TestFederationInventory is what AD FS signs with, and what it signs: who makes
// it, where it lies, who sees it, how long it is good.
func TestFederationInventory(t *testing.T) {
	l := newFederatedLab(t, spec.TrustKey)
	tap := l.listen()
	l.device("laptop")
	l.Advance(15 * time.Minute)
	l.enroll()
	service := conformance.Get[spec.Federation, spec.FederationOut](l.Env, adfs).Out

	c := web.Client(l.For(laptop))
	t.Cleanup(c.CloseIdleConnections)
	get := func(address string) []byte {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		reply, err := web.Do(c, req)
		if err != nil || reply.Status != http.StatusOK {
			t.Fatalf("%s: %d, %v", address, reply.Status, err)
		}
		return reply.Body
	}
	document := get("https://" + service.Host + fedmeta.Path)
	metadata, err := fedmeta.Parse(document)
	if err != nil {
		t.Fatal(err)
	}

	t.Run("token-signing key", func(t *testing.T) {
		seed.Proves(t, "KEY-28", "P2")
		var ring struct {
			Signing []struct {
				Certificate, PKCS8 []byte
			}
		}
		if err := json.Unmarshal(l.raw(adfs, "server", "keys"), &ring); err != nil || len(ring.Signing) != 1 {
			t.Fatalf("%d keys, %v", len(ring.Signing), err)
		}
		key := ring.Signing[0]
		if len(metadata.Signing) != 1 || !bytes.Equal(metadata.Signing[0].Raw, key.Certificate) || metadata.Signing[0].NotAfter.Before(l.Now().AddDate(1, 0, 0)) {
			t.Errorf("published %d certificates, until %s", len(metadata.Signing), metadata.Signing[0].NotAfter)
		}
		// The private half is nobody's but the service's.
		private := key.PKCS8[len(key.PKCS8)-512:]
		for where, b := range map[string][]byte{"the lines": tap.unfolded(), "the laptop": l.deviceRecords(laptop), "the tenant": append(l.tenantRecords(), l.records("tenant.contoso", "tenant")...)} {
			if bytes.Contains(b, private) {
				t.Errorf("the private half is on %s", where)
			}
		}
	})
	t.Run("enterprise token", func(t *testing.T) {
		seed.Proves(t, "KEY-15", "P2")
		var form url.Values
		for _, x := range tap.exchanges() {
			if x.form().Get("grant_type") == oauth.GrantSAML11 {
				form = x.form()
			}
		}
		raw := oauth.DecodeAssertion(form.Get("assertion"))
		trust := saml.Trust{Issuer: service.Issuer, Certificates: metadata.Signing, Audience: saml.AudienceMicrosoftOnline}
		a, err := trust.Verify(raw, l.Now())
		if err != nil {
			t.Fatal(err)
		}
		if life := a.NotOnOrAfter.Sub(a.NotBefore); life != time.Hour || a.IssueInstant.After(l.Now()) || !a.Has(saml.ClaimMethods, saml.MethodMultiple) {
			t.Errorf("good for %s, %+v", life, a)
		}
		if bytes.Contains(l.deviceRecords(laptop), raw) || bytes.Contains(l.tenantRecords(), raw) {
			t.Error("it is kept")
		}
		// It is good once.
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+l.tenant().LoginHost+"/"+l.tenant().TenantID+"/oauth2/token", strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		reply, err := web.Do(c, req)
		if err != nil || reply.Status == http.StatusOK || !bytes.Contains(reply.Body, []byte("AADSTS50013")) {
			t.Errorf("a second time: %d, %v", reply.Status, err)
		}
	})
}
