package netlogon

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	ber "github.com/go-asn1-ber/asn1-ber"

	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/sid"
)

// Ping is what the filter of a ping asks about (MS-ADTS 6.3.3.1): a conjunction
// of equalities. An empty one is not asked about.
type Ping struct {
	DNSDomain  string
	Host       string // who asks: its NetBIOS name
	User       string // an account that the controller shall know
	AAC        uint32 // kinds of account that will do, as bits of userAccountControl
	DomainSID  sid.SID
	DomainGUID guid.GUID
	Version    uint32 // NtVer
}

// ErrFilter is wrapped by the error of ParseRequest for a ping whose filter no
// controller understands: the answer is an empty one.
var ErrFilter = errors.New("not the filter of a netlogon ping")

// Filter choices of LDAP (RFC 4511 4.5.1.7).
const (
	filterAnd   = 0
	filterEqual = 3
)

// filter returns the filter.
func (p *Ping) filter() *ber.Packet {
	and := ber.Encode(ber.ClassContext, ber.TypeConstructed, filterAnd, nil, "")
	add := func(name, value string, there bool) {
		if !there {
			return
		}
		item := ber.Encode(ber.ClassContext, ber.TypeConstructed, filterEqual, nil, "")
		item.AppendChild(octetString(name))
		item.AppendChild(octetString(value))
		and.AppendChild(item)
	}
	le := binary.LittleEndian
	g := p.DomainGUID.Windows()
	add("DnsDomain", p.DNSDomain, p.DNSDomain != "")
	add("Host", p.Host, p.Host != "")
	add("User", p.User, p.User != "")
	add("AAC", string(le.AppendUint32(nil, p.AAC)), p.AAC != 0)
	if !p.DomainSID.IsZero() {
		add("DomainSid", string(p.DomainSID.Bytes()), true)
	}
	add("DomainGuid", string(g[:]), !p.DomainGUID.IsZero())
	add("NtVer", string(le.AppendUint32(nil, p.Version)), true)
	return and
}

// parseFilter reads a filter. Names are compared without regard to case; items
// of other names are passed over, as they may be of later versions.
func parseFilter(f *ber.Packet) (*Ping, error) {
	p := &Ping{}
	seen := map[string]bool{}
	if err := p.collect(f, seen); err != nil {
		return nil, err
	}
	return p, nil
}

// collect takes an equality, or all of a conjunction; the depth is bounded by
// the scan before.
func (p *Ping) collect(f *ber.Packet, seen map[string]bool) error {
	if f.ClassType != ber.ClassContext || f.TagType != ber.TypeConstructed {
		return ErrFilter
	}
	switch f.Tag {
	case filterAnd:
		for _, c := range f.Children {
			if err := p.collect(c, seen); err != nil {
				return err
			}
		}
		return nil
	case filterEqual:
		if len(f.Children) != 2 || !isOctets(f.Children[0]) || !isOctets(f.Children[1]) {
			return ErrFilter
		}
		name, value := strings.ToLower(string(f.Children[0].ByteValue)), f.Children[1].ByteValue
		if seen[name] {
			return fmt.Errorf("%w: %.20q is there twice", ErrFilter, name)
		}
		seen[name] = true
		return p.set(name, value)
	}
	return fmt.Errorf("%w: choice %d", ErrFilter, f.Tag)
}

func (p *Ping) set(name string, value []byte) error {
	bad := fmt.Errorf("%w: the value of %.20q", ErrFilter, name)
	switch name {
	case "dnsdomain", "host", "user":
		if !utf8.Valid(value) || strings.ContainsRune(string(value), 0) || name == "dnsdomain" && len(value) == 0 {
			return bad
		}
	case "aac", "ntver":
		if len(value) != 4 {
			return bad
		}
	}
	switch name {
	case "dnsdomain":
		p.DNSDomain = string(value)
	case "host":
		p.Host = string(value)
	case "user":
		p.User = string(value)
	case "aac":
		p.AAC = binary.LittleEndian.Uint32(value)
	case "ntver":
		p.Version = binary.LittleEndian.Uint32(value)
	case "domainguid":
		if len(value) != 16 {
			return bad
		}
		p.DomainGUID = guid.FromWindows([16]byte(value))
	case "domainsid":
		var err error
		if p.DomainSID, err = sid.Decode(value); err != nil {
			return bad
		}
	}
	return nil
}
