package krb

import (
	"errors"
	"fmt"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
)

// Ticket is a ticket as it travels (RFC 4120 5.3). One that was parsed or
// sealed keeps its bytes, and is never encoded anew.
type Ticket struct {
	Realm   string
	Server  Name
	EncPart EncryptedData
	raw     []byte
}

type ticket struct {
	Version int           `asn1:"explicit,tag:0"`
	Realm   string        `asn1:"generalstring,explicit,tag:1"`
	Server  Name          `asn1:"explicit,tag:2"`
	EncPart EncryptedData `asn1:"explicit,tag:3"`
}

// ParseTicket reads a ticket.
func ParseTicket(b []byte) (*Ticket, error) {
	var w ticket
	if err := unmarshal(b, &w, tagTicket); err != nil {
		return nil, fmt.Errorf("ticket: %w", err)
	}
	if w.Version != version {
		return nil, NewError(ErrBadProtocolVersion, "")
	}
	if err := errors.Join(w.Server.check("server name"), checkText("realm", w.Realm), w.EncPart.check()); err != nil {
		return nil, fmt.Errorf("ticket: %w", err)
	}
	return &Ticket{w.Realm, w.Server, w.EncPart, b}, nil
}

// Encode returns the ticket's bytes.
func (t *Ticket) Encode() ([]byte, error) {
	if t.raw != nil {
		return t.raw, nil
	}
	if err := t.Server.check("server name"); err != nil {
		return nil, err
	}
	t.raw = app(tagTicket, ctx(0, integer(version)), ctx(1, text(t.Realm)), ctx(2, t.Server.der()), ctx(3, t.EncPart.der()))
	return t.raw, nil
}

// SealTicket encrypts part to the server with its key of version kvno.
func SealTicket(key Key, kvno uint32, realm string, server Name, part *EncTicketPart) (*Ticket, error) {
	plain, err := part.Encode()
	if err != nil {
		return nil, err
	}
	sealed, err := key.Seal(UsageTicket, kvno, plain)
	if err != nil {
		return nil, err
	}
	t := &Ticket{Realm: realm, Server: server, EncPart: sealed}
	_, err = t.Encode()
	return t, err
}

// Open decrypts the ticket: KRB_AP_ERR_BAD_INTEGRITY when the key is another.
func (t *Ticket) Open(key Key) (*EncTicketPart, error) {
	plain, err := key.Open(UsageTicket, t.EncPart)
	if err != nil {
		return nil, NewError(ErrBadIntegrity, "The ticket does not open with the key of %s.", t.Server)
	}
	return ParseEncTicketPart(plain)
}

// EncTicketPart is what a KDC tells a server about a client (RFC 4120 5.3).
// Zero times are absent.
type EncTicketPart struct {
	Flags     Flags
	Key       Key // the session key
	CRealm    string
	Client    Name
	Transited Transited
	AuthTime  time.Time
	StartTime time.Time
	EndTime   time.Time
	RenewTill time.Time
	Addresses []HostAddress
	AuthData  []AuthData
}

// Transited names the realms on the way; empty within one realm.
type Transited struct {
	Type     int32  `asn1:"explicit,tag:0"`
	Contents []byte `asn1:"explicit,tag:1"`
}

type encTicketPart struct {
	Flags     asn1.BitString `asn1:"explicit,tag:0"`
	Key       Key            `asn1:"explicit,tag:1"`
	CRealm    string         `asn1:"generalstring,explicit,tag:2"`
	Client    Name           `asn1:"explicit,tag:3"`
	Transited Transited      `asn1:"explicit,tag:4"`
	AuthTime  time.Time      `asn1:"generalized,explicit,tag:5"`
	StartTime time.Time      `asn1:"generalized,explicit,optional,tag:6"`
	EndTime   time.Time      `asn1:"generalized,explicit,tag:7"`
	RenewTill time.Time      `asn1:"generalized,explicit,optional,tag:8"`
	Addresses []HostAddress  `asn1:"explicit,optional,tag:9"`
	AuthData  []AuthData     `asn1:"explicit,optional,tag:10"`
}

// Encode writes the part. The encoding is canonical: a PAC's ticket signature
// is over it.
func (p *EncTicketPart) Encode() ([]byte, error) {
	if err := p.Client.check("client name"); err != nil {
		return nil, err
	}
	return app(tagEncTicketPart,
		ctx(0, p.Flags.der()), ctx(1, p.Key.der()), ctx(2, text(p.CRealm)), ctx(3, p.Client.der()),
		ctx(4, seq(ctx(0, integer(int64(p.Transited.Type))), ctx(1, octets(p.Transited.Contents)))),
		ctx(5, timestamp(p.AuthTime)), ctx(6, timestamp(p.StartTime)), ctx(7, timestamp(p.EndTime)), ctx(8, timestamp(p.RenewTill)),
		ctx(9, list(p.Addresses, HostAddress.der)), ctx(10, list(p.AuthData, AuthData.der)),
	), nil
}

// ParseEncTicketPart reads the part.
func ParseEncTicketPart(b []byte) (*EncTicketPart, error) {
	var w encTicketPart
	if err := unmarshal(b, &w, tagEncTicketPart); err != nil {
		return nil, malformed("encrypted part of the ticket", err)
	}
	if err := errors.Join(w.Client.check("client name"), checkText("realm", w.CRealm)); err != nil {
		return nil, malformed("encrypted part of the ticket", err)
	}
	return &EncTicketPart{
		Flags: readFlags(w.Flags), Key: w.Key, CRealm: w.CRealm, Client: w.Client, Transited: w.Transited,
		AuthTime: w.AuthTime.UTC(), StartTime: w.StartTime.UTC(), EndTime: w.EndTime.UTC(), RenewTill: w.RenewTill.UTC(),
		Addresses: w.Addresses, AuthData: w.AuthData,
	}, nil
}

// Valid says whether the ticket may be used at a time, give or take the skew.
func (p *EncTicketPart) Valid(now time.Time, skew time.Duration) error {
	start := p.StartTime
	if start.IsZero() {
		start = p.AuthTime
	}
	switch {
	case p.Flags.Has(FlagInvalid), start.After(now.Add(skew)):
		return NewError(ErrTicketNotYetValid, "")
	case now.After(p.EndTime.Add(skew)):
		return NewError(ErrTicketExpired, "The ticket expired at %s.", p.EndTime.Format(time.RFC3339))
	}
	return nil
}

// PAC returns the PAC in the ticket's authorization data: AD-WIN2K-PAC within
// AD-IF-RELEVANT, where it must be the only element. It reports false when
// there is none.
func (p *EncTicketPart) PAC() (pac []byte, ok bool) {
	for _, a := range p.AuthData {
		if a.Type != ADIfRelevant {
			continue
		}
		inner, err := ParseAuthData(a.Data)
		if err == nil && len(inner) == 1 && inner[0].Type == ADWin2kPAC {
			return inner[0].Data, true
		}
	}
	return nil, false
}

// WithPAC returns the part with its PAC replaced, or put first when it has
// none. The ticket signature is over the part with a PAC of one zero byte.
func (p EncTicketPart) WithPAC(pac []byte) (*EncTicketPart, error) {
	inner, err := EncodeAuthData([]AuthData{{ADWin2kPAC, pac}})
	if err != nil {
		return nil, err
	}
	list := make([]AuthData, 0, 1+len(p.AuthData))
	done := false
	for _, a := range p.AuthData {
		one := EncTicketPart{AuthData: []AuthData{a}}
		if _, ok := one.PAC(); ok && !done {
			a.Data, done = inner, true
		}
		list = append(list, a)
	}
	if !done {
		list = append([]AuthData{{ADIfRelevant, inner}}, list...)
	}
	p.AuthData = list
	return &p, nil
}
