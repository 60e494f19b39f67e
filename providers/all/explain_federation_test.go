package all_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"hellolab/providers/spec"
)

// TestExplanationsAgreeFederated is TestExplanationsAgreeWithDecisions in labs with
// AD FS, by key and by certificate, with a tenant and without.
func TestExplanationsAgreeFederated(t *testing.T) {
	draws := uint64(12)
	if testing.Short() {
		draws = 2
	}
	for seed := range draws {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 5))
			trust := []string{spec.TrustKey, spec.TrustCertificate}[random.IntN(2)]
			var l *previewLab
			var edits []edit
			if random.IntN(3) == 0 {
				l = newOnPremPreviewLab(t, trust)
			} else {
				l = newFederatedPreviewLab(t, trust)
				edits = l.draw(random, slices.Concat(federatedKinds, kinds), random.IntN(4))
			}
			ahead := []time.Duration{0, 31 * time.Minute, 50 * 24 * time.Hour}[random.IntN(3)]
			l.apply(edits, ahead)
			w := l.world(l.records())
			f := l.facts()
			for _, r := range signIns(w) {
				if r.Gesture != "pin" || w.Users[r.User] == nil || w.Devices[r.Device] == nil {
					continue
				}
				for _, s := range l.explained(w, f, r.User, r.Device, r.To).SignIns {
					if bad := disagrees(s); bad != "" {
						t.Errorf("%s, %s on %s %s\nafter %v, %s later", trust, r.User, r.Device, bad, edits, ahead)
					}
				}
			}
		})
	}
}
