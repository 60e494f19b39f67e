package directory

import (
	"errors"
	"strings"

	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/secdesc"
	"hellolab/providers/wire/sid"
)

// attrDescriptor is the attribute that holds a security descriptor. Of objects of
// the domain's naming context what is stored is an object's own: inherited entries
// are worked out when it is read. Where nothing is stored, the default of the
// object's class holds (defaultSecurityDescriptor of AD's schema).
const attrDescriptor = "nTSecurityDescriptor"

const attrKeys = "msDS-KeyCredentialLink"

// Identifiers by which entries name attributes and rights (schemaIDGUID,
// attributeSecurityGUID and rightsGuid of MS-ADA1 to MS-ADA3 and MS-ADTS
// 5.1.3.2.1).
var (
	guidUserCertificate = guid.GUID{0xbf, 0x96, 0x7a, 0x7f, 0x0d, 0xe6, 0x11, 0xd0, 0xa2, 0x85, 0x00, 0xaa, 0x00, 0x30, 0x49, 0xe2}
	guidPersonal        = guid.GUID{0x77, 0xb5, 0xb8, 0x86, 0x94, 0x4a, 0x11, 0xd1, 0xae, 0xbd, 0x00, 0x00, 0xf8, 0x03, 0x67, 0xc1} // Personal-Information
	guidComputerWrite   = guid.GUID{0x9b, 0x02, 0x6d, 0xa6, 0x0d, 0x3c, 0x46, 0x5c, 0x8b, 0xee, 0x51, 0x99, 0xd7, 0x16, 0x5c, 0xba} // DS-Validated-Write-Computer
	guidChangePassword  = guid.GUID{0xab, 0x72, 0x1a, 0x53, 0x1e, 0x2f, 0x11, 0xd0, 0x98, 0x19, 0x00, 0xaa, 0x00, 0x40, 0x52, 0x9b} // User-Change-Password
)

// listed are the attributes whose writers the lists decide, by the identifiers
// that entries may name them by.
var listed = map[string][]guid.GUID{
	attrKeys:          {secdesc.KeyCredentialLink, guidComputerWrite},
	"userCertificate": {guidUserCertificate, guidPersonal},
}

// classGUIDs are the classes that entries may be inherited by alone (schemaIDGUID
// of MS-ADSC).
var classGUIDs = map[string]guid.GUID{
	"user":               {0xbf, 0x96, 0x7a, 0xba, 0x0d, 0xe6, 0x11, 0xd0, 0xa2, 0x85, 0x00, 0xaa, 0x00, 0x30, 0x49, 0xe2},
	"computer":           {0xbf, 0x96, 0x7a, 0x86, 0x0d, 0xe6, 0x11, 0xd0, 0xa2, 0x85, 0x00, 0xaa, 0x00, 0x30, 0x49, 0xe2},
	"group":              {0xbf, 0x96, 0x7a, 0x9c, 0x0d, 0xe6, 0x11, 0xd0, 0xa2, 0x85, 0x00, 0xaa, 0x00, 0x30, 0x49, 0xe2},
	"container":          {0xbf, 0x96, 0x7a, 0x8b, 0x0d, 0xe6, 0x11, 0xd0, 0xa2, 0x85, 0x00, 0xaa, 0x00, 0x30, 0x49, 0xe2},
	"organizationalUnit": {0xbf, 0x96, 0x7a, 0xa5, 0x0d, 0xe6, 0x11, 0xd0, 0xa2, 0x85, 0x00, 0xaa, 0x00, 0x30, 0x49, 0xe2},
}

func (o *object) class() string { return o.Classes[len(o.Classes)-1] }

// inDomain says whether an object stands in the domain's naming context, whose
// objects inherit.
func (d *Directory) inDomain(o *object) bool {
	dn := "," + strings.ToLower(o.DN)
	return strings.HasSuffix(dn, ","+strings.ToLower(d.cfg.DN())) && !strings.HasSuffix(dn, ","+strings.ToLower(d.cfg.configuration()))
}

// descriptor is the security descriptor of an object of the domain's naming
// context: its own entries, and after them what it inherits.
func (d *Directory) descriptor(r reader, o *object) (*secdesc.Descriptor, error) {
	own, err := d.ownDescriptor(o)
	if err != nil || own.Protected || o.ID == d.cfg.GUID {
		return own, err
	}
	name, err := ldapmsg.ParseDN(o.DN)
	if err != nil {
		return nil, err
	}
	parent, err := r.atPath(pathOfDN(name.Parent()))
	if err != nil {
		return nil, err
	}
	from, err := d.descriptor(r, parent)
	if err != nil {
		return nil, err
	}
	own.Entries = append(own.Entries, from.Heritable(classGUIDs[o.class()])...)
	return own, nil
}

func (d *Directory) ownDescriptor(o *object) (*secdesc.Descriptor, error) {
	if raw := o.Values[attrDescriptor]; len(raw) > 0 {
		return secdesc.Parse(raw[0])
	}
	return d.defaultDescriptor(o), nil
}

// Masks of AdminSDHolder's list: as All, without what only an object's own
// deletion needs.
const (
	maskAdmins  = 0x000E01BF
	maskBuiltin = 0x000F01BF
	readWrite   = secdesc.ReadProperty | secdesc.WriteProperty
)

// defaultDescriptor is what an object of a class begins with, as far as lists
// decide something here.
func (d *Directory) defaultDescriptor(o *object) *secdesc.Descriptor {
	admins, publishers := d.sid.Account(sid.RIDDomainAdmins), d.sid.Account(sid.RIDCertPublishers)
	full := func(s sid.SID) secdesc.Entry { return secdesc.Entry{Type: secdesc.Allow, Mask: secdesc.All, SID: s} }
	to := func(s sid.SID, mask uint32, object guid.GUID) secdesc.Entry {
		return secdesc.Entry{Type: secdesc.AllowObject, Mask: mask, Object: object, SID: s}
	}
	out := &secdesc.Descriptor{Owner: admins, Group: admins, Entries: []secdesc.Entry{
		full(admins), full(sid.LocalSystem), {Type: secdesc.Allow, Mask: secdesc.Read, SID: sid.AuthenticatedUsers},
	}}
	switch {
	case o.ID == d.cfg.GUID:
		// What preparing a domain for Windows Server 2016 adds: Key Admins, and
		// computers' own keys.
		for _, rid := range []uint32{sid.RIDKeyAdmins, sid.RIDEnterpriseKeyAdmins} {
			e := to(d.sid.Account(rid), readWrite, secdesc.KeyCredentialLink)
			e.Flags = secdesc.ContainerInherit
			out.Entries = append(out.Entries, e)
		}
		own := to(sid.Self, secdesc.Self, guidComputerWrite)
		own.Flags, own.Inherited = secdesc.ContainerInherit|secdesc.InheritOnly, classGUIDs["computer"]
		out.Entries = append(out.Entries, own)
	case d.isAdminSDHolder(o):
		return d.adminSDHolder()
	case o.is("user"):
		out.Entries = append(out.Entries, to(publishers, readWrite, guidUserCertificate),
			to(sid.Everyone, secdesc.ControlAccess, guidChangePassword), to(sid.Self, secdesc.ControlAccess, guidChangePassword))
	}
	return out
}

// adminSDHolder is the list that AdminSDHolder begins with: nobody but
// administrators, and publishers of certificates, writes what it protects.
func (d *Directory) adminSDHolder() *secdesc.Descriptor {
	admins := d.sid.Account(sid.RIDDomainAdmins)
	return &secdesc.Descriptor{Owner: admins, Group: admins, Protected: true, Entries: []secdesc.Entry{
		{Type: secdesc.AllowObject, Mask: readWrite, Object: guidUserCertificate, SID: d.sid.Account(sid.RIDCertPublishers)},
		{Type: secdesc.AllowObject, Mask: secdesc.ControlAccess, Object: guidChangePassword, SID: sid.Everyone},
		{Type: secdesc.AllowObject, Mask: secdesc.ControlAccess, Object: guidChangePassword, SID: sid.Self},
		{Type: secdesc.Allow, Mask: maskAdmins, SID: admins},
		{Type: secdesc.Allow, Mask: maskAdmins, SID: d.sid.Account(sid.RIDEnterpriseAdmins)},
		{Type: secdesc.Allow, Mask: maskBuiltin, SID: sid.Administrators},
		{Type: secdesc.Allow, Mask: secdesc.Read, SID: sid.AuthenticatedUsers},
		{Type: secdesc.Allow, Mask: secdesc.All, SID: sid.LocalSystem},
	}}
}

// granted says on what ground the list of an object lets somebody write an
// attribute; noRight for one that lists do not decide.
func (d *Directory) granted(r reader, who *Requester, o *object, attribute string, self bool) (right, error) {
	named := listed[attribute]
	if named == nil || !d.inDomain(o) {
		return noRight, nil
	}
	list, err := d.descriptor(r, o)
	if err != nil {
		return noRight, err
	}
	identifiers := append([]sid.SID{who.SID}, who.Groups...)
	if self {
		identifiers = append(identifiers, sid.Self)
	}
	switch {
	case list.Permits(secdesc.WriteProperty, identifiers, named...):
		return anyValue, nil
	case attribute == attrKeys && self && o.is("computer") && list.Permits(secdesc.Self, identifiers, guidComputerWrite):
		return validated, nil
	}
	return noRight, nil
}

// shownDescriptor is the attribute as LDAP shows it.
func (d *Directory) shownDescriptor(r reader, o *object) ([][]byte, error) {
	if !d.inDomain(o) {
		return o.Values[attrDescriptor], nil
	}
	list, err := d.descriptor(r, o)
	if err != nil {
		return nil, err
	}
	raw, err := list.Marshal()
	return [][]byte{raw}, err
}

// writtenDescriptor is what is kept of a descriptor that is written: the object's
// own entries; owner and group stay where the value names none. One that could not be
// shown, with what the object inherits, is refused.
func (d *Directory) writtenDescriptor(r reader, o *object, now []value) ([]value, error) {
	if len(now) == 0 || !d.inDomain(o) {
		return now, nil
	}
	was, err := d.ownDescriptor(o)
	if err != nil {
		return nil, err
	}
	is, err := secdesc.Parse(now[0].stored)
	if err != nil {
		return nil, err
	}
	is.Entries = is.Own()
	if is.Owner.IsZero() {
		is.Owner = was.Owner
	}
	if is.Group.IsZero() {
		is.Group = was.Group
	}
	raw, err := is.Marshal()
	if err == nil {
		then := o.clone()
		then.set(attrDescriptor, string(raw))
		_, err = d.shownDescriptor(r, then)
	}
	if errors.Is(err, secdesc.ErrTooLong) {
		return nil, ldapmsg.Errorf(ldapmsg.ConstraintViolation, ldapmsg.ErrorConstraintViolation, "The security descriptor is too long, with what %s inherits.", o.DN)
	}
	return []value{{stored: raw, normal: raw}}, err
}
