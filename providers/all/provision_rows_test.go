package all_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/jose"
	"hellolab/providers/wire/ngc"
	"hellolab/providers/wire/oauth"
)

// drsToken is what an access token to the registration service says.
type drsToken struct {
	Audience string   `json:"aud"`
	Issuer   string   `json:"iss"`
	AMR      []string `json:"amr"`
	AuthTime int64    `json:"auth_time"`
	DeviceID string   `json:"deviceid"`
	UPN      string   `json:"upn"`
}

// registered is the key registration on the wire, with its token decoded.
func registered(t testing.TB, all []exchange) (exchange, *drs.KeyRequest, drsToken) {
	t.Helper()
	for _, x := range slices.Backward(all) {
		if !strings.EqualFold(x.request.URL.Path, drs.PathKey) {
			continue
		}
		body, err := drs.ParseKeyRequest(x.body)
		if err != nil {
			t.Fatal(err)
		}
		token, err := jose.Parse(x.bearer())
		if err != nil {
			t.Fatal(err)
		}
		var c drsToken
		if err := token.Claims(&c); err != nil {
			t.Fatal(err)
		}
		return x, body, c
	}
	t.Fatal("no key registration on the wire")
	return exchange{}, nil, drsToken{}
}

// TestP1 is one provisioning five minutes after its user joined the device,
// and so without a prompt, looked at row by row.
func TestP1(t *testing.T) {
	l := newLab(t)
	device := l.device("laptop")
	joined := l.Now()
	l.Advance(5 * time.Minute)
	pool := l.keysOf(laptop, "keypool")
	tap := l.listen()
	out := l.enroll("face")
	wire := tap.exchanges()
	s := l.story("P1")
	_, body, token := registered(t, wire)
	c := l.containerOf(laptop, "alice")

	s.begunByDevice(t)
	t.Run("token from the tenant", func(t *testing.T) {
		seed.Proves(t, "P1-01", "P1")
		for _, e := range s.events {
			switch e.Actor {
			case event.User, event.Winlogon, event.LSASS, event.CloudAP, event.CXH, event.WAM, event.KeyPool, event.TPM, event.Sensor,
				event.Container, event.Device, event.MDM, event.EntraID, event.DRS:
			default:
				t.Errorf("%s takes part: %s", e.Actor, e.Step)
			}
		}
		if s.by(t, "A", event.EntraID, event.WAM, "access_token_issued"); token.Issuer == "" || !strings.Contains(token.Issuer, l.tenant().TenantID) {
			t.Errorf("issuer %s", token.Issuer)
		}
	})
	t.Run("validates, creates, returns", func(t *testing.T) {
		seed.Proves(t, "P1-02", "P1")
		s.phase("A").inOrder(t, "token_request_validated", "access_token_issued", "response_sealed", "drs_token")
		s.by(t, "A", event.EntraID, event.WAM, "token_request_validated")
		s.by(t, "A", event.EntraID, event.WAM, "response_sealed")
		s.by(t, "A", event.WAM, event.CXH, "drs_token")
		if m := s.at(t, "token_request_validated").Message; m["fresh_mfa_demanded"] != true || !slices.Contains(texts(m["amr"]), "mfa") {
			t.Errorf("validated %v", m)
		}
	})
	t.Run("ends with the key id", func(t *testing.T) {
		seed.Proves(t, "P1-03", "P1")
		if got := s.letters(); got != "ABC" {
			t.Errorf("phases %s", got)
		}
		after := s.events[s.index("key_id_returned")+1:]
		var steps []string
		for _, e := range after {
			steps = append(steps, e.Step)
		}
		// What comes then is for the next user.
		if want := []string{"key_id_stored", "exit", "pool_refill", "attestation_nonce_request", "attestation_nonce_issued", "attestation"}; !slices.Equal(steps, want) {
			t.Errorf("after the key id: %v", steps)
		}
		s.by(t, "C", event.CXH, "", "exit")
	})
	t.Run("nothing on-premises", func(t *testing.T) {
		seed.Proves(t, "P1-04", "P1")
		if got, want := hosts(wire), []string{l.tenant().RegistrationHost, l.tenant().LoginHost}; !slices.Equal(got, want) {
			t.Errorf("spoke to %v, want %v", got, want)
		}
		for _, e := range s.events {
			if e.Protocol != "HTTPS" && e.Protocol != "TPM 2.0" && e.Protocol != "local" {
				t.Errorf("%s speaks %s", e.Step, e.Protocol)
			}
		}
		if out.Trust != "none" {
			t.Errorf("trust %q towards a domain", out.Trust)
		}
	})
	t.Run("inside the Cloud Experience Host", func(t *testing.T) {
		seed.Proves(t, "PA-01", "P1")
		s.by(t, "", event.Device, event.CXH, "cxh_launch")
		for _, letter := range []string{"A", "B", "C"} {
			if !slices.ContainsFunc(s.phase(letter).events, func(e event.Event) bool { return e.Actor == event.CXH }) {
				t.Errorf("CXH does nothing in phase %s", letter)
			}
		}
	})
	t.Run("asks for the token first", func(t *testing.T) {
		seed.Proves(t, "PA-02", "P1")
		a := s.phase("A").events
		first := a[slices.IndexFunc(a, func(e event.Event) bool { return e.Protocol == "HTTPS" })]
		if a[0].Step != "token_request" || first.Step != "drs_token_request" || first.Message["resource"] != oauth.ResourceDRS {
			t.Errorf("began with %s, on the network with %+v", a[0].Step, first)
		}
		// On the wire: after the first sign-in's token, a token to the service.
		asked := signedRequests(t, wire)
		if len(asked) != 2 || !asked[0].byDevice() || asked[1].byDevice() || asked[1].claims.Resource != oauth.ResourceDRS || asked[1].claims.ClientID != oauth.ClientProvisioning {
			t.Errorf("%d requests for tokens: %+v", len(asked), asked)
		}
	})
	t.Run("by the Web Account Manager", func(t *testing.T) {
		seed.Proves(t, "PA-03", "P1")
		s.by(t, "A", event.CXH, event.WAM, "token_request")
		s.by(t, "A", event.WAM, event.EntraID, "drs_token_request")
		s.by(t, "A", event.WAM, event.CXH, "drs_token")
		for _, e := range s.phase("A").events {
			if e.Actor == event.CXH && e.Peer != event.WAM || e.Peer == event.CXH && e.Actor != event.WAM {
				t.Errorf("%s → %s: %s", e.Actor, e.Peer, e.Step)
			}
		}
	})
	t.Run("with the second factor of the join", func(t *testing.T) {
		seed.Proves(t, "PA-12", "P1")
		if token.AuthTime != joined.Unix() || l.Now().Unix() == joined.Unix() {
			t.Errorf("authenticated at %v, the second factor was given at %v, now is %v", time.Unix(token.AuthTime, 0).UTC(), joined, l.Now())
		}
		if s.has("mfa_prompt") {
			t.Error("the user was prompted")
		}
	})
	t.Run("pool", func(t *testing.T) {
		seed.Proves(t, "PB-06", "P1")
		s.by(t, "B", event.KeyPool, event.CXH, "pool_take")
		if m := s.at(t, "pool_take").Message; m["pregenerated"] != true || m["left"] != len(pool)-1 {
			t.Errorf("%v of %d keys", m, len(pool))
		}
		if now := l.keysOf(laptop, "keypool"); len(pool) != 1 || slices.Contains(now, pool[0]) {
			t.Errorf("pool was %v, is %v", pool, now)
		}
	})
	t.Run("attestation", func(t *testing.T) {
		seed.Proves(t, "PB-07", "P1")
		if body.Attestation == nil {
			t.Fatal("none in the request")
		}
		if _, err := ngc.ParseStatement(body.Attestation.Statement); err != nil || len(body.Attestation.AIKCertificates) == 0 {
			t.Errorf("%d certificates, %v", len(body.Attestation.AIKCertificates), err)
		}
		s.phase("C").inOrder(t, "attestation", "key_registration", "attestation_verified")
	})
	t.Run("one user key", func(t *testing.T) {
		seed.Proves(t, "PB-08", "P1", "A1")
		if len(c.UserKeys) != 1 {
			t.Fatalf("%d user keys", len(c.UserKeys))
		}
		kid, keys := out.KeyID, l.helloKeys("alice")
		if s.at(t, "pool_take").Message["key_id"] != kid || c.UserKeys[0].ID != kid || len(keys) != 1 || keys[0].KeyIdentifier != kid || ngc.KeyID(body.PublicKey) != kid {
			t.Errorf("enrollment %s, pool %v, container %s, request %s, directory %+v", kid, s.at(t, "pool_take").Message["key_id"], c.UserKeys[0].ID, ngc.KeyID(body.PublicKey), keys)
		}
		l.expect(byPIN(pin), "success")
		a := assertionOf(t, tap.exchanges())
		pub, err := c.UserKeys[0].Key.RSA()
		if err != nil || a.KeyID != kid || a.Token.VerifyRS256(pub) != nil {
			t.Errorf("the sign-in was signed by %s, %v", a.KeyID, err)
		}
	})
	t.Run("container after the PIN", func(t *testing.T) {
		seed.Proves(t, "PB-10", "P1")
		s.phase("B").inOrder(t, "pin_confirmed", "protector_created", "container_created", "pool_take")
		l := newLab(t)
		l.device("laptop")
		l.windows.Hands = closes(windows.PromptPIN)
		if _, err := l.TryCreate(t.Context(), enrolled, enrollment(alice, laptop)); err == nil {
			t.Fatal("provisioned without a PIN")
		}
		l.story("P1").by(t, "A", event.WAM, event.CXH, "drs_token") // it came that far
		l.nothingMade(t, laptop, "alice")
	})
	t.Run("key id names the device", func(t *testing.T) {
		if keys := l.helloKeys("alice"); keys[0].DeviceID != device.DeviceID {
			t.Errorf("%+v", keys[0])
		}
	})
}

// closes is a person who closes the window at a prompt.
func closes(at windows.Prompt) windows.Hands {
	return func(p windows.Prompt, has []byte) ([]byte, bool) { return has, p != at }
}

// types is a person who gives something else at a prompt.
func types(at windows.Prompt, other func(has []byte) []byte) windows.Hands {
	return func(p windows.Prompt, has []byte) ([]byte, bool) {
		if p == at {
			return other(has), true
		}
		return has, true
	}
}

// another is has with its last byte counted up: a wrong code, PIN or look.
func another(has []byte) []byte {
	b := slices.Clone(has)
	last := len(b) - 1
	b[last] = '0' + (b[last]-'0'+1)%10
	return b
}

// TestP1Prompted is the provisioning of a user who did not join the device:
// they come with a password, and the tenant demands the second factor.
func TestP1Prompted(t *testing.T) {
	l := newLab(t)
	l.device("laptop")
	l.user("bo")
	l.Advance(time.Minute)
	tap := l.listen()
	e := enrollment("user.bo", laptop, "face")
	l.Create("enrollment.bo", e)
	wire := tap.exchanges()
	s := l.story("P1")
	asked := signedRequests(t, wire)
	_, _, token := registered(t, wire)

	s.begunByDevice(t)
	t.Run("two factors", func(t *testing.T) {
		seed.Proves(t, "PA-04", "P1")
		if amr := texts(s.at(t, "prt_issued").Message["amr"]); slices.Contains(amr, "mfa") || !slices.Contains(amr, "pwd") {
			t.Errorf("signed in with %v", amr)
		}
		r := asked[1]
		if r.claims.Resource != oauth.ResourceDRS || r.refusal() != oauth.StrongAuthRequired {
			t.Errorf("token request for %s: %d %v", r.claims.Resource, r.status, r.refusal())
		}
		s.by(t, "A", event.EntraID, event.WAM, "mfa_demanded")
	})
	t.Run("password first", func(t *testing.T) {
		seed.Proves(t, "PA-05", "P1")
		if len(token.AMR) == 0 || token.AMR[0] != "pwd" {
			t.Errorf("amr %v", token.AMR)
		}
	})
	t.Run("then the service's challenge", func(t *testing.T) {
		seed.Proves(t, "PA-06", "P1")
		s.phase("A").inOrder(t, "mfa_demanded", "mfa_challenged", "mfa_verified", "access_token_issued")
		if e := s.at(t, "mfa_verified"); e.Actor != event.MFA || !slices.Contains(texts(e.Message["amr"]), "mfa") {
			t.Errorf("%+v", e)
		}
		if !slices.Contains(token.AMR, "mfa") {
			t.Errorf("amr %v", token.AMR)
		}
	})
	t.Run("token with the claim", func(t *testing.T) {
		seed.Proves(t, "PA-11", "P1")
		if token.Audience != oauth.ResourceDRS || !slices.Contains(token.AMR, oauth.AMRNGCMFA) || token.UPN != "bo@contoso.com" {
			t.Errorf("token %+v", token)
		}
		if asked[1].gaveToken() {
			t.Error("a token was given without the claim")
		}
		if s.index("access_token_issued") < s.index("mfa_verified") {
			t.Error("a token was made before the claim")
		}
	})
	t.Run("in the window", func(t *testing.T) {
		seed.Proves(t, "PA-13", "P1")
		s.phase("A").inOrder(t, "mfa_window", "mfa_begin", "mfa_prompt", "mfa_code", "mfa_done")
		s.by(t, "A", event.CXH, event.User, "mfa_prompt")
		s.by(t, "A", event.User, event.CXH, "mfa_code")

		l := newLab(t)
		l.device("laptop")
		l.user("bo")
		l.windows.Hands = closes(windows.PromptCode)
		_, err := l.TryCreate(t.Context(), "enrollment.bo", enrollment("user.bo", laptop))
		if err == nil || !strings.Contains(err.Error(), "cancelled") {
			t.Fatalf("%v", err)
		}
		s := l.story("P1")
		if last := s.events[len(s.events)-1]; last.Phase != "A" || last.Reason == nil || last.Reason.Code != "0x80090036" || !s.has("window_closed") {
			t.Errorf("ended with %+v", last)
		}
		l.nothingMade(t, laptop, "bo")
		l.windows.Hands = nil
		l.Create("enrollment.bo", enrollment("user.bo", laptop))
	})
	t.Run("gestures after the second factor", func(t *testing.T) {
		seed.Proves(t, "PB-09", "P1")
		s.inOrder(t, "mfa_verified", "mfa_done", "drs_token", "biometrics_chosen", "biometric_enrolled", "pin_confirmed")
		if s.index("biometrics_chosen") < s.index("mfa_done") || s.index("pin_confirmed") < s.index("mfa_done") {
			t.Errorf("a gesture before the second factor:\n%s", s)
		}
	})
	t.Run("the flow is one that succeeded", func(t *testing.T) {
		if e := s.events[len(s.events)-1]; e.Outcome != event.Done {
			t.Errorf("ended with %+v", e)
		}
	})
}

// TestSecondFactorRefused: whoever has none, or gives a wrong one, ends with
// no token and nothing made.
func TestSecondFactorRefused(t *testing.T) {
	for _, c := range []struct {
		name, mfa string
		hands     windows.Hands
		want      string
	}{
		{"wrong code", "totp", types(windows.PromptCode, another), "second factor"},
		{"none registered", "none", nil, "AADSTS50079"},
	} {
		t.Run(c.name, func(t *testing.T) {
			seed.Proves(t, "PA-14", "P1")
			l := newLab(t)
			l.device("laptop")
			l.Create("user.mo", spec.User{UPN: "mo@contoso.com", Tenant: "tenant.contoso", Password: []byte(password), MFA: c.mfa})
			l.windows.Hands = c.hands
			tap := l.listen()
			_, err := l.TryCreate(t.Context(), "enrollment.mo", enrollment("user.mo", laptop))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want %q", err, c.want)
			}
			s := l.story("P1")
			if s.has("access_token_issued") || s.has("drs_token") || s.letters() != "A" {
				t.Errorf("went on:\n%s", s)
			}
			for _, x := range tap.exchanges() {
				if x.gaveToken() || x.host == l.tenant().RegistrationHost {
					t.Errorf("%s %s: %.80s", x.host, x.request.URL.Path, x.reply)
				}
			}
			l.nothingMade(t, laptop, "mo")
		})
	}
}

// TestFreshSecondFactor is the boundary of the ten minutes: the second factor
// given when the device was joined is good, and then no longer.
func TestFreshSecondFactor(t *testing.T) {
	no := false
	for _, c := range []struct {
		name    string
		wait    time.Duration
		prompts bool
	}{
		{"9m59s", 9*time.Minute + 59*time.Second, false},
		{"10m1s", 10*time.Minute + time.Second, true},
	} {
		t.Run("out-of-box sign-in/"+c.name, func(t *testing.T) {
			seed.Proves(t, "PA-07", "P1")
			seed.Proves(t, "CONST-01")
			l := newLab(t)
			l.device("laptop")
			l.Advance(c.wait)
			l.enroll()
			s := l.story("P1")
			if e := s.at(t, "first_factor"); e.Message["credential"] != "refresh_token" || e.Message["since"] != nil {
				t.Errorf("first factor %v", e.Message)
			}
			if s.has("mfa_prompt") != c.prompts {
				t.Errorf("prompted: %v\n%s", !c.prompts, s)
			}
		})
		t.Run("primary refresh token/"+c.name, func(t *testing.T) {
			seed.Proves(t, "PA-07", "P1")
			seed.Proves(t, "CONST-01")
			l := newLab(t)
			l.device("laptop")
			l.Create("policy.p", spec.Policy{UsePassportForWork: &no})
			if _, err := l.TryCreate(t.Context(), enrolled, enrollment(alice, laptop)); err == nil {
				t.Fatal("provisioned against policy")
			}
			l.Delete("policy.p")
			l.Advance(c.wait)
			l.enroll()
			s := l.story("P1")
			if e := s.at(t, "first_factor"); e.Message["since"] == nil {
				t.Errorf("first factor %v, want the token of the sign-in before", e.Message)
			}
			if s.has("mfa_prompt") != c.prompts {
				t.Errorf("prompted: %v\n%s", !c.prompts, s)
			}
		})
	}
}
