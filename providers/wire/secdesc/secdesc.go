// Package secdesc is the codec of security descriptors as directories keep them
// in nTSecurityDescriptor: an owner, a group, and a list of who has which right.
// Only what decides over rights to attributes and control access rights is here:
// entries that allow or deny, for all or for one, and how children inherit them.
// Entries of other types are kept as they are.
//
// Contract: what Parse takes, Marshal writes back with the same meaning; the
// audit list is dropped. A descriptor without a list, which Windows reads as
// everybody's, is refused.
//
// Sources: MS-DTYP 2.4.4 (entries), 2.4.5 (lists), 2.4.6 (descriptors), 2.5.3.4
// (inheritance); MS-ADTS 5.1.3 (access checks); MS-CRTD 2.5 (rights of certificate
// templates).
package secdesc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/sid"
)

// Types of entries.
const (
	Allow       = 0x00 // ACCESS_ALLOWED_ACE
	Deny        = 0x01 // ACCESS_DENIED_ACE
	AllowObject = 0x05 // ACCESS_ALLOWED_OBJECT_ACE
	DenyObject  = 0x06 // ACCESS_DENIED_OBJECT_ACE
)

// Flags of entries.
const (
	ContainerInherit = 0x02 // children inherit it
	noPropagate      = 0x04 // but not theirs
	InheritOnly      = 0x08 // it is for children only
	Inherited        = 0x10 // it came from a parent
)

// Bits of masks.
const (
	Self          = 0x00000008 // ADS_RIGHT_DS_SELF: a validated write
	ReadProperty  = 0x00000010 // ADS_RIGHT_DS_READ_PROP
	WriteProperty = 0x00000020 // ADS_RIGHT_DS_WRITE_PROP
	ControlAccess = 0x00000100 // ADS_RIGHT_DS_CONTROL_ACCESS
	// Read is what who may enroll holds besides: list, read properties, read control.
	Read = 0x00020094
	// All is every right that an administrator has of an object of the directory.
	All = 0x000F01FF
)

// KeyCredentialLink is by which entries name the attribute msDS-KeyCredentialLink
// (its schemaIDGUID, MS-ADA2).
var KeyCredentialLink = guid.GUID{0x5b, 0x47, 0xd6, 0x0f, 0x60, 0x90, 0x40, 0xb2, 0x9f, 0x37, 0x2a, 0x4d, 0xe8, 0x8f, 0x30, 0x63}

// Control access rights of certificate templates (MS-CRTD 2.5.1 and 2.5.2).
var (
	Enroll     = guid.GUID{0x0e, 0x10, 0xc9, 0x68, 0x78, 0xfb, 0x11, 0xd2, 0x90, 0xd4, 0x00, 0xc0, 0x4f, 0x79, 0xdc, 0x55}
	AutoEnroll = guid.GUID{0xa0, 0x5b, 0x8c, 0xc2, 0x17, 0xbc, 0x48, 0x02, 0xa7, 0x10, 0xe7, 0xc1, 0x5a, 0xb8, 0x66, 0xa2}
)

// Entry is one access control entry.
type Entry struct {
	Type   byte
	Flags  byte
	Mask   uint32
	Object guid.GUID // of object entries: the one right, property or class; zero: all
	// Inherited is of object entries: whose children inherit it; zero: all.
	Inherited guid.GUID
	SID       sid.SID

	other []byte // body of an entry of another type
}

// Descriptor is a security descriptor.
type Descriptor struct {
	Owner, Group sid.SID // zero: none
	Entries      []Entry // in the order in which they decide
	Protected    bool    // it inherits nothing (SE_DACL_PROTECTED)
}

// ErrSyntax is wrapped by every error of reading.
var ErrSyntax = errors.New("malformed security descriptor")

// ErrTooLong says that a descriptor has more entries than a list holds.
var ErrTooLong = errors.New("a security descriptor holds no more entries")

func syntax(what string) error { return fmt.Errorf("%w: %s", ErrSyntax, what) }

const (
	maxSize    = 64 << 10 // bytes: a list's size is of 16 bits
	maxEntries = 1024

	header        = 20
	daclPresent   = 0x0004
	daclProtected = 0x1000
	selfRelative  = 0x8000

	hasObject    = 1
	hasInherited = 2
)

// Parse reads a self-relative descriptor:
//
//	 0  u8   revision, 1
//	 1  u8   0
//	 2  u16  control: DACL present, DACL protected, self-relative
//	 4  u32  offset of the owner; 0: none
//	 8  u32  offset of the group
//	12  u32  offset of the audit list
//	16  u32  offset of the list
func Parse(b []byte) (*Descriptor, error) {
	if len(b) < header || len(b) > maxSize || b[0] != 1 {
		return nil, syntax("header")
	}
	control := binary.LittleEndian.Uint16(b[2:])
	if control&selfRelative == 0 {
		return nil, syntax("not self-relative")
	}
	if control&daclPresent == 0 {
		return nil, syntax("no list of rights")
	}
	d := &Descriptor{Protected: control&daclProtected != 0}
	for at, into := range map[int]*sid.SID{4: &d.Owner, 8: &d.Group} {
		offset := binary.LittleEndian.Uint32(b[at:])
		if offset == 0 {
			continue
		}
		var err error
		if *into, err = readSID(b, offset); err != nil {
			return nil, err
		}
	}
	offset := binary.LittleEndian.Uint32(b[16:])
	if offset < header || int64(offset) > int64(len(b)) {
		return nil, syntax("offset of the list")
	}
	var err error
	d.Entries, err = parseList(b[offset:])
	return d, err
}

func readSID(b []byte, offset uint32) (sid.SID, error) {
	if offset < header || int64(offset)+2 > int64(len(b)) {
		return sid.SID{}, syntax("offset of an identifier")
	}
	rest := b[offset:]
	size := 8 + 4*int(rest[1])
	if size > len(rest) {
		return sid.SID{}, syntax("identifier")
	}
	s, err := sid.Decode(rest[:size])
	if err != nil {
		return s, fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	return s, nil
}

// parseList reads a list: u8 revision (2, or 4 with object entries), u8 0, u16
// size, u16 number of entries, u16 0.
func parseList(b []byte) ([]Entry, error) {
	if len(b) < 8 || b[0] != 2 && b[0] != 4 {
		return nil, syntax("list")
	}
	size, count := int(binary.LittleEndian.Uint16(b[2:])), int(binary.LittleEndian.Uint16(b[4:]))
	if size < 8 || size > len(b) || count > maxEntries {
		return nil, syntax("size of the list")
	}
	b = b[8:size]
	var out []Entry
	for range count {
		if len(b) < 4 {
			return nil, syntax("fewer entries than the list says")
		}
		size := int(binary.LittleEndian.Uint16(b[2:]))
		if size < 4 || size%4 != 0 || size > len(b) {
			return nil, syntax("size of an entry")
		}
		e, err := parseEntry(b[:size])
		if err != nil {
			return nil, err
		}
		out = append(out, e)
		b = b[size:]
	}
	return out, nil
}

// parseEntry reads an entry: u8 type, u8 flags, u16 size, u32 mask, of object
// entries u32 flags and the two GUIDs that they say are there, identifier.
func parseEntry(b []byte) (Entry, error) {
	e := Entry{Type: b[0], Flags: b[1]}
	switch e.Type {
	case Allow, Deny, AllowObject, DenyObject:
	default:
		e.other = slices.Clone(b[4:])
		return e, nil
	}
	b = b[4:]
	if len(b) < 4 {
		return e, syntax("entry")
	}
	e.Mask, b = binary.LittleEndian.Uint32(b), b[4:]
	if e.Type == AllowObject || e.Type == DenyObject {
		if len(b) < 4 {
			return e, syntax("entry")
		}
		present := binary.LittleEndian.Uint32(b)
		b = b[4:]
		for _, part := range []struct {
			bit  uint32
			into *guid.GUID
		}{{hasObject, &e.Object}, {hasInherited, &e.Inherited}} {
			if present&part.bit == 0 {
				continue
			}
			if len(b) < 16 {
				return e, syntax("entry")
			}
			*part.into, b = guid.FromWindows([16]byte(b)), b[16:]
		}
	}
	var err error
	if e.SID, err = sid.Decode(b); err != nil {
		return e, fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	return e, nil
}

// Parts of a descriptor (SECURITY_INFORMATION, MS-DTYP 2.4.7).
const (
	PartOwner = 1
	PartGroup = 2
	PartList  = 4
)

// Marshal writes the descriptor as Parse reads it. More entries than a list of
// 64 kB holds are ErrTooLong.
func (d *Descriptor) Marshal() ([]byte, error) {
	return d.MarshalParts(PartOwner | PartGroup | PartList)
}

// MarshalParts is Marshal of some parts; one without a list Parse does not read.
func (d *Descriptor) MarshalParts(parts uint32) ([]byte, error) {
	b := make([]byte, header)
	b[0] = 1
	control := uint16(selfRelative)
	if parts&PartList != 0 {
		control |= daclPresent
	}
	if parts&PartList != 0 && d.Protected {
		control |= daclProtected
	}
	binary.LittleEndian.PutUint16(b[2:], control)
	for i, s := range []sid.SID{d.Owner, d.Group} {
		if !s.IsZero() && parts&(PartOwner<<i) != 0 {
			binary.LittleEndian.PutUint32(b[4+4*i:], uint32(len(b)))
			b = append(b, s.Bytes()...)
		}
	}
	if parts&PartList == 0 {
		return b, nil
	}
	binary.LittleEndian.PutUint32(b[16:], uint32(len(b)))
	list := []byte{4, 0, 0, 0, 0, 0, 0, 0}
	for _, e := range d.Entries {
		list = append(list, e.marshal()...)
	}
	if len(d.Entries) > maxEntries || len(b)+len(list) >= maxSize {
		return nil, ErrTooLong
	}
	binary.LittleEndian.PutUint16(list[2:], uint16(len(list)))
	binary.LittleEndian.PutUint16(list[4:], uint16(len(d.Entries)))
	return append(b, list...), nil
}

func (e *Entry) marshal() []byte {
	b := []byte{e.Type, e.Flags, 0, 0}
	switch e.Type {
	case Allow, Deny, AllowObject, DenyObject:
		b = binary.LittleEndian.AppendUint32(b, e.Mask)
		if e.Type == AllowObject || e.Type == DenyObject {
			var present uint32
			var guids []byte
			for _, part := range []struct {
				bit uint32
				id  guid.GUID
			}{{hasObject, e.Object}, {hasInherited, e.Inherited}} {
				if !part.id.IsZero() {
					w := part.id.Windows()
					present, guids = present|part.bit, append(guids, w[:]...)
				}
			}
			b = append(binary.LittleEndian.AppendUint32(b, present), guids...)
		}
		b = append(b, e.SID.Bytes()...)
	default:
		b = append(b, e.other...)
	}
	binary.LittleEndian.PutUint16(b[2:], uint16(len(b)))
	return b
}

// Allows says whether somebody with these identifiers has a control access
// right: the first entry about it decides, and without one nobody has it.
func (d *Descriptor) Allows(right guid.GUID, identifiers []sid.SID) bool {
	return d.Permits(ControlAccess, identifiers, right)
}

// Permits says whether somebody with these identifiers has the right of one bit
// to an object: an attribute, by itself or by the property set that it is in. The
// first entry about it decides, and without one nobody has it.
func (d *Descriptor) Permits(bit uint32, identifiers []sid.SID, object ...guid.GUID) bool {
	for _, e := range d.Entries {
		if e.Flags&InheritOnly != 0 || e.rights()&bit == 0 || !e.Object.IsZero() && !slices.Contains(object, e.Object) || !slices.Contains(identifiers, e.SID) {
			continue
		}
		switch e.Type {
		case Allow, AllowObject:
			return true
		case Deny, DenyObject:
			return false
		}
	}
	return false
}

// generic are the rights that a directory makes of generic ones (MS-ADTS 5.1.3.2).
var generic = map[uint32]uint32{
	0x80000000: Read,       // GENERIC_READ
	0x40000000: 0x00020028, // GENERIC_WRITE: read control, write properties, validated writes
	0x20000000: 0x00020004, // GENERIC_EXECUTE: read control, list
	0x10000000: All,        // GENERIC_ALL
}

// rights is an entry's mask with what its generic bits mean.
func (e *Entry) rights() uint32 {
	mask := e.Mask
	if mask>>28 == 0 {
		return mask
	}
	for bit, means := range generic {
		if e.Mask&bit != 0 {
			mask |= means
		}
	}
	return mask
}

// Own are the entries that an object does not have from a parent.
func (d *Descriptor) Own() []Entry {
	return slices.DeleteFunc(slices.Clone(d.Entries), func(e Entry) bool { return e.Flags&Inherited != 0 })
}

// Heritable are the entries that a child of a class inherits, as it has them. One
// for children of other classes it only hands on.
func (d *Descriptor) Heritable(class guid.GUID) []Entry {
	var out []Entry
	for _, e := range d.Entries {
		if e.Flags&ContainerInherit == 0 {
			continue
		}
		e.Flags = e.Flags&^InheritOnly | Inherited
		switch foreign := !e.Inherited.IsZero() && e.Inherited != class; {
		case e.Flags&noPropagate != 0 && foreign:
			continue
		case e.Flags&noPropagate != 0:
			e.Flags &^= ContainerInherit | noPropagate
		case foreign:
			e.Flags |= InheritOnly
		}
		out = append(out, e)
	}
	return out
}

// Grant gives somebody a control access right, and says whether it was not
// given by an entry of its own already.
func (d *Descriptor) Grant(right guid.GUID, who sid.SID) bool {
	if slices.ContainsFunc(d.Entries, granted(right, who)) {
		return false
	}
	d.Entries = append(d.Entries, Entry{Type: AllowObject, Mask: ControlAccess, Object: right, SID: who})
	return true
}

// Withdraw takes back what Grant gave.
func (d *Descriptor) Withdraw(right guid.GUID, who sid.SID) {
	d.Entries = slices.DeleteFunc(d.Entries, granted(right, who))
}

func granted(right guid.GUID, who sid.SID) func(Entry) bool {
	return func(e Entry) bool {
		return e.Type == AllowObject && e.Object == right && e.SID == who && e.Mask == ControlAccess
	}
}
