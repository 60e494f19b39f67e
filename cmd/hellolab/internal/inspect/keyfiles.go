package inspect

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"

	"hellolab/providers/wire/krb"
)

// decodeCCache reads a credential cache of MIT's version 4. Whoever has its
// session keys may use its tickets: they are not shown.
func decodeCCache(i *inspector, in Input) (*Node, error) {
	return in.each(func(b []byte) (*Node, error) {
		if !bytes.HasPrefix(b, []byte{5, 4}) {
			return nil, not("it does not begin with 05 04")
		}
		c, err := krb.ParseCCache(b)
		if err != nil {
			return nil, err
		}
		n := &Node{Title: "Credential cache (MIT, version 4)"}
		n.principal("principal", c.Principal, c.Realm)
		n.many("credentials", len(c.Credentials), func(k int) any { return i.credential(c, &c.Credentials[k]) })
		return n, nil
	})
}

func (i *inspector) credential(c *krb.CCache, k *krb.Credential) Fields {
	f := Fields{}
	f.principal("server", k.Server, k.SRealm)
	if k.CRealm != c.Realm || !k.Client.Equal(c.Principal) {
		f.principal("client", k.Client, k.CRealm)
	}
	f.add("session key", keyShape(k.Key))
	f.add("flags", flagNames(k.Flags, ticketFlags))
	f.when("auth time", k.AuthTime, i.o.Now)
	f.when("start time", k.StartTime, i.o.Now)
	f.when("end time", k.EndTime, i.o.Now)
	f.when("renew till", k.RenewTill, i.o.Now)
	f.addresses(k.Addresses)
	if t, err := krb.ParseTicket(k.Ticket); err != nil {
		f.add("ticket", unreadable(k.Ticket, err))
	} else {
		seen, _ := i.ticket(t)
		f.add("ticket", seen)
	}
	return f
}

// decodeKeytab reads a keytab. Its keys are not shown.
func decodeKeytab(i *inspector, in Input) (*Node, error) {
	return in.each(func(b []byte) (*Node, error) {
		if !bytes.HasPrefix(b, []byte{5, 2}) {
			return nil, not("it does not begin with 05 02")
		}
		entries, err := krb.ParseKeytab(b)
		if err != nil {
			return nil, err
		}
		n := &Node{Title: "Keytab (MIT, version 2)"}
		n.many("keys", len(entries), func(k int) any {
			e, f := &entries[k], Fields{}
			f.principal("principal", e.Name, e.Realm)
			f.add("kvno", uint64(e.KVNO))
			f.coded("etype", e.Key.EType, etypeNames)
			f.noted("length", len(e.Key.Value), "bytes, not shown")
			f.noted("fingerprint", fingerprint(e.Key), "the same for the same key")
			f.when("time", e.Time, i.o.Now)
			return f
		})
		return n, nil
	})
}

// fingerprint compares keys by eye: 32 bits of a hash over type and key, too
// few to find a password by them alone.
func fingerprint(k krb.Key) string {
	h := sha256.New()
	h.Write([]byte("hellolab key fingerprint\x00"))
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(k.EType)))
	h.Write(k.Value)
	return hex.EncodeToString(h.Sum(nil)[:4])
}

// ParseKeytab reads the keys of a keytab for Options.Keytab; binary, or in
// hexadecimal or base64.
func ParseKeytab(data []byte) ([]krb.KeytabEntry, error) {
	err := errors.New("it does not begin with 05 02, as keytabs do")
	for _, b := range newInput(data).Bytes {
		if bytes.HasPrefix(b, []byte{5, 2}) {
			var entries []krb.KeytabEntry
			if entries, err = krb.ParseKeytab(b); err == nil {
				return entries, nil
			}
		}
	}
	return nil, err
}
