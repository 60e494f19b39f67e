package gss

import (
	"bytes"

	"hellolab/providers/wire/krb"
)

// SPNEGO (RFC 4178 4.2). The initiator's first token is framed as an initial
// token, and the others are bare:
//
//	NegotiationToken ::= CHOICE { negTokenInit [0] NegTokenInit, negTokenResp [1] NegTokenResp }
//	NegTokenInit ::= SEQUENCE { mechTypes [0] SEQUENCE OF OBJECT IDENTIFIER,
//	    reqFlags [1] BIT STRING OPTIONAL, mechToken [2] OCTET STRING OPTIONAL, mechListMIC [3] OCTET STRING OPTIONAL }
//	NegTokenResp ::= SEQUENCE { negState [0] ENUMERATED OPTIONAL, supportedMech [1] OBJECT IDENTIFIER OPTIONAL,
//	    responseToken [2] OCTET STRING OPTIONAL, mechListMIC [3] OCTET STRING OPTIONAL }
//
// MS-SPNG's NegTokenInit2 has hints, a SEQUENCE, at [3] and the MIC at [4].

// States of a negotiation.
const (
	stateCompleted  = 0
	stateIncomplete = 1
	stateReject     = 2
	stateRequestMIC = 3
	stateAbsent     = 0xFF
)

const (
	idNegInit = 0xA0
	idNegResp = 0xA1
	maxMechs  = 32
)

// parts are what a NegotiationToken holds, the content of each member by its
// tag; nil is absent.
type parts [5][]byte

// parse reads one NegotiationToken of the kind id.
func parse(token []byte, id byte) (parts, error) {
	var p parts
	if len(token) > maxToken || krb.Check(token) != nil {
		return p, ErrDefective
	}
	body, _, err := take(token, id)
	if err != nil {
		return p, err
	}
	body, rest, err := take(body, 0x30)
	if err != nil || len(rest) != 0 {
		return p, ErrDefective
	}
	for last := -1; len(body) > 0; {
		tag := int(body[0]) - 0xA0
		content, rest, err := take(body, body[0])
		if err != nil || tag <= last {
			return p, ErrDefective
		}
		if tag < len(p) { // what comes later in a later version is ignored
			p[tag] = content
		}
		last, body = tag, rest
	}
	return p, nil
}

// octets returns member tag, an OCTET STRING; nil if it is absent.
func (p parts) octets(tag int) ([]byte, error) {
	if p[tag] == nil {
		return nil, nil
	}
	content, rest, err := take(p[tag], 0x04)
	if err != nil || len(rest) != 0 {
		return nil, ErrDefective
	}
	return content, nil
}

// response is a NegTokenResp; mech is an object identifier with its header, and
// absent parts are nil.
type response struct {
	state            byte
	mech, token, mic []byte
}

func parseResponse(token []byte) (r response, err error) {
	p, err := parse(token, idNegResp)
	if err != nil {
		return r, err
	}
	r.state, r.mech = stateAbsent, p[1]
	if p[0] != nil {
		v, rest, err := take(p[0], 0x0A)
		if err != nil || len(rest) != 0 || len(v) != 1 || v[0] > stateRequestMIC {
			return r, ErrDefective
		}
		r.state = v[0]
	}
	if r.token, err = p.octets(2); err == nil {
		r.mic, err = p.octets(3)
	}
	return r, err
}

func (r response) encode() []byte {
	var body []byte
	add := func(tag byte, content []byte) { body = append(body, element(0xA0|tag, content)...) }
	if r.state != stateAbsent {
		add(0, []byte{0x0A, 1, r.state})
	}
	if r.mech != nil {
		add(1, r.mech)
	}
	if r.token != nil {
		add(2, element(0x04, r.token))
	}
	if r.mic != nil {
		add(3, element(0x04, r.mic))
	}
	return element(idNegResp, element(0x30, body))
}

// mechs returns the object identifiers of a MechTypeList.
func mechs(list []byte) ([][]byte, error) {
	body, rest, err := take(list, 0x30)
	if err != nil || len(rest) != 0 {
		return nil, ErrDefective
	}
	var out [][]byte
	for len(body) > 0 {
		content, rest, err := take(body, 0x06)
		if err != nil || len(content) == 0 || len(out) == maxMechs {
			return nil, ErrDefective
		}
		out = append(out, body[:len(body)-len(rest)])
		body = rest
	}
	return out, nil
}

// negotiation is an acceptor's.
type negotiation struct {
	list     []byte // the initiator's MechTypeList, as sent
	needMIC  bool   // both sides must sign the list
	kerberos bool   // whether Kerberos' exchange is done
}

func (n *negotiation) first(a *Acceptance, token []byte) ([]byte, bool, error) {
	init, err := parse(token, idNegInit)
	if err != nil {
		return nil, false, err
	}
	n.list = init[0]
	list, err := mechs(n.list)
	if err != nil {
		return nil, false, err
	}
	mechToken, err := init.octets(2)
	if err != nil {
		return nil, false, err
	}
	at := 3
	if len(init[3]) > 0 && init[3][0] == 0x30 {
		at = 4
	}
	mic, err := init.octets(at)
	if err != nil {
		return nil, false, err
	}
	for i, m := range list {
		if !isKerberos(m) {
			continue
		}
		// Another one comes first, as NTLM may: the token is its, and that the
		// list came unchanged is to be proved.
		if n.needMIC = i > 0; n.needMIC || mechToken == nil {
			state := byte(stateIncomplete)
			if n.needMIC {
				state = stateRequestMIC
			}
			return response{state: state, mech: m}.encode(), false, nil
		}
		return n.take(a, mechToken, mic, m)
	}
	return response{state: stateReject}.encode(), false, ErrMechanism
}

func (n *negotiation) next(a *Acceptance, token []byte) ([]byte, bool, error) {
	in, err := parseResponse(token)
	if err != nil {
		return nil, false, err
	}
	if in.state == stateReject {
		return nil, false, ErrMechanism
	}
	if !n.kerberos {
		return n.take(a, in.token, in.mic, nil)
	}
	// What is left is the initiator's MIC.
	if in.token != nil || in.mic == nil {
		return nil, false, ErrDefective
	}
	if err := a.ctx.VerifyMIC(n.list, in.mic); err != nil {
		return response{state: stateReject}.encode(), false, err
	}
	return nil, true, nil
}

// take passes on Kerberos' token, and tells the mechanism with mech.
func (n *negotiation) take(a *Acceptance, token, mic, mech []byte) ([]byte, bool, error) {
	if token == nil {
		return nil, false, ErrDefective
	}
	out, err := a.kerberos(token)
	if err != nil {
		return response{state: stateReject, mech: mech, token: out}.encode(), false, err
	}
	n.kerberos = true
	r := response{state: stateCompleted, mech: mech, token: out}
	if mic != nil { // without Mutual, it may come with the token
		if err := a.ctx.VerifyMIC(n.list, mic); err != nil {
			return response{state: stateReject}.encode(), false, err
		}
	} else if n.needMIC {
		r.state = stateIncomplete
	}
	if n.needMIC || mic != nil {
		if r.mic, err = a.ctx.MIC(n.list); err != nil {
			return nil, false, err
		}
	}
	return r.encode(), r.state == stateCompleted, nil
}

// Negotiator is the client's side of SPNEGO, which offers Kerberos alone.
type Negotiator struct {
	kerberos *Initiator
	list     []byte
	step     int
	inner    bool // whether Kerberos' exchange is done
	needMIC  bool
	ctx      *Context
}

// NewNegotiator begins an exchange.
func NewNegotiator(c InitiatorConfig) *Negotiator {
	return &Negotiator{kerberos: NewInitiator(c), list: element(0x30, oidKerberos)}
}

// Context returns the context, nil before the exchange is done.
func (n *Negotiator) Context() *Context { return n.ctx }

// Step sends the list with an AP-REQ, and takes the acceptor's answers.
func (n *Negotiator) Step(token []byte) (out []byte, done bool, err error) {
	n.step++
	switch {
	case n.ctx != nil || n.step > 4 || n.step == 1 && len(token) != 0:
		return nil, false, ErrState
	case n.step > 1:
		return n.answer(token)
	}
	out, n.inner, err = n.kerberos.Step(nil)
	if err != nil {
		return nil, false, err
	}
	body := append(element(idNegInit, n.list), element(0xA2, element(0x04, out))...)
	return frame(oidSPNEGO, element(idNegInit, element(0x30, body))), false, nil
}

func (n *Negotiator) answer(token []byte) ([]byte, bool, error) {
	in, err := parseResponse(token)
	if err != nil {
		return nil, false, err
	}
	if in.mech != nil && !bytes.Equal(in.mech, oidKerberos) {
		return nil, false, ErrMechanism
	}
	if in.token != nil {
		if n.inner {
			return nil, false, ErrDefective
		}
		_, done, err := n.kerberos.Step(in.token)
		if err != nil {
			return nil, false, err
		}
		n.inner = done
	}
	switch in.state {
	case stateReject:
		return nil, false, ErrMechanism
	case stateRequestMIC:
		n.needMIC = true
	}
	if !n.inner {
		if in.state == stateCompleted {
			return nil, false, ErrProof
		}
		return nil, false, ErrDefective // there is no other token to send
	}
	ctx := n.kerberos.Context()
	var out []byte
	if in.mic != nil {
		if err := ctx.VerifyMIC(n.list, in.mic); err != nil {
			return nil, false, err
		}
		n.needMIC = false
	}
	if in.state != stateCompleted {
		mic, err := ctx.MIC(n.list)
		if err != nil {
			return nil, false, err
		}
		out = response{state: stateCompleted, mic: mic}.encode()
		if in.mic == nil { // the acceptor's is still to come
			n.needMIC = true
			return out, false, nil
		}
	}
	if n.needMIC {
		return nil, false, ErrProof
	}
	n.ctx = ctx
	return out, true, nil
}
