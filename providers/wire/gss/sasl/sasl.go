// Package sasl is Kerberos as LDAP authenticates with it: the SASL mechanisms
// GSSAPI (RFC 4752) and GSS-SPNEGO (MS-ADTS 5.1.1.1.2), both sides, and the
// security layer that protects a connection afterwards (RFC 4422 3.7).
//
// GSSAPI agrees on the layer after the context is made:
//
//	client → server  tokens of package gss, until both have a context
//	server → client  wrapped { u8 layers offered, u24 longest frame it takes }
//	client → server  wrapped { u8 layer chosen, u24 longest frame it takes, authorization identity }
//
// GSS-SPNEGO takes it from the context's flags and has no such messages.
package sasl

import (
	"errors"
	"fmt"

	"hellolab/providers/wire/gss"
)

// Names of the mechanisms.
const (
	GSSAPI    = "GSSAPI"
	GSSSPNEGO = "GSS-SPNEGO"
)

// Layers is a set of security layers (RFC 4752 3.3).
type Layers uint8

// Security layers.
const (
	None            Layers = 1
	Integrity       Layers = 2
	Confidentiality Layers = 4
)

// String names the layers.
func (l Layers) String() string {
	switch l {
	case None:
		return "none"
	case Integrity:
		return "integrity"
	case Confidentiality:
		return "confidentiality"
	}
	return fmt.Sprintf("layers %#x", uint8(l))
}

// one reports whether l is a single layer of set.
func (l Layers) one(set Layers) bool { return l != 0 && l&(l-1) == 0 && l&set == l }

// DefaultBuffer is how long a frame may be that comes in, and MaxBuffer how long
// one may be at all, without its length, in bytes.
const (
	DefaultBuffer = 64 << 10
	MaxBuffer     = 127 << 10 // what package gss takes
)

// Why a negotiation fails.
var (
	ErrLayer     = errors.New("no security layer in common")
	ErrDefective = errors.New("malformed SASL message")
	ErrState     = errors.New("message comes after the last one")
)

// offer is what both sides say of layers: the server which it has, the client
// which it takes.
type offer struct {
	layers  Layers
	longest int // frame, 24 bits
	authzID string
}

func (o offer) encode() []byte {
	b := []byte{byte(o.layers), byte(o.longest >> 16), byte(o.longest >> 8), byte(o.longest)}
	return append(b, o.authzID...)
}

func parseOffer(b []byte) (offer, error) {
	if len(b) < 4 || len(b) > 4+maxAuthzID {
		return offer{}, ErrDefective
	}
	return offer{Layers(b[0]), int(b[1])<<16 | int(b[2])<<8 | int(b[3]), string(b[4:])}, nil
}

// maxAuthzID bounds an authorization identity, in bytes.
const maxAuthzID = 1024

// able are the layers that a context can make.
func able(c *gss.Context) Layers {
	l := None
	if c.Flags().Has(gss.Integrity) {
		l |= Integrity
	}
	if c.Flags().Has(gss.Confidentiality) {
		l |= Confidentiality
	}
	return l
}

// buffer is a configured length of frames within bounds.
func buffer(n int) int {
	if n <= 0 {
		return DefaultBuffer
	}
	return min(n, MaxBuffer)
}
