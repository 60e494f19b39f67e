package krb

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A client that shows a ticket-granting ticket of a read-only domain controller
// may ask for the long-term keys of the account with it (MS-KILE 2.2.11 and
// 2.2.12). The answer goes into the encrypted part of the reply.
//
//	KERB-KEY-LIST-REQ ::= SEQUENCE OF Int32          -- encryption types
//	KERB-KEY-LIST-REP ::= SEQUENCE OF EncryptionKey

// EncodeKeyListReq writes the value of KERB-KEY-LIST-REQ.
func EncodeKeyListReq(etypes []int32) ([]byte, error) {
	return orEmpty(list(etypes, func(e int32) value { return integer(int64(e)) })).encode(), nil
}

// ParseKeyListReq reads the value of KERB-KEY-LIST-REQ.
func ParseKeyListReq(b []byte) ([]int32, error) {
	var list []int32
	err := readList(b, func(d *decoder) int {
		d.each(b, func(element []byte) { list = append(list, d.int32(element)) })
		return len(list)
	})
	if err != nil {
		return nil, fmt.Errorf("KERB-KEY-LIST-REQ: %w", err)
	}
	return list, nil
}

// EncodeKeyListRep writes the value of KERB-KEY-LIST-REP.
func EncodeKeyListRep(keys []Key) ([]byte, error) {
	return orEmpty(list(keys, Key.der)).encode(), nil
}

// ParseKeyListRep reads the value of KERB-KEY-LIST-REP. Keys of types that work
// here are of their size.
func ParseKeyListRep(b []byte) ([]Key, error) {
	var list []Key
	err := readList(b, func(d *decoder) int {
		list = sequenceOf[Key](d, b)
		return len(list)
	})
	if err != nil {
		return nil, fmt.Errorf("KERB-KEY-LIST-REP: %w", err)
	}
	for _, k := range list {
		if size := KeySize(k.EType); size != 0 && size != len(k.Value) {
			return nil, fmt.Errorf("KERB-KEY-LIST-REP: key of %d bytes for encryption type %d", len(k.Value), k.EType)
		}
	}
	return list, nil
}

// readList runs what reads a list and tells its length.
func readList(b []byte, read func(*decoder) int) error {
	if err := Check(b); err != nil {
		return err
	}
	d := &decoder{}
	switch n := read(d); {
	case d.bad:
		return errValue
	case n > maxETypes:
		return errors.New("too many elements")
	}
	return nil
}

// EncodeSupportedETypes writes the value of PA-SUPPORTED-ENCTYPES: the bits of
// msDS-SupportedEncryptionTypes, little endian (MS-KILE 2.2.8).
func EncodeSupportedETypes(bits uint32) []byte { return binary.LittleEndian.AppendUint32(nil, bits) }

// ParseSupportedETypes reads the value of PA-SUPPORTED-ENCTYPES.
func ParseSupportedETypes(b []byte) (bits uint32, err error) {
	if len(b) != 4 {
		return 0, fmt.Errorf("PA-SUPPORTED-ENCTYPES: %d bytes", len(b))
	}
	return binary.LittleEndian.Uint32(b), nil
}
