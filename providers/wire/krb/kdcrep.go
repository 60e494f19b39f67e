package krb

import (
	"errors"
	"fmt"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
)

// KDCRep is an AS-REP or a TGS-REP (RFC 4120 5.4.2).
type KDCRep struct {
	MsgType int // MsgASRep or MsgTGSRep
	PAData  []PAData
	CRealm  string
	Client  Name
	Ticket  Ticket
	EncPart EncryptedData
}

type kdcRep struct {
	Version int           `asn1:"explicit,tag:0"`
	MsgType int           `asn1:"explicit,tag:1"`
	PAData  []PAData      `asn1:"explicit,optional,tag:2"`
	CRealm  string        `asn1:"generalstring,explicit,tag:3"`
	Client  Name          `asn1:"explicit,tag:4"`
	Ticket  asn1.RawValue `asn1:"explicit,tag:5"`
	EncPart EncryptedData `asn1:"explicit,tag:6"`
}

// Encode writes the message.
func (r *KDCRep) Encode() ([]byte, error) {
	t, err := r.Ticket.Encode()
	if err != nil {
		return nil, err
	}
	if err := r.Client.check("client name"); err != nil {
		return nil, err
	}
	return app(r.MsgType,
		ctx(0, integer(version)), ctx(1, integer(int64(r.MsgType))), ctx(2, list(r.PAData, PAData.der)),
		ctx(3, text(r.CRealm)), ctx(4, r.Client.der()), ctx(5, encoded(t)), ctx(6, r.EncPart.der()),
	), nil
}

// ParseKDCRep reads an AS-REP or a TGS-REP. When the KDC answered with a
// KRB-ERROR, that *Error is the error.
func ParseKDCRep(b []byte) (*KDCRep, error) {
	if IsError(b) {
		e, err := ParseError(b)
		if err != nil {
			return nil, err
		}
		return nil, e
	}
	msg := MsgASRep
	if len(b) > 0 && b[0] == 0x60|MsgTGSRep {
		msg = MsgTGSRep
	}
	var w kdcRep
	if err := unmarshal(b, &w, msg); err != nil {
		return nil, malformed("reply", err)
	}
	if w.Version != version || w.MsgType != msg {
		return nil, NewError(ErrMsgType, "The reply is of another version or type.")
	}
	t, err := ParseTicket(w.Ticket.Bytes)
	if err == nil {
		err = errors.Join(w.EncPart.check(), w.Client.check("client name"), checkText("realm", w.CRealm))
	}
	if err == nil && len(w.PAData) > maxPAData {
		err = errors.New("too many pieces of pre-authentication data")
	}
	if err != nil {
		return nil, malformed("reply", err)
	}
	return &KDCRep{msg, w.PAData, w.CRealm, w.Client, *t, w.EncPart}, nil
}

// EncKDCRepPart is the encrypted part of a reply: what the client learns of
// its ticket. Zero times are absent.
type EncKDCRepPart struct {
	Key           Key
	LastReqs      []LastReq
	Nonce         uint32
	KeyExpiration time.Time
	Flags         Flags
	AuthTime      time.Time
	StartTime     time.Time
	EndTime       time.Time
	RenewTill     time.Time
	Realm         string // of the server
	Server        Name
	Addresses     []HostAddress
	PAData        []PAData // encrypted-pa-data (RFC 6806 11)
}

// LastReq is one entry of last-req; type 0 says nothing.
type LastReq struct {
	Type int32     `asn1:"explicit,tag:0"`
	Time time.Time `asn1:"generalized,explicit,tag:1"`
}

type encKDCRepPart struct {
	Key           Key            `asn1:"explicit,tag:0"`
	LastReqs      []LastReq      `asn1:"explicit,tag:1"`
	Nonce         int64          `asn1:"explicit,tag:2"`
	KeyExpiration time.Time      `asn1:"generalized,explicit,optional,tag:3"`
	Flags         asn1.BitString `asn1:"explicit,tag:4"`
	AuthTime      time.Time      `asn1:"generalized,explicit,tag:5"`
	StartTime     time.Time      `asn1:"generalized,explicit,optional,tag:6"`
	EndTime       time.Time      `asn1:"generalized,explicit,tag:7"`
	RenewTill     time.Time      `asn1:"generalized,explicit,optional,tag:8"`
	Realm         string         `asn1:"generalstring,explicit,tag:9"`
	Server        Name           `asn1:"explicit,tag:10"`
	Addresses     []HostAddress  `asn1:"explicit,optional,tag:11"`
	PAData        []PAData       `asn1:"explicit,optional,tag:12"`
}

// Encode writes the part for a reply of type msgType: tag 25 in an AS-REP, 26
// in a TGS-REP.
func (p *EncKDCRepPart) Encode(msgType int) ([]byte, error) {
	if err := p.Server.check("server name"); err != nil {
		return nil, err
	}
	tag := tagEncASRepPart
	if msgType == MsgTGSRep {
		tag = tagEncTGSRepPart
	}
	return app(tag,
		ctx(0, p.Key.der()), ctx(1, orEmpty(list(p.LastReqs, LastReq.der))), ctx(2, integer(int64(p.Nonce))), ctx(3, timestamp(p.KeyExpiration)),
		ctx(4, p.Flags.der()), ctx(5, timestamp(p.AuthTime)), ctx(6, timestamp(p.StartTime)), ctx(7, timestamp(p.EndTime)), ctx(8, timestamp(p.RenewTill)),
		ctx(9, text(p.Realm)), ctx(10, p.Server.der()), ctx(11, list(p.Addresses, HostAddress.der)), ctx(12, list(p.PAData, PAData.der)),
	), nil
}

// ParseEncKDCRepPart reads the part. As RFC 4120 5.4.2 advises, either tag is
// taken for either reply.
func ParseEncKDCRepPart(b []byte) (*EncKDCRepPart, error) {
	tag := tagEncASRepPart
	if len(b) > 0 && b[0] == 0x60|tagEncTGSRepPart {
		tag = tagEncTGSRepPart
	}
	var w encKDCRepPart
	if err := unmarshal(b, &w, tag); err != nil {
		return nil, fmt.Errorf("encrypted part of the reply: %w", err)
	}
	if w.Nonce < -1<<31 || w.Nonce >= 1<<32 {
		return nil, errors.New("encrypted part of the reply: nonce beyond 32 bits")
	}
	return &EncKDCRepPart{
		Key: w.Key, LastReqs: w.LastReqs, Nonce: uint32(w.Nonce), KeyExpiration: w.KeyExpiration.UTC(),
		Flags: readFlags(w.Flags), AuthTime: w.AuthTime.UTC(), StartTime: w.StartTime.UTC(), EndTime: w.EndTime.UTC(),
		RenewTill: w.RenewTill.UTC(), Realm: w.Realm, Server: w.Server, Addresses: w.Addresses, PAData: w.PAData,
	}, nil
}
