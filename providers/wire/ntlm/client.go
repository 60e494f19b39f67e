package ntlm

import (
	"bytes"
	"crypto/rc4"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"hellolab/providers/wire/filetime"
)

// Client answers challenges of one server.
type Client struct {
	User        string
	Domain      string
	Workstation string
	NTHash      []byte
	Target      string // service name of the server, told it under the proof; may be empty
	Now         time.Time
	Rand        io.Reader

	negotiate []byte
}

// Begin returns the first message.
func (c *Client) Begin() []byte {
	c.negotiate = Negotiate{Flags: Unicode | RequestTarget | NTLM | AlwaysSign | ExtendedSecurity | Bits128 | KeyExchange}.Encode()
	return bytes.Clone(c.negotiate)
}

// Answer returns the answer to a challenge, and the exported session key. Where
// the server tells its time, the answer has it, and an integrity code over the
// three messages (MS-NLMP 3.1.5.1.2).
func (c *Client) Answer(challenge []byte) (message, key []byte, err error) {
	m, err := ParseChallenge(challenge)
	if err != nil {
		return nil, nil, err
	}
	if c.negotiate == nil || !m.Flags.Has(Unicode|TargetInfo|ExtendedSecurity) {
		return nil, nil, ErrFlags
	}
	pairs, err := parsePairs(m.Info)
	if err != nil {
		return nil, nil, err
	}
	a := &Authenticate{Flags: m.Flags &^ (TargetTypeDomain | Version), LM: make([]byte, 24), User: c.User, Domain: c.Domain, Workstation: c.Workstation}
	at := find(pairs, avTimestamp, 8)
	if a.WithMIC = at != nil; a.WithMIC {
		pairs = append(pairs, pair{avFlags, []byte{flagMIC, 0, 0, 0}}, pair{avChannelBindings, make([]byte, 16)})
	} else {
		at = binary.LittleEndian.AppendUint64(nil, filetime.From(c.Now))
	}
	if c.Target != "" {
		pairs = append(pairs, pair{avTargetName, utf16le(c.Target)})
	}
	random := make([]byte, 8+16)
	if _, err := io.ReadFull(c.Rand, random); err != nil {
		return nil, nil, fmt.Errorf("challenge: %w", err)
	}
	blob := make([]byte, atPairs-atBlob)
	blob[0], blob[1] = 1, 1
	copy(blob[atTime-atBlob:], at)
	copy(blob[atNonce-atBlob:], random[:8])
	blob = append(append(blob, encodePairs(pairs)...), 0, 0, 0, 0)
	proof, base := prove(c.NTHash, c.User, c.Domain, m.Nonce, blob)
	a.NT = append(proof, blob...)
	if key = base; m.Flags.Has(KeyExchange) {
		key = random[8:]
		stream, err := rc4.NewCipher(base)
		if err != nil {
			return nil, nil, fmt.Errorf("session key: %w", err)
		}
		a.Key = make([]byte, 16)
		stream.XORKeyStream(a.Key, key)
	}
	message = a.Encode()
	if a.WithMIC {
		copy(message[atMIC:], integrity(key, c.negotiate, challenge, message))
	}
	return message, key, nil
}
