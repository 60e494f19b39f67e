package ldapmsg

func (f And) String() string            { return string(f.appendText(nil)) }
func (f Or) String() string             { return string(f.appendText(nil)) }
func (f Not) String() string            { return string(f.appendText(nil)) }
func (f Equal) String() string          { return string(f.appendText(nil)) }
func (f Substrings) String() string     { return string(f.appendText(nil)) }
func (f GreaterOrEqual) String() string { return string(f.appendText(nil)) }
func (f LessOrEqual) String() string    { return string(f.appendText(nil)) }
func (f Present) String() string        { return string(f.appendText(nil)) }
func (f Approx) String() string         { return string(f.appendText(nil)) }
func (f Extensible) String() string     { return string(f.appendText(nil)) }

func (f And) appendText(b []byte) []byte { return appendSet(b, '&', f) }
func (f Or) appendText(b []byte) []byte  { return appendSet(b, '|', f) }

func appendSet(b []byte, op byte, set []Filter) []byte {
	b = append(b, '(', op)
	for _, f := range set {
		b = f.appendText(b)
	}
	return append(b, ')')
}

func (f Not) appendText(b []byte) []byte { return append(f.Filter.appendText(append(b, "(!"...)), ')') }

func (f Equal) appendText(b []byte) []byte { return appendItem(b, f.Attribute, "=", f.Value) }
func (f GreaterOrEqual) appendText(b []byte) []byte {
	return appendItem(b, f.Attribute, ">=", f.Value)
}
func (f LessOrEqual) appendText(b []byte) []byte { return appendItem(b, f.Attribute, "<=", f.Value) }
func (f Approx) appendText(b []byte) []byte      { return appendItem(b, f.Attribute, "~=", f.Value) }

func (f Present) appendText(b []byte) []byte {
	return append(appendName(append(b, '('), f.Attribute), "=*)"...)
}

func (f Substrings) appendText(b []byte) []byte {
	b = append(appendName(append(b, '('), f.Attribute), '=')
	b = append(appendValue(b, f.Initial), '*')
	for _, piece := range f.Any {
		b = append(appendValue(b, piece), '*')
	}
	return append(appendValue(b, f.Final), ')')
}

func (f Extensible) appendText(b []byte) []byte {
	b = appendName(append(b, '('), f.Attribute)
	if f.DNAttributes {
		b = append(b, ":dn"...)
	}
	if f.Rule != "" {
		b = appendName(append(b, ':'), f.Rule)
	}
	return append(appendValue(append(b, ":="...), f.Value), ')')
}

func appendItem(b []byte, attribute, op string, value []byte) []byte {
	b = appendName(append(b, '('), attribute)
	return append(appendValue(append(b, op...), value), ')')
}

// appendName writes an attribute description or a rule. What cannot be in one
// is escaped, which no parser takes there: a name from outside cannot become
// another filter.
func appendName(b []byte, name string) []byte {
	for i := range len(name) {
		if c := name[i]; nameChar(c) {
			b = append(b, c)
		} else {
			b = appendEscape(b, c)
		}
	}
	return b
}

// nameChar says whether c may be in an attribute description with options.
func nameChar(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	return c == '-' || c == '.' || c == ';' || c == '_'
}

// appendValue writes a value. Everything but plain printable ASCII is escaped:
// parentheses, star, backslash and NUL must be, and bytes that are not text
// stay what they are.
func appendValue(b, value []byte) []byte {
	for _, c := range value {
		if c < ' ' || c > '~' || c == '(' || c == ')' || c == '*' || c == '\\' {
			b = appendEscape(b, c)
		} else {
			b = append(b, c)
		}
	}
	return b
}

func appendEscape(b []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	return append(b, '\\', hex[c>>4], hex[c&15])
}
