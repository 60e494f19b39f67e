package all_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"hellolab/providers"
	"hellolab/providers/conformance"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows/ksp"
	"hellolab/providers/windows/tpm"
	"hellolab/providers/wire/attest"
	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/jose"
	"hellolab/providers/wire/ngc"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
	"hellolab/providers/wire/web"
)

// tokenClaims are the claims of an access token that tests look at.
type tokenClaims struct {
	Audience string   `json:"aud"`
	Issuer   string   `json:"iss"`
	UPN      string   `json:"upn"`
	ObjectID string   `json:"oid"`
	DeviceID string   `json:"deviceid"`
	AMR      []string `json:"amr"`
	IssuedAt int64    `json:"iat"`
	Expires  int64    `json:"exp"`
}

func claimsOf(t testing.TB, token string) (c tokenClaims) {
	t.Helper()
	parsed, err := jose.Parse(token)
	if err == nil {
		err = json.Unmarshal(parsed.Payload, &c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (l *lab) tenant() spec.TenantOut {
	return conformance.Get[spec.Tenant, spec.TenantOut](l.Env, "tenant.contoso").Out
}

// TestRegistration is one join, with its lines tapped, looked at from all sides:
// what went over the wire, what the directory holds, what the device keeps.
func TestRegistration(t *testing.T) {
	l := newLab(t)
	tap := l.listen()
	out := l.device("laptop")
	began := tap.exchanges()
	m := stored[machineState](l, laptop, "machine", "record")
	devices := l.devices()
	if len(devices) != 1 {
		t.Fatalf("%d device objects", len(devices))
	}
	object := devices[0]
	ready := l.keysOf(laptop, "keypool")
	l.inOrder("discover", "oobe_sign_in", "password_prompt", "mfa_prompt", "mfa_done", "registration_token",
		"join_request", "join_reply", "aik_request", "activate_credential", "aik_certificate", "registered")

	t.Run("device object and proof", func(t *testing.T) {
		seed.Proves(t, "DR-02", "DR")
		if object.DeviceID != out.DeviceID || object.ID != out.ObjectID || object.DisplayName != "laptop" || !*object.AccountEnabled {
			t.Errorf("device object %+v, learned %+v", object, out)
		}
		// The service took the device's certificate in TLS, and takes nobody without.
		enrol := tap.last(t, http.MethodPost, attest.PathEnrol)
		if enrol.status != http.StatusOK {
			t.Fatalf("with the certificate: %d %s", enrol.status, enrol.reply)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+enrol.host+enrol.request.URL.Path, bytes.NewReader(enrol.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		anybody := web.Client(l.For(alice))
		defer anybody.CloseIdleConnections()
		reply, err := web.Do(anybody, req)
		if err != nil {
			t.Fatal(err)
		}
		if err := drs.ParseError(reply.Status, reply.Body); reply.Status != http.StatusUnauthorized || !drs.HasSubcode(err, "device_certificate_missing") {
			t.Errorf("without it: %d, %v", reply.Status, err)
		}
	})
	t.Run("at the registration service", func(t *testing.T) {
		seed.Proves(t, "DR-03", "DR")
		join := tap.last(t, http.MethodPost, drs.PathDevice)
		if c := claimsOf(t, join.bearer()); join.host != l.tenant().RegistrationHost || join.status != http.StatusOK || c.Audience != oauth.ResourceDRS || c.UPN != "alice@contoso.com" {
			t.Errorf("%s answered %d to a token for %s of %s", join.host, join.status, c.Audience, c.UPN)
		}
		if e := l.find("registration_token"); e.Message["aud"] != oauth.ResourceDRS {
			t.Errorf("the trace shows a token for %v", e.Message["aud"])
		}
	})
	t.Run("join types", func(t *testing.T) {
		seed.Proves(t, "DR-06", "DR")
		for _, a := range l.kind("device").Schema.In.Attrs {
			if a.Name == "join" && !slices.Equal(a.Enum, []string{"entra", "hybrid", "domain", "registered", "none"}) {
				t.Errorf("join takes %q", a.Enum)
			}
		}
		if join, err := drs.ParseJoinRequest(tap.last(t, http.MethodPost, drs.PathDevice).body); err != nil || join.JoinType != drs.JoinEntra {
			t.Errorf("join request %+v, %v", join, err)
		}
	})
	t.Run("in the tenant alone", func(t *testing.T) {
		seed.Proves(t, "DR-07", "DR")
		tenant := l.tenant()
		hosts := []string{tenant.LoginHost, tenant.RegistrationHost, tenant.GraphHost}
		for _, x := range began {
			if !slices.Contains(hosts, x.host) {
				t.Errorf("%s spoke to %s", x.from, x.host)
			}
		}
		if object.TrustType != "AzureAd" {
			t.Errorf("trust type %s", object.TrustType)
		}
	})
	t.Run("device key and certificate", func(t *testing.T) {
		seed.Proves(t, "DR-11", "DR")
		join, err := drs.ParseJoinRequest(tap.last(t, http.MethodPost, drs.PathDevice).body)
		if err != nil {
			t.Fatal(err)
		}
		asked, err := drs.ParseCSR(join.CertificateRequest.Data)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(m.Registration.Certificate)
		if err != nil {
			t.Fatal(err)
		}
		own, err := m.DeviceKey.RSA()
		if err != nil || !own.Equal(cert.PublicKey) || !own.Equal(asked) {
			t.Errorf("the certificate is for another key than the device's (%v)", err)
		}
		sum := sha1.Sum(cert.Raw)
		if thumbprint := strings.ToUpper(hex.EncodeToString(sum[:])); out.Thumbprint != thumbprint || cert.Subject.CommonName != object.DeviceID {
			t.Errorf("thumbprint %s, learned %s; subject %s", thumbprint, out.Thumbprint, cert.Subject)
		}
	})
	t.Run("two keys", func(t *testing.T) {
		seed.Proves(t, "DR-12", "DR")
		transport, err := cng.ParseRSAPublic(object.TransportKey)
		if err != nil {
			t.Fatal(err)
		}
		spki, err := x509.MarshalPKIXPublicKey(transport)
		if err != nil {
			t.Fatal(err)
		}
		// The directory names the device key by digest.
		deviceKey, transportKey := sha256.Sum256(m.DeviceKey.Public), sha256.Sum256(spki)
		name := "X509:<SHA1-TP-PUBKEY>" + out.Thumbprint + base64.StdEncoding.EncodeToString(deviceKey[:])
		if len(object.AlternativeSecurityID) != 1 || object.AlternativeSecurityID[0] != name {
			t.Errorf("the directory has the device key as %q, want %s", object.AlternativeSecurityID, name)
		}
		if deviceKey == transportKey {
			t.Error("device key and transport key are one")
		}
	})
	t.Run("transport key does not leave", func(t *testing.T) {
		seed.Proves(t, "DR-13", "DR")
		err := l.tpmOf(laptop).Export(t.Context(), m.TransportKey)
		if !errors.Is(err, ksp.ErrNotExportable) || !strings.Contains(err.Error(), "not exportable") {
			t.Errorf("export: %v", err)
		}
		public, err := tpm.Public(m.TransportKey)
		if err != nil {
			t.Fatal(err)
		}
		// Outside the TPM it is a blob; of that, only the public part was told to anybody.
		private := m.TransportKey.Blob[bytes.Index(m.TransportKey.Blob, public[2:])+len(public)-2:]
		if len(private) < 100 || bytes.Contains(tap.unfolded(), private[len(private)-64:]) {
			t.Errorf("the wrapped private key, %d bytes, went over the wire", len(private))
		}
	})
	t.Run("transport key in the directory", func(t *testing.T) {
		seed.Proves(t, "DR-14", "DR")
		own, err := m.TransportKey.RSA()
		if err != nil || !bytes.Equal(object.TransportKey, cng.MarshalRSAPublic(own)) {
			t.Errorf("the directory has %d bytes that are not the device's key (%v)", len(object.TransportKey), err)
		}
	})
	t.Run("attestation identity key", func(t *testing.T) {
		seed.Proves(t, "DR-16", "DR")
		if l.has("cxh_launch") || l.has("pin_confirmed") {
			t.Fatal("a user was here already")
		}
		if len(m.AIKChain) < 1 {
			t.Fatal("no certificate")
		}
		leaf, err := x509.ParseCertificate(m.AIKChain[0])
		if err != nil {
			t.Fatal(err)
		}
		if own, err := m.AIK.RSA(); err != nil || !own.Equal(leaf.PublicKey) {
			t.Errorf("certificate for another key (%v)", err)
		}
	})
	t.Run("key pool", func(t *testing.T) {
		seed.Proves(t, "DR-17", "P1")
		if len(ready) != 1 {
			t.Fatalf("%d keys ready before anybody was there", len(ready))
		}
		k := stored[pooledState](l, laptop, "keypool", ready[0])
		pub, err := k.RSA()
		if err != nil || pub.N.BitLen() != 2048 || k.Use != ksp.UserSign {
			t.Fatalf("a %s key: %v", k.Use, err)
		}
		// Its attestation lies with it, and is one that anybody may check.
		if k.Attestation == nil {
			t.Fatal("the pooled key has no attestation")
		}
		public, err := tpm.Public(k.Key)
		if err != nil {
			t.Fatal(err)
		}
		identity, err := x509.ParseCertificate(m.AIKChain[0])
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AddCert(identity)
		statement := ngc.Statement{Attest: k.Attestation.Attest, Signature: k.Attestation.Signature, Public: public}
		if err := (attest.Evidence{Statement: statement.Marshal(), AIKChain: m.AIKChain, Nonce: k.Attestation.Nonce, Key: pub, Roots: roots, Now: l.Now(),
			Issued: func(*x509.Certificate) error { return nil }, Fresh: func(string) error { return nil }}).Verify(); err != nil {
			t.Errorf("attestation of the pooled key: %v", err)
		}
		e := l.enroll()
		take := l.find("pool_take")
		if _, body, _ := registered(t, tap.exchanges()); body.Attestation == nil || body.Attestation.Nonce != k.Attestation.Nonce ||
			!bytes.Equal(body.Attestation.Statement, statement.Marshal()) || take.Message["attested"] != true {
			t.Errorf("registered with %+v, not with what lay in the pool", body.Attestation)
		}
		if take.Actor != event.KeyPool || take.Message["pregenerated"] != true || take.Message["key_id"] != e.KeyID || keyIDOf(pub) != e.KeyID {
			t.Errorf("pool: %+v, enrolled %s", take, e.KeyID)
		}
		if after := l.keysOf(laptop, "keypool"); len(after) != 1 || after[0] == ready[0] || !l.has("pool_refill") {
			t.Errorf("after: %q, before: %q", after, ready)
		} else if next := stored[pooledState](l, laptop, "keypool", after[0]); next.Attestation == nil || next.Attestation.Nonce == k.Attestation.Nonce {
			t.Errorf("the next key's attestation: %+v", next.Attestation)
		}
	})
	t.Run("registration starts provisioning", func(t *testing.T) {
		seed.Proves(t, "DR-22", "P1")
		l.inOrder("registered", "policy_applied", "prerequisites", "cxh_launch")
		if e := l.find("prerequisites"); e.Message["PreReqResult"] != "WillProvision" {
			t.Errorf("prerequisites: %v", e.Message)
		}
	})
	t.Run("key entry names the device", func(t *testing.T) {
		seed.Proves(t, "DR-19", "P1")
		if keys := l.helloKeys("alice"); len(keys) != 1 || keys[0].DeviceID != object.DeviceID {
			t.Errorf("keys %+v, device %s", keys, object.DeviceID)
		}
	})
	t.Run("sign-in with the device key", func(t *testing.T) {
		seed.Proves(t, "DR-05", "A1")
		l.expect(byPIN(pin), "success")
		signed, err := jose.Parse(tap.lastToken(t).form().Get("request"))
		if err != nil {
			t.Fatal(err)
		}
		own, err := m.DeviceKey.RSA()
		if err != nil || signed.VerifyRS256(own) != nil || !bytes.Equal(signed.Header.X5C[0], m.Registration.Certificate) {
			t.Errorf("the request is not signed with the device key (%v)", err)
		}
		// The same request with the certificate, signed by whoever has not the key.
		stranger, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		forged, err := jose.SignRS256(stranger, signed.Header, json.RawMessage(signed.Payload))
		if err != nil {
			t.Fatal(err)
		}
		form := tap.lastToken(t).form()
		form.Set("request", forged)
		c := web.Client(l.For(laptop))
		defer c.CloseIdleConnections()
		reply, err := c.PostForm("https://"+l.tenant().LoginHost+"/"+l.tenant().TenantID+"/oauth2/token", form)
		if err != nil {
			t.Fatal(err)
		}
		defer reply.Body.Close()
		body, err := io.ReadAll(reply.Body)
		var refusal *oauth.Error
		if err != nil || !errors.As(oauth.ParseError(reply.StatusCode, body), &refusal) || refusal.Code != oauth.DeviceJWTInvalid {
			t.Errorf("without the device key: %d %s", reply.StatusCode, body)
		}
	})
	t.Run("session key for the transport key", func(t *testing.T) {
		seed.Proves(t, "DR-15", "A1")
		var reply struct {
			SessionKeyJWE string `json:"session_key_jwe"`
		}
		if err := json.Unmarshal(tap.lastToken(t).reply, &reply); err != nil {
			t.Fatal(err)
		}
		wrapped, err := prt.EncryptedSessionKey(reply.SessionKeyJWE)
		if err != nil {
			t.Fatal(err)
		}
		key, err := l.tpmOf(laptop).DecryptOAEP(t.Context(), m.TransportKey, wrapped)
		if err != nil || prt.CheckSessionKey(reply.SessionKeyJWE, key) != nil {
			t.Errorf("the transport key does not open the session key: %v", err)
		}
		l.Advance(codeAge)
		l.device("desk")
		other := stored[machineState](l, "device.desk", "machine", "record")
		if _, err := l.tpmOf("device.desk").DecryptOAEP(t.Context(), other.TransportKey, wrapped); err == nil {
			t.Error("another device's transport key opens it")
		}
		if _, err := l.tpmOf(laptop).DecryptOAEP(t.Context(), m.DeviceKey, wrapped); err == nil {
			t.Error("the device key opens it")
		}
	})
	t.Run("disabled device", func(t *testing.T) {
		seed.Proves(t, "DR-20", "A1")
		off := false
		if err := l.directory().Patch(t.Context(), graph.Device{AccountEnabled: &off}, "devices", out.ObjectID); err != nil {
			t.Fatal(err)
		}
		before := l.keysOf(laptop, "prt")
		if v := l.expect(byPIN(pin), "key_device_disabled"); v.Phase != "C" || v.Reason.Code != "AADSTS130007" {
			t.Errorf("refused in phase %s by %+v", v.Phase, v.Reason)
		}
		if after := l.keysOf(laptop, "prt"); !slices.Equal(before, after) {
			t.Errorf("tokens %q, before %q", after, before)
		}
		on := true
		if err := l.directory().Patch(t.Context(), graph.Device{AccountEnabled: &on}, "devices", out.ObjectID); err != nil {
			t.Fatal(err)
		}
		l.expect(byPIN(pin), "success")
	})
	t.Run("no transport key, no token", func(t *testing.T) {
		seed.Proves(t, "DR-14", "A1")
		l.editDirectory(t, "devices", out.ObjectID, "transport_key", nil)
		if v := l.expect(byPIN(pin), "transport_key_not_found"); v.Phase != "C" || v.Reason.Code != "AADSTS130006" {
			t.Errorf("refused in phase %s by %+v", v.Phase, v.Reason)
		}
	})
}

// lastToken is the last signed request that brought tokens.
func (w *wiretap) lastToken(t testing.TB) exchange {
	t.Helper()
	for _, x := range slices.Backward(w.exchanges()) {
		if x.status == http.StatusOK && x.form().Get("request") != "" {
			return x
		}
	}
	t.Fatal("no signed token request")
	return exchange{}
}

// editDirectory changes a member of a record in the tenant's own tables, for
// states that no administrator's interface makes.
func (l *lab) editDirectory(t testing.TB, table, key, member string, value any) {
	t.Helper()
	record := stored[map[string]any](l, "tenant.contoso", table, key)
	if _, ok := record[member]; !ok {
		t.Fatalf("%s %s has no member %s", table, key, member)
	}
	record[member] = value
	data, err := json.Marshal(record)
	if err == nil {
		err = l.For("tenant.contoso").Section.Update(t.Context(), func(w providers.Writer) error { return w.Put(table, key, data) })
	}
	if err != nil {
		t.Fatal(err)
	}
}
