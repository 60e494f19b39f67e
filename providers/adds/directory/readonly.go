package directory

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/sid"
)

// A read-only controller is a computer with the mark PARTIAL_SECRETS_ACCOUNT that
// is linked to a krbtgt of its own (MS-ADTS 6.1.1.3.2, 3.1.1.3.4.1.23):
//
//	user      krbtgt_NUMBER, disabled, msDS-SecondaryKrbTgtNumber
//	computer  msDS-KrbTgtLink → the user
//	          msDS-RevealOnDemandGroup   whose secrets it may be told
//	          msDS-NeverRevealGroup      whose it must never be, which wins
//
// The domain holds such a pair for Entra ID, too, which issues tickets in its name.

// ReadOnly is a read-only controller.
type ReadOnly struct {
	Krbtgt         *Account
	Name           string // sAMAccountName of the computer; empty: none is linked to the krbtgt
	Control        int64  // userAccountControl of the computer
	NeverReveal    []sid.SID
	RevealOnDemand []sid.SID
}

// AddKrbtgt makes a user that is the krbtgt of a read-only controller. The
// directory gives it an unused number, the name krbtgt_NUMBER, and disables it.
func (d *Directory) AddKrbtgt(ctx context.Context, who *Requester, op *ldapmsg.Add) error {
	return d.add(ctx, who, op, true)
}

// attempts is how many numbers are drawn before one is unused. That more are
// needed in a domain of a thousand read-only controllers is less likely than 1 in
// 10^50.
const attempts = 32

// numbered makes a new user the krbtgt of a read-only controller. Its number has
// 16 bits, as key versions have for it, and is not 0.
func (d *Directory) numbered(w writer, o *object) error {
	if !o.is("user") || o.is("computer") {
		return ldapmsg.Errorf(ldapmsg.UnwillingToPerform, ldapmsg.ErrorUnwillingToPerform, "Only a user is the krbtgt of a read-only controller.")
	}
	for range attempts {
		var drawn [2]byte
		if _, err := io.ReadFull(d.Rand, drawn[:]); err != nil {
			return err
		}
		number := strconv.Itoa(int(binary.LittleEndian.Uint16(drawn[:])))
		if number == "0" {
			continue
		}
		for attribute, value := range map[string]string{"msDS-SecondaryKrbTgtNumber": number, "sAMAccountName": "krbtgt_" + number} {
			if _, err := w.indexed(attribute, value); err == nil {
				number = ""
				break
			} else if !errors.Is(err, errNotFound) {
				return err
			}
		}
		if number == "" {
			continue
		}
		o.set("msDS-SecondaryKrbTgtNumber", number)
		o.set("sAMAccountName", "krbtgt_"+number)
		o.setNumber("userAccountControl", UACNormal|UACDisabled)
		o.set("isCriticalSystemObject", "TRUE")
		return nil
	}
	return ldapmsg.Errorf(ldapmsg.UnwillingToPerform, ldapmsg.ErrorUnwillingToPerform, "There is no number left for the krbtgt of a read-only controller.")
}

// spared says whether the domain can do without an object that is marked critical:
// the krbtgt of a read-only controller, unless the domain has that controller.
func (d *Directory) spared(r reader, o *object) (bool, error) {
	if !o.has("msDS-SecondaryKrbTgtNumber") {
		return false, nil
	}
	ends, err := r.linked(tableBackLinks, "msDS-KrbTgtLink", o.ID)
	if err != nil {
		return false, err
	}
	for _, id := range ends {
		computer, err := r.object(id)
		if err != nil {
			return false, err
		}
		for _, c := range d.cfg.Controllers {
			if strings.EqualFold(computer.first("sAMAccountName"), c.Name+"$") {
				return false, nil
			}
		}
	}
	return true, nil
}

// ReadOnly finds the read-only controller whose krbtgt has a number; ErrNoAccount
// when no krbtgt has.
func (d *Directory) ReadOnly(ctx context.Context, number uint16) (*ReadOnly, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	text := strconv.Itoa(int(number))
	out, err := remembered(d, "readonly/"+text, func(r reader) (*ReadOnly, error) {
		o, err := r.indexed("msDS-SecondaryKrbTgtNumber", text)
		if err != nil {
			return nil, err
		}
		out := &ReadOnly{}
		if out.Krbtgt, err = d.asAccount(r, o); err != nil {
			return nil, err
		}
		ends, err := r.linked(tableBackLinks, "msDS-KrbTgtLink", o.ID)
		if err != nil || len(ends) == 0 {
			return out, err
		}
		computer, err := r.object(ends[0])
		if err != nil {
			return nil, fmt.Errorf("computer of %s: %w", o.DN, err)
		}
		out.Name, out.Control = computer.first("sAMAccountName"), computer.number("userAccountControl")
		if out.NeverReveal, err = r.linkedSIDs("msDS-NeverRevealGroup", computer); err != nil {
			return nil, err
		}
		out.RevealOnDemand, err = r.linkedSIDs("msDS-RevealOnDemandGroup", computer)
		return out, err
	})
	if errors.Is(err, errNotFound) {
		return nil, ErrNoAccount
	}
	return out, err
}

// linkedSIDs are the identifiers of the accounts and groups that an attribute
// links to.
func (r reader) linkedSIDs(attribute string, o *object) ([]sid.SID, error) {
	ends, err := r.linked(tableLinks, attribute, o.ID)
	if err != nil {
		return nil, err
	}
	var out []sid.SID
	for _, id := range ends {
		far, err := r.object(id)
		if err != nil {
			return nil, fmt.Errorf("%s of %s: %w", attribute, o.DN, err)
		}
		if !far.has("objectSid") {
			continue // names no account
		}
		s, err := sid.Decode([]byte(far.first("objectSid")))
		if err != nil {
			return nil, fmt.Errorf("identifier of %s: %w", far.DN, err)
		}
		out = append(out, s)
	}
	return out, nil
}

// readOnly gives the account of a read-only controller a krbtgt of its own and the
// lists that every such controller begins with (MS-ADTS 6.1.1.3.2).
func (p *provision) readOnly(account *object, c Controller) {
	if p.err != nil {
		return
	}
	cfg := &p.d.cfg
	krbtgt, err := p.krbtgt(account)
	if err != nil {
		p.err = fmt.Errorf("krbtgt of %s: %w", c.Name, err)
		return
	}
	p.link("msDS-KrbTgtLink", account, krbtgt)
	p.link("msDS-RevealOnDemandGroup", account, p.at("CN=Allowed RODC Password Replication Group,"+cfg.users()))
	p.link("msDS-NeverRevealGroup", account, p.at("CN=Denied RODC Password Replication Group,"+cfg.users()))
	for _, g := range []string{"Administrators", "Account Operators", "Server Operators", "Backup Operators"} {
		p.link("msDS-NeverRevealGroup", account, p.at("CN="+g+",CN=Builtin,"+cfg.DN()))
	}
}

// krbtgt makes the krbtgt of a read-only controller, with keys that nobody knows.
func (p *provision) krbtgt(account *object) (*object, error) {
	rid, err := p.w.next(keyRID)
	if err != nil {
		return nil, err
	}
	drawn := &object{Classes: []string{"user"}, Values: map[string][][]byte{}}
	if err := p.d.numbered(p.w, drawn); err != nil {
		return nil, err
	}
	name := drawn.first("sAMAccountName")
	krbtgt := p.account("CN="+name+","+p.d.cfg.users(), name, uint32(rid), UACNormal|UACDisabled, sid.RIDDomainUsers)
	if p.err != nil {
		return nil, p.err
	}
	was := krbtgt.clone()
	krbtgt.set("msDS-SecondaryKrbTgtNumber", drawn.first("msDS-SecondaryKrbTgtNumber"))
	krbtgt.set("description", "Key Distribution Center service account for read-only domain controller "+account.first("name"))
	return krbtgt, errors.Join(p.w.store(was, krbtgt), p.d.randomKeys(p.w, krbtgt.ID, 1))
}

// krbtgtOf returns the names of the krbtgt accounts that a computer is linked to.
func (p *provision) krbtgtOf(computer string) []string {
	names, err := p.w.names(tableLinks, "msDS-KrbTgtLink", p.at(computer))
	p.err = errors.Join(p.err, err)
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = string(n)
	}
	return out
}
