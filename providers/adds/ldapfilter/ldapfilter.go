// Package ldapfilter decides whether a search filter holds for an entry (RFC
// 4511 4.5.1.7, MS-ADTS 3.1.1.3.1.3.1). It knows how values of each syntax of
// Active Directory compare, and nothing of a directory: schema and entries come
// from the caller. It is pure; a filter is compiled once for all entries.
package ldapfilter

import (
	"strings"

	"hellolab/providers/wire/ldapmsg"
)

// Truth is what a filter says of an entry.
type Truth uint8

const (
	False Truth = iota
	True
	Undefined // an attribute that no schema knows, a value of a wrong form, a rule that does not fit
)

// Attribute is what the schema says of an attribute.
type Attribute struct {
	Name   string // as the schema spells it: what Entry.Values is asked for
	Syntax Syntax

	// Rewrite, where set, turns the value of a filter into that to look for: a
	// class's name into the DN of an objectCategory, "<SID=…>" into a DN. False:
	// there is none, and the comparison is False.
	Rewrite func(value []byte) ([]byte, bool)
}

// Schema tells attributes by name or OID, in any letter case, without options.
type Schema interface {
	Attribute(name string) (Attribute, bool)
}

// Linker is a Schema that can follow links: it says whether target is among
// values, or among the same attribute's values of the objects they name, at any
// distance (RuleChain). Without it such a match is Undefined.
type Linker interface {
	Linked(attribute string, values [][]byte, target []byte) bool
}

// Entry is asked for the values of an attribute; nil: it has none.
type Entry interface {
	Values(name string) [][]byte
}

// Attributes makes a function an Entry.
type Attributes func(name string) [][]byte

// Values calls f.
func (f Attributes) Values(name string) [][]byte { return f(name) }

// Matcher is a compiled filter. It may be used by many goroutines if schema and
// entries may.
type Matcher struct{ eval func(Entry) Truth }

// Match says whether the filter holds for e: it is in the result where True.
func (m *Matcher) Match(e Entry) Truth { return m.eval(e) }

// Compile prepares a filter. What cannot be decided is not an error but
// Undefined, as a server must take it.
func Compile(f ldapmsg.Filter, schema Schema) *Matcher {
	return &Matcher{compile(f, schema)}
}

func constant(t Truth) func(Entry) Truth { return func(Entry) Truth { return t } }

func compile(f ldapmsg.Filter, schema Schema) func(Entry) Truth {
	switch f := f.(type) {
	case ldapmsg.And:
		return and(compileAll(f, schema))
	case ldapmsg.Or:
		return or(compileAll(f, schema))
	case ldapmsg.Not:
		return not(compile(f.Filter, schema))
	case ldapmsg.Present:
		a, ok := find(schema, f.Attribute)
		if !ok {
			return constant(Undefined)
		}
		return func(e Entry) Truth { return truth(len(e.Values(a.Name)) > 0) }
	case ldapmsg.Equal:
		return equal(f.Attribute, f.Value, schema)
	case ldapmsg.Approx:
		return equal(f.Attribute, f.Value, schema)
	case ldapmsg.GreaterOrEqual:
		return order(f.Attribute, f.Value, schema, func(c int) bool { return c >= 0 })
	case ldapmsg.LessOrEqual:
		return order(f.Attribute, f.Value, schema, func(c int) bool { return c <= 0 })
	case ldapmsg.Substrings:
		return substrings(f, schema)
	case ldapmsg.Extensible:
		return extensible(f, schema)
	}
	return constant(Undefined)
}

func compileAll(list []ldapmsg.Filter, schema Schema) []func(Entry) Truth {
	out := make([]func(Entry) Truth, len(list))
	for i, f := range list {
		out[i] = compile(f, schema)
	}
	return out
}

func and(list []func(Entry) Truth) func(Entry) Truth {
	return func(e Entry) Truth {
		t := True
		for _, f := range list {
			switch f(e) {
			case False:
				return False
			case Undefined:
				t = Undefined
			}
		}
		return t
	}
}

func or(list []func(Entry) Truth) func(Entry) Truth {
	return func(e Entry) Truth {
		t := False
		for _, f := range list {
			switch f(e) {
			case True:
				return True
			case Undefined:
				t = Undefined
			}
		}
		return t
	}
}

func not(f func(Entry) Truth) func(Entry) Truth {
	return func(e Entry) Truth {
		switch f(e) {
		case True:
			return False
		case False:
			return True
		}
		return Undefined
	}
}

func truth(b bool) Truth {
	if b {
		return True
	}
	return False
}

// find looks an attribute description up. The option binary says how values are
// sent, and nothing here; others name nothing that a domain has.
func find(schema Schema, description string) (Attribute, bool) {
	name, options, _ := strings.Cut(description, ";")
	if options != "" && !strings.EqualFold(options, "binary") {
		return Attribute{}, false
	}
	return schema.Attribute(name)
}

// some holds where one of an attribute's values does.
func some(a Attribute, holds func(value []byte) bool) func(Entry) Truth {
	return func(e Entry) Truth {
		for _, v := range e.Values(a.Name) {
			if holds(v) {
				return True
			}
		}
		return False
	}
}

func equal(description string, value []byte, schema Schema) func(Entry) Truth {
	a, ok := find(schema, description)
	if !ok {
		return constant(Undefined)
	}
	if a.Rewrite != nil {
		if value, ok = a.Rewrite(value); !ok {
			return constant(False)
		}
	}
	want, ok := a.Syntax.Key(value)
	if !ok {
		return constant(Undefined)
	}
	return some(a, func(v []byte) bool {
		got, ok := a.Syntax.Key(v)
		return ok && got == want
	})
}

func order(description string, value []byte, schema Schema, holds func(int) bool) func(Entry) Truth {
	a, ok := find(schema, description)
	if !ok {
		return constant(Undefined)
	}
	if _, ok := a.Syntax.Compare(value, value); !ok {
		return constant(Undefined)
	}
	return some(a, func(v []byte) bool {
		c, ok := a.Syntax.Compare(v, value)
		return ok && holds(c)
	})
}

func substrings(f ldapmsg.Substrings, schema Schema) func(Entry) Truth {
	a, ok := find(schema, f.Attribute)
	if !ok || !a.Syntax.pieces() {
		return constant(Undefined)
	}
	initial, final := a.Syntax.letters(f.Initial), a.Syntax.letters(f.Final)
	any := make([]string, len(f.Any))
	for i, piece := range f.Any {
		any[i] = a.Syntax.letters(piece)
	}
	return some(a, func(v []byte) bool {
		rest, ok := strings.CutPrefix(a.Syntax.letters(v), initial)
		if !ok {
			return false
		}
		for _, piece := range any {
			if _, rest, ok = strings.Cut(rest, piece); !ok {
				return false
			}
		}
		return strings.HasSuffix(rest, final)
	})
}

// extensible serves the rules of Active Directory; without a rule it is an
// equality. The attributes of the DN are among an entry's own in a domain, and
// asking for them changes nothing.
func extensible(f ldapmsg.Extensible, schema Schema) func(Entry) Truth {
	if f.Rule == "" {
		return equal(f.Attribute, f.Value, schema)
	}
	a, ok := find(schema, f.Attribute)
	if !ok {
		return constant(Undefined)
	}
	switch f.Rule {
	case ldapmsg.RuleBitAnd, ldapmsg.RuleBitOr:
		mask, ok := integer(f.Value)
		if !ok || a.Syntax != Integer {
			return constant(Undefined)
		}
		return some(a, func(value []byte) bool {
			v, ok := integer(value)
			if f.Rule == ldapmsg.RuleBitAnd {
				return ok && v&mask == mask
			}
			return ok && v&mask != 0
		})
	case ldapmsg.RuleChain:
		linker, ok := schema.(Linker)
		if !ok || (a.Syntax != DistinguishedName && a.Syntax != DNBinary) {
			return constant(Undefined)
		}
		target := f.Value
		if a.Rewrite != nil {
			if target, ok = a.Rewrite(target); !ok {
				return constant(False)
			}
		}
		if _, ok := DistinguishedName.Key(target); !ok {
			return constant(Undefined)
		}
		return func(e Entry) Truth {
			values := e.Values(a.Name)
			return truth(len(values) > 0 && linker.Linked(a.Name, values, target))
		}
	}
	return constant(Undefined)
}
