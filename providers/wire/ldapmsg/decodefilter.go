package ldapmsg

// Filter (RFC 4511 4.5.1): a CHOICE of
//
//	[0] and SET OF, [1] or SET OF, [2] not, [3] equalityMatch, [4] substrings,
//	[5] greaterOrEqual, [6] lessOrEqual, [7] present, [8] approxMatch,
//	[9] extensibleMatch
const (
	filterAnd        = classContext | constructed
	filterOr         = classContext | constructed | 1
	filterNot        = classContext | constructed | 2
	filterEqual      = classContext | constructed | 3
	filterSubstrings = classContext | constructed | 4
	filterGreater    = classContext | constructed | 5
	filterLess       = classContext | constructed | 6
	filterPresent    = classContext | 7
	filterApprox     = classContext | constructed | 8
	filterExtensible = classContext | constructed | 9
)

// budget is what is left of a filter's bounds.
type budget struct{ depth, items int }

func newBudget() *budget { return &budget{MaxFilterDepth, MaxFilterItems} }

// enter counts one filter; false: there are too many, or too deep.
func (b *budget) enter() bool {
	b.depth--
	b.items--
	return b.depth >= 0 && b.items >= 0
}

func (b *budget) leave() { b.depth++ }

func tooComplex(format string, args ...any) *Error {
	return Errorf(AdminLimitExceeded, ErrorAdminLimitExceeded, format, args...)
}

// refuse fails with an answer for the client.
func (r *reader) refuse(e *Error) {
	if *r.err == nil {
		*r.err = e
	}
	r.rest = nil
}

func decodeFilter(r *reader) Filter { return newBudget().filter(r) }

func (b *budget) filter(r *reader) Filter {
	if !b.enter() {
		r.refuse(tooComplex("A filter may have %d conditions, %d deep.", MaxFilterItems, MaxFilterDepth))
		return nil
	}
	defer b.leave()
	identifier, contents := r.any()
	in := &reader{contents, r.err}
	switch identifier {
	case filterAnd:
		return And(b.set(in))
	case filterOr:
		return Or(b.set(in))
	case filterNot:
		f := Not{b.filter(in)}
		in.done()
		return f
	case filterEqual:
		a, v := in.assertion()
		return Equal{a, v}
	case filterGreater:
		a, v := in.assertion()
		return GreaterOrEqual{a, v}
	case filterLess:
		a, v := in.assertion()
		return LessOrEqual{a, v}
	case filterApprox:
		a, v := in.assertion()
		return Approx{a, v}
	case filterPresent:
		return Present{r.name(contents)}
	case filterSubstrings:
		return in.substrings()
	case filterExtensible:
		return in.extensible()
	}
	r.fail("0x%02x is not a filter", identifier)
	return nil
}

func (b *budget) set(r *reader) []Filter {
	list := []Filter{}
	for r.more() {
		list = append(list, b.filter(r))
	}
	return list
}

// value bounds a value that was taken.
func (r *reader) value(contents []byte) []byte {
	if len(contents) > MaxFilterValue {
		r.refuse(tooComplex("A value of a filter may have %d bytes.", MaxFilterValue))
		return nil
	}
	return contents
}

func (r *reader) assertion() (attribute string, value []byte) {
	attribute, value = r.name(r.octets()), r.value(r.octets())
	r.done()
	return attribute, value
}

// substrings takes SEQUENCE { type, SEQUENCE OF CHOICE { [0] initial, [1] any,
// [2] final } }: initial first, final last, each at most once, none empty.
func (r *reader) substrings() Filter {
	f := Substrings{Attribute: r.name(r.octets())}
	list := r.enter(tagSequence)
	r.done()
	if !list.more() {
		r.fail("a substring match without a piece")
	}
	for i := 0; list.more(); i++ {
		if i == MaxFilterPieces {
			r.refuse(tooComplex("A substring match may have %d pieces.", MaxFilterPieces))
			break
		}
		identifier, contents := list.any()
		piece := list.value(contents)
		switch {
		case *r.err != nil:
		case len(piece) == 0:
			list.fail("an empty piece of a substring match")
		case identifier == classContext && i == 0:
			f.Initial = piece
		case identifier == classContext|1:
			f.Any = append(f.Any, piece)
		case identifier == classContext|2 && !list.more():
			f.Final = piece
		default:
			list.fail("0x%02x at place %d of a substring match", identifier, i)
		}
	}
	return f
}

// extensible takes SEQUENCE { [1] rule OPTIONAL, [2] type OPTIONAL, [3] value,
// [4] dnAttributes DEFAULT FALSE }.
func (r *reader) extensible() Filter {
	var f Extensible
	if b, ok := r.optional(classContext | 1); ok {
		f.Rule = r.name(b)
	}
	if b, ok := r.optional(classContext | 2); ok {
		f.Attribute = r.name(b)
	}
	f.Value = r.value(r.take(classContext | 3))
	if b, ok := r.optional(classContext | 4); ok {
		f.DNAttributes = r.boolean(b)
	}
	r.done()
	if f.Rule == "" && f.Attribute == "" {
		r.fail("an extensible match without rule and attribute")
	}
	return f
}
