package inspect

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"hellolab/cmd/hellolab/internal/view"
)

// maxShown bounds the characters of one value in text; JSON has all of it.
const maxShown = 600

// Text writes a tree for a person, a level two blanks deeper than the one
// above. Everything that came from the input passes through view.Escape.
func Text(w io.Writer, n *Node, style view.Style) error {
	t := text{style: style}
	t.node("", n)
	_, err := io.WriteString(w, t.b.String())
	return err
}

type text struct {
	b     strings.Builder
	style view.Style
}

func (t *text) node(indent string, n *Node) {
	t.b.WriteString(view.Bold(t.style, view.Escape(n.Title)) + "\n")
	t.fields(indent+"  ", n.Fields)
}

func (t *text) fields(indent string, f Fields) {
	for _, field := range f {
		t.b.WriteString(indent + view.Escape(field.Name) + ":")
		t.value(indent, field.Value, field.Note)
	}
}

// value writes what stands behind "name:" or "-".
func (t *text) value(indent string, value any, note string) {
	if note != "" {
		note = " (" + view.Escape(note) + ")"
	}
	switch v := value.(type) {
	case *Node:
		t.b.WriteByte(' ')
		t.node(indent, v)
	case Fields:
		if len(v) == 0 {
			t.b.WriteString(" {}" + note + "\n")
			return
		}
		t.b.WriteString(note + "\n")
		t.fields(indent+"  ", v)
	case []any:
		if len(v) == 0 {
			t.b.WriteString(" []" + note + "\n")
			return
		}
		if plain(v) {
			parts := make([]string, len(v))
			for i := range v {
				parts[i] = scalar(v[i])
			}
			t.b.WriteString(" " + strings.Join(parts, ", ") + note + "\n")
			return
		}
		t.b.WriteString(note + "\n")
		for _, e := range v {
			t.b.WriteString(indent + "  -")
			if f, ok := e.(Fields); ok && len(f) > 0 { // the first stands behind the dash
				t.b.WriteString(" " + view.Escape(f[0].Name) + ":")
				t.value(indent+"    ", f[0].Value, f[0].Note)
				t.fields(indent+"    ", f[1:])
				continue
			}
			t.value(indent+"    ", e, "")
		}
	default:
		t.b.WriteString(" " + scalar(v) + note + "\n")
	}
}

// plain says whether a list fits on a line.
func plain(list []any) bool {
	for _, e := range list {
		switch e.(type) {
		case *Node, Fields, []any:
			return false
		}
	}
	return true
}

func scalar(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		s := view.Escape(v)
		if n := utf8.RuneCountInString(s); n > maxShown {
			s = fmt.Sprintf("%s… (%d characters)", string([]rune(s)[:maxShown]), n)
		}
		return s
	}
	return view.Escape(fmt.Sprint(v))
}
