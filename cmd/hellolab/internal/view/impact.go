package view

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"hellolab/engine/impact"
	"hellolab/providers"
)

// Impact writes what a plan does to sign-ins: a line that counts, and, unless
// that is all that is wanted, the rows that change.
func Impact(w io.Writer, r *impact.Report, summary bool, style Style) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s %s\n", style.paint(bold, "Sign-in impact:"), Headline(r, summary))
	if !summary {
		names := namesOf(r)
		rows := changedRows(r)
		if len(rows) > 0 {
			b.WriteByte('\n')
			table(&b, append([][]string{{"USER", "DEVICE", "TO", "NOW", "AFTER", "WHEN", "WHY"}}, cells(rows, r, names)...), style)
		}
	}
	gaps(&b, r.Gaps, "\nThe preview also says, or cannot know:\n\n", "  - ", Escape)
	_, err := io.WriteString(w, b.String())
	return err
}

// Headline is a report in a sentence, with the sign-ins counted, or without.
func Headline(r *impact.Report, counts bool) string {
	s := fmt.Sprintf("%d of %s change%s", r.Changed, Count(r.Enrollments, "enrollment"), ending(r.Changed == 1))
	if r.Changed == 0 {
		s = fmt.Sprintf("none of %s changes", Count(r.Enrollments, "enrollment"))
	}
	if ahead := r.At.Sub(r.Now); ahead > 0 {
		s += fmt.Sprintf(" by %s (in %s)", r.At.UTC().Format("2006-01-02 15:04"), providers.FormatDuration(ahead.Round(time.Second)))
	}
	if counts && r.Lost+r.Won > 0 {
		s += fmt.Sprintf("; %s lost, %d gained", Count(r.Lost, "sign-in"), r.Won)
	}
	if r.Undecided > 0 {
		s += fmt.Sprintf("; %d cannot be decided", r.Undecided)
	}
	return s + "."
}

func ending(one bool) string {
	if one {
		return "s"
	}
	return ""
}

// gaps lists what a preview says besides. plain makes text of an entry harmless.
func gaps(b *strings.Builder, list []string, head, bullet string, plain func(string) string) {
	if len(list) == 0 {
		return
	}
	b.WriteString(head)
	const most = 20
	for _, g := range list[:min(len(list), most)] {
		fmt.Fprintf(b, "%s%s\n", bullet, plain(g))
	}
	if more := len(list) - most; more > 0 {
		fmt.Fprintf(b, "%sand %d more\n", bullet, more)
	}
}

func changedRows(r *impact.Report) []impact.Row {
	return slices.DeleteFunc(slices.Clone(r.Rows), func(row impact.Row) bool { return row.Effect == impact.Unchanged })
}

// cells are the rows of the table.
func cells(rows []impact.Row, r *impact.Report, names names) [][]string {
	var out [][]string
	for _, row := range rows {
		after := afterWord(row.After)
		if !row.EveryWay {
			after += " by " + strings.Join(row.Gestures, ", ")
		}
		out = append(out, []string{
			names.list(row.Users(), "user"), names.list(row.Devices(), "device"), names.targets(row.To),
			nowWord(row.Before), after, when(row, r.At), why(row),
		})
	}
	return out
}

// nowWord is how a sign-in ends today.
func nowWord(v impact.Verdict) string {
	switch v.Word {
	case "none":
		return "-"
	case "at_risk":
		return "at risk"
	}
	return v.Word
}

// doing is what people have to do, as part of a line.
var doing = map[string]string{
	"change_pin": "change PIN", "wait_sync": "wait for sync", "needs_dc_line_of_sight": "go on site", "use_pin": "use the PIN", "other_network": "use another network",
	"reprovision": "provision anew", "change_password": "change password", "enroll": "provision",
}

// afterWord is how a sign-in will end, and what there is to do.
func afterWord(v impact.Verdict) string {
	todo := doing[v.Action]
	switch {
	case v.Word == "none":
		return "-"
	case v.Word == "allowed" && todo != "":
		return todo
	case v.Word == "refused" && v.Action == "wait_sync":
		return todo
	case v.Word == "refused" && todo != "":
		return "refused: " + todo
	}
	return nowWord(v)
}

// moments are the times at which a verdict begins to hold.
var moments = map[string]string{
	"immediate": "at once", "next_signin": "next sign-in", "next_pin_signin": "next PIN sign-in", "next_unlock": "next unlock",
	"next_token": "next token", "next_sync": "next sync", "tgt_expiry": "next ticket", "prt_renewal": "next sign-in or renewal",
	"next_provisioning": "next provisioning",
}

func when(row impact.Row, now time.Time) string {
	v := row.After
	switch {
	case v.Word == "none":
		return "at once"
	case v.When == "next_sync" && !v.At.IsZero():
		return fmt.Sprintf("next sync, in %s", providers.FormatDuration(max(0, v.At.Sub(now)).Round(time.Minute)))
	case !v.At.IsZero():
		return "since " + v.At.UTC().Format("2006-01-02")
	case v.When == "next_sync" && v.Action == "admin_fix":
		return "until mended"
	}
	return moments[v.When]
}

// why is the reason, the row of the table of effects or the phase, and the
// confidence.
func why(row impact.Row) string {
	v := row.After
	text, about := v.Sentence, row.After
	switch {
	case v.Word == "none":
		text = "credential goes"
	case row.Before.Word == "none" && v.Works() && v.Action == "":
		text = "Hello is provisioned"
	case v.Works() && v.Reason == "success":
		text, about = "no longer: "+clause(row.Before.Sentence), row.Before
	}
	if v.Grace {
		text = strings.TrimSuffix(text, ".") + "; off the network a cached logon still opens Windows"
	}
	var marks []string
	if about.Rule != "" {
		marks = append(marks, about.Rule)
	}
	if about.Flow != "" && about.Phase != "" {
		marks = append(marks, about.Flow+"."+about.Phase)
	}
	if about.Reason != "success" && !about.Works() && about.Word != "none" {
		marks = append(marks, about.Reason)
	}
	return Escape(clause(text)) + " (" + strings.Join(append(marks, about.Confidence), ", ") + ")"
}

// clause is a sentence as part of a line.
func clause(s string) string {
	s = strings.TrimPrefix(strings.TrimSuffix(s, "."), "The ")
	if len(s) > 1 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'a' && s[1] <= 'z' && !strings.HasPrefix(s, "Windows") && !strings.HasPrefix(s, "Hello") && !strings.HasPrefix(s, "Connect") {
		s = string(s[0]|0x20) + s[1:]
	}
	return s
}

// names shortens addresses: without their kind, where that leaves no doubt.
type names map[string]string

func namesOf(r *impact.Report) names {
	n, taken := names{"": "Windows", "unlock": "unlock"}, map[string]string{}
	for _, row := range r.Rows {
		for _, addr := range slices.Concat(row.Users(), row.Devices(), row.To) {
			if addr == "" || n[addr] != "" {
				continue
			}
			kind, short := shortened(addr)
			key := group(kind) + short
			if other, ok := taken[key]; ok {
				n[addr], n[other] = addr, other
				continue
			}
			n[addr], taken[key] = short, addr
		}
	}
	return n
}

// group keeps apart what stands in different columns.
func group(kind string) string {
	if kind == "user" || kind == "device" {
		return kind + "."
	}
	return "to."
}

// shortened takes the kind out of an address: module.hq.user.alice is hq.alice.
func shortened(addr string) (kind, short string) {
	var modules []string
	rest := addr
	for strings.HasPrefix(rest, "module.") {
		name, after, _ := strings.Cut(strings.TrimPrefix(rest, "module."), ".")
		modules, rest = append(modules, name), after
	}
	kind, name, _ := strings.Cut(rest, ".")
	return kind, strings.Join(append(modules, name), ".")
}

// most is how many names a cell has.
const most = 3

func (n names) list(addrs []string, what string) string {
	if len(addrs) > most {
		return fmt.Sprintf("%s and %d more", Escape(n[addrs[0]]), len(addrs)-1)
	}
	out := make([]string, len(addrs))
	for i, a := range addrs {
		out[i] = Escape(n[a])
	}
	return strings.Join(out, ", ")
}

// targets leave Windows out where something else is there, which needs it.
func (n names) targets(to []string) string {
	if len(to) > 1 {
		to = slices.DeleteFunc(slices.Clone(to), func(t string) bool { return t == "" })
	}
	return n.list(to, "target")
}

// table writes rows in columns; the first is their heads.
func table(b *strings.Builder, rows [][]string, style Style) {
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, c := range row {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	for n, row := range rows {
		line := "  "
		for i, c := range row {
			if i == len(row)-1 {
				line += c
				break
			}
			line += c + strings.Repeat(" ", width[i]-utf8.RuneCountInString(c)+2)
		}
		if n == 0 {
			line = style.paint(bold, line)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

// impactMarkdown writes a report as a table for a pull request.
func impactMarkdown(b *strings.Builder, r *impact.Report) {
	fmt.Fprintf(b, "### Sign-in impact: %s\n", mdEscape(Headline(r, true)))
	names := namesOf(r)
	if rows := changedRows(r); len(rows) > 0 {
		b.WriteString("\n| User | Device | To | Now | After | When | Why |\n|---|---|---|---|---|---|---|\n")
		for _, row := range cells(rows, r, names) {
			for _, c := range row {
				b.WriteString("| " + mdEscape(c) + " ")
			}
			b.WriteString("|\n")
		}
	}
	gaps(b, r.Gaps, "\nThe preview also says, or cannot know:\n\n", "- ", func(text string) string { return mdEscape(Escape(text)) })
}

// mdEscape keeps text from being read as Markdown.
func mdEscape(s string) string {
	var b strings.Builder
	for _, c := range s {
		if strings.ContainsRune("\\`*_[]<>#|", c) {
			b.WriteByte('\\')
		}
		b.WriteRune(c)
	}
	return b.String()
}
