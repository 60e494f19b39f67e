package entra

import (
	"net/http"
	"testing"

	"hellolab/providers/conformance/seed"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
)

// TestRegisterDevice: a work account is added to a personal device. The device
// is known, gets tokens like a joined one, and nobody becomes its administrator.
func TestRegisterDevice(t *testing.T) {
	seed.Proves(t, "DR-06", "DR")
	b := newBench(t)
	tokens, err := b.signIn(interactive{fresh: true})
	b.must(err)
	ask := b.joinRequest(someKeys()[keyDevice], someKeys()[keyTransport])
	ask.JoinType = drs.JoinRegister
	body, err := b.drsCall(b.http, http.MethodPost, drs.PathDevice+"?api-version=2.0", tokens.AccessToken, ask)
	b.must(err)
	reply, err := drs.ParseJoinReply(body)
	b.must(err)
	if len(reply.MembershipChanges) != 0 {
		t.Errorf("membership of %+v", reply.MembershipChanges)
	}
	cert, err := parseCert(reply.Certificate.RawBody)
	b.must(err)
	if id, err := drs.ParseIdentity(cert); err != nil || id.Joined {
		t.Errorf("identity %+v, %v", id, err)
	}
	dev, err := graph.First[graph.Device](t.Context(), b.admin, graph.Equals("deviceId", cert.Subject.CommonName), "devices")
	b.must(err)
	if dev.TrustType != "Workplace" || dev.RegisteredOwner != b.lookup(aliceUPN).ID {
		t.Errorf("device object %+v", dev)
	}

	d := &testDevice{id: cert.Subject.CommonName, key: someKeys()[keyDevice], cert: reply.Certificate.RawBody, transport: someKeys()[keyTransport]}
	if _, err := b.deviceRequest(d, prt.Request{GrantType: oauth.GrantRefreshToken, RefreshToken: tokens.RefreshToken, RequestNonce: b.nonce()}); err != nil {
		t.Errorf("no token for a registered device: %v", err)
	}
	byPassword := func() error {
		_, err := b.deviceRequest(d, prt.Request{GrantType: oauth.GrantPassword, Username: aliceUPN, Password: password, RequestNonce: b.nonce()})
		return err
	}
	if err := byPassword(); err != nil {
		t.Errorf("nor by password: %v", err)
	}
	off := false
	b.must(b.admin.Patch(t.Context(), graph.Device{AccountEnabled: &off}, "devices", dev.ID))
	want(t, byPassword(), oauth.DeviceDisabled)
	_, err = b.drsCall(b.tlsClient(d), http.MethodDelete, drs.PathDevice+d.id, "", nil)
	wantDRS(t, err, "")
	want(t, byPassword(), oauth.DeviceNotFound)
}
