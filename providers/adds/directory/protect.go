package directory

import (
	"bytes"
	"context"
	"errors"
	"time"

	"hellolab/providers/event"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/secdesc"
	"hellolab/providers/wire/sid"
)

// AdminSDHolder protects administrators (MS-ADTS 3.1.1.6.1): the primary domain
// controller writes its security descriptor, which inherits nothing, to every
// member of the protected groups once an hour, and marks them with adminCount = 1.
// What the head of the domain lets its children inherit does not reach them from
// then on: so Key Admins write no keys of them. Who leaves the groups keeps
// descriptor and mark until an administrator takes both away.

// protectionInterval is the time between two runs (AdminSDProtectFrequency).
const protectionInterval = time.Hour

// keyProtection is, in tableDirectory, the time of the last run that was due, as
// formatTime writes it.
const keyProtection = "protection"

const (
	attrAdminCount = "adminCount"
	// operationProtect is what an administrator modifies the root DSE with to have
	// it run now (MS-ADTS 3.1.1.3.3.15).
	operationProtect = "runProtectAdminGroupsTask"
	// lastProtection shows at the root DSE when it was last due, to who asks by name.
	// It is ours: AD's does not say.
	lastProtection = "lastProtectAdminGroupsTask"
)

func (c *Config) adminSDHolderDN() string { return "CN=AdminSDHolder,CN=System," + c.DN() }

func (d *Directory) isAdminSDHolder(o *object) bool {
	return ldapmsg.Fold(o.DN) == ldapmsg.Fold(d.cfg.adminSDHolderDN())
}

// protectedGroups are those whose members are protected, however far, by domain
// identifier and by RID of the domain; their own objects are, too.
func (d *Directory) protectedGroups() (all []sid.SID) {
	for _, rid := range []uint32{sid.RIDDomainAdmins, sid.RIDSchemaAdmins, sid.RIDEnterpriseAdmins} {
		all = append(all, d.sid.Account(rid))
	}
	// Administrators; Account, Server, Print and Backup Operators; Replicator.
	for _, rid := range []uint32{544, 548, 549, 550, 551, 552} {
		all = append(all, sid.New(5, 32, rid))
	}
	return all
}

// protectedAlone are objects that are protected without members: accounts, and the
// groups of controllers.
func (d *Directory) protectedAlone() (all []sid.SID) {
	for _, rid := range []uint32{sid.RIDAdministrator, sid.RIDKrbtgt, sid.RIDDomainControllers, sid.RIDReadOnlyDomainControllers} {
		all = append(all, d.sid.Account(rid))
	}
	return all
}

// protected lists the objects that are to be protected. Membership is by member
// links, not by primaryGroupID.
func (d *Directory) protected(r reader) ([]*object, error) {
	var out []*object
	seen := map[string]bool{}
	add := func(o *object) bool {
		id := o.ID.String()
		if seen[id] {
			return false
		}
		seen[id], out = true, append(out, o)
		return true
	}
	for _, s := range d.protectedAlone() {
		o, err := r.bySID(s)
		if errors.Is(err, errNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		add(o)
	}
	var next []string
	for _, s := range d.protectedGroups() {
		o, err := r.bySID(s)
		if errors.Is(err, errNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		next = append(next, o.ID.String())
	}
	for expanded := map[string]bool{}; len(next) > 0; next = next[1:] {
		if expanded[next[0]] {
			continue
		}
		expanded[next[0]] = true
		o, err := r.object(next[0])
		if err != nil {
			return nil, err
		}
		if o.is("user") || o.is("group") {
			add(o)
		}
		members, err := r.linked(tableLinks, "member", o.ID)
		if err != nil {
			return nil, err
		}
		next = append(next, members...)
	}
	return out, nil
}

// protectionList is AdminSDHolder's descriptor; the one that it begins with in a
// directory of an older program, which has no such object.
func (d *Directory) protectionList(r reader) (*secdesc.Descriptor, error) {
	o, err := r.resolve(d.cfg.adminSDHolderDN())
	var none *ldapmsg.Error
	if errors.As(err, &none) {
		return d.adminSDHolder(), nil
	}
	if err != nil {
		return nil, err
	}
	return d.descriptor(r, o)
}

// ProtectDue runs the protection when one of its hours, counted from the domain's
// creation, has passed since it ran last.
func (d *Directory) ProtectDue(ctx context.Context) error {
	at := d.lastHour()
	due := false
	err := d.view(func(r reader) error {
		last, err := r.lastProtection()
		due = at.After(last)
		return err
	})
	if err != nil || !due {
		return err
	}
	return d.protect(ctx, func(w writer) error {
		return w.w.Put(tableDirectory, keyProtection, []byte(formatTime(at)))
	})
}

// lastHour is the last time at which it was due.
func (d *Directory) lastHour() time.Time {
	began := d.cfg.Created.UTC().Truncate(time.Second)
	return began.Add(d.now().Sub(began).Truncate(protectionInterval))
}

// lastProtection is the zero time when it never ran.
func (r reader) lastProtection() (time.Time, error) {
	raw, ok, err := r.Get(tableDirectory, keyProtection)
	if err != nil || !ok {
		return time.Time{}, err
	}
	return readTime(string(raw))
}

// protect writes AdminSDHolder's descriptor to who is protected and has another.
func (d *Directory) protect(ctx context.Context, also func(writer) error) error {
	var stamped []*object
	err := d.update(ctx, func(w writer) error {
		stamped = nil
		list, err := d.protectionList(w.reader)
		if err != nil {
			return err
		}
		list.Entries, list.Protected = list.Own(), true
		raw, err := list.Marshal()
		if err != nil {
			return err
		}
		all, err := d.protected(w.reader)
		if err != nil {
			return err
		}
		for _, o := range all {
			if v := o.Values[attrDescriptor]; len(v) > 0 && bytes.Equal(v[0], raw) && o.number(attrAdminCount) == 1 {
				continue
			}
			was := o.clone()
			o.set(attrDescriptor, string(raw))
			o.setNumber(attrAdminCount, 1)
			if err := d.touch(w, o); err != nil {
				return err
			}
			if err := w.store(was, o); err != nil {
				return err
			}
			stamped = append(stamped, o)
		}
		return also(w)
	})
	if err != nil {
		return err
	}
	for _, o := range stamped {
		if o.is("user") && o.first("isCriticalSystemObject") != "TRUE" {
			d.Emit.Emit(event.Event{At: d.now(), Actor: event.ActiveDirectory, Step: "account_protected",
				Text:    "Active Directory writes AdminSDHolder's security descriptor to a member of a protected group: what accounts inherit from the domain does not reach it any more.",
				Message: map[string]any{"object": o.DN, "descriptor_of": d.cfg.adminSDHolderDN(), attrAdminCount: 1}})
		}
	}
	return nil
}

// Operate is a modification of the root DSE, which is an operation (MS-ADTS
// 3.1.1.3.3): the only one that is served is the protection of administrators, at
// the primary domain controller.
func (d *Directory) Operate(ctx context.Context, who *Requester, computer string, op *ldapmsg.Modify) error {
	if who.Anonymous() {
		return ldapmsg.BindRequired()
	}
	if len(op.Changes) != 1 || ldapmsg.Fold(op.Changes[0].Description) != ldapmsg.Fold(operationProtect) {
		return ldapmsg.Errorf(ldapmsg.UnwillingToPerform, ldapmsg.ErrorUnwillingToPerform, "The root DSE serves one operation by modification: %s.", operationProtect)
	}
	if !d.rights.admin(who) {
		return accessDenied("You may not run %s.", operationProtect)
	}
	if ldapmsg.Fold(computer) != ldapmsg.Fold(d.cfg.Controllers[0].Name) {
		return ldapmsg.Errorf(ldapmsg.UnwillingToPerform, ldapmsg.ErrorUnwillingToPerform, "%s runs at the primary domain controller.", operationProtect)
	}
	return d.protect(ctx, func(writer) error { return nil })
}

// KeyAdminsReachProtected says whether AdminSDHolder's list lets Key Admins write
// keys of who is protected.
func (d *Directory) KeyAdminsReachProtected() (may bool, err error) {
	err = d.view(func(r reader) error {
		list, err := d.protectionList(r)
		if err == nil {
			may = list.Permits(secdesc.WriteProperty, []sid.SID{d.sid.Account(sid.RIDKeyAdmins)}, listed[attrKeys]...)
		}
		return err
	})
	return may, err
}

// protection makes AdminSDHolder, where it is not there, and grants Key Admins what
// the configuration says, or takes it from them.
func (p *provision) protection() {
	if p.err != nil {
		return
	}
	d := p.d
	o, err := p.w.resolve(d.cfg.adminSDHolderDN())
	if err != nil {
		if o = p.add(d.cfg.adminSDHolderDN(), "container", attrs{"isCriticalSystemObject": "TRUE"}); p.err != nil {
			return
		}
	}
	list, err := d.ownDescriptor(o)
	if err != nil {
		p.err = err
		return
	}
	who := d.sid.Account(sid.RIDKeyAdmins)
	if list.Permits(secdesc.WriteProperty, []sid.SID{who}, listed[attrKeys]...) == d.cfg.KeyAdminsProtected {
		return
	}
	is := *list
	is.Entries = nil
	for _, e := range list.Entries {
		if e.SID != who || e.Object != secdesc.KeyCredentialLink {
			is.Entries = append(is.Entries, e)
		}
	}
	if d.cfg.KeyAdminsProtected {
		is.Entries = append([]secdesc.Entry{{Type: secdesc.AllowObject, Mask: readWrite, Object: secdesc.KeyCredentialLink, SID: who}}, is.Entries...)
	}
	raw, err := is.Marshal()
	if err != nil {
		p.err = err
		return
	}
	was := o.clone()
	o.set(attrDescriptor, string(raw))
	p.err = errors.Join(d.touch(p.w, o), p.w.store(was, o))
}
