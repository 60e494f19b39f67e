package krb

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/binary"
	"math/bits"
)

// The encryption types of RFC 3962, aes128-cts-hmac-sha1-96 and
// aes256-cts-hmac-sha1-96, in the profile of RFC 3961 5.3. A request at a KDC
// takes ten of these operations, each with keys derived anew; gokrb5's take four
// times as long, the more of it for the garbage they leave. The tests hold both
// to the same bytes.
//
//	ciphertext = CTS(Ke, confounder ‖ plain) ‖ HMAC-SHA1-96(Ki, confounder ‖ plain)
//	checksum   = HMAC-SHA1-96(Kc, data)

// sumSize is the size of HMAC-SHA1-96, in bytes.
const sumSize = 12

// What the keys derived for one usage are for (RFC 3961 5.3).
const (
	forChecksum   byte = 0x99 // Kc
	forEncryption byte = 0xaa // Ke
	forIntegrity  byte = 0x55 // Ki
)

// aesKey derives keys from one key.
type aesKey struct {
	base cipher.Block
	size int // of keys, in bytes
}

// newAESKey takes a key of the right size.
func newAESKey(value []byte) (aesKey, error) {
	base, err := aes.NewCipher(value)
	return aesKey{base, len(value)}, err
}

// derive is DK(key, usage ‖ kind) of RFC 3961 5.1: AES in a chain over the
// constant folded to a block.
func (k aesKey) derive(usage uint32, kind byte) []byte {
	const n = aes.BlockSize
	from := fold(uint64(usage)<<8 | uint64(kind))
	chain := make([]byte, n+k.size)
	copy(chain, from[:])
	for at := n; at < len(chain); at += n {
		k.base.Encrypt(chain[at:at+n], chain[at-n:at])
	}
	return chain[n:]
}

// mac appends HMAC-SHA1-96 over data to out.
func (k aesKey) mac(usage uint32, kind byte, out, data []byte) []byte {
	h := hmac.New(sha1.New, k.derive(usage, kind))
	h.Write(data)
	n := len(out)
	return h.Sum(out)[:n+sumSize]
}

func (k aesKey) cts(usage uint32) (*cts, error) {
	block, err := aes.NewCipher(k.derive(usage, forEncryption))
	return &cts{Block: block}, err
}

// seal encrypts plain with a random confounder.
func (k aesKey) seal(usage uint32, plain []byte) ([]byte, error) {
	c, err := k.cts(usage)
	if err != nil {
		return nil, err
	}
	n := aes.BlockSize + len(plain)
	b := make([]byte, n, n+sha1.Size) // room for the whole sum, which is then cut
	if _, err := rand.Read(b[:aes.BlockSize]); err != nil {
		return nil, err
	}
	copy(b[aes.BlockSize:], plain)
	b = k.mac(usage, forIntegrity, b, b)
	c.encrypt(b[:n])
	return b, nil
}

// open decrypts what seal made; sealed holds a confounder and a sum at least.
func (k aesKey) open(usage uint32, sealed []byte) ([]byte, error) {
	c, err := k.cts(usage)
	if err != nil {
		return nil, err
	}
	n := len(sealed) - sumSize
	b := make([]byte, n, n+sha1.Size)
	copy(b, sealed)
	c.decrypt(b)
	sum := k.mac(usage, forIntegrity, b, b)[n:]
	if !hmac.Equal(sum, sealed[n:]) {
		return nil, ErrDecrypt
	}
	return b[aes.BlockSize:n:n], nil
}

// cts is CBC with ciphertext stealing, always with the last two blocks
// exchanged, and an initial vector of zero (RFC 3962 5).
type cts struct {
	cipher.Block
	a, b [aes.BlockSize]byte // blocks in work
}

// split is where the last block, whole or in part, begins in n bytes.
func split(n int) int { return (n - 1) / aes.BlockSize * aes.BlockSize }

// encrypt works in place on one block or more.
func (c *cts) encrypt(text []byte) {
	const n = aes.BlockSize
	last := split(len(text))
	chain := c.a[:] // the ciphertext before
	for at := 0; at < last; at += n {
		block := text[at : at+n]
		subtle.XORBytes(block, block, chain)
		c.Encrypt(block, block)
		chain = block
	}
	final := c.b[:]
	clear(final)
	copy(final, text[last:])
	subtle.XORBytes(final, final, chain)
	c.Encrypt(final, final)
	if last == 0 {
		copy(text, final)
		return
	}
	copy(text[last:], chain) // what fits: the rest is in the other block
	copy(chain, final)
}

// decrypt works in place on one block or more.
func (c *cts) decrypt(text []byte) {
	const n = aes.BlockSize
	last := split(len(text))
	if last == 0 {
		c.Decrypt(text, text)
		return
	}
	chain, next := c.a[:], c.b[:]
	for at := 0; at < last-n; at += n {
		block := text[at : at+n]
		copy(next, block)
		c.Decrypt(block, block)
		subtle.XORBytes(block, block, chain)
		chain, next = next, chain
	}
	// The last whole block opens to the stolen end of the one before it, and to
	// the end of the text once that is taken off.
	whole, part := text[last-n:last], text[last:]
	c.Decrypt(whole, whole)
	copy(next, whole)
	copy(next, part)
	subtle.XORBytes(part, part, whole)
	c.Decrypt(whole, next)
	subtle.XORBytes(whole, whole, chain)
}

// fold is 128-fold of RFC 3961 5.1 for a constant of 40 bits: sixteen copies,
// each turned right by 13 bits more than the one before, added up in blocks of 16
// bytes with the carry brought round.
func fold(v uint64) (out [aes.BlockSize]byte) {
	const size, mask = 40, 1<<40 - 1
	var all [16*5 + 3]byte
	for i := range 16 {
		binary.BigEndian.PutUint64(all[5*i:], v<<24)
		v = (v>>13 | v<<(size-13)) & mask
	}
	var hi, lo uint64
	for at := 0; at < 80; at += 16 {
		var carry uint64
		lo, carry = bits.Add64(lo, binary.BigEndian.Uint64(all[at+8:]), 0)
		hi, carry = bits.Add64(hi, binary.BigEndian.Uint64(all[at:]), carry)
		lo, carry = bits.Add64(lo, carry, 0)
		hi += carry
	}
	binary.BigEndian.PutUint64(out[:], hi)
	binary.BigEndian.PutUint64(out[8:], lo)
	return out
}
