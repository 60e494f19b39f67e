package edrs_test

import (
	"crypto/x509"
	"net/http"
	"testing"

	"hellolab/providers/wire/addevice"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/drs"
	wire "hellolab/providers/wire/edrs"
	"hellolab/providers/wire/oauth"
)

// A device that an administrator has switched off does not switch itself on, by
// registering anew or by leaving first.
func TestDisabledDeviceStays(t *testing.T) {
	l := newLab(t)
	p := l.computer("DESK1")
	cert := l.join(p)
	l.Enable(p.deviceID, false)
	again := l.computerAgain(p)
	status, _, body := l.ask(http.MethodPost, "/EnrollmentServer/device?api-version=1.0", token(again.claims), again.request)
	if status != http.StatusBadRequest || !drs.HasSubcode(drs.ParseError(status, body), "device_disabled") {
		t.Errorf("registers again: %d %s", status, body)
	}
	status, _, body = l.ask(http.MethodDelete, "/EnrollmentServer/device/"+p.deviceID.String()+"?api-version=1.0", "", nil, []*x509.Certificate{cert}...)
	if status != http.StatusBadRequest || !drs.HasSubcode(drs.ParseError(status, body), "device_disabled") {
		t.Errorf("leaves: %d %s", status, body)
	}
	if d, err := addevice.Find(l.Conn, p.deviceID); err != nil || d.Enabled {
		t.Errorf("%+v, %v", d, err)
	}
	l.Enable(p.deviceID, true)
	l.join(again)
}

// A sign-in by what Hello opens is no second factor that was asked for; one that
// was asked for after it is. And a name that went to another user takes no key
// along.
func TestKeyNeedsFactorOfItsOwn(t *testing.T) {
	l := newLab(t)
	own, bob := l.SIDOf(l.Person("alice")), l.SIDOf(l.Person("bob"))
	p := l.computer("DESK1")
	l.join(p)
	request := drs.KeyRequest{PublicKey: cng.MarshalRSAPublic(&l.Key().PublicKey)}
	claims := l.userToken("alice", p)
	claims.AMR, claims.PrimarySID = []string{oauth.AMRRSA, oauth.AMRMFA}, own.String()
	for _, method := range []string{adfs.MethodHello, adfs.MethodCertificate} {
		c := claims
		c.AuthMethod = method
		if _, err := l.register(c, request); !wire.HasCode(err, "mfa_missing") {
			t.Errorf("%s: %v", method, err)
		}
		c.MethodReferences = adfs.MethodMultiple
		if _, err := l.register(c, request); err != nil {
			t.Errorf("%s, with a factor after it: %v", method, err)
		}
	}
	claims.AuthMethod, claims.PrimarySID = adfs.MethodPassword, bob.String()
	if _, err := l.register(claims, request); !wire.HasCode(err, "user_not_found") {
		t.Errorf("another's name: %v", err)
	}
	if keys := l.Keys(l.User("bob")); len(keys) != 0 {
		t.Errorf("%d keys of bob", len(keys))
	}
}
