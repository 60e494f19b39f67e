package pac

import (
	"encoding/binary"
	"errors"
	"fmt"

	"hellolab/providers/wire/sid"
)

// PAC_CLIENT_INFO (MS-PAC 2.7):
//
//	0   u64  FILETIME, the ticket's authtime
//	8   u16  length of the name in bytes
//	10  …    name, UTF-16

// ClientInfo binds a PAC to its ticket.
type ClientInfo struct {
	ClientID uint64 // FILETIME of the ticket's authtime
	Name     string // the ticket's client name, without realm
}

var errLength = errors.New("wrong length")

func (c *ClientInfo) encode() ([]byte, error) {
	name := toUTF16(c.Name)
	if len(name) > 0xFFFF {
		return nil, ErrSize
	}
	b := binary.LittleEndian.AppendUint64(nil, c.ClientID)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(name)))
	return append(b, name...), nil
}

func decodeClientInfo(b []byte) (*ClientInfo, error) {
	if len(b) < 10 || len(b) != 10+int(binary.LittleEndian.Uint16(b[8:])) {
		return nil, errLength
	}
	name, err := fromUTF16(b[10:])
	return &ClientInfo{binary.LittleEndian.Uint64(b), name}, err
}

// UPN_DNS_INFO (MS-PAC 2.10); an offset counts from the buffer's start and is a
// multiple of 8, as is the buffer's size:
//
//	0   u16, u16  length and offset of the UPN, UTF-16
//	4   u16, u16  of the DNS domain, UTF-16
//	8   u32       flags
//	12  u16, u16  of the sAMAccountName, UTF-16   (with flag 2)
//	16  u16, u16  of the SID                      (with flag 2)

// UPNDNSInfo is the account's names.
type UPNDNSInfo struct {
	UPN            string
	DNSDomain      string // upper case, as in AD
	Flags          uint32 // UPNConstructed; UPNExtended follows from what there is
	SAMAccountName string // with SID: the extended form
	SID            sid.SID
}

// Flags of UPNDNSInfo.
const (
	UPNConstructed uint32 = 1 // the account has no userPrincipalName, this one is made
	UPNExtended    uint32 = 2 // SAMAccountName and SID are there
)

func (u *UPNDNSInfo) encode() ([]byte, error) {
	flags, header := u.Flags&^UPNExtended, 16
	parts := [][]byte{toUTF16(u.UPN), toUTF16(u.DNSDomain)}
	if !u.SID.IsZero() {
		flags, header = flags|UPNExtended, 24
		parts = append(parts, toUTF16(u.SAMAccountName), u.SID.Bytes())
	}
	b := make([]byte, header)
	binary.LittleEndian.PutUint32(b[8:], flags)
	for i, at := range []int{0, 4, 12, 16}[:len(parts)] {
		if len(b) > 0xFFFF || len(parts[i]) > 0xFFFF {
			return nil, ErrSize
		}
		binary.LittleEndian.PutUint16(b[at:], uint16(len(parts[i])))
		binary.LittleEndian.PutUint16(b[at+2:], uint16(len(b)))
		b = pad(append(b, parts[i]...))
	}
	return b, nil
}

func decodeUPNDNSInfo(b []byte) (*UPNDNSInfo, error) {
	if len(b) < 12 {
		return nil, errLength
	}
	var err error
	part := func(at int) []byte {
		size, offset := int(binary.LittleEndian.Uint16(b[at:])), int(binary.LittleEndian.Uint16(b[at+2:]))
		if offset > len(b) || size > len(b)-offset {
			err = errLength
			return nil
		}
		return b[offset : offset+size]
	}
	text := func(at int) string {
		s, e := fromUTF16(part(at))
		if err == nil {
			err = e
		}
		return s
	}
	u := &UPNDNSInfo{UPN: text(0), DNSDomain: text(4), Flags: binary.LittleEndian.Uint32(b[8:])}
	if u.Flags&UPNExtended != 0 {
		if len(b) < 20 {
			return nil, errLength
		}
		u.SAMAccountName = text(12)
		if raw := part(16); err == nil {
			u.SID, err = sid.Decode(raw)
		}
	}
	return u, err
}

// PAC_ATTRIBUTES_INFO (MS-PAC 2.14):
//
//	0  u32  number of flags, 2
//	4  u32  flags, in as many u32 as their number needs

// Attributes says how the PAC came into a ticket-granting ticket.
type Attributes struct{ Flags uint32 }

// Flags of Attributes.
const (
	PACRequested       uint32 = 1 // the client asked for it
	PACGivenImplicitly uint32 = 2 // it did not say
)

func (a *Attributes) encode() []byte {
	return binary.LittleEndian.AppendUint32([]byte{2, 0, 0, 0}, a.Flags)
}

func decodeAttributes(b []byte) (*Attributes, error) {
	if len(b) < 8 {
		return nil, errLength
	}
	// More than 32 flags would take more words; the known two are in the first.
	if n := binary.LittleEndian.Uint32(b); n == 0 || (uint64(n)+31)/32*4 != uint64(len(b)-4) {
		return nil, fmt.Errorf("%d flags in %d bytes", n, len(b)-4)
	}
	return &Attributes{binary.LittleEndian.Uint32(b[4:])}, nil
}
