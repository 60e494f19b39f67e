// Package pac is the privilege attribute certificate (MS-PAC): what a domain's
// tickets say about an account, and the signatures that hold it to the ticket.
//
// A PAC is a list of typed buffers. Parse reads one within bounds and refuses
// what is malformed; Sign writes one, and the same values give the same bytes;
// the Verify methods say whether to believe one, each failure an error of its
// own. A parsed PAC proves nothing before it is verified. krb.EncTicketPart takes
// it out of a ticket's authorization data and puts it in (PAC, WithPAC).
//
// What a PAC of each ticket holds:
//
//	LogonInfo, ClientInfo, UPNDNSInfo              every one
//	Attributes, Requestor                          ticket-granting tickets
//	Credentials                                    tickets got with a public key
//	server and KDC signature                       every one
//	ticket signature, full signature               tickets for services
package pac

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"hellolab/providers/wire/sid"
)

// PACTYPE (MS-PAC 2.3, 2.4), little-endian:
//
//	0   u32  number of buffers
//	4   u32  version, 0
//	8   { u32 type, u32 size, u64 offset } for each buffer
//	…   the buffers, each at a multiple of 8 from the start; sizes without padding

// Type is the type of a buffer (MS-PAC 2.4).
type Type uint32

// Types of buffers.
const (
	TypeLogonInfo       Type = 1
	TypeCredentials     Type = 2
	TypeServerSignature Type = 6
	TypeKDCSignature    Type = 7
	TypeClientInfo      Type = 10
	TypeDelegationInfo  Type = 11
	TypeUPNDNSInfo      Type = 12
	TypeClientClaims    Type = 13
	TypeDeviceInfo      Type = 14
	TypeDeviceClaims    Type = 15
	TypeTicketSignature Type = 16
	TypeAttributes      Type = 17
	TypeRequestor       Type = 18
	TypeFullSignature   Type = 19
)

var typeNames = map[Type]string{
	TypeLogonInfo: "LOGON_INFO", TypeCredentials: "CREDENTIAL_INFO",
	TypeServerSignature: "server signature", TypeKDCSignature: "KDC signature",
	TypeClientInfo: "CLIENT_INFO", TypeDelegationInfo: "DELEGATION_INFO", TypeUPNDNSInfo: "UPN_DNS_INFO",
	TypeClientClaims: "CLIENT_CLAIMS_INFO", TypeDeviceInfo: "DEVICE_INFO", TypeDeviceClaims: "DEVICE_CLAIMS_INFO",
	TypeTicketSignature: "ticket signature", TypeAttributes: "ATTRIBUTES_INFO", TypeRequestor: "REQUESTOR",
	TypeFullSignature: "full signature",
}

func (t Type) String() string {
	if s, ok := typeNames[t]; ok {
		return s
	}
	return fmt.Sprintf("buffer of type %d", uint32(t))
}

// Bounds of what is read and written. A domain's largest legitimate PAC, of an
// account in 1,015 groups, is below 48 kB.
const (
	maxSize    = 96 << 10
	maxBuffers = 64
)

// ErrSyntax is what Parse answers for anything but a PAC, and ErrSize for one
// beyond the bounds, read or to be written.
var (
	ErrSyntax = errors.New("not a PAC")
	ErrSize   = errors.New("PAC is too big")
)

// PAC is the content of a privilege attribute certificate. Absent buffers are
// nil or zero. A PAC that Parse made keeps the bytes, which the Verify methods
// look at: changing its fields changes only what Sign would write.
type PAC struct {
	LogonInfo   *LogonInfo
	Credentials *Credentials
	ClientInfo  *ClientInfo
	UPNDNSInfo  *UPNDNSInfo
	Attributes  *Attributes
	Requestor   sid.SID
	Others      []Buffer // of types this package does not read, in order

	raw        []byte
	signatures map[Type]signature
}

// Buffer is one buffer as it is.
type Buffer struct {
	Type Type
	Data []byte
}

// Parse reads a PAC. Two buffers of one type, buffers that overlap and
// malformed ones are refused.
func Parse(b []byte) (*PAC, error) {
	if len(b) > maxSize {
		return nil, ErrSize
	}
	buffers, err := split(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	p := &PAC{raw: slices.Clone(b), signatures: map[Type]signature{}}
	for _, f := range buffers {
		if err := p.decode(f.typ, p.raw[f.start:f.end], f.start); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrSyntax, f.typ, err)
		}
	}
	return p, nil
}

type frame struct {
	typ        Type
	start, end int
}

// split reads the list of buffers, in its order.
func split(b []byte) ([]frame, error) {
	if len(b) < 8 {
		return nil, errors.New("no header")
	}
	n := binary.LittleEndian.Uint32(b)
	if v := binary.LittleEndian.Uint32(b[4:]); v != 0 {
		return nil, fmt.Errorf("version %d", v)
	}
	if n > maxBuffers || int(n) > (len(b)-8)/16 {
		return nil, fmt.Errorf("%d buffers", n)
	}
	header := 8 + 16*int(n)
	frames := make([]frame, n)
	seen := make(map[Type]bool, n)
	for i := range frames {
		entry := b[8+16*i:]
		typ := Type(binary.LittleEndian.Uint32(entry))
		size, offset := uint64(binary.LittleEndian.Uint32(entry[4:])), binary.LittleEndian.Uint64(entry[8:])
		switch {
		case seen[typ]:
			return nil, fmt.Errorf("%s comes twice", typ)
		case offset%8 != 0:
			return nil, fmt.Errorf("%s is not aligned", typ)
		case offset < uint64(header) || offset > uint64(len(b)) || size > uint64(len(b))-offset:
			return nil, fmt.Errorf("%s is not inside", typ)
		}
		seen[typ] = true
		frames[i] = frame{typ, int(offset), int(offset + size)}
	}
	// One byte in two buffers could be signed as the one and read as the other.
	order := slices.Clone(frames)
	slices.SortFunc(order, func(x, y frame) int { return x.start - y.start })
	for i := 1; i < len(order); i++ {
		if order[i].start < order[i-1].end {
			return nil, fmt.Errorf("%s overlaps %s", order[i].typ, order[i-1].typ)
		}
	}
	return frames, nil
}

// decode reads one buffer, which starts at byte start of the PAC.
func (p *PAC) decode(typ Type, data []byte, start int) (err error) {
	switch typ {
	case TypeLogonInfo:
		p.LogonInfo, err = decodeLogonInfo(data)
	case TypeCredentials:
		p.Credentials, err = decodeCredentials(data)
	case TypeClientInfo:
		p.ClientInfo, err = decodeClientInfo(data)
	case TypeUPNDNSInfo:
		p.UPNDNSInfo, err = decodeUPNDNSInfo(data)
	case TypeAttributes:
		p.Attributes, err = decodeAttributes(data)
	case TypeRequestor:
		p.Requestor, err = sid.Decode(data)
	case TypeServerSignature, TypeKDCSignature, TypeTicketSignature, TypeFullSignature:
		p.signatures[typ], err = decodeSignature(data, start)
	default:
		p.Others = append(p.Others, Buffer{typ, data})
	}
	return err
}

// buffers returns what there is in the order Sign writes it, without signatures.
func (p *PAC) buffers() ([]Buffer, error) {
	var out []Buffer
	add := func(typ Type, data []byte, err error) error {
		if err != nil {
			return fmt.Errorf("%s: %w", typ, err)
		}
		out = append(out, Buffer{typ, data})
		return nil
	}
	var err error
	if p.LogonInfo != nil {
		data, e := p.LogonInfo.encode()
		err = errors.Join(err, add(TypeLogonInfo, data, e))
	}
	if p.Credentials != nil {
		err = errors.Join(err, add(TypeCredentials, p.Credentials.encode(), nil))
	}
	if p.ClientInfo != nil {
		data, e := p.ClientInfo.encode()
		err = errors.Join(err, add(TypeClientInfo, data, e))
	}
	if p.UPNDNSInfo != nil {
		data, e := p.UPNDNSInfo.encode()
		err = errors.Join(err, add(TypeUPNDNSInfo, data, e))
	}
	if p.Attributes != nil {
		err = errors.Join(err, add(TypeAttributes, p.Attributes.encode(), nil))
	}
	if !p.Requestor.IsZero() {
		err = errors.Join(err, add(TypeRequestor, p.Requestor.Bytes(), nil))
	}
	if err != nil {
		return nil, err
	}
	return append(out, p.Others...), nil
}

// join writes buffers as a PAC, and says where each starts.
func join(buffers []Buffer) (raw []byte, starts map[Type]int, err error) {
	if len(buffers) > maxBuffers {
		return nil, nil, ErrSize
	}
	header := 8 + 16*len(buffers)
	raw = make([]byte, header)
	starts = make(map[Type]int, len(buffers))
	binary.LittleEndian.PutUint32(raw, uint32(len(buffers)))
	for i, f := range buffers {
		if _, twice := starts[f.Type]; twice {
			return nil, nil, fmt.Errorf("%s comes twice", f.Type)
		}
		if len(f.Data) > math.MaxInt32 {
			return nil, nil, ErrSize
		}
		starts[f.Type] = len(raw)
		entry := raw[8+16*i:]
		binary.LittleEndian.PutUint32(entry, uint32(f.Type))
		binary.LittleEndian.PutUint32(entry[4:], uint32(len(f.Data)))
		binary.LittleEndian.PutUint64(entry[8:], uint64(len(raw)))
		raw = pad(append(raw, f.Data...))
		if len(raw) > maxSize {
			return nil, nil, ErrSize
		}
	}
	return raw, starts, nil
}

// pad fills b with zeros up to a multiple of 8.
func pad(b []byte) []byte {
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	return b
}
