package netlogon

import (
	"errors"
	"fmt"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// Bounds of a datagram.
const (
	maxDatagram = 4 << 10
	maxDepth    = 10
	maxElements = 256
)

// ErrMessage is wrapped by the errors about datagrams that are no LDAP message
// of a ping: they are not answered.
var ErrMessage = errors.New("not a netlogon ping")

const attribute = "netlogon"

// Operations of LDAP (RFC 4511 4.2).
const (
	opSearch = 3
	opEntry  = 4
	opDone   = 5
)

func octetString(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}

func number(tag ber.Tag, n int64) *ber.Packet {
	return ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, tag, n, "")
}

func sequence(of ...*ber.Packet) *ber.Packet {
	return constructed(ber.ClassUniversal, ber.TagSequence, of...)
}

func constructed(class ber.Class, tag ber.Tag, of ...*ber.Packet) *ber.Packet {
	p := ber.Encode(class, ber.TypeConstructed, tag, nil, "")
	for _, c := range of {
		p.AppendChild(c)
	}
	return p
}

func isOctets(p *ber.Packet) bool {
	return p.ClassType == ber.ClassUniversal && p.TagType == ber.TypePrimitive && p.Tag == ber.TagOctetString
}

// integer returns the value of an INTEGER or ENUMERATED of at most 31 bits.
func integer(p *ber.Packet, tag ber.Tag) (int32, bool) {
	n, ok := p.Value.(int64)
	if p.ClassType != ber.ClassUniversal || p.Tag != tag || !ok || n < 0 || n > 1<<31-1 || len(p.ByteValue) == 0 || len(p.ByteValue) > 8 {
		return 0, false
	}
	return int32(n), true
}

// MarshalRequest writes the datagram that asks.
func MarshalRequest(id int32, p Ping) []byte {
	search := constructed(ber.ClassApplication, opSearch,
		octetString(""),
		number(ber.TagEnumerated, 0), // scope: the base object
		number(ber.TagEnumerated, 0), // no aliases
		number(ber.TagInteger, 0),
		number(ber.TagInteger, 0),
		ber.NewBoolean(ber.ClassUniversal, ber.TypePrimitive, ber.TagBoolean, false, ""),
		p.filter(),
		sequence(octetString("Netlogon")))
	return sequence(number(ber.TagInteger, int64(id)), search).Bytes()
}

// ParseRequest reads a datagram. The id is good for an answer when the error
// is nil or wraps ErrFilter: everything else that was asked of the root gets an
// empty answer.
func ParseRequest(b []byte) (id int32, p *Ping, err error) {
	messages, err := decode(b)
	if err != nil {
		return 0, nil, err
	}
	if len(messages) != 1 {
		return 0, nil, fmt.Errorf("%w: %d messages", ErrMessage, len(messages))
	}
	id, op, err := open(messages[0])
	if err != nil {
		return 0, nil, err
	}
	c := op.Children
	if op.Tag != opSearch || len(c) != 8 || !isOctets(c[0]) || c[7].Tag != ber.TagSequence {
		return 0, nil, fmt.Errorf("%w: it is no search", ErrMessage)
	}
	scope, ok := integer(c[1], ber.TagEnumerated)
	if !ok || scope != 0 || len(c[0].ByteValue) != 0 || !asks(c[7]) {
		return id, nil, fmt.Errorf("%w: it does not ask the root for netlogon", ErrFilter)
	}
	p, err = parseFilter(c[6])
	return id, p, err
}

// asks says whether netlogon is among attributes.
func asks(attributes *ber.Packet) bool {
	for _, a := range attributes.Children {
		if isOctets(a) && strings.EqualFold(string(a.ByteValue), attribute) {
			return true
		}
	}
	return false
}

// MarshalReply writes the datagram that answers: the response as an entry, and
// that the search is done. A nil response makes the empty answer.
func MarshalReply(id int32, r *Response) ([]byte, error) {
	var b []byte
	if r != nil {
		value, err := r.Marshal()
		if err != nil {
			return nil, err
		}
		set := constructed(ber.ClassUniversal, ber.TagSet, octetString(string(value)))
		entry := constructed(ber.ClassApplication, opEntry, octetString(""), sequence(sequence(octetString(attribute), set)))
		b = sequence(number(ber.TagInteger, int64(id)), entry).Bytes()
	}
	done := constructed(ber.ClassApplication, opDone, number(ber.TagEnumerated, 0), octetString(""), octetString(""))
	return append(b, sequence(number(ber.TagInteger, int64(id)), done).Bytes()...), nil
}

// ErrEmpty is what ParseReply answers for the empty answer: the controller is
// alive, and not of what was asked for.
var ErrEmpty = errors.New("the domain controller does not hold what was asked for")

// ParseReply reads the datagram that answers a request.
func ParseReply(b []byte) (id int32, r *Response, err error) {
	messages, err := decode(b)
	if err != nil {
		return 0, nil, err
	}
	for i, m := range messages {
		of, op, err := open(m)
		if err != nil {
			return 0, nil, err
		}
		if i > 0 && of != id {
			return 0, nil, fmt.Errorf("%w: answers to several requests", ErrMessage)
		}
		id = of
		switch c := op.Children; {
		case op.Tag == opEntry && r == nil && len(c) == 2:
			if r, err = entry(c[1]); err != nil {
				return id, nil, err
			}
		case op.Tag == opDone && i == len(messages)-1:
		default:
			return 0, nil, fmt.Errorf("%w: it is no result of a search", ErrMessage)
		}
	}
	if r == nil {
		return id, nil, ErrEmpty
	}
	return id, r, nil
}

// entry finds the response among the attributes of an entry.
func entry(attributes *ber.Packet) (*Response, error) {
	for _, a := range attributes.Children {
		if len(a.Children) == 2 && isOctets(a.Children[0]) && strings.EqualFold(string(a.Children[0].ByteValue), attribute) {
			if v := a.Children[1].Children; len(v) == 1 && isOctets(v[0]) {
				return ParseResponse(v[0].ByteValue)
			}
		}
	}
	return nil, ErrEmpty
}

// open takes the id and the operation out of an LDAPMessage. Controls are
// passed over: none of them changes a ping.
func open(m *ber.Packet) (id int32, op *ber.Packet, err error) {
	c := m.Children
	if m.ClassType != ber.ClassUniversal || m.Tag != ber.TagSequence || len(c) < 2 || len(c) > 3 ||
		c[1].ClassType != ber.ClassApplication || c[1].TagType != ber.TypeConstructed {
		return 0, nil, fmt.Errorf("%w: it is no LDAP message", ErrMessage)
	}
	id, ok := integer(c[0], ber.TagInteger)
	if !ok {
		return 0, nil, fmt.Errorf("%w: its id is no number", ErrMessage)
	}
	return id, c[1], nil
}

// decode reads the messages of a datagram, after a scan that bounds size, depth
// and number of elements before anything is built of them.
func decode(b []byte) ([]*ber.Packet, error) {
	if len(b) > maxDatagram {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrMessage, maxDatagram)
	}
	count := 0
	if !scan(b, maxDepth, &count) {
		return nil, fmt.Errorf("%w: not BER within the bounds", ErrMessage)
	}
	var messages []*ber.Packet
	for len(b) > 0 {
		n, _, _ := element(b)
		p, err := ber.DecodePacketErr(b[:n])
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrMessage, err)
		}
		messages, b = append(messages, p), b[n:]
	}
	return messages, nil
}

// scan says whether b is a row of elements of definite length and low tags.
func scan(b []byte, depth int, count *int) bool {
	for len(b) > 0 {
		n, content, ok := element(b)
		if *count++; !ok || depth == 0 || *count > maxElements {
			return false
		}
		if b[0]&0x20 != 0 && !scan(content, depth-1, count) {
			return false
		}
		b = b[n:]
	}
	return true
}

// element measures the element that b begins with.
func element(b []byte) (n int, content []byte, ok bool) {
	if len(b) < 2 || b[0]&0x1f == 0x1f || b[0] == 0 {
		return 0, nil, false
	}
	length, at := int(b[1]), 2
	if length >= 0x80 {
		bytes := length & 0x7f
		if bytes == 0 || bytes > 4 || len(b) < 2+bytes {
			return 0, nil, false
		}
		length = 0
		for _, c := range b[2 : 2+bytes] {
			length = length<<8 | int(c)
		}
		at += bytes
	}
	if length > len(b)-at {
		return 0, nil, false
	}
	return at + length, b[at : at+length], true
}
