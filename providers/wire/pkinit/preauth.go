package pkinit

import (
	"context"
	"errors"
	"io"

	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/krbclient"
)

// Preauth is the pre-authentication of package krbclient by PKINIT. It serves
// one AS call at a time. It asks for a freshness token, as Windows does.
type Preauth struct {
	Initiator
	Trust Trust // whether it is the KDC that answers
	Rand  io.Reader

	attempt *Attempt
}

// Wants implements krbclient.Preauth.
func (p *Preauth) Wants() []krb.PAData { return []krb.PAData{{Type: krb.PAASFreshness}} }

// Data implements krbclient.Preauth.
func (p *Preauth) Data(_ context.Context, r krbclient.Request) ([]krb.PAData, error) {
	token, _ := krb.FindPA(r.Offered, krb.PAASFreshness)
	var err error
	p.attempt, err = p.Start(p.Rand, r.Now, r.KDCReq.Body.Nonce, r.KDCReq.RawBody, token)
	if err != nil {
		return nil, err
	}
	return []krb.PAData{{Type: krb.PAPKASReq, Value: p.attempt.Value}}, nil
}

// ReplyKey implements krbclient.Preauth.
func (p *Preauth) ReplyKey(_ context.Context, r krbclient.Request, reply *krb.KDCRep) (krb.Key, error) {
	value, ok := krb.FindPA(reply.PAData, krb.PAPKASRep)
	if !ok || p.attempt == nil {
		return krb.Key{}, ErrWeakened
	}
	return p.attempt.Finish(p.Rand, value, ExchangeOf(r.KDCReq, reply.EncPart.EType), p.Trust)
}

// Renegotiated says whether err is error 65 with a group that the client also
// speaks. The next call uses that group.
func (p *Preauth) Renegotiated(err error, speaks []*Group) bool {
	var e *krb.Error
	if !errors.As(err, &e) || e.Code != krb.ErrDHParametersNotAccepted {
		return false
	}
	next, err := p.Renegotiate(e.Data, speaks)
	p.Initiator = next
	return err == nil
}

// ExchangeOf is what a request and the encryption type of its reply key make of
// an Exchange. The request holds Raw.
func ExchangeOf(req *krb.KDCReq, etype int32) Exchange {
	name := func(n krb.Name) adcert.PrincipalName {
		return adcert.PrincipalName{Realm: req.Body.Realm, Type: n.Type, Parts: n.Parts}
	}
	return Exchange{Client: name(req.Body.Client), Server: name(req.Body.Server), ASReq: req.Raw, EType: etype}
}
