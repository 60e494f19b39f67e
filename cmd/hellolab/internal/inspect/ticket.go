package inspect

import (
	"fmt"

	"hellolab/providers/wire/krb"
)

// decodeTicket reads a ticket by itself.
func decodeTicket(i *inspector, in Input) (*Node, error) {
	return in.each(func(b []byte) (*Node, error) {
		if len(b) == 0 || b[0] != tagTicket || !isVersion5(b) {
			return nil, not("it begins with no ticket of Kerberos 5")
		}
		t, err := krb.ParseTicket(b)
		if err != nil {
			return nil, err
		}
		n := &Node{Title: "Kerberos ticket"}
		n.Fields, _ = i.ticket(t)
		return n, nil
	})
}

// maxTries bounds the keys that are tried on one ciphertext.
const maxTries = 256

// unlock tries the keys of the keytabs on a ciphertext; nil when none opens it.
// by is whose key did.
func (i *inspector) unlock(usage uint32, d krb.EncryptedData) (plain []byte, by string) {
	e := i.keyFor(usage, d)
	if e == nil {
		return nil, ""
	}
	plain, err := e.Key.Open(usage, d)
	if err != nil {
		return nil, ""
	}
	return plain, keyOwner(e)
}

// keyFor finds the key of the keytabs that opens a ciphertext. The names and
// versions in a keytab are not asked: services have many names.
func (i *inspector) keyFor(usage uint32, d krb.EncryptedData) *krb.KeytabEntry {
	tries := 0
	for k := range i.o.Keytab {
		e := &i.o.Keytab[k]
		if e.Key.EType != d.EType || tries == maxTries {
			continue
		}
		tries++
		if _, err := e.Key.Open(usage, d); err == nil {
			return e
		}
	}
	return nil
}

func keyOwner(e *krb.KeytabEntry) string {
	return fmt.Sprintf("the key of %s@%s, version %d", e.Name, e.Realm, e.KVNO)
}

// ticket tells of a ticket; part is what a key of the keytabs opened, or nil.
func (i *inspector) ticket(t *krb.Ticket) (f Fields, part *krb.EncTicketPart) {
	f = Fields{}
	f.principal("server", t.Server, t.Realm)
	enc := sealedPart(t.EncPart)
	switch key := i.keyFor(krb.UsageTicket, t.EncPart); {
	case key != nil:
		enc.add("opened with", keyOwner(key))
		var err error
		if part, err = t.Open(key.Key); err != nil {
			enc.add("content", fmt.Sprintf("(it cannot be read: %v)", err))
		} else {
			enc.add("content", i.ticketPart(t, part, key))
		}
	case len(i.o.Keytab) > 0:
		enc.add("content", "sealed: no key given opens it")
	default:
		enc.add("content", "sealed: no key given (-keytab)")
	}
	f.add("encrypted part", enc)
	return f, part
}

func (i *inspector) ticketPart(t *krb.Ticket, p *krb.EncTicketPart, key *krb.KeytabEntry) Fields {
	f := Fields{}
	f.add("flags", flagNames(p.Flags, ticketFlags))
	f.add("session key", keyShape(p.Key))
	f.principal("client", p.Client, p.CRealm)
	if len(p.Transited.Contents) > 0 {
		f.bytes("transited", p.Transited.Contents)
	}
	f.when("auth time", p.AuthTime, i.o.Now)
	f.when("start time", p.StartTime, i.o.Now)
	f.when("end time", p.EndTime, i.o.Now)
	f.when("renew till", p.RenewTill, i.o.Now)
	f.addresses(p.Addresses)
	if len(p.AuthData) > 0 {
		f.add("authorization data", i.authData(p.AuthData, &pacTicket{t, p, key}, 0))
	}
	return f
}

// authData lists authorization data; of is the ticket they stand in, or nil.
// depth counts the levels of AD-IF-RELEVANT, which may nest.
func (i *inspector) authData(list []krb.AuthData, of *pacTicket, depth int) []any {
	const deepest = 3
	out := []any{}
	for _, a := range list[:min(len(list), maxListed)] {
		f := Fields{}
		f.coded("type", a.Type, adNames)
		switch inner, err := krb.ParseAuthData(a.Data); {
		case a.Type == krb.ADWin2kPAC:
			f.add("value", i.pacIn(a.Data, of))
		case a.Type == krb.ADIfRelevant && err == nil && depth < deepest:
			f.add("value", i.authData(inner, of, depth+1))
		default:
			f.addf("value", "(%s)", size(a.Data))
		}
		out = append(out, f)
	}
	return out
}
