package entra

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"hellolab/providers/conformance/seed"
	"hellolab/providers/spec"
	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/jose"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
)

// A receipt is given where a federation service will ask for it: to a
// synchronized user of a federated domain, on a hybrid joined device that asks.
func TestKeyReceipt(t *testing.T) {
	seed.Proves(t, "KEY-07")
	b := newFederated(t)
	d := b.computer()
	s := b.sessionOf(d)
	user := someKeys()[keyUser]
	register := func(asks bool) *drs.KeyReply {
		t.Helper()
		tokens, err := b.drsToken(b.signed(withMFA), b.sessionHeader(s))
		b.must(err)
		request := b.keyRequest(d, user)
		request.ReturnReceipt = asks
		reply, err := b.registerKey(tokens.AccessToken, request)
		b.must(err)
		return reply
	}
	// A user who lives in the tenant alone has no domain to prove anything to.
	if register(true).Receipt != "" {
		t.Error("a receipt for a user without a domain")
	}
	const sid = "S-1-5-21-1-2-3-1104"
	b.patchUser(aliceUPN, graph.User{OnPremSID: sid})
	if register(false).Receipt != "" {
		t.Error("a receipt that nobody asked for")
	}
	reply := register(true)
	// Whom to trust, Graph says, to Connect as well.
	issuers, err := graph.Get[graph.Page[graph.DeviceIssuer]](t.Context(), b.connect(), "deviceRegistrationIssuers")
	b.must(err)
	var trusted []*x509.Certificate
	for _, i := range issuers.Value {
		c, err := x509.ParseCertificate(i.Certificate)
		b.must(err)
		trusted = append(trusted, c)
	}
	r, err := drs.OpenReceipt(reply.Receipt, trusted, b.Now())
	b.must(err)
	if !bytes.Equal(r.Key, cng.MarshalRSAPublic(&user.PublicKey)) || r.OnPremSID != sid || r.DeviceID != d.id || r.ObjectID != b.lookup(aliceUPN).ID ||
		r.Issuer != "https://"+b.out.RegistrationHost+"/"+b.out.TenantID {
		t.Errorf("receipt %+v", r)
	}
	if _, err := drs.OpenReceipt(reply.Receipt, trusted, b.Now().Add(receiptLife-time.Second)); err != nil {
		t.Error(err)
	}
	if _, err := drs.OpenReceipt(reply.Receipt, trusted, b.Now().Add(receiptLife)); err == nil {
		t.Error("a receipt outlives its life")
	}
	if err := b.admin.Patch(t.Context(), graph.User{OnPremSID: "S-1-5-18"}, "users", aliceUPN); err == nil {
		t.Error("a user takes a SID that no domain gives")
	}
	// Elsewhere nobody gets one, whoever asks: in a managed tenant, or on a device
	// that is no computer of a domain.
	m := newBench(t)
	laptop, tokens := m.laptop()
	m.patchUser(aliceUPN, graph.User{OnPremSID: sid})
	request := m.keyRequest(laptop, user)
	request.ReturnReceipt = true
	reply, err = m.registerKey(m.keyToken(laptop, tokens), request)
	m.must(err)
	if reply.Receipt != "" {
		t.Error("a receipt of a managed tenant")
	}
}

// R17: the reply to a PRT in the specification's cipher, when the tenant is asked for it.
func TestReplyCipher(t *testing.T) {
	for _, cipher := range []string{"cbc", cipherGCM} {
		b := newBench(t, func(in *spec.Tenant) { in.ReplyCipher = cipher })
		d, _ := b.laptop()
		s := b.passwordPRT(d)
		for _, version := range []int{prt.KDFv1, prt.KDFv2} {
			text := b.useRaw(s, version)
			tagged := text[len(text)-1] != '.' // CBC has no tag
			if tagged != (cipher == cipherGCM) {
				t.Errorf("%s: reply ends %q", cipher, text[max(0, len(text)-8):])
			}
			if _, err := prt.OpenResponse(text, prt.Key(s.key)); err != nil {
				t.Error(err)
			}
			changed := []byte(text)
			changed[len(changed)-30] ^= 2
			if body, err := prt.OpenResponse(string(changed), prt.Key(s.key)); err == nil && cipher == cipherGCM {
				t.Errorf("a changed reply opens as %.40q", body)
			}
		}
	}
}

func (b *bench) useRaw(s *session, version int) string {
	b.t.Helper()
	signed := b.signVersion(s, version, prt.Request{ClientID: oauth.ClientBroker, GrantType: oauth.GrantRefreshToken, RefreshToken: s.prt, RequestNonce: b.nonce(), Resource: oauth.ResourceGraph})
	reply := b.send(b.form(b.login("/oauth2/token"), oauth.TokenRequest{GrantType: oauth.GrantJWTBearer, Request: signed, WindowsAPIVersion: "2.0"}.Form()))
	if reply.Status != 200 {
		b.t.Fatal(oauth.ParseError(reply.Status, reply.Body))
	}
	return string(reply.Body)
}

// signVersion signs a request by either version of the key derivation, as
// clients that know only the first do.
func (b *bench) signVersion(s *session, version int, r prt.Request) string {
	b.t.Helper()
	payload, err := json.Marshal(r)
	b.must(err)
	salt := bytes.Repeat([]byte{byte(version)}, prt.ContextSize)
	kdfContext, err := prt.KDFContext(version, salt, payload)
	b.must(err)
	key, err := prt.Key(s.key)(kdfContext)
	b.must(err)
	h := jose.Header{Context: base64.StdEncoding.EncodeToString(salt)}
	if version != prt.KDFv1 {
		h.KDFVersion = version
	}
	signed, err := jose.SignHS256(key, h, json.RawMessage(payload))
	b.must(err)
	return signed
}
