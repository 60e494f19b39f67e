// Package netlogon is the ping by which a Windows client finds out whether a
// domain controller is alive and what it can do (MS-ADTS 6.3.3): an LDAP search
// of the root for the attribute netlogon, one datagram each way (CLDAP, port
// 389). Request and response are the datagrams; Ping is what the filter asks
// about, Response is the value of the attribute.
package netlogon

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"hellolab/providers/wire/guid"
)

// Port is where domain controllers answer.
const Port = 389

// Bits of NtVer (MS-ADTS 6.3.1.1): which answer the client understands.
const (
	Version1           = 0x00000001
	Version5           = 0x00000002
	Version5EX         = 0x00000004 // NETLOGON_SAM_LOGON_RESPONSE_EX
	Version5EXWithIP   = 0x00000008 // with the controller's address
	VersionClosestSite = 0x00000010 // with the site that is next closest
)

// Flags say what a domain controller is and can (DS_FLAG, MS-ADTS 6.3.1.2).
type Flags uint32

// Flags.
const (
	FlagPDC           Flags = 0x00000001
	FlagGC            Flags = 0x00000004
	FlagLDAP          Flags = 0x00000008
	FlagDS            Flags = 0x00000010
	FlagKDC           Flags = 0x00000020
	FlagTimeServ      Flags = 0x00000040
	FlagClosest       Flags = 0x00000080 // in the client's site
	FlagWritable      Flags = 0x00000100
	FlagGoodTimeServ  Flags = 0x00000200
	FlagRODC          Flags = 0x00000800
	FlagFullSecrets   Flags = 0x00001000
	FlagWebService    Flags = 0x00002000
	FlagDS8           Flags = 0x00004000 // Windows Server 2012 or later
	FlagDS9           Flags = 0x00008000 // 2012 R2
	FlagDS10          Flags = 0x00010000 // 2016
	FlagKeyList       Flags = 0x00020000 // answers KERB-KEY-LIST-REQ
	FlagDNSController Flags = 0x20000000 // names are DNS names
	FlagDNSDomain     Flags = 0x40000000 // of the default naming context
	FlagDNSForest     Flags = 0x80000000 // of the forest's root
)

// Has says whether all of want are set.
func (f Flags) Has(want Flags) bool { return f&want == want }

// Operations of a response.
const (
	OpResponse    = 23 // LOGON_SAM_LOGON_RESPONSE_EX
	OpUserUnknown = 25 // LOGON_SAM_USER_UNKNOWN_EX
)

// Response is NETLOGON_SAM_LOGON_RESPONSE_EX (MS-ADTS 6.3.1.9), little-endian:
//
//	u16  opcode
//	u16  0
//	u32  flags
//	16   GUID of the domain
//	     names, compressed by RFC 1035 4.1.4: forest, domain, host, NetBIOS
//	     domain, NetBIOS host, user, site of the controller, site of the client
//	u8   16, and sockaddr_in of the controller: with Version5EXWithIP
//	     name of the next closest site: with VersionClosestSite
//	u32  version
//	u16  0xFFFF
//	u16  0xFFFF
type Response struct {
	Opcode        uint16
	Flags         Flags
	DomainGUID    guid.GUID
	Forest        string
	Domain        string
	Host          string
	NetBIOSDomain string
	NetBIOSHost   string
	User          string
	Site          string
	ClientSite    string     // "" when the client's address is in none
	Address       netip.Addr // IPv4, with Version5EXWithIP
	NextSite      string     // with VersionClosestSite
	Version       uint32
}

// ErrResponse is wrapped by every error of ParseResponse and Marshal.
var ErrResponse = errors.New("not an answer to a netlogon ping")

const (
	head       = 2 + 2 + 4 + 16
	tail       = 4 + 2 + 2
	sockaddr   = 16
	familyINET = 2
)

// names are the names that always stand there, in their order.
func (r *Response) names() [8]*string {
	return [...]*string{&r.Forest, &r.Domain, &r.Host, &r.NetBIOSDomain, &r.NetBIOSHost, &r.User, &r.Site, &r.ClientSite}
}

// Marshal writes the response. It fails on a name that RFC 1035 cannot hold:
// labels of more than 63 bytes, empty labels, 255 bytes in all.
func (r *Response) Marshal() ([]byte, error) {
	le := binary.LittleEndian
	b := make([]byte, 0, 256)
	b = le.AppendUint16(b, r.Opcode)
	b = le.AppendUint16(b, 0)
	b = le.AppendUint32(b, uint32(r.Flags))
	w := r.DomainGUID.Windows()
	b = append(b, w[:]...)
	c := compressor{}
	var err error
	for _, name := range r.names() {
		if b, err = c.append(b, *name); err != nil {
			return nil, err
		}
	}
	if r.Version&Version5EXWithIP != 0 {
		if !r.Address.Is4() {
			return nil, fmt.Errorf("%w: no IPv4 address to tell", ErrResponse)
		}
		ip := r.Address.As4()
		b = append(b, sockaddr, familyINET, 0, 0, 0)
		b = append(b, ip[:]...)
		b = append(b, make([]byte, 8)...)
	}
	if r.Version&VersionClosestSite != 0 {
		if b, err = c.append(b, r.NextSite); err != nil {
			return nil, err
		}
	}
	b = le.AppendUint32(b, r.Version)
	return append(b, 0xff, 0xff, 0xff, 0xff), nil
}

// ParseResponse reads a response that fills b.
func ParseResponse(b []byte) (*Response, error) {
	le := binary.LittleEndian
	if len(b) < head+tail || len(b) > maxDatagram {
		return nil, fmt.Errorf("%w: %d bytes", ErrResponse, len(b))
	}
	end := len(b) - tail
	r := &Response{
		Opcode:     le.Uint16(b),
		Flags:      Flags(le.Uint32(b[4:])),
		DomainGUID: guid.FromWindows([16]byte(b[8:24])),
		Version:    le.Uint32(b[end:]),
	}
	if r.Opcode != OpResponse && r.Opcode != OpUserUnknown {
		return nil, fmt.Errorf("%w: operation %d", ErrResponse, r.Opcode)
	}
	if le.Uint32(b[end+4:]) != 0xffffffff {
		return nil, fmt.Errorf("%w: it does not end as one", ErrResponse)
	}
	body, at := b[:end], head
	var err error
	for _, name := range r.names() {
		if *name, at, err = readName(body, at); err != nil {
			return nil, err
		}
	}
	if r.Version&Version5EXWithIP != 0 {
		if len(body) < at+1+sockaddr || body[at] != sockaddr || le.Uint16(body[at+1:]) != familyINET {
			return nil, fmt.Errorf("%w: no IPv4 address where one is due", ErrResponse)
		}
		r.Address = netip.AddrFrom4([4]byte(body[at+5:]))
		at += 1 + sockaddr
	}
	if r.Version&VersionClosestSite != 0 {
		if r.NextSite, at, err = readName(body, at); err != nil {
			return nil, err
		}
	}
	if at != end {
		return nil, fmt.Errorf("%w: %d bytes too many", ErrResponse, end-at)
	}
	return r, nil
}
