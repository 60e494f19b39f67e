package ldapmsg

import (
	"fmt"
	"math"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// ParseControls decodes the controls that the server supports. An unsupported
// one is refused with unavailableCriticalExtension where it is critical, else
// passed over (RFC 4511 4.1.11); one that is given twice or cannot be read is
// a protocolError.
func ParseControls(list []Control, supported func(oid string) bool) (Controls, error) {
	var c Controls
	for i, control := range list {
		decode, known := controls[control.OID]
		if !known || !supported(control.OID) {
			if control.Critical {
				return Controls{}, Errorf(UnavailableCriticalExtension, ErrorUnavailableCritExtension, "The critical control %.64q is not supported here.", control.OID)
			}
			continue
		}
		for _, earlier := range list[:i] {
			if earlier.OID == control.OID {
				return Controls{}, Errorf(ProtocolError, ErrorProtocolError, "The control %s is given twice.", control.OID)
			}
		}
		if err := scanValue(control.Value); err != nil {
			return Controls{}, badControl(control, err)
		}
		r := newReader(control.Value)
		decode(&c, r)
		if r.done(); *r.err != nil {
			return Controls{}, badControl(control, *r.err)
		}
	}
	return c, nil
}

func badControl(c Control, err error) *Error {
	return Errorf(ProtocolError, ErrorProtocolError, "The value of the control %s is malformed: %s.", c.OID, err)
}

func scanValue(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	return scan(b, maxControlDepth, maxControlElements)
}

const (
	maxControlDepth    = 8
	maxControlElements = 256
	maxSortKeys        = 16
)

// controls are the decoders of values. A control without a value leaves the
// reader empty by having none; SD flags are optional by custom: an empty value
// means all four parts (MS-ADTS 3.1.1.3.4.1.11).
var controls = map[string]func(c *Controls, r *reader){
	ControlPaged: func(c *Controls, r *reader) {
		s := r.enter(tagSequence)
		c.Paged = &Paged{Size: int(s.number(tagInteger, math.MaxInt32)), Cookie: s.octets()}
		s.done()
	},
	ControlSort: func(c *Controls, r *reader) {
		for list := r.enter(tagSequence); list.more(); {
			if len(c.Sort) == maxSortKeys {
				list.fail("more than %d keys", maxSortKeys)
				return
			}
			s := list.enter(tagSequence)
			k := SortKey{Attribute: s.name(s.octets())}
			if b, ok := s.optional(classContext); ok {
				k.Rule = s.name(b)
			}
			if b, ok := s.optional(classContext | 1); ok {
				k.Reverse = s.boolean(b)
			}
			s.done()
			c.Sort = append(c.Sort, k)
		}
	},
	ControlDirSync: func(c *Controls, r *reader) {
		s := r.enter(tagSequence)
		// Flags are an unsigned number that some write as a negative one.
		c.DirSync = &DirSync{Flags: s.flags(), MaxBytes: int(s.number(tagInteger, math.MaxInt32)), Cookie: s.octets()}
		s.done()
	},
	ControlSDFlags: func(c *Controls, r *reader) {
		flags := uint32(15)
		if r.more() {
			s := r.enter(tagSequence)
			flags = s.flags()
			s.done()
		}
		c.SDFlags = &flags
	},
	ControlExtendedDN: func(c *Controls, r *reader) {
		form := ExtendedDNHex // also without a value
		if r.more() {
			s := r.enter(tagSequence)
			form = ExtendedDNForm(s.number(tagInteger, 1))
			s.done()
		}
		c.ExtendedDN = &form
	},
	ControlASQ: func(c *Controls, r *reader) {
		s := r.enter(tagSequence)
		c.ASQ = s.name(s.octets())
		s.done()
	},
	ControlSearchOptions: func(c *Controls, r *reader) {
		s := r.enter(tagSequence)
		c.SearchOptions = s.flags()
		s.done()
	},
	ControlShowDeleted:      func(c *Controls, r *reader) { c.ShowDeleted = true },
	ControlShowRecycled:     func(c *Controls, r *reader) { c.ShowRecycled = true },
	ControlDomainScope:      func(c *Controls, r *reader) { c.DomainScope = true },
	ControlTreeDelete:       func(c *Controls, r *reader) { c.TreeDelete = true },
	ControlPermissiveModify: func(c *Controls, r *reader) { c.PermissiveModify = true },
	ControlLazyCommit:       func(c *Controls, r *reader) { c.LazyCommit = true },
	ControlManageDSAIT:      func(c *Controls, r *reader) { c.ManageDSAIT = true },
	ControlRODCPromotion:    func(c *Controls, r *reader) { c.RODCPromotion = true },
	ControlVerifyName:       func(c *Controls, r *reader) { r.rest = nil }, // whom to ask about names: there is one server
}

// flags takes an integer of 32 bits, signed or not.
func (r *reader) flags() uint32 {
	contents := r.take(tagInteger)
	if *r.err != nil {
		return 0
	}
	if len(contents) == 0 || len(contents) > 5 || (len(contents) == 5 && contents[0] != 0) {
		r.fail("flags of %d octets", len(contents))
		return 0
	}
	v := uint32(int32(int8(contents[0])))
	for _, c := range contents[1:] {
		v = v<<8 | uint32(c)
	}
	return v
}

// PagedResponse is the control that tells where the next page begins. An empty
// cookie: there is none. size estimates the whole result; 0: unknown.
func PagedResponse(size int, cookie []byte) (Control, error) {
	return responseControl(ControlPaged, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(int64(size))
		b.AddASN1OctetString(cookie)
	})
}

// SortResponse is the control that tells how a sort went (RFC 2891 1.2).
// attribute names the key that could not be used, or is empty.
func SortResponse(code ResultCode, attribute string) (Control, error) {
	return responseControl(ControlSortResponse, func(b *cryptobyte.Builder) {
		b.AddASN1Enum(int64(code))
		if attribute != "" {
			addString(b, asn1.Tag(0).ContextSpecific(), attribute)
		}
	})
}

// ASQResponse is the control that tells how an attribute scoped query went.
func ASQResponse(code ResultCode) (Control, error) {
	return responseControl(ControlASQ, func(b *cryptobyte.Builder) { b.AddASN1Enum(int64(code)) })
}

// DirSyncResponse is the control that carries the next cookie of a
// synchronisation. more says that the client should ask again at once.
func DirSyncResponse(more bool, cookie []byte) (Control, error) {
	return responseControl(ControlDirSync, func(b *cryptobyte.Builder) {
		flag := int64(0)
		if more {
			flag = 1
		}
		b.AddASN1Int64(flag)
		b.AddASN1Int64(0)
		b.AddASN1OctetString(cookie)
	})
}

func responseControl(oid string, sequence func(*cryptobyte.Builder)) (Control, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, cryptobyte.BuilderContinuation(sequence))
	value, err := b.Bytes()
	if err != nil {
		return Control{}, fmt.Errorf("encode control %s: %w", oid, err)
	}
	return Control{OID: oid, Value: value}, nil
}
