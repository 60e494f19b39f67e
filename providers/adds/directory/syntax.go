package directory

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/sid"
)

// maxValue bounds one value, in bytes: AD's bound of a row of its database.
const maxValue = 5 << 20

// generalizedTime is how a directory writes time (RFC 4517 3.3.13), to the
// second.
const generalizedTime = "20060102150405.0Z"

var errSyntax = errors.New("value is not of the attribute's syntax")

// normal checks a value and returns it in the one form that equal values of a
// syntax share: two values are equal when their forms are.
func (s *Syntax) normal(value []byte) ([]byte, error) {
	if len(value) > maxValue {
		return nil, errSyntax
	}
	switch s {
	case Unicode, OID:
		if len(value) == 0 || !utf8.Valid(value) {
			return nil, errSyntax
		}
		return bytes.ToLower(value), nil
	case IA5:
		for _, c := range value {
			if c >= utf8.RuneSelf {
				return nil, errSyntax
			}
		}
		return value, nil
	case Boolean:
		switch v := strings.ToUpper(string(value)); v {
		case "TRUE", "FALSE":
			return []byte(v), nil
		}
		return nil, errSyntax
	case Integer:
		return number(value, 32)
	case LargeInt:
		return number(value, 64)
	case Time:
		t, err := parseTime(string(value))
		if err != nil {
			return nil, errSyntax
		}
		return []byte(t.Format(generalizedTime)), nil
	case SIDSyntax:
		id, err := parseSID(value)
		if err != nil {
			return nil, errSyntax
		}
		return id.Bytes(), nil
	case DN:
		p, err := pathOf(string(value))
		return []byte(p), err
	case DNBinary:
		b, err := ldapmsg.ParseDNBinary(string(value))
		if err != nil {
			return nil, errSyntax
		}
		p, err := pathOf(b.DN)
		return append([]byte(hex.EncodeToString(b.Binary)+":"), p...), err
	}
	return value, nil // octets are themselves
}

func number(value []byte, bits int) ([]byte, error) {
	n, err := strconv.ParseInt(string(value), 10, bits)
	if err != nil && bits == 32 {
		// Clients write flags with the top bit set as unsigned numbers, too.
		var u uint64
		u, err = strconv.ParseUint(string(value), 10, bits)
		n = int64(int32(uint32(u)))
	}
	if err != nil {
		return nil, errSyntax
	}
	return strconv.AppendInt(nil, n, 10), nil
}

// parseSID takes the packet form and, as AD does in filters, the text.
func parseSID(value []byte) (sid.SID, error) {
	if bytes.HasPrefix(value, []byte("S-")) || bytes.HasPrefix(value, []byte("s-")) {
		return sid.Parse(string(value))
	}
	return sid.Decode(value)
}

// parseTime reads GeneralizedTime as directories and their clients write it:
// with or without a fraction, in UTC.
func parseTime(text string) (time.Time, error) {
	digits, ok := strings.CutSuffix(text, "Z")
	if !ok {
		return time.Time{}, errSyntax
	}
	digits, _, _ = strings.Cut(digits, ".")
	return time.Parse("20060102150405", digits)
}

func formatTime(t time.Time) string { return t.UTC().Format(generalizedTime) }

// stored turns a value into what is kept: numbers and truth values in their
// one form, all else as it was written.
func (s *Syntax) stored(value, normal []byte) []byte {
	switch s {
	case Integer, LargeInt, Boolean, Time, SIDSyntax:
		return normal
	}
	return value
}

// ordered says whether values of the syntax have an order.
func (s *Syntax) ordered() bool {
	return s != DN && s != DNBinary && s != SIDSyntax && s != Boolean && s != OID
}

// indexKey is the key of a stored value in the index of its attribute.
func (a *Attribute) indexKey(value []byte) string {
	if a.Syntax == Octets || a.Syntax == SIDSyntax {
		return indexKey(a.Name, hex.EncodeToString(value))
	}
	return indexKey(a.Name, string(value))
}
