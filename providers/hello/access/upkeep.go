package access

import (
	"time"

	"hellolab/providers/hello"
)

// Upkeep is what a lab does by itself for as long as its systems run: what would
// end otherwise, and does not.
type Upkeep struct {
	Address string
	What    string        // "revocation lists", "synchronization", "export of keys", "enrollment agent certificate"
	Every   time.Duration // 0: it has stopped, and Why says what stops it
	Next    time.Time     // zero: not known
	Last    time.Time
	Why     string // sentence
}

// What an Upkeep is about.
const (
	Lists  = "revocation lists"
	Cycles = "synchronization"
	Keys   = "export of keys"
	Agent  = "enrollment agent certificate"
)

// usualValidity is that of base lists where nothing is declared (AD CS' own).
const usualValidity = 7 * 24 * time.Hour

// Upkeeps are those of a lab.
func (f *Facts) Upkeeps(w *hello.World) (out []Upkeep) {
	for _, addr := range sorted(w.Authorities) {
		u := Upkeep{Address: addr, What: Lists, Every: usualValidity}
		if c := w.Authorities[addr].In.CRL; c != nil && c.Validity > 0 {
			u.Every = c.Validity
		}
		out = append(out, u)
	}
	for _, addr := range sorted(w.Syncs) {
		s, at := w.Syncs[addr], f.Syncs[addr]
		u := Upkeep{Address: addr, What: Cycles, Every: s.In.Interval, Next: at.Cycles.Next, Last: at.Cycles.Last}
		switch {
		case !s.In.Enabled:
			u.Every, u.Next, u.Why = 0, time.Time{}, "Its scheduler is off (enabled)."
		case s.In.Staging:
			u.Every, u.Next, u.Why = 0, time.Time{}, "It is in staging mode, and writes nothing."
		}
		if !s.In.Enabled && !at.Cycles.Last.IsZero() {
			u.Why += " " + fullSync(at.Cycles.Last, f.Now)
		}
		out = append(out, u)
		keys := Upkeep{Address: addr, What: Keys, Every: keysOf(s).interval, Next: at.Keys.Next, Last: at.Keys.Last}
		switch {
		case !s.In.KeyExport:
			keys.Why = "key_export is off."
		case !s.In.KeyRight:
			keys.Why = "It may not write keys (key_writeback_right)."
		case s.In.Staging:
			keys.Why = "It is in staging mode, and writes nothing."
		case hello.KeysPaused(s.In) != "":
			keys.Why = "Exports of keys do not run by themselves."
		}
		if keys.Why != "" {
			keys.Every, keys.Next = 0, time.Time{}
		}
		if keys.Why != u.Why || keys.Every != u.Every {
			out = append(out, keys)
		}
	}
	return append(out, f.agents(w)...)
}

// idle is how long Connect may go without a cycle before it may ask for a full
// synchronization (Microsoft, "Microsoft Entra Connect Sync: Scheduler").
const idle = 7 * 24 * time.Hour

// fullSync says when Windows' Connect asks for a full synchronization for want of
// cycles. The lab's needs none: each of its cycles reads everything.
func fullSync(last, now time.Time) string {
	from := "From " + last.Add(idle).UTC().Format(time.DateOnly) + " on"
	if !now.Before(last.Add(idle)) {
		from = "Since " + last.Add(idle).UTC().Format(time.DateOnly)
	}
	return from + ", seven days after the last cycle, a full synchronization may be asked for before the next one (C3, D); a cycle of the lab's reads everything."
}

// agents are the renewals of enrollment agent certificates, without which
// registration authorities have no sign-in certificate issued or renewed.
func (f *Facts) agents(w *hello.World) (out []Upkeep) {
	for _, addr := range f.Agents() {
		s, held := w.Federations[addr], f.Federations[addr].Agent
		if s == nil {
			continue
		}
		u := Upkeep{Address: addr, What: Agent, Every: agentLife - agentRenewal, Next: held.NotAfter.Add(-agentRenewal)}
		a := w.Authorities[string(s.In.Authority)]
		switch {
		case held.Revoked:
			u.Why = "It is revoked."
		case !s.In.Enabled:
			u.Why = "The federation service does not run (enabled)."
		case !s.In.RegistrationAuthority:
			u.Why = "It is no registration authority any more (registration_authority)."
		case a == nil:
			u.Why = "It has no authority to ask (authority)."
		case a.In.Templates[hello.AgentTemplate] != nil && !a.In.Templates[hello.AgentTemplate].Enabled:
			u.Why = a.Addr + " does not issue the template " + hello.AgentTemplate + "."
		}
		if u.Why != "" {
			u.Every, u.Next = 0, time.Time{}
			u.Why += " From " + held.NotAfter.UTC().Format("2006-01-02") + " on no sign-in certificate is issued or renewed (K6, D)."
		}
		out = append(out, u)
	}
	return out
}
