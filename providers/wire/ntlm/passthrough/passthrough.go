// Package passthrough is how a member server of the lab has its domain verify
// an NTLM answer: an extended operation of LDAP on an encrypted connection that
// the server's machine account is signed in on. In Windows it is a call of RPC
// on Netlogon's secure channel (NetrLogonSamLogonEx, MS-NRPC 3.5.4.5.1; the
// domain's side is MS-APDS). What is asked and answered is that call's:
// level NetlogonNetworkInformation in, the parts of NETLOGON_VALIDATION_SAM_INFO4
// that a service uses out. The form is ours.
//
//	Request ::= SEQUENCE {
//	    user         UTF8String,              -- as the client spelled it
//	    domain       UTF8String,              -- likewise
//	    workstation  UTF8String,
//	    challenge    OCTET STRING (SIZE (8)),
//	    response     OCTET STRING }           -- NTLMv2_RESPONSE
//
//	Reply ::= SEQUENCE {
//	    status       INTEGER (0..4294967295), -- NTSTATUS
//	    account      [0] EXPLICIT Account OPTIONAL }  -- with status 0
//
//	Account ::= SEQUENCE {
//	    sessionBase  OCTET STRING (SIZE (16)),
//	    name         UTF8String,              -- sAMAccountName
//	    domain       UTF8String,              -- NetBIOS name
//	    sid          OCTET STRING,
//	    groups       SEQUENCE OF OCTET STRING }
//
// All of it DER. A refusal is an answer, not an error of LDAP.
package passthrough

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"hellolab/providers/wire/sid"
)

// OID names the operation. It is of the arc of UUIDs (ITU-T X.667), which need
// no registry; this one is a2040c6e-2339-4c84-b6c7-7d2a77c3d19a.
const OID = "2.25.215355956619504876573511748755225039258"

// Bounds, in bytes and in count.
const (
	maxRequest = 16 << 10
	maxReply   = 256 << 10
	maxGroups  = 2048
	sizeKey    = 16
)

var tagAccount = asn1.Tag(0).Constructed().ContextSpecific()

// ErrMalformed is a request or a reply that is none.
var ErrMalformed = errors.New("malformed pass-through message")

// Request is what a server asks.
type Request struct {
	User        string
	Domain      string
	Workstation string
	Challenge   [8]byte
	Response    []byte
}

// Reply is what the domain answers. Account is nil but with StatusSuccess.
type Reply struct {
	Status  Status
	Account *Account
}

// Account is who an answer is of.
type Account struct {
	SessionBase []byte // session base key, which the messages' integrity hangs on
	Name        string
	Domain      string
	SID         sid.SID
	Groups      []sid.SID
}

// Encode writes the request.
func (r *Request) Encode() ([]byte, error) {
	return encode(func(b *cryptobyte.Builder) {
		for _, s := range []string{r.User, r.Domain, r.Workstation} {
			text(b, s)
		}
		b.AddASN1OctetString(r.Challenge[:])
		b.AddASN1OctetString(r.Response)
	})
}

// ParseRequest reads a request.
func ParseRequest(raw []byte) (*Request, error) {
	r := &Request{}
	var body, challenge cryptobyte.String
	in := cryptobyte.String(raw)
	if len(raw) > maxRequest || !in.ReadASN1(&body, asn1.SEQUENCE) || !in.Empty() ||
		!readText(&body, &r.User) || !readText(&body, &r.Domain) || !readText(&body, &r.Workstation) ||
		!body.ReadASN1(&challenge, asn1.OCTET_STRING) || !challenge.CopyBytes(r.Challenge[:]) || !challenge.Empty() ||
		!body.ReadASN1Bytes(&r.Response, asn1.OCTET_STRING) || !body.Empty() {
		return nil, ErrMalformed
	}
	return r, nil
}

// Encode writes the reply.
func (r *Reply) Encode() ([]byte, error) {
	return encode(func(b *cryptobyte.Builder) {
		b.AddASN1Uint64(uint64(r.Status))
		if a := r.Account; a != nil {
			b.AddASN1(tagAccount, func(b *cryptobyte.Builder) { b.AddASN1(asn1.SEQUENCE, a.encode) })
		}
	})
}

func (a *Account) encode(b *cryptobyte.Builder) {
	b.AddASN1OctetString(a.SessionBase)
	text(b, a.Name)
	text(b, a.Domain)
	b.AddASN1OctetString(a.SID.Bytes())
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, g := range a.Groups {
			b.AddASN1OctetString(g.Bytes())
		}
	})
}

// ParseReply reads a reply: an account with StatusSuccess, and none without.
func ParseReply(raw []byte) (*Reply, error) {
	r := &Reply{}
	var body, wrapped, account cryptobyte.String
	var has bool
	in := cryptobyte.String(raw)
	if len(raw) > maxReply || !in.ReadASN1(&body, asn1.SEQUENCE) || !in.Empty() ||
		!body.ReadASN1Integer((*uint32)(&r.Status)) || !body.ReadOptionalASN1(&wrapped, &has, tagAccount) || !body.Empty() ||
		has != (r.Status == StatusSuccess) {
		return nil, ErrMalformed
	}
	if !has {
		return r, nil
	}
	if !wrapped.ReadASN1(&account, asn1.SEQUENCE) || !wrapped.Empty() {
		return nil, ErrMalformed
	}
	var err error
	r.Account, err = parseAccount(account)
	return r, err
}

func parseAccount(in cryptobyte.String) (*Account, error) {
	a := &Account{}
	var id, groups cryptobyte.String
	if !in.ReadASN1Bytes(&a.SessionBase, asn1.OCTET_STRING) || len(a.SessionBase) != sizeKey || !readText(&in, &a.Name) || !readText(&in, &a.Domain) ||
		!in.ReadASN1(&id, asn1.OCTET_STRING) || !in.ReadASN1(&groups, asn1.SEQUENCE) || !in.Empty() {
		return nil, ErrMalformed
	}
	var err error
	if a.SID, err = sid.Decode(id); err != nil {
		return nil, fmt.Errorf("%w: identifier", ErrMalformed)
	}
	for !groups.Empty() {
		if len(a.Groups) == maxGroups || !groups.ReadASN1(&id, asn1.OCTET_STRING) {
			return nil, fmt.Errorf("%w: groups", ErrMalformed)
		}
		s, err := sid.Decode(id)
		if err != nil {
			return nil, fmt.Errorf("%w: identifier of a group", ErrMalformed)
		}
		a.Groups = append(a.Groups, s)
	}
	return a, nil
}

func encode(content func(*cryptobyte.Builder)) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, content)
	return b.Bytes()
}

func text(b *cryptobyte.Builder, s string) {
	b.AddASN1(asn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(s)) })
}

func readText(in *cryptobyte.String, into *string) bool {
	var s cryptobyte.String
	if !in.ReadASN1(&s, asn1.UTF8String) || !utf8.Valid(s) {
		return false
	}
	*into = string(s)
	return true
}
