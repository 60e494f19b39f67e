package kdc

import (
	"strconv"

	"hellolab/providers/event"
	"hellolab/providers/wire/krb"
)

// tell adds a fact to the exchange's event.
func (x *exchange) tell(name string, value any) {
	if x.kdc.Events == nil {
		return
	}
	if x.note == nil {
		x.note = map[string]any{}
	}
	x.note[name] = value
}

// types lists the types of pre-authentication data.
func types(list []krb.PAData) []int32 {
	out := make([]int32, len(list))
	for i, p := range list {
		out[i] = p.Type
	}
	return out
}

// reason is a refusal in an event.
func reason(e *krb.Error) *event.Reason {
	return &event.Reason{Code: strconv.Itoa(int(e.Code)), Name: e.Code.Name(), Sentence: e.Sentence, Hint: e.Hint}
}

// emit tells of the exchange; e is nil for one that was answered.
func (x *exchange) emit(e *krb.Error) {
	if x.kdc.Events == nil {
		return
	}
	x.tell("client", x.client.String())
	x.tell("server", x.server.String())
	ev := event.Event{At: x.now, Actor: Actor, Protocol: "Kerberos", Step: x.step, Message: x.note, Exchange: x.id}
	switch {
	case e == nil:
		ev.Text = x.text
		if ev.Text == "" {
			ev.Text = "The KDC issues " + x.client.String() + " a ticket for " + x.server.String() + "."
		}
	case x.quiet != "":
		ev.Text, ev.Reason = x.quiet, reason(e)
	default:
		ev.Text, ev.Outcome, ev.Reason = e.Sentence, event.Refused, reason(e)
		if e.Code == krb.ErrGeneric {
			ev.Outcome = event.Failed
		}
	}
	x.kdc.Events.Emit(ev)
}

// issuing adds what there is to tell of a ticket.
func (x *exchange) issuing(client *Account, t *issue) {
	if x.kdc.Events == nil {
		return
	}
	x.tell("account", client.SAMAccountName)
	x.tell("flags", flagNames(t.part.Flags))
	x.tell("ticket_etype", t.etype)
	x.tell("session_etype", t.session.EType)
	x.tell("kvno", t.kvno)
	x.tell("end", t.part.EndTime)
	if !t.part.RenewTill.IsZero() {
		x.tell("renew_till", t.part.RenewTill)
	}
}

func flagNames(f krb.Flags) []string {
	var out []string
	for _, n := range []struct {
		flag krb.Flags
		name string
	}{
		{krb.FlagForwardable, "forwardable"}, {krb.FlagForwarded, "forwarded"}, {krb.FlagProxiable, "proxiable"}, {krb.FlagProxy, "proxy"},
		{krb.FlagRenewable, "renewable"}, {krb.FlagInitial, "initial"}, {krb.FlagPreAuthent, "pre-authent"}, {krb.FlagHWAuthent, "hw-authent"},
		{krb.FlagOKAsDelegate, "ok-as-delegate"}, {krb.FlagEncPARep, "enc-pa-rep"},
	} {
		if f.Has(n.flag) {
			out = append(out, n.name)
		}
	}
	return out
}
