package krb

import (
	"errors"
	"net/netip"
	"time"
)

// Priv is the content of a KRB-PRIV (RFC 4120 5.7.1). A zero Time and
// SeqNumber 0 are absent.
type Priv struct {
	Data      []byte
	Time      time.Time
	SeqNumber uint32
	Sender    HostAddress
}

type encKrbPrivPart struct {
	Data      []byte      `asn1:"explicit,tag:0"`
	Time      time.Time   `asn1:"generalized,optional,explicit,tag:1"`
	Micro     int         `asn1:"optional,explicit,tag:2"`
	SeqNumber int64       `asn1:"optional,explicit,tag:3"`
	Sender    HostAddress `asn1:"explicit,tag:4"`
	Recipient HostAddress `asn1:"optional,explicit,tag:5"`
}

type krbPriv struct {
	Version int           `asn1:"explicit,tag:0"`
	MsgType int           `asn1:"explicit,tag:1"`
	EncPart EncryptedData `asn1:"explicit,tag:3"` // there is no [2]
}

// Address makes the address of a host. Without one it is the address of none,
// 0.0.0.0.
func Address(a netip.Addr) HostAddress {
	const ipv4, ipv6 = 2, 24
	switch a = a.Unmap(); {
	case a.Is4():
		b := a.As4()
		return HostAddress{ipv4, b[:]}
	case a.Is6():
		b := a.As16()
		return HostAddress{ipv6, b[:]}
	}
	return HostAddress{ipv4, make([]byte, 4)}
}

// Encode seals the message under key.
func (p Priv) Encode(key Key) ([]byte, error) {
	w := encKrbPrivPart{Data: p.Data, SeqNumber: int64(p.SeqNumber), Sender: p.Sender}
	if !p.Time.IsZero() {
		w.Time, w.Micro = kerberosTime(p.Time), p.Time.Nanosecond()/1000
	}
	plain, err := marshal(w, tagEncKrbPrivPart)
	if err != nil {
		return nil, err
	}
	sealed, err := key.Seal(UsagePriv, 0, plain)
	if err != nil {
		return nil, err
	}
	return marshal(krbPriv{version, MsgPriv, sealed}, MsgPriv)
}

// ParsePriv opens a KRB-PRIV.
func ParsePriv(b []byte, key Key) (*Priv, error) {
	var w krbPriv
	if err := unmarshal(b, &w, MsgPriv); err != nil {
		return nil, malformed("KRB-PRIV", err)
	}
	if w.Version != version || w.MsgType != MsgPriv {
		return nil, NewError(ErrMsgType, "")
	}
	plain, err := key.Open(UsagePriv, w.EncPart)
	if err != nil {
		return nil, NewError(ErrBadIntegrity, "")
	}
	var p encKrbPrivPart
	if err := unmarshal(plain, &p, tagEncKrbPrivPart); err != nil {
		return nil, malformed("KRB-PRIV", err)
	}
	if micros(p.Micro) != nil || p.SeqNumber < -1<<31 || p.SeqNumber >= 1<<32 {
		return nil, malformed("KRB-PRIV", errors.New("number out of range"))
	}
	out := &Priv{Data: p.Data, SeqNumber: uint32(p.SeqNumber), Sender: p.Sender}
	if !p.Time.IsZero() {
		out.Time = p.Time.UTC().Add(time.Duration(p.Micro) * time.Microsecond)
	}
	return out, nil
}

// SealedPart returns the encrypted part of an AP-REP or a KRB-PRIV, for who
// looks at one without its key.
func SealedPart(b []byte) (EncryptedData, error) {
	if len(b) > 0 && b[0] == 0x60|MsgAPRep {
		var w apRep
		if err := unmarshal(b, &w, MsgAPRep); err != nil {
			return EncryptedData{}, malformed("AP-REP", err)
		}
		if w.Version != version || w.MsgType != MsgAPRep {
			return EncryptedData{}, NewError(ErrMsgType, "")
		}
		return w.EncPart, w.EncPart.check()
	}
	var w krbPriv
	if err := unmarshal(b, &w, MsgPriv); err != nil {
		return EncryptedData{}, malformed("KRB-PRIV", err)
	}
	if w.Version != version || w.MsgType != MsgPriv {
		return EncryptedData{}, NewError(ErrMsgType, "")
	}
	return w.EncPart, w.EncPart.check()
}
