package directory

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"

	"hellolab/providers/wire/keycred"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/sid"
)

// Modify changes an object: all changes, in order, or none.
func (d *Directory) Modify(ctx context.Context, who *Requester, op *ldapmsg.Modify, permissive bool) error {
	domain := false
	err := d.journaled(ctx, who, func(w writer, log *journal) error {
		if who.Anonymous() {
			return ldapmsg.BindRequired()
		}
		was, err := w.resolve(op.DN)
		if err != nil {
			return err
		}
		o := was.clone()
		if err := d.modify(w, who, o, op.Changes, permissive, log); err != nil {
			return err
		}
		if missing := d.schema.missing(o.Classes, o.has); missing != "" {
			return ldapmsg.Errorf(ldapmsg.ObjectClassViolation, ldapmsg.ErrorMissingRequiredAttribute, "The object must have %s.", missing)
		}
		if err := d.touch(w, o); err != nil {
			return err
		}
		domain = o.ID == d.cfg.GUID
		return w.store(was, o)
	})
	if err != nil || !domain {
		return err
	}
	return d.view(d.readPolicy)
}

// has says whether the object's own record has an attribute; what is kept
// elsewhere is never required.
func (o *object) has(attribute string) bool {
	return attribute == "objectClass" || len(o.Values[attribute]) > 0
}

func (d *Directory) modify(w writer, who *Requester, o *object, changes []ldapmsg.Change, permissive bool, log *journal) error {
	var password, expiry []ldapmsg.Change
	for _, c := range changes {
		a, err := d.attribute(c.Description)
		if err != nil {
			return err
		}
		if a.Name == "unicodePwd" {
			if !o.is("user") {
				return violation(a)
			}
			password = append(password, c)
			continue
		}
		if a.Name == "pwdLastSet" { // what is asked for stands, though a new password sets it
			expiry = append(expiry, c)
			continue
		}
		if err := d.change(w, who, o, a, c, permissive, log); err != nil {
			return err
		}
	}
	if len(password) > 0 {
		self, err := d.isSelf(who, o)
		if err != nil {
			return err
		}
		if !self && !d.rights.admin(who) && len(password) == 1 {
			return accessDenied("The password of %s is not yours to set.", o.DN)
		}
		if err := d.writePassword(w, who, o, password); err != nil {
			return err
		}
	}
	for _, c := range expiry {
		a, err := d.attribute(c.Description)
		if err != nil {
			return err
		}
		if err := d.change(w, who, o, a, c, permissive, log); err != nil {
			return err
		}
	}
	return d.enabled(w, o)
}

// enabled refuses a person's account that is enabled and has no password
// (MS-SAMR 3.1.1.8.10).
func (d *Directory) enabled(w writer, o *object) error {
	bits := o.number("userAccountControl")
	if !o.is("user") || bits&UACNormal == 0 || bits&(UACDisabled|UACPasswordNotRequired) != 0 {
		return nil
	}
	_, err := get[secrets](w, tableSecrets, o.ID.String())
	if errors.Is(err, errNotFound) {
		return ldapmsg.Errorf(ldapmsg.UnwillingToPerform, ldapmsg.ErrorPasswordRestriction, "An account without a password is not enabled.")
	}
	return err
}

func violation(a *Attribute) error {
	return ldapmsg.Errorf(ldapmsg.ObjectClassViolation, ldapmsg.ErrorObjectClassViolation, "An object of this class has no %s.", a.Name)
}

func (d *Directory) isSelf(who *Requester, o *object) (bool, error) {
	text := o.first("objectSid")
	if text == "" {
		return false, nil
	}
	own, err := sid.Decode([]byte(text))
	return own == who.SID, err
}

// change does one change but that of a password.
func (d *Directory) change(w writer, who *Requester, o *object, a *Attribute, c ldapmsg.Change, permissive bool, log *journal) error {
	if !d.schema.allows(o.Classes)(a) {
		return violation(a)
	}
	self, err := d.isSelf(who, o)
	if err != nil {
		return err
	}
	ground := d.rights.mayWrite(who, a.Name, self, o.is("computer"))
	if ground == noRight {
		if ground, err = d.granted(w.reader, who, o, a.Name, self); err != nil {
			return err
		}
	}
	if ground == noRight {
		keeps, err := w.keeps(who, o, a.Name)
		if err != nil {
			return err
		}
		if keeps {
			ground = anyValue
		}
	}
	if ground == noRight {
		if a.Name == attrKeys {
			why, hint := d.unlisted(who, o)
			log.refused(o, why, hint)
		}
		return accessDenied("You may not write %s of %s.", a.Name, o.DN)
	}
	switch {
	case a.Name == "objectClass":
		return ldapmsg.Errorf(ldapmsg.ObjectClassModsProhibited, ldapmsg.ErrorCantModObjectClass, "The class of an object cannot be changed.")
	case strings.EqualFold(a.Name, o.rdnType()):
		return ldapmsg.Errorf(ldapmsg.NotAllowedOnRDN, ldapmsg.ErrorCantOnRDN, "%s names the object: rename it instead.", a.Name)
	}
	was, err := w.held(o, a)
	if err != nil {
		return err
	}
	given, err := w.parse(a, c.Values)
	if err != nil {
		return err
	}
	now, err := apply(a, c.Kind, was, given, permissive)
	if err != nil {
		return err
	}
	if ground == validated {
		if err := d.validateOwn(o, a, was, now); err != nil {
			log.refused(o, "a computer may not write such a value of itself", hintKeys)
			return err
		}
	}
	if now, err = d.account(w, o, a, now); err != nil {
		return err
	}
	if a.Name == attrDescriptor {
		if now, err = d.writtenDescriptor(w.reader, o, now); err != nil {
			return err
		}
	}
	if err := w.hold(o, a, was, now); err != nil {
		return err
	}
	if a.Name == "msDS-KeyCredentialLink" {
		log.keys(o, was, now)
	}
	return nil
}

func (o *object) rdnType() string {
	kind, _, _ := strings.Cut(o.DN, "=")
	return kind
}

// validateOwn holds what a computer says of itself against the validated
// writes of MS-ADTS 3.1.1.5.3.1.1.
func (d *Directory) validateOwn(o *object, a *Attribute, was, now []value) error {
	name := strings.TrimSuffix(o.first("sAMAccountName"), "$")
	host := d.cfg.Host(name)
	bad := func(sentence string) error {
		return ldapmsg.Errorf(ldapmsg.ConstraintViolation, ldapmsg.ErrorConstraintViolation, "%s", sentence)
	}
	switch a.Name {
	case "dNSHostName":
		for _, v := range now {
			if !strings.EqualFold(string(v.stored), host) {
				return bad("A computer's DNS name is its account name in the domain.")
			}
		}
	case "servicePrincipalName":
		for _, v := range now {
			_, instance, ok := strings.Cut(string(v.stored), "/")
			instance, _, _ = strings.Cut(instance, "/")
			instance, _, _ = strings.Cut(instance, ":")
			if !ok || !strings.EqualFold(instance, host) && !strings.EqualFold(instance, name) {
				return bad("A computer's service names are of its own host.")
			}
		}
	case "msDS-KeyCredentialLink":
		write := keycred.SelfWrite{Computer: true, Right: true, Self: true, Existing: len(was)}
		for _, v := range now {
			if slices.ContainsFunc(was, func(w value) bool { return bytes.Equal(w.normal, v.normal) }) {
				continue
			}
			if v.target != o.ID {
				return bad("A computer registers keys of its own.")
			}
			write.Add = append(write.Add, v.stored)
		}
		if err := write.Check(); err != nil {
			return bad("A computer may not register this key: " + err.Error() + ".")
		}
	}
	return nil
}

// account keeps the rules of single attributes of accounts (MS-SAMR 3.1.1.8),
// and says what the values become.
func (d *Directory) account(w writer, o *object, a *Attribute, now []value) ([]value, error) {
	refuse := func(format string, args ...any) ([]value, error) {
		return nil, ldapmsg.Errorf(ldapmsg.UnwillingToPerform, ldapmsg.ErrorUnwillingToPerform, format, args...)
	}
	number := func() int64 {
		n := &object{Values: map[string][][]byte{"n": {now[0].stored}}}
		return n.number("n")
	}
	switch a.Name {
	case "sAMAccountName":
		if len(now) == 0 || strings.ContainsAny(string(now[0].stored), `"/\[]:;|=,+*?<>`) || len(now[0].stored) > 256 {
			return refuse("An account's name has none of \" / \\ [ ] : ; | = , + * ? < >.")
		}
	case "userAccountControl":
		if len(now) == 0 {
			return refuse("An account has a userAccountControl.")
		}
		bits := number()
		if kinds := bits & (UACNormal | UACWorkstation | UACServer); kinds == 0 || kinds&(kinds-1) != 0 {
			return refuse("An account is either a user, a computer or a domain controller.")
		}
		kind := int64(typeUser)
		if bits&UACNormal == 0 {
			kind = typeMachine
		}
		o.setNumber("sAMAccountType", kind)
	case "pwdLastSet":
		switch {
		case len(now) == 1 && number() == 0:
		case len(now) == 1 && number() == -1:
			now[0].stored = d.nowTicks()
		default:
			return refuse("pwdLastSet is set to 0, change at the next logon, or to -1, changed now.")
		}
	case "primaryGroupID":
		if len(now) == 0 {
			return refuse("An account has a primary group.")
		}
		if _, err := w.bySID(d.sid.Account(uint32(number()))); err != nil {
			return refuse("There is no group with this identifier.")
		}
	case "member":
		if slices.ContainsFunc(now, func(v value) bool { return v.target == o.ID }) {
			return refuse("A group is no member of itself.")
		}
	}
	return now, nil
}
