package ldapmsg

// Filter is a condition on entries (RFC 4511 4.5.1.7): one of And, Or, Not,
// Equal, Substrings, GreaterOrEqual, LessOrEqual, Present, Approx, Extensible.
// String returns its text (RFC 4515), in which values are escaped: a filter
// that is built of these types says what the program meant, whatever a value
// holds.
type Filter interface {
	String() string
	appendText(b []byte) []byte
}

// And holds where all of its filters hold; an empty one always does (RFC 4526).
type And []Filter

// Or holds where one of its filters holds; an empty one never does.
type Or []Filter

// Not holds where its filter is false.
type Not struct{ Filter Filter }

// Equal holds where a value of the attribute equals Value.
type Equal struct {
	Attribute string
	Value     []byte
}

// Substrings holds where a value begins with Initial, ends with Final and has
// the pieces of Any in between, in order. Nil means absent.
type Substrings struct {
	Attribute string
	Initial   []byte
	Any       [][]byte
	Final     []byte
}

// GreaterOrEqual holds where a value is not before Value.
type GreaterOrEqual struct {
	Attribute string
	Value     []byte
}

// LessOrEqual holds where a value is not after Value.
type LessOrEqual struct {
	Attribute string
	Value     []byte
}

// Present holds where the entry has the attribute.
type Present struct{ Attribute string }

// Approx is Equal in a domain (MS-ADTS 3.1.1.3.1.3.1).
type Approx struct {
	Attribute string
	Value     []byte
}

// Extensible is a match by a named rule. Rule or Attribute may be empty, not
// both.
type Extensible struct {
	Rule         string // an OID
	Attribute    string
	Value        []byte
	DNAttributes bool // the attributes of the DN count, too
}

// Matching rules of Active Directory (MS-ADTS 3.1.1.3.4.4).
const (
	RuleBitAnd = "1.2.840.113556.1.4.803"  // all bits of Value are set
	RuleBitOr  = "1.2.840.113556.1.4.804"  // one of them is
	RuleChain  = "1.2.840.113556.1.4.1941" // the value is reached through DNs, at any distance
)

// Bounds of a filter that a client sent. Beyond them it is refused with
// adminLimitExceeded.
const (
	MaxFilterDepth   = 100
	MaxFilterItems   = 4096
	MaxFilterValue   = 64 << 10 // bytes of one value
	MaxFilterPieces  = 256      // of one substring match
	maxFilterText    = 1 << 20
	maxAttributeName = 1 << 10
)

// EqualTo is the filter (attribute=value).
func EqualTo(attribute, value string) Filter { return Equal{attribute, []byte(value)} }
