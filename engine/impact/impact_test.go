package impact_test

import (
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/engine/impact"
)

// fake is a Side by a table.
type fake struct {
	order []impact.SignIn
	says  map[impact.SignIn]impact.Verdict
}

func (f *fake) SignIns() iter.Seq[impact.SignIn] { return slices.Values(f.order) }

func (f *fake) Decide(s impact.SignIn) impact.Verdict {
	if v, ok := f.says[s]; ok {
		return v
	}
	return impact.Verdict{Word: "none", Confidence: "D"}
}

func (f *fake) add(user, device, to, gesture string, v impact.Verdict) {
	s := impact.SignIn{User: user, Device: device, To: to, Gesture: gesture}
	if f.says == nil {
		f.says = map[impact.SignIn]impact.Verdict{}
	}
	f.order, f.says[s] = append(f.order, s), v
}

var (
	at      = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	allowed = impact.Verdict{Word: "allowed", Reason: "success", Flow: "A1", When: "next_signin", Confidence: "D"}
	refused = impact.Verdict{Word: "refused", Reason: "user_disabled", Flow: "A1", Phase: "C", Action: "admin_fix", Confidence: "D"}
	due     = impact.Verdict{Word: "allowed", Reason: "change_pin_prompt", Action: "change_pin", Rule: "N1", Confidence: "C"}
)

func TestEffectsAndTheirOrder(t *testing.T) {
	var before, after fake
	other := refused
	other.Reason = "device_disabled"
	for _, c := range []struct {
		user      string
		was, will impact.Verdict
	}{
		{"user.same", allowed, allowed}, {"user.gains", refused, allowed}, {"user.pin", allowed, due}, {"user.loses", allowed, refused}, {"user.other", refused, other}, {"user.better", due, allowed},
	} {
		before.add(c.user, "device.pc", "tenant.t", "pin", c.was)
		after.add(c.user, "device.pc", "tenant.t", "pin", c.will)
	}
	r := impact.Compare(&before, &after, at)
	var got []string
	for _, row := range r.Rows {
		got = append(got, string(row.Effect)+" "+row.Pairs[0].User)
	}
	want := []string{"newly_blocked user.loses", "degraded user.pin", "still_blocked_otherwise user.other", "improved user.better", "newly_allowed user.gains", "unchanged user.same"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if r.Enrollments != 6 || r.Changed != 5 || r.Lost != 1 || r.Won != 1 || r.Differ != 5 || r.SignIns != 6 {
		t.Errorf("counted %+v", r)
	}
}

// Equal rows are one, with all whom it concerns; what is not equal is not.
func TestRowsAreMerged(t *testing.T) {
	var before, after fake
	for _, user := range []string{"user.a", "user.b", "user.c"} {
		for _, to := range []string{"", "tenant.t", "domain.d"} {
			for _, g := range []string{"pin", "face"} {
				before.add(user, "device.pc", to, g, allowed)
				v := allowed
				switch {
				case user == "user.c" && g == "face": // biometrics only
					v = impact.Verdict{Word: "refused", Reason: "biometrics_disabled", Phase: "A", Confidence: "D"}
				case user != "user.c" && to != "domain.d":
					v = refused
				}
				after.add(user, "device.pc", to, g, v)
			}
		}
	}
	r := impact.Compare(&before, &after, at)
	if len(r.Rows) != 4 {
		t.Fatalf("%d rows: %+v", len(r.Rows), r.Rows)
	}
	first, second := r.Rows[0], r.Rows[1]
	if !slices.Equal(first.Users(), []string{"user.a", "user.b"}) || !slices.Equal(first.Devices(), []string{"device.pc"}) || !slices.Equal(first.To, []string{"", "tenant.t"}) || !first.EveryWay || first.Count != 8 {
		t.Errorf("%+v", first)
	}
	if !slices.Equal(second.Users(), []string{"user.c"}) || !slices.Equal(second.Gestures, []string{"face"}) || second.EveryWay || second.Count != 3 {
		t.Errorf("%+v", second)
	}
	if r.Lost != 11 || r.Changed != 3 {
		t.Errorf("%d lost, %d changed", r.Lost, r.Changed)
	}
}

// Who is on one side only counts, and cannot sign in on the other.
func TestNewAndGone(t *testing.T) {
	var before, after fake
	before.add("user.gone", "device.pc", "tenant.t", "pin", allowed)
	after.add("user.new", "device.pc", "tenant.t", "pin", allowed)
	r := impact.Compare(&before, &after, at)
	if r.Enrollments != 2 || r.Changed != 2 || r.Lost != 1 || r.Won != 1 {
		t.Errorf("%+v", r)
	}
}

// What nobody can decide is counted, and no change is claimed of it.
func TestUndecided(t *testing.T) {
	var before, after fake
	unknown := impact.Verdict{Word: "unknown", Reason: "internal_error", Confidence: "?"}
	before.add("user.a", "device.pc", "domain.d", "pin", unknown)
	after.add("user.a", "device.pc", "domain.d", "pin", unknown)
	if r := impact.Compare(&before, &after, at); r.Undecided != 1 || r.Differ != 0 {
		t.Errorf("%+v", r)
	}
}

// People whose passwords end seconds apart are one row, of the first of them; whose end
// on another day is another.
func TestRowsOfOneTime(t *testing.T) {
	var before, after fake
	ends := func(after time.Duration) impact.Verdict {
		return impact.Verdict{Word: "refused", Reason: "password_expired_on_prem", When: "password_age", At: at.Add(after), Confidence: "D"}
	}
	for user, later := range map[string]time.Duration{"user.a": 2 * time.Second, "user.b": 1 * time.Second, "user.c": 3 * time.Second, "user.d": 24 * time.Hour} {
		before.add(user, "device.pc", "", "pin", allowed)
		after.add(user, "device.pc", "", "pin", ends(later))
	}
	slices.SortFunc(before.order, func(a, b impact.SignIn) int { return strings.Compare(a.User, b.User) })
	after.order = before.order
	r := impact.Compare(&before, &after, at)
	if len(r.Rows) != 2 || !slices.Equal(r.Rows[0].Users(), []string{"user.a", "user.b", "user.c"}) || !r.Rows[0].After.At.Equal(at.Add(time.Second)) || !r.Rows[1].After.At.Equal(at.Add(24*time.Hour)) {
		t.Errorf("rows %+v", r.Rows)
	}
}
