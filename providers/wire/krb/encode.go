package krb

import (
	"encoding/binary"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
)

// What a KDC writes for every request is encoded by these functions, which read
// like the definitions; encoding/asn1 takes four times as long for it, more
// than all the cryptography of an exchange. The tests hold both to the same bytes.

// value is a value in the making: its sizes are known before the first byte is
// written, so that what is deep within others is written once. The zero value is
// absent, and ctx of it is.
type value struct {
	id    byte    // identifier; 0: leaf is a whole value, encoded
	size  int     // of the content, in bytes
	leaf  []byte  // content of a primitive
	parts []value // content of others
}

func (v value) absent() bool { return v.id == 0 && v.leaf == nil }

// length is the size of the whole value.
func (v value) length() int {
	switch {
	case v.id == 0:
		return v.size
	case v.size < 0x80:
		return v.size + 2
	case v.size < 0x100:
		return v.size + 3
	case v.size < 0x10000:
		return v.size + 4
	}
	return v.size + 5 // nothing here has 16 MB
}

func (v value) appendTo(b []byte) []byte {
	switch n := v.size; {
	case v.id == 0:
	case n < 0x80:
		b = append(b, v.id, byte(n))
	case n < 0x100:
		b = append(b, v.id, 0x81, byte(n))
	case n < 0x10000:
		b = append(b, v.id, 0x82, byte(n>>8), byte(n))
	default:
		b = append(b, v.id, 0x83, byte(n>>16), byte(n>>8), byte(n))
	}
	b = append(b, v.leaf...)
	for i := range v.parts {
		b = v.parts[i].appendTo(b)
	}
	return b
}

func (v value) encode() []byte {
	if v.absent() {
		return nil
	}
	return v.appendTo(make([]byte, 0, v.length()))
}

func constructed(id byte, parts ...value) value {
	v := value{id: id, parts: parts}
	for i := range parts {
		v.size += parts[i].length()
	}
	return v
}

func primitive(id byte, content []byte) value {
	return value{id: id, size: len(content), leaf: content}
}

func seq(parts ...value) value           { return constructed(0x30, parts...) }
func app(tag int, parts ...value) []byte { return constructed(0x60|byte(tag), seq(parts...)).encode() }
func encoded(b []byte) value             { return value{size: len(b), leaf: b} }
func octets(b []byte) value              { return primitive(asn1.TagOctetString, b) }
func text(s string) value                { return primitive(asn1.TagGeneralString, []byte(s)) }

func ctx(tag int, v value) value {
	if v.absent() {
		return value{}
	}
	return constructed(0xa0|byte(tag), v)
}

func integer(v int64) value {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 8), uint64(v))
	for len(b) > 1 && (b[0] == 0 && b[1] < 0x80 || b[0] == 0xff && b[1] >= 0x80) {
		b = b[1:]
	}
	return primitive(asn1.TagInteger, b)
}

// optional is an integer whose zero is absent.
func optional(v int64) value {
	if v == 0 {
		return value{}
	}
	return integer(v)
}

func (f Flags) der() value {
	return primitive(asn1.TagBitString, []byte{0, byte(f >> 24), byte(f >> 16), byte(f >> 8), byte(f)})
}

// timestamp is a KerberosTime; the zero time is absent.
func timestamp(t time.Time) value {
	if t.IsZero() {
		return value{}
	}
	return primitive(asn1.TagGeneralizedTime, t.UTC().AppendFormat(make([]byte, 0, 16), "20060102150405Z"))
}

func (n Name) der() value {
	if n.IsZero() {
		return value{}
	}
	parts := make([]value, len(n.Parts))
	for i, p := range n.Parts {
		parts[i] = text(p)
	}
	return seq(ctx(0, integer(int64(n.Type))), ctx(1, seq(parts...)))
}

func (k Key) der() value {
	return seq(ctx(0, integer(int64(k.EType))), ctx(1, octets(k.Value)))
}

func (c Checksum) der() value {
	return seq(ctx(0, integer(int64(c.Type))), ctx(1, octets(c.Sum)))
}

func (d EncryptedData) der() value {
	return seq(ctx(0, integer(int64(d.EType))), ctx(1, optional(d.KVNO)), ctx(2, octets(d.Cipher)))
}

// list is SEQUENCE OF; an empty one is absent unless it must be there.
func list[T any](items []T, der func(T) value) value {
	if len(items) == 0 {
		return value{}
	}
	parts := make([]value, len(items))
	for i, item := range items {
		parts[i] = der(item)
	}
	return seq(parts...)
}

func orEmpty(v value) value {
	if v.absent() {
		return seq()
	}
	return v
}

func (p PAData) der() value {
	return seq(ctx(1, integer(int64(p.Type))), ctx(2, octets(p.Value)))
}

func (a AuthData) der() value {
	return seq(ctx(0, integer(int64(a.Type))), ctx(1, octets(a.Data)))
}

func (h HostAddress) der() value {
	return seq(ctx(0, integer(int64(h.Type))), ctx(1, octets(h.Address)))
}

func (l LastReq) der() value {
	return seq(ctx(0, integer(int64(l.Type))), ctx(1, timestamp(l.Time)))
}
