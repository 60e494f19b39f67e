package kdc

import (
	"testing"
	"time"

	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/pac"
	"hellolab/providers/wire/sid"
)

// Fault 70: a ticket-granting ticket whose PAC is not the one that this KDC
// put in. Who makes it here holds krbtgt's key or not, by the case.
func TestTamperedPAC(t *testing.T) {
	wrong := krb.Key{EType: krb.AES256, Value: make([]byte, 32)}
	bob := domainSID.Account(1105)
	type forged struct {
		part *krb.EncTicketPart
		pac  *pac.PAC
		sign pac.Signing
		raw  []byte // instead of the signed PAC
	}
	for name, tt := range map[string]struct {
		change func(*forged)
		want   krb.Code
	}{
		"as it was":                {func(*forged) {}, 0},
		"signed by nobody":         {func(f *forged) { f.sign.Server, f.sign.KDC = wrong, wrong }, krb.ErrModified},
		"KDC signature by another": {func(f *forged) { f.sign.KDC = wrong }, krb.ErrModified},
		"signed by a read-only DC": {func(f *forged) { f.sign.RODC = 7 }, krb.ErrModified},
		"a group more, not signed": {func(f *forged) {
			raw, _ := f.part.PAC()
			f.raw = append([]byte(nil), raw...)
			p, _ := pac.Parse(raw)
			p.LogonInfo.Groups[1].RID = 512
			other, _ := p.Sign(pac.Signing{Server: wrong, KDC: wrong})
			copy(f.raw, other[:len(other)*3/4])
		}, krb.ErrModified},
		"cut short":                    {func(f *forged) { raw, _ := f.part.PAC(); f.raw = raw[:len(raw)-9] }, krb.ErrModified},
		"garbage":                      {func(f *forged) { f.raw = []byte("garbage") }, krb.ErrModified},
		"no PAC":                       {func(f *forged) { f.part.AuthData = nil; f.pac = nil }, krb.ErrTGTRevoked},
		"no requestor":                 {func(f *forged) { f.pac.Requestor = sid.SID{} }, krb.ErrTGTRevoked},
		"another requestor":            {func(f *forged) { f.pac.Requestor = bob }, krb.ErrTGTRevoked},
		"another account altogether":   {func(f *forged) { f.pac.Requestor, f.pac.LogonInfo.UserID = bob, 1105 }, krb.ErrTGTRevoked},
		"no logon information":         {func(f *forged) { f.pac.LogonInfo = nil }, krb.ErrTGTRevoked},
		"no client information":        {func(f *forged) { f.pac.ClientInfo = nil }, krb.ErrTGTRevoked},
		"another client":               {func(f *forged) { f.pac.ClientInfo.Name = "bob" }, krb.ErrBadMatch},
		"client renamed in the ticket": {func(f *forged) { f.part.Client = krb.Principal("bob") }, krb.ErrBadMatch},
		"another time":                 {func(f *forged) { f.part.AuthTime = f.part.AuthTime.Add(time.Second) }, krb.ErrBadMatch},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, nil)
			krbtgt := l.account("krbtgt").Keys[0].Key
			cred := l.tgt(t, nil)
			ticket, err := krb.ParseTicket(cred.Ticket)
			if err != nil {
				t.Fatal(err)
			}
			f := &forged{sign: pac.Signing{Server: krbtgt, KDC: krbtgt}}
			if f.part, err = ticket.Open(krbtgt); err != nil {
				t.Fatal(err)
			}
			raw, _ := f.part.PAC()
			if f.pac, err = pac.Parse(raw); err != nil {
				t.Fatal(err)
			}
			tt.change(f)
			if f.pac != nil {
				if f.raw == nil {
					if f.raw, err = f.pac.Sign(f.sign); err != nil {
						t.Fatal(err)
					}
				}
				if f.part, err = f.part.WithPAC(f.raw); err != nil {
					t.Fatal(err)
				}
			}
			q := newTGSReq(l, cred)
			q.auth.Client = f.part.Client
			if q.ticket, err = krb.SealTicket(krbtgt, 1, realm, krb.TGS(realm), f.part); err != nil {
				t.Fatal(err)
			}
			if _, err := l.ask(q.encode(t)); code(err) != tt.want {
				t.Errorf("got %v, want %d", err, tt.want)
			}
		})
	}
}

// A ticket that says it is under the key of a read-only domain controller, or
// under one that is not there.
func TestTicketKeyVersions(t *testing.T) {
	l := newLab(t, nil)
	krbtgt := l.account("krbtgt").Keys[0].Key
	cred := l.tgt(t, nil)
	ticket, err := krb.ParseTicket(cred.Ticket)
	if err != nil {
		t.Fatal(err)
	}
	part, err := ticket.Open(krbtgt)
	if err != nil {
		t.Fatal(err)
	}
	for kvno, want := range map[uint32]krb.Code{1: 0, 2: krb.ErrBadKeyVersion, 0: krb.ErrBadKeyVersion, 5<<16 | 1: krb.ErrServerUnknown, 0xffff0001: krb.ErrServerUnknown} {
		q := newTGSReq(l, cred)
		if q.ticket, err = krb.SealTicket(krbtgt, kvno, realm, krb.TGS(realm), part); err != nil {
			t.Fatal(err)
		}
		if _, err := l.ask(q.encode(t)); code(err) != want {
			t.Errorf("version %x: %v", kvno, err)
		}
	}
}
