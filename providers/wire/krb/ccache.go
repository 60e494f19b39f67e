package krb

import (
	"encoding/binary"
	"errors"
	"strings"
	"time"
)

// Credential is a ticket with what its holder knows of it.
type Credential struct {
	CRealm    string
	Client    Name
	SRealm    string
	Server    Name
	Key       Key
	Flags     Flags
	AuthTime  time.Time
	StartTime time.Time
	EndTime   time.Time
	RenewTill time.Time
	Addresses []HostAddress
	Ticket    []byte // encoded
}

// CCache is the content of a credential cache file.
type CCache struct {
	Realm       string
	Principal   Name
	Credentials []Credential
}

// A credential cache file of version 4, all numbers big endian (MIT krb5,
// doc/formats/ccache_file_format). "data" is a length of 4 bytes and as many bytes.
//
//	05 04                           version
//	2                               length of the header, whose fields are skipped
//	principal                       default principal
//	credential …                    to the end
//
//	principal:  4 type, 4 count, data realm, data part …
//	credential: principal client, principal server, 2 key type, data key,
//	            4 authtime, 4 starttime, 4 endtime, 4 renew-till, 1 is_skey, 4 flags,
//	            4 count { 2 type, data } addresses, 4 count { 2 type, data } authorization data,
//	            data ticket, data second ticket

// maxCCache bounds a file, in bytes.
const maxCCache = 4 << 20

// confRealm marks entries that are settings of a client, not credentials.
const confRealm = "X-CACHECONF:"

// Encode writes the file.
func (c *CCache) Encode() []byte {
	b := []byte{5, 4, 0, 12, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0} // no difference of clocks
	b = appendPrincipal(b, c.Realm, c.Principal)
	for i := range c.Credentials {
		k := &c.Credentials[i]
		b = appendPrincipal(b, k.CRealm, k.Client)
		b = appendPrincipal(b, k.SRealm, k.Server)
		b = appendData(binary.BigEndian.AppendUint16(b, uint16(k.Key.EType)), k.Key.Value)
		for _, t := range []time.Time{k.AuthTime, k.StartTime, k.EndTime, k.RenewTill} {
			b = binary.BigEndian.AppendUint32(b, unix32(t))
		}
		b = binary.BigEndian.AppendUint32(append(b, 0), uint32(k.Flags))
		b = binary.BigEndian.AppendUint32(b, uint32(len(k.Addresses)))
		for _, a := range k.Addresses {
			b = appendData(binary.BigEndian.AppendUint16(b, uint16(a.Type)), a.Address)
		}
		b = appendData(append(b, 0, 0, 0, 0), k.Ticket)
		b = appendData(b, nil)
	}
	return b
}

func unix32(t time.Time) uint32 {
	if t.IsZero() {
		return 0
	}
	return uint32(t.Unix())
}

func appendData(b, data []byte) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(data))), data...)
}

func appendPrincipal(b []byte, realm string, n Name) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(n.Type))
	b = binary.BigEndian.AppendUint32(b, uint32(len(n.Parts)))
	b = appendData(b, []byte(realm))
	for _, p := range n.Parts {
		b = appendData(b, []byte(p))
	}
	return b
}

// cursor reads big endian numbers; the first failure stays.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) take(n int) []byte {
	if c.bad || n < 0 || n > len(c.b) {
		c.bad = true
		return nil
	}
	out := c.b[:n:n]
	c.b = c.b[n:]
	return out
}

func (c *cursor) u16() uint16 {
	if b := c.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if b := c.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (c *cursor) data() []byte {
	n := c.u32()
	if n > maxCCache {
		c.bad = true
	}
	return c.take(int(n))
}

func (c *cursor) principal() (string, Name) {
	n := Name{Type: int32(c.u32())}
	count := c.u32()
	realm := string(c.data())
	for i := uint32(0); i < count && !c.bad; i++ {
		if i == maxParts {
			c.bad = true
		}
		n.Parts = append(n.Parts, string(c.data()))
	}
	return realm, n
}

func (c *cursor) time() time.Time {
	if s := c.u32(); s != 0 {
		return time.Unix(int64(s), 0).UTC()
	}
	return time.Time{}
}

// pairs reads a counted list of { type, data }.
func (c *cursor) pairs() (list []HostAddress) {
	for n := c.u32(); n > 0 && !c.bad; n-- {
		list = append(list, HostAddress{int32(int16(c.u16())), c.data()})
	}
	return list
}

// ParseCCache reads a file. Settings of clients within it are left out.
func ParseCCache(b []byte) (*CCache, error) {
	if len(b) > maxCCache {
		return nil, errors.New("credential cache: too long")
	}
	c := &cursor{b: b}
	if v := c.u16(); v != 0x0504 {
		return nil, errors.New("credential cache: not of version 4")
	}
	c.take(int(c.u16()))
	out := &CCache{}
	out.Realm, out.Principal = c.principal()
	for len(c.b) > 0 && !c.bad {
		var k Credential
		k.CRealm, k.Client = c.principal()
		k.SRealm, k.Server = c.principal()
		k.Key.EType = int32(int16(c.u16()))
		k.Key.Value = c.data()
		k.AuthTime, k.StartTime, k.EndTime, k.RenewTill = c.time(), c.time(), c.time(), c.time()
		c.take(1)
		k.Flags = Flags(c.u32())
		k.Addresses = c.pairs()
		c.pairs()
		k.Ticket = c.data()
		c.data()
		if !strings.HasPrefix(k.SRealm, confRealm) {
			out.Credentials = append(out.Credentials, k)
		}
	}
	if c.bad {
		return nil, errors.New("credential cache: cut short")
	}
	return out, nil
}

// Find returns the credential for a server.
func (c *CCache) Find(server Name) (*Credential, bool) {
	for i := range c.Credentials {
		if c.Credentials[i].Server.Equal(server) {
			return &c.Credentials[i], true
		}
	}
	return nil, false
}
