package krb

import (
	"encoding/binary"
	"errors"
	"time"
)

// KeytabEntry is one key of a keytab.
type KeytabEntry struct {
	Realm string
	Name  Name
	Time  time.Time // when the key was made
	KVNO  uint32
	Key   Key
}

// maxKeytab bounds a file, in bytes, and maxKeytabEntries what is in it.
const (
	maxKeytab        = 1 << 20
	maxKeytabEntries = 4096
)

// EncodeKeytab writes a keytab of version 2, all numbers big endian (MIT krb5,
// doc/formats/keytab_file_format):
//
//	05 02
//	4 length of the entry, then:
//	    2 count of parts, { 2 length, bytes } realm, { 2 length, bytes } part …
//	    4 type of the name, 4 time, 1 version (low bits), 2 key type, { 2 length, bytes } key, 4 version
func EncodeKeytab(entries []KeytabEntry) ([]byte, error) {
	b := []byte{5, 2}
	for _, e := range entries {
		if err := errors.Join(e.Name.check("name"), checkText("realm", e.Realm)); err != nil {
			return nil, err
		}
		if _, err := e.Key.check(); err != nil {
			return nil, err
		}
		body := binary.BigEndian.AppendUint16(nil, uint16(len(e.Name.Parts)))
		for _, s := range append([]string{e.Realm}, e.Name.Parts...) {
			body = append(binary.BigEndian.AppendUint16(body, uint16(len(s))), s...)
		}
		body = binary.BigEndian.AppendUint32(body, uint32(e.Name.Type))
		body = binary.BigEndian.AppendUint32(body, unix32(e.Time))
		body = append(body, byte(e.KVNO))
		body = binary.BigEndian.AppendUint16(body, uint16(e.Key.EType))
		body = append(binary.BigEndian.AppendUint16(body, uint16(len(e.Key.Value))), e.Key.Value...)
		body = binary.BigEndian.AppendUint32(body, e.KVNO)
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(body))), body...)
	}
	return b, nil
}

// ParseKeytab reads a keytab of version 2. Entries that were deleted, whose
// length is negative, are left out; so is what a later version puts behind the
// version of a key. Keys may be of any encryption type and length.
func ParseKeytab(b []byte) ([]KeytabEntry, error) {
	if len(b) > maxKeytab {
		return nil, errors.New("keytab: too long")
	}
	c := &cursor{b: b}
	if c.u16() != 0x0502 {
		return nil, errors.New("keytab: not of version 2")
	}
	var entries []KeytabEntry
	for len(c.b) > 0 && !c.bad {
		n := int64(int32(c.u32()))
		body := c.take(int(max(n, -n)))
		if c.bad || n <= 0 {
			continue
		}
		if len(entries) == maxKeytabEntries {
			return nil, errors.New("keytab: too many entries")
		}
		e, err := parseKeytabEntry(body)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	if c.bad {
		return nil, errCut
	}
	return entries, nil
}

var errCut = errors.New("keytab: cut short")

func parseKeytabEntry(b []byte) (e KeytabEntry, err error) {
	c := &cursor{b: b}
	parts := int(c.u16())
	e.Realm = string(c.take(int(c.u16())))
	if parts > maxParts {
		return e, errors.New("keytab: a name of too many parts")
	}
	for range parts {
		e.Name.Parts = append(e.Name.Parts, string(c.take(int(c.u16()))))
	}
	e.Name.Type = int32(c.u32())
	e.Time = c.time()
	if v := c.take(1); v != nil {
		e.KVNO = uint32(v[0])
	}
	e.Key.EType = int32(int16(c.u16()))
	e.Key.Value = c.take(int(c.u16()))
	if c.bad {
		return e, errCut
	}
	if len(c.b) >= 4 { // older writers leave it out; 0 says nothing
		if v := c.u32(); v != 0 {
			e.KVNO = v
		}
	}
	return e, errors.Join(e.Name.check("name"), checkText("realm", e.Realm))
}
