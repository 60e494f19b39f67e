package all_test

import (
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/windows"
)

// Under cloud Kerberos trust a destructive reset runs P3 again, which wants a
// partial ticket: the session has one, and the password brings one.
func TestDestructivePINResetUnderCloudTrust(t *testing.T) {
	l := newCloudDesk(t)
	l.expect(byA6(), "success")
	for _, tt := range []struct {
		name string
		next string
		how  []func(*windows.PINReset)
	}{
		{"in the session", newer, nil},
		{"from the lock screen", pin, []func(*windows.PINReset){withPassword(first)}},
	} {
		l.Advance(15 * time.Minute)
		if tt.how != nil {
			if err := l.windows.SignOut(t.Context(), l.For(desk), alice, desk); err != nil {
				t.Fatal(err)
			}
		}
		v := l.resetPIN(desk, tt.next, tt.how...)
		if v.Code != "success" || v.Flow != "P3" {
			t.Fatalf("%s: %+v", tt.name, v)
		}
		if v := l.expect(windows.Request{User: alice, Device: desk, PIN: providers.Secret(tt.next)}, "success"); v.Flow != "A5" {
			t.Errorf("%s: signed in by %s", tt.name, v.Flow)
		}
	}
	if err := l.windows.SignOut(t.Context(), l.For(desk), alice, desk); err != nil {
		t.Fatal(err)
	}
	l.Update("policy.hello", switchedOn()) // which names no trust
	l.Delete(cloudTrust)
	if v := l.resetPIN(desk, newer, withPassword(first)); v.Code != "no_cloud_tgt" {
		t.Errorf("without a partial ticket: %+v", v)
	}
}
