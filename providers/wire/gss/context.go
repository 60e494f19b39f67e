package gss

import (
	"crypto/hmac"
	"encoding/binary"
	"slices"
	"sync"

	"hellolab/providers/wire/krb"
)

// Tokens of messages (RFC 4121 4.2.6), big-endian:
//
//	     MIC                             Wrap
//	0    04 04                           05 04
//	2    u8   flags                      u8   flags
//	3    FF FF FF FF FF                  FF
//	4                                    u16  EC
//	6                                    u16  RRC
//	8    u64  sequence number            u64  sequence number
//	16   checksum over                   see below, rotated right by RRC bytes
//	     message | token's header
//
// A sealed message is E(message | EC filler bytes | header with RRC 0), one
// that is only signed is message | checksum over (message | header with EC and
// RRC 0), where EC is the checksum's size.
const (
	headerSize = 16
	confounder = 16
	sumSize    = 12

	overheadSealed = headerSize + confounder + headerSize + sumSize
	overheadSigned = headerSize + sumSize

	micTag  = 0x0404
	wrapTag = 0x0504

	byAcceptor       = 0x01
	sealed           = 0x02
	withAcceptorsKey = 0x04
	knownHeaderFlags = byAcceptor | sealed | withAcceptorsKey
)

// Context is an established context: it protects messages both ways. It is safe
// for one reader and any number of writers at once.
type Context struct {
	flags     Flags
	initiator bool
	key       krb.Key // the acceptor's subkey, or else the initiator's, or the session key
	acceptors bool    // whether key is the acceptor's subkey

	mu   sync.Mutex
	next uint64 // number of the next message sent
	in   window
}

// newContext checks that the key is of a type whose tokens are known here.
func newContext(c *Context) (*Context, error) {
	if c.key.EType != krb.AES128 && c.key.EType != krb.AES256 {
		return nil, krb.NewError(krb.ErrETypeNoSupport, "Messages are protected with AES keys, not with keys of encryption type %d.", c.key.EType)
	}
	return c, nil
}

// Flags are what the initiator asked for and both sides keep to.
func (c *Context) Flags() Flags { return c.flags }

// MaxMessage is how long a message may be for its Wrap token to have at most
// token bytes; 0 if there is none.
func (c *Context) MaxMessage(token int, seal bool) int {
	if seal {
		return max(0, token-overheadSealed)
	}
	return max(0, token-overheadSigned)
}

// usage is the key usage of a message from the initiator or the acceptor.
func usage(fromInitiator, mic bool) uint32 {
	switch {
	case fromInitiator && mic:
		return krb.UsageInitiatorSign
	case fromInitiator:
		return krb.UsageInitiatorSeal
	case mic:
		return krb.UsageAcceptorSign
	}
	return krb.UsageAcceptorSeal
}

// header starts a token of the next sequence number.
func (c *Context) header(tag uint16, flags byte) []byte {
	if !c.initiator {
		flags |= byAcceptor
	}
	if c.acceptors {
		flags |= withAcceptorsKey
	}
	c.mu.Lock()
	n := c.next
	c.next++
	c.mu.Unlock()
	h := make([]byte, headerSize)
	binary.BigEndian.PutUint16(h, tag)
	h[2] = flags
	for i := 3; i < 8; i++ {
		h[i] = 0xFF
	}
	if tag == wrapTag {
		clear(h[4:8])
	}
	binary.BigEndian.PutUint64(h[8:], n)
	return h
}

// Wrap signs a message, and seals it if seal is set.
func (c *Context) Wrap(message []byte, seal bool) ([]byte, error) {
	if seal {
		h := c.header(wrapTag, sealed)
		cipher, err := c.key.Encrypt(usage(c.initiator, false), slices.Concat(message, h))
		if err != nil {
			return nil, err
		}
		return append(h, cipher...), nil
	}
	h := c.header(wrapTag, 0)
	sum, err := c.key.Checksum(usage(c.initiator, false), slices.Concat(message, h))
	if err != nil {
		return nil, err
	}
	binary.BigEndian.PutUint16(h[4:], uint16(len(sum.Sum)))
	return slices.Concat(h, message, sum.Sum), nil
}

// Unwrap returns the message of a Wrap token and whether it was sealed.
// ErrIntegrity, ErrDuplicate, ErrOld and ErrOrder tell what is wrong.
func (c *Context) Unwrap(token []byte) (message []byte, sealedBy bool, err error) {
	h, err := c.check(token, wrapTag)
	if err != nil {
		return nil, false, err
	}
	if h[3] != 0xFF {
		return nil, false, ErrDefective
	}
	ec, rrc := int(binary.BigEndian.Uint16(h[4:])), int(binary.BigEndian.Uint16(h[6:]))
	body := unrotate(token[headerSize:], rrc)
	clear(h[6:8])
	if h[2]&sealed != 0 {
		message, err = c.unseal(h, body, ec)
	} else {
		message, err = c.unsign(h, body, ec)
	}
	if err == nil {
		err = c.order(h)
	}
	if err != nil {
		return nil, false, err
	}
	return message, h[2]&sealed != 0, nil
}

func (c *Context) unseal(h, body []byte, ec int) ([]byte, error) {
	plain, err := c.key.Decrypt(usage(!c.initiator, false), body)
	if err != nil {
		return nil, ErrIntegrity
	}
	n := len(plain) - headerSize - ec
	if n < 0 || !hmac.Equal(plain[n+ec:], h) {
		return nil, ErrIntegrity
	}
	return plain[:n:n], nil
}

func (c *Context) unsign(h, body []byte, ec int) ([]byte, error) {
	if ec != sumSize || len(body) < ec {
		return nil, ErrDefective
	}
	clear(h[4:6])
	n := len(body) - ec
	message := body[:n:n]
	sum := krb.Checksum{Type: krb.ChecksumType(c.key.EType), Sum: body[n:]}
	if !c.key.VerifyChecksum(usage(!c.initiator, false), slices.Concat(message, h), sum) {
		return nil, ErrIntegrity
	}
	return message, nil
}

// MIC returns a token that signs a message, which travels apart from it.
func (c *Context) MIC(message []byte) ([]byte, error) {
	h := c.header(micTag, 0)
	sum, err := c.key.Checksum(usage(c.initiator, true), slices.Concat(message, h))
	if err != nil {
		return nil, err
	}
	return append(h, sum.Sum...), nil
}

// VerifyMIC checks the token of a message, as Unwrap does.
func (c *Context) VerifyMIC(message, token []byte) error {
	h, err := c.check(token, micTag)
	if err != nil {
		return err
	}
	if h[2]&sealed != 0 || string(h[3:8]) != "\xFF\xFF\xFF\xFF\xFF" {
		return ErrDefective
	}
	sum := krb.Checksum{Type: krb.ChecksumType(c.key.EType), Sum: token[headerSize:]}
	if !c.key.VerifyChecksum(usage(!c.initiator, true), slices.Concat(message, h), sum) {
		return ErrIntegrity
	}
	return c.order(h)
}

// check looks at a token's header and returns a copy of it.
func (c *Context) check(token []byte, tag uint16) ([]byte, error) {
	if len(token) < headerSize || len(token) > maxToken || binary.BigEndian.Uint16(token) != tag || token[2]&^knownHeaderFlags != 0 {
		return nil, ErrDefective
	}
	// A message sent back to its sender, or under a key that was not agreed.
	if (token[2]&byAcceptor != 0) != c.initiator || (token[2]&withAcceptorsKey != 0) != c.acceptors {
		return nil, ErrIntegrity
	}
	return slices.Clone(token[:headerSize]), nil
}

// order looks at the number of a message that is otherwise good.
func (c *Context) order(h []byte) error {
	if c.flags&(Replay|Sequence) == 0 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.in.take(binary.BigEndian.Uint64(h[8:]), c.flags.Has(Sequence))
}

// unrotate undoes a rotation to the right by rrc bytes.
func unrotate(b []byte, rrc int) []byte {
	if len(b) == 0 || rrc%len(b) == 0 {
		return b
	}
	rrc %= len(b)
	return slices.Concat(b[rrc:], b[:rrc])
}

// window remembers which of the last 64 messages came.
type window struct {
	next uint64 // the number after the highest that came
	seen uint64 // bit i: next-1-i came
}

// from is the window before the first message, whose number is n: none from
// before it can come.
func from(n uint64) window { return window{next: n, seen: ^uint64(0)} }

// take notes number n. In strict order only next may come.
func (w *window) take(n uint64, strict bool) error {
	switch ahead := n - w.next; {
	case ahead == 0:
		w.seen, w.next = w.seen<<1|1, n+1
		return nil
	case int64(ahead) > 0:
		if strict {
			return ErrOrder
		}
		w.seen, w.next = w.seen<<(ahead+1)|1, n+1
		return nil
	}
	back := w.next - 1 - n
	switch {
	case back >= 64:
		return ErrOld
	case w.seen>>back&1 != 0:
		return ErrDuplicate
	case strict:
		return ErrOrder
	}
	w.seen |= 1 << back
	return nil
}
