package all_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/conformance/leak"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/windows/ksp"
	"hellolab/providers/windows/winbio"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/jose"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
	"hellolab/providers/wire/web"
)

// declared are lifetimes that are nobody's default.
var declared = spec.TenantLifetimes{Nonce: 2 * time.Minute, MFA: 7 * time.Minute, AccessToken: 25 * time.Minute, PRT: 6 * 24 * time.Hour, PRTRenewal: 3 * time.Hour}

// TestInventory goes through the keys, tokens and certificates of a lab after
// a registration, a provisioning and a sign-in: who made each, where it lives,
// who can use it, how long it is good and how it ends.
func TestInventory(t *testing.T) {
	l := newLab(t)
	l.Update("tenant.contoso", spec.Tenant{Domains: []string{"contoso.com"}, Attestation: "required", Lifetimes: &declared})
	tap := l.listen()
	device := l.device("laptop")
	pooled := l.keysOf(laptop, "keypool")
	out := l.enroll("face")
	before := l.Now()
	v := l.expect(windows.Request{PIN: providers.Secret(pin), To: []string{"tenant.contoso"}}, "success")
	m := stored[machineState](l, laptop, "machine", "record")
	sid := l.sidOf(laptop, "container")
	c := stored[containerState](l, laptop, "container", sid)
	token := stored[prtState](l, laptop, "prt", sid+"|ngc")
	entry := l.helloKeys("alice")[0]
	object := l.devices()[0]
	private := l.privateBlobs(laptop)
	traffic, passed := tap.unfolded(), tap.exchanges()
	known := l.tenantRecords()

	// ofTPM: made by the TPM, useless elsewhere, its private half told to nobody.
	ofTPM := func(t *testing.T, name string, k ksp.Key) {
		t.Helper()
		if k.Storage != ksp.TPM {
			t.Errorf("%s lives in %s", name, k.Storage)
		}
		blob := private[name]
		if len(blob) == 0 {
			t.Fatalf("%s is not among what the device keeps", name)
		}
		if bytes.Contains(known, blob) || bytes.Contains(traffic, blob) {
			t.Errorf("the private half of %s left the device", name)
		}
		if err := l.tpmOf(laptop).Export(t.Context(), k); err == nil {
			t.Errorf("%s is exportable", name)
		}
	}

	t.Run("device key and certificate", func(t *testing.T) {
		seed.Proves(t, "KEY-01", "DR")
		ofTPM(t, "device key", m.DeviceKey)
		cert := parsed(t, m.Registration.Certificate)
		if years := cert.NotAfter.Sub(cert.NotBefore).Hours() / 24 / 365; years < 10 || years > 10.01 {
			t.Errorf("certificate for %.3f years", years)
		}
		if cert.IsCA || !strings.HasPrefix(cert.Issuer.String(), "CN=MS-Organization-Access") || !slices.Equal(cert.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}) {
			t.Errorf("issued by %s for %v", cert.Issuer, cert.ExtKeyUsage)
		}
	})
	t.Run("transport key", func(t *testing.T) {
		seed.Proves(t, "KEY-02", "DR")
		ofTPM(t, "transport key", m.TransportKey)
		if m.TransportKey.Use != ksp.Decrypt || !bytes.HasPrefix(object.TransportKey, []byte("RSA1")) {
			t.Errorf("a %s key; the directory has %.4q", m.TransportKey.Use, object.TransportKey)
		}
	})
	t.Run("attestation identity key and certificate", func(t *testing.T) {
		seed.Proves(t, "KEY-03", "DR")
		ofTPM(t, "identity key", m.AIK)
		cert := parsed(t, m.AIKChain[0])
		if years := cert.NotAfter.Sub(cert.NotBefore).Hours() / 24 / 365; years < 5 || years > 5.01 {
			t.Errorf("certificate for %.3f years", years)
		}
		if cert.Issuer.CommonName != "hellolab AIK CA" {
			t.Errorf("issued by %s", cert.Issuer)
		}
	})
	t.Run("attestation of the user key", func(t *testing.T) {
		seed.Proves(t, "KEY-04", "P1")
		sent, err := drs.ParseKeyRequest(tap.last(t, http.MethodPost, drs.PathKey).body)
		if err != nil {
			t.Fatal(err)
		}
		// Made for one registration; nobody keeps it, the directory its verdict.
		statement := sent.Attestation.Statement
		if len(statement) == 0 || bytes.Contains(known, statement) || entry.AttestationLevel != "attested" {
			t.Errorf("%d bytes, level %s", len(statement), entry.AttestationLevel)
		}
		if kept := l.deviceRecords(laptop); bytes.Contains(kept, statement) {
			t.Error("the device keeps the statement")
		}
	})
	t.Run("user key", func(t *testing.T) {
		seed.Proves(t, "KEY-05", "P1")
		ofTPM(t, "user key "+out.KeyID, c.UserKeys[0].Key)
		pub, err := c.UserKeys[0].Key.RSA()
		if err != nil || pub.N.BitLen() != 2048 || keyIDOf(pub) != out.KeyID {
			t.Errorf("user key: %v", err)
		}
		if len(pooled) != 1 || slices.Contains(l.keysOf(laptop, "keypool"), pooled[0]) {
			t.Errorf("the pool had %q, has %q", pooled, l.keysOf(laptop, "keypool"))
		}
	})
	t.Run("key id", func(t *testing.T) {
		seed.Proves(t, "KEY-06", "P1")
		kept := stored[enrollmentState](l, laptop, "enrollment", sid)
		if kept.KeyID != entry.KeyIdentifier || kept.EntryID != entry.ID || entry.DeviceID != device.DeviceID {
			t.Errorf("the device has %+v, the directory %+v", kept, entry)
		}
	})
	t.Run("protectors", func(t *testing.T) {
		seed.Proves(t, "KEY-08", "P1")
		ids := map[string]bool{}
		for _, p := range c.Protectors {
			ids[p.ID] = true
			if p.Sealed.Storage != ksp.TPM || bytes.Contains(known, private["protector "+p.Gesture]) {
				t.Errorf("%s protector in %s", p.Gesture, p.Sealed.Storage)
			}
		}
		if len(ids) != 2 {
			t.Errorf("%d protectors", len(ids))
		}
	})
	t.Run("authentication key", func(t *testing.T) {
		seed.Proves(t, "KEY-09", "P1")
		ofTPM(t, "authentication key", c.AuthKey.Key)
		pub, err := c.AuthKey.Key.PublicKey()
		if _, ok := pub.(*ecdsa.PublicKey); err != nil || !ok || c.AuthKey.Key.Use != ksp.Agree {
			t.Errorf("%T for %s, %v", pub, c.AuthKey.Key.Use, err)
		}
	})
	t.Run("user id keys", func(t *testing.T) {
		seed.Proves(t, "KEY-10", "P1")
		if len(c.UserKeys) != 1 || c.UserKeys[0].Provider != l.tenant().TenantID || c.UserKeys[0].Provider != m.Registration.TenantID {
			t.Errorf("keys of %+v", c.UserKeys)
		}
	})
	t.Run("password", func(t *testing.T) {
		seed.Proves(t, "KEY-14", "A1")
		for form, b := range leak.Forms(password) {
			if bytes.Contains(known, b) || bytes.Contains(l.deviceRecords(laptop), b) {
				t.Errorf("the password is kept as %s", form)
			}
		}
		u, err := graph.Get[graph.User](t.Context(), l.directory(), "users", "alice@contoso.com")
		if err != nil || u.PasswordProfile != nil || u.PasswordChanged == "" {
			t.Errorf("the directory shows %+v, %v", u, err)
		}
	})
	t.Run("token for the registration service", func(t *testing.T) {
		seed.Proves(t, "KEY-15", "P1")
		text := tap.last(t, http.MethodPost, drs.PathKey).bearer()
		claims := claimsOf(t, text)
		if life := time.Duration(claims.Expires-claims.IssuedAt) * time.Second; claims.Audience != oauth.ResourceDRS || life != declared.AccessToken {
			t.Errorf("for %s, %s", claims.Audience, life)
		}
		if bytes.Contains(l.deviceRecords(laptop), []byte(text)) || bytes.Contains(known, []byte(text)) {
			t.Error("it is kept")
		}
	})
	t.Run("nonce", func(t *testing.T) {
		seed.Proves(t, "KEY-16", "A1")
		l.nonceBoundary(t, declared.Nonce)
	})
	t.Run("primary refresh token", func(t *testing.T) {
		seed.Proves(t, "KEY-17", "A1")
		// The token's life counts whole seconds, the last not included.
		if life := token.Expires.Sub(token.Obtained); token.Obtained.Before(before) || life > declared.PRT || life < declared.PRT-time.Second {
			t.Errorf("obtained %s, for %s", token.Obtained, life)
		}
		if _, err := jose.Parse(token.Token); err == nil {
			t.Error("the device can read the token")
		}
		if bytes.Contains(known, []byte(token.Token)) {
			t.Error("the tenant keeps the token")
		}
	})
	t.Run("session key", func(t *testing.T) {
		seed.Proves(t, "KEY-19", "A1")
		if token.SessionKey.Storage != ksp.TPM || bytes.Contains(known, private["session key "+sid+"|ngc"]) {
			t.Errorf("session key in %s", token.SessionKey.Storage)
		}
		// Each request derives a key of its own, by a salt of its own.
		salts := map[string]bool{}
		for _, x := range passed {
			signed, err := jose.Parse(x.form().Get("request"))
			if err != nil || signed.Header.Context == "" {
				continue
			}
			salt := signed.Header.Context
			if b, err := base64.StdEncoding.DecodeString(salt); err != nil || len(b) != prt.ContextSize || salts[salt] {
				t.Errorf("salt of %d bytes (%v), seen before: %v", len(b), err, salts[salt])
			}
			salts[salt] = true
		}
		if len(salts) < 2 {
			t.Errorf("%d requests signed with derived keys", len(salts))
		}
	})
	t.Run("access token", func(t *testing.T) {
		seed.Proves(t, "KEY-20", "A1")
		issued, _ := v.Claims["iat"].(float64)
		expires, _ := v.Claims["exp"].(float64)
		if v.Claims["aud"] != oauth.ResourceGraph || time.Duration(expires-issued)*time.Second != declared.AccessToken || v.Claims["deviceid"] != device.DeviceID {
			t.Errorf("claims %v", v.Claims)
		}
	})
	t.Run("token signing key", func(t *testing.T) {
		seed.Proves(t, "KEY-28")
		shown, signer := l.signingKeys(t)
		for _, name := range []string{`"d"`, `"p"`, `"q"`, `"dp"`, `"dq"`, `"qi"`} {
			if bytes.Contains(shown, []byte(name+":")) {
				t.Errorf("the published key set has the member %s", name)
			}
		}
		text, err := jose.Parse(tap.last(t, http.MethodPost, drs.PathKey).bearer())
		if err != nil {
			t.Fatal(err)
		}
		pub := signer[text.Header.KeyID]
		if pub == nil || text.VerifyRS256(pub) != nil {
			t.Errorf("a token is signed by %q, the tenant publishes %d keys", text.Header.KeyID, len(signer))
		}
	})
	t.Run("ends", func(t *testing.T) {
		seed.Proves(t, "KEY-05", "P1")
		seed.Proves(t, "KEY-09", "P1")
		seed.Proves(t, "KEY-17", "A1")
		seed.Proves(t, "KEY-01", "DR")
		// A session that is revoked ends its token.
		if code := l.useToken(t, laptop, token); code != 0 {
			t.Fatalf("the token before: AADSTS%d", code)
		}
		l.Advance(time.Second)
		if _, err := graph.Post[struct{}](t.Context(), l.directory(), struct{}{}, "users", "alice@contoso.com", "revokeSignInSessions"); err != nil {
			t.Fatal(err)
		}
		if code := l.useToken(t, laptop, token); code != oauth.FreshTokenNeeded {
			t.Errorf("the token after: AADSTS%d", code)
		}
		// A credential that is removed leaves nothing on either side.
		l.Delete(enrolled)
		if d, err := winbio.Parse(l.raw(laptop, "winbio", faceDB)); err == nil && len(d.Records) != 0 {
			t.Errorf("the sensor still has %d templates", len(d.Records))
		}
		for _, table := range []string{"container", "enrollment", "prt"} {
			if keys := l.keysOf(laptop, table); len(keys) != 0 {
				t.Errorf("%s still has %q", table, keys)
			}
		}
		if n := len(l.helloKeys("alice")); n != 0 {
			t.Errorf("%d keys in the directory", n)
		}
		// The next one shares nothing with it.
		l.Advance(codeAge)
		next := l.enroll()
		again := stored[containerState](l, laptop, "container", sid)
		if next.KeyID == out.KeyID || again.AuthKey.ID == c.AuthKey.ID || bytes.Equal(again.AuthKey.Key.Public, c.AuthKey.Key.Public) {
			t.Error("the next credential has keys of the last")
		}
		// A device that leaves is gone from the directory.
		l.Delete(enrolled)
		l.Delete(laptop)
		if n := len(l.devices()); n != 0 {
			t.Errorf("%d devices", n)
		}
	})
}

// TestNonceOfFiveMinutes: without lifetimes a nonce is good for the documents' five minutes.
func TestNonceOfFiveMinutes(t *testing.T) {
	l := newLab(t)
	seed.Proves(t, "CONST-02", "A1")
	l.device("laptop")
	l.enroll()
	l.nonceBoundary(t, 5*time.Minute)
}

// nonceBoundary uses nonces at the end of their life, just behind it, and twice.
func (l *lab) nonceBoundary(t *testing.T, life time.Duration) {
	t.Helper()
	sid := l.sidOf(laptop, "container")
	l.expect(byPIN(pin), "success")
	rec := stored[prtState](l, laptop, "prt", sid+"|ngc")
	last := l.askNonce(t, laptop)
	l.Advance(life)
	if code := l.useTokenWith(t, laptop, rec, last); code != 0 {
		t.Errorf("a nonce of exactly %s: AADSTS%d", life, code)
	}
	if code := l.useTokenWith(t, laptop, rec, last); code != oauth.NonceInvalid {
		t.Errorf("the same nonce again: AADSTS%d", code)
	}
	late := l.askNonce(t, laptop)
	l.Advance(life + time.Millisecond)
	if code := l.useTokenWith(t, laptop, rec, late); code != oauth.NonceInvalid {
		t.Errorf("a nonce older than %s: AADSTS%d", life, code)
	}
}

func parsed(t testing.TB, der []byte) *x509.Certificate {
	t.Helper()
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// tenantRecords are all that the tenant keeps, but for its own keys, unfolded.
func (l *lab) tenantRecords() []byte {
	l.t.Helper()
	return l.records("tenant.contoso", "users", "upn", "groups", "members", "memberof", "devices", "deviceid", "hellokeys", "aik", "used", "families", "guesses", "oath", "applications", "appid", "appname", "accesspolicies", "accessfor")
}

// deviceRecords are all that a device keeps, unfolded.
func (l *lab) deviceRecords(addr string) []byte {
	l.t.Helper()
	return l.records(addr, deviceTables...)
}

func (l *lab) records(addr string, tables ...string) []byte {
	l.t.Helper()
	var all bytes.Buffer
	err := l.For(addr).Section.View(func(r providers.Reader) error {
		for _, table := range tables {
			if err := r.Scan(table, "", func(key string, v []byte) error {
				all.WriteString(key + "\n")
				all.Write(leak.Unfold(string(v)))
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return all.Bytes()
}

// signingKeys reads the tenant's published keys, by id.
func (l *lab) signingKeys(t testing.TB) (document []byte, keys map[string]*rsa.PublicKey) {
	t.Helper()
	client := web.Client(l.For(laptop))
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+l.tenant().LoginHost+"/"+l.tenant().TenantID+"/discovery/v2.0/keys", nil)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := web.Do(client, req)
	if err != nil {
		t.Fatal(err)
	}
	var set struct {
		Keys []struct {
			KeyID string `json:"kid"`
			N     string `json:"n"`
			E     string `json:"e"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(reply.Body, &set); err != nil {
		t.Fatalf("%d %s: %v", reply.Status, reply.Body, err)
	}
	keys = map[string]*rsa.PublicKey{}
	for _, k := range set.Keys {
		n, err := base64.RawURLEncoding.DecodeString(k.N)
		if err != nil || k.E != "AQAB" {
			t.Fatalf("key %+v: %v", k, err)
		}
		keys[k.KeyID] = &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537}
	}
	return reply.Body, keys
}
