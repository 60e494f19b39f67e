package all_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	vocabulary "hellolab/providers/hello"
	"hellolab/providers/hello/access"
	"hellolab/providers/hello/explain"
	"hellolab/providers/windows"
)

// explained is the explanation of a user on a device, from what the systems hold.
func (l *previewLab) explained(w *vocabulary.World, f *access.Facts, user, device, to string) explain.Explanation {
	l.t.Helper()
	status, err := l.windows.Status(l.For(device), device, user)
	if err != nil {
		l.t.Fatal(err)
	}
	held := explain.Held{Applied: true, Lab: f, Launch: status.Facts(w.Planned(user, device))}
	return explain.Explain(w, held, explain.Request{User: user, Device: device, To: to})
}

// disagrees says where conditions and verdict contradict each other.
func disagrees(s explain.SignIn) string {
	first, partly := "", false
	for _, c := range s.Conditions {
		switch c.Verdict {
		case explain.NotMet, explain.Later:
			if first == "" {
				first = c.Code
			}
		case explain.Partly:
			partly = true
		}
		if c.Needs == "" || c.Name == "" {
			return fmt.Sprintf("%+v says nothing", c)
		}
	}
	switch {
	case s.Verdict == access.None || s.Verdict == access.Unknown:
		return ""
	case s.Verdict.Works() && first == "" && (s.Verdict == access.Degraded || !partly):
		return ""
	case s.Verdict == access.Refused && s.Reason == first:
		return ""
	}
	var all []string
	for _, c := range s.Conditions {
		all = append(all, fmt.Sprintf("%s %s %s", c.Name, c.Verdict, c.Code))
	}
	return fmt.Sprintf("to %q: %s %s (%s.%s), but\n  %s", s.To, s.Verdict, s.Reason, s.Flow, s.Phase, strings.Join(all, "\n  "))
}

// TestExplanationsAgreeWithDecisions draws labs: of each sign-in by PIN, the
// first condition that is not met is the reason of the verdict, and where the
// verdict is success every one is met.
func TestExplanationsAgreeWithDecisions(t *testing.T) {
	draws := uint64(25)
	if testing.Short() {
		draws = 3
	}
	for seed := range draws {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 2))
			l := newPreviewLab(t, []providers.Ref{"trust.key", "trust.cloud"}[random.IntN(2)])
			if random.IntN(2) == 0 {
				l.cycle()
			}
			ahead := []time.Duration{0, 31 * time.Minute, 50 * 24 * time.Hour}[random.IntN(3)]
			edits := l.draw(random, kinds, random.IntN(5))
			l.apply(edits, ahead)
			w := l.world(l.records())
			all := signIns(w)
			for range random.IntN(3) {
				l.tryAny(all[random.IntN(len(all))])
			}
			f := l.facts()
			for _, r := range all {
				if r.Gesture != "pin" {
					continue
				}
				for _, s := range l.explained(w, f, r.User, r.Device, r.To).SignIns {
					if bad := disagrees(s); bad != "" {
						t.Errorf("%s on %s %s\nafter %v, %s later", r.User, r.Device, bad, edits, ahead)
					}
				}
			}
		})
	}
}

// TestEndings does what explanations tell of: each step ends the sign-ins that
// it is said to end, at once and after the next cycle, and no others.
func TestEndings(t *testing.T) {
	for _, device := range []string{desk, laptop} {
		l := newPreviewLab(t, "trust.key")
		l.cycle()
		w := l.world(l.records())
		told := l.explained(w, l.facts(), alice, device, "").Endings
		if len(told) < 6 {
			t.Fatalf("%s: %d steps", device, len(told))
		}
		for i := range told {
			l := newPreviewLab(t, "trust.key")
			l.cycle()
			step := l.explained(l.world(l.records()), l.facts(), alice, device, "").Endings[i]
			l.do(t, step.Step, device)
			for _, way := range step.Ways {
				l.ended(t, device, step.Step, way.To, way.Now)
			}
			l.cycle()
			for _, way := range step.Ways {
				l.ended(t, device, step.Step+" And a cycle.", way.To, way.Next)
			}
		}
	}
}

// do is a step of an administrator's.
func (l *previewLab) do(t *testing.T, step, device string) {
	t.Helper()
	switch step {
	case "The device is disabled in the tenant.":
		l.declare(device, "enabled_in_tenant", false)
	case "The user is disabled in the tenant.":
		l.declare(alice, "enabled_in_tenant", false)
	case "The user is disabled in the domain.":
		l.declare(alice, "enabled_in_domain", false)
	case "The computer is disabled in the domain.":
		l.declare(device, "enabled_in_domain", false)
	case "The key is deleted in the tenant.":
		l.unregister(t, l.deviceID(device))
	case "The key is deleted in the domain.":
		l.unlink(t, l.deviceID(device))
	case "The key is deleted in both.":
		l.unregister(t, l.deviceID(device))
		l.unlink(t, l.deviceID(device))
	default:
		t.Fatalf("no such step: %s", step)
	}
}

// declare sets a switch of an object.
func (l *previewLab) declare(addr, attribute string, on bool) {
	l.t.Helper()
	rec, err := l.For("").Objects.Lookup(addr)
	if err != nil {
		l.t.Fatal(err)
	}
	l.Update(addr, with(rec, map[string]cty.Value{attribute: cty.BoolVal(on)}))
}

// ended tries a sign-in that was told of.
func (l *previewLab) ended(t *testing.T, device, step, to string, want access.Word) {
	t.Helper()
	v := l.try(access.Request{User: alice, Device: device, To: to, Gesture: "pin"})
	if works := v.Code == vocabulary.Success; works != want.Works() {
		t.Errorf("%s %s To %q: %s, told %s", device, step, to, v.Code, want)
	}
}

// TestExplainDisabledDevice: on a hybrid joined device under key trust that is
// disabled in the tenant, the domain goes on letting the user in, and the
// explanation says why, and what would end it.
func TestExplainDisabledDevice(t *testing.T) {
	seed.Proves(t, "REV-05", "A6")
	l := newPreviewLab(t, "trust.key")
	l.cycle()
	l.declare(desk, "enabled_in_tenant", false)
	for _, later := range []time.Duration{0, 5 * time.Hour} {
		l.Advance(later)
		l.cycle()
		w, f := l.world(l.records()), l.facts()
		x := l.explained(w, f, alice, desk, "")
		words := map[string]explain.SignIn{}
		for _, s := range x.SignIns {
			words[s.To] = s
		}
		if s := words["tenant.contoso"]; s.Verdict != access.Refused || s.Reason != "key_device_disabled" {
			t.Errorf("the tenant: %+v", s)
		}
		s := words[corp]
		if s.Verdict != access.Allowed || len(s.Remarks) != 1 || !strings.Contains(s.Remarks[0], "disabled in the tenant") || !strings.Contains(s.Remarks[0], "msDS-KeyCredentialLink") {
			t.Errorf("the domain: %+v", s)
		}
		if s := words[""]; !s.Verdict.Works() || len(s.Remarks) != 1 {
			t.Errorf("Windows: %+v", s)
		}
		l.expect(windows.Request{User: alice, Device: desk, PIN: []byte(pin), To: []string{corp}}, "success")
		for _, e := range x.Endings {
			for _, way := range e.Ways {
				if way.To == corp && e.Step == "The key is deleted in both." && (way.Now != access.Refused || way.Next != access.Refused) {
					t.Errorf("%+v", e)
				}
			}
		}
	}
}
