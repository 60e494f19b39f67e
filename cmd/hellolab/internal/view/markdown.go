package view

import (
	"fmt"
	"io"
	"strings"

	"hellolab/engine/impact"
	"hellolab/engine/plan"
	"hellolab/providers"
)

// PlanMarkdown writes a plan, and what it does to sign-ins, as a comment on a
// pull request: impact first, for that is what the reader decides by, and the
// changes folded away.
func PlanMarkdown(w io.Writer, p *plan.Plan, r *impact.Report, registry *providers.Registry) error {
	var b strings.Builder
	title := "No changes."
	if !p.Empty() {
		title = CountActions(p).Plan()
	}
	fmt.Fprintf(&b, "## hellolab plan: %s\n\n", title)
	if r != nil {
		impactMarkdown(&b, r)
		b.WriteByte('\n')
	}
	if !p.Empty() || len(p.Drift) > 0 {
		var text strings.Builder
		if err := Plan(&text, p, PlanOptions{Registry: registry}); err != nil {
			return err
		}
		fence := "```"
		for strings.Contains(text.String(), fence) {
			fence += "`"
		}
		fmt.Fprintf(&b, "<details><summary>Changes</summary>\n\n%sdiff\n%s%s\n\n</details>\n", fence, marked(text.String()), fence)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// marked moves the symbol of each line to its beginning, where a diff has it.
func marked(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, l := range lines {
		body := strings.TrimLeft(l, " ")
		indent := len(l) - len(body)
		for _, symbol := range []struct{ from, to string }{{"-/+ ", "-"}, {"+ ", "+"}, {"- ", "-"}, {"~ ", "!"}} {
			if rest, ok := strings.CutPrefix(body, symbol.from); ok && indent > 0 {
				lines[i] = symbol.to + strings.Repeat(" ", indent+len(symbol.from)-1) + rest
				break
			}
		}
	}
	return strings.Join(lines, "\n") + "\n"
}
