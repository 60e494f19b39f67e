package krbclient

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"hellolab/providers/wire/krb"
)

const realm = "CORP.EXAMPLE"

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// fake is the least of a KDC: one user, one password, and a hand for every
// kind of lie.
type fake struct {
	t       *testing.T
	clock   time.Time
	key     krb.Key // the client's
	krbtgt  krb.Key
	subkey  krb.Key // of the last TGS-REQ
	offer   []krb.ETypeInfo2Entry
	refuse  krb.Code // to the pre-authenticated request
	proof   bool     // answer PA-REQ-ENC-PA-REP
	lie     func(*krb.KDCRep, *krb.EncKDCRepPart)
	result  []byte                          // of a password change
	lieAP   func(*krb.APRep, *krb.Priv)     // of a password change
	network []string                        // as dialled
	udp     func(request []byte) []byte     // answers datagrams
	garble  func(reply []byte) (out []byte) // the bytes sent
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{t: t, clock: noon, proof: true, offer: []krb.ETypeInfo2Entry{{EType: krb.AES256, Salt: "salted"}}}
	var err error
	if f.key, err = krb.StringToKey(krb.AES256, "secret", "salted"); err != nil {
		t.Fatal(err)
	}
	if f.krbtgt, err = krb.RandomKey(krb.AES256, rand.Reader); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fake) client() *Client {
	dial := func(answer func([]byte) []byte) func(context.Context, string) (net.Conn, error) {
		return func(_ context.Context, network string) (net.Conn, error) {
			f.network = append(f.network, network)
			ours, theirs := net.Pipe()
			go func() {
				defer func() { _ = theirs.Close() }()
				if network == "udp" {
					b := make([]byte, 65536)
					n, _ := theirs.Read(b)
					_, _ = theirs.Write(f.udp(b[:n]))
					return
				}
				b, err := krb.ReadFrame(theirs)
				if err != nil {
					return
				}
				out := answer(b)
				if f.garble != nil {
					out = f.garble(out)
				}
				_ = krb.WriteFrame(theirs, out)
			}()
			return ours, nil
		}
	}
	return &Client{Realm: realm, Dial: dial(f.kdc), DialPassword: dial(f.password), Now: func() time.Time { return noon }, Rand: rand.Reader}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (f *fake) error(code krb.Code, data []byte) []byte {
	return must(krb.NewError(code, "").WithData(data).Encode(realm, krb.TGS(realm), f.clock))
}

func (f *fake) kdc(b []byte) []byte {
	req, err := krb.ParseKDCReq(b)
	if err != nil {
		f.t.Error(err)
		return f.error(krb.ErrGeneric, nil)
	}
	client, replyKey, usage := req.Body.Client, f.key, krb.UsageASRep
	var pa []krb.PAData
	if req.MsgType == krb.MsgASReq {
		value, ok := krb.FindPA(req.PAData, krb.PAEncTimestamp)
		if !ok {
			info := must(krb.EncodeETypeInfo2(f.offer))
			return f.error(krb.ErrPreauthRequired, must(krb.EncodeMethodData([]krb.PAData{{Type: krb.PAETypeInfo2, Value: info}, {Type: krb.PAEncTimestamp}})))
		}
		at, err := krb.OpenEncTimestamp(f.key, must(krb.ParseEncryptedData(value)))
		switch {
		case err != nil:
			return f.error(krb.ErrPreauthFailed, nil)
		case at.Sub(f.clock).Abs() > krb.Skew:
			return f.error(krb.ErrSkew, nil)
		case f.refuse != 0:
			return f.error(f.refuse, nil)
		}
		if f.proof {
			pa = []krb.PAData{must(krb.EncPARep(f.key, b))}
		}
	} else {
		value, _ := krb.FindPA(req.PAData, krb.PATGSReq)
		ap := must(krb.ParseAPReq(value))
		part, auth, err := ap.Accept(krb.Acceptor{Key: func(*krb.Ticket) (krb.Key, error) { return f.krbtgt, nil }, Usage: krb.UsageTGSReqAuth, Now: f.clock, Skew: krb.Skew})
		if err != nil {
			return must(krb.AsError(err).Encode(realm, krb.TGS(realm), f.clock))
		}
		if !part.Key.VerifyChecksum(krb.UsageTGSReqChecksum, req.RawBody, auth.Checksum) {
			return f.error(krb.ErrModified, nil)
		}
		client, replyKey, usage = part.Client, auth.Subkey, krb.UsageTGSRepSubkey
		f.subkey = auth.Subkey
	}
	part := &krb.EncKDCRepPart{
		Key: must(krb.RandomKey(krb.AES256, rand.Reader)), LastReqs: []krb.LastReq{{Time: f.clock}}, Nonce: req.Body.Nonce,
		AuthTime: f.clock, EndTime: f.clock.Add(time.Hour), Realm: realm, Server: req.Body.Server, PAData: pa,
	}
	if f.proof {
		part.Flags = krb.FlagEncPARep
	}
	rep := &krb.KDCRep{MsgType: req.MsgType + 1, CRealm: realm, Client: client}
	rep.Ticket = *must(krb.SealTicket(f.krbtgt, 1, realm, req.Body.Server, &krb.EncTicketPart{Key: part.Key, CRealm: realm, Client: client, AuthTime: f.clock, EndTime: part.EndTime}))
	if f.lie != nil {
		f.lie(rep, part)
	}
	if rep.EncPart.Cipher == nil {
		rep.EncPart = must(replyKey.Seal(usage, 0, must(part.Encode(rep.MsgType))))
	}
	return must(rep.Encode())
}

func (f *fake) password(b []byte) []byte {
	m := must(krb.ParsePasswordMessage(b))
	_, auth, err := must(krb.ParseAPReq(m.AP)).Accept(krb.Acceptor{Key: func(*krb.Ticket) (krb.Key, error) { return f.krbtgt, nil }, Usage: krb.UsageAPReqAuth, Now: f.clock, Skew: krb.Skew})
	if err != nil {
		f.t.Error(err)
	}
	if f.refuse != 0 {
		return must((&krb.PasswordMessage{Version: 1, Priv: f.error(f.refuse, nil)}).Encode())
	}
	if p := must(krb.ParsePriv(m.Priv, auth.Subkey)); string(p.Data) != "n3w" {
		if c, err := krb.ParseChangePasswdData(p.Data); err != nil || string(c.NewPassword) != "n3w" || c.Target.String() != "bob" {
			f.t.Errorf("%q, %v", p.Data, err)
		}
	}
	rep := krb.APRep{Time: auth.Time, SeqNumber: 5}
	priv := krb.Priv{Data: f.result, SeqNumber: 5, Sender: krb.Address(netip.MustParseAddr("127.0.0.1"))}
	if f.lieAP != nil {
		f.lieAP(&rep, &priv)
	}
	part := must((&must(krb.ParseAPReq(m.AP)).Ticket).Open(f.krbtgt))
	return must((&krb.PasswordMessage{Version: 1, AP: must(rep.Encode(part.Key)), Priv: must(priv.Encode(auth.Subkey))}).Encode())
}

func (f *fake) tgt() *krb.Credential {
	f.t.Helper()
	r, err := f.client().AS(context.Background(), ASRequest{Client: krb.Principal("alice")}, Password("secret"))
	if err != nil {
		f.t.Fatal(err)
	}
	return &r.Credential
}

func code(err error) krb.Code {
	if err == nil {
		return 0
	}
	return krb.AsError(err).Code
}

func TestASByPassword(t *testing.T) {
	f := newFake(t)
	r, err := f.client().AS(context.Background(), ASRequest{Client: krb.Principal("alice")}, Password("secret"))
	if err != nil {
		t.Fatal(err)
	}
	if c := r.Credential; !c.Server.Equal(krb.TGS(realm)) || !c.Client.Equal(krb.Principal("alice")) || !c.StartTime.Equal(noon) || !r.ReplyKey.Equal(f.key) {
		t.Errorf("%+v", c)
	}
	if _, err := f.client().AS(context.Background(), ASRequest{Client: krb.Principal("alice")}, Password("wrong")); code(err) != krb.ErrPreauthFailed {
		t.Error(err)
	}
	f.clock = noon.Add(time.Hour) // the KDC's clock is the one that counts
	if _, err := f.client().AS(context.Background(), ASRequest{Client: krb.Principal("alice")}, Password("secret")); err != nil {
		t.Errorf("by the KDC's clock: %v", err)
	}
	f.refuse = krb.ErrClientRevoked
	if _, err := f.client().AS(context.Background(), ASRequest{Client: krb.Principal("alice")}, Password("secret")); code(err) != krb.ErrClientRevoked {
		t.Error(err)
	}
	f.refuse = krb.ErrPreauthRequired // for ever
	if _, err := f.client().AS(context.Background(), ASRequest{Client: krb.Principal("alice")}, Password("secret")); code(err) != krb.ErrPreauthRequired {
		t.Error(err)
	}
}

func TestASRefusesReplies(t *testing.T) {
	other, _ := krb.RandomKey(krb.AES256, rand.Reader)
	canonical := krb.OptCanonicalize
	for name, tt := range map[string]struct {
		lie     func(*krb.KDCRep, *krb.EncKDCRepPart)
		options krb.Flags
		client  krb.Name
		noProof bool
		want    krb.Code
	}{
		"good":                    {},
		"no proof":                {noProof: true},
		"another name":            {lie: func(r *krb.KDCRep, _ *krb.EncKDCRepPart) { r.Client = krb.Principal("bob") }, want: krb.ErrModified},
		"canonical name":          {lie: func(r *krb.KDCRep, _ *krb.EncKDCRepPart) { r.Client = krb.Principal("Alice") }, options: canonical},
		"canonical name unproved": {lie: func(r *krb.KDCRep, _ *krb.EncKDCRepPart) { r.Client = krb.Principal("Alice") }, options: canonical, noProof: true, want: krb.ErrModified},
		"enterprise name":         {lie: func(r *krb.KDCRep, _ *krb.EncKDCRepPart) { r.Client = krb.Principal("alice") }, client: krb.Enterprise("alice@contoso.com")},
		"another realm":           {lie: func(r *krb.KDCRep, _ *krb.EncKDCRepPart) { r.CRealm = "EVIL" }, want: krb.ErrWrongRealm},
		"another nonce":           {lie: func(_ *krb.KDCRep, p *krb.EncKDCRepPart) { p.Nonce++ }, want: krb.ErrModified},
		"another server": {lie: func(r *krb.KDCRep, p *krb.EncKDCRepPart) {
			p.Server, r.Ticket = krb.Principal("x"), krb.Ticket{Realm: realm, Server: krb.Principal("x"), EncPart: r.Ticket.EncPart}
		}, options: canonical, want: krb.ErrModified},
		"ticket for another server": {lie: func(r *krb.KDCRep, _ *krb.EncKDCRepPart) {
			r.Ticket = krb.Ticket{Realm: realm, Server: krb.Principal("x"), EncPart: r.Ticket.EncPart}
		}, want: krb.ErrModified},
		"another key": {lie: func(r *krb.KDCRep, p *krb.EncKDCRepPart) {
			r.EncPart = must(other.Seal(krb.UsageASRep, 0, must(p.Encode(krb.MsgASRep))))
		}, want: krb.ErrBadIntegrity},
		"proof of another request": {lie: func(_ *krb.KDCRep, p *krb.EncKDCRepPart) {
			p.PAData = []krb.PAData{must(krb.EncPARep(other, []byte("x")))}
		}, want: krb.ErrModified},
		"proof cut away":              {lie: func(_ *krb.KDCRep, p *krb.EncKDCRepPart) { p.PAData = nil }, want: krb.ErrModified},
		"session key not asked for":   {lie: func(_ *krb.KDCRep, p *krb.EncKDCRepPart) { p.Key = krb.Key{EType: krb.RC4, Value: make([]byte, 16)} }, want: krb.ErrETypeNoSupport},
		"session key of wrong size":   {lie: func(_ *krb.KDCRep, p *krb.EncKDCRepPart) { p.Key.Value = p.Key.Value[:5] }, want: krb.ErrETypeNoSupport},
		"authentication time of long": {lie: func(_ *krb.KDCRep, p *krb.EncKDCRepPart) { p.AuthTime = noon.Add(-time.Hour) }, want: krb.ErrSkew},
		"a TGS-REP":                   {lie: func(r *krb.KDCRep, _ *krb.EncKDCRepPart) { r.MsgType = krb.MsgTGSRep }, want: krb.ErrMsgType},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.lie, f.proof = tt.lie, !tt.noProof
			if tt.client.IsZero() {
				tt.client = krb.Principal("alice")
			}
			_, err := f.client().AS(context.Background(), ASRequest{Client: tt.client, Options: tt.options}, Password("secret"))
			if code(err) != tt.want {
				t.Errorf("got %v, want %d", err, tt.want)
			}
		})
	}
}

func TestTGS(t *testing.T) {
	service := krb.Service("ldap", "dc.corp.example")
	f := newFake(t)
	tgt := f.tgt()
	r, err := f.client().TGS(context.Background(), tgt, TGSRequest{Server: service})
	if err != nil || !r.Credential.Server.Equal(service) || !r.ReplyKey.Equal(f.subkey) {
		t.Fatalf("%+v, %v", r, err)
	}
	for name, tt := range map[string]struct {
		lie  func(*krb.KDCRep, *krb.EncKDCRepPart)
		want krb.Code
	}{
		"another client": {func(r *krb.KDCRep, _ *krb.EncKDCRepPart) { r.Client = krb.Principal("bob") }, krb.ErrModified},
		"another nonce":  {func(_ *krb.KDCRep, p *krb.EncKDCRepPart) { p.Nonce++ }, krb.ErrModified},
		"another server": {func(_ *krb.KDCRep, p *krb.EncKDCRepPart) { p.Server = krb.Principal("x") }, krb.ErrModified},
		"expired":        {func(_ *krb.KDCRep, p *krb.EncKDCRepPart) { p.EndTime = noon.Add(-time.Hour) }, krb.ErrTicketExpired},
		"under the wrong key": {func(r *krb.KDCRep, p *krb.EncKDCRepPart) {
			r.EncPart = must(tgt.Key.Seal(krb.UsageTGSRepSubkey, 0, must(p.Encode(krb.MsgTGSRep))))
		}, krb.ErrBadIntegrity},
		"under the session key": {func(r *krb.KDCRep, p *krb.EncKDCRepPart) {
			r.EncPart = must(tgt.Key.Seal(krb.UsageTGSRepSessionKey, 0, must(p.Encode(krb.MsgTGSRep))))
		}, krb.ErrBadIntegrity},
	} {
		f.lie = tt.lie
		if _, err := f.client().TGS(context.Background(), tgt, TGSRequest{Server: service}); code(err) != tt.want {
			t.Errorf("%s: got %v, want %d", name, err, tt.want)
		}
	}
}

func TestPassword(t *testing.T) {
	f := newFake(t)
	cred := f.tgt()
	var refused *PasswordRefused
	f.result = krb.PasswordResult(krb.PasswordSuccess, "")
	if err := f.client().ChangePassword(context.Background(), cred, "n3w"); err != nil {
		t.Error(err)
	}
	if err := f.client().SetPassword(context.Background(), cred, krb.Principal("bob"), "n3w"); err != nil {
		t.Error(err)
	}
	f.result = krb.PasswordResult(krb.PasswordSoftError, "Too short.")
	if err := f.client().ChangePassword(context.Background(), cred, "n3w"); !errors.As(err, &refused) || refused.Text != "Too short." {
		t.Error(err)
	}
	f.result = krb.PasswordResult(krb.PasswordSuccess, "")
	f.lieAP = func(_ *krb.APRep, p *krb.Priv) { p.SeqNumber++ }
	if err := f.client().ChangePassword(context.Background(), cred, "n3w"); code(err) != krb.ErrBadSequence {
		t.Error(err)
	}
	f.lieAP = func(r *krb.APRep, _ *krb.Priv) { r.Time = r.Time.Add(time.Second) }
	if err := f.client().ChangePassword(context.Background(), cred, "n3w"); code(err) != krb.ErrMutualFailed {
		t.Error(err)
	}
	f.refuse = krb.ErrRepeat
	if err := f.client().ChangePassword(context.Background(), cred, "n3w"); code(err) != krb.ErrRepeat {
		t.Error(err)
	}
}

// A datagram that is answered with "too big", or not at all, is followed by TCP.
func TestUDPThenTCP(t *testing.T) {
	f := newFake(t)
	f.udp = func([]byte) []byte { return f.error(krb.ErrResponseTooBig, nil) }
	c := f.client()
	c.UDP = true
	if _, err := c.AS(context.Background(), ASRequest{Client: krb.Principal("alice")}, Password("secret")); err != nil {
		t.Error(err)
	}
	if len(f.network) != 4 || f.network[0] != "udp" || f.network[1] != "tcp" {
		t.Errorf("dialled %v", f.network)
	}
}

func TestGarbage(t *testing.T) {
	f := newFake(t)
	f.garble = func(b []byte) []byte { return b[:len(b)-1] }
	if _, err := f.client().AS(context.Background(), ASRequest{Client: krb.Principal("alice")}, Password("secret")); code(err) != krb.ErrGeneric {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := f.client()
	c.Dial = func(context.Context, string) (net.Conn, error) { // takes everything and says nothing
		ours, theirs := net.Pipe()
		go func() { _, _ = krb.ReadFrame(theirs); cancel() }()
		return ours, nil
	}
	if _, err := c.AS(ctx, ASRequest{Client: krb.Principal("alice")}, Password("secret")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
