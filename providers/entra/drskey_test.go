package entra

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/wire/attest"
	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/jose"
	"hellolab/providers/wire/ngc"
	"hellolab/providers/wire/oauth"
)

func TestKeyRegistration(t *testing.T) {
	seed.Proves(t, "PC-05", "P1")
	seed.Proves(t, "PC-07", "P1")
	seed.Proves(t, "PC-08", "P1")
	seed.Proves(t, "PC-09", "P1")
	seed.Proves(t, "PC-12", "P1")
	seed.Proves(t, "DR-19", "P1")
	seed.Proves(t, "KEY-05")
	b := newBench(t, attestation(attestRequired))
	d, tokens := b.laptop()
	bearer := b.keyToken(d, tokens)
	user := someKeys()[keyUser]
	began := len(b.Events())
	reply, err := b.registerKey(bearer, b.keyRequest(d, user))
	b.must(err)
	inOrder(t, b.since(began), "token_validated", "mfa_current", "attestation_verified", "user_located", "key_written", "key_id_returned")
	keys := b.lookup(aliceUPN).HelloKeys
	if len(keys) != 1 || keys[0].ID != reply.KeyID || keys[0].DeviceID != d.id || keys[0].KeyIdentifier != ngc.KeyID(cng.MarshalRSAPublic(&user.PublicKey)) || keys[0].AttestationLevel != "attested" || reply.UPN != aliceUPN {
		t.Errorf("reply %+v, directory %+v", reply, keys)
	}
	m, err := graph.Get[graph.HelloMethod](t.Context(), b.admin, "users", aliceUPN, "authentication", "windowsHelloForBusinessMethods", reply.KeyID)
	b.must(err)
	if m.DisplayName != "laptop" || m.Device == nil || m.Device.DeviceID != d.id {
		t.Errorf("method %+v", m)
	}

	// A second device adds a value; the first stays.
	b.Advance(time.Minute)
	again, err := b.signIn(interactive{fresh: true})
	b.must(err)
	second := b.join(again.AccessToken, someKeys()[keyDevice2], someKeys()[keyTransport2])
	secondBearer := b.keyToken(second, again)
	_, err = b.registerKey(secondBearer, b.keyRequest(second, someKeys()[keyUser2]))
	b.must(err)
	if keys = b.lookup(aliceUPN).HelloKeys; len(keys) != 2 || keys[0].ID != reply.KeyID || keys[1].DeviceID != second.id {
		t.Errorf("after the second device: %+v", keys)
	}
	// A second key of one device takes the place of the first.
	_, err = b.registerKey(secondBearer, b.keyRequest(second, someKeys()[keyOther]))
	b.must(err)
	if keys = b.lookup(aliceUPN).HelloKeys; len(keys) != 2 || keys[1].KeyIdentifier != ngc.KeyID(cng.MarshalRSAPublic(&someKeys()[keyOther].PublicKey)) {
		t.Errorf("after the second key: %+v", keys)
	}
	if _, err := b.hello(d, user); err != nil {
		t.Errorf("first device: %v", err)
	}
	b.quiet([]byte(bearer))
}

func TestKeyRegistrationLacksAPart(t *testing.T) {
	seed.Proves(t, "PC-01", "P1")
	seed.Proves(t, "PC-02", "P1")
	b := newBench(t, attestation(attestRequired))
	d, tokens := b.laptop()
	bearer := b.keyToken(d, tokens)
	user := someKeys()[keyUser]
	for name, tt := range map[string]struct {
		bearer  string
		change  func(*drs.KeyRequest)
		subcode string
		says    string
	}{
		"token":           {"", nil, "token_missing", "access token"},
		"key":             {bearer, func(r *drs.KeyRequest) { r.PublicKey = nil }, "key_missing", "public key"},
		"attestation":     {bearer, func(r *drs.KeyRequest) { r.Attestation = nil }, "attestation_missing", "attestation"},
		"statement":       {bearer, func(r *drs.KeyRequest) { r.Attestation.Statement = nil }, "attestation_missing", "attestation"},
		"AIK certificate": {bearer, func(r *drs.KeyRequest) { r.Attestation.AIKCertificates = nil }, "aik_certificate_missing", "AIK certificate"},
		"device":          {bearer, func(r *drs.KeyRequest) { r.Device = nil }, "device_missing", "device information"},
	} {
		t.Run(name, func(t *testing.T) {
			req := b.keyRequest(d, user)
			if tt.change != nil {
				tt.change(&req)
			}
			_, err := b.registerKey(tt.bearer, req)
			wantDRS(t, err, tt.subcode)
			if err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v does not name the %s", err, tt.says)
			}
		})
	}
	if keys := b.lookup(aliceUPN).HelloKeys; len(keys) != 0 {
		t.Errorf("keys were written: %+v", keys)
	}
}

func TestKeyRegistrationToken(t *testing.T) {
	seed.Proves(t, "PC-04", "P1")
	b := newBench(t, attestation(attestOff))
	d, tokens := b.laptop()
	bearer := b.keyToken(d, tokens)
	other := benchOf(t, b.Env, "tenant.fabrikam", "fabrikam.com")
	foreign, err := other.signIn(interactive{upn: "alice@fabrikam.com", fresh: true})
	b.must(err)
	s := b.server()
	good := claimsOf(t, bearer)
	sign := func(change func(*accessClaims)) string {
		c := good
		change(&c)
		text, err := s.signClaims(c)
		b.must(err)
		return text
	}
	forgery := func() string {
		text, err := jose.SignRS256(someKeys()[keyOther], jose.Header{Type: "JWT", KeyID: s.keys.current.kid(), X5C: jose.Chain{d.cert}}, good)
		b.must(err)
		return text
	}
	parts := strings.Split(bearer, ".")
	for name, tt := range map[string]struct{ bearer, subcode string }{
		"good":            {sign(func(*accessClaims) {}), ""},
		"audience":        {sign(func(c *accessClaims) { c.Audience = oauth.ResourceGraph }), "token_audience"},
		"issuer":          {sign(func(c *accessClaims) { c.Issuer = "https://sts.windows.net/" + c.TenantID + "/" }), "token_issuer"},
		"other tenant":    {foreign.AccessToken, "token_signature"},
		"tenant claim":    {sign(func(c *accessClaims) { c.TenantID = other.out.TenantID }), "token_issuer"},
		"signature":       {forgery(), "token_signature"},
		"unsigned":        {base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".", "token_signature"},
		"expiry":          {sign(func(c *accessClaims) { c.Expires = b.Now().Unix() }), "token_expired"},
		"not yet":         {sign(func(c *accessClaims) { c.NotBefore = b.Now().Unix() + 1 }), "token_invalid"},
		"negative expiry": {sign(func(c *accessClaims) { c.Expires = -1 }), "token_expired"},
		"garbage":         {"x", "token_invalid"},
		"dots":            {strings.Repeat(".", 20_000), "token_invalid"},
		"administrator":   {sign(func(c *accessClaims) { c.IDType = "app" }), "token_without_user"},
		"no device":       {sign(func(c *accessClaims) { c.DeviceID = "" }), "device_missing"},
		"one factor":      {sign(func(c *accessClaims) { c.AMR = []string{"pwd", "mfa"} }), "mfa_missing"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.registerKey(tt.bearer, drs.KeyRequest{PublicKey: cng.MarshalRSAPublic(&someKeys()[keyUser].PublicKey)})
			wantDRS(t, err, tt.subcode)
		})
	}
	b.Advance(b.lifetimes().AccessToken)
	_, err = b.registerKey(bearer, b.keyRequest(d, someKeys()[keyUser]))
	wantDRS(t, err, "token_expired")
}

func (b *bench) lifetimes() lifetimes { return b.server().cfg.Lifetimes }

// Fault 58: the second factor is stale by a second, the token good for most of
// an hour.
func TestKeyRegistrationMFA(t *testing.T) {
	seed.Proves(t, "PC-03", "P1")
	for after, subcode := range map[time.Duration]string{9*time.Minute + 59*time.Second: "", 10 * time.Minute: "", 10*time.Minute + time.Second: "mfa_not_current"} {
		b := newBench(t, attestation(attestOff))
		d, tokens := b.laptop()
		bearer := b.keyToken(d, tokens)
		b.Advance(after)
		_, err := b.registerKey(bearer, drs.KeyRequest{PublicKey: cng.MarshalRSAPublic(&someKeys()[keyUser].PublicKey)})
		wantDRS(t, err, subcode)
	}
}

// Fault 57: the token's user decides.
func TestKeyRegistrationForAnother(t *testing.T) {
	seed.Proves(t, "PC-06", "P1")
	b := newBench(t, attestation(attestOff))
	d, tokens := b.laptop()
	bearer := b.keyToken(d, tokens)
	blob := cng.MarshalRSAPublic(&someKeys()[keyUser].PublicKey)
	_, err := b.registerKey(bearer, map[string]any{"kngc": blob, "upn": bobUPN, "user": bobUPN, "oid": b.lookup(bobUPN).ID, "userPrincipalName": bobUPN})
	b.must(err)
	if len(b.lookup(bobUPN).HelloKeys) != 0 || len(b.lookup(aliceUPN).HelloKeys) != 1 {
		t.Error("the body decided whose key it is")
	}
	_, err = b.registerKey(bearer, drs.KeyRequest{PublicKey: blob, Device: &drs.KeyDevice{DeviceID: b.out.TenantID}})
	wantDRS(t, err, "device_mismatch")

	// A key that is somebody's cannot become another's.
	b.Advance(time.Minute)
	bobs, err := b.signIn(interactive{upn: bobUPN, fresh: true})
	b.must(err)
	second := b.join(bobs.AccessToken, someKeys()[keyDevice2], someKeys()[keyTransport2])
	_, err = b.registerKey(b.keyToken(second, bobs), drs.KeyRequest{PublicKey: blob})
	wantDRS(t, err, "key_taken")
	small, err := rsa.GenerateKey(rand.Reader, 3072)
	b.must(err)
	_, err = b.registerKey(bearer, drs.KeyRequest{PublicKey: cng.MarshalRSAPublic(&small.PublicKey)})
	wantDRS(t, err, "invalid_parameter")
}

func TestKeyRegistrationState(t *testing.T) {
	b := newBench(t, attestation(attestOff))
	d, tokens := b.laptop()
	bearer := b.keyToken(d, tokens)
	register := func() error {
		_, err := b.registerKey(bearer, drs.KeyRequest{PublicKey: cng.MarshalRSAPublic(&someKeys()[keyUser].PublicKey)})
		return err
	}
	off, on := false, true
	b.enable(d, false)
	wantDRS(t, register(), "device_disabled")
	b.enable(d, true)
	b.patchUser(aliceUPN, graph.User{AccountEnabled: &off})
	wantDRS(t, register(), "user_disabled")
	b.patchUser(aliceUPN, graph.User{AccountEnabled: &on})
	wantDRS(t, register(), "")
	b.must(b.admin.Delete(t.Context(), "devices", b.device(d).ID))
	wantDRS(t, register(), "error_missing_device")
	b.Advance(time.Second)
	_, err := graph.Post[struct{}](t.Context(), b.admin, struct{}{}, "users", aliceUPN, "revokeSignInSessions")
	b.must(err)
	wantDRS(t, register(), "token_revoked")
	b.must(b.admin.Delete(t.Context(), "users", aliceUPN))
	wantDRS(t, register(), "user_not_found")
}

// Fault 56 at the service: what package attest refuses is refused under
// "required" and marked under "preferred".
func TestAttestation(t *testing.T) {
	seed.Proves(t, "DR-18", "P1")
	seed.Proves(t, "PC-05", "P1")
	for name, tt := range map[string]struct {
		change  func(*bench, *testDevice, *drs.KeyRequest)
		subcode string
	}{
		"good": {func(*bench, *testDevice, *drs.KeyRequest) {}, ""},
		"another TPM": {func(b *bench, d *testDevice, r *drs.KeyRequest) {
			r.Attestation.Statement = b.attested(someKeys()[keyOther], someKeys()[keyUser], r.Attestation.Nonce, nil)
		}, "attestation_signature"},
		"changed key": {func(b *bench, d *testDevice, r *drs.KeyRequest) {
			r.PublicKey = cng.MarshalRSAPublic(&someKeys()[keyUser2].PublicKey)
		}, "attestation_key"},
		"unknown root": {func(b *bench, d *testDevice, r *drs.KeyRequest) {
			ring, err := newKeyRing(rand.Reader, b.Now())
			b.must(err)
			ca, err := ring.AIKCA.load()
			b.must(err)
			tmpl, err := attest.AIKTemplate(attest.Simulator)
			b.must(err)
			tmpl.NotBefore, tmpl.NotAfter = b.Now().Add(-time.Minute), b.Now().Add(time.Hour)
			der, err := ca.issue(rand.Reader, tmpl, someKeys()[keyAIK].Public())
			b.must(err)
			r.Attestation.AIKCertificates = [][]byte{der}
		}, "attestation_aik_certificate"},
		"AIK of another device": {func(b *bench, d *testDevice, r *drs.KeyRequest) {
			r.Attestation.AIKCertificates = [][]byte{b.aikFor("11111111-2222-4333-8444-555555555555", someKeys()[keyAIK].Public())}
		}, "attestation_aik_certificate"},
		"AIK revoked": {func(b *bench, d *testDevice, r *drs.KeyRequest) {
			b.must(b.For(b.addr).Section.Record(t.Context(), func(w providers.Writer) error { return w.Delete(tableAIK, digestOf(r.Attestation.AIKCertificates[0])) }))
		}, "attestation_aik_certificate"},
		"truncated": {func(b *bench, d *testDevice, r *drs.KeyRequest) {
			r.Attestation.Statement = r.Attestation.Statement[:200]
		}, "attestation_statement"},
		"software key": {func(b *bench, d *testDevice, r *drs.KeyRequest) {
			r.Attestation.Statement = b.attested(someKeys()[keyAIK], someKeys()[keyUser], r.Attestation.Nonce, func(p *tpm2.TPMTPublic) {
				p.ObjectAttributes.FixedTPM, p.ObjectAttributes.FixedParent = false, false
			})
		}, "attestation_attributes"},
		"nonce made up": {func(b *bench, d *testDevice, r *drs.KeyRequest) {
			r.Attestation.Nonce = "made up"
			r.Attestation.Statement = b.attested(someKeys()[keyAIK], someKeys()[keyUser], "made up", nil)
		}, "attestation_nonce"},
		"sign-in nonce": {func(b *bench, d *testDevice, r *drs.KeyRequest) {
			r.Attestation.Nonce = b.nonce()
			r.Attestation.Statement = b.attested(someKeys()[keyAIK], someKeys()[keyUser], r.Attestation.Nonce, nil)
		}, "attestation_nonce"},
	} {
		t.Run(name, func(t *testing.T) {
			for mode, level := range map[string]string{attestRequired: "", attestPreferred: "notAttested", attestOff: "notAttested"} {
				b := newBench(t, attestation(mode))
				d, tokens := b.laptop()
				bearer := b.keyToken(d, tokens)
				req := b.keyRequest(d, someKeys()[keyUser])
				tt.change(b, d, &req)
				_, err := b.registerKey(bearer, req)
				if mode == attestRequired {
					wantDRS(t, err, tt.subcode)
				} else {
					wantDRS(t, err, "")
				}
				if tt.subcode == "" && mode != attestOff {
					level = "attested"
				}
				keys := b.lookup(aliceUPN).HelloKeys
				if level == "" && len(keys) != 0 || level != "" && (len(keys) != 1 || keys[0].AttestationLevel != level) {
					t.Errorf("%s: keys %+v", mode, keys)
				}
				if mode == attestPreferred && tt.subcode != "" && !slices.Contains(b.steps(), "attestation_absent") {
					t.Error("nothing says that the attestation was not accepted")
				}
			}
		})
	}
}

func TestAttestationReplay(t *testing.T) {
	b := newBench(t, attestation(attestRequired))
	d, tokens := b.laptop()
	bearer := b.keyToken(d, tokens)
	req := b.keyRequest(d, someKeys()[keyUser])
	_, err := b.registerKey(bearer, req)
	b.must(err)
	_, err = b.registerKey(bearer, req)
	wantDRS(t, err, "attestation_nonce")
	fresh := b.keyRequest(d, someKeys()[keyUser])
	if n := race(func() error { _, err := b.registerKey(bearer, fresh); return err }); n != 1 {
		t.Errorf("one statement registered a key %d times", n)
	}
	if keys := b.lookup(aliceUPN).HelloKeys; len(keys) != 1 {
		t.Errorf("%d keys", len(keys))
	}
}

// AIK enrolment's refusals; that a TPM gets through is tested in package attest
// and with whole devices.
func TestAIKEnrolmentRefusals(t *testing.T) {
	b := newBench(t)
	d, _ := b.laptop()
	c := b.tlsClient(d)
	public := func(key *rsa.PrivateKey, attrs tpm2.TPMAObject) []byte {
		params := tpm2.TPMSRSAParms{KeyBits: 2048}
		if attrs.Decrypt {
			params.Symmetric = tpm2.TPMTSymDefObject{Algorithm: tpm2.TPMAlgAES, KeyBits: tpm2.NewTPMUSymKeyBits(tpm2.TPMAlgAES, tpm2.TPMKeyBits(128)), Mode: tpm2.NewTPMUSymMode(tpm2.TPMAlgAES, tpm2.TPMAlgCFB)}
		} else {
			params.Scheme = tpm2.TPMTRSAScheme{Scheme: tpm2.TPMAlgRSASSA, Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgRSASSA, &tpm2.TPMSSigSchemeRSASSA{HashAlg: tpm2.TPMAlgSHA256})}
		}
		return tpm2.Marshal(tpm2.New2B(tpm2.TPMTPublic{Type: tpm2.TPMAlgRSA, NameAlg: tpm2.TPMAlgSHA256, ObjectAttributes: attrs,
			Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgRSA, &params), Unique: tpm2.NewTPMUPublicID(tpm2.TPMAlgRSA, &tpm2.TPM2BPublicKeyRSA{Buffer: key.N.Bytes()})}))
	}
	born := tpm2.TPMAObject{FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, Restricted: true}
	ekAttrs, aikAttrs := born, born
	ekAttrs.Decrypt, aikAttrs.SignEncrypt = true, true
	ekKey, aikKey := someKeys()[keyOther], someKeys()[keyAIK]
	tmpl, err := attest.EKTemplate(attest.Simulator)
	b.must(err)
	chain, err := b.For(b.addr).PKI.Issue(t.Context(), providers.TPMVendorRoot, tmpl, ekKey.Public())
	b.must(err)
	web, err := b.For(b.addr).PKI.Issue(t.Context(), providers.WebRoot, tmpl, ekKey.Public())
	b.must(err)
	good := attest.EnrolRequest{EKCertificates: chain, EKPublic: public(ekKey, ekAttrs), AIKPublic: public(aikKey, aikAttrs)}
	enrol := func(r attest.EnrolRequest) (*attest.EnrolChallenge, error) {
		body, err := b.drsCall(c, http.MethodPost, attest.PathEnrol, "", r)
		if err != nil {
			return nil, err
		}
		return attest.ParseEnrolChallenge(body)
	}
	loose := aikAttrs
	loose.Restricted = false
	for name, tt := range map[string]struct {
		change  func(*attest.EnrolRequest)
		subcode string
	}{
		"good":               {func(*attest.EnrolRequest) {}, ""},
		"vendor unknown":     {func(r *attest.EnrolRequest) { r.EKCertificates = web }, "ek_certificate"},
		"EK of another":      {func(r *attest.EnrolRequest) { r.EKPublic = public(someKeys()[keyUser], ekAttrs) }, "ek_certificate"},
		"no certificate":     {func(r *attest.EnrolRequest) { r.EKCertificates = nil }, "ek_certificate"},
		"AIK as EK":          {func(r *attest.EnrolRequest) { r.EKPublic = r.AIKPublic }, "invalid_parameter"},
		"AIK not restricted": {func(r *attest.EnrolRequest) { r.AIKPublic = public(aikKey, loose) }, "invalid_parameter"},
		"AIK truncated":      {func(r *attest.EnrolRequest) { r.AIKPublic = r.AIKPublic[:20] }, "invalid_parameter"},
	} {
		t.Run(name, func(t *testing.T) {
			r := good
			tt.change(&r)
			_, err := enrol(r)
			wantDRS(t, err, tt.subcode)
		})
	}
	_, err = b.drsCall(b.http, http.MethodPost, attest.PathEnrol, "", good)
	wantDRS(t, err, "device_certificate_missing")

	challenge, err := enrol(good)
	b.must(err)
	activate := func(c *http.Client, r attest.ActivateRequest) error {
		_, err := b.drsCall(c, http.MethodPost, attest.PathActivate, "", r)
		return err
	}
	wantDRS(t, activate(c, attest.ActivateRequest{Context: challenge.Context, Secret: make([]byte, attest.SecretSize)}), "aik_secret")
	wantDRS(t, activate(c, attest.ActivateRequest{Context: challenge.Context}), "aik_secret")
	wantDRS(t, activate(c, attest.ActivateRequest{Context: "x"}), "aik_challenge")
	var state aikChallenge
	b.must(b.server().seal.Open(purposeAIK, challenge.Context, &state))
	b.Advance(time.Minute)
	tokens, err := b.signIn(interactive{upn: bobUPN})
	b.must(err)
	second := b.join(tokens.AccessToken, someKeys()[keyDevice2], someKeys()[keyTransport2])
	right := attest.ActivateRequest{Context: challenge.Context, Secret: state.Secret}
	wantDRS(t, activate(b.tlsClient(second), right), "aik_challenge")
	wantDRS(t, activate(c, right), "")
	b.Advance(aikChallengeLife)
	wantDRS(t, activate(c, right), "aik_challenge")
	b.quiet(state.Secret)
}
