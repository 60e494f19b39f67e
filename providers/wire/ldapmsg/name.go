package ldapmsg

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/sid"
)

// Name is how a client names an object where a DN is due (MS-ADTS 3.1.1.3.1.2.4):
// by GUID, by SID, by a well-known GUID below a DN, or by DN. One of them is set;
// where none is, it is the empty DN.
type Name struct {
	GUID      guid.GUID
	SID       sid.SID
	WellKnown *[16]byte // of wellKnownObjects at DN
	DN        DN
}

// ParseName reads "<GUID=…>", "<SID=…>", "<WKGUID=…,dn>" or a DN. A GUID is text
// or the 32 digits of its bytes as Windows stores them, a SID text or the digits
// of its bytes. What may follow the first two, as in ExtendedDN, does not count.
func ParseName(text string) (Name, error) {
	text = strings.TrimLeft(text, " ")
	if !strings.HasPrefix(text, "<") {
		dn, err := ParseDN(text)
		return Name{DN: dn}, err
	}
	inside, rest, ok := strings.Cut(text[1:], ">")
	kind, value, is := strings.Cut(inside, "=")
	if !ok || !is || (rest != "" && rest[0] != ';') {
		return Name{}, fmt.Errorf("%w: brackets do not fit", ErrDN)
	}
	switch strings.ToUpper(kind) {
	case "GUID":
		g, err := parseGUID(value)
		return Name{GUID: g}, err
	case "SID":
		s, err := parseSID(value)
		return Name{SID: s}, err
	case "WKGUID":
		digits, below, ok := strings.Cut(value, ",")
		if !ok || rest != "" {
			return Name{}, fmt.Errorf("%w: a well-known GUID is of a DN", ErrDN)
		}
		var g [16]byte
		if len(digits) != 32 {
			return Name{}, fmt.Errorf("%w: a well-known GUID has 32 digits", ErrDN)
		}
		if _, err := hex.Decode(g[:], []byte(digits)); err != nil {
			return Name{}, fmt.Errorf("%w: %w", ErrDN, err)
		}
		dn, err := ParseDN(below)
		return Name{WellKnown: &g, DN: dn}, err
	}
	return Name{}, fmt.Errorf("%w: names by %.16q are unknown", ErrDN, kind)
}

func parseGUID(text string) (guid.GUID, error) {
	if len(text) == 32 {
		var b [16]byte
		if _, err := hex.Decode(b[:], []byte(text)); err != nil {
			return guid.GUID{}, fmt.Errorf("%w: %w", ErrDN, err)
		}
		return nonZero(guid.FromWindows(b))
	}
	g, err := guid.Parse(text)
	if err != nil {
		return guid.GUID{}, fmt.Errorf("%w: %w", ErrDN, err)
	}
	return nonZero(g)
}

// nonZero refuses the GUID that would read as none.
func nonZero(g guid.GUID) (guid.GUID, error) {
	if g.IsZero() {
		return g, fmt.Errorf("%w: the GUID is zero", ErrDN)
	}
	return g, nil
}

func parseSID(text string) (sid.SID, error) {
	if s, err := sid.Parse(text); err == nil {
		return s, nil
	}
	b, err := hex.DecodeString(text)
	if err != nil {
		return sid.SID{}, fmt.Errorf("%w: neither a SID nor its bytes", ErrDN)
	}
	s, err := sid.Decode(b)
	if err != nil {
		return sid.SID{}, fmt.Errorf("%w: %w", ErrDN, err)
	}
	return s, nil
}

// ExtendedDN returns "<GUID=…>;<SID=…>;dn", as the extended DN control asks
// (MS-ADTS 3.1.1.3.4.1.5); an object without a SID leaves that part out.
func ExtendedDN(form ExtendedDNForm, g guid.GUID, s sid.SID, dn string) string {
	var b strings.Builder
	if form == ExtendedDNText {
		fmt.Fprintf(&b, "<GUID=%s>;", g)
	} else {
		w := g.Windows()
		fmt.Fprintf(&b, "<GUID=%x>;", w[:])
	}
	switch {
	case s.IsZero():
	case form == ExtendedDNText:
		fmt.Fprintf(&b, "<SID=%s>;", s)
	default:
		fmt.Fprintf(&b, "<SID=%x>;", s.Bytes())
	}
	b.WriteString(dn)
	return b.String()
}

// DNBinary is a value of the syntax Object(DN-Binary) (MS-ADTS 3.1.1.2.2.2.4 and
// 3.1.1.3.1.1.4): bytes that belong to an object.
type DNBinary struct {
	Binary []byte
	DN     string // as it was written; see ParseName
}

// maxDNBinary bounds the bytes of one value.
const maxDNBinary = 512 << 10

// ErrDNBinary is wrapped by every error of ParseDNBinary; it is
// invalidAttributeSyntax on the wire.
var ErrDNBinary = errors.New("malformed DN with binary")

// ParseDNBinary reads "B:<number of digits>:<digits>:<dn>". The name must be one
// that ParseName reads.
func ParseDNBinary(text string) (DNBinary, error) {
	rest, ok := strings.CutPrefix(text, "B:")
	if !ok {
		return DNBinary{}, fmt.Errorf("%w: it does not begin with \"B:\"", ErrDNBinary)
	}
	count, rest, ok := strings.Cut(rest, ":")
	n, err := strconv.ParseUint(count, 10, 32)
	if !ok || err != nil || n%2 != 0 || (len(count) > 1 && count[0] == '0') {
		return DNBinary{}, fmt.Errorf("%w: no even number of hexadecimal digits", ErrDNBinary)
	}
	if n > 2*maxDNBinary {
		return DNBinary{}, fmt.Errorf("%w: %d digits, at most %d are read", ErrDNBinary, n, 2*maxDNBinary)
	}
	if uint64(len(rest)) <= n || rest[n] != ':' {
		return DNBinary{}, fmt.Errorf("%w: there are not %d hexadecimal digits", ErrDNBinary, n)
	}
	b, err := hex.DecodeString(rest[:n])
	if err != nil {
		return DNBinary{}, fmt.Errorf("%w: a digit is not hexadecimal", ErrDNBinary)
	}
	dn := rest[n+1:]
	if name, err := ParseName(dn); err != nil {
		return DNBinary{}, fmt.Errorf("%w: %w", ErrDNBinary, err)
	} else if name.SID.IsZero() && name.GUID.IsZero() && len(name.DN) == 0 {
		return DNBinary{}, fmt.Errorf("%w: it names no object", ErrDNBinary)
	}
	return DNBinary{Binary: b, DN: dn}, nil
}

// String returns the text form, with digits in upper case as Windows writes them.
func (v DNBinary) String() string {
	return fmt.Sprintf("B:%d:%X:%s", 2*len(v.Binary), v.Binary, v.DN)
}
