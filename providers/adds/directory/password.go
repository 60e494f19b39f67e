package directory

import (
	"context"
	"errors"
	"unicode/utf8"

	"hellolab/providers/wire/filetime"
	"hellolab/providers/wire/ldapmsg"
)

// PolicyError is a new password that the policy on it refuses.
type PolicyError struct{ Sentence string }

func (e *PolicyError) Error() string { return e.Sentence }

func restricted(sentence string) error { return &PolicyError{sentence} }

// checkPassword holds a new password against the policy. reset is an
// administrator's doing: history and age do not count then.
func (d *Directory) checkPassword(r reader, o *object, password string, reset bool) error {
	p, err := d.policyOf(r, o)
	if err != nil {
		return err
	}
	name := o.first("sAMAccountName")
	switch {
	case utf8.RuneCountInString(password) < p.MinLength:
		return restricted("The password is too short for the domain's policy.")
	case p.Complexity && !complex(password, name, o.first("displayName")):
		return restricted("The password must hold three of: capitals, small letters, digits, symbols, other letters; and no part of the user's name.")
	case reset:
		return nil
	}
	set := uint64(o.number("pwdLastSet"))
	if p.MinAge > 0 && set != 0 && d.now().Before(filetime.Time(set).Add(p.MinAge)) {
		return restricted("The password was changed less than the policy's minimum age ago.")
	}
	s, err := get[secrets](r, tableSecrets, o.ID.String())
	if errors.Is(err, errNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if p.History > 0 && s.remembers(password) {
		return restricted("The password was used before.")
	}
	return nil
}

// replacePassword checks and sets an account's password. The caller stores the
// object afterwards.
func (d *Directory) replacePassword(w writer, o *object, password string, reset bool) error {
	if err := d.checkPassword(w.reader, o, password, reset); err != nil {
		return err
	}
	if err := d.setKeys(w, o, password); err != nil {
		return err
	}
	o.setNumber("pwdLastSet", int64(filetime.From(d.now())))
	return nil
}

// SetPassword gives the account with an identifier a new password; reset as
// for an administrator, who need not know the old one. A refusal by policy is a
// *PolicyError.
func (d *Directory) SetPassword(ctx context.Context, account string, password string, reset bool) error {
	return d.update(ctx, func(w writer) error {
		o, err := w.object(account)
		if err != nil {
			return err
		}
		was := o.clone()
		if err := d.replacePassword(w, o, password, reset); err != nil {
			return err
		}
		if err := d.touch(w, o); err != nil {
			return err
		}
		return w.store(was, o)
	})
}

// writePassword is a modification of unicodePwd (MS-ADTS 3.1.1.3.1.5): one
// replacement resets, a deletion of the old and an addition of the new change.
func (d *Directory) writePassword(w writer, who *Requester, o *object, changes []ldapmsg.Change) error {
	if !who.Sealed {
		return ldapmsg.Errorf(ldapmsg.UnwillingToPerform, ldapmsg.ErrorUnwillingToPerform, "A password is set only over an encrypted connection.")
	}
	values := func(c ldapmsg.Change) (string, error) {
		if len(c.Values) != 1 {
			return "", ldapmsg.Errorf(ldapmsg.UnwillingToPerform, ldapmsg.ErrorUnwillingToPerform, "unicodePwd takes one value at a time.")
		}
		text, err := quoted(c.Values[0])
		if err != nil {
			return "", ldapmsg.Errorf(ldapmsg.ConstraintViolation, ldapmsg.ErrorPasswordRestriction, "unicodePwd is the password in quotation marks, in UTF-16.")
		}
		return text, nil
	}
	var err error
	switch {
	case len(changes) == 1 && changes[0].Kind == ldapmsg.ReplaceValues:
		if !d.rights.admin(who) {
			return accessDenied("Only an administrator resets a password; delete the old and add the new one to change it.")
		}
		var text string
		if text, err = values(changes[0]); err == nil {
			err = d.replacePassword(w, o, text, true)
		}
	case len(changes) == 2 && changes[0].Kind == ldapmsg.DeleteValues && changes[1].Kind == ldapmsg.AddValues:
		var old, text string
		if old, err = values(changes[0]); err != nil {
			return err
		}
		if text, err = values(changes[1]); err != nil {
			return err
		}
		s, serr := get[secrets](w, tableSecrets, o.ID.String())
		if serr != nil || !s.Current.matches(old) {
			return ldapmsg.Errorf(ldapmsg.ConstraintViolation, 0x56, "The old password is wrong.")
		}
		err = d.replacePassword(w, o, text, false)
	default:
		return ldapmsg.Errorf(ldapmsg.UnwillingToPerform, ldapmsg.ErrorUnwillingToPerform, "unicodePwd is replaced, or the old value deleted and the new one added.")
	}
	var policy *PolicyError
	if errors.As(err, &policy) {
		return ldapmsg.Errorf(ldapmsg.ConstraintViolation, ldapmsg.ErrorPasswordRestriction, "%s", policy.Sentence)
	}
	return err
}
