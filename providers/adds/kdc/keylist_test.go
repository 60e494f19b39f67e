package kdc

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/krbclient"
)

func keyListReq(t testing.TB, etypes ...int32) []krb.PAData {
	t.Helper()
	value, err := krb.EncodeKeyListReq(etypes)
	if err != nil {
		t.Fatal(err)
	}
	return []krb.PAData{{Type: krb.PAKeyListReq, Value: value}}
}

// keysOf returns the keys that a reply holds; ok is false when it holds no list.
func keysOf(t testing.TB, r *krbclient.Result) (keys []krb.Key, ok bool) {
	t.Helper()
	value, ok := krb.FindPA(r.Part.PAData, krb.PAKeyListRep)
	if !ok {
		return nil, false
	}
	keys, err := krb.ParseKeyListRep(value)
	if err != nil {
		t.Fatal(err)
	}
	return keys, true
}

// Who shows a partial ticket-granting ticket may ask for the account's keys, if
// the controller may know them at all.
func TestKeyList(t *testing.T) {
	c := newCloud(t, nil)
	alice := c.account("alice")
	ask := func(tgt *krb.Credential, server krb.Name, etypes ...int32) (*krbclient.Result, error) {
		return c.client().TGS(context.Background(), tgt, krbclient.TGSRequest{Server: server, Options: krb.OptCanonicalize, PAData: keyListReq(t, etypes...)})
	}
	tgs := krb.TGS(realm)
	for name, tt := range map[string]struct {
		etypes []int32
		want   []int32
	}{
		"the NT hash":        {[]int32{krb.RC4}, []int32{krb.RC4}},
		"in the order asked": {[]int32{krb.AES128, krb.RC4, krb.AES256}, []int32{krb.AES128, krb.RC4, krb.AES256}},
		"once each":          {[]int32{krb.RC4, krb.RC4, 3, krb.RC4}, []int32{krb.RC4}},
		"none that there is": {[]int32{1, 3, -128}, nil},
		"none asked":         {nil, nil},
	} {
		alice.setPassword("newer " + name)
		r, err := ask(c.partial(t, "alice", nil), tgs, tt.etypes...)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		keys, _ := keysOf(t, r)
		var got []int32
		for _, k := range keys {
			got = append(got, k.EType)
			if newest, _ := alice.key(k.EType); !newest.Key.Equal(k) {
				t.Errorf("%s: the key of type %d is another", name, k.EType)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: types %v, want %v", name, got, tt.want)
		}
		if e := c.last(); len(tt.want) > 0 && (!slices.Equal(e.Message["key_list"].([]int32), tt.want) || !strings.Contains(e.Text, "keys")) {
			t.Errorf("%s: event %+v", name, e)
		}
	}
	if r, err := ask(c.partial(t, "alice", nil), tgs, krb.RC4); err != nil || r.Part.PAData[0].Type != krb.PAKeyListRep {
		t.Errorf("the list does not come first, where clients look: %v", err)
	}
	for _, name := range []string{"admin", "bob"} {
		if _, err := ask(c.partial(t, name, nil), tgs, krb.RC4); code(err) != krb.ErrTGTRevoked {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Nobody else gets keys: neither by a full ticket nor for a service.
	r, err := ask(c.tgt(t, func(a *krbclient.ASRequest) {
		alice.Keys = alice.Keys[len(alice.Keys)-3:] // the password that c.tgt knows
	}), tgs, krb.RC4)
	if err != nil {
		t.Fatal(err)
	}
	if keys, ok := keysOf(t, r); ok {
		t.Errorf("on a full ticket: %d keys", len(keys))
	}
	if r, err = ask(c.partial(t, "alice", nil), ldap, krb.RC4); err != nil {
		t.Fatal(err)
	}
	if keys, ok := keysOf(t, r); ok {
		t.Errorf("for a service: %d keys", len(keys))
	}
	// Events tell which, never what.
	c.lab.mu.Lock()
	defer c.lab.mu.Unlock()
	for _, e := range c.events {
		for _, k := range alice.Keys {
			for _, v := range e.Message {
				if b, ok := v.([]byte); ok && bytes.Contains(b, k.Key.Value) {
					t.Error("an event holds a key")
				}
			}
		}
	}
}

// Encryption types that an administrator took away from a controller.
func TestControllerETypes(t *testing.T) {
	l := newLab(t, func(c *Config) { c.Policy.NoAES256 = true })
	tgt := l.tgt(t, nil)
	ticket, err := krb.ParseTicket(tgt.Ticket)
	if err != nil || ticket.EncPart.EType != krb.AES128 || tgt.Key.EType != krb.AES128 {
		t.Errorf("ticket of type %d, session of %d, %v", ticket.EncPart.EType, tgt.Key.EType, err)
	}
	if _, err := l.client().TGS(context.Background(), tgt, krbclient.TGSRequest{Server: ldap}); err != nil {
		t.Error(err)
	}
	if _, err := l.as(krb.Principal("alice"), func(a *krbclient.ASRequest) { a.ETypes = []int32{krb.AES256} }); code(err) != krb.ErrETypeNoSupport {
		t.Errorf("AES256 alone: %v", err)
	}
	// A ticket of a controller that still does.
	krbtgt := l.account("krbtgt").Keys[0]
	part, err := ticket.Open(l.account("krbtgt").Keys[1].Key)
	if err != nil {
		t.Fatal(err)
	}
	q := newTGSReq(l, tgt)
	if q.ticket, err = krb.SealTicket(krbtgt.Key, krbtgt.KVNO, realm, krb.TGS(realm), part); err != nil {
		t.Fatal(err)
	}
	if _, err := l.ask(q.encode(t)); code(err) != krb.ErrETypeNoSupport {
		t.Errorf("a ticket in AES256: %v", err)
	}
	l = newLab(t, func(c *Config) { c.Policy.NoAES128 = true })
	if _, err := l.as(krb.Principal("alice"), func(a *krbclient.ASRequest) { a.ETypes = []int32{krb.AES128} }); code(err) != krb.ErrETypeNoSupport {
		t.Errorf("AES128 alone: %v", err)
	}
}
