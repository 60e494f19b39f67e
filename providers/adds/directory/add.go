package directory

import (
	"context"
	"encoding/base32"
	"errors"
	"io"
	"strconv"
	"strings"

	"hellolab/providers/wire/filetime"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/sid"
)

// Add makes an object.
func (d *Directory) Add(ctx context.Context, who *Requester, op *ldapmsg.Add) error {
	return d.add(ctx, who, op, false)
}

func (d *Directory) add(ctx context.Context, who *Requester, op *ldapmsg.Add, krbtgt bool) error {
	return d.journaled(ctx, who, func(w writer, log *journal) error {
		if who.Anonymous() {
			return ldapmsg.BindRequired()
		}
		if err := d.mayKeep(w.reader, who, op.DN, "You may not add objects."); err != nil {
			return err
		}
		name, class, err := d.placed(w, op)
		if err != nil {
			return err
		}
		o := &object{DN: name.String(), Values: map[string][][]byte{}}
		if o.ID, err = guid.New(d.Rand); err != nil {
			return err
		}
		for _, c := range d.schema.line(class) {
			o.Classes = append(o.Classes, c.Name)
		}
		if err := d.begin(w, o, class, name[0][0]); err != nil {
			return err
		}
		if krbtgt {
			if err := d.numbered(w, o); err != nil {
				return err
			}
		}
		var changes []ldapmsg.Change
		for _, a := range op.Attributes {
			switch {
			case strings.EqualFold(a.Description, "objectClass"), strings.EqualFold(a.Description, "distinguishedName"):
				continue
			case strings.EqualFold(a.Description, name[0][0].Type):
				if len(a.Values) != 1 || ldapmsg.Fold(string(a.Values[0])) != ldapmsg.Fold(name[0][0].Value) {
					return ldapmsg.Errorf(ldapmsg.NamingViolation, ldapmsg.ErrorNamingViolation, "%s is not what the name says.", clip(a.Description))
				}
				continue
			}
			if krbtgt && (strings.EqualFold(a.Description, "sAMAccountName") || strings.EqualFold(a.Description, "userAccountControl")) {
				continue // the directory's to say
			}
			changes = append(changes, ldapmsg.Change{Kind: ldapmsg.ReplaceValues, Attribute: a})
		}
		if err := d.modify(w, who, o, changes, false, log); err != nil {
			return err
		}
		if missing := d.schema.missing(o.Classes, o.has); missing != "" {
			return ldapmsg.Errorf(ldapmsg.ObjectClassViolation, ldapmsg.ErrorMissingRequiredAttribute, "The object must have %s.", missing)
		}
		if err := d.touch(w, o); err != nil {
			return err
		}
		return w.store(nil, o)
	})
}

// placed reads the name and the class of an object to be, and checks that it
// may stand there.
func (d *Directory) placed(w writer, op *ldapmsg.Add) (ldapmsg.DN, *Class, error) {
	name, err := ldapmsg.ParseDN(op.DN)
	if err != nil || len(name) == 0 {
		return nil, nil, badName(op.DN)
	}
	class, err := d.newClass(op)
	if err != nil {
		return nil, nil, err
	}
	if _, err := w.atPath(pathOfDN(name)); err == nil {
		return nil, nil, nameTaken(op.DN)
	} else if !errors.Is(err, errNotFound) {
		return nil, nil, err
	}
	parent, err := w.atPath(pathOfDN(name.Parent()))
	if errors.Is(err, errNotFound) {
		return nil, nil, w.noSuchObject(name)
	}
	if err != nil {
		return nil, nil, err
	}
	if err := checkRDN(name[0], class); err != nil {
		return nil, nil, err
	}
	under, err := ldapmsg.ParseDN(parent.DN) // spelled as it is spelled there
	if err != nil {
		return nil, nil, err
	}
	return append(ldapmsg.DN{name[0]}, under...), class, checkParent(class, d.schema.Class(parent.Classes[len(parent.Classes)-1]))
}

// newClass returns the most specific of the classes that an addition names. The
// others must be its superclasses.
func (d *Directory) newClass(op *ldapmsg.Add) (*Class, error) {
	refuse := func(format string, args ...any) (*Class, error) {
		return nil, ldapmsg.Errorf(ldapmsg.ObjectClassViolation, ldapmsg.ErrorObjectClassViolation, format, args...)
	}
	var named []*Class
	for _, a := range op.Attributes {
		if !strings.EqualFold(a.Description, "objectClass") {
			continue
		}
		for _, v := range a.Values {
			c := d.schema.Class(string(v))
			if c == nil {
				return refuse("The schema has no class %q.", clip(string(v)))
			}
			named = append(named, c)
		}
	}
	var class *Class
	for _, c := range named {
		if class == nil || len(d.schema.line(c)) > len(d.schema.line(class)) {
			class = c
		}
	}
	if class == nil || class.Kind != structural {
		return refuse("An object has a structural class.")
	}
	line := d.schema.line(class)
	for _, c := range named {
		found := false
		for _, l := range line {
			found = found || l == c
		}
		if !found {
			return refuse("%s is no superclass of %s.", c.Name, class.Name)
		}
	}
	return class, nil
}

// begin gives a new object what the directory itself says of it.
func (d *Directory) begin(w writer, o *object, class *Class, rdn ldapmsg.AVA) error {
	o.set("objectGUID", string(windowsGUID(o.ID)))
	o.setNumber("instanceType", 4)
	o.set("objectCategory", d.category(class))
	o.set("name", rdn.Value)
	o.set(class.rdn(), rdn.Value)
	if !o.is("user") && class.Name != "group" {
		return nil
	}
	rid, err := w.next(keyRID)
	if err != nil {
		return err
	}
	o.set("objectSid", string(d.sid.Account(uint32(rid)).Bytes()))
	if err := d.accountName(o); err != nil {
		return err
	}
	switch class.Name {
	case "group":
		o.setNumber("groupType", groupTypeOf(groupGlobal|groupSecurity))
		o.setNumber("sAMAccountType", typeGlobalGroup)
	case "computer":
		d.beginAccount(o, UACWorkstation|UACDisabled|UACPasswordNotRequired, typeMachine, sid.RIDDomainComputers)
	default:
		d.beginAccount(o, UACNormal|UACDisabled|UACPasswordNotRequired, typeUser, sid.RIDDomainUsers)
	}
	return nil
}

func (c *Class) rdn() string {
	if c.RDN == "" {
		return "cn"
	}
	return c.RDN
}

func (d *Directory) category(class *Class) string {
	name := class.Category
	if name == "" {
		name = strings.ToUpper(class.Name[:1]) + class.Name[1:]
	}
	return "CN=" + name + "," + d.cfg.schemaDN()
}

func (d *Directory) beginAccount(o *object, bits int64, kind int64, primary int64) {
	o.setNumber("userAccountControl", bits)
	o.setNumber("sAMAccountType", kind)
	o.setNumber("primaryGroupID", primary)
	o.setNumber("pwdLastSet", 0)
	o.set("accountExpires", strconv.FormatUint(filetime.Never, 10))
	for _, zero := range []string{"codePage", "countryCode"} {
		o.setNumber(zero, 0)
	}
}

// accountName draws a name for an account that is given none (MS-SAMR
// 3.1.1.8.4): "$" and ten characters.
func (d *Directory) accountName(o *object) error {
	random := make([]byte, 10)
	if _, err := io.ReadFull(d.Rand, random); err != nil {
		return err
	}
	o.set("sAMAccountName", "$"+base32.StdEncoding.EncodeToString(random)[:10])
	return nil
}

func windowsGUID(g guid.GUID) []byte {
	w := g.Windows()
	return w[:]
}

// nowTicks is the present as an attribute of large integer holds it.
func (d *Directory) nowTicks() []byte {
	return strconv.AppendUint(nil, filetime.From(d.now()), 10)
}
