package all_test

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"math/big"
	"net/http"
	"slices"
	"testing"

	"hellolab/providers"
	"hellolab/providers/conformance/leak"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/windows"
	"hellolab/providers/wire/attest"
	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/jose"
	"hellolab/providers/wire/ngc"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/web"
)

// TestKeyRegistration is phase C of one provisioning, with its lines tapped. What the
// service refuses is tested beside the service, in package entra.
func TestKeyRegistration(t *testing.T) {
	l := newLab(t)
	tap := l.listen()
	device := l.device("laptop")
	out := l.enroll()
	x := tap.last(t, http.MethodPost, drs.PathKey)
	sent, err := drs.ParseKeyRequest(x.body)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := drs.ParseKeyReply(x.reply)
	if err != nil {
		t.Fatalf("%d %s: %v", x.status, x.reply, err)
	}
	keys := l.helloKeys("alice")
	if len(keys) != 1 {
		t.Fatalf("%d keys", len(keys))
	}
	entry := keys[0]
	m := stored[machineState](l, laptop, "machine", "record")
	sid := l.sidOf(laptop, "enrollment")
	kept := stored[enrollmentState](l, laptop, "enrollment", sid)

	// again posts a changed request with the user's token.
	again := func(t *testing.T, change func(map[string]any)) (int, error) {
		t.Helper()
		var body map[string]any
		if err := json.Unmarshal(x.body, &body); err != nil {
			t.Fatal(err)
		}
		change(body)
		req, err := web.NewJSON(t.Context(), http.MethodPost, "https://"+x.host+x.request.URL.String(), body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", x.request.Header.Get("Authorization"))
		c := web.Client(l.For(laptop))
		defer c.CloseIdleConnections()
		r, err := web.Do(c, req)
		if err != nil {
			t.Fatal(err)
		}
		if r.Status == http.StatusOK {
			return r.Status, nil
		}
		return r.Status, drs.ParseError(r.Status, r.Body)
	}

	t.Run("four parts", func(t *testing.T) {
		seed.Proves(t, "PC-01", "P1")
		if c := claimsOf(t, x.bearer()); c.Audience != oauth.ResourceDRS || c.DeviceID != device.DeviceID || !slices.Contains(c.AMR, oauth.AMRNGCMFA) {
			t.Errorf("token %+v", c)
		}
		if pub, err := cng.ParseRSAPublic(sent.PublicKey); err != nil || keyIDOf(pub) != out.KeyID {
			t.Errorf("public key: %v", err)
		}
		if sent.Attestation == nil || sent.Device == nil || sent.Device.DeviceID != device.DeviceID || sent.Device.DisplayName != "laptop" || sent.Device.OSVersion == "" {
			t.Fatalf("attestation %+v, device %+v", sent.Attestation, sent.Device)
		}
		for part, subcode := range map[string]string{"kngc": "key_missing", "attestation": "attestation_missing", "device": "device_missing"} {
			if status, err := again(t, func(b map[string]any) { delete(b, part) }); !drs.HasSubcode(err, subcode) {
				t.Errorf("without %s: %d %v", part, status, err)
			}
		}
	})
	t.Run("identity key certificate", func(t *testing.T) {
		seed.Proves(t, "PC-02", "P1")
		if !slices.EqualFunc(sent.Attestation.AIKCertificates, m.AIKChain, bytes.Equal) {
			t.Error("not the chain that the device has")
		}
		status, err := again(t, func(b map[string]any) { b["attestation"].(map[string]any)["aik_certificates"] = nil })
		if !drs.HasSubcode(err, "aik_certificate_missing") {
			t.Errorf("without: %d %v", status, err)
		}
	})
	t.Run("attestation", func(t *testing.T) {
		seed.Proves(t, "PC-05", "P1")
		seed.Proves(t, "DR-18", "P1")
		root, err := x509.ParseCertificate(m.AIKChain[len(m.AIKChain)-1])
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AddCert(root)
		pub, err := cng.ParseRSAPublic(sent.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		evidence := attest.Evidence{Statement: sent.Attestation.Statement, AIKChain: m.AIKChain, Nonce: sent.Attestation.Nonce, Key: pub, Roots: roots, Now: l.Now(),
			Issued: func(*x509.Certificate) error { return nil }, Fresh: func(string) error { return nil }}
		if err := evidence.Verify(); err != nil || entry.AttestationLevel != "attested" {
			t.Errorf("what was sent: %v; the directory says %s", err, entry.AttestationLevel)
		}
		// The desk's TPM speaks for a key of its own, under the laptop's certificate.
		l.Advance(codeAge)
		l.device("desk")
		desk := stored[machineState](l, "device.desk", "machine", "record")
		for name, tt := range map[string]struct {
			chain   [][]byte
			subcode string
		}{
			"signed by another AIK": {m.AIKChain, "attestation_signature"},
			"of another device":     {desk.AIKChain, "attestation_aik_certificate"},
		} {
			key, err := l.tpmOf("device.desk").CreateKey(t.Context(), "user-sign", nil)
			if err != nil {
				t.Fatal(err)
			}
			nonce := tap.freshNonce(t, l)
			said, err := l.tpmOf("device.desk").Certify(t.Context(), key, desk.AIK, attest.ExtraData(nonce))
			if err != nil {
				t.Fatal(err)
			}
			public, err := tpmPublic(key)
			if err != nil {
				t.Fatal(err)
			}
			pub, err := key.RSA()
			if err != nil {
				t.Fatal(err)
			}
			statement := ngc.Statement{Attest: said.Attest, Signature: said.Signature, Public: public}
			status, err := again(t, func(b map[string]any) {
				b["kngc"] = cng.MarshalRSAPublic(pub)
				b["attestation"] = drs.KeyAttestation{Statement: statement.Marshal(), Nonce: nonce, AIKCertificates: tt.chain}
			})
			if !drs.HasSubcode(err, tt.subcode) {
				t.Errorf("%s: %d %v", name, status, err)
			}
		}
		if n := len(l.helloKeys("alice")); n != 1 {
			t.Errorf("%d keys", n)
		}
	})
	t.Run("key id returned", func(t *testing.T) {
		seed.Proves(t, "PC-09", "P1")
		if reply.KeyID != entry.ID || reply.UPN != "alice@contoso.com" || entry.KeyIdentifier != out.KeyID {
			t.Errorf("reply %+v, entry %+v", reply, entry)
		}
	})
	t.Run("key id stored and used", func(t *testing.T) {
		seed.Proves(t, "PC-10", "A1")
		if kept.KeyID != out.KeyID || kept.EntryID != entry.ID || !kept.Registered {
			t.Errorf("the device keeps %+v", kept)
		}
		l.expect(byPIN(pin), "success")
		request, err := jose.Parse(tap.lastToken(t).form().Get("request"))
		if err != nil {
			t.Fatal(err)
		}
		var c struct {
			Assertion string `json:"assertion"`
		}
		if err := json.Unmarshal(request.Payload, &c); err != nil {
			t.Fatal(err)
		}
		if a, err := ngc.ParseAssertion(c.Assertion); err != nil || a.KeyID != kept.KeyID {
			t.Errorf("the assertion names %q (%v)", a.KeyID, err)
		}
	})
	t.Run("key entry and device", func(t *testing.T) {
		seed.Proves(t, "PC-08", "P1")
		if entry.DeviceID != device.DeviceID {
			t.Errorf("entry of device %s, made on %s", entry.DeviceID, device.DeviceID)
		}
	})
	t.Run("written to the tenant's user", func(t *testing.T) {
		seed.Proves(t, "PC-12", "P1")
		me, err := graph.Get[graph.User](t.Context(), l.directory(), "users", "alice@contoso.com")
		if err != nil {
			t.Fatal(err)
		}
		if len(me.HelloKeys) != 1 || !bytes.Equal(me.HelloKeys[0].KeyMaterial, sent.PublicKey) || me.HelloKeys[0].Usage != "NGC" {
			t.Errorf("user %+v", me)
		}
		l.inOrder("key_registration", "user_located", "key_written", "key_id_returned")
	})
	t.Run("one user's key", func(t *testing.T) {
		seed.Proves(t, "PC-11", "A1")
		v := l.expect(windows.Request{PIN: providers.Secret(pin), To: []string{"tenant.contoso"}}, "success")
		if v.Claims["upn"] != "alice@contoso.com" {
			t.Errorf("signed in as %v", v.Claims["upn"])
		}
		// Bo's name over alice's key is nobody.
		l.user("bo")
		l.Create("enrollment.bo", enrollment("user.bo", laptop))
		l.expect(windows.Request{User: "user.bo", PIN: providers.Secret(pin)}, "success")
		for _, other := range l.keysOf(laptop, "container") {
			if other != sid {
				l.rename(t, laptop, other, out.KeyID)
			}
		}
		v = l.expect(windows.Request{User: "user.bo", PIN: providers.Secret(pin)}, "key_not_found")
		if v.Phase != "C" {
			t.Errorf("refused in phase %s", v.Phase)
		}
	})
	t.Run("RSA 2048", func(t *testing.T) {
		seed.Proves(t, "CONST-04", "P1")
		if pub, err := cng.ParseRSAPublic(entry.KeyMaterial); err != nil || pub.N.BitLen() != 2048 {
			t.Errorf("the registered key: %v", err)
		}
		for _, bits := range []int{1024, 2047, 2056, 3072} {
			k := &rsa.PublicKey{N: new(big.Int).SetBit(new(big.Int).Lsh(big.NewInt(1), uint(bits-1)), 0, 1), E: 65537}
			if status, err := again(t, func(b map[string]any) { b["kngc"] = cng.MarshalRSAPublic(k) }); !drs.HasSubcode(err, "invalid_parameter") {
				t.Errorf("%d bits: %d %v", bits, status, err)
			}
		}
	})
	t.Run("token decides whose", func(t *testing.T) {
		seed.Proves(t, "PC-06", "P1")
		bo := len(l.helloKeys("bo"))
		key, err := l.tpmOf(laptop).CreateKey(t.Context(), "user-sign", nil)
		if err != nil {
			t.Fatal(err)
		}
		nonce := tap.freshNonce(t, l)
		said, err := l.tpmOf(laptop).Certify(t.Context(), key, m.AIK, attest.ExtraData(nonce))
		if err != nil {
			t.Fatal(err)
		}
		public, err := tpmPublic(key)
		if err != nil {
			t.Fatal(err)
		}
		pub, err := key.RSA()
		if err != nil {
			t.Fatal(err)
		}
		statement := ngc.Statement{Attest: said.Attest, Signature: said.Signature, Public: public}
		status, err := again(t, func(b map[string]any) {
			b["upn"], b["userPrincipalName"], b["user"] = "bo@contoso.com", "bo@contoso.com", "bo@contoso.com"
			b["kngc"] = cng.MarshalRSAPublic(pub)
			b["attestation"] = drs.KeyAttestation{Statement: statement.Marshal(), Nonce: nonce, AIKCertificates: m.AIKChain}
		})
		if err != nil {
			t.Fatalf("%d %v", status, err)
		}
		if keys := l.helloKeys("alice"); len(keys) != 1 || keys[0].KeyIdentifier != keyIDOf(pub) || len(l.helloKeys("bo")) != bo {
			t.Errorf("alice has %+v, bo %d", keys, len(l.helloKeys("bo")))
		}
	})
}

// freshNonce asks the registration service for a nonce.
func (w *wiretap) freshNonce(t testing.TB, l *lab) string {
	t.Helper()
	c := web.Client(l.For(laptop))
	defer c.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+l.tenant().RegistrationHost+drs.PathNonce+l.tenant().TenantID+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := web.Do(c, req)
	if err != nil {
		t.Fatal(err)
	}
	n, err := drs.ParseNonceReply(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return n.Value
}

// TestTwoDevicesTwoKeys: a second device adds a value, and the first stays.
func TestTwoDevicesTwoKeys(t *testing.T) {
	l := newLab(t)
	seed.Proves(t, "PC-07", "P1")
	first := l.device("laptop")
	l.enroll()
	was := l.helloKeys("alice")
	l.Advance(codeAge)
	second := l.device("desk")
	l.Create("enrollment.desk", enrollment(alice, "device.desk"))
	is := l.helloKeys("alice")
	if len(was) != 1 || len(is) != 2 || !bytes.Equal(is[0].KeyMaterial, was[0].KeyMaterial) || is[0].ID != was[0].ID ||
		is[0].DeviceID != first.DeviceID || is[1].DeviceID != second.DeviceID {
		t.Errorf("was %+v, is %+v", was, is)
	}
	l.expect(byPIN(pin), "success")
	l.expect(windows.Request{Device: "device.desk", PIN: providers.Secret(pin)}, "success")
}

// TestDirectoryIsPublic reads all that the directory shows, and all that the tenant
// keeps of users and devices, and finds nothing of the device's private keys.
func TestDirectoryIsPublic(t *testing.T) {
	l := newLab(t)
	seed.Proves(t, "PC-14", "P1")
	l.device("laptop")
	l.enroll("face")
	l.expect(byPIN(pin), "success")
	me, err := graph.Get[map[string]any](t.Context(), l.directory(), "users", "alice@contoso.com")
	if err != nil {
		t.Fatal(err)
	}
	shown, err := json.Marshal([]any{me, l.devices(), l.helloKeys("alice")})
	if err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	all.Write(leak.Unfold(string(shown)))
	for _, table := range []string{"users", "devices", "hellokeys", "upn", "deviceid", "aik"} {
		err := l.For("tenant.contoso").Section.View(func(r providers.Reader) error {
			return r.Scan(table, "", func(key string, v []byte) error {
				all.WriteString(key)
				all.Write(leak.Unfold(string(v)))
				return nil
			})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if blob := l.helloKeys("alice")[0].KeyMaterial; !bytes.Contains(all.Bytes(), blob) || !bytes.HasPrefix(blob, []byte("RSA1")) {
		t.Fatal("the public key is not among what was read")
	}
	for name, private := range l.privateBlobs(laptop) {
		if bytes.Contains(all.Bytes(), private) {
			t.Errorf("the directory holds the private half of %s", name)
		}
	}
	for _, form := range []string{"RSA2", "RSA3", "PRIVATE KEY"} {
		if bytes.Contains(all.Bytes(), []byte(form)) {
			t.Errorf("the directory holds a private key: %s", form)
		}
	}
}
