package all_test

import (
	"testing"
	"time"

	"hellolab/providers/conformance/seed"
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
