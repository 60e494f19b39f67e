package all_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows/ksp"
	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/ngc"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
)

// TestA1 is one sign-in by PIN, looked at row by row.
func TestA1(t *testing.T) {
	l := newLab(t)
	l.device("laptop")
	l.user("bo")
	out := l.enroll()
	l.Create("enrollment.bo", enrollment("user.bo", laptop))
	l.device("desk")
	tap := l.listen()
	v := l.expect(byPIN(pin), "success")
	wire := tap.exchanges()
	s := l.story("A1")
	request := signedRequests(t, wire)[0]
	assertion := assertionOf(t, wire)
	c := l.containerOf(laptop, "alice")
	var reply oauth.TokenResponse
	if r, err := oauth.ParseTokenResponse(request.reply); err != nil {
		t.Fatal(err)
	} else {
		reply = *r
	}

	s.begunByDevice(t)
	t.Run("verdict", func(t *testing.T) {
		if v.Flow != "A1" || v.Phase != "E" || v.Reason != nil || v.ID == "" || s.letters() != "ABCDE" {
			t.Errorf("verdict %+v, phases %s", v, s.letters())
		}
		want := []string{
			"A:lock_screen_dismissed", "A:gesture_provided", "A:credentials_packed", "A:credentials_to_lsass", "A:credentials_to_cloud_ap", "A:key_released",
			"B:nonce_request", "B:nonce_signed",
			"C:prt_request",
			"D:session_key_unwrapped", "D:session_key_protected",
			"E:success_to_lsass", "E:prt_cached", "E:success_to_winlogon", "E:logon_session", "E:profile_loaded", "E:explorer_started",
		}
		if got := s.steps(); !slices.Equal(got, want) {
			t.Errorf("steps\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
	t.Run("lock screen", func(t *testing.T) {
		seed.Proves(t, "A1-01", "A1")
		if s.events[0].Step != "lock_screen_dismissed" || s.events[0].Protocol != "local" {
			t.Errorf("began with %+v", s.events[0])
		}
		s.by(t, "A", event.Winlogon, event.CredentialProvider, "lock_screen_dismissed")
	})
	t.Run("credential provider", func(t *testing.T) {
		seed.Proves(t, "A1-02", "A1")
		s.phase("A").inOrder(t, "gesture_provided", "credentials_packed")
		s.by(t, "A", event.CredentialProvider, event.User, "gesture_provided")
		s.by(t, "A", event.CredentialProvider, event.Winlogon, "credentials_packed")
	})
	t.Run("to LSASS", func(t *testing.T) {
		seed.Proves(t, "A1-03", "A1")
		s.by(t, "A", event.Winlogon, event.LSASS, "credentials_to_lsass")
		s.inOrder(t, "credentials_packed", "credentials_to_lsass", "credentials_to_cloud_ap")
	})
	t.Run("to Cloud AP", func(t *testing.T) {
		seed.Proves(t, "A1-04", "A1")
		s.by(t, "A", event.LSASS, event.CloudAP, "credentials_to_cloud_ap")
	})
	t.Run("nonce", func(t *testing.T) {
		seed.Proves(t, "A1-05", "A1")
		s.by(t, "B", event.CloudAP, event.EntraID, "nonce_request")
		s.by(t, "B", event.EntraID, event.CloudAP, "nonce_issued")
		again := l.expect(byPIN(pin), "success")
		all := signedRequests(t, tap.exchanges())
		first, second := all[0].claims.RequestNonce, all[len(all)-1].claims.RequestNonce
		a, errA := base64.RawURLEncoding.DecodeString(first)
		b, errB := base64.RawURLEncoding.DecodeString(second)
		if errA != nil || errB != nil || again.ID == v.ID || len(a) != len(b) {
			t.Fatalf("nonces %q and %q", first, second)
		}
		differ := 0 // made at one instant, they have the time in common and no more
		for i := range a {
			if a[i] != b[i] {
				differ++
			}
		}
		if differ < 16 {
			t.Errorf("nonces %x and %x differ in %d bytes", a, b, differ)
		}
		if code := l.post(request.form().Get("request")); code != oauth.NonceInvalid {
			t.Errorf("the same request again: %s", code.ID())
		}
	})
	t.Run("empty request", func(t *testing.T) {
		seed.Proves(t, "A1-06", "A1")
		x := wire[0]
		if got := string(x.body); got != "grant_type=srv_challenge" || x.request.URL.RawQuery != "" {
			t.Errorf("%s?%s\n%s", x.request.URL.Path, x.request.URL.RawQuery, got)
		}
		var all bytes.Buffer
		if err := x.request.Header.Write(&all); err != nil {
			t.Fatal(err)
		}
		for _, of := range []string{"alice", out.KeyID, out.DeviceID, "ookie"} {
			if strings.Contains(all.String()+x.request.URL.Path, of) {
				t.Errorf("the request shows %q", of)
			}
		}
	})
	t.Run("signature", func(t *testing.T) {
		seed.Proves(t, "A1-08", "A1")
		s.by(t, "B", event.CloudAP, event.TPM, "nonce_signed")
		var answered oauth.NonceResponse
		if err := json.Unmarshal(wire[0].reply, &answered); err != nil {
			t.Fatal(err)
		}
		pub, err := cng.ParseRSAPublic(l.helloKeys("alice")[0].KeyMaterial)
		if err != nil || assertion.Token.VerifyRS256(pub) != nil || assertion.Claims.RequestNonce != answered.Nonce || request.claims.RequestNonce != answered.Nonce {
			t.Errorf("%v; nonce %q, signed %q, sent %q", err, answered.Nonce, assertion.Claims.RequestNonce, request.claims.RequestNonce)
		}
		// The device's signature covers the request that the user's is in.
		dev, err := stored[machineState](l, laptop, "machine", "record").DeviceKey.RSA()
		if err != nil || request.token.VerifyRS256(dev) != nil || !request.byDevice() {
			t.Errorf("request: %v", err)
		}
		for name, change := range map[string]func(*ngc.Claims){
			"nonce":   func(c *ngc.Claims) { c.RequestNonce = l.nonce("tenant.contoso") },
			"request": func(c *ngc.Claims) { c.Scope = "openid" },
		} {
			if code := l.send(l.spoiled(t, assertion, change), l.nonce("tenant.contoso")); code != oauth.HelloSignatureInvalid {
				t.Errorf("%s changed: %s", name, code.ID())
			}
		}
	})
	t.Run("session key for the device", func(t *testing.T) {
		seed.Proves(t, "A1-11", "A1")
		s.by(t, "C", event.EntraID, event.CloudAP, "prt_issued")
		wrapped, err := prt.EncryptedSessionKey(reply.SessionKeyJWE)
		if err != nil {
			t.Fatal(err)
		}
		key, err := l.tpmOf(laptop).DecryptOAEP(t.Context(), stored[machineState](l, laptop, "machine", "record").TransportKey, wrapped)
		if err != nil || prt.CheckSessionKey(reply.SessionKeyJWE, key) != nil {
			t.Errorf("the device's own transport key: %v", err)
		}
		if key, err := l.tpmOf("device.desk").DecryptOAEP(t.Context(), stored[machineState](l, "device.desk", "machine", "record").TransportKey, wrapped); err == nil && prt.CheckSessionKey(reply.SessionKeyJWE, key) == nil {
			t.Error("another device opens the session key")
		}
		if _, err := l.tpmOf(laptop).DecryptOAEP(t.Context(), stored[machineState](l, laptop, "machine", "record").DeviceKey, wrapped); err == nil {
			t.Error("the device key opens the session key")
		}
	})
	t.Run("unwrapped in the TPM", func(t *testing.T) {
		seed.Proves(t, "A1-12", "A1")
		s.by(t, "D", event.CloudAP, event.TPM, "session_key_unwrapped")
		transport := stored[machineState](l, laptop, "machine", "record").TransportKey
		if transport.Storage != ksp.TPM || transport.Use != ksp.Decrypt {
			t.Errorf("transport key: %s, %s", transport.Storage, transport.Use)
		}
		if err := l.tpmOf(laptop).Export(t.Context(), transport); !errors.Is(err, ksp.ErrNotExportable) {
			t.Errorf("export: %v", err)
		}
		// No other TPM can even load it.
		wrapped, _ := prt.EncryptedSessionKey(reply.SessionKeyJWE)
		if _, err := l.tpmOf("device.desk").DecryptOAEP(t.Context(), transport, wrapped); err == nil {
			t.Error("it works elsewhere")
		}
	})
	t.Run("kept in the TPM", func(t *testing.T) {
		seed.Proves(t, "A1-13", "A1")
		s.by(t, "D", event.CloudAP, event.TPM, "session_key_protected")
		rec := stored[prtState](l, laptop, "prt", l.sid("alice")+"|ngc")
		machine := stored[machineState](l, laptop, "machine", "record")
		last := signedRequests(t, tap.exchanges())
		var jwe string
		for _, r := range slices.Backward(last) { // of the sign-in that is cached
			if tokens, err := oauth.ParseTokenResponse(r.reply); err == nil && r.status == http.StatusOK && tokens.RefreshToken == rec.Token {
				jwe = tokens.SessionKeyJWE
			}
		}
		wrapped, err := prt.EncryptedSessionKey(jwe)
		if err != nil {
			t.Fatal(err)
		}
		key, err := l.tpmOf(laptop).DecryptOAEP(t.Context(), machine.TransportKey, wrapped)
		if err != nil || rec.SessionKey.Storage != ksp.TPM {
			t.Fatalf("%s, %v", rec.SessionKey.Storage, err)
		}
		in := prt.KDFInput(make([]byte, 32))
		want, err := prt.Key(key)(make([]byte, 32))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := l.tpmOf(laptop).HMAC(t.Context(), rec.SessionKey, in); err != nil || !bytes.Equal(got, want) {
			t.Errorf("the imported key is not the one that came: %v", err)
		}
		if got, err := l.tpmOf(laptop).Unseal(t.Context(), rec.SessionKey, nil); err == nil {
			t.Errorf("the TPM gives out %d bytes", len(got))
		}
		if _, err := l.tpmOf("device.desk").HMAC(t.Context(), rec.SessionKey, in); err == nil {
			t.Error("it works elsewhere")
		}
		for _, table := range deviceTables {
			for _, k := range l.keysOf(laptop, table) {
				if v := l.raw(laptop, table, k); bytes.Contains(v, key) || bytes.Contains(v, []byte(base64.StdEncoding.EncodeToString(key))) {
					t.Errorf("%s %s holds the session key", table, k)
				}
			}
		}
	})
	t.Run("success to Winlogon", func(t *testing.T) {
		seed.Proves(t, "A1-14", "A1")
		s.phase("E").inOrder(t, "success_to_lsass", "prt_cached", "success_to_winlogon")
		s.by(t, "E", event.CloudAP, event.LSASS, "success_to_lsass")
		s.by(t, "E", event.LSASS, "", "prt_cached")
		s.by(t, "E", event.LSASS, event.Winlogon, "success_to_winlogon")
		if rec := stored[prtState](l, laptop, "prt", l.sid("alice")+"|ngc"); rec.Token == "" || rec.UPN != "alice@contoso.com" {
			t.Errorf("cached %+v", rec)
		}
	})
	t.Run("session, profile, shell", func(t *testing.T) {
		seed.Proves(t, "A1-15", "A1")
		var steps []string
		for _, e := range s.events[len(s.events)-3:] {
			steps = append(steps, string(e.Actor)+" "+e.Step)
		}
		if want := []string{"Winlogon logon_session", "Winlogon profile_loaded", "Winlogon explorer_started"}; !slices.Equal(steps, want) {
			t.Errorf("ended with %v", steps)
		}
		if last := s.events[len(s.events)-1]; last.Outcome != event.Done || !strings.Contains(last.Text, "signed in") || v.Code != "success" {
			t.Errorf("%+v", last)
		}
	})
	t.Run("key leads to the user", func(t *testing.T) {
		seed.Proves(t, "A1-17", "A1")
		if assertion.KeyID != out.KeyID || c.UserKeys[0].ID != out.KeyID {
			t.Errorf("the request names %s, the enrollment %s", assertion.KeyID, out.KeyID)
		}
		var owners []string
		for _, user := range []string{"alice", "bo"} {
			for _, k := range l.helloKeys(user) {
				if k.KeyIdentifier == assertion.KeyID {
					owners = append(owners, user)
				}
			}
		}
		found := s.at(t, "signature_verified").Message
		if !slices.Equal(owners, []string{"alice"}) || found["user"] != "alice@contoso.com" || found["key_id"] != out.KeyID {
			t.Errorf("owners %v, found %v", owners, found)
		}
		// Her key is nobody else's, whoever the assertion says it is of.
		nonce := l.nonce("tenant.contoso")
		if code := l.send(l.assertion(t, nonce, func(c *ngc.Claims) { c.Issuer = "bo@contoso.com" }), nonce); code != oauth.HelloKeyNotFound {
			t.Errorf("as bo: %s", code.ID())
		}
	})
}

// TestNonceWaits lets time pass between the tenant's nonce and its return.
func TestNonceWaits(t *testing.T) {
	for _, c := range []struct {
		wait    time.Duration
		refusal string
	}{
		{4*time.Minute + 59*time.Second, ""},
		{5*time.Minute + time.Second, "AADSTS140000"},
	} {
		t.Run(c.wait.String(), func(t *testing.T) {
			seed.Proves(t, "A1-07", "A1")
			l := newLab(t)
			l.device("laptop")
			l.enroll()
			waited := false
			l.OnFailpoint(func(name string) { // the first reply of a sign-in is the nonce
				if !waited {
					waited = true
					l.Advance(c.wait)
				}
			})
			v := l.signIn(byPIN(pin))
			switch {
			case !waited:
				t.Error("no time passed")
			case c.refusal == "" && (v.Code != "hello_ticket_expired" || v.Phase != "E"): // the tenant takes it, and Windows waited too long
				t.Errorf("%+v, %+v", v, v.Reason)
			case c.refusal != "" && (v.Reason == nil || v.Phase != "C" || v.Reason.Code != c.refusal || !strings.Contains(v.Reason.Sentence, "expired")):
				t.Errorf("%+v, %+v", v, v.Reason)
			}
		})
	}
}

// TestSignatureThenNonce is the order of the tenant's checks.
func TestSignatureThenNonce(t *testing.T) {
	l := newLab(t)
	l.device("laptop")
	l.enroll()
	l.Create("tenant.fabrikam", spec.Tenant{Domains: []string{"fabrikam.com"}})
	tap := l.listen()
	l.expect(byPIN(pin), "success")
	used := assertionOf(t, tap.exchanges())
	old := l.nonce("tenant.contoso")
	l.Advance(5*time.Minute + time.Second)
	foreign := l.nonce("tenant.fabrikam")

	t.Run("signature", func(t *testing.T) {
		seed.Proves(t, "A1-09", "A1")
		s := l.story("A1")
		s.phase("C").inOrder(t, "prt_request", "signature_verified", "nonce_verified", "prt_issued")
		for name, nonce := range map[string]string{"good": l.nonce("tenant.contoso"), "used": used.Claims.RequestNonce, "old": old, "foreign": foreign} {
			a, err := ngc.ParseAssertion(l.assertion(t, nonce, nil))
			if err != nil {
				t.Fatal(err)
			}
			bad := l.spoiled(t, a, func(c *ngc.Claims) { c.Scope = "openid" })
			if code := l.send(bad, nonce); code != oauth.HelloSignatureInvalid {
				t.Errorf("bad signature over a %s nonce: %s", name, code.ID())
			}
		}
	})
	t.Run("nonce", func(t *testing.T) {
		seed.Proves(t, "A1-10", "A1")
		for name, nonce := range map[string]string{"used": used.Claims.RequestNonce, "old": old, "foreign": foreign} {
			began := len(l.Events())
			if code := l.send(l.assertion(t, nonce, nil), nonce); code != oauth.NonceInvalid {
				t.Errorf("%s nonce: %s", name, code.ID())
			}
			if !slices.ContainsFunc(l.Events()[began:], func(e event.Event) bool { return e.Step == "signature_verified" }) {
				t.Errorf("%s nonce: the signature was not looked at first", name)
			}
		}
		nonce := l.nonce("tenant.contoso")
		if code := l.send(l.assertion(t, nonce, nil), nonce); code != 0 {
			t.Errorf("fresh nonce: %s", code.ID())
		}
	})
}
