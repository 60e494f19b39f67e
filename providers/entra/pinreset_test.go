package entra

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"hellolab/providers/conformance/seed"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/pinreset"
	"hellolab/providers/wire/prt"
)

// TestPINResetService: the service opens what was encrypted to it, for the user
// and the device that it is of, with two factors of just now.
func TestPINResetService(t *testing.T) {
	seed.Proves(t, "COMP-28")
	b := newBench(t)
	d, tokens := b.laptop()
	s, err := b.deviceRequest(d, prt.Request{GrantType: oauth.GrantRefreshToken, RefreshToken: tokens.RefreshToken, RequestNonce: b.nonce()})
	b.must(err)
	ask := func(r prt.Request) (string, error) {
		resp, err := b.use(s, r)
		if err != nil {
			return "", err
		}
		return resp.AccessToken, nil
	}
	bearer, err := ask(prt.Request{Resource: oauth.ResourcePINReset, ClientID: oauth.ClientPINReset})
	b.must(err)

	body, err := b.drsCall(b.http, http.MethodGet, pinreset.PathKey, "", nil)
	b.must(err)
	service, err := pinreset.ParseKeyReply(body)
	b.must(err)
	key := bytes.Repeat([]byte{5}, pinreset.KeySize)
	whose := pinreset.Binding{TenantID: b.out.TenantID, ObjectID: b.lookup(aliceUPN).ID, DeviceID: d.id}
	protect := func(change func(*pinreset.Binding)) string {
		t.Helper()
		w := whose
		change(&w)
		text, err := pinreset.Protect(service.PublicKey, w, key)
		b.must(err)
		return text
	}
	good := protect(func(*pinreset.Binding) {})
	recoverKey := func(bearer, text string) error {
		t.Helper()
		body, err := b.drsCall(b.http, http.MethodPost, pinreset.PathRecover, bearer, pinreset.RecoverRequest{Protected: text})
		if err != nil {
			return err
		}
		r, err := pinreset.ParseRecoverReply(body)
		b.must(err)
		if !bytes.Equal(r.Key, key) {
			t.Errorf("another key: %x", r.Key)
		}
		return nil
	}
	wantDRS(t, recoverKey(bearer, good), "")
	wantDRS(t, recoverKey(bearer, protect(func(w *pinreset.Binding) { w.ObjectID = b.lookup(bobUPN).ID })), "pin_reset_owner")
	wantDRS(t, recoverKey(bearer, protect(func(w *pinreset.Binding) { w.DeviceID = b.out.TenantID })), "pin_reset_owner")
	wantDRS(t, recoverKey(bearer, protect(func(w *pinreset.Binding) { w.TenantID = d.id })), "pin_reset_owner")
	wantDRS(t, recoverKey(bearer, good[:len(good)-2]+"AA"), "pin_reset_key")
	wantDRS(t, recoverKey(bearer, ""), "pin_reset_key")
	wantDRS(t, recoverKey("", good), "token_missing")
	forKeys, err := ask(prt.Request{Resource: oauth.ResourceDRS, AMRValues: oauth.AMRNGCMFA, ClientID: oauth.ClientProvisioning})
	b.must(err)
	wantDRS(t, recoverKey(forKeys, good), "token_audience")
	_, err = b.drsCall(b.http, http.MethodPost, pinreset.PathRecover, bearer, map[string]int{"protected": 1})
	wantDRS(t, err, "invalid_parameter")

	// A closed tenant that opens again has the same key.
	b.Reload(b.addr)
	wantDRS(t, recoverKey(bearer, good), "")

	off, on := false, true
	b.enable(d, false)
	wantDRS(t, recoverKey(bearer, good), "device_disabled")
	b.enable(d, true)
	b.patchUser(aliceUPN, graph.User{AccountEnabled: &off})
	wantDRS(t, recoverKey(bearer, good), "user_disabled")
	b.patchUser(aliceUPN, graph.User{AccountEnabled: &on})
	// The token outlives its second factor, and there is none without one.
	b.Advance(11 * time.Minute)
	wantDRS(t, recoverKey(bearer, good), "mfa_not_current")
	for _, r := range []prt.Request{
		{Resource: oauth.ResourcePINReset, ClientID: oauth.ClientPINReset},
		{Resource: oauth.ResourcePINReset, ClientID: oauth.ClientBroker},
		{Resource: oauth.AppPINReset, ClientID: oauth.ClientPINReset},
	} {
		_, err := ask(r)
		want(t, err, oauth.StrongAuthRequired)
	}
}
