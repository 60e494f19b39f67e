package pac

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"hellolab/providers/wire/filetime"
	"hellolab/providers/wire/krb"
)

// PAC_SIGNATURE_DATA (MS-PAC 2.8), key usage 17:
//
//	0   u32  checksum type, by the key's encryption type
//	4   …    checksum
//	…   u16  number of the read-only DC whose key signed, if one's did
//
// What each signs, in the order of making; a signature that is zeroed is so
// from byte 4 to its end:
//
//	ticket  KDC key     EncTicketPart with Placeholder for the PAC
//	full    KDC key     the PAC, with full, server and KDC signature zeroed
//	server  server key  the PAC, with server and KDC signature zeroed
//	KDC     KDC key     the checksum of the server signature

// sumSizes are the checksum types that sign PACs, and their sizes. None is
// accepted but the one of the verifying key's own type.
var sumSizes = map[int32]int{
	krb.ChecksumType(krb.AES128): 12,
	krb.ChecksumType(krb.AES256): 12,
	krb.ChecksumType(krb.RC4):    16,
}

// Why a PAC is not believed.
var (
	ErrMissing         = errors.New("PAC lacks a buffer")
	ErrServerSignature = errors.New("PAC's server signature is wrong")
	ErrKDCSignature    = errors.New("PAC's KDC signature is wrong")
	ErrTicketSignature = errors.New("PAC's ticket signature is wrong")
	ErrFullSignature   = errors.New("PAC's full signature is wrong")
	ErrClient          = errors.New("PAC is of another client")
	ErrAuthTime        = errors.New("PAC is of another time of authentication")
	ErrRequestor       = errors.New("PAC's requestor is not its account")
	ErrRODC            = errors.New("PAC is signed by another read-only domain controller")
)

// ErrAlgorithm is what Sign answers for a key that no PAC is signed with.
var ErrAlgorithm = errors.New("no PAC is signed with a key of this type")

type signature struct {
	sum   krb.Checksum
	rodc  uint16
	start int // of the buffer, in the PAC
	size  int // of the buffer
}

func decodeSignature(b []byte, start int) (signature, error) {
	if len(b) < 4 {
		return signature{}, errLength
	}
	s := signature{start: start, size: len(b)}
	s.sum.Type = int32(binary.LittleEndian.Uint32(b))
	size, ok := sumSizes[s.sum.Type]
	if !ok {
		return signature{}, fmt.Errorf("checksum of type %d", s.sum.Type)
	}
	switch len(b) - 4 - size {
	case 0:
	case 2:
		s.rodc = binary.LittleEndian.Uint16(b[4+size:])
	default:
		return signature{}, errLength
	}
	s.sum.Sum = b[4 : 4+size]
	return s, nil
}

// Placeholder stands for the PAC in what a ticket signature is over.
func Placeholder() []byte { return []byte{0} }

// Signing says how a PAC is signed.
type Signing struct {
	Server krb.Key // of the service the ticket is for; krbtgt's in a TGT
	KDC    krb.Key // krbtgt's
	RODC   uint16  // number of the read-only DC whose krbtgt key KDC is; 0: none

	// TicketPart is the EncTicketPart as it will be, encoded, with Placeholder
	// for the PAC; nil makes neither ticket nor full signature, as tickets for krbtgt
	// have neither.
	TicketPart []byte
}

// Sign writes the PAC. ErrSize and ErrAlgorithm tell of a PAC and of a key that
// cannot be.
func (p *PAC) Sign(s Signing) ([]byte, error) {
	buffers, err := p.buffers()
	if err != nil {
		return nil, err
	}
	add := func(typ Type, key krb.Key, rodc uint16) error {
		sum := krb.ChecksumType(key.EType)
		if sumSizes[sum] == 0 {
			return ErrAlgorithm
		}
		size := 4 + sumSizes[sum]
		if rodc != 0 {
			size += 2
		}
		data := make([]byte, size)
		binary.LittleEndian.PutUint32(data, uint32(sum))
		buffers = append(buffers, Buffer{typ, data})
		return nil
	}
	err = errors.Join(add(TypeServerSignature, s.Server, 0), add(TypeKDCSignature, s.KDC, s.RODC))
	if s.TicketPart != nil {
		err = errors.Join(err, add(TypeTicketSignature, s.KDC, s.RODC), add(TypeFullSignature, s.KDC, s.RODC))
	}
	if err != nil {
		return nil, err
	}
	raw, starts, err := join(buffers)
	if err != nil {
		return nil, err
	}
	fill := func(typ Type, key krb.Key, data []byte, rodc uint16) error {
		c, err := key.Checksum(krb.UsagePAC, data)
		if err != nil {
			return fmt.Errorf("%s: %w", typ, err)
		}
		at := starts[typ] + 4
		copy(raw[at:], c.Sum)
		if rodc != 0 {
			binary.LittleEndian.PutUint16(raw[at+len(c.Sum):], rodc)
		}
		return nil
	}
	if s.TicketPart != nil {
		if err := fill(TypeTicketSignature, s.KDC, s.TicketPart, s.RODC); err != nil {
			return nil, err
		}
		if err := fill(TypeFullSignature, s.KDC, raw, s.RODC); err != nil {
			return nil, err
		}
	}
	if err := fill(TypeServerSignature, s.Server, raw, 0); err != nil {
		return nil, err
	}
	at := starts[TypeServerSignature] + 4
	sum := raw[at : at+sumSizes[krb.ChecksumType(s.Server.EType)]]
	if err := fill(TypeKDCSignature, s.KDC, sum, s.RODC); err != nil {
		return nil, err
	}
	return raw, nil
}

// Has says whether a parsed PAC has a signature of this type.
func (p *PAC) Has(t Type) bool { _, ok := p.signatures[t]; return ok }

// Signature returns the checksum of a signature, unverified.
func (p *PAC) Signature(t Type) (sum krb.Checksum, ok bool) {
	s, ok := p.signatures[t]
	return s.sum, ok
}

// RODC is the number of the read-only DC that signed as KDC; 0: none.
func (p *PAC) RODC() uint16 { return p.signatures[TypeKDCSignature].rodc }

// numbered says whether every signature that a KDC made names this read-only
// DC, or with 0 none.
func (p *PAC) numbered(rodc uint16) bool {
	for _, t := range [...]Type{TypeKDCSignature, TypeTicketSignature, TypeFullSignature} {
		if s, ok := p.signatures[t]; ok && s.rodc != rodc {
			return false
		}
	}
	return true
}

// Ticket is what a PAC must belong to.
type Ticket struct {
	Client     string    // parts of the client's name, with slashes between them
	AuthTime   time.Time // of the ticket
	Server     krb.Key   // that the ticket is encrypted with
	KDC        krb.Key   // zero: who asks is a service and does not know it
	RODC       uint16    // number of the read-only DC whose krbtgt key KDC is
	TGT        bool      // whether the ticket is for krbtgt
	TicketPart []byte    // of a service ticket, with Placeholder for the PAC; needed with KDC
}

// Verify says whether the PAC is the one of t: everything that must be there
// is, every signature that t's keys can check is right, and it names t's client.
func (p *PAC) Verify(t Ticket) error {
	if p.LogonInfo == nil {
		return fmt.Errorf("%w: %s", ErrMissing, TypeLogonInfo)
	}
	if !p.Has(TypeKDCSignature) {
		return fmt.Errorf("%w: %s", ErrMissing, TypeKDCSignature)
	}
	if err := p.VerifyServer(t.Server); err != nil {
		return err
	}
	if !t.KDC.IsZero() {
		if err := p.VerifyKDC(t.KDC); err != nil {
			return err
		}
		if !p.numbered(t.RODC) {
			return ErrRODC
		}
		if !t.TGT {
			if err := p.VerifyTicket(t.KDC, t.TicketPart); err != nil {
				return err
			}
			if err := p.VerifyFull(t.KDC); err != nil {
				return err
			}
		}
	}
	if t.TGT {
		if err := p.VerifyRequestor(); err != nil {
			return err
		}
	}
	return p.VerifyClient(t.Client, t.AuthTime)
}

// VerifyServer checks the signature of the ticket's own key over the PAC.
func (p *PAC) VerifyServer(key krb.Key) error {
	return p.verify(TypeServerSignature, key, p.zeroed(TypeServerSignature, TypeKDCSignature), ErrServerSignature)
}

// VerifyKDC checks krbtgt's signature over the server signature. It proves
// nothing of the PAC unless that is verified.
func (p *PAC) VerifyKDC(key krb.Key) error {
	return p.verify(TypeKDCSignature, key, p.signatures[TypeServerSignature].sum.Sum, ErrKDCSignature)
}

// VerifyTicket checks krbtgt's signature over the ticket: the EncTicketPart
// with Placeholder for the PAC.
func (p *PAC) VerifyTicket(key krb.Key, ticketPart []byte) error {
	return p.verify(TypeTicketSignature, key, ticketPart, ErrTicketSignature)
}

// VerifyFull checks krbtgt's signature over the PAC.
func (p *PAC) VerifyFull(key krb.Key) error {
	return p.verify(TypeFullSignature, key, p.zeroed(TypeFullSignature, TypeServerSignature, TypeKDCSignature), ErrFullSignature)
}

func (p *PAC) verify(typ Type, key krb.Key, data []byte, wrong error) error {
	s, ok := p.signatures[typ]
	if !ok {
		return fmt.Errorf("%w: %s", ErrMissing, typ)
	}
	if !key.VerifyChecksum(krb.UsagePAC, data, s.sum) {
		return wrong
	}
	return nil
}

// zeroed returns the PAC's bytes with these signatures zeroed.
func (p *PAC) zeroed(types ...Type) []byte {
	out := slices.Clone(p.raw)
	for _, t := range types {
		if s, ok := p.signatures[t]; ok {
			clear(out[s.start+4 : s.start+s.size])
		}
	}
	return out
}

// VerifyClient checks that CLIENT_INFO names the ticket's client, whose parts
// have slashes between them, and the ticket's time of authentication.
func (p *PAC) VerifyClient(client string, authTime time.Time) error {
	switch {
	case p.ClientInfo == nil:
		return fmt.Errorf("%w: %s", ErrMissing, TypeClientInfo)
	case p.ClientInfo.Name != client:
		return ErrClient
	case p.ClientInfo.ClientID != filetime.From(authTime):
		return ErrAuthTime
	}
	return nil
}

// VerifyRequestor checks that the account that asked is the one LOGON_INFO is
// about.
func (p *PAC) VerifyRequestor() error {
	switch {
	case p.Requestor.IsZero():
		return fmt.Errorf("%w: %s", ErrMissing, TypeRequestor)
	case p.LogonInfo == nil:
		return fmt.Errorf("%w: %s", ErrMissing, TypeLogonInfo)
	case p.LogonInfo.User() != p.Requestor:
		return ErrRequestor
	}
	return nil
}
