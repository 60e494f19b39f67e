package krb

import (
	"encoding/binary"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
)

// What a KDC writes for every request is encoded by these functions, which read
// like the definitions; encoding/asn1 takes four times as long for it, more
// than all the cryptography of an exchange. The tests hold both to the same bytes.
//
// A part that is nil is absent; ctx of nothing is nothing.

// tlv is a value of an identifier, from its content in parts.
func tlv(id byte, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	b := make([]byte, 0, 6+n)
	switch {
	case n < 0x80:
		b = append(b, id, byte(n))
	case n < 0x100:
		b = append(b, id, 0x81, byte(n))
	case n < 0x10000:
		b = append(b, id, 0x82, byte(n>>8), byte(n))
	default:
		b = binary.BigEndian.AppendUint32(append(b, id, 0x84), uint32(n))
		if n < 1<<24 {
			b = append(b[:1], 0x83, byte(n>>16), byte(n>>8), byte(n))
		}
	}
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func seq(parts ...[]byte) []byte          { return tlv(0x30, parts...) }
func app(tag int, parts ...[]byte) []byte { return tlv(0x60|byte(tag), seq(parts...)) }
func octets(b []byte) []byte              { return tlv(asn1.TagOctetString, b) }
func text(s string) []byte                { return tlv(asn1.TagGeneralString, []byte(s)) }

func ctx(tag int, value []byte) []byte {
	if value == nil {
		return nil
	}
	return tlv(0xa0|byte(tag), value)
}

func integer(v int64) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 8), uint64(v))
	for len(b) > 1 && (b[0] == 0 && b[1] < 0x80 || b[0] == 0xff && b[1] >= 0x80) {
		b = b[1:]
	}
	return tlv(asn1.TagInteger, b)
}

// optional is an integer whose zero is absent.
func optional(v int64) []byte {
	if v == 0 {
		return nil
	}
	return integer(v)
}

func (f Flags) der() []byte {
	return tlv(asn1.TagBitString, []byte{0, byte(f >> 24), byte(f >> 16), byte(f >> 8), byte(f)})
}

// timestamp is a KerberosTime; the zero time is absent.
func timestamp(t time.Time) []byte {
	if t.IsZero() {
		return nil
	}
	return tlv(asn1.TagGeneralizedTime, t.UTC().AppendFormat(make([]byte, 0, 16), "20060102150405Z"))
}

func (n Name) der() []byte {
	if n.IsZero() {
		return nil
	}
	var parts [maxParts][]byte
	list := parts[:0]
	for _, p := range n.Parts {
		list = append(list, text(p))
	}
	return seq(ctx(0, integer(int64(n.Type))), ctx(1, seq(list...)))
}

func (k Key) der() []byte {
	return seq(ctx(0, integer(int64(k.EType))), ctx(1, octets(k.Value)))
}

func (c Checksum) der() []byte {
	return seq(ctx(0, integer(int64(c.Type))), ctx(1, octets(c.Sum)))
}

func (d EncryptedData) der() []byte {
	return seq(ctx(0, integer(int64(d.EType))), ctx(1, optional(d.KVNO)), ctx(2, octets(d.Cipher)))
}

// list is SEQUENCE OF; an empty one is absent unless it must be there.
func list[T any](items []T, der func(T) []byte) []byte {
	if len(items) == 0 {
		return nil
	}
	parts := make([][]byte, len(items))
	for i, item := range items {
		parts[i] = der(item)
	}
	return seq(parts...)
}

func orEmpty(b []byte) []byte {
	if b == nil {
		return seq()
	}
	return b
}

func (p PAData) der() []byte {
	return seq(ctx(1, integer(int64(p.Type))), ctx(2, octets(p.Value)))
}

func (a AuthData) der() []byte {
	return seq(ctx(0, integer(int64(a.Type))), ctx(1, octets(a.Data)))
}

func (h HostAddress) der() []byte {
	return seq(ctx(0, integer(int64(h.Type))), ctx(1, octets(h.Address)))
}

func (l LastReq) der() []byte {
	return seq(ctx(0, integer(int64(l.Type))), ctx(1, timestamp(l.Time)))
}
