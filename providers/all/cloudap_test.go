package all_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/conformance"
	"hellolab/providers/spec"
	"hellolab/providers/windows/ksp"
	"hellolab/providers/wire/ngc"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
	"hellolab/providers/wire/web"
)

// What follows speaks to the token service as the laptop's Cloud AP does, with
// the device's own keys, so that a test can say what Cloud AP never would.

// nonce asks a tenant for a nonce.
func (l *lab) nonce(tenant string) string {
	l.t.Helper()
	var n oauth.NonceResponse
	if err := l.token(tenant, oauth.TokenRequest{GrantType: oauth.GrantServerChallenge}).JSON(&n); err != nil {
		l.t.Fatal(err)
	}
	return n.Nonce
}

// token posts a form to a tenant's token service.
func (l *lab) token(tenant string, r oauth.TokenRequest) web.Reply {
	l.t.Helper()
	o := conformance.Get[spec.Tenant, spec.TenantOut](l.Env, tenant).Out
	client := web.Client(l.For(laptop))
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(l.t.Context(), http.MethodPost, "https://"+o.LoginHost+"/"+o.TenantID+"/oauth2/token", strings.NewReader(r.Form().Encode()))
	if err != nil {
		l.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	reply, err := web.Do(client, req)
	if err != nil {
		l.t.Fatal(err)
	}
	return reply
}

// post sends a signed request for a primary refresh token, 0 meaning that it was given.
func (l *lab) post(signed string) oauth.Code {
	l.t.Helper()
	reply := l.token("tenant.contoso", oauth.TokenRequest{GrantType: oauth.GrantJWTBearer, Request: signed, WindowsAPIVersion: "2.0", ClientInfo: true})
	return exchange{status: reply.Status, reply: reply.Body}.refusal()
}

// assertion signs a nonce with alice's key on the laptop, as Cloud AP does.
func (l *lab) assertion(t testing.TB, nonce string, change func(*ngc.Claims)) string {
	t.Helper()
	c := l.containerOf(laptop, "alice")
	released, err := c.ReleaseWithPIN(t.Context(), l.tpmOf(laptop), []byte(pin))
	if err != nil {
		t.Fatal(err)
	}
	defer released.Close()
	key, err := released.Section(c.UserKeys[0].Provider).Signer(t.Context(), c.UserKeys[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	claims := ngc.Claims{Issuer: "alice@contoso.com", Audience: l.tenant().TenantID, IssuedAt: prt.Time(l.Now().Unix()),
		Expires: prt.Time(l.Now().Add(5 * time.Minute).Unix()), RequestNonce: nonce, Scope: "openid aza ugs"}
	if change != nil {
		change(&claims)
	}
	a, err := ngc.SignAssertion(key, c.UserKeys[0].ID, claims)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// spoiled is an assertion whose claims were changed after it was signed.
func (l *lab) spoiled(t testing.TB, a *ngc.Assertion, change func(*ngc.Claims)) string {
	t.Helper()
	c := a.Claims
	c.IssuedAt, c.Expires = prt.Time(l.Now().Unix()), prt.Time(l.Now().Add(5*time.Minute).Unix())
	change(&c)
	payload, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(l.assertion(t, a.Claims.RequestNonce, nil), ".")
	parts[1] = base64.RawURLEncoding.EncodeToString(payload)
	return strings.Join(parts, ".")
}

// send wraps an assertion into a request that the laptop signs.
func (l *lab) send(assertion, nonce string) oauth.Code {
	l.t.Helper()
	m := stored[machineState](l, laptop, "machine", "record")
	key, err := ksp.Signer(l.t.Context(), l.tpmOf(laptop), m.DeviceKey, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	signed, err := prt.SignDeviceRequest(key, m.Registration.Certificate, prt.Request{
		ClientID: oauth.ClientCloudAP, RequestNonce: nonce, Scope: "openid aza ugs", GrantType: oauth.GrantJWTBearer, Username: "alice@contoso.com", Assertion: assertion,
		IssuedAt: prt.Time(l.Now().Unix()), Expires: prt.Time(l.Now().Add(5 * time.Minute).Unix()),
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return l.post(signed)
}

// raw reads one value of a device as it is stored.
func (l *lab) raw(device, table, key string) (v []byte) {
	l.t.Helper()
	err := l.For(device).Section.View(func(r providers.Reader) error {
		b, _, err := r.Get(table, key)
		v = bytes.Clone(b)
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return v
}
