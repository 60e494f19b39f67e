package providers

import "github.com/zclconf/go-cty/cty"

// Schema describes a kind to the language, the planner and the reference. It
// is read off the In and Out structs' tags:
//
//	UPN      string   `lab:"upn,required,replace" doc:"Sign-in name."`
//	Tenant   Ref      `lab:"tenant,required" ref:"tenant"`
//	MFA      string   `lab:"mfa" default:"totp" enum:"totp,none"`
//	PIN      Secret   `lab:"pin,required,writeonly"`
//	Groups   []Ref    `lab:"groups" ref:"group"`
//	Members  []Ref    `lab:"members,later" ref:"user"`  // set by an Update of its own where users refer back
//	Rules    *Rules   `lab:"pin_complexity,block"`      // at most one nested block
//	Sensors  map[string]*Sensor `lab:"sensor,blocks"`   // sensor "front" { … }, by label
//	Enabled  *bool    `lab:"enabled_in_tenant" default:"true"`
//	Nonce    time.Duration `lab:"nonce" default:"5m"`   // written "5m"
//	ObjectID string   `lab:"object_id,id"`              // Out only: becomes Object.ID
//	Secret   string   `lab:"totp_secret,sensitive"`
//	Status   string   `lab:"status,volatile"`           // only time changes it
//	Secret   string   `lab:"totp_secret" follows:"mfa"` // Out: learned anew when mfa changes
//
// Go types: string, bool, int, float64, time.Duration, Ref, Secret, []T,
// map[string]T of those, pointers to the scalar ones (nil is "not set"),
// cty.Value (any type), pointers to structs tagged "block", and maps of such
// pointers tagged "blocks". A field with a default is never nil after decoding,
// and a map holds no nil. A wrong tag panics in Of: it is a mistake of the
// program.
type Schema struct {
	In      Block
	Out     []Attr
	InType  cty.Type // object of every attribute and block of In; see NestedBlock for those
	OutType cty.Type // object of every attribute of Out
}

// Block is the content of one block: attributes and nested blocks.
type Block struct {
	Attrs  []Attr
	Blocks []NestedBlock
}

// NestedBlock is a block that stands inside another: once, with an object as
// its value that is null when it is absent; or any number of times, with a
// label each and a map of objects by label, which is never null. Labels are
// names (ValidLabel), and no two of them differ only in case.
//
// A label names a thing, so one that comes or goes is never a change of what
// stands in a "replace" attribute inside.
type NestedBlock struct {
	Name     string
	Doc      string
	Required bool // once, or at least once
	Labelled bool
	Block    Block
}

// Attr is one attribute.
type Attr struct {
	Name      string
	Doc       string
	Type      cty.Type  // of the value; cty.String for Ref and Secret, list or map of it for collections
	Default   cty.Value // cty.NilVal when there is none
	Enum      []string  // allowed values of a string (or of each element)
	Ref       []string  // kinds a reference may name; nil for plain values
	Format    Format    // what the type alone does not say
	Nullable  bool      // "not set" differs from the zero value: a pointer, a list, a map
	Required  bool
	Later     bool // In: where references go in a circle, these wait: Create gets null, and an Update sets them
	Replace   bool // a change replaces the object
	Sensitive bool
	WriteOnly bool     // used, never stored or compared
	Volatile  bool     // Out: only time changes it; neither drift nor difference
	ID        bool     // Out: the object's ID
	Follows   []string // Out: attributes of In whose change makes this one unknown until applied
}

// Format narrows an attribute's type.
type Format string

const (
	AnyFormat Format = ""
	Duration  Format = "duration" // string: Go's syntax or whole days, "90s", "1h30m", "14d"
	Integer   Format = "integer"  // number without fraction that fits int
)
