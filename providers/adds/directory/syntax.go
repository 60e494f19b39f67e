package directory

import (
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"hellolab/providers/adds/ldapfilter"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/secdesc"
)

// maxValue bounds one value, in bytes: AD's bound of a row of its database.
const maxValue = 5 << 20

var errSyntax = errors.New("value is not of the attribute's syntax")

// normal checks a value and returns it in the one form that equal values of a
// syntax share: two values are equal when their forms are.
func (s *Syntax) normal(value []byte) ([]byte, error) {
	text := s.Match == ldapfilter.CaseIgnoreString || s.Match == ldapfilter.CaseExactString || s.Match == ldapfilter.ObjectIdentifier
	if len(value) > maxValue || text && (len(value) == 0 || !utf8.Valid(value)) {
		return nil, errSyntax
	}
	if s.Match == ldapfilter.Integer {
		return number(value, s.bits)
	}
	if s == Descriptor {
		if _, err := secdesc.Parse(value); err != nil {
			return nil, errSyntax
		}
		return value, nil
	}
	key, ok := s.Match.Key(value)
	if !ok {
		return nil, errSyntax
	}
	return []byte(key), nil
}

// number reads a number of a size and writes it in its one form.
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

// generalizedTime is how a directory writes time (RFC 4517 3.3.13): to the
// second, with a fraction that is always nought.
const (
	generalizedTime = "20060102150405"
	fraction        = ".0Z"
)

func formatTime(t time.Time) string { return t.UTC().Format(generalizedTime) + fraction }

// readTime reads what formatTime wrote.
func readTime(text string) (time.Time, error) {
	return time.Parse(generalizedTime, strings.TrimSuffix(text, fraction))
}

// stored turns a value into what is kept: numbers in their one form, all else
// as it was written.
func (s *Syntax) stored(value, normal []byte) []byte {
	if s.Match == ldapfilter.Integer {
		return normal
	}
	return value
}

// indexKey is the key of a stored value in the index of its attribute.
func (a *Attribute) indexKey(value []byte) string {
	if a.Syntax == Octets || a.Syntax == SIDSyntax {
		return a.Name + "/" + hex.EncodeToString(value)
	}
	return a.Name + "/" + ldapmsg.Fold(string(value))
}
