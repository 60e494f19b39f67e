package ldapmsg

import (
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// LDAPMessage (RFC 4511 4.1.1):
//
//	SEQUENCE {
//	    messageID  INTEGER (0 .. 2³¹−1)
//	    protocolOp [APPLICATION n]
//	    controls   [0] SEQUENCE OF Control OPTIONAL
//	}

// Decode reads one message, whose octets the result shares. An error wraps
// ErrMalformed: nothing sensible can be answered, and the session ends. A
// request that is understood enough to be answered, but not served, comes as
// *Refused.
func Decode(frame []byte) (*Message, error) {
	if err := scan(frame, maxDepth, maxElements); err != nil {
		return nil, err
	}
	outer := newReader(frame)
	r := outer.enter(tagSequence)
	m := &Message{ID: int32(r.number(tagInteger, math.MaxInt32))}
	identifier, contents := r.any()
	if controls, ok := r.optional(classContext | constructed); ok {
		m.Controls = decodeControls(&reader{controls, r.err})
	}
	r.done()
	if *r.err != nil {
		return nil, *r.err
	}
	if m.ID == 0 {
		return nil, fmt.Errorf("%w: message 0 is the server's", ErrMalformed)
	}
	decode, ok := requests[identifier]
	if !ok {
		return nil, fmt.Errorf("%w: 0x%02x is not a request", ErrMalformed, identifier)
	}
	body := newReader(contents)
	m.Op = decode(body, contents)
	body.done()
	if err := *body.err; err != nil {
		tag := Tag(identifier & numberMask)
		var refusal *Error
		if !errors.As(err, &refusal) {
			refusal = Errorf(ProtocolError, ErrorProtocolError, "The request is malformed: %s.", err)
		}
		if response(tag) == 0 {
			return nil, err
		}
		m.Op = &Refused{Request: tag, Err: refusal}
	}
	return m, nil
}

// requests are the decoders by identifier octet. Those of primitive requests
// take the contents and leave the reader empty.
var requests = map[byte]func(r *reader, contents []byte) Op{
	application | byte(TagBindRequest):          bind,
	0x40 | byte(TagUnbindRequest):               func(r *reader, b []byte) Op { r.primitive(len(b) == 0); return &Unbind{} },
	application | byte(TagSearchRequest):        search,
	application | byte(TagModifyRequest):        modify,
	application | byte(TagAddRequest):           add,
	0x40 | byte(TagDeleteRequest):               func(r *reader, b []byte) Op { r.primitive(true); return &Delete{DN: r.text(b)} },
	application | byte(TagModifyDNRequest):      modifyDN,
	application | byte(TagCompareRequest):       compare,
	0x40 | byte(TagAbandonRequest):              abandon,
	application | byte(TagExtendedRequest&0x1f): extended,
}

// primitive leaves nothing to read; what is not ok fails.
func (r *reader) primitive(ok bool) {
	if !ok {
		r.fail("wrong length of a primitive request")
	}
	r.rest = nil
}

// text takes contents for an LDAPString, which is UTF-8.
func (r *reader) text(contents []byte) string {
	if !utf8.Valid(contents) {
		r.fail("a string is not UTF-8")
		return ""
	}
	return string(contents)
}

func (r *reader) string() string { return r.text(r.octets()) }

// name takes an attribute description.
func (r *reader) name(contents []byte) string {
	if len(contents) > maxAttributeName {
		r.fail("an attribute description of %d bytes", len(contents))
		return ""
	}
	return r.text(contents)
}

func bind(r *reader, _ []byte) Op {
	op := &Bind{Version: int(r.number(tagInteger, 127)), Name: r.string()}
	if password, ok := r.optional(classContext); ok {
		op.Credentials = password
		return op
	}
	if sasl, ok := r.optional(classContext | constructed | 3); ok {
		s := &reader{sasl, r.err}
		if op.Mechanism = s.string(); op.Mechanism == "" && *r.err == nil {
			r.fail("a SASL mechanism without a name")
		}
		op.Credentials, _ = s.optional(tagOctetString)
		s.done()
		return op
	}
	if r.more() {
		// Sicily (MS-ADTS 5.1.1.1.3) and Kerberos of version 2 are here.
		*r.err = Errorf(AuthMethodNotSupported, ErrorAuthMethodNotSupported, "Only simple and SASL binds are served.")
		r.rest = nil
	} else {
		r.fail("a bind without authentication")
	}
	return op
}

func search(r *reader, _ []byte) Op {
	op := &Search{
		Base:      r.string(),
		Scope:     Scope(r.number(tagEnumerated, 2)),
		Deref:     uint8(r.number(tagEnumerated, 3)),
		SizeLimit: int(r.number(tagInteger, math.MaxInt32)),
		TimeLimit: int(r.number(tagInteger, math.MaxInt32)),
		TypesOnly: r.boolean(r.take(tagBoolean)),
	}
	op.Filter = decodeFilter(r)
	for list := r.enter(tagSequence); list.more(); {
		op.Attributes = append(op.Attributes, list.name(list.octets()))
	}
	return op
}

// attribute takes a PartialAttribute: SEQUENCE { type, vals SET OF value }.
func (r *reader) attribute() Attribute {
	s := r.enter(tagSequence)
	a := Attribute{Description: s.name(s.octets())}
	values := s.enter(tagSet)
	if n := values.count(); n > 0 {
		a.Values = make([][]byte, 0, n)
	}
	for values.more() {
		a.Values = append(a.Values, values.octets())
	}
	s.done()
	return a
}

func modify(r *reader, _ []byte) Op {
	op := &Modify{DN: r.string()}
	for list := r.enter(tagSequence); list.more(); {
		s := list.enter(tagSequence)
		op.Changes = append(op.Changes, Change{ChangeKind(s.number(tagEnumerated, 2)), s.attribute()})
		s.done()
	}
	return op
}

func add(r *reader, _ []byte) Op {
	op := &Add{DN: r.string()}
	for list := r.enter(tagSequence); list.more(); {
		op.Attributes = append(op.Attributes, list.attribute())
	}
	return op
}

func modifyDN(r *reader, _ []byte) Op {
	op := &ModifyDN{DN: r.string(), NewRDN: r.string(), DeleteOldRDN: r.boolean(r.take(tagBoolean))}
	if b, ok := r.optional(classContext); ok {
		superior := r.text(b)
		op.NewSuperior = &superior
	}
	return op
}

func compare(r *reader, _ []byte) Op {
	op := &Compare{DN: r.string()}
	s := r.enter(tagSequence)
	op.Attribute, op.Value = s.name(s.octets()), s.octets()
	s.done()
	return op
}

func abandon(r *reader, contents []byte) Op {
	r.primitive(len(contents) > 0 && len(contents) <= 4 && contents[0] < 0x80)
	id := int32(0)
	if *r.err == nil {
		for _, c := range contents {
			id = id<<8 | int32(c)
		}
	}
	return &Abandon{ID: id}
}

func extended(r *reader, _ []byte) Op {
	op := &Extended{Name: r.text(r.take(classContext))}
	op.Value, _ = r.optional(classContext | 1)
	return op
}

// decodeControls takes a list of Control: SEQUENCE { controlType, criticality
// DEFAULT FALSE, controlValue OPTIONAL }.
func decodeControls(r *reader) []Control {
	var list []Control
	for r.more() {
		if len(list) == maxControls {
			r.fail("more than %d controls", maxControls)
			return nil
		}
		s := r.enter(tagSequence)
		c := Control{OID: s.string()}
		if b, ok := s.optional(tagBoolean); ok {
			c.Critical = s.boolean(b)
		}
		c.Value, _ = s.optional(tagOctetString)
		s.done()
		list = append(list, c)
	}
	return list
}
