package view

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"hellolab/engine/journal"
	"hellolab/providers/event"
	"hellolab/providers/hello"
)

// Trace writes one recorded flow phase by phase, the letters being the
// documents' own: who spoke to whom over which protocol, and the message,
// decoded. Times are milliseconds since the flow began, by the lab's clock.
func Trace(w io.Writer, f *journal.Flow, style Style) error {
	v := traceView{style: style, began: f.Began}
	for _, e := range f.Events {
		v.lane = max(v.lane, utf8.RuneCountInString(lane(e)))
		v.protocol = max(v.protocol, utf8.RuneCountInString(Escape(e.Protocol)))
	}
	v.lane = min(v.lane, 48)
	v.header(f)
	for _, e := range f.Events {
		v.event(e)
	}
	v.ahead(f)
	v.footer(f)
	_, err := io.WriteString(w, v.b.String())
	return err
}

type traceView struct {
	b              strings.Builder
	style          Style
	began          time.Time
	lane, protocol int
	phase          string
	headed         bool
}

// header names the flow, its subject and its id.
func (v *traceView) header(f *journal.Flow) {
	title := Escape(f.Name)
	if what := hello.Flow(f.Name).Title(); what != "" {
		title += " · " + what
	}
	if f.Name == "" {
		title = "Traffic outside any flow"
	}
	v.b.WriteString(v.style.paint(bold, title) + "\n")
	if s := subject(f.User, f.Device); s != "" {
		v.b.WriteString(s + "\n")
	}
	fmt.Fprintf(&v.b, "%s · %s\n", Escape(f.ID), f.Began.UTC().Format(time.RFC3339))
}

func subject(user, device string) string {
	switch {
	case user != "" && device != "":
		return Escape(user) + " on " + Escape(device)
	default:
		return Escape(user + device)
	}
}

func lane(e event.Event) string {
	if e.Peer == "" || e.Peer == e.Actor {
		return Escape(string(e.Actor))
	}
	return Escape(string(e.Actor)) + " → " + Escape(string(e.Peer))
}

// event writes one step, under the heading of its phase.
func (v *traceView) event(e event.Event) {
	if e.Phase != v.phase || !v.headed {
		v.phase, v.headed = e.Phase, true
		v.b.WriteByte('\n')
		if e.Phase != "" {
			heading := "Phase " + Escape(e.Phase)
			if title := hello.Flow(e.Flow).PhaseTitle(e.Phase); title != "" {
				heading += " · " + title
			}
			if hello.Flow(e.Flow).Background(e.Phase) {
				heading += " (in the background)"
			}
			v.b.WriteString(v.style.paint(bold, heading) + "\n")
		} else if what := hello.Flow(e.Flow).Preamble(); what != "" && e.At.Equal(v.began) {
			v.b.WriteString(v.style.paint(bold, "Before phase A · "+what) + "\n")
		}
	}
	at := e.At.Sub(v.began)
	left := fmt.Sprintf("  %8.3f  %s  %s  ", at.Seconds(), pad(lane(e), v.lane), pad(Escape(e.Protocol), v.protocol))
	v.b.WriteString(left + v.outcome(e) + EscapeText(e.Text) + "\n")
	const indent = "              "
	if r := e.Reason; r != nil {
		v.reason(indent, r)
	}
	writeMessage(&v.b, indent, e.Message)
}

func (v *traceView) outcome(e event.Event) string {
	switch e.Outcome {
	case event.Done:
		return ""
	case event.Skipped:
		return v.style.paint(yellow, "skipped") + ": "
	}
	return v.style.paint(red, Escape(string(e.Outcome))) + ": "
}

func (v *traceView) reason(indent string, r *event.Reason) {
	code := Escape(r.Code)
	if r.Name != "" {
		code += " " + Escape(r.Name)
	}
	if code != "" {
		fmt.Fprintf(&v.b, "%sreason: %s\n", indent, code)
	}
	if r.Sentence != "" {
		fmt.Fprintf(&v.b, "%s        %s\n", indent, Escape(r.Sentence))
	}
	if r.Hint != "" {
		fmt.Fprintf(&v.b, "%s  hint: %s\n", indent, Escape(r.Hint))
	}
}

// ahead tells of the phase that a cycle of Connect has yet to perform.
func (v *traceView) ahead(f *journal.Flow) {
	letter := hello.Flow(f.Name).SyncPhase()
	if letter == "" || v.phase == letter || f.Refusal() != nil {
		return
	}
	heading := "Phase " + letter + " · " + hello.Flow(f.Name).PhaseTitle(letter)
	fmt.Fprintf(&v.b, "\n%s\n  No cycle has written the key yet.\n", v.style.paint(bold, heading))
}

func (v *traceView) footer(f *journal.Flow) {
	v.b.WriteByte('\n')
	if e := f.Refusal(); e != nil {
		ended := "Ended " + Escape(string(e.Outcome))
		if hello.Flow(e.Flow).Background(e.Phase) {
			ended = "Signed in to Windows, and in the background " + Escape(string(e.Outcome))
		}
		fmt.Fprintf(&v.b, "%s in phase %s by %s.\n", v.style.paint(red, ended), cmp.Or(Escape(e.Phase), "–"), Escape(string(e.Actor)))
		return
	}
	v.b.WriteString(v.style.paint(green, "Completed") + ".\n")
}

// writeMessage writes a decoded message, one member a line, in the order of
// their names.
func writeMessage(b *strings.Builder, indent string, m map[string]any) {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		writeMember(b, indent, Escape(name)+":", m[name])
	}
}

func writeMember(b *strings.Builder, indent, label string, value any) {
	switch x := plainJSON(value).(type) {
	case map[string]any:
		if len(x) > 0 {
			fmt.Fprintf(b, "%s%s\n", indent, label)
			writeMessage(b, indent+"  ", x)
			return
		}
		fmt.Fprintf(b, "%s%s {}\n", indent, label)
	case []any:
		if flat(x) {
			parts := make([]string, len(x))
			for i := range x {
				parts[i] = memberText(x[i])
			}
			fmt.Fprintf(b, "%s%s %s\n", indent, label, strings.Join(parts, ", "))
			return
		}
		fmt.Fprintf(b, "%s%s\n", indent, label)
		for _, e := range x {
			writeMember(b, indent+"  ", "-", e)
		}
	default:
		fmt.Fprintf(b, "%s%s %s\n", indent, label, memberText(x))
	}
}

// plainJSON turns what an event holds in memory into what it would be after a
// journey through the journal.
func plainJSON(v any) any {
	switch v.(type) {
	case nil, string, bool, float64, map[string]any, []any:
		return v
	}
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("(%T)", v)
	}
	var out any
	if json.Unmarshal(data, &out) != nil {
		return string(data)
	}
	return out
}

func flat(list []any) bool {
	for _, e := range list {
		switch plainJSON(e).(type) {
		case map[string]any, []any:
			return false
		}
	}
	return true
}

func memberText(v any) string {
	switch x := plainJSON(v).(type) {
	case nil:
		return "null"
	case string:
		return Escape(x)
	case float64:
		return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.6f", x), "0"), ".")
	default:
		return fmt.Sprint(x)
	}
}

// pad fills s with spaces to width columns.
func pad(s string, width int) string {
	if n := utf8.RuneCountInString(s); n < width {
		return s + strings.Repeat(" ", width-n)
	}
	return s
}

// Flows lists recorded flows, newest last: what `trace` can show.
func Flows(w io.Writer, flows []*journal.Flow, style Style) error {
	var b strings.Builder
	width := 0
	for _, f := range flows {
		width = max(width, utf8.RuneCountInString(subject(f.User, f.Device)))
	}
	for _, f := range flows {
		result := style.paint(green, "completed")
		if e := f.Refusal(); e != nil {
			result = style.paint(red, Escape(string(e.Outcome)))
			if e.Phase != "" {
				result += " in phase " + Escape(e.Phase)
			}
			if e.Reason != nil && e.Reason.Code != "" {
				result += ": " + Escape(e.Reason.Code)
			}
		}
		fmt.Fprintf(&b, "%s  %s  %s  %s  %s\n", f.Began.UTC().Format(time.RFC3339), pad(cmp.Or(Escape(f.Name), "-"), 3), pad(subject(f.User, f.Device), width), Escape(f.ID), result)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Services prints events that belong to no flow, one a line; a refusal with its
// code, and what to do next.
func Services(w io.Writer, events []event.Event, style Style) error {
	var b strings.Builder
	for _, e := range events {
		text := Escape(e.Text)
		if e.Outcome != event.Done {
			text = style.paint(red, text)
		}
		fmt.Fprintf(&b, "%s  %s  %s\n", e.At.UTC().Format(time.RFC3339), Escape(string(e.Actor)), text)
		if r := e.Reason; r != nil && e.Outcome != event.Done {
			fmt.Fprintf(&b, "    %s\n", strings.TrimSpace(Escape(r.Code)+" "+Escape(r.Name)+": "+Escape(r.Sentence)+" "+Escape(r.Hint)))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
