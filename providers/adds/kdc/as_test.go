package kdc

import (
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

func TestASByPassword(t *testing.T) {
	l := newLab(t, nil)
	r, err := l.as(krb.Principal("alice"), func(a *krbclient.ASRequest) { a.Options = krb.FlagForwardable | krb.FlagProxiable | krb.FlagRenewable })
	if err != nil {
		t.Fatal(err)
	}
	c := r.Credential
	want := krb.FlagForwardable | krb.FlagProxiable | krb.FlagRenewable | krb.FlagInitial | krb.FlagPreAuthent | krb.FlagEncPARep
	now := l.clock().Truncate(time.Second)
	if c.Flags != want || !c.AuthTime.Equal(now) || !c.EndTime.Equal(now.Add(10*time.Hour)) || !c.RenewTill.Equal(now.Add(7*24*time.Hour)) || c.Key.EType != krb.AES256 {
		t.Errorf("%+v, flags %x want %x", c, c.Flags, want)
	}
	if r.Reply.EncPart.KeyVersion() != 1 || r.Reply.Ticket.EncPart.KeyVersion() != 1 {
		t.Errorf("versions %d and %d", r.Reply.EncPart.KeyVersion(), r.Reply.Ticket.EncPart.KeyVersion())
	}
	if v, ok := krb.FindPA(r.Part.PAData, krb.PASupportedEncTypes); !ok || len(v) != 4 || v[0] != 0x18 {
		t.Errorf("supported encryption types %x", v)
	}

	krbtgt := l.account("krbtgt").Keys[0].Key
	part, err := r.Reply.Ticket.Open(krbtgt)
	if err != nil || !part.Key.Equal(c.Key) {
		t.Fatal(err)
	}
	raw, ok := part.PAC()
	if !ok {
		t.Fatal("no PAC")
	}
	p, err := pac.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Verify(pac.Ticket{Client: "alice", AuthTime: part.AuthTime, Server: krbtgt, KDC: krbtgt, TGT: true}); err != nil {
		t.Error(err)
	}
	alice := domainSID.Account(1104)
	for _, want := range []sid.SID{alice, domainSID.Account(513), domainSID.Account(1200), sid.AuthorityAsserted} {
		if !slices.Contains(p.LogonInfo.SIDs(), want) {
			t.Errorf("%s is missing in %v", want, p.LogonInfo.SIDs())
		}
	}
	if p.Requestor != alice || p.Attributes.Flags != pac.PACRequested || p.UPNDNSInfo.UPN != "alice@contoso.com" || p.UPNDNSInfo.Flags&pac.UPNConstructed != 0 || p.Has(pac.TypeTicketSignature) || p.Has(pac.TypeFullSignature) {
		t.Errorf("%+v %+v", p, p.UPNDNSInfo)
	}
	e := l.last()
	if e.Actor != Actor || e.Step != "as_req" || e.Outcome != event.Done || e.Message["account"] != "alice" || e.Message["method"] != "encrypted timestamp" {
		t.Errorf("%+v", e)
	}
}

func TestASRefusals(t *testing.T) {
	for name, tt := range map[string]struct {
		account func(*Account)
		policy  func(*Config)
		ask     func(*krbclient.ASRequest)
		client  krb.Name
		want    krb.Code
	}{
		"good":                       {},
		"unknown client":             {client: krb.Principal("nobody"), want: krb.ErrClientUnknown},
		"unknown enterprise name":    {client: krb.Enterprise("alice@elsewhere.com"), want: krb.ErrClientUnknown},
		"unknown server":             {ask: func(a *krbclient.ASRequest) { a.Server = krb.Service("http", "x") }, want: krb.ErrServerUnknown},
		"disabled":                   {account: func(a *Account) { a.UserAccountControl |= Disabled }, want: krb.ErrClientRevoked},
		"locked":                     {account: func(a *Account) { a.UserAccountControl |= LockedOut }, want: krb.ErrClientRevoked},
		"account expired":            {account: func(a *Account) { a.AccountExpires = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }, want: krb.ErrClientRevoked},
		"account expires later":      {account: func(a *Account) { a.AccountExpires = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC) }},
		"password expired":           {account: func(a *Account) { a.PasswordMustChange = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }, want: krb.ErrKeyExpired},
		"password marked expired":    {account: func(a *Account) { a.UserAccountControl |= PasswordExpired }, want: krb.ErrKeyExpired},
		"password never expires":     {account: func(a *Account) { a.PasswordMustChange = time.Unix(0, 0); a.UserAccountControl |= PasswordNeverExpires }},
		"expired, to change it":      {account: func(a *Account) { a.UserAccountControl |= PasswordExpired }, ask: func(a *krbclient.ASRequest) { a.Server = krb.ChangePassword() }},
		"smart card required":        {account: func(a *Account) { a.UserAccountControl |= SmartCardRequired }, want: krb.ErrPolicy},
		"wrong password":             {account: func(a *Account) { a.setPassword("another one") }, want: krb.ErrPreauthFailed},
		"no key":                     {account: func(a *Account) { a.Keys = nil }, want: krb.ErrETypeNoSupport},
		"pre-authentication not due": {account: func(a *Account) { a.UserAccountControl |= PreauthNotRequired }},
		// Fault 71.
		"RC4 asked":                {ask: func(a *krbclient.ASRequest) { a.ETypes = []int32{krb.RC4} }, want: krb.ErrETypeNoSupport},
		"DES asked":                {ask: func(a *krbclient.ASRequest) { a.ETypes = []int32{1, 3, krb.DES3} }, want: krb.ErrETypeNoSupport},
		"RC4 where it is allowed":  {ask: func(a *krbclient.ASRequest) { a.ETypes = []int32{krb.RC4} }, policy: func(c *Config) { c.Policy.AllowRC4 = true }},
		"AES-128 only":             {ask: func(a *krbclient.ASRequest) { a.ETypes = []int32{krb.AES128} }},
		"forwarded":                {ask: func(a *krbclient.ASRequest) { a.Options = krb.FlagForwarded }, want: krb.ErrBadOption},
		"renewed":                  {ask: func(a *krbclient.ASRequest) { a.Options = krb.OptRenew }, want: krb.ErrBadOption},
		"postdated":                {ask: func(a *krbclient.ASRequest) { a.Options = krb.FlagPostdated }, want: krb.ErrCannotPostdate},
		"over before it begins":    {ask: func(a *krbclient.ASRequest) { a.Till = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC) }, want: krb.ErrNeverValid},
		"canonical name":           {client: krb.Principal("ALICE"), ask: func(a *krbclient.ASRequest) { a.Options = krb.OptCanonicalize }},
		"enterprise name":          {client: krb.Enterprise("Alice@Contoso.com"), ask: func(a *krbclient.ASRequest) { a.Options = krb.OptCanonicalize }},
		"enterprise name as it is": {client: krb.Enterprise("alice@contoso.com")},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, tt.policy)
			if tt.account != nil {
				tt.account(l.account("alice"))
			}
			if tt.client.IsZero() {
				tt.client = krb.Principal("alice")
			}
			r, err := l.as(tt.client, tt.ask)
			if code(err) != tt.want {
				t.Fatalf("got %v, want %d", err, tt.want)
			}
			if e := l.last(); tt.want != 0 && (e.Outcome != event.Refused || e.Reason.Name != tt.want.Name() || !strings.HasSuffix(e.Text, ".")) {
				t.Errorf("event %+v %+v", e, e.Reason)
			}
			if tt.want == 0 && strings.HasPrefix(name, "canonical") && !r.Credential.Client.Equal(krb.Principal("alice")) {
				t.Errorf("name %v", r.Credential.Client)
			}
			if tt.want == 0 && !tt.client.Equal(krb.Principal("alice")) { // such tickets are good for more
				if _, err := l.client().TGS(context.Background(), &r.Credential, krbclient.TGSRequest{Server: krb.Service("host", "pc1")}); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// Fault 60: what was answered once is not answered again.
func TestASReplay(t *testing.T) {
	l := newLab(t, nil)
	req := asReq(t, l, nil)
	if r, err := krb.ParseKDCRep(l.Handle(context.Background(), req)); err != nil {
		t.Fatal(r, err)
	}
	if _, err := krb.ParseKDCRep(l.Handle(context.Background(), req)); code(err) != krb.ErrRepeat {
		t.Error(err)
	}
	l.advance(4 * time.Minute)
	if _, err := krb.ParseKDCRep(l.Handle(context.Background(), req)); code(err) != krb.ErrRepeat {
		t.Error(err)
	}
	l.advance(2 * time.Minute)
	if _, err := krb.ParseKDCRep(l.Handle(context.Background(), req)); code(err) != krb.ErrSkew {
		t.Error(err)
	}
}

// Fault 61: a clock that is off by more than five minutes either way.
func TestASSkew(t *testing.T) {
	for offset, want := range map[time.Duration]krb.Code{
		-301 * time.Second: krb.ErrSkew, -299 * time.Second: 0, 0: 0, 299 * time.Second: 0, 301 * time.Second: krb.ErrSkew,
	} {
		l := newLab(t, nil)
		req := asReq(t, l, func(r *krb.KDCReq, key krb.Key) {
			value, err := krb.EncTimestamp(key, l.clock().Add(offset))
			if err != nil {
				t.Fatal(err)
			}
			r.PAData = []krb.PAData{{Type: krb.PAEncTimestamp, Value: value}}
		})
		if _, err := krb.ParseKDCRep(l.Handle(context.Background(), req)); code(err) != want {
			t.Errorf("%s: %v", offset, err)
		}
	}
}

// asReq is alice's AS-REQ by encrypted timestamp.
func asReq(t testing.TB, l *lab, change func(*krb.KDCReq, krb.Key)) []byte {
	t.Helper()
	key, _ := l.account("alice").key(krb.AES256)
	value, err := krb.EncTimestamp(key.Key, l.clock())
	if err != nil {
		t.Fatal(err)
	}
	r := &krb.KDCReq{MsgType: krb.MsgASReq, PAData: []krb.PAData{{Type: krb.PAEncTimestamp, Value: value}}, Body: krb.KDCReqBody{
		Client: krb.Principal("alice"), Realm: realm, Server: krb.TGS(realm), Nonce: 5, ETypes: []int32{krb.AES256, krb.AES128},
	}}
	if change != nil {
		change(r, key.Key)
	}
	b, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestASDetails(t *testing.T) {
	l := newLab(t, nil)
	ask := func(change func(*krb.KDCReq, krb.Key)) error {
		_, err := krb.ParseKDCRep(l.Handle(context.Background(), asReq(t, l, change)))
		return err
	}
	for name, tt := range map[string]struct {
		change func(*krb.KDCReq, krb.Key)
		want   krb.Code
	}{
		"another realm":                {func(r *krb.KDCReq, _ krb.Key) { r.Body.Realm = "ELSEWHERE" }, krb.ErrWrongRealm},
		"realm in lower case":          {func(r *krb.KDCReq, _ krb.Key) { r.Body.Realm = "corp.example" }, 0},
		"realm by its old name":        {func(r *krb.KDCReq, _ krb.Key) { r.Body.Realm, r.Body.Server = "CORP", krb.TGS("CORP") }, 0},
		"another's krbtgt":             {func(r *krb.KDCReq, _ krb.Key) { r.Body.Server = krb.TGS("ELSEWHERE") }, krb.ErrServerUnknown},
		"no client":                    {func(r *krb.KDCReq, _ krb.Key) { r.Body.Client = krb.Name{} }, krb.ErrClientUnknown}, // fault 73
		"no server":                    {func(r *krb.KDCReq, _ krb.Key) { r.Body.Server = krb.Name{} }, krb.ErrServerUnknown},
		"PKINIT without a certificate": {func(r *krb.KDCReq, _ krb.Key) { r.PAData = []krb.PAData{{Type: krb.PAPKASReq, Value: []byte{0x30, 0}}} }, krb.ErrPADataTypeNoSupport}, // fault 67
		"timestamp cut short":          {func(r *krb.KDCReq, _ krb.Key) { r.PAData[0].Value = r.PAData[0].Value[:20] }, krb.ErrPreauthFailed},
		"timestamp of garbage":         {func(r *krb.KDCReq, k krb.Key) { r.PAData[0].Value = sealed(t, k, []byte("garbage")) }, krb.ErrPreauthFailed},
		"timestamp under RC4": {func(r *krb.KDCReq, _ krb.Key) {
			r.PAData[0].Value = sealed(t, l.account("alice").Keys[2].Key, []byte("x"))
		}, krb.ErrETypeNoSupport},
		"PAC request of garbage": {func(r *krb.KDCReq, _ krb.Key) {
			r.PAData = append(r.PAData, krb.PAData{Type: krb.PAPACRequest, Value: []byte("x")})
		}, krb.ErrGeneric},
		"no encryption types": {func(r *krb.KDCReq, _ krb.Key) { r.Body.ETypes = nil }, krb.ErrETypeNoSupport},
		"starts tomorrow":     {func(r *krb.KDCReq, _ krb.Key) { r.Body.From = l.clock().Add(24 * time.Hour) }, krb.ErrCannotPostdate},
	} {
		if err := ask(tt.change); code(err) != tt.want {
			t.Errorf("%s: got %v, want %d", name, err, tt.want)
		}
	}
	var e *krb.Error
	err := ask(func(r *krb.KDCReq, _ krb.Key) { r.PAData = nil })
	if !errors.As(err, &e) || e.Code != krb.ErrPreauthRequired || !e.Server.Equal(krb.TGS(realm)) || e.Realm != realm || !e.Time.Equal(l.clock().Truncate(time.Microsecond)) {
		t.Fatalf("%+v", e)
	}
	list, err := krb.ParseMethodData(e.Data)
	if err != nil || len(list) != 2 || list[0].Type != krb.PAETypeInfo2 || list[1].Type != krb.PAEncTimestamp {
		t.Fatalf("%+v, %v", list, err)
	}
	info, err := krb.ParseETypeInfo2(list[0].Value)
	if err != nil || len(info) != 2 || info[0].EType != krb.AES256 || info[0].Salt != "CORP.EXAMPLEalice" {
		t.Errorf("%+v, %v", info, err)
	}
	l.dir.broken = errors.New("disk on fire")
	if err := ask(nil); code(err) != krb.ErrGeneric || strings.Contains(err.Error(), "fire") {
		t.Errorf("%v", err)
	}
	if e := l.last(); e.Outcome != event.Failed || !strings.Contains(e.Message["cause"].(string), "fire") {
		t.Errorf("%+v", e)
	}
}

func sealed(t testing.TB, key krb.Key, plain []byte) []byte {
	t.Helper()
	cipher, err := key.Encrypt(krb.UsageEncTimestamp, plain)
	if err != nil {
		t.Fatal(err)
	}
	b, err := encode(krb.EncryptedData{EType: key.EType, Cipher: cipher})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// proofs is a Preauth of the test's own.
type proofs struct {
	offer []krb.PAData
	proof func(x *ASExchange) (*Proof, error)
}

func (p *proofs) Type() int32 { return krb.PAPKASReq }
func (p *proofs) Offer(context.Context, *ASExchange) ([]krb.PAData, error) {
	return p.offer, nil
}
func (p *proofs) Verify(_ context.Context, x *ASExchange, _ []byte) (*Proof, error) {
	return p.proof(x)
}

func TestASByAnotherProof(t *testing.T) {
	key, err := krb.RandomKey(krb.AES256, newRand())
	if err != nil {
		t.Fatal(err)
	}
	own := &proofs{offer: []krb.PAData{{Type: krb.PAPKASReq, Value: []byte{}}, {Type: krb.PAASFreshness, Value: []byte("token")}}}
	l := newLab(t, func(c *Config) { c.Preauth = []Preauth{own} })
	l.account("alice").UserAccountControl |= SmartCardRequired | PasswordExpired // neither counts
	own.proof = func(x *ASExchange) (*Proof, error) {
		if len(x.Request.RawBody) == 0 || x.Account.SAMAccountName != "alice" || x.ETypes[0] != krb.AES256 {
			t.Errorf("%+v", x)
		}
		return &Proof{
			Method: "key trust", ReplyKey: key, PAData: []krb.PAData{{Type: krb.PAPKASRep, Value: []byte("rep")}}, Hardware: true,
			ReplayID: []byte("once"), ReplayUntil: x.Now.Add(krb.Skew), Note: map[string]any{"trust": "key"},
			PAC: func(p *pac.PAC) error {
				p.LogonInfo.ExtraSIDs = append(p.LogonInfo.ExtraSIDs, pac.SIDAndAttributes{SID: sid.KeyTrust, Attributes: 7})
				return nil
			},
		}, nil
	}
	var e *krb.Error
	_, err = krb.ParseKDCRep(l.Handle(context.Background(), asReq(t, l, func(r *krb.KDCReq, _ krb.Key) { r.PAData = nil })))
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	if list, err := krb.ParseMethodData(e.Data); err != nil || len(list) != 4 || list[2].Type != krb.PAPKASReq || string(list[3].Value) != "token" {
		t.Errorf("%+v, %v", list, err)
	}
	pk := func(r *krb.KDCReq, _ krb.Key) { r.PAData = []krb.PAData{{Type: krb.PAPKASReq}} }
	rep, err := krb.ParseKDCRep(l.Handle(context.Background(), asReq(t, l, pk)))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := key.Open(krb.UsageASRep, rep.EncPart)
	if err != nil || rep.EncPart.KVNO != 0 || string(rep.PAData[0].Value) != "rep" {
		t.Fatalf("%+v, %v", rep, err)
	}
	if part, err := krb.ParseEncKDCRepPart(plain); err != nil || !part.Flags.Has(krb.FlagHWAuthent|krb.FlagPreAuthent) {
		t.Errorf("%+v, %v", part, err)
	}
	ticket, err := rep.Ticket.Open(l.account("krbtgt").Keys[0].Key)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := ticket.PAC()
	if p, err := pac.Parse(raw); err != nil || !slices.Contains(p.LogonInfo.SIDs(), sid.KeyTrust) {
		t.Errorf("%v", err)
	}
	if e := l.last(); e.Message["trust"] != "key" || e.Message["method"] != "key trust" {
		t.Errorf("%+v", e)
	}
	if _, err := krb.ParseKDCRep(l.Handle(context.Background(), asReq(t, l, pk))); code(err) != krb.ErrRepeat {
		t.Error(err)
	}
}
