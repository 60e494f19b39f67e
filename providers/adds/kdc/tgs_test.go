package kdc

import (
	"context"
	"testing"
	"time"

	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/krbclient"
	"hellolab/providers/wire/pac"
)

var ldap = krb.Service("ldap", "dc1.corp.example")

// tgsReq is a TGS-REQ of whoever holds cred, with every part within reach.
type tgsReq struct {
	cred   *krb.Credential
	ticket *krb.Ticket // instead of the credential's
	body   krb.KDCReqBody
	auth   krb.Authenticator
	noSum  bool
	sum    func(krb.Checksum) krb.Checksum
	after  func(*krb.KDCReq) // the body is changed after its checksum was made
	extra  []krb.PAData
}

func newTGSReq(l *lab, cred *krb.Credential) *tgsReq {
	return &tgsReq{
		cred: cred, body: krb.KDCReqBody{Realm: realm, Server: ldap, Nonce: 9, ETypes: []int32{krb.AES256, krb.AES128}},
		auth: krb.Authenticator{CRealm: cred.CRealm, Client: cred.Client, Time: l.clock()},
	}
}

func (q *tgsReq) encode(t testing.TB) []byte {
	t.Helper()
	req := &krb.KDCReq{MsgType: krb.MsgTGSReq, Body: q.body}
	raw, err := req.EncodeBody()
	if err != nil {
		t.Fatal(err)
	}
	if !q.noSum {
		if q.auth.Checksum, err = q.cred.Key.Checksum(krb.UsageTGSReqChecksum, raw); err != nil {
			t.Fatal(err)
		}
		if q.sum != nil {
			q.auth.Checksum = q.sum(q.auth.Checksum)
		}
	}
	ticket := q.ticket
	if ticket == nil {
		if ticket, err = krb.ParseTicket(q.cred.Ticket); err != nil {
			t.Fatal(err)
		}
	}
	ap, err := krb.NewAPReq(0, ticket, q.cred.Key, krb.UsageTGSReqAuth, &q.auth)
	if err != nil {
		t.Fatal(err)
	}
	req.PAData = append([]krb.PAData{{Type: krb.PATGSReq, Value: ap}}, q.extra...)
	if q.after != nil {
		q.after(req)
	}
	b, err := req.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (l *lab) ask(b []byte) (*krb.KDCRep, error) {
	return krb.ParseKDCRep(l.Handle(context.Background(), b))
}

// open opens a ticket with the key of its server.
func (l *lab) open(t testing.TB, server string, r *krb.KDCRep) (*krb.EncTicketPart, *pac.PAC) {
	t.Helper()
	part, err := r.Ticket.Open(l.account(server).Keys[0].Key)
	if err != nil {
		t.Fatal(err)
	}
	raw, ok := part.PAC()
	if !ok {
		return part, nil
	}
	p, err := pac.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return part, p
}

func TestTGS(t *testing.T) {
	l := newLab(t, nil)
	tgt := l.tgt(t, func(a *krbclient.ASRequest) { a.Options = krb.FlagForwardable | krb.FlagRenewable })
	l.advance(time.Hour)
	r, err := l.client().TGS(context.Background(), tgt, krbclient.TGSRequest{Server: ldap, Options: krb.FlagForwardable})
	if err != nil {
		t.Fatal(err)
	}
	c := r.Credential
	if c.Flags != krb.FlagForwardable|krb.FlagPreAuthent|krb.FlagOKAsDelegate || !c.AuthTime.Equal(tgt.AuthTime) || !c.EndTime.Equal(tgt.EndTime) || !c.StartTime.Equal(l.clock().Truncate(time.Second)) {
		t.Errorf("%+v", c)
	}
	part, p := l.open(t, "DC1$", r.Reply)
	blank, err := part.WithPAC(pac.Placeholder())
	if err != nil {
		t.Fatal(err)
	}
	signed, err := blank.Encode()
	if err != nil {
		t.Fatal(err)
	}
	dc, krbtgt := l.account("DC1$").Keys[0].Key, l.account("krbtgt").Keys[0].Key
	if err := p.Verify(pac.Ticket{Client: "alice", AuthTime: part.AuthTime, Server: dc, KDC: krbtgt, TicketPart: signed}); err != nil {
		t.Error(err)
	}
	if p.Attributes != nil || !p.Requestor.IsZero() || p.LogonInfo.User() != domainSID.Account(1104) {
		t.Errorf("%+v", p)
	}
	if e := l.last(); e.Step != "tgs_req" || e.Message["server"] != "ldap/dc1.corp.example" || e.Message["client"] != "alice" {
		t.Errorf("%+v", e)
	}

	// Without a subkey the reply is under the session key.
	rep, err := l.ask(newTGSReq(l, tgt).encode(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tgt.Key.Open(krb.UsageTGSRepSessionKey, rep.EncPart); err != nil {
		t.Error(err)
	}
}

func TestTGSRefusals(t *testing.T) {
	l := newLab(t, nil)
	plain := l.tgt(t, nil)
	full := l.tgt(t, func(a *krbclient.ASRequest) { a.Options = krb.FlagForwardable | krb.FlagProxiable | krb.FlagRenewable })
	service, err := l.client().TGS(context.Background(), plain, krbclient.TGSRequest{Server: ldap})
	if err != nil {
		t.Fatal(err)
	}
	l.account("PC1$").UserAccountControl |= Disabled
	bobs, err := l.as(krb.Principal("bob"), nil)
	if err != nil {
		t.Fatal(err)
	}
	tgs := krb.TGS(realm)
	for name, tt := range map[string]struct {
		cred   *krb.Credential
		change func(*tgsReq)
		want   krb.Code
	}{
		"good":             {change: func(*tgsReq) {}},
		"unknown service":  {change: func(q *tgsReq) { q.body.Server = krb.Service("http", "nobody") }, want: krb.ErrServerUnknown},
		"disabled service": {change: func(q *tgsReq) { q.body.Server = krb.Service("host", "pc1") }, want: krb.ErrServiceRevoked},
		"no ticket":        {change: func(q *tgsReq) { q.after = func(r *krb.KDCReq) { r.PAData = nil } }, want: krb.ErrPADataTypeNoSupport},
		"no checksum":      {change: func(q *tgsReq) { q.noSum = true }, want: krb.ErrInappropriateChecksum},
		"unkeyed checksum": {change: func(q *tgsReq) { q.sum = func(c krb.Checksum) krb.Checksum { c.Type = 7; return c } }, want: krb.ErrInappropriateChecksum},
		"wrong checksum":   {change: func(q *tgsReq) { q.sum = func(c krb.Checksum) krb.Checksum { c.Sum[0] ^= 1; return c } }, want: krb.ErrModified},
		"body changed afterwards": {change: func(q *tgsReq) {
			q.after = func(r *krb.KDCReq) { r.Body.Server, r.RawBody = krb.Service("host", "pc1.corp.example"), nil }
		}, want: krb.ErrModified},
		"a service's ticket":     {cred: &service.Credential, change: func(*tgsReq) {}, want: krb.ErrNotUs},
		"another's name":         {change: func(q *tgsReq) { q.auth.Client = krb.Principal("bob") }, want: krb.ErrBadMatch},
		"another's ticket":       {change: func(q *tgsReq) { q.ticket = &bobs.Reply.Ticket }, want: krb.ErrBadIntegrity},
		"clock off":              {change: func(q *tgsReq) { q.auth.Time = q.auth.Time.Add(6 * time.Minute) }, want: krb.ErrSkew}, // fault 61
		"RC4 session":            {change: func(q *tgsReq) { q.body.ETypes = []int32{krb.RC4} }, want: krb.ErrETypeNoSupport},     // fault 71
		"AES-128 session":        {change: func(q *tgsReq) { q.body.ETypes = []int32{krb.AES128} }},
		"forwarded, may not":     {cred: plain, change: func(q *tgsReq) { q.body.Options, q.body.Server = krb.FlagForwarded, tgs }, want: krb.ErrBadOption},
		"forwarded":              {change: func(q *tgsReq) { q.body.Options, q.body.Server = krb.FlagForwarded|krb.FlagForwardable, tgs }},
		"proxy, may not":         {cred: plain, change: func(q *tgsReq) { q.body.Options = krb.FlagProxy }, want: krb.ErrBadOption},
		"proxy":                  {change: func(q *tgsReq) { q.body.Options = krb.FlagProxy }},
		"proxy of a TGT":         {change: func(q *tgsReq) { q.body.Options, q.body.Server = krb.FlagProxy, tgs }, want: krb.ErrBadOption},
		"renewed, may not":       {cred: plain, change: func(q *tgsReq) { q.body.Options, q.body.Server = krb.OptRenew, tgs }, want: krb.ErrBadOption},
		"renewed for a service":  {change: func(q *tgsReq) { q.body.Options = krb.OptRenew }, want: krb.ErrServerNoMatch},
		"renewed":                {change: func(q *tgsReq) { q.body.Options, q.body.Server = krb.OptRenew, tgs }},
		"validated":              {change: func(q *tgsReq) { q.body.Options = krb.OptValidate }, want: krb.ErrCannotPostdate},
		"user to user":           {change: func(q *tgsReq) { q.body.Options = krb.OptEncTktInSkey }, want: krb.ErrBadOption},
		"constrained delegation": {change: func(q *tgsReq) { q.body.Options = krb.OptConstrained }, want: krb.ErrBadOption},
		"ticket to itself":       {change: func(q *tgsReq) { q.extra = []krb.PAData{{Type: krb.PAForUser}} }, want: krb.ErrPADataTypeNoSupport},
		"over before it begins":  {change: func(q *tgsReq) { q.body.Till = time.Unix(1, 0) }, want: krb.ErrNeverValid},
		"another realm's krbtgt": {change: func(q *tgsReq) { q.body.Server = krb.TGS("ELSEWHERE") }, want: krb.ErrServerUnknown},
		"authorization data": {change: func(q *tgsReq) {
			q.body.EncAuthData = authorization(t, q.cred.Key, krb.AuthData{Type: 99, Data: []byte("x")})
		}},
		"a PAC of one's own": {change: func(q *tgsReq) {
			q.body.EncAuthData = authorization(t, q.cred.Key, krb.AuthData{Type: krb.ADWin2kPAC, Data: []byte("x")})
		}, want: krb.ErrPolicy},
		"a PAC of one's own, inside": {change: func(q *tgsReq) {
			inner, _ := krb.EncodeAuthData([]krb.AuthData{{Type: krb.ADWin2kPAC, Data: []byte("x")}})
			q.body.EncAuthData = authorization(t, q.cred.Key, krb.AuthData{Type: krb.ADIfRelevant, Data: inner})
		}, want: krb.ErrPolicy},
		"authorization data of another": {change: func(q *tgsReq) { q.body.EncAuthData = authorization(t, bobs.Credential.Key, krb.AuthData{Type: 99}) }, want: krb.ErrBadIntegrity},
	} {
		t.Run(name, func(t *testing.T) {
			cred := full
			if tt.cred != nil {
				cred = tt.cred
			}
			q := newTGSReq(l, cred)
			tt.change(q)
			rep, err := l.ask(q.encode(t))
			if code(err) != tt.want {
				t.Fatalf("got %v, want %d", err, tt.want)
			}
			if name == "authorization data" {
				if part, _ := l.open(t, "DC1$", rep); len(part.AuthData) != 2 || part.AuthData[1].Type != 99 {
					t.Errorf("%+v", part.AuthData)
				}
			}
		})
	}
}

func authorization(t *testing.T, key krb.Key, a krb.AuthData) krb.EncryptedData {
	t.Helper()
	plain, err := krb.EncodeAuthData([]krb.AuthData{a})
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := key.Seal(krb.UsageTGSReqSessionKey, 0, plain)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestTGSReplay(t *testing.T) { // fault 60
	l := newLab(t, nil)
	req := newTGSReq(l, l.tgt(t, nil)).encode(t)
	if _, err := l.ask(req); err != nil {
		t.Fatal(err)
	}
	if _, err := l.ask(req); code(err) != krb.ErrRepeat {
		t.Error(err)
	}
}

func TestTGSUnprotected(t *testing.T) {
	l := newLab(t, func(c *Config) { c.Policy.AllowUnprotected = true })
	q := newTGSReq(l, l.tgt(t, nil))
	q.noSum = true
	if _, err := l.ask(q.encode(t)); err != nil {
		t.Error(err)
	}
	if e := l.last(); e.Message["body_protected"] != false {
		t.Errorf("%+v", e)
	}
	q = newTGSReq(l, l.tgt(t, nil))
	q.sum = func(c krb.Checksum) krb.Checksum { c.Sum[0] ^= 1; return c }
	if _, err := l.ask(q.encode(t)); code(err) != krb.ErrModified {
		t.Error(err)
	}
}

func TestRenewal(t *testing.T) {
	l := newLab(t, nil)
	tgt := l.tgt(t, func(a *krbclient.ASRequest) { a.Options = krb.FlagRenewable | krb.FlagForwardable })
	until := tgt.RenewTill
	for l.clock().Before(until.Add(-6 * time.Hour)) {
		l.advance(6 * time.Hour)
		r, err := l.client().TGS(context.Background(), tgt, krbclient.TGSRequest{Server: krb.TGS(realm), Options: krb.OptRenew})
		if err != nil {
			t.Fatal(l.clock(), err)
		}
		if !r.Credential.RenewTill.Equal(until) || r.Credential.EndTime.After(until) || !r.Credential.Flags.Has(krb.FlagForwardable) || r.Credential.Flags.Has(krb.FlagInitial) {
			t.Fatalf("%+v", r.Credential)
		}
		tgt = &r.Credential
	}
	if _, err := l.client().TGS(context.Background(), tgt, krbclient.TGSRequest{Server: ldap}); err != nil {
		t.Errorf("the last one is of no use: %v", err)
	}
	l.advance(7 * time.Hour)
	if _, err := l.client().TGS(context.Background(), tgt, krbclient.TGSRequest{Server: krb.TGS(realm), Options: krb.OptRenew}); code(err) != krb.ErrTicketExpired {
		t.Error(err)
	}
}

// What happens to the account after it got its ticket.
func TestTGSAccountChanges(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*lab)
		want   krb.Code
	}{
		"nothing":          {func(*lab) {}, 0},
		"disabled":         {func(l *lab) { l.account("alice").UserAccountControl |= Disabled }, krb.ErrClientRevoked},
		"renamed":          {func(l *lab) { l.account("alice").SAMAccountName = "carol" }, krb.ErrTGTRevoked},
		"made anew":        {func(l *lab) { l.account("alice").SID = domainSID.Account(2000) }, krb.ErrTGTRevoked},
		"password changed": {func(l *lab) { l.account("alice").setPassword("something else") }, 0},
		"krbtgt rolled":    {func(l *lab) { l.account("krbtgt").setPassword("something else") }, 0},
		"krbtgt rolled and the old key forgotten": {func(l *lab) { a := l.account("krbtgt"); a.setPassword("something else"); a.Keys = a.Keys[:3] }, krb.ErrBadKeyVersion},
	} {
		l := newLab(t, nil)
		tgt := l.tgt(t, nil)
		tt.change(l)
		if _, err := l.client().TGS(context.Background(), tgt, krbclient.TGSRequest{Server: ldap}); code(err) != tt.want {
			t.Errorf("%s: got %v, want %d", name, err, tt.want)
		}
	}
}

func TestServiceETypes(t *testing.T) {
	for name, tt := range map[string]struct {
		bits            uint32
		rc4             bool
		ticket, session int32
	}{
		"default":                 {0, false, krb.AES256, krb.AES256},
		"both AES":                {0x18, false, krb.AES256, krb.AES256},
		"AES-128":                 {SupportAES128, false, krb.AES128, krb.AES128},
		"RC4 refused":             {SupportRC4, false, 0, 0},
		"RC4 allowed":             {SupportRC4, true, krb.RC4, krb.RC4},
		"RC4 ticket, AES session": {SupportRC4 | SupportAESSecret, true, krb.RC4, krb.AES256},
		"bits of other things":    {0x3, false, krb.AES256, krb.AES256},
		"everything, RC4 refused": {0x3f, false, krb.AES256, krb.AES256},
		"AES-128 and AES session": {SupportAES128 | SupportAESSecret, false, krb.AES128, krb.AES256},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, func(c *Config) { c.Policy.AllowRC4 = tt.rc4 })
			l.account("DC1$").SupportedETypes = tt.bits
			tgt := l.tgt(t, nil)
			q := newTGSReq(l, tgt)
			q.body.ETypes = []int32{krb.RC4, krb.AES128, krb.AES256}
			rep, err := l.ask(q.encode(t))
			if tt.ticket == 0 {
				if code(err) != krb.ErrETypeNoSupport {
					t.Error(err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			key, _ := l.account("DC1$").key(rep.Ticket.EncPart.EType)
			part, err := rep.Ticket.Open(key.Key)
			if err != nil || rep.Ticket.EncPart.EType != tt.ticket || part.Key.EType != tt.session {
				t.Errorf("ticket %d session %v, %v", rep.Ticket.EncPart.EType, part.Key, err)
			}
		})
	}
}

func TestPACRequest(t *testing.T) {
	l := newLab(t, nil)
	tgt := l.tgt(t, func(a *krbclient.ASRequest) { a.NoPAC = true })
	r, err := l.client().TGS(context.Background(), tgt, krbclient.TGSRequest{Server: ldap})
	if err != nil {
		t.Fatal(err)
	}
	if _, p := l.open(t, "DC1$", r.Reply); p != nil {
		t.Error("a PAC that nobody asked for")
	}
	l.account("DC1$").UserAccountControl |= NoAuthData
	if r, err = l.client().TGS(context.Background(), l.tgt(t, nil), krbclient.TGSRequest{Server: ldap}); err != nil {
		t.Fatal(err)
	}
	if _, p := l.open(t, "DC1$", r.Reply); p != nil {
		t.Error("a PAC for a service that takes none")
	}
}
