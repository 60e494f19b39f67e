package all_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/spec"
	"hellolab/providers/wire/attest"
)

// TestPooledAttestation: what lies in the pool is used while the registration
// service takes it, and made anew when it does not.
func TestPooledAttestation(t *testing.T) {
	seed.Proves(t, "DR-17", "P1")
	for _, tt := range []struct {
		name    string
		prepare func(*lab)
		ready   bool
	}{
		{"at once", func(*lab) {}, true},
		{"on its last day", func(l *lab) { l.Advance(attest.NonceLife - time.Minute) }, true},
		{"a day too late", func(l *lab) { l.Advance(attest.NonceLife + time.Minute) }, false},
		{"none with the key", func(l *lab) { l.pooled(func(k *pooledState) { k.Attestation = nil }) }, false},
		{"of another tenant", func(l *lab) { l.pooled(func(k *pooledState) { k.Attestation.Tenant = "elsewhere" }) }, false},
		{"no key", func(l *lab) { l.drop(laptop, "keypool") }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			l.device("laptop")
			tt.prepare(l)
			l.enroll()
			s := l.story("P1")
			if got := s.phase("C").has("attestation_verified"); !got {
				t.Errorf("registered without a verified attestation:\n%s", s)
			}
			if got := s.at(t, "pool_take").Message["attested"]; got != tt.ready {
				t.Errorf("attested %v, want %v", got, tt.ready)
			}
			asked := s.index("attestation_nonce_request")
			if before := asked >= 0 && asked < s.index("key_registration"); before == tt.ready {
				t.Errorf("a nonce was asked for before the registration: %v\n%s", before, s)
			}
		})
	}
}

// pooled changes the laptop's pooled key.
func (l *lab) pooled(change func(*pooledState)) {
	l.t.Helper()
	for _, key := range l.keysOf(laptop, "keypool") {
		k := stored[pooledState](l, laptop, "keypool", key)
		change(&k)
		l.keep(laptop, "keypool", key, k)
	}
}

// TestPoolsFillWhenIdle: enrollments side by side leave no pool empty: the last
// one to end fills those of the others.
func TestPoolsFillWhenIdle(t *testing.T) {
	l := newLab(t)
	var devices []string
	for i := range 4 {
		l.user(fmt.Sprintf("u%d", i))
		devices = append(devices, fmt.Sprintf("device.d%d", i))
		l.Create(devices[i], spec.Device{Join: "entra", Tenant: "tenant.contoso", JoinedBy: providers.Ref(fmt.Sprintf("user.u%d", i))})
	}
	var wg sync.WaitGroup
	for i, d := range devices {
		wg.Go(func() {
			if _, err := l.TryCreate(t.Context(), fmt.Sprintf("enrollment.u%d", i), enrollment(fmt.Sprintf("user.u%d", i), d)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, d := range devices {
		keys := l.keysOf(d, "keypool")
		if len(keys) != 1 || stored[pooledState](l, d, "keypool", keys[0]).Attestation == nil {
			t.Errorf("%s has %d keys in its pool", d, len(keys))
		}
	}
}
