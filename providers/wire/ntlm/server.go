package ntlm

import (
	"bytes"
	"crypto/hmac"
	"crypto/rc4"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"hellolab/providers/wire/filetime"
)

// Server makes challenges. It is not changed by an exchange.
type Server struct {
	NetBIOSDomain   string
	DNSDomain       string
	NetBIOSComputer string
	DNSComputer     string
	Now             func() time.Time
	Rand            io.Reader
}

// Exchange is one that waits for the client's answer.
type Exchange struct {
	negotiate, challenge []byte
	nonce                [8]byte
	flags                Flags
	done                 bool
}

// offered are the options that a server grants a client that asks for them.
const offered = Sign | Seal | NTLM | AlwaysSign | ExtendedSecurity | Bits128 | KeyExchange | Bits56

// Begin takes the client's first message and returns the challenge.
func (s *Server) Begin(negotiate []byte) (*Exchange, []byte, error) {
	n, err := ParseNegotiate(negotiate)
	if err != nil {
		return nil, nil, err
	}
	c := &Challenge{Flags: n.Flags&offered | RequestTarget | TargetTypeDomain | TargetInfo | NTLM, Target: s.NetBIOSDomain}
	switch {
	case n.Flags.Has(Unicode):
		c.Flags |= Unicode
	case n.Flags.Has(OEM):
		c.Flags |= OEM
	default:
		return nil, nil, ErrFlags
	}
	if _, err := io.ReadFull(s.Rand, c.Nonce[:]); err != nil {
		return nil, nil, fmt.Errorf("challenge: %w", err)
	}
	c.Info = encodePairs([]pair{
		{avNetBIOSDomain, utf16le(s.NetBIOSDomain)}, {avNetBIOSComputer, utf16le(s.NetBIOSComputer)},
		{avDNSDomain, utf16le(s.DNSDomain)}, {avDNSComputer, utf16le(s.DNSComputer)}, {avDNSTree, utf16le(s.DNSDomain)},
		{avTimestamp, binary.LittleEndian.AppendUint64(nil, filetime.From(s.Now()))},
	})
	message := c.Encode()
	return &Exchange{negotiate: bytes.Clone(negotiate), challenge: message, nonce: c.Nonce, flags: c.Flags}, message, nil
}

// Answer is what a client answered. It proves nothing before somebody with the
// hash verified it, and then Keys the messages.
type Answer struct {
	User        string // as the client spelled it, like the domain
	Domain      string
	Workstation string
	Challenge   [8]byte
	Response    []byte // of the second version

	exchange *Exchange
	message  []byte
	parsed   *Authenticate
	response *response
}

// Answer reads the client's answer. A challenge takes one.
func (e *Exchange) Answer(message []byte) (*Answer, error) {
	if e.done {
		return nil, fmt.Errorf("%w: the challenge was answered", ErrMessage)
	}
	e.done = true
	m, err := ParseAuthenticate(message)
	if err != nil {
		return nil, err
	}
	switch {
	case m.Flags.Has(Anonymous) || m.User == "" && len(m.NT) == 0:
		return nil, ErrAnonymous
	case len(m.NT) == 0:
		return nil, ErrVersion // LM alone
	case m.Flags.Has(Unicode) != e.flags.Has(Unicode):
		return nil, ErrFlags
	}
	r, err := parseResponse(m.NT)
	if err != nil {
		return nil, err
	}
	return &Answer{User: m.User, Domain: m.Domain, Workstation: m.Workstation, Challenge: e.nonce, Response: m.NT,
		exchange: e, message: bytes.Clone(message), parsed: m, response: r}, nil
}

// Keys takes the session base key that the domain found, verifies the
// integrity code of the three messages where the client made one, and returns
// the exported session key.
func (a *Answer) Keys(sessionBase []byte) ([]byte, error) {
	key := sessionBase
	if a.parsed.Flags.Has(KeyExchange) && a.exchange.flags.Has(KeyExchange) {
		if len(a.parsed.Key) != 16 {
			return nil, fmt.Errorf("%w: no session key", ErrMessage)
		}
		key = make([]byte, 16)
		stream, err := rc4.NewCipher(sessionBase)
		if err != nil {
			return nil, fmt.Errorf("session key: %w", err)
		}
		stream.XORKeyStream(key, a.parsed.Key)
	}
	if !a.response.mic() {
		return key, nil
	}
	if a.parsed.payload < atMIC+sizeMIC || len(a.message) < atMIC+sizeMIC {
		return nil, fmt.Errorf("%w: no integrity code", ErrMessage)
	}
	if !hmac.Equal(integrity(key, a.exchange.negotiate, a.exchange.challenge, a.message), a.message[atMIC:][:sizeMIC]) {
		return nil, ErrIntegrity
	}
	return key, nil
}

// integrity is the code of three messages, the last without it (MS-NLMP
// 3.1.5.1.2).
func integrity(key, negotiate, challenge, authenticate []byte) []byte {
	last := bytes.Clone(authenticate)
	clear(last[atMIC:][:sizeMIC])
	return mac(key, negotiate, challenge, last)
}
