package directory

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"hellolab/providers/event"
	"hellolab/providers/wire/sid"
)

// journal gathers what is told of a change to key credentials: who, of which
// account, from where. It is told after the change is durable, or as a refusal.
type journal struct {
	d      *Directory
	who    *Requester
	events []event.Event
}

// journaled makes one change and tells of it.
func (d *Directory) journaled(ctx context.Context, who *Requester, fn func(writer, *journal) error) error {
	var log journal
	err := d.update(ctx, func(w writer) error {
		log = journal{d: d, who: who} // a retried transaction tells once
		return fn(w, &log)
	})
	for _, e := range log.events {
		if err == nil || e.Outcome == event.Refused {
			d.Emit.Emit(e)
		}
	}
	return err
}

func (j *journal) event(o *object, step, text string) event.Event {
	return event.Event{
		At: j.d.now(), Actor: event.ActiveDirectory, Protocol: "LDAP", Step: step, Text: text,
		Message: map[string]any{"object": o.DN, "requester": j.who.Name, "requester_sid": j.who.SID.String(), "from": j.who.From},
	}
}

// unlisted says why an object's list grants somebody no write of its keys.
func (d *Directory) unlisted(who *Requester, o *object) (why, hint string) {
	keys := who.in(d.sid.Account(sid.RIDKeyAdmins), d.sid.Account(sid.RIDEnterpriseKeyAdmins))
	if own, err := d.ownDescriptor(o); err == nil && own.Protected && keys {
		return "the account inherits no rights, as AdminSDHolder protects it, and its own list grants key administrators none", hintProtected
	}
	return "the requester is neither an administrator nor a key administrator", hintKeys
}

// Hints of refusals.
const (
	hintKeys      = "Sign in as a member of Key Admins, or register the device's own key."
	hintProtected = "Grant Key Admins the attribute on AdminSDHolder (adminsdholder_key_admins of the domain), or let the account of a former administrator inherit again."
)

func (j *journal) refused(o *object, why, hint string) {
	e := j.event(o, "key_credential_refused", fmt.Sprintf("%s may not write msDS-KeyCredentialLink of %s; asked from %s.", j.who.Name, o.DN, j.who.From))
	e.Outcome = event.Refused
	e.Reason = &event.Reason{Code: "50", Name: "insufficientAccessRights", Sentence: "msDS-KeyCredentialLink was not written: " + why + ".",
		Hint: hint}
	j.events = append(j.events, e)
}

// keys tells which values came and which went.
func (j *journal) keys(o *object, was, now []value) {
	tell := func(step, what string, a, b []value) {
		for _, v := range a {
			if slices.ContainsFunc(b, func(w value) bool { return bytes.Equal(w.normal, v.normal) }) {
				continue
			}
			e := j.event(o, step, fmt.Sprintf("%s %s a key credential of %s from %s.", j.who.Name, what, o.DN, j.who.From))
			e.Message["key"] = describeKey(v.stored)
			j.events = append(j.events, e)
		}
	}
	tell("key_credential_removed", "removed", was, now)
	tell("key_credential_added", "added", now, was)
}
