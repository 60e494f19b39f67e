package edrs_test

import (
	"net/http"
	"testing"
	"time"

	"hellolab/providers/adfs/farmtest"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/drs"
	wire "hellolab/providers/wire/edrs"
	"hellolab/providers/wire/keycred"
)

const pathKey = "/EnrollmentServer/key/?api-version=1.0"

// userToken is what the federation service says of a user who gave a second
// factor just now, on a device.
func (l *lab) userToken(name string, p *pc) adfs.Claims {
	return adfs.Claims{UPN: name + "@" + farmtest.DNSName, DeviceID: p.deviceID.String(), AMR: []string{"pwd", "ngcmfa"}, AuthTime: l.Now().Unix()}
}

func (l *lab) register(c adfs.Claims, r drs.KeyRequest) (*wire.KeyReply, error) {
	l.TB.Helper()
	status, header, body := l.ask(http.MethodPost, pathKey, token(c), r)
	if header.Get("client-request-id") != "c-1" || header.Get("request-id") == "" {
		l.TB.Errorf("headers %v", header)
	}
	if status != http.StatusOK {
		return nil, wire.ParseError(status, body)
	}
	reply, err := wire.ParseKeyReply(body)
	l.Must(err)
	return reply, nil
}

func TestRegisterKey(t *testing.T) {
	seed.Proves(t, "P6-05")
	l := newLab(t)
	l.Person("alice")
	p := l.computer("DESK1")
	l.join(p)
	blob := cng.MarshalRSAPublic(&l.Key().PublicKey)
	reply, err := l.register(l.userToken("alice", p), drs.KeyRequest{PublicKey: blob})
	l.Must(err)
	if len(reply.KeyID) != 36 || reply.UPN != "alice@"+farmtest.DNSName {
		t.Errorf("%+v", reply)
	}
	issuers, err := wire.Issuers(l.Conn)
	l.Must(err)
	if c, err := wire.OpenContext(reply.Context, issuers); err != nil || c.DomainController != l.Account.Controller {
		t.Errorf("%+v, %v", c, err)
	}
	// LDAP shows it at once, with the device that it was made on.
	keys := l.Keys(l.User("alice"))
	if len(keys) != 1 {
		t.Fatalf("%d keys", len(keys))
	}
	k := keys[0]
	if string(k.Material) != string(blob) || k.Usage != keycred.UsageNGC || k.Source != keycred.SourceAD || *k.Device != p.deviceID || string(k.Custom) != "\x01\x02" || !k.CreatedTime().Equal(l.Now().Truncate(100)) || k.LastLogon == nil {
		t.Errorf("%+v", k)
	}
	if e := l.Told(event.EnterpriseDRS, "user_located"); e.Protocol != "LDAP" || e.Peer != event.ActiveDirectory || e.Message["filter"] == "" {
		t.Errorf("%+v", e)
	}
	if e := l.Told(event.EnterpriseDRS, "key_written"); e.Message["attribute"] != "msDS-KeyCredentialLink" || e.Message["device_id"] != p.deviceID.String() {
		t.Errorf("%+v", e)
	}
	// Another device's key stands beside it; a new one of the same device takes its place.
	q := l.computer("DESK2")
	l.join(q)
	for _, device := range []*pc{q, p} {
		if _, err := l.register(l.userToken("alice", device), drs.KeyRequest{PublicKey: cng.MarshalRSAPublic(&l.Key().PublicKey)}); err != nil {
			t.Fatal(err)
		}
	}
	devices := map[string]int{}
	for _, k := range l.Keys(l.User("alice")) {
		devices[k.Device.String()]++
		if string(k.Material) == string(blob) {
			t.Error("the former key of the device is still there")
		}
	}
	if len(devices) != 2 || devices[p.deviceID.String()] != 1 {
		t.Errorf("%v", devices)
	}
}

// A second factor that is no longer current registers nothing, although the token
// is good for longer. Fault 58.
func TestKeyNeedsCurrentFactor(t *testing.T) {
	seed.Proves(t, "P6-04")
	l := newLab(t)
	l.Person("alice")
	p := l.computer("DESK1")
	l.join(p)
	request := drs.KeyRequest{PublicKey: cng.MarshalRSAPublic(&l.Key().PublicKey)}
	claims := l.userToken("alice", p)
	l.Advance(mfaWindow + time.Second)
	if _, err := l.register(claims, request); !wire.HasCode(err, "mfa_not_current") {
		t.Errorf("a second after the window: %v", err)
	}
	if e := l.Told(event.EnterpriseDRS, "key_registration_refused"); e.Outcome != event.Refused || e.Reason.Code != "mfa_not_current" || e.Reason.Hint == "" {
		t.Errorf("%+v", e)
	}
	claims.AuthTime = l.Now().Add(-mfaWindow).Unix() + 1
	for _, methods := range [][]string{{"mfa"}, {"http://schemas.microsoft.com/claims/multipleauthn"}, {"ngcmfa"}} {
		claims.AMR = methods
		if _, err := l.register(claims, request); err != nil {
			t.Errorf("within the window, %v: %v", methods, err)
		}
	}
}

func TestKeyRefused(t *testing.T) {
	l := newLab(t)
	l.Person("alice")
	bob := l.Person("bob")
	l.EnableUser("bob", false)
	p, stranger := l.computer("DESK1"), l.computer("DESK2")
	l.join(p)
	good := drs.KeyRequest{PublicKey: cng.MarshalRSAPublic(&l.Key().PublicKey)}
	for name, c := range map[string]struct {
		change func(*adfs.Claims, *drs.KeyRequest)
		status int
		code   string
	}{
		"no second factor":   {func(c *adfs.Claims, _ *drs.KeyRequest) { c.AMR = []string{"pwd"} }, 401, "mfa_missing"},
		"from the future":    {func(c *adfs.Claims, _ *drs.KeyRequest) { c.AuthTime += 3600 }, 401, "mfa_not_current"},
		"no device":          {func(c *adfs.Claims, _ *drs.KeyRequest) { c.DeviceID = "" }, 401, "device_missing"},
		"no user":            {func(c *adfs.Claims, _ *drs.KeyRequest) { c.UPN = "" }, 401, "token_without_user"},
		"device not written": {func(c *adfs.Claims, _ *drs.KeyRequest) { c.DeviceID = stranger.deviceID.String() }, 401, "error_missing_device"},
		"unknown user":       {func(c *adfs.Claims, _ *drs.KeyRequest) { c.UPN = "nobody@" + farmtest.DNSName }, 400, "user_not_found"},
		"LDAP injection":     {func(c *adfs.Claims, _ *drs.KeyRequest) { c.UPN = "*)(sAMAccountName=alice" }, 400, "user_not_found"}, // fault 84
		"disabled user":      {func(c *adfs.Claims, _ *drs.KeyRequest) { c.UPN = bob.Text("userPrincipalName") }, 400, "user_disabled"},
		"no key":             {func(_ *adfs.Claims, r *drs.KeyRequest) { r.PublicKey = nil }, 400, "key_missing"},
		"no RSA key":         {func(_ *adfs.Claims, r *drs.KeyRequest) { r.PublicKey = []byte("ThisIsAnExampleAsymmetricKey") }, 400, "invalid_parameter"},
		"another device": {func(_ *adfs.Claims, r *drs.KeyRequest) {
			r.Device = &drs.KeyDevice{DeviceID: stranger.deviceID.String()}
		}, 400, "device_mismatch"},
	} {
		claims, request := l.userToken("alice", p), good
		c.change(&claims, &request)
		_, err := l.register(claims, request)
		if e, ok := err.(*wire.Error); !ok || e.Code != c.code || e.Status != c.status || e.ClientRequestID != "c-1" || e.TraceID == "" {
			t.Errorf("%s: %+v", name, err)
		}
	}
	l.Enable(p.deviceID, false)
	if _, err := l.register(l.userToken("alice", p), good); !wire.HasCode(err, "device_disabled") {
		t.Errorf("disabled device: %v", err)
	}
	l.Enable(p.deviceID, true)
	for _, bearer := range []string{"", "x"} {
		if status, _, body := l.ask(http.MethodPost, pathKey, bearer, good); status != http.StatusUnauthorized || !wire.HasCode(wire.ParseError(status, body), "token_invalid") {
			t.Errorf("token %q: %d %s", bearer, status, body)
		}
	}
	if n := len(l.Keys(l.User("alice"))); n != 0 {
		t.Errorf("%d keys were written", n)
	}
	// Without its right the service writes nothing, and says so.
	admins, err := l.Conn.Read("CN=Key Admins,CN=Users," + l.Conn.Base)
	l.Must(err)
	l.Must(l.Conn.Replace(admins.DN, adldap.Attributes{"member": nil}))
	if _, err := l.register(l.userToken("alice", p), good); !wire.HasCode(err, "directory_refused") {
		t.Errorf("without the right: %v", err)
	}
}
