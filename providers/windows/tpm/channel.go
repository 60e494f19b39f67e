package tpm

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
)

// channel is the HMAC session that a host keeps with the TPM it talks to for as
// long as that TPM is up: unbound, salted to the storage root key. Each command
// that proves an authorization value, or whose first parameter is a secret,
// goes through it. go-tpm's own sessions are for one value each, so a new one,
// with a key agreement at both ends (0.4 ms), would be due for every command.
//
// TPM 2.0 Library, Part 1, 19.6 (HMAC) and 21 (parameter encryption).
type channel struct {
	handle      tpm2.TPMHandle
	key         []byte // sessionKey
	caller, tpm []byte // nonces, the newest of each
}

const channelNonce = 16

func (s *session) openChannel() (*channel, error) {
	if s.w.channel != nil {
		return s.w.channel, nil
	}
	p, err := s.parent()
	if err != nil {
		return nil, err
	}
	srk, err := tpm2.ImportEncapsulationKey(&p.public)
	if err != nil {
		return nil, fmt.Errorf("salt a session: %w", err)
	}
	salt, wrapped, err := tpm2.CreateEncryptedSalt(rand.Reader, srk)
	if err != nil {
		return nil, fmt.Errorf("salt a session: %w", err)
	}
	defer clear(salt)
	c := &channel{caller: make([]byte, channelNonce)}
	if err := c.renew(); err != nil {
		return nil, err
	}
	rsp, err := tpm2.StartAuthSession{
		TPMKey:        srkHandle,
		Bind:          tpm2.TPMRHNull,
		NonceCaller:   tpm2.TPM2BNonce{Buffer: c.caller},
		EncryptedSalt: tpm2.TPM2BEncryptedSecret{Buffer: wrapped},
		SessionType:   tpm2.TPMSEHMAC,
		Symmetric: tpm2.TPMTSymDef{
			Algorithm: tpm2.TPMAlgAES,
			KeyBits:   tpm2.NewTPMUSymKeyBits(tpm2.TPMAlgAES, tpm2.TPMKeyBits(128)),
			Mode:      tpm2.NewTPMUSymMode(tpm2.TPMAlgAES, tpm2.TPMAlgCFB),
		},
		AuthHash: tpm2.TPMAlgSHA256,
	}.Execute(s)
	if err != nil {
		return nil, fmt.Errorf("start session: %w", err)
	}
	c.handle, c.tpm = tpm2.TPMHandle(rsp.SessionHandle.HandleValue()), rsp.NonceTPM.Buffer
	c.key = tpm2.KDFa(crypto.SHA256, salt, "ATH", c.tpm, c.caller, 8*sha256.Size)
	s.w.channel = c
	return c, nil
}

func (c *channel) renew() error {
	_, err := rand.Read(c.caller)
	return err
}

// secret says which first parameter of a command is encrypted on its way.
type secret byte

const (
	request  secret = 1 << 5 // TPMA_SESSION.decrypt: the TPM decrypts it
	response secret = 1 << 6 // TPMA_SESSION.encrypt
)

const continueSession = 1

// prove returns an authorization that proves auth without showing it. An object
// without a value needs no proof.
func (s *session) prove(auth []byte, which secret) tpm2.Session {
	if auth == nil {
		return tpm2.PasswordAuth(nil)
	}
	return &authorization{s: s, auth: authValue(auth), which: which}
}

// cover returns an authorization by the empty value, for its encryption.
func (s *session) cover(which secret) tpm2.Session {
	return &authorization{s: s, which: which}
}

// authorization is one use of the channel: it implements go-tpm's Session.
type authorization struct {
	s     *session
	c     *channel
	auth  []byte // holds no zero byte
	which secret
}

// Init implements tpm2.Session.
func (a *authorization) Init(transport.TPM) (err error) {
	a.c, err = a.s.openChannel()
	return err
}

// CleanupFailure implements tpm2.Session. A command that fails leaves its
// session as it was.
func (a *authorization) CleanupFailure(transport.TPM) error { return nil }

// NonceTPM implements tpm2.Session.
func (a *authorization) NonceTPM() tpm2.TPM2BNonce { return tpm2.TPM2BNonce{Buffer: a.c.tpm} }

// NewNonceCaller implements tpm2.Session.
func (a *authorization) NewNonceCaller() error { return a.c.renew() }

// Handle implements tpm2.Session.
func (a *authorization) Handle() tpm2.TPMHandle { return a.c.handle }

// IsEncryption implements tpm2.Session.
func (a *authorization) IsEncryption() bool { return a.which == response }

// IsDecryption implements tpm2.Session.
func (a *authorization) IsDecryption() bool { return a.which == request }

// Authorize implements tpm2.Session.
func (a *authorization) Authorize(cc tpm2.TPMCC, parms, addNonces []byte, names []tpm2.TPM2BName, _ int) (*tpm2.TPMSAuthCommand, error) {
	h := sha256.New()
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(cc)))
	for _, n := range names {
		h.Write(n.Buffer)
	}
	h.Write(parms)
	mac := a.mac(h.Sum(nil), a.c.caller, a.c.tpm, addNonces, continueSession|byte(a.which))
	return &tpm2.TPMSAuthCommand{
		Handle:        a.c.handle,
		Nonce:         tpm2.TPM2BNonce{Buffer: a.c.caller},
		Attributes:    tpm2.TPMASession{ContinueSession: true, Decrypt: a.which == request, Encrypt: a.which == response},
		Authorization: tpm2.TPM2BData{Buffer: mac},
	}, nil
}

// Validate implements tpm2.Session: the answer is the TPM's that has the salt.
func (a *authorization) Validate(rc tpm2.TPMRC, cc tpm2.TPMCC, parms []byte, _ []tpm2.TPM2BName, _ int, auth *tpm2.TPMSAuthResponse) error {
	a.c.tpm = bytes.Clone(auth.Nonce.Buffer)
	h := sha256.New()
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(rc)))
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(cc)))
	h.Write(parms)
	want := tpm2.TPMASession{ContinueSession: true, Decrypt: a.which == request, Encrypt: a.which == response}
	if auth.Attributes != want || !hmac.Equal(auth.Authorization.Buffer, a.mac(h.Sum(nil), a.c.tpm, a.c.caller, nil, continueSession|byte(a.which))) {
		return errors.New("the TPM's answer does not authenticate")
	}
	return nil
}

// mac is the HMAC of a command or an answer: the newer nonce comes first.
func (a *authorization) mac(hash, newer, older, others []byte, attributes byte) []byte {
	m := hmac.New(sha256.New, append(bytes.Clone(a.c.key), a.auth...))
	for _, part := range [][]byte{hash, newer, older, others, {attributes}} {
		m.Write(part)
	}
	return m.Sum(nil)
}

// Encrypt implements tpm2.Session.
func (a *authorization) Encrypt(parameter []byte) error {
	if a.which != request {
		return nil
	}
	block, iv, err := a.cipher(a.c.caller, a.c.tpm)
	if err == nil {
		cipher.NewCFBEncrypter(block, iv).XORKeyStream(parameter, parameter) //lint:ignore SA1019 the TPM's mode; the session's HMAC authenticates it
	}
	return err
}

// Decrypt implements tpm2.Session.
func (a *authorization) Decrypt(parameter []byte) error {
	if a.which != response {
		return nil
	}
	block, iv, err := a.cipher(a.c.tpm, a.c.caller)
	if err == nil {
		cipher.NewCFBDecrypter(block, iv).XORKeyStream(parameter, parameter) //lint:ignore SA1019 the TPM's mode; the session's HMAC authenticates it
	}
	return err
}

// cipher makes AES-128 and its first block of one direction.
func (a *authorization) cipher(newer, older []byte) (cipher.Block, []byte, error) {
	const keySize = 16
	b := tpm2.KDFa(crypto.SHA256, append(bytes.Clone(a.c.key), a.auth...), "CFB", newer, older, 8*(keySize+aes.BlockSize))
	block, err := aes.NewCipher(b[:keySize])
	return block, b[keySize:], err
}
