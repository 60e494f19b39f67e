package inspect

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"hellolab/providers/wire/krb"
)

const tagTicket = 0x61 // [APPLICATION 1]

// messageTitles are Kerberos' messages by the first byte.
var messageTitles = map[byte]string{
	0x60 | krb.MsgASReq: "AS-REQ, request for a ticket-granting ticket", 0x60 | krb.MsgASRep: "AS-REP, reply with a ticket",
	0x60 | krb.MsgTGSReq: "TGS-REQ, request for a ticket for a service", 0x60 | krb.MsgTGSRep: "TGS-REP, reply with a ticket",
	0x60 | krb.MsgAPReq: "AP-REQ, a client's proof to a service", 0x60 | krb.MsgAPRep: "AP-REP, a service's proof to a client",
	0x60 | krb.MsgPriv: "KRB-PRIV, encrypted data", 0x60 | krb.MsgError: "KRB-ERROR, a refusal",
}

// decodeKerberos reads one message, also with the length in front that TCP
// gives it, and the messages of the password protocol.
func decodeKerberos(i *inspector, in Input) (*Node, error) {
	return in.each(func(b []byte) (*Node, error) {
		if n := len(b); n > 4 && uint64(binary.BigEndian.Uint32(b)) == uint64(n-4) && messageTitles[b[4]] != "" {
			b = b[4:]
		}
		if len(b) > 6 && int(binary.BigEndian.Uint16(b)) == len(b) {
			if m, err := krb.ParsePasswordMessage(b); err == nil {
				return i.passwordMessage(m)
			}
		}
		if len(b) == 0 || messageTitles[b[0]] == "" || !isVersion5(b) {
			return nil, not("it begins with no message of Kerberos 5")
		}
		return i.message(b)
	})
}

// isVersion5 says whether b begins as messages and tickets do: a sequence in an
// application tag, whose first member is the version, 5. What is cut short
// passes, too.
func isVersion5(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	head := inside(inside(b, b[0]), 0x30)
	return len(head) >= 5 && (head[0] == 0xa0 || head[0] == 0xa1) && bytes.Equal(head[1:5], []byte{3, 2, 1, 5})
}

// inside is the content of the element that b begins with, as far as b has it.
func inside(b []byte, tag byte) []byte {
	if len(b) < 2 || b[0] != tag {
		return nil
	}
	at := 2
	if b[1] >= 0x80 {
		at += int(b[1] & 0x7f)
	}
	return b[min(at, len(b)):]
}

// message decodes a message whose first byte is one of messageTitles.
func (i *inspector) message(b []byte) (*Node, error) {
	if err := krb.Check(b); err != nil {
		return nil, err
	}
	n := &Node{Type: "kerberos", Title: "Kerberos " + messageTitles[b[0]]}
	var err error
	switch b[0] &^ 0x60 {
	case krb.MsgASReq, krb.MsgTGSReq:
		n.Fields, err = i.kdcReq(b)
	case krb.MsgASRep, krb.MsgTGSRep:
		n.Fields, err = i.kdcRep(b)
	case krb.MsgAPReq:
		n.Fields, err = i.apReq(b, krb.UsageAPReqAuth)
	case krb.MsgError:
		n.Fields, err = i.krbError(b)
	default:
		var d krb.EncryptedData
		if d, err = krb.SealedPart(b); err == nil {
			n.add("encrypted part", sealedPart(d))
		}
	}
	return n, err
}

// messageIn decodes a message that stands in something else, or says why not.
func (i *inspector) messageIn(b []byte) any {
	if len(b) == 0 || messageTitles[b[0]] == "" {
		return fmt.Sprintf("(%s, no message of Kerberos)", size(b))
	}
	n, err := i.message(b)
	if err != nil {
		return unreadable(b, err)
	}
	return n
}

func unreadable(b []byte, err error) string {
	return fmt.Sprintf("(%s that cannot be read: %v)", size(b), err)
}

// sealedPart says of a ciphertext what can be seen.
func sealedPart(d krb.EncryptedData) Fields {
	f := Fields{}
	f.coded("etype", d.EType, etypeNames)
	if v := d.KeyVersion(); v != 0 {
		note := ""
		if v>>16 != 0 {
			note = fmt.Sprintf("version %d of the read-only domain controller %d", v&0xffff, v>>16)
		}
		f.noted("kvno", uint64(v), note)
	}
	f.noted("ciphertext", len(d.Cipher), "bytes")
	return f
}

// keyShape says of a key what may be seen.
func keyShape(k krb.Key) Fields {
	f := Fields{}
	f.coded("etype", k.EType, etypeNames)
	f.noted("length", len(k.Value), "bytes, not shown")
	return f
}

// when adds a time that is there.
func (f *Fields) when(name string, at, now time.Time) {
	if !at.IsZero() {
		f.time(name, at, now)
	}
}

func (i *inspector) kdcReq(b []byte) (Fields, error) {
	r, err := krb.ParseKDCReq(b)
	if err != nil {
		return nil, err
	}
	f, k := Fields{}, &r.Body
	if len(r.PAData) > 0 {
		f.add("padata", i.paData(r.PAData, r.RawBody))
	}
	f.add("kdc-options", flagNames(k.Options, kdcOptions))
	f.principal("client", k.Client, k.Realm)
	f.principal("server", k.Server, k.Realm)
	f.when("from", k.From, i.o.Now)
	if k.Till.IsZero() {
		f.add("till", "as long as possible")
	} else {
		f.time("till", k.Till, i.o.Now)
	}
	f.when("renew till", k.RenewTill, i.o.Now)
	f.add("nonce", uint64(k.Nonce))
	f.add("etypes", etypeList(k.ETypes))
	f.addresses(k.Addresses)
	if k.EncAuthData.Cipher != nil {
		f.add("authorization data", sealedPart(k.EncAuthData))
	}
	if len(k.Tickets) > 0 {
		f.many("additional tickets", len(k.Tickets), func(n int) any { t, _ := i.ticket(&k.Tickets[n]); return t })
	}
	return f, nil
}

func (i *inspector) kdcRep(b []byte) (Fields, error) {
	r, err := krb.ParseKDCRep(b)
	if err != nil {
		return nil, err
	}
	f := Fields{}
	if len(r.PAData) > 0 {
		f.add("padata", i.paData(r.PAData, nil))
	}
	f.principal("client", r.Client, r.CRealm)
	t, _ := i.ticket(&r.Ticket)
	f.add("ticket", t)
	part := sealedPart(r.EncPart)
	if r.MsgType == krb.MsgASRep {
		if plain, by := i.unlock(krb.UsageASRep, r.EncPart); plain != nil {
			part.add("opened with", by)
			part.add("content", i.replyPart(plain))
		}
	}
	f.add("encrypted part", part)
	return f, nil
}

// replyPart is what a client learns of its ticket.
func (i *inspector) replyPart(plain []byte) any {
	p, err := krb.ParseEncKDCRepPart(plain)
	if err != nil {
		return unreadable(plain, err)
	}
	f := Fields{}
	f.add("session key", keyShape(p.Key))
	f.principal("server", p.Server, p.Realm)
	f.add("nonce", uint64(p.Nonce))
	f.add("flags", flagNames(p.Flags, ticketFlags))
	f.when("key expiration", p.KeyExpiration, i.o.Now)
	f.when("auth time", p.AuthTime, i.o.Now)
	f.when("start time", p.StartTime, i.o.Now)
	f.when("end time", p.EndTime, i.o.Now)
	f.when("renew till", p.RenewTill, i.o.Now)
	f.addresses(p.Addresses)
	if len(p.PAData) > 0 {
		f.add("encrypted padata", i.paData(p.PAData, nil))
	}
	return f
}

func (i *inspector) apReq(b []byte, usage uint32) (Fields, error) {
	r, err := krb.ParseAPReq(b)
	if err != nil {
		return nil, err
	}
	f := Fields{}
	f.add("ap-options", flagNames(r.Options, apOptions))
	t, part := i.ticket(&r.Ticket)
	f.add("ticket", t)
	auth := sealedPart(r.Authenticator)
	if part != nil {
		if a, err := r.OpenAuthenticator(part.Key, usage); err != nil {
			auth.add("content", "it does not open with the ticket's session key")
		} else {
			auth.add("content", i.authenticator(a))
		}
	}
	f.add("authenticator", auth)
	return f, nil
}

func (i *inspector) authenticator(a *krb.Authenticator) Fields {
	f := Fields{}
	f.principal("client", a.Client, a.CRealm)
	f.time("time", a.Time, i.o.Now)
	if !a.Checksum.IsZero() {
		f.noted("checksum", coding(a.Checksum.Type, checksumNames), size(a.Checksum.Sum))
	}
	if !a.Subkey.IsZero() {
		f.add("subkey", keyShape(a.Subkey))
	}
	if a.SeqNumber != 0 {
		f.add("sequence number", uint64(a.SeqNumber))
	}
	if len(a.AuthData) > 0 {
		f.add("authorization data", i.authData(a.AuthData, nil, 0))
	}
	return f
}

func (i *inspector) krbError(b []byte) (Fields, error) {
	e, err := krb.ParseError(b)
	if err != nil {
		return nil, err
	}
	f := Fields{}
	f.noted("code", int(e.Code), e.Code.Name())
	f.add("text", e.Sentence)
	f.time("server time", e.Time, i.o.Now)
	f.principal("server", e.Server, e.Realm)
	f.principal("client", e.Client, e.ClientRealm)
	if len(e.Data) > 0 {
		f.add("e-data", i.errorData(e.Data))
	}
	return f, nil
}

// errorData reads METHOD-DATA or TYPED-DATA, which their tags tell apart.
func (i *inspector) errorData(b []byte) any {
	if list, err := krb.ParseMethodData(b); err == nil {
		return i.paData(list, nil)
	}
	list, err := krb.ParseTypedData(b)
	if err != nil {
		return fmt.Sprintf("(%s, neither METHOD-DATA nor TYPED-DATA)", size(b))
	}
	out := []any{}
	for _, d := range list[:min(len(list), maxListed)] {
		f := Fields{}
		f.coded("type", d.Type, tdNames)
		f.add("value", typedData(d))
		out = append(out, f)
	}
	return out
}

func (i *inspector) passwordMessage(m *krb.PasswordMessage) (*Node, error) {
	n := &Node{Title: "Message of the password protocol (RFC 3244)"}
	note := "change, or a reply"
	if m.Version == krb.PasswordSet {
		note = "set password"
	}
	n.noted("version", int(m.Version), note)
	if len(m.AP) > 0 {
		n.add("ap message", i.messageIn(m.AP))
	}
	n.add("message", i.messageIn(m.Priv))
	return n, nil
}
