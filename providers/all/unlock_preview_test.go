package all_test

import (
	"slices"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/hello/access"
)

// TestUnlockIsPreviewed: a session that has its token unlocks where a sign-in would be
// refused, until the token is of age; previews tell of both, and both end so.
func TestUnlockIsPreviewed(t *testing.T) {
	for trust, on := range map[providers.Ref]string{"trust.key": laptop, "trust.cloud": desk} {
		l := newPreviewLab(t, trust)
		signIn := access.Request{User: alice, Device: on, Gesture: "face"}
		unlock := signIn
		unlock.To = access.ToUnlock
		l.decided(t, signIn, "allowed")
		listed := func() bool {
			return slices.Contains(slices.Collect(access.New(l.world(l.records()), l.facts()).SignIns()), unlock)
		}
		if listed() {
			t.Error("an unlock is listed that ends as the sign-in does")
		}
		l.change(on, attrs{"enabled_in_tenant": cty.False})
		if !listed() {
			t.Error("an unlock is not listed that ends otherwise than the sign-in")
		}
		l.decided(t, unlock, "allowed")
		l.change(on, attrs{"network": word("captive")})
		l.decided(t, unlock, "allowed") // nobody is asked
		l.change(on, attrs{"network": word("onsite")})
		l.Advance(4*time.Hour + time.Minute)
		l.decided(t, unlock, "refused device_disabled")
		l.change(on, attrs{"enabled_in_tenant": cty.True})
		l.decided(t, unlock, "allowed")
		l.change(on, attrs{"enabled_in_tenant": cty.False})
		l.decided(t, signIn, "refused key_device_disabled")
	}
}

// decided demands a verdict of a preview, and that it is what happens.
func (l *previewLab) decided(t *testing.T, r access.Request, want string) {
	t.Helper()
	if got := told(access.Decide(l.world(l.records()), l.facts(), r)); got != want {
		t.Errorf("%+v: %s, want %s", r, got, want)
	}
	if r.To == access.ToUnlock {
		l.expectUnlock(t, r)
		return
	}
	if bad := agrees(access.Decide(l.world(l.records()), l.facts(), r), l.try(r)); bad != "" {
		t.Errorf("%+v: %s", r, bad)
	}
}
