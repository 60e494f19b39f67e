package krb

import (
	"errors"
	"fmt"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
)

// KDCReq is an AS-REQ or a TGS-REQ (RFC 4120 5.4.1).
type KDCReq struct {
	MsgType int // MsgASReq or MsgTGSReq
	PAData  []PAData
	Body    KDCReqBody

	// What was sent, for checksums; filled by ParseKDCReq and Encode.
	Raw     []byte // the whole message
	RawBody []byte // the KDC-REQ-BODY in it
}

// KDCReqBody is what the client asks for. A zero Client, Server or time is one
// that was not sent.
type KDCReqBody struct {
	Options     Flags
	Client      Name // AS-REQ only
	Realm       string
	Server      Name
	From        time.Time
	Till        time.Time // zero after parsing: "19700101000000Z", as long as possible
	RenewTill   time.Time
	Nonce       uint32
	ETypes      []int32 // in order of preference
	Addresses   []HostAddress
	EncAuthData EncryptedData // enc-authorization-data
	Tickets     []Ticket      // additional-tickets
}

// HostAddress is an address as a ticket may be bound to (RFC 4120 5.2.5).
type HostAddress struct {
	Type    int32  `asn1:"explicit,tag:0"`
	Address []byte `asn1:"explicit,tag:1"`
}

type kdcReq struct {
	Version int           `asn1:"explicit,tag:1"`
	MsgType int           `asn1:"explicit,tag:2"`
	PAData  []PAData      `asn1:"explicit,optional,tag:3"`
	Body    asn1.RawValue `asn1:"explicit,tag:4"`
}

type kdcReqBody struct {
	Options     asn1.BitString `asn1:"explicit,tag:0"`
	Client      Name           `asn1:"explicit,optional,tag:1"`
	Realm       string         `asn1:"generalstring,explicit,tag:2"`
	Server      Name           `asn1:"explicit,optional,tag:3"`
	From        time.Time      `asn1:"generalized,explicit,optional,tag:4"`
	Till        time.Time      `asn1:"generalized,explicit,tag:5"`
	RenewTill   time.Time      `asn1:"generalized,explicit,optional,tag:6"`
	Nonce       int64          `asn1:"explicit,tag:7"`
	ETypes      []int32        `asn1:"explicit,tag:8"`
	Addresses   []HostAddress  `asn1:"explicit,optional,tag:9"`
	EncAuthData EncryptedData  `asn1:"explicit,optional,tag:10"`
	Tickets     asn1.RawValue  `asn1:"explicit,optional,tag:11"`
}

// ParseKDCReq reads an AS-REQ or a TGS-REQ. Raw and RawBody are slices of b,
// which must not change afterwards. A request without a server's name or, in
// an AS-REQ, without a client's name is refused here.
func ParseKDCReq(b []byte) (*KDCReq, error) {
	r := &KDCReq{MsgType: MsgASReq, Raw: b}
	if len(b) > 0 && b[0] == 0x60|MsgTGSReq {
		r.MsgType = MsgTGSReq
	}
	var w kdcReq
	if err := unmarshal(b, &w, r.MsgType); err != nil {
		return nil, malformed("request", err)
	}
	if w.Version != version {
		return nil, NewError(ErrBadVersion, "")
	}
	if w.MsgType != r.MsgType {
		return nil, NewError(ErrMsgType, "The request says it is of type %d and is of type %d.", w.MsgType, r.MsgType)
	}
	if len(w.PAData) > maxPAData {
		return nil, NewError(ErrFieldTooLong, "The request holds more than %d pieces of pre-authentication data.", maxPAData)
	}
	r.PAData, r.RawBody = w.PAData, w.Body.Bytes
	if err := r.Body.parse(r.RawBody); err != nil {
		return nil, malformed("request", err)
	}
	switch {
	case r.MsgType == MsgASReq && r.Body.Client.IsZero():
		return nil, NewError(ErrClientUnknown, "The request names no client.")
	case r.Body.Server.IsZero():
		return nil, NewError(ErrServerUnknown, "The request names no service.")
	}
	return r, nil
}

func (k *KDCReqBody) parse(b []byte) error {
	var w kdcReqBody
	if err := decode(b, &w, 0); err != nil {
		return err
	}
	if w.Nonce < -1<<31 || w.Nonce >= 1<<32 {
		return errors.New("nonce beyond 32 bits")
	}
	*k = KDCReqBody{
		Options: readFlags(w.Options), Client: w.Client, Realm: w.Realm, Server: w.Server,
		From: w.From.UTC(), Till: w.Till.UTC(), RenewTill: w.RenewTill.UTC(),
		Nonce: uint32(w.Nonce), ETypes: w.ETypes, Addresses: w.Addresses, EncAuthData: w.EncAuthData,
	}
	if k.Till.Equal(time.Unix(0, 0)) {
		k.Till = time.Time{}
	}
	if len(k.ETypes) > maxETypes || len(k.Addresses) > maxETypes {
		return errors.New("too many encryption types or addresses")
	}
	err := checkText("realm", k.Realm)
	if !k.Client.IsZero() {
		err = errors.Join(err, k.Client.check("client name"))
	}
	if !k.Server.IsZero() {
		err = errors.Join(err, k.Server.check("server name"))
	}
	if err = errors.Join(err, k.EncAuthData.check()); err != nil || len(w.Tickets.FullBytes) == 0 {
		return err
	}
	k.Tickets, err = parseTickets(w.Tickets.Bytes)
	return err
}

// parseTickets reads SEQUENCE OF Ticket.
func parseTickets(b []byte) ([]Ticket, error) {
	tag, body, rest, err := element(b)
	if err != nil || tag != 0x30 || len(rest) > 0 {
		return nil, errDER
	}
	var list []Ticket
	for len(body) > 0 {
		_, _, after, err := element(body)
		if err != nil {
			return nil, err
		}
		t, err := ParseTicket(body[:len(body)-len(after)])
		if err != nil {
			return nil, err
		}
		if list = append(list, *t); len(list) > maxTickets {
			return nil, errors.New("too many additional tickets")
		}
		body = after
	}
	return list, nil
}

// EncodeBody writes the KDC-REQ-BODY, which checksums in the pre-authentication
// data are made over, and keeps it as RawBody for Encode.
func (r *KDCReq) EncodeBody() ([]byte, error) {
	k := &r.Body
	w := kdcReqBody{
		Options: k.Options.bits(), Client: k.Client, Realm: k.Realm, Server: k.Server,
		From: kerberosTime(k.From), Till: kerberosTime(k.Till), RenewTill: kerberosTime(k.RenewTill),
		Nonce: int64(k.Nonce), ETypes: k.ETypes, Addresses: k.Addresses, EncAuthData: k.EncAuthData,
	}
	if w.Till.IsZero() {
		w.Till = time.Unix(0, 0).UTC()
	}
	if len(k.Tickets) > 0 {
		var list []byte
		for i := range k.Tickets {
			b, err := k.Tickets[i].Encode()
			if err != nil {
				return nil, err
			}
			list = append(list, b...)
		}
		seq, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: list})
		if err != nil {
			return nil, err
		}
		w.Tickets = explicit(11, seq)
	}
	b, err := marshal(w, 0)
	r.RawBody = b
	return b, err
}

// Encode writes the message with the body that EncodeBody made, and keeps it
// as Raw.
func (r *KDCReq) Encode() ([]byte, error) {
	if r.RawBody == nil {
		if _, err := r.EncodeBody(); err != nil {
			return nil, err
		}
	}
	b, err := marshal(kdcReq{version, r.MsgType, r.PAData, explicit(4, r.RawBody)}, r.MsgType)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	r.Raw = b
	return b, nil
}
