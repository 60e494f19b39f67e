package all_test

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"

	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
	"hellolab/providers/wire/web"
)

// tokenEndpoint posts to the tenant's token endpoint from a device.
func (l *lab) tokenEndpoint(t testing.TB, device string, r oauth.TokenRequest) web.Reply {
	t.Helper()
	c := web.Client(l.For(device))
	defer c.CloseIdleConnections()
	endpoint := "https://" + l.tenant().LoginHost + "/" + l.tenant().TenantID + "/oauth2/token"
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint, strings.NewReader(r.Form().Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	reply, err := web.Do(c, req)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

// askNonce asks the token service for a nonce.
func (l *lab) askNonce(t testing.TB, device string) string {
	t.Helper()
	var nonce oauth.NonceResponse
	reply := l.tokenEndpoint(t, device, oauth.TokenRequest{GrantType: oauth.GrantServerChallenge})
	if err := reply.JSON(&nonce); err != nil {
		t.Fatal(err)
	}
	return nonce.Nonce
}

// useToken asks for an access token with a primary refresh token and the
// session key that the device's TPM holds, and returns the refusal's code.
func (l *lab) useToken(t testing.TB, device string, rec prtState) oauth.Code {
	t.Helper()
	return l.useTokenWith(t, device, rec, l.askNonce(t, device))
}

// useTokenWith is useToken with a nonce of the caller's.
func (l *lab) useTokenWith(t testing.TB, device string, rec prtState, nonce string) oauth.Code {
	t.Helper()
	session := func(kdf []byte) ([]byte, error) {
		return l.tpmOf(device).HMAC(t.Context(), rec.SessionKey, prt.KDFInput(kdf))
	}
	now := l.Now().Unix()
	signed, err := prt.SignRequest(session, bytes.Repeat([]byte{7}, prt.ContextSize), prt.Request{
		ClientID: oauth.ClientBroker, RequestNonce: nonce, Scope: "openid", Resource: oauth.ResourceGraph, GrantType: oauth.GrantRefreshToken,
		RefreshToken: rec.Token, IssuedAt: prt.Time(now), Expires: prt.Time(now + 300),
	})
	if err != nil {
		t.Fatal(err)
	}
	reply := l.tokenEndpoint(t, device, oauth.TokenRequest{GrantType: oauth.GrantJWTBearer, Request: signed})
	var refusal *oauth.Error
	switch {
	case reply.Status == http.StatusOK:
		return 0
	case !errors.As(oauth.ParseError(reply.Status, reply.Body), &refusal):
		t.Fatalf("%d %s", reply.Status, reply.Body)
	}
	return refusal.Code
}
