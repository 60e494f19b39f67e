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
