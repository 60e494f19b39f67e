package krb

import (
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
)

// What a KDC reads with every request is decoded by these methods, which read
// like the definitions; encoding/asn1, which works by reflection, takes a sixth
// of the time of an exchange for it. They run after Check, and the tests hold
// both to the same values. Byte strings are slices of what is read.

// decodable is a SEQUENCE that is read from its content.
type decodable interface{ decode(*decoder) }

// decoder reads the elements of a SEQUENCE in order. What is missing or of
// another type sets bad, which stays. Elements after the last one read are left
// alone, as of a later version of the message.
type decoder struct {
	b   []byte
	bad bool
}

// decode reads a value that Check passed, below an application tag unless tag
// is zero.
func decode(b []byte, v decodable, tag int) error {
	if tag != 0 {
		_, body, _, err := element(b)
		if err != nil {
			return err
		}
		b = body
	}
	d := &decoder{}
	if d.b = d.only(b, 0x30); !d.bad {
		v.decode(d)
	}
	if d.bad {
		return errValue
	}
	return nil
}

// only returns the content of the one element that b is to be.
func (d *decoder) only(b []byte, id byte) []byte {
	got, body, rest, err := element(b)
	if err != nil || got != id || len(rest) > 0 {
		d.bad = true
		return nil
	}
	return body[:len(body):len(body)]
}

// optional returns the content of the next element if that is [tag]; has says
// whether it is.
func (d *decoder) optional(tag int) (body []byte, has bool) {
	if d.bad || len(d.b) == 0 || d.b[0] != 0xa0|byte(tag) {
		return nil, false
	}
	_, body, rest, err := element(d.b)
	if err != nil {
		d.bad = true
		return nil, false
	}
	d.b = rest
	return body, true
}

func (d *decoder) required(tag int) []byte {
	body, ok := d.optional(tag)
	if !ok {
		d.bad = true
	}
	return body
}

// raw is the next element if that is [tag], unread; else a zero value.
func (d *decoder) raw(tag int) asn1.RawValue {
	before := d.b
	body, ok := d.optional(tag)
	if !ok {
		return asn1.RawValue{}
	}
	v := explicit(tag, body)
	v.FullBytes = before[:len(before)-len(d.b)]
	return v
}

func (d *decoder) requiredRaw(tag int) asn1.RawValue {
	v := d.raw(tag)
	d.bad = d.bad || v.FullBytes == nil
	return v
}

func (d *decoder) integer(body []byte) (v int64) {
	b := d.only(body, asn1.TagInteger)
	if d.bad || len(b) == 0 || len(b) > 8 {
		d.bad = true
		return 0
	}
	v = int64(int8(b[0]))
	for _, c := range b[1:] {
		v = v<<8 | int64(c)
	}
	return v
}

func (d *decoder) int32(body []byte) int32 {
	v := d.integer(body)
	if v != int64(int32(v)) {
		d.bad = true
	}
	return int32(v)
}

func (d *decoder) bits(body []byte) asn1.BitString {
	b := d.only(body, asn1.TagBitString)
	if d.bad || len(b) == 0 {
		d.bad = true
		return asn1.BitString{}
	}
	return asn1.BitString{Bytes: b[1:], BitLength: 8*(len(b)-1) - int(b[0])}
}

func (d *decoder) octets(body []byte) []byte { return d.only(body, asn1.TagOctetString) }
func (d *decoder) text(body []byte) string   { return string(d.only(body, asn1.TagGeneralString)) }

// time reads a KerberosTime: "20060102150405Z", nothing else (RFC 4120 5.2.3).
func (d *decoder) time(body []byte) time.Time {
	b := d.only(body, asn1.TagGeneralizedTime)
	if d.bad || len(b) != 15 || b[14] != 'Z' {
		d.bad = true
		return time.Time{}
	}
	number := func(digits []byte) (n int) {
		for _, c := range digits {
			if c < '0' || c > '9' {
				d.bad = true
			}
			n = 10*n + int(c-'0')
		}
		return n
	}
	year, month, day := number(b[:4]), number(b[4:6]), number(b[6:8])
	hour, minute, second := number(b[8:10]), number(b[10:12]), number(b[12:14])
	t := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	if hour > 23 || minute > 59 || second > 59 || t.Month() != time.Month(month) || t.Day() != day {
		d.bad = true
	}
	return t
}

// optionalTime is the zero time when it is absent.
func (d *decoder) optionalTime(tag int) time.Time {
	body, ok := d.optional(tag)
	if !ok {
		return time.Time{}
	}
	return d.time(body)
}

// structure reads the SEQUENCE within a field.
func (d *decoder) structure(body []byte, v decodable) {
	inner := decoder{b: d.only(body, 0x30)}
	if !d.bad {
		v.decode(&inner)
		d.bad = inner.bad
	}
}

// each reads SEQUENCE OF: fn is given every element.
func (d *decoder) each(body []byte, fn func(element []byte)) {
	for rest := d.only(body, 0x30); len(rest) > 0 && !d.bad; {
		_, _, after, err := element(rest)
		if err != nil {
			d.bad = true
			return
		}
		fn(rest[:len(rest)-len(after)])
		rest = after
	}
}

// sequenceOf reads a list of SEQUENCEs.
func sequenceOf[T any, P interface {
	*T
	decodable
}](d *decoder, body []byte) []T {
	list := make([]T, 0, 4)
	d.each(body, func(element []byte) {
		list = append(list, *new(T))
		d.structure(element, P(&list[len(list)-1]))
	})
	return list
}

func (n *Name) decode(d *decoder) {
	n.Type, n.Parts = d.int32(d.required(0)), make([]string, 0, 2)
	d.each(d.required(1), func(part []byte) { n.Parts = append(n.Parts, d.text(part)) })
}

func (k *Key) decode(d *decoder) { k.EType, k.Value = d.int32(d.required(0)), d.octets(d.required(1)) }

func (c *Checksum) decode(d *decoder) {
	c.Type, c.Sum = d.int32(d.required(0)), d.octets(d.required(1))
}

func (e *EncryptedData) decode(d *decoder) {
	e.EType = d.int32(d.required(0))
	if body, ok := d.optional(1); ok {
		e.KVNO = d.integer(body)
	}
	e.Cipher = d.octets(d.required(2))
}

func (p *PAData) decode(d *decoder) {
	p.Type, p.Value = d.int32(d.required(1)), d.octets(d.required(2))
}

func (a *AuthData) decode(d *decoder) {
	a.Type, a.Data = d.int32(d.required(0)), d.octets(d.required(1))
}

func (h *HostAddress) decode(d *decoder) {
	h.Type, h.Address = d.int32(d.required(0)), d.octets(d.required(1))
}

func (t *Transited) decode(d *decoder) {
	t.Type, t.Contents = d.int32(d.required(0)), d.octets(d.required(1))
}

func (w *kdcReq) decode(d *decoder) {
	w.Version, w.MsgType = int(d.integer(d.required(1))), int(d.integer(d.required(2)))
	if body, ok := d.optional(3); ok {
		w.PAData = sequenceOf[PAData](d, body)
	}
	w.Body = d.requiredRaw(4)
}

func (w *kdcReqBody) decode(d *decoder) {
	w.Options = d.bits(d.required(0))
	if body, ok := d.optional(1); ok {
		d.structure(body, &w.Client)
	}
	w.Realm = d.text(d.required(2))
	if body, ok := d.optional(3); ok {
		d.structure(body, &w.Server)
	}
	w.From, w.Till, w.RenewTill = d.optionalTime(4), d.time(d.required(5)), d.optionalTime(6)
	w.Nonce = d.integer(d.required(7))
	w.ETypes = make([]int32, 0, 4)
	d.each(d.required(8), func(etype []byte) { w.ETypes = append(w.ETypes, d.int32(etype)) })
	if body, ok := d.optional(9); ok {
		w.Addresses = sequenceOf[HostAddress](d, body)
	}
	if body, ok := d.optional(10); ok {
		d.structure(body, &w.EncAuthData)
	}
	w.Tickets = d.raw(11)
}

func (w *apReq) decode(d *decoder) {
	w.Version, w.MsgType = int(d.integer(d.required(0))), int(d.integer(d.required(1)))
	w.Options, w.Ticket = d.bits(d.required(2)), d.requiredRaw(3)
	d.structure(d.required(4), &w.Authenticator)
}

func (w *ticket) decode(d *decoder) {
	w.Version, w.Realm = int(d.integer(d.required(0))), d.text(d.required(1))
	d.structure(d.required(2), &w.Server)
	d.structure(d.required(3), &w.EncPart)
}

func (w *encTicketPart) decode(d *decoder) {
	w.Flags = d.bits(d.required(0))
	d.structure(d.required(1), &w.Key)
	w.CRealm = d.text(d.required(2))
	d.structure(d.required(3), &w.Client)
	d.structure(d.required(4), &w.Transited)
	w.AuthTime, w.StartTime = d.time(d.required(5)), d.optionalTime(6)
	w.EndTime, w.RenewTill = d.time(d.required(7)), d.optionalTime(8)
	if body, ok := d.optional(9); ok {
		w.Addresses = sequenceOf[HostAddress](d, body)
	}
	if body, ok := d.optional(10); ok {
		w.AuthData = sequenceOf[AuthData](d, body)
	}
}

func (w *authenticator) decode(d *decoder) {
	w.Version, w.CRealm = int(d.integer(d.required(0))), d.text(d.required(1))
	d.structure(d.required(2), &w.Client)
	if body, ok := d.optional(3); ok {
		d.structure(body, &w.Checksum)
	}
	w.Micro, w.Time = int(d.integer(d.required(4))), d.time(d.required(5))
	if body, ok := d.optional(6); ok {
		d.structure(body, &w.Subkey)
	}
	if body, ok := d.optional(7); ok {
		w.SeqNumber = d.integer(body)
	}
	if body, ok := d.optional(8); ok {
		w.AuthData = sequenceOf[AuthData](d, body)
	}
}

func (w *paEncTSEnc) decode(d *decoder) {
	w.Time = d.time(d.required(0))
	if body, ok := d.optional(1); ok {
		w.Micro = int(d.integer(body))
	}
}

func (w *paPACRequest) decode(d *decoder) {
	if b := d.only(d.required(0), asn1.TagBoolean); len(b) == 1 {
		w.Include = b[0] != 0
	} else {
		d.bad = true
	}
}
