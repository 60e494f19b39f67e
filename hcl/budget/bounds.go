package budget

// Bound is a limit of the language, for the reference.
type Bound struct {
	What  string // of which there may be Limit at most
	Limit int
	Bytes bool // Limit counts bytes
}

// Bounds are the limits of one evaluation.
func Bounds() []Bound {
	return []Bound{
		{"Elements of lists, maps and objects that one evaluation makes", DefaultElements, false},
		{"Text that one evaluation makes", DefaultBytes, true},
		{"Elements that one evaluation looks at without making any", maxWork, false},
		{"Values inside values", maxDepth, false},
		{"Binary exponent of a number", maxExponent, false},
	}
}
