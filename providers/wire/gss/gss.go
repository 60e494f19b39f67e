// Package gss is Kerberos as a GSS-API mechanism (RFC 4121): how a client
// proves itself to a service, the service to the client, and how the two sign
// and seal messages afterwards; bare or negotiated (SPNEGO, RFC 4178), as LDAP
// (package sasl) and HTTP carry it.
//
// An Initiator and an Acceptance exchange tokens by Step until both are done,
// and then have a Context. Tokens of messages are those of RFC 4121; keys of
// encryption types from before it (RC4, DES) are refused. Every parser is
// bounded and takes exactly one token.
//
// Sources: RFC 2743 3.1, RFC 4121, RFC 4178, MS-SPNG, RFC 4559.
package gss

import (
	"bytes"
	"errors"
	"slices"

	"hellolab/providers/wire/krb"
)

// Flags are what an initiator asks of a context (RFC 4121 4.1.1.1, MS-KILE).
type Flags uint32

// Flags of a context.
const (
	Delegate        Flags = 0x0001 // not supported; forwarded credentials are ignored
	Mutual          Flags = 0x0002 // the acceptor proves itself
	Replay          Flags = 0x0004 // repeated messages are refused
	Sequence        Flags = 0x0008 // messages out of order are refused
	Confidentiality Flags = 0x0010
	Integrity       Flags = 0x0020
	dceStyle        Flags = 0x1000 // a third token, as in RPC: not supported
)

// Has reports whether all of want are set.
func (f Flags) Has(want Flags) bool { return f&want == want }

// What can be wrong with a token. Refusals of Kerberos are *krb.Error.
var (
	ErrDefective   = errors.New("malformed GSS-API token")
	ErrMechanism   = errors.New("no mechanism in common")
	ErrBindings    = errors.New("channel bindings do not fit")
	ErrIntegrity   = errors.New("message was changed")
	ErrDuplicate   = errors.New("message came before")
	ErrOld         = errors.New("message is too old to tell whether it came before")
	ErrOrder       = errors.New("message is out of order")
	ErrUnprotected = errors.New("message is not sealed")
	ErrState       = errors.New("token comes after the last one")
	ErrProof       = errors.New("acceptor did not prove itself")
)

// maxToken bounds a token of any kind, in bytes.
const maxToken = krb.MaxMessage

// Object identifiers, as DER elements.
var (
	oidKerberos   = []byte{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02} // 1.2.840.113554.1.2.2
	oidMSKerberos = []byte{0x06, 0x09, 0x2a, 0x86, 0x48, 0x82, 0xf7, 0x12, 0x01, 0x02, 0x02} // 1.2.840.48018.1.2.2
	oidSPNEGO     = []byte{0x06, 0x06, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x02}                   // 1.3.6.1.5.5.2
)

// Initial token (RFC 2743 3.1, RFC 4121 4.1):
//
//	0x60, length, object identifier of the mechanism, inner token
//
// Kerberos' inner tokens begin with two bytes that say what follows.
const (
	idToken  = 0x60
	tokAPReq = 0x0100
	tokAPRep = 0x0200
	tokError = 0x0300
)

// frame makes an initial token.
func frame(oid, inner []byte) []byte {
	return element(idToken, append(slices.Clone(oid), inner...))
}

// unframe splits an initial token into the object identifier and what follows.
func unframe(token []byte) (oid, inner []byte, err error) {
	body, rest, err := take(token, idToken)
	if err != nil || len(rest) != 0 {
		return nil, nil, ErrDefective
	}
	content, inner, err := take(body, 0x06)
	if err != nil || len(content) == 0 {
		return nil, nil, ErrDefective
	}
	return body[:len(body)-len(inner)], inner, nil
}

// frameKerberos makes a Kerberos token of a message.
func frameKerberos(id uint16, message []byte) []byte {
	return frame(oidKerberos, append([]byte{byte(id >> 8), byte(id)}, message...))
}

// unframeKerberos returns the message of a Kerberos token and what it is.
func unframeKerberos(token []byte) (id uint16, message []byte, err error) {
	if len(token) > maxToken {
		return 0, nil, ErrDefective
	}
	oid, inner, err := unframe(token)
	if err != nil {
		return 0, nil, err
	}
	if !isKerberos(oid) {
		return 0, nil, ErrMechanism
	}
	if len(inner) < 2 {
		return 0, nil, ErrDefective
	}
	return uint16(inner[0])<<8 | uint16(inner[1]), inner[2:], nil
}

// isKerberos also knows the identifier that Windows 2000 made by mistake, and
// that Windows still puts first.
func isKerberos(oid []byte) bool {
	return bytes.Equal(oid, oidKerberos) || bytes.Equal(oid, oidMSKerberos)
}

// take splits off the first element, which must have this identifier octet and
// the distinguished encoding's length.
func take(b []byte, id byte) (content, rest []byte, err error) {
	if len(b) < 2 || b[0] != id {
		return nil, nil, ErrDefective
	}
	n, at := int(b[1]), 2
	if n >= 0x80 {
		size := n - 0x80
		if size == 0 || size > 3 || len(b) < 2+size || b[2] == 0 {
			return nil, nil, ErrDefective
		}
		n = 0
		for _, c := range b[2 : 2+size] {
			n = n<<8 | int(c)
		}
		if at += size; n < 0x80 {
			return nil, nil, ErrDefective
		}
	}
	if n > len(b)-at {
		return nil, nil, ErrDefective
	}
	return b[at : at+n], b[at+n:], nil
}

// element writes an element of at most 16 MB.
func element(id byte, content []byte) []byte {
	n := len(content)
	b := make([]byte, 0, n+5)
	switch {
	case n < 0x80:
		b = append(b, id, byte(n))
	case n < 1<<8:
		b = append(b, id, 0x81, byte(n))
	case n < 1<<16:
		b = append(b, id, 0x82, byte(n>>8), byte(n))
	default:
		b = append(b, id, 0x83, byte(n>>16), byte(n>>8), byte(n))
	}
	return append(b, content...)
}
