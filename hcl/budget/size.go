package budget

import (
	"github.com/zclconf/go-cty/cty"
)

// Value pays for a value: one element for each of its leaves and collections,
// and the bytes of its strings. A value that was built by sharing (a list of
// twice the same list, and so on) costs what it is when written out.
func (m *Meter) Value(v cty.Value) error {
	w := walker{elements: m.limits.Elements, bytes: m.limits.Bytes}
	w.walk(v, 0)
	if w.err != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.spent == nil {
			return m.end(w.err.What)
		}
		return m.spent
	}
	return m.charge(w.seen, w.text, 0)
}

// Look pays for looking at all of v.
func (m *Meter) Look(v cty.Value) error { return m.look(v, 1) }

// Compare pays for comparing v with another value, or finding a type for both:
// cty looks at each part once for each level that it is deep.
func (m *Meter) Compare(v cty.Value) error { return m.look(v, 2) }

func (m *Meter) look(v cty.Value, times int) error {
	if v.Type() == cty.String {
		if s, _ := v.Unmark(); s.IsKnown() && !s.IsNull() {
			return m.Work(1 + len(s.AsString())/256)
		}
	}
	if v.Type().IsPrimitiveType() {
		return m.Work(1)
	}
	w := walker{elements: m.limits.Elements, bytes: int(^uint(0) >> 1)}
	w.walk(v, 0)
	if w.err != nil {
		return m.Value(v)
	}
	if times > 1 {
		times *= 1 + w.deepest
	}
	return m.Work(w.seen*times + w.text/256)
}

type walker struct {
	elements, bytes int // limits
	seen, text      int
	deepest         int
	err             *Exceeded
}

// maxDepth bounds how deep values nest: cty and encoders recurse on them.
const maxDepth = 1000

func (w *walker) walk(v cty.Value, depth int) {
	if w.seen++; w.seen > w.elements {
		w.err = &Exceeded{"A value holds more than " + group(w.elements) + " elements."}
	} else if depth > maxDepth {
		w.err = &Exceeded{"A value is nested more than " + group(maxDepth) + " deep."}
	}
	if w.err != nil {
		return
	}
	w.deepest = max(w.deepest, depth)
	v, _ = v.Unmark()
	if !v.IsKnown() || v.IsNull() {
		return
	}
	switch ty := v.Type(); {
	case ty == cty.String:
		if w.text += len(v.AsString()); w.text > w.bytes {
			w.err = &Exceeded{"A value holds more than " + group(w.bytes) + " bytes of text."}
		}
	case ty == cty.Number:
		w.err = number(v)
	case ty.IsPrimitiveType() || ty.IsCapsuleType():
	default:
		for it := v.ElementIterator(); it.Next() && w.err == nil; {
			_, e := it.Element()
			w.walk(e, depth+1)
		}
	}
}

// number refuses numbers that take too many digits to write.
func number(v cty.Value) *Exceeded {
	f := v.AsBigFloat()
	if exp := f.MantExp(nil); f.IsInf() || exp > maxExponent || exp < -maxExponent {
		return &Exceeded{"A number is too large or too small to be written out."}
	}
	return nil
}
