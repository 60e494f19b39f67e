package kdc

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"hellolab/providers/wire/filetime"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/pac"
	"hellolab/providers/wire/sid"
)

// number is that of the read-only controller in whose name Entra ID issues.
const number = 28456

// readOnlies are the read-only controllers of a domain by number.
type readOnlies struct {
	mu   sync.Mutex
	list map[uint16]*ReadOnly
	err  error
}

func (r *readOnlies) ReadOnly(_ context.Context, n uint16) (*ReadOnly, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return nil, r.err
	}
	if ro, ok := r.list[n]; ok {
		c := *ro
		return &c, nil
	}
	return nil, ErrUnknownPrincipal
}

// cloud is a lab with the object AzureADKerberos: alice is allowed by a group,
// admin is denied by one.
type cloud struct {
	*lab
	readOnly *ReadOnly
	all      *readOnlies
}

var (
	allowed, denied = domainSID.Account(571), domainSID.Account(572)
	domainAdmins    = domainSID.Account(512)
)

func newCloud(t testing.TB, change func(*Config)) *cloud {
	t.Helper()
	return cloudOf(t, newLab(t, change))
}

// cloudOf gives a lab the object AzureADKerberos.
func cloudOf(t testing.TB, l *lab) *cloud {
	t.Helper()
	c := &cloud{lab: l, all: &readOnlies{list: map[uint16]*ReadOnly{}}}
	l.ReadOnlies = c.all
	krbtgt := &Account{
		SID: domainSID.Account(1200), SAMAccountName: "krbtgt_28456", UserAccountControl: 0x202, KrbtgtNumber: number,
		Salt: krb.UserSalt(realm, "krbtgt_28456"), PasswordSet: c.clock().Add(-24 * time.Hour),
	}
	krbtgt.setPassword("a long random secret 1")
	c.dir.accounts = append(c.dir.accounts, krbtgt)
	c.readOnly = &ReadOnly{
		Name: "AzureADKerberos$", UserAccountControl: 0x5001000, Krbtgt: krbtgt,
		NeverReveal: []sid.SID{sid.Administrators, denied}, RevealOnDemand: []sid.SID{allowed},
	}
	c.all.list[number] = c.readOnly
	c.account("alice").Memberships = []sid.SID{domainSID.Account(513), domainSID.Account(1200), allowed}
	c.account("bob").Memberships = []sid.SID{domainSID.Account(513)}
	c.account("admin").Memberships = []sid.SID{domainSID.Account(513), domainAdmins, denied, allowed}
	return c
}

// partialTGT is a partial ticket-granting ticket in the making.
type partialTGT struct {
	client krb.Name
	part   krb.EncTicketPart
	pac    *pac.PAC // nil: none
	raw    []byte   // instead of the signed PAC
	seal   krb.Key  // that the ticket is encrypted with
	sign   pac.Signing
	kvno   uint32 // with the number in its upper half
}

// partial is Entra ID's part: a ticket for an account, under the key it was
// given. change sees it before it is signed and sealed.
func (c *cloud) partial(t testing.TB, name string, change func(*partialTGT)) *krb.Credential {
	t.Helper()
	now := c.clock().Truncate(time.Second)
	newest := c.readOnly.Krbtgt.Keys[0]
	session, err := krb.RandomKey(krb.AES256, newRand())
	if err != nil {
		t.Fatal(err)
	}
	p := &partialTGT{
		client: krb.Principal(name), seal: newest.Key, kvno: number<<16 | newest.KVNO,
		sign: pac.Signing{Server: newest.Key, KDC: newest.Key, RODC: number},
		pac:  pac.Partial(c.account(name).SID, name, now),
		part: krb.EncTicketPart{
			Flags: krb.FlagForwardable | krb.FlagRenewable | krb.FlagInitial | krb.FlagPreAuthent, Key: session, CRealm: realm,
			AuthTime: now, StartTime: now, EndTime: now.Add(10 * time.Hour), RenewTill: now.Add(30 * 24 * time.Hour),
		},
	}
	if change != nil {
		change(p)
	}
	p.part.Client = p.client
	part := &p.part
	if p.pac != nil && p.raw == nil {
		if p.raw, err = p.pac.Sign(p.sign); err != nil {
			t.Fatal(err)
		}
	}
	if p.raw != nil {
		if part, err = part.WithPAC(p.raw); err != nil {
			t.Fatal(err)
		}
	}
	ticket, err := krb.SealTicket(p.seal, p.kvno, realm, krb.TGS(realm), part)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := ticket.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return &krb.Credential{
		CRealm: p.part.CRealm, Client: p.client, SRealm: realm, Server: krb.TGS(realm), Key: p.part.Key, Flags: p.part.Flags,
		AuthTime: p.part.AuthTime, StartTime: p.part.StartTime, EndTime: p.part.EndTime, RenewTill: p.part.RenewTill, Ticket: raw,
	}
}

// request is the TGS-REQ that exchanges a partial ticket-granting ticket.
func (c *cloud) request(partial *krb.Credential) *tgsReq {
	q := newTGSReq(c.lab, partial)
	q.body.Server, q.body.Options = krb.TGS(realm), krb.OptCanonicalize|krb.FlagForwardable|krb.FlagRenewable
	return q
}

// full opens a full ticket-granting ticket with the domain's own key.
func (c *cloud) full(t testing.TB, r *krb.KDCRep) (*krb.EncTicketPart, *pac.PAC) {
	t.Helper()
	part, p := c.open(t, "krbtgt", r)
	key := c.account("krbtgt").Keys[0].Key
	if err := p.Verify(pac.Ticket{Client: strings.Join(part.Client.Parts, "/"), AuthTime: part.AuthTime, Server: key, KDC: key, TGT: true}); err != nil {
		t.Errorf("the full ticket's PAC: %v", err)
	}
	if p.ClientInfo.ClientID != filetime.From(part.AuthTime) {
		t.Error("the PAC is of another time")
	}
	return part, p
}
