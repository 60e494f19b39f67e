package view

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"hellolab/providers/hello"
	"hellolab/providers/hello/access"
	"hellolab/providers/hello/explain"
)

// ExplainOptions say how much of an explanation is shown.
type ExplainOptions struct {
	Style
	All bool // every setting, those that nobody sets included
}

// Explanation writes an explanation for people.
func Explanation(w io.Writer, x explain.Explanation, o ExplainOptions) error {
	e := &explainWriter{Style: o.Style, all: o.All}
	from := "as the systems hold it"
	if !x.Applied {
		from = "as planned"
	}
	e.line("%s on %s, %s, at %s.", x.User, x.Device, from, x.At.UTC().Truncate(time.Second).Format(time.RFC3339))
	for _, gap := range x.Gaps {
		e.text(2, "Not read: "+gap)
	}
	e.policy(x.Policy)
	e.head("Flow")
	for _, why := range x.Choice.Why {
		e.text(2, why)
	}
	if x.Choice.Refused != "" {
		e.text(2, x.Choice.Refused+" "+x.Choice.Mend)
	}
	e.provisioning(x.Provisioning, x.Applied)
	told := map[explain.Condition]bool{}
	for _, s := range x.SignIns {
		e.signIn(s, told)
	}
	e.endings(x.Endings)
	_, err := io.WriteString(w, e.String())
	return err
}

type explainWriter struct {
	strings.Builder
	Style
	all bool
}

func (e *explainWriter) line(format string, args ...any) {
	e.WriteString(Escape(fmt.Sprintf(format, args...)) + "\n")
}

// text writes running text, wrapped and indented.
func (e *explainWriter) text(indent int, text string) {
	width := e.Width
	if width > 0 {
		width = max(width-indent, 20)
	}
	for line := range strings.SplitSeq(Wrap(Escape(text), width), "\n") {
		e.WriteString(strings.Repeat(" ", indent) + line + "\n")
	}
}

func (e *explainWriter) head(title string) {
	e.WriteString("\n" + e.paint(bold, Escape(title)) + "\n")
}

func (e *explainWriter) policy(p explain.Policy) {
	e.head("Policy in force")
	rows := [][]string{{"SETTING", "VALUE", "FROM"}}
	for _, s := range p.Settings {
		if e.all || s.Reported {
			rows = append(rows, []string{s.Name, settingText(s.Value), s.Origin()})
		}
	}
	e.table(rows)
	for _, note := range p.Notes {
		e.text(2, "note: "+note)
	}
}

// settingText is a value in force as one line.
func settingText(v any) string {
	switch v := v.(type) {
	case []string:
		if len(v) == 0 {
			return "none"
		}
		return strings.Join(v, " ")
	case string:
		if v == "" {
			return "none"
		}
		return strings.Join(strings.Fields(v), " ")
	}
	return fmt.Sprint(v)
}

// table writes rows of cells, each column as wide as it must be, the last one
// as long as it is.
func (e *explainWriter) table(rows [][]string) {
	var width []int
	for _, r := range rows {
		for i, cell := range r {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], utf8.RuneCountInString(Escape(cell)))
		}
	}
	for n, r := range rows {
		var b strings.Builder
		for i, cell := range r {
			if cell = Escape(cell); i < len(r)-1 {
				cell = pad(cell, min(width[i], 64)+2)
			}
			b.WriteString(cell)
		}
		line := strings.TrimRight(b.String(), " ")
		if n == 0 {
			line = e.paint(dim, line)
		}
		e.WriteString("  " + line + "\n")
	}
}

func (e *explainWriter) provisioning(p explain.Provisioning, applied bool) {
	verdict := "would not start"
	if p.WillProvision {
		verdict = "would start"
	}
	if p.DeviceEvent != 0 {
		verdict += fmt.Sprintf(" (events %d, %d)", p.DeviceEvent, p.Event)
	}
	e.head("Provisioning " + verdict)
	switch {
	case p.Enrolled && applied:
		e.text(2, "The user has a credential on the device and is not asked again; a new provisioning would find:")
	case p.Enrolled:
		e.text(2, "The plan has a credential of the user on the device. Its provisioning would find:")
	}
	e.conditions(slices.Concat(p.Checks, p.Deployment))
}

// signIn writes a sign-in. Conditions that an earlier one had, too, are told
// there.
func (e *explainWriter) signIn(s explain.SignIn, told map[explain.Condition]bool) {
	to := s.To
	if to == "" {
		to = "Windows"
	}
	head := fmt.Sprintf("Sign-in to %s: %s", to, s.Verdict)
	if to == access.ToUnlock {
		head = fmt.Sprintf("Unlock of the session: %s", s.Verdict)
	}
	if s.Reason != "" && s.Reason != hello.Success {
		head += ", " + s.Reason
	}
	switch {
	case s.Flow != "" && s.Phase != "":
		head += fmt.Sprintf(" (%s, phase %s)", s.Flow, s.Phase)
	case s.Flow != "":
		head += fmt.Sprintf(" (%s)", s.Flow)
	}
	e.head(head)
	if s.Reason != hello.Success && s.Sentence != "" {
		e.text(2, s.Sentence)
	}
	var fresh []explain.Condition
	for _, c := range s.Conditions {
		if !told[c] {
			told[c] = true
			fresh = append(fresh, c)
		}
	}
	switch shared := len(fresh) < len(s.Conditions); {
	case shared && len(fresh) == 0:
		e.text(2, "It needs what is listed above.")
	case shared:
		e.text(2, "It needs what is listed above, and:")
	}
	e.conditions(fresh)
	for _, r := range s.Remarks {
		e.text(2, "note: "+r)
	}
}

// conditionWords are verdicts as a column shows them, with their colours.
var conditionWords = map[explain.Verdict][2]string{
	explain.Met: {"yes", green}, explain.NotMet: {"NO", red}, explain.Partly: {"partly", yellow},
	explain.Later: {"later", yellow}, explain.Asks: {"asks", yellow}, explain.Unknown: {"?", dim},
}

func (e *explainWriter) conditions(all []explain.Condition) {
	width := 0
	for _, c := range all {
		width = max(width, utf8.RuneCountInString(c.Name))
	}
	for _, c := range all {
		word := conditionWords[c.Verdict]
		gap := strings.Repeat(" ", 8-len(word[0]))
		e.WriteString("  " + e.paint(word[1], word[0]) + gap + pad(Escape(c.Name), width) + "  " + Escape(c.Needs) + "\n")
		var more []string
		if c.Why != "" {
			more = append(more, c.Why)
		}
		if c.Verdict == explain.Later && !c.At.IsZero() {
			more = append(more, "That is due on "+c.At.UTC().Truncate(time.Second).Format(time.RFC3339)+".")
		}
		if c.Code != "" {
			code := "(" + c.Code
			if c.Status != "" {
				code += ", " + c.Status
			}
			more = append(more, code+")")
		}
		if len(more) > 0 {
			e.text(10, strings.Join(more, " "))
		}
		if c.Mend != "" && c.Verdict != explain.Met {
			e.text(10, "hint: "+c.Mend)
		}
	}
}

func (e *explainWriter) endings(all []explain.Ending) {
	if len(all) == 0 {
		return
	}
	e.head("What would end it: the same sign-ins after each step")
	rows := [][]string{{"STEP"}}
	for _, w := range all[0].Ways {
		to := w.To
		if to == "" {
			to = "Windows"
		}
		rows[0] = append(rows[0], to)
	}
	rows[0] = append(rows[0], "BY")
	for _, ending := range all {
		row := []string{ending.Step}
		for _, w := range ending.Ways {
			row = append(row, wayText(w))
		}
		rows = append(rows, append(row, ending.How))
	}
	e.table(rows)
	note := "Sessions keep their tickets and tokens to their end."
	if slices.ContainsFunc(all, func(x explain.Ending) bool {
		return slices.ContainsFunc(x.Ways, func(w explain.Way) bool { return w.Next != "" && w.Next != w.Now })
	}) {
		note = "An arrow leads to what follows Connect's next cycle. " + note
	}
	e.text(2, note)
}

func wayText(w explain.Way) string {
	if w.Next == "" || w.Next == w.Now {
		return string(w.Now)
	}
	return string(w.Now) + " → " + string(w.Next)
}
