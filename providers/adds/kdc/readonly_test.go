package kdc

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/providers/event"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/krbclient"
	"hellolab/providers/wire/pac"
	"hellolab/providers/wire/sid"
)

// A partial ticket-granting ticket, which says who alice is and nothing else,
// becomes a full one with her groups, under the domain's own key.
func TestExchange(t *testing.T) {
	c := newCloud(t, nil)
	partial := c.partial(t, "alice", nil)
	c.advance(time.Hour)
	r, err := c.client().TGS(context.Background(), partial, krbclient.TGSRequest{Server: krb.TGS(realm), Options: krb.OptCanonicalize | krb.FlagForwardable | krb.FlagRenewable})
	if err != nil {
		t.Fatal(err)
	}
	if v := r.Reply.Ticket.EncPart.KeyVersion(); v != 1 {
		t.Errorf("the full ticket is under version %#x", v)
	}
	part, p := c.full(t, r.Reply)
	var groups []uint32
	for _, g := range p.LogonInfo.Groups {
		groups = append(groups, g.RID)
	}
	if !slices.Equal(groups, []uint32{513, 1200}) || p.LogonInfo.User() != domainSID.Account(1104) || p.Requestor != domainSID.Account(1104) ||
		p.UPNDNSInfo == nil || p.UPNDNSInfo.UPN != "alice@contoso.com" || p.LogonInfo.LogonServer != "DC1" {
		t.Errorf("PAC %+v", p.LogonInfo)
	}
	if len(p.LogonInfo.ExtraSIDs) != 1 || p.LogonInfo.ExtraSIDs[0].SID != sid.AuthorityAsserted {
		t.Errorf("extra identifiers %v", p.LogonInfo.ExtraSIDs)
	}
	if !part.AuthTime.Equal(partial.AuthTime) || part.EndTime.After(partial.EndTime) || !part.Flags.Has(krb.FlagForwardable|krb.FlagPreAuthent) || part.Flags.Has(krb.FlagInitial) {
		t.Errorf("ticket %+v", part)
	}
	if limit := c.clock().Add(7 * 24 * time.Hour); part.RenewTill.After(limit) {
		t.Errorf("it can be renewed until %s, beyond what the domain allows", part.RenewTill)
	}
	e := c.last()
	if e.Outcome == event.Refused || e.Message["rodc"] != "AzureADKerberos$" || e.Message["rodc_number"] != uint16(number) || !strings.Contains(e.Text, "issues a full one") {
		t.Errorf("%+v", e)
	}
	// And it is good for what a full one is good for: services, and its renewal.
	if _, err := c.client().TGS(context.Background(), &r.Credential, krbclient.TGSRequest{Server: ldap}); err != nil {
		t.Error(err)
	}
	if _, err := c.client().TGS(context.Background(), &r.Credential, krbclient.TGSRequest{Server: krb.TGS(realm), Options: krb.OptRenew}); err != nil {
		t.Error(err)
	}
}

// A service's ticket can be had with the partial one itself; its PAC is as good.
func TestExchangeForService(t *testing.T) {
	c := newCloud(t, nil)
	q := c.request(c.partial(t, "alice", nil))
	q.body.Server, q.body.Options = ldap, 0
	rep, err := c.ask(q.encode(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, p := c.open(t, "DC1$", rep); len(p.LogonInfo.Groups) != 2 {
		t.Errorf("groups %v", p.LogonInfo.Groups)
	}
}

// Fault 69, added groups: who holds the read-only controller's key can sign what
// it likes, and the domain believes nothing of it but whom it is about.
func TestExchangeIgnoresAddedGroups(t *testing.T) {
	c := newCloud(t, nil)
	forged := c.partial(t, "alice", func(p *partialTGT) {
		l := p.pac.LogonInfo
		l.Groups = []pac.Group{{RID: 512, Attributes: pac.GroupAttributes}, {RID: 519, Attributes: pac.GroupAttributes}}
		l.PrimaryGroupID, l.EffectiveName, l.FullName = 512, "Administrator", "The Administrator"
		l.ExtraSIDs = []pac.SIDAndAttributes{{SID: sid.Administrators, Attributes: pac.GroupAttributes}}
		l.ResourceDomain, l.ResourceGroups = domainSID, []pac.Group{{RID: 512, Attributes: pac.GroupAttributes}}
		p.pac.Others = []pac.Buffer{{Type: pac.TypeClientClaims, Data: []byte("claims")}}
		p.pac.UPNDNSInfo = &pac.UPNDNSInfo{UPN: "administrator@corp.example", DNSDomain: realm}
	})
	rep, err := c.ask(c.request(forged).encode(t))
	if err != nil {
		t.Fatal(err)
	}
	_, p := c.full(t, rep)
	for _, s := range p.LogonInfo.SIDs() {
		if s == domainAdmins || s == sid.Administrators {
			t.Errorf("the full ticket holds %s", s)
		}
	}
	if l := p.LogonInfo; l.PrimaryGroupID != 513 || l.EffectiveName != "alice" || len(p.Others) != 0 || p.UPNDNSInfo.UPN != "alice@contoso.com" {
		t.Errorf("believed: %+v", l)
	}
}

// Fault 69: what is not exchanged, and by which error a device knows why.
func TestExchangeRefusals(t *testing.T) {
	other := krb.Key{EType: krb.AES256, Value: bytes.Repeat([]byte{9}, 32)}
	resigned := func(change func(*pac.PAC)) func(*cloud, *partialTGT) {
		return func(_ *cloud, p *partialTGT) { change(p.pac) }
	}
	type setup = func(*cloud, *partialTGT)
	for name, tt := range map[string]struct {
		client string // alice
		policy func(*Policy)
		mint   setup
		after  func(*cloud) // between the partial ticket and its exchange
		ask    func(*tgsReq)
		want   krb.Code
		says   string
	}{
		"nothing wrong": {},
		"edited": {mint: func(_ *cloud, p *partialTGT) {
			raw, _ := p.pac.Sign(p.sign)
			raw[len(raw)/2] ^= 1
			p.raw = raw
		}, want: krb.ErrModified},
		"groups added without the key": {mint: func(_ *cloud, p *partialTGT) {
			p.pac.LogonInfo.Groups = []pac.Group{{RID: 512, Attributes: 7}}
			p.sign = pac.Signing{Server: other, KDC: other, RODC: number}
		}, want: krb.ErrModified},
		"cut short":                    {mint: func(_ *cloud, p *partialTGT) { raw, _ := p.pac.Sign(p.sign); p.raw = raw[:len(raw)-9] }, want: krb.ErrModified},
		"signed as the domain's own":   {mint: func(_ *cloud, p *partialTGT) { p.sign.RODC = 0 }, want: krb.ErrModified},
		"signed as another controller": {mint: func(_ *cloud, p *partialTGT) { p.sign.RODC = number + 1 }, want: krb.ErrModified},
		"no PAC":                       {mint: func(_ *cloud, p *partialTGT) { p.pac = nil }, want: krb.ErrTGTRevoked, says: "no PAC"},
		"no requestor":                 {mint: resigned(func(p *pac.PAC) { p.Requestor = sid.SID{} }), want: krb.ErrTGTRevoked},
		"another requestor":            {mint: resigned(func(p *pac.PAC) { p.Requestor = domainSID.Account(1105) }), want: krb.ErrTGTRevoked},
		"another account's identifier": {mint: resigned(func(p *pac.PAC) { p.Requestor, p.LogonInfo.UserID = domainSID.Account(1105), 1105 }), want: krb.ErrTGTRevoked, says: "is about"},
		"an identifier of another domain": {mint: resigned(func(p *pac.PAC) {
			d := sid.New(5, 21, 9, 9, 9)
			p.Requestor, p.LogonInfo.LogonDomainID = d.Account(1104), d
		}), want: krb.ErrTGTRevoked},
		"another client in the ticket": {mint: func(_ *cloud, p *partialTGT) { p.client = krb.Principal("bob") }, want: krb.ErrBadMatch},
		"another time in the ticket":   {mint: func(_ *cloud, p *partialTGT) { p.part.AuthTime = p.part.AuthTime.Add(time.Second) }, want: krb.ErrBadMatch},
		"a client of another realm":    {mint: func(_ *cloud, p *partialTGT) { p.part.CRealm = "ELSEWHERE" }, want: krb.ErrTGTRevoked},
		"another tenant's key": {mint: func(_ *cloud, p *partialTGT) {
			p.seal, p.sign = other, pac.Signing{Server: other, KDC: other, RODC: number}
		}, want: krb.ErrBadIntegrity, says: "krbtgt_28456"},
		"another tenant's number":     {mint: func(_ *cloud, p *partialTGT) { p.kvno = (number+1)<<16 | 1 }, want: krb.ErrServerUnknown, says: "28457"},
		"weaker encryption":           {mint: func(c *cloud, p *partialTGT) { p.seal = c.readOnly.Krbtgt.Keys[1].Key }, want: krb.ErrETypeNoSupport},
		"the object deleted":          {after: func(c *cloud) { delete(c.all.list, number) }, want: krb.ErrServerUnknown},
		"no computer":                 {after: func(c *cloud) { c.readOnly.Name, c.readOnly.UserAccountControl = "", 0 }, want: krb.ErrPolicy},
		"a computer without the mark": {after: func(c *cloud) { c.readOnly.UserAccountControl = 0x1000 }, want: krb.ErrPolicy, says: "PARTIAL_SECRETS"},
		"a version that never was":    {mint: func(_ *cloud, p *partialTGT) { p.kvno = number<<16 | 7 }, want: krb.ErrBadKeyVersion, says: "version 7"},
		"the key changed twice":       {after: func(c *cloud) { k := c.readOnly.Krbtgt; k.setPassword("2"); k.setPassword("3"); k.Keys = k.Keys[:6] }, want: krb.ErrBadKeyVersion},
		"expired":                     {after: func(c *cloud) { c.advance(10*time.Hour + 6*time.Minute) }, want: krb.ErrTicketExpired},
		"not yet":                     {mint: func(_ *cloud, p *partialTGT) { p.part.StartTime = p.part.StartTime.Add(time.Hour) }, want: krb.ErrTicketNotYetValid},
		"disabled":                    {after: func(c *cloud) { c.account("alice").UserAccountControl |= Disabled }, want: krb.ErrClientRevoked},
		"locked":                      {after: func(c *cloud) { c.account("alice").UserAccountControl |= LockedOut }, want: krb.ErrClientRevoked},
		"account expired":             {after: func(c *cloud) { c.account("alice").AccountExpires = c.clock() }, want: krb.ErrClientRevoked},
		"account deleted":             {after: func(c *cloud) { c.account("alice").SAMAccountName = "carol" }, want: krb.ErrClientUnknown},
		"account made anew":           {after: func(c *cloud) { c.account("alice").SID = domainSID.Account(2000) }, want: krb.ErrTGTRevoked, says: "made anew"},
		"password expired":            {after: func(c *cloud) { c.account("alice").PasswordMustChange = c.clock() }, want: krb.ErrKeyExpired},
		"password must change":        {after: func(c *cloud) { c.account("alice").UserAccountControl |= PasswordExpired }, want: krb.ErrKeyExpired},
		"a denied administrator":      {client: "admin", want: krb.ErrTGTRevoked, says: "msDS-NeverRevealGroup"},
		"denied by name":              {after: func(c *cloud) { c.readOnly.NeverReveal = append(c.readOnly.NeverReveal, domainSID.Account(1104)) }, want: krb.ErrTGTRevoked},
		"denied by a group, allowed by name": {after: func(c *cloud) {
			c.account("alice").Memberships = append(c.account("alice").Memberships, denied)
			c.readOnly.RevealOnDemand = []sid.SID{domainSID.Account(1104)}
		}, want: krb.ErrTGTRevoked, says: "msDS-NeverRevealGroup"},
		"not among the allowed":          {client: "bob", want: krb.ErrTGTRevoked, says: "msDS-RevealOnDemandGroup"},
		"nobody is allowed":              {after: func(c *cloud) { c.readOnly.RevealOnDemand = nil }, want: krb.ErrTGTRevoked},
		"krbtgt":                         {client: "krbtgt", after: everybody("krbtgt"), want: krb.ErrTGTRevoked, says: "ticket-granting service"},
		"krbtgt of a controller":         {client: "krbtgt_28456", after: everybody("krbtgt_28456"), want: krb.ErrTGTRevoked, says: "ticket-granting service"},
		"another domain's trust account": {client: "PC1$", after: func(c *cloud) { everybody("PC1$")(c); c.account("PC1$").UserAccountControl = InterdomainTrust }, want: krb.ErrTGTRevoked, says: "another domain"},
		"only read-only controllers":     {policy: func(p *Policy) { p.ReadOnly = true }, want: krb.ErrServiceUnavailable, says: "read-only"},
		"an old controller":              {policy: func(p *Policy) { p.TooOld = "Windows Server 2016, build 14393.1" }, want: krb.ErrServiceUnavailable, says: "14393.1"},
		"AES256 switched off":            {policy: func(p *Policy) { p.NoAES256 = true }, want: krb.ErrETypeNoSupport, says: "AES256"},
		"a ticket to itself":             {ask: func(q *tgsReq) { q.extra = []krb.PAData{{Type: krb.PAForUser}} }, want: krb.ErrClientUnknown},
		"constrained delegation":         {ask: func(q *tgsReq) { q.body.Options |= krb.OptConstrained; q.body.Server = ldap }, want: krb.ErrBadOption},
		"renewed":                        {ask: func(q *tgsReq) { q.body.Options |= krb.OptRenew }, want: krb.ErrBadOption},
		"an unreadable key list":         {ask: func(q *tgsReq) { q.extra = []krb.PAData{{Type: krb.PAKeyListReq, Value: []byte{1}}} }, want: krb.ErrGeneric},
		"clock off":                      {ask: func(q *tgsReq) { q.auth.Time = q.auth.Time.Add(6 * time.Minute) }, want: krb.ErrSkew},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t, func(cfg *Config) {
				if tt.policy != nil {
					tt.policy(&cfg.Policy)
				}
			})
			client := "alice"
			if tt.client != "" {
				client = tt.client
			}
			partial := c.partial(t, client, func(p *partialTGT) {
				if tt.mint != nil {
					tt.mint(c, p)
				}
			})
			if tt.after != nil {
				tt.after(c)
			}
			q := c.request(partial)
			if tt.ask != nil {
				tt.ask(q)
			}
			_, err := c.ask(q.encode(t))
			if code(err) != tt.want {
				t.Fatalf("got %v, want %d", err, tt.want)
			}
			// A refusal is told, as a sentence.
			e := c.last()
			if tt.want != 0 && (e.Reason == nil || e.Reason.Sentence == "" || !strings.HasSuffix(e.Reason.Sentence, ".") || !strings.Contains(e.Reason.Sentence+e.Reason.Hint, tt.says)) {
				t.Errorf("event %+v of %+v", e.Reason, e)
			}
		})
	}
}

// everybody lets a controller know all of an account's secrets, and hinders it
// from nothing.
func everybody(name string) func(*cloud) {
	return func(c *cloud) {
		a := c.account(name)
		a.UserAccountControl &^= Disabled
		c.readOnly.NeverReveal, c.readOnly.RevealOnDemand = nil, []sid.SID{a.SID}
	}
}

// Fault 69, key version mismatch: tickets of before the key was changed live out
// their life; what the tenant issues afterwards with its old key is refused.
func TestExchangeAfterRotation(t *testing.T) {
	c := newCloud(t, nil)
	old := c.readOnly.Krbtgt.Keys[0]
	before := c.partial(t, "alice", nil)
	c.advance(time.Minute)
	c.readOnly.Krbtgt.setPassword("another long random secret")
	c.readOnly.Krbtgt.PasswordSet = c.clock()
	if _, err := c.ask(c.request(before).encode(t)); err != nil {
		t.Errorf("a ticket of before the change: %v", err)
	}
	c.advance(time.Minute)
	stale := c.partial(t, "alice", func(p *partialTGT) {
		p.seal, p.kvno, p.sign = old.Key, number<<16|old.KVNO, pac.Signing{Server: old.Key, KDC: old.Key, RODC: number}
	})
	if _, err := c.ask(c.request(stale).encode(t)); code(err) != krb.ErrBadKeyVersion {
		t.Errorf("under the old key after the change: %v", err)
	}
	if _, err := c.ask(c.request(c.partial(t, "alice", nil)).encode(t)); err != nil {
		t.Errorf("under the new key: %v", err)
	}
	// Whoever still holds the old key and dates its ticket back has ten hours.
	c.advance(10 * time.Hour)
	dated := c.partial(t, "alice", func(p *partialTGT) {
		p.seal, p.kvno, p.sign = old.Key, number<<16|old.KVNO, pac.Signing{Server: old.Key, KDC: old.Key, RODC: number}
		p.part.AuthTime = c.readOnly.Krbtgt.PasswordSet.Add(-time.Hour).Truncate(time.Second)
		p.pac = pac.Partial(domainSID.Account(1104), "alice", p.part.AuthTime)
	})
	if _, err := c.ask(c.request(dated).encode(t)); code(err) != krb.ErrBadKeyVersion {
		t.Errorf("dated back: %v", err)
	}
}

func TestExchangeReplay(t *testing.T) { // fault 60
	c := newCloud(t, nil)
	req := c.request(c.partial(t, "alice", nil)).encode(t)
	if _, err := c.ask(req); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ask(req); code(err) != krb.ErrRepeat {
		t.Error(err)
	}
}

// A ticket without a PAC says who alice is by her name alone: only who asks for
// yesterday's behaviour gets it.
func TestExchangeWithoutPAC(t *testing.T) {
	c := newCloud(t, func(cfg *Config) { cfg.Policy.AllowBarePartial = true })
	bare := func(p *partialTGT) { p.pac = nil }
	rep, err := c.ask(c.request(c.partial(t, "alice", bare)).encode(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, p := c.full(t, rep); len(p.LogonInfo.Groups) != 2 {
		t.Errorf("groups %v", p.LogonInfo.Groups)
	}
	if _, err := c.ask(c.request(c.partial(t, "admin", bare)).encode(t)); code(err) != krb.ErrTGTRevoked {
		t.Errorf("admin: %v", err)
	}
	// One that is there is looked at.
	if _, err := c.ask(c.request(c.partial(t, "alice", func(p *partialTGT) { p.sign.RODC = 0 })).encode(t)); code(err) != krb.ErrModified {
		t.Errorf("a wrong PAC: %v", err)
	}
}

func TestExchangeDirectoryBroken(t *testing.T) {
	c := newCloud(t, nil)
	partial := c.partial(t, "alice", nil)
	c.all.err = errors.New("the store is gone")
	if _, err := c.ask(c.request(partial).encode(t)); code(err) != krb.ErrGeneric || strings.Contains(err.Error(), "store") {
		t.Error(err)
	}
	c.all.err, c.dir.broken = nil, errors.New("the store is gone")
	if _, err := c.ask(c.request(partial).encode(t)); code(err) != krb.ErrGeneric {
		t.Error(err)
	}
}

// A domain without read-only controllers, and a user-to-user ticket whose
// additional ticket is a partial one.
func TestPartialElsewhere(t *testing.T) {
	c := newCloud(t, nil)
	c.ReadOnlies = nil
	partial := c.partial(t, "alice", nil)
	if _, err := c.ask(c.request(partial).encode(t)); code(err) != krb.ErrServerUnknown {
		t.Error(err)
	}
	c = newCloud(t, nil)
	partial = c.partial(t, "alice", nil)
	ticket, err := krb.ParseTicket(partial.Ticket)
	if err != nil {
		t.Fatal(err)
	}
	q := newTGSReq(c.lab, c.tgt(t, nil))
	q.body.Server, q.body.Options, q.body.Tickets = krb.Principal("alice"), krb.OptEncTktInSkey, []krb.Ticket{*ticket}
	if _, err := c.ask(q.encode(t)); code(err) != krb.ErrPolicy {
		t.Error(err)
	}
}

// An account that must not be delegated gets no ticket to forward, whatever the
// partial one says.
func TestExchangeNotDelegated(t *testing.T) {
	c := newCloud(t, nil)
	c.account("alice").UserAccountControl |= NotDelegated
	rep, err := c.ask(c.request(c.partial(t, "alice", nil)).encode(t))
	if err != nil {
		t.Fatal(err)
	}
	if part, _ := c.full(t, rep); part.Flags.Has(krb.FlagForwardable) {
		t.Error("forwardable")
	}
}
