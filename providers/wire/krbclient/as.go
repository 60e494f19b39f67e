package krbclient

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"hellolab/providers/wire/krb"
)

// Preauth proves who the client is: Password here, PKINIT elsewhere.
type Preauth interface {
	// Wants lists what to put into the first request, to be told more in the
	// KDC's METHOD-DATA; nil for nothing.
	Wants() []krb.PAData
	// Data makes the pre-authentication data of a request whose body is final.
	Data(ctx context.Context, r Request) ([]krb.PAData, error)
	// ReplyKey finds the key of the reply's encrypted part. It may refuse the
	// reply with an error, as PKINIT does for a KDC that it does not trust.
	ReplyKey(ctx context.Context, r Request, reply *krb.KDCRep) (krb.Key, error)
}

// Request is what a Preauth sees of the exchange.
type Request struct {
	KDCReq  *krb.KDCReq  // RawBody is set for Data; Raw, too, for ReplyKey
	Offered []krb.PAData // the KDC's METHOD-DATA
	Now     time.Time    // the KDC's time, as far as it is known
}

// ASRequest is what to ask the authentication service for.
type ASRequest struct {
	Client    krb.Name
	Server    krb.Name // zero: the ticket-granting service
	Options   krb.Flags
	Till      time.Time // zero: as long as the KDC allows
	RenewTill time.Time
	ETypes    []int32 // nil: 18, 17
	NoPAC     bool
}

// Result is a ticket and the exchange that brought it.
type Result struct {
	Credential krb.Credential
	Reply      *krb.KDCRep
	Part       *krb.EncKDCRepPart
	ReplyKey   krb.Key // opened Part; a PAC_CREDENTIAL_INFO is under it, too
}

// AS obtains a ticket by pre-authentication. It asks first without any, as
// Windows does, and once more with what the KDC asked for; when the KDC says
// that the clocks differ, a third time by the KDC's clock.
func (c *Client) AS(ctx context.Context, ask ASRequest, pre Preauth) (*Result, error) {
	req, err := c.asRequest(ask)
	if err != nil {
		return nil, err
	}
	pac, err := krb.EncodePACRequest(!ask.NoPAC)
	if err != nil {
		return nil, err
	}
	fixed := append([]krb.PAData{{Type: krb.PAPACRequest, Value: pac}, {Type: krb.PAReqEncPARep}}, pre.Wants()...)
	req.PAData = fixed
	r := Request{KDCReq: req, Now: c.Now()}
	reply, err := c.ask(ctx, req)
	refused, skewed := false, false
	for try := 0; err != nil && try < 2; try++ {
		var e *krb.Error
		if !errors.As(err, &e) {
			return nil, err
		}
		switch {
		case e.Code == krb.ErrPreauthRequired && !refused:
			refused = true
			if r.Offered, err = krb.ParseMethodData(e.Data); err != nil {
				return nil, err
			}
		case e.Code == krb.ErrSkew && !skewed:
			skewed = true
			r.Now = e.Time
		default:
			return nil, e
		}
		data, preErr := pre.Data(ctx, r)
		if preErr != nil {
			return nil, preErr
		}
		req.PAData = append(slices.Clone(data), fixed...)
		reply, err = c.ask(ctx, req)
	}
	if err != nil {
		return nil, err
	}
	key, err := pre.ReplyKey(ctx, r, reply)
	if err != nil {
		return nil, err
	}
	part, err := c.open(req, reply, key, krb.UsageASRep)
	if err != nil {
		return nil, err
	}
	return c.asResult(ask, r, reply, part, key)
}

func (c *Client) asRequest(ask ASRequest) (*krb.KDCReq, error) {
	nonce, err := c.number()
	if err != nil {
		return nil, err
	}
	body := krb.KDCReqBody{
		Options: ask.Options, Client: ask.Client, Realm: c.Realm, Server: ask.Server,
		Till: ask.Till, RenewTill: ask.RenewTill, Nonce: nonce, ETypes: ask.ETypes,
	}
	if body.Server.IsZero() {
		body.Server = krb.TGS(c.Realm)
	}
	if body.ETypes == nil {
		body.ETypes = []int32{krb.AES256, krb.AES128}
	}
	req := &krb.KDCReq{MsgType: krb.MsgASReq, Body: body}
	_, err = req.EncodeBody()
	return req, err
}

func (c *Client) ask(ctx context.Context, req *krb.KDCReq) (*krb.KDCRep, error) {
	b, err := req.Encode()
	if err != nil {
		return nil, err
	}
	answer, err := c.exchange(ctx, c.Dial, b)
	if err != nil {
		return nil, err
	}
	return krb.ParseKDCRep(answer)
}

// open decrypts a reply and checks what RFC 4120 3.1.5 and 3.3.4 ask for of any.
func (c *Client) open(req *krb.KDCReq, reply *krb.KDCRep, key krb.Key, usage uint32) (*krb.EncKDCRepPart, error) {
	if reply.MsgType != req.MsgType+1 {
		return nil, wrong(krb.ErrMsgType, "The reply is of type %d.", reply.MsgType)
	}
	plain, err := key.Open(usage, reply.EncPart)
	if err != nil {
		return nil, wrong(krb.ErrBadIntegrity, "The reply does not open with the client's key.")
	}
	part, err := krb.ParseEncKDCRepPart(plain)
	if err != nil {
		return nil, err
	}
	switch {
	case part.Nonce != req.Body.Nonce:
		return nil, wrong(krb.ErrModified, "The reply answers another request.")
	case part.Realm != reply.Ticket.Realm || !part.Server.Equal(reply.Ticket.Server):
		return nil, wrong(krb.ErrModified, "The reply holds a ticket for %s instead of %s.", reply.Ticket.Server, part.Server)
	case !krb.Supported(part.Key.EType) || len(part.Key.Value) != krb.KeySize(part.Key.EType):
		return nil, wrong(krb.ErrETypeNoSupport, "The session key is of encryption type %d.", part.Key.EType)
	case len(req.Body.ETypes) > 0 && !slices.Contains(req.Body.ETypes, part.Key.EType):
		return nil, wrong(krb.ErrETypeNoSupport, "The session key is of encryption type %d, which was not asked for.", part.Key.EType)
	}
	return part, nil
}

func (c *Client) asResult(ask ASRequest, r Request, reply *krb.KDCRep, part *krb.EncKDCRepPart, key krb.Key) (*Result, error) {
	// RFC 6806 11: names may change only when the KDC proves what it was asked.
	proved := false
	if part.Flags.Has(krb.FlagEncPARep) {
		value, ok := krb.FindPA(part.PAData, krb.PAReqEncPARep)
		if !ok {
			return nil, wrong(krb.ErrModified, "The reply does not prove what was asked.")
		}
		if err := krb.VerifyEncPARep(key, r.KDCReq.Raw, value); err != nil {
			return nil, err
		}
		proved = true
	}
	free := proved && (ask.Options.Has(krb.OptCanonicalize) || ask.Client.Type == krb.NTEnterprise)
	server := r.KDCReq.Body.Server
	switch _, tgs := server.IsTGS(); {
	case !reply.Client.Equal(ask.Client) && !free:
		return nil, wrong(krb.ErrModified, "The reply is for %s instead of %s.", reply.Client, ask.Client)
	case reply.CRealm != c.Realm && !free, part.Realm != c.Realm && !free:
		return nil, wrong(krb.ErrWrongRealm, "The reply is of realm %s.", part.Realm)
	case !part.Server.Equal(server) && (!free || !tgs || !part.Server.EqualFold(server)):
		return nil, wrong(krb.ErrModified, "The reply is a ticket for %s instead of %s.", part.Server, server)
	}
	if d := part.AuthTime.Sub(r.Now); d > krb.Skew || -d > krb.Skew {
		return nil, wrong(krb.ErrSkew, "The clock of the domain controller differs by %s.", d.Abs().Round(time.Second))
	}
	cred, err := credential(reply, part)
	return &Result{cred, reply, part, key}, err
}

func credential(reply *krb.KDCRep, part *krb.EncKDCRepPart) (krb.Credential, error) {
	raw, err := reply.Ticket.Encode()
	if err != nil {
		return krb.Credential{}, err
	}
	c := krb.Credential{
		CRealm: reply.CRealm, Client: reply.Client, SRealm: part.Realm, Server: part.Server, Key: part.Key, Flags: part.Flags,
		AuthTime: part.AuthTime, StartTime: part.StartTime, EndTime: part.EndTime, RenewTill: part.RenewTill,
		Addresses: part.Addresses, Ticket: raw,
	}
	if c.StartTime.IsZero() {
		c.StartTime = c.AuthTime
	}
	return c, nil
}

// password is Preauth by PA-ENC-TIMESTAMP.
type password struct {
	secret string
	info   []krb.ETypeInfo2Entry // what the KDC said, in its order

	made krb.Key // with salt; the reply is under the key that the timestamp was under, most often
	salt string
}

// Password is the pre-authentication by password. It serves one AS call.
func Password(secret string) Preauth { return &password{secret: secret} }

func (p *password) Wants() []krb.PAData { return nil }

// Data implements Preauth with the first of the KDC's encryption types that
// the request names.
func (p *password) Data(_ context.Context, r Request) ([]krb.PAData, error) {
	if err := p.learn(r.Offered); err != nil {
		return nil, err
	}
	key, err := p.key(r, 0)
	if err != nil {
		return nil, err
	}
	value, err := krb.EncTimestamp(key, r.Now)
	return []krb.PAData{{Type: krb.PAEncTimestamp, Value: value}}, err
}

// ReplyKey implements Preauth: the key of the reply's type.
func (p *password) ReplyKey(_ context.Context, r Request, reply *krb.KDCRep) (krb.Key, error) {
	if err := p.learn(reply.PAData); err != nil {
		return krb.Key{}, err
	}
	return p.key(r, reply.EncPart.EType)
}

func (p *password) learn(data []krb.PAData) error {
	value, ok := krb.FindPA(data, krb.PAETypeInfo2)
	if !ok {
		return nil
	}
	info, err := krb.ParseETypeInfo2(value)
	if err != nil {
		return fmt.Errorf("the domain controller's offer: %w", err)
	}
	p.info = info
	return nil
}

// key makes the key of an encryption type; of type 0, of the one to begin with.
func (p *password) key(r Request, etype int32) (krb.Key, error) {
	body := &r.KDCReq.Body
	salt := body.Realm
	for _, part := range body.Client.Parts {
		salt += part
	}
	for _, e := range p.info {
		if !slices.Contains(body.ETypes, e.EType) || !krb.Supported(e.EType) || etype != 0 && etype != e.EType {
			continue
		}
		if len(e.Params) > 0 && string(e.Params) != "\x00\x00\x10\x00" {
			return krb.Key{}, wrong(krb.ErrPolicy, "The domain controller asks for an unusual number of rounds.")
		}
		return p.derive(e.EType, e.Salt)
	}
	if etype == 0 && len(p.info) == 0 {
		etype = body.ETypes[0]
	}
	if !slices.Contains(body.ETypes, etype) {
		return krb.Key{}, krb.NewError(krb.ErrETypeNoSupport, "")
	}
	return p.derive(etype, salt)
}

// derive makes a key of the password once: its 4096 rounds (RFC 3962 4) are most
// of what a sign-in costs the client.
func (p *password) derive(etype int32, salt string) (key krb.Key, err error) {
	if !p.made.IsZero() && p.made.EType == etype && p.salt == salt {
		return p.made, nil
	}
	if key, err = krb.StringToKey(etype, p.secret, salt); err == nil {
		p.made, p.salt = key, salt
	}
	return key, err
}
