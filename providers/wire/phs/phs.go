// Package phs is password hash synchronization: what Entra Connect makes of the
// NT hash of a password in the domain, and how the tenant tells by it whether a
// password is that one.
//
//	NT hash     MD4 of the password in UTF-16LE                       16 bytes
//	text        the NT hash in hex, capitals, as UTF-16LE             64 bytes
//	hash        PBKDF2-HMAC-SHA256(text, salt of 10 bytes, 1000, 32)
//	credential  "v1;PPH1_MD4," salt in hex "," rounds "," hash in hex ";"
//
// The NT hash itself never leaves the domain's side, and cannot be learned from
// the credential but by guessing.
//
// Sources: Microsoft, "Implement password hash synchronization with Microsoft
// Entra Connect Sync"; the text form as AADInternals and DSInternals know it.
package phs

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"hellolab/providers/wire/ntlm"
)

// Sizes in bytes, and the work.
const (
	SaltSize = 10
	Rounds   = 1000
	hashSize = sha256.Size
	ntSize   = 16

	maxText   = 256
	maxRounds = 10_000 // bounds what a peer can have the tenant compute at each sign-in
)

const scheme = "v1;PPH1_MD4,"

// ErrMalformed is a credential, or an NT hash, that is none.
var ErrMalformed = errors.New("malformed password hash credential")

// Credential tells a password from another without holding it. It prints as
// nothing.
type Credential struct {
	Salt   []byte
	Rounds int
	Hash   []byte
}

func (Credential) String() string   { return "(sensitive)" }
func (Credential) GoString() string { return "(sensitive)" }

// New makes a credential of an NT hash.
func New(rand io.Reader, nt []byte) (*Credential, error) {
	c := &Credential{Salt: make([]byte, SaltSize), Rounds: Rounds}
	if _, err := io.ReadFull(rand, c.Salt); err != nil {
		return nil, fmt.Errorf("salt password hash: %w", err)
	}
	var err error
	c.Hash, err = derive(nt, c.Salt, c.Rounds)
	return c, err
}

func derive(nt, salt []byte, rounds int) ([]byte, error) {
	if len(nt) != ntSize {
		return nil, fmt.Errorf("%w: the NT hash has %d bytes", ErrMalformed, len(nt))
	}
	text := make([]byte, 0, 4*ntSize)
	for _, c := range []byte(strings.ToUpper(hex.EncodeToString(nt))) {
		text = append(text, c, 0)
	}
	defer clear(text)
	return pbkdf2.Key(sha256.New, string(text), salt, rounds, hashSize)
}

// Matches says whether password is the credential's.
func (c *Credential) Matches(password string) bool {
	nt, err := ntlm.NTHash(password)
	if err != nil {
		return false
	}
	defer clear(nt)
	hash, err := derive(nt, c.Salt, c.Rounds)
	return err == nil && subtle.ConstantTimeCompare(hash, c.Hash) == 1
}

// Encode writes the text form.
func (c *Credential) Encode() string {
	return scheme + hex.EncodeToString(c.Salt) + "," + strconv.Itoa(c.Rounds) + "," + hex.EncodeToString(c.Hash) + ";"
}

// Parse reads the text form. Its errors hold nothing of it.
func Parse(text string) (*Credential, error) {
	rest, ok := strings.CutPrefix(text, scheme)
	body, ended := strings.CutSuffix(rest, ";")
	parts := strings.Split(body, ",")
	if len(text) > maxText || !ok || !ended || len(parts) != 3 {
		return nil, fmt.Errorf("%w: it is not of the form v1;PPH1_MD4,salt,rounds,hash;", ErrMalformed)
	}
	salt, saltErr := hex.DecodeString(parts[0])
	hash, hashErr := hex.DecodeString(parts[2])
	rounds, roundsErr := strconv.Atoi(parts[1])
	switch {
	case saltErr != nil || len(salt) != SaltSize:
		return nil, fmt.Errorf("%w: the salt is not %d bytes in hex", ErrMalformed, SaltSize)
	case hashErr != nil || len(hash) != hashSize:
		return nil, fmt.Errorf("%w: the hash is not %d bytes in hex", ErrMalformed, hashSize)
	case roundsErr != nil || rounds < Rounds || rounds > maxRounds || strconv.Itoa(rounds) != parts[1]:
		return nil, fmt.Errorf("%w: the number of rounds is not between %d and %d", ErrMalformed, Rounds, maxRounds)
	}
	return &Credential{Salt: salt, Rounds: rounds, Hash: hash}, nil
}
