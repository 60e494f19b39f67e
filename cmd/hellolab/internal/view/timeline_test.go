package view_test

import (
	"strings"
	"testing"
	"time"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/impact"
)

func TestTimeline(t *testing.T) {
	hours := func(n int) time.Time { return impactNow.Add(time.Duration(n) * time.Hour) }
	c := &impact.Course{Now: impactNow, Until: hours(90 * 24), Enrollments: 40, Changed: 2, Undecided: 1}
	for i, row := range report().Rows[:3] {
		c.Events = append(c.Events, impact.Event{From: hours(1 + 40*i), Through: hours(1 + 40*i), Row: row, Mend: "Do something."})
	}
	got := &view.Timeline{
		Course:  c,
		Renewed: []view.Renewed{{At: hours(7000), Address: "domain.corp", Controller: "dc1", Ends: hours(15760)}},
		Upkeep: []view.Upkeep{
			{Address: "authority.ca", What: "revocation lists", Runs: true, Every: view.Span(hours(168).Sub(impactNow))},
			{Address: "sync.corp", What: "synchronization", Last: hours(-24), Why: "Its scheduler is off (enabled)."},
			{Address: "sync.old", What: "synchronization", Last: hours(-240), Why: "It is in staging mode, and writes nothing."},
		},
		Sessions: []view.SessionEnd{{User: "user.alice", Device: "device.laptop", Ends: hours(336)}},
		Gaps:     []string{"device.kiosk could not be read: it is off."},
	}
	want := `
Timeline: 2 of 40 enrollments change by themselves by 2026-05-31 09:00 (in 90d); 1 sign-in cannot be decided.

  FROM              IN   USER   DEVICE  TO       BEFORE   AFTER                         WHY
  2026-03-02 10:00  1h   alice  laptop  corp     allowed  change PIN                    PIN is 6 long, policy asks for 8 (N1, C)
  2026-03-04 02:00  41h  bo     kiosk   contoso  allowed  at risk                       key is in software, policy asks for a TPM (H1, ?)
  2026-03-05 18:00  3d   bo     kiosk   corp     allowed  refused: use the PIN by face  policy allows no biometric gestures (B1, A1.A, biometrics_disabled, D)

What helps:

  - change_pin_prompt: Do something.
  - tpm_missing: Do something.
  - biometrics_disabled: Do something.

By itself, and ends nothing:

  - 2026-12-19 01:00  dc1 of domain.corp has its KDC certificate renewed, good until 2027-12-19.
  - authority.ca: revocation lists, every 7d.

Has stopped:

  - sync.corp: synchronization. Its scheduler is off (enabled). It ran last at 2026-03-01 09:00, 1d ago. From 2026-03-08 09:00 on a full synchronization may be needed (C3, D).
  - sync.old: synchronization. It is in staging mode, and writes nothing. It ran last at 2026-02-20 09:00, 10d ago. A full synchronization may be needed (C3, D).

Sessions that end unless a sign-in renews them:

  - 2026-03-16 09:00  user.alice on device.laptop: the primary refresh token.

The timeline does not know:

  - device.kiosk could not be read: it is off.
`
	var b strings.Builder
	if err := view.WriteTimeline(&b, got, view.Style{}); err != nil {
		t.Fatal(err)
	}
	if have := b.String(); have != strings.TrimPrefix(want, "\n") {
		t.Errorf("got\n%s", have)
	}
}
