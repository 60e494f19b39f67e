package gss

import (
	"bytes"
	"encoding/asn1"
	"encoding/binary"

	"hellolab/providers/wire/krb"
)

// Token is a token taken apart, for who looks at one from outside. Exactly the
// parts of its kind are set.
type Token struct {
	Mechanism string // object identifier; "" in answers of SPNEGO and in messages' tokens

	// Of Kerberos: what follows, and the message.
	ID      uint16 // TokenAPReq, TokenAPRep, TokenError; 0: not of Kerberos
	Message []byte

	Negotiation *Negotiation // of SPNEGO
}

// What a Kerberos token holds.
const (
	TokenAPReq uint16 = tokAPReq
	TokenAPRep uint16 = tokAPRep
	TokenError uint16 = tokError
)

// Negotiation is a token of SPNEGO.
type Negotiation struct {
	Answer     bool     // from the acceptor
	Mechanisms []string // offered; of an answer the one that was chosen, if it says so
	State      string   // of an answer; "" when it does not say
	Token      []byte   // the mechanism's own
	MIC        []byte
}

// ReadToken takes a token of the making of a context apart. The error is
// ErrDefective.
func ReadToken(b []byte) (*Token, error) {
	if len(b) > maxToken {
		return nil, ErrDefective
	}
	if len(b) > 0 && b[0] == idNegResp {
		n, err := readAnswer(b)
		return &Token{Negotiation: n}, err
	}
	oid, inner, err := unframe(b)
	if err != nil {
		return nil, err
	}
	t := &Token{}
	if t.Mechanism, err = dotted(oid); err != nil {
		return nil, err
	}
	switch {
	case isKerberos(oid):
		if len(inner) < 2 {
			return nil, ErrDefective
		}
		t.ID, t.Message = uint16(inner[0])<<8|uint16(inner[1]), inner[2:]
	case bytes.Equal(oid, oidSPNEGO) && len(inner) > 0 && inner[0] == idNegInit:
		t.Negotiation, err = readOffer(inner)
	case bytes.Equal(oid, oidSPNEGO):
		t.Negotiation, err = readAnswer(inner)
	}
	return t, err
}

func readOffer(b []byte) (*Negotiation, error) {
	p, err := parse(b, idNegInit)
	if err != nil {
		return nil, err
	}
	n := &Negotiation{}
	if p[0] != nil {
		if n.Mechanisms, err = allDotted(p[0]); err != nil {
			return nil, err
		}
	}
	if n.Token, err = p.octets(2); err != nil {
		return nil, err
	}
	at := 3
	if len(p[3]) > 0 && p[3][0] == 0x30 { // hints, by MS-SPNG
		at = 4
	}
	n.MIC, err = p.octets(at)
	return n, err
}

func readAnswer(b []byte) (*Negotiation, error) {
	r, err := parseResponse(b)
	if err != nil {
		return nil, err
	}
	n := &Negotiation{Answer: true, Token: r.token, MIC: r.mic}
	if r.state != stateAbsent {
		n.State = []string{"accept-completed", "accept-incomplete", "reject", "request-mic"}[r.state]
	}
	if r.mech != nil {
		mech, err := dotted(r.mech)
		if err != nil {
			return nil, err
		}
		n.Mechanisms = []string{mech}
	}
	return n, nil
}

func allDotted(list []byte) ([]string, error) {
	oids, err := mechs(list)
	if err != nil {
		return nil, err
	}
	out := make([]string, len(oids))
	for i, oid := range oids {
		if out[i], err = dotted(oid); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// dotted writes an object identifier as its text.
func dotted(oid []byte) (string, error) {
	var id asn1.ObjectIdentifier
	if rest, err := asn1.Unmarshal(oid, &id); err != nil || len(rest) > 0 {
		return "", ErrDefective
	}
	return id.String(), nil
}

// Sealing says of a token of a message (RFC 4121 4.2.6) what stands in its head.
type Sealing struct {
	MIC      bool // it signs a message that travels apart
	Acceptor bool // from the acceptor
	Sealed   bool
	Subkey   bool   // the acceptor's subkey is used
	Sequence uint64 // number of the message
	Length   int    // bytes behind the head: message and checksum, or checksum alone
}

// ReadSealing reads the head of a Wrap or MIC token; false for anything else.
func ReadSealing(b []byte) (Sealing, bool) {
	if len(b) < headerSize || len(b) > maxToken || b[2]&^knownHeaderFlags != 0 || b[3] != 0xFF {
		return Sealing{}, false
	}
	s := Sealing{Acceptor: b[2]&byAcceptor != 0, Sealed: b[2]&sealed != 0, Subkey: b[2]&withAcceptorsKey != 0,
		Sequence: binary.BigEndian.Uint64(b[8:]), Length: len(b) - headerSize}
	switch binary.BigEndian.Uint16(b) {
	case wrapTag:
	case micTag:
		s.MIC = true
		return s, bytes.Equal(b[4:8], []byte{0xFF, 0xFF, 0xFF, 0xFF})
	default:
		return Sealing{}, false
	}
	return s, true
}

// Framed says whether b begins as an initial token or an answer of SPNEGO does.
func Framed(b []byte) bool {
	if len(b) > 0 && b[0] == idNegResp {
		return krb.Check(b) == nil
	}
	_, _, err := unframe(b)
	return err == nil
}
