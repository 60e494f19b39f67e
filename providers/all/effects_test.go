package all_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/hello/access"
)

var docs = flag.Bool("docs", false, "write the generated part of docs/effects.md")

const effectsFile = "../../docs/effects.md"

// effects is the table, in its order.
var effects = inOrderOfTable(slices.Concat(ofTrustAndPolicy, ofDevicesAndGestures, ofDomains, ofPeople, ofFederation, ofServices, ofVendors, ofProfiles))

// inOrderOfTable sorts rows by their groups, as the table has them, and numbers.
func inOrderOfTable(all []effect) []effect {
	place := func(e effect) int {
		n, _ := strconv.Atoi(e.row[1:])
		return strings.Index("TEHNBRMDKCUQ", e.row[:1])*100 + n
	}
	slices.SortStableFunc(all, func(a, b effect) int { return place(a) - place(b) })
	return all
}

// effect is a row of the table of effects: a change, and what it does to
// sign-ins. One without sees is not covered, and why says why.
type effect struct {
	row    string // "T1"; more in words where a row has several changes
	change string
	why    string

	in    func(testing.TB) *previewLab // the lab; newPreviewLab when nil
	trust providers.Ref                // of the computers; key trust when empty
	given func(l *previewLab)          // what is otherwise than in newPreviewLab
	edits []edit
	act   func(t *testing.T, l *previewLab) // what is done instead, that no plan does
	ahead time.Duration                     // lab time that passes after the change
	gap   string                            // what the preview says besides: the code of a provisioning that will fail, or words
	sees  []sees
}

// sees is a sign-in before and after.
type sees struct {
	user, on, to, by string // alice, by PIN, to Windows when empty
	was, is          string // verdict, and the reason's code but for "success"
	then             string // action, "-" for none, moment and confidence of what is
	row              string // of the table, where it is none, "-", or another
	grace            bool   // a cached logon would still open Windows
}

func (s sees) request() access.Request {
	r := access.Request{User: s.user, Device: s.on, To: s.to, Gesture: s.by}
	if r.User == "" {
		r.User = alice
	}
	if r.Gesture == "" {
		r.Gesture = "pin"
	}
	return r
}

// told is a verdict as sees has it.
func told(v access.Verdict) string {
	if v.Reason == "success" || v.Word == access.None {
		return string(v.Word)
	}
	return string(v.Word) + " " + v.Reason
}

func thenOf(v access.Verdict) string {
	if told(v) == "allowed" || v.Word == access.None {
		return ""
	}
	action := string(v.Action)
	if action == "" {
		action = "-"
	}
	return fmt.Sprintf("%s %s %s", action, v.When, v.Confidence)
}

// TestEffects: each change of the table of effects does what the preview says,
// for the reason, at the time and with the remedy of the table; and a real
// sign-in, before and after, ends so. With -docs it writes docs/effects.md.
func TestEffects(t *testing.T) {
	seed.Proves(t, "POL-15")
	everyRow(t)
	t.Run("rows", func(t *testing.T) {
		for i, e := range effects {
			if len(e.sees) == 0 || testing.Short() && i%10 != 0 {
				continue // short: some of them, as of the property test's draws
			}
			t.Run(strings.ReplaceAll(e.row+" "+e.change, " ", "_"), func(t *testing.T) {
				t.Parallel()
				e.run(t)
			})
		}
	})
	have, err := os.ReadFile(effectsFile)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := []byte("<!-- generated: effects -->\n"), []byte("<!-- end -->")
	head, rest, found := bytes.Cut(have, begin)
	_, tail, closed := bytes.Cut(rest, end)
	if !found || !closed {
		t.Fatal("docs/effects.md has no generated part")
	}
	want := bytes.Join([][]byte{head, begin, []byte("\n" + effectTable() + "\n"), end, tail}, nil)
	switch {
	case bytes.Equal(have, want):
	case *docs && !t.Failed():
		if err := os.WriteFile(effectsFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Error("docs/effects.md is out of date; run `make docs` and commit it")
	}
}

// everyRow demands that each row of the table is here, tried or explained.
func everyRow(t *testing.T) {
	t.Helper()
	here := map[string]bool{}
	for _, e := range effects {
		here[e.row] = true
		if (e.why == "") == (len(e.sees) == 0) {
			t.Errorf("%s (%s) is to be tried, or to say why not", e.row, e.change)
		}
	}
	for group, n := range map[string]int{"T": 9, "E": 6, "H": 4, "N": 5, "B": 5, "R": 4, "M": 4, "D": 8, "K": 6, "C": 7, "U": 11, "Q": 3} {
		for i := range n {
			row := fmt.Sprint(group, i+1)
			if !here[row] {
				t.Errorf("%s is neither tried nor explained", row)
			}
			delete(here, row)
		}
	}
	for row := range here {
		t.Errorf("the table of effects has no row %s", row)
	}
}

func (e *effect) run(t *testing.T) {
	trust := e.trust
	if trust == "" {
		trust = "trust.key"
	}
	var l *previewLab
	if e.in != nil {
		l = e.in(t)
	} else {
		l = newPreviewLab(t, trust)
	}
	if l.has("sync.hybrid") {
		l.cycle()
	}
	if e.given != nil {
		e.given(l)
	}
	for _, s := range e.sees {
		w := l.world(l.records())
		v := access.Decide(w, l.facts(), s.request())
		if got := told(v); got != s.was {
			t.Errorf("before, %+v: %s, want %s", s.request(), got, s.was)
		}
		e.happens(t, l, "before", v, s)
	}
	l.Advance(time.Minute) // a code of an authenticator app works once
	was, edits := l.records(), make([]edit, len(e.edits))
	for i, change := range e.edits {
		for _, rec := range was {
			if rec.Addr == change.addr && change.set != nil {
				change.to = with(rec, change.set)
			}
		}
		edits[i] = change
	}
	then := l.world(l.planned(was, edits))
	facts := access.Planned(l.facts(), l.world(was), then)
	facts = facts.Later(then, facts.Now).Later(then, facts.Now.Add(e.ahead))
	if told := strings.Join(facts.Gaps, "\n"); e.gap != "" && !strings.Contains(told, e.gap) || e.gap == "" && told != "" {
		t.Errorf("gaps: %q, want one of %q", told, e.gap)
	}
	predicted := access.New(then, facts)
	l.apply(edits, e.ahead)
	if e.act != nil {
		e.act(t, l)
		predicted = access.New(l.world(l.records()), l.facts())
	}
	is := l.world(l.records())
	for _, s := range e.sees {
		p, d := predicted.Decide(s.request()), access.Decide(is, l.facts(), s.request())
		if got := told(p); got != s.is {
			t.Errorf("after, %+v: %s, want %s", s.request(), got, s.is)
		}
		if got := thenOf(p); got != s.then {
			t.Errorf("after, %+v: %q, want %q", s.request(), got, s.then)
		}
		row := s.row
		if row == "" {
			row = e.row
		}
		if s.then == "" || row == "-" {
			row = ""
		}
		if p.Rule != row {
			t.Errorf("after, %+v: row %q, want %q", s.request(), p.Rule, row)
		}
		if p.Grace != s.grace {
			t.Errorf("after, %+v: grace %t", s.request(), p.Grace)
		}
		if told(d) != told(p) || d.Phase != p.Phase || d.Flow != p.Flow {
			t.Errorf("%+v: predicted %s (%s.%s), the lab then says %s (%s.%s)", s.request(), told(p), p.Flow, p.Phase, told(d), d.Flow, d.Phase)
		}
		e.happens(t, l, "after", d, s)
	}
}

// happens tries the sign-in for real.
func (e *effect) happens(t *testing.T, l *previewLab, when string, v access.Verdict, s sees) {
	t.Helper()
	if v.Word == access.None || v.Reason == "unsupported_deployment" {
		return // nobody, or what a plan refuses
	}
	got := l.try(s.request())
	if bad := agrees(v, got); bad != "" || v.Word == access.Refused && got.Code != v.Reason {
		t.Errorf("%s, %+v: %s, got %s; %s", when, s.request(), told(v), got.Code, bad)
	}
}

// effectTable is the generated part of docs/effects.md.
func effectTable() string {
	var b strings.Builder
	b.WriteString("| Row | Change | Whose sign-in | Before | After | To do | From | Stands on |\n|---|---|---|---|---|---|---|---|\n")
	code := func(s string) string {
		word, reason, _ := strings.Cut(s, " ")
		word = strings.ReplaceAll(word, "_", " ")
		if reason == "" {
			return word
		}
		return word + ", `" + reason + "`"
	}
	for _, e := range effects {
		row, change := e.row, e.change
		for _, s := range e.sees {
			cells := strings.Fields(s.then)
			if len(cells) == 0 {
				cells = []string{"-", "-", "-"}
			}
			r := s.request()
			who := label(r.User) + " on the " + label(r.Device)
			if r.Gesture != "pin" {
				who += " by " + r.Gesture
			}
			switch r.To {
			case "":
			case access.ToUnlock:
				who += ", unlocking"
			default:
				who += " to " + r.To
			}
			if s.grace {
				cells[1] += " (off the domain's network, a cached logon still opens Windows)"
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", row, change, who, code(s.was), code(s.is), strings.ReplaceAll(strings.Join(cells, " | "), "_", " "))
			row, change = "", ""
		}
	}
	b.WriteString("\n## Rows that are not tried\n\n| Row | Change | Why |\n|---|---|---|\n")
	for _, e := range effects {
		if len(e.sees) == 0 {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", e.row, e.change, e.why)
		}
	}
	return b.String()
}

func label(addr string) string { return addr[strings.Index(addr, ".")+1:] }
