package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"hellolab/hcl/eval"
	"hellolab/providers"
)

// PathString prints a path as the language would write it:
// pin_complexity.digits, members[0], labels["site"].
func PathString(p cty.Path) string {
	var b strings.Builder
	for _, step := range p {
		switch s := step.(type) {
		case cty.GetAttrStep:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s.Name)
		case cty.IndexStep:
			switch {
			case s.Key.Type() == cty.String && s.Key.IsKnown() && !s.Key.IsNull():
				fmt.Fprintf(&b, "[%s]", strconv.Quote(s.Key.AsString()))
			case s.Key.Type() == cty.Number && s.Key.IsKnown() && !s.Key.IsNull():
				fmt.Fprintf(&b, "[%s]", s.Key.AsBigFloat().Text('f', -1))
			default:
				return b.String() // an element of a set has no name: the set stands for it
			}
		}
	}
	return b.String()
}

// ParsePath reads what PathString prints.
func ParsePath(s string) (cty.Path, error) {
	var p cty.Path
	for rest := s; rest != ""; {
		switch {
		case rest[0] == '[':
			if quoted, err := strconv.QuotedPrefix(rest[1:]); err == nil {
				key, err := strconv.Unquote(quoted)
				if err != nil {
					return nil, fmt.Errorf("path %q: %w", s, err)
				}
				p, rest = p.Index(cty.StringVal(key)), rest[1+len(quoted):]
			} else {
				digits, _, _ := strings.Cut(rest[1:], "]")
				n, err := strconv.Atoi(digits)
				if err != nil {
					return nil, fmt.Errorf("path %q: %w", s, err)
				}
				p, rest = p.IndexInt(n), rest[1+len(digits):]
			}
			after, ok := strings.CutPrefix(rest, "]")
			if !ok {
				return nil, fmt.Errorf("path %q: a bracket is not closed", s)
			}
			rest = after
		default:
			if len(p) > 0 {
				after, ok := strings.CutPrefix(rest, ".")
				if !ok {
					return nil, fmt.Errorf("path %q: a dot is missing", s)
				}
				rest = after
			}
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			if end == 0 {
				return nil, fmt.Errorf("path %q: a name is missing", s)
			}
			p, rest = p.GetAttr(rest[:end]), rest[end:]
		}
	}
	return p, nil
}

// unmark takes the marks off a value and returns the paths of those that say
// sensitive. A mark inside a set counts for the set.
func unmark(v cty.Value) (cty.Value, []cty.Path) {
	if !v.ContainsMarked() {
		return v, nil
	}
	v, marked := v.UnmarkDeepWithPaths()
	var paths []cty.Path
	for _, m := range marked {
		if m.Marks.Has(eval.Sensitive) {
			paths = append(paths, m.Path)
		}
	}
	return v, sortPaths(paths)
}

// sortPaths orders paths as printed and drops those that another one covers.
func sortPaths(paths []cty.Path) []cty.Path {
	slices.SortFunc(paths, func(a, b cty.Path) int { return strings.Compare(PathString(a), PathString(b)) })
	var kept []cty.Path
	for _, p := range paths {
		if !slices.ContainsFunc(kept, p.HasPrefix) {
			kept = append(kept, p)
		}
	}
	return kept
}

// samePaths compares two sorted lists.
func samePaths(a, b []cty.Path) bool {
	return slices.EqualFunc(a, b, func(x, y cty.Path) bool { return PathString(x) == PathString(y) })
}

// SensitivePaths returns the paths of v, an object of kind t, In and Out
// together, that are never shown: those marked by the configuration and those
// the kind's schema declares.
func SensitivePaths(t *providers.Type, v cty.Value, marked []cty.Path) []cty.Path {
	paths := slices.Clone(marked)
	var body func(b *providers.Block, v cty.Value, at cty.Path)
	body = func(b *providers.Block, v cty.Value, at cty.Path) {
		for i := range b.Attrs {
			if b.Attrs[i].Sensitive || b.Attrs[i].WriteOnly {
				paths = append(paths, at.GetAttr(b.Attrs[i].Name))
			}
		}
		for i := range b.Blocks {
			n := &b.Blocks[i]
			if n.Labelled && !isObject(v) {
				continue
			}
			nested := cty.NullVal(n.Type())
			if isObject(v) {
				nested = v.GetAttr(n.Name)
			}
			for _, label := range n.Labels(nested) {
				body(&n.Block, n.Body(nested, label), n.At(at, label))
			}
		}
	}
	body(&t.Schema.In, v, nil)
	for i := range t.Schema.Out {
		a := &t.Schema.Out[i]
		// What can hold any value may repeat what was asked.
		if a.Sensitive || len(marked) > 0 && a.Type == cty.DynamicPseudoType {
			paths = append(paths, cty.GetAttrPath(a.Name))
		}
	}
	return sortPaths(paths)
}
