package reference

import (
	"strings"

	"hellolab/providers"
)

// Faults renders the kinds of faults: of what, with which arguments, what is
// broken.
func Faults(r *providers.Registry) string {
	var rows [][]string
	for _, f := range r.Faults() {
		of := "anything that is changed in place"
		if f.Targets != nil {
			of = list(f.Targets, "or")
		}
		var args []string
		for _, p := range f.Params {
			name := code(p.Name)
			if !p.Required {
				name += " (optional)"
			}
			args = append(args, name+": "+strings.TrimSuffix(p.Doc, "."))
		}
		doc := f.Doc
		if f.Lasting {
			doc += " Lasts."
		}
		rows = append(rows, []string{code(f.Name), of, doc, strings.Join(args, "; ")})
	}
	return Table([]string{"Kind", "Of", "What is broken", "Arguments"}, rows)
}

// Table renders a table.
func Table(head []string, rows [][]string) string {
	var p page
	p.table(head, rows)
	return p.String()
}
