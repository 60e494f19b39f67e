package cms

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/rsa"
	"crypto/subtle"
	"crypto/x509"
	stdasn1 "encoding/asn1"
	"fmt"
	"io"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Ciphers of EnvelopedData, by their names in supportedCMSTypes.
var (
	DESEDE3CBC = stdasn1.ObjectIdentifier{1, 2, 840, 113549, 3, 7}
	AES128CBC  = stdasn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 2}
	AES256CBC  = stdasn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}
)

// bulk returns the length of a cipher's key and how it is made.
func bulk(id stdasn1.ObjectIdentifier) (keySize int, block func([]byte) (cipher.Block, error), err error) {
	switch {
	case id.Equal(DESEDE3CBC):
		return 24, des.NewTripleDESCipher, nil
	case id.Equal(AES128CBC):
		return 16, aes.NewCipher, nil
	case id.Equal(AES256CBC):
		return 32, aes.NewCipher, nil
	}
	return 0, nil, fmt.Errorf("%w: cipher %s", ErrUnsupported, id)
}

// Envelope encrypts content to the RSA key of a certificate and returns a bare
// EnvelopedData.
//
//	EnvelopedData ::= SEQUENCE {
//	    version INTEGER,
//	    originatorInfo [0] OPTIONAL,                       -- not written, not read
//	    recipientInfos SET OF SEQUENCE { version INTEGER, rid Identifier,
//	        keyEncryptionAlgorithm AlgorithmIdentifier, encryptedKey OCTET STRING },
//	    encryptedContentInfo SEQUENCE { contentType OID,
//	        contentEncryptionAlgorithm { OID, iv OCTET STRING },
//	        encryptedContent [0] IMPLICIT OCTET STRING },
//	    unprotectedAttrs [1] OPTIONAL }                    -- not looked at
func Envelope(rand io.Reader, to *x509.Certificate, contentType stdasn1.ObjectIdentifier, content []byte, algo stdasn1.ObjectIdentifier) ([]byte, error) {
	pub, ok := to.PublicKey.(*rsa.PublicKey)
	if !ok || pub.N.BitLen() < minRSA || pub.N.BitLen() > maxRSA {
		return nil, fmt.Errorf("%w: recipient's key", ErrUnsupported)
	}
	size, newBlock, err := bulk(algo)
	if err != nil {
		return nil, err
	}
	key := make([]byte, size)
	if _, err := io.ReadFull(rand, key); err != nil {
		return nil, fmt.Errorf("read random content key: %w", err)
	}
	block, err := newBlock(key)
	if err != nil {
		return nil, err
	}
	iv := make([]byte, block.BlockSize())
	if _, err := io.ReadFull(rand, iv); err != nil {
		return nil, fmt.Errorf("read random vector: %w", err)
	}
	//lint:ignore SA1019 PKINIT's key transport is PKCS #1 v1.5 (RFC 4556 3.2.3.2)
	wrapped, err := rsa.EncryptPKCS1v15(rand, pub, key)
	if err != nil {
		return nil, fmt.Errorf("encrypt content key: %w", err)
	}
	pad := len(iv) - len(content)%len(iv)
	sealed := make([]byte, len(content), len(content)+pad)
	copy(sealed, content)
	for range pad {
		sealed = append(sealed, byte(pad))
	}
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(sealed, sealed)

	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(0)
		b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(0)
				BySerial(to).build(b)
				addAlgorithm(b, oidRSA, true)
				b.AddASN1OctetString(wrapped)
			})
		})
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(contentType)
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(algo)
				b.AddASN1OctetString(iv)
			})
			b.AddASN1(context(0), func(b *cryptobyte.Builder) { b.AddBytes(sealed) })
		})
	})
	return b.Bytes()
}

// EnvelopedData is an encrypted message, taken apart.
type EnvelopedData struct {
	ContentType stdasn1.ObjectIdentifier // of what is inside
	Cipher      stdasn1.ObjectIdentifier
	Recipients  []Recipient

	iv     []byte
	sealed []byte
}

// Size is the length of what is encrypted, padding included.
func (e *EnvelopedData) Size() int { return len(e.sealed) }

// Recipient is one whose RSA key opens the message.
type Recipient struct {
	ID  Identifier
	key []byte
}

// ParseEnvelopedData reads an EnvelopedData in a ContentInfo, or bare. Only RSA
// key transport is read.
func ParseEnvelopedData(der []byte) (*EnvelopedData, error) {
	in, err := unwrap(der, EnvelopedOID)
	if err != nil {
		return nil, err
	}
	var e EnvelopedData
	var version int64
	var infos, encrypted, algo cryptobyte.String
	if !in.ReadASN1Integer(&version) || version < 0 || version > 4 || !in.ReadASN1(&infos, asn1.SET) {
		return nil, syntax("head of enveloped data")
	}
	for !infos.Empty() {
		r, err := readRecipient(&infos)
		if err != nil {
			return nil, err
		}
		if e.Recipients = append(e.Recipients, r); len(e.Recipients) > maxRecipients {
			return nil, syntax("too many recipients")
		}
	}
	if !in.ReadASN1(&encrypted, asn1.SEQUENCE) || !in.SkipOptionalASN1(explicit(1)) || !in.Empty() || len(e.Recipients) == 0 ||
		!encrypted.ReadASN1ObjectIdentifier(&e.ContentType) ||
		!encrypted.ReadASN1(&algo, asn1.SEQUENCE) || !algo.ReadASN1ObjectIdentifier(&e.Cipher) ||
		!algo.ReadASN1Bytes(&e.iv, asn1.OCTET_STRING) || !algo.Empty() ||
		!readSealed(&encrypted, &e.sealed) || !encrypted.Empty() {
		return nil, syntax("encrypted content")
	}
	return &e, nil
}

func readRecipient(in *cryptobyte.String) (Recipient, error) {
	var r Recipient
	var info cryptobyte.String
	var version int64
	var ok bool
	if !in.ReadASN1(&info, asn1.SEQUENCE) || !info.ReadASN1Integer(&version) {
		return r, syntax("recipient")
	}
	var algo algorithm
	if r.ID, ok = readIdentifier(&info); !ok || version != r.ID.version(0, 2) ||
		!readAlgorithm(&info, &algo) || !info.ReadASN1Bytes(&r.key, asn1.OCTET_STRING) || !info.Empty() {
		return r, syntax("recipient")
	}
	if !algo.id.Equal(oidRSA) || !algo.plain() {
		return r, fmt.Errorf("%w: key transport %s", ErrUnsupported, algo.id)
	}
	return r, nil
}

// readSealed reads [0] IMPLICIT OCTET STRING, in one piece or in several, as
// some senders stream it.
func readSealed(in *cryptobyte.String, out *[]byte) bool {
	if in.PeekASN1Tag(context(0)) {
		return in.ReadASN1Bytes(out, context(0))
	}
	var pieces cryptobyte.String
	if !in.ReadASN1(&pieces, explicit(0)) {
		return false
	}
	for n := 0; !pieces.Empty(); n++ {
		var piece cryptobyte.String
		if n == maxChunks || !pieces.ReadASN1(&piece, asn1.OCTET_STRING) {
			return false
		}
		*out = append(*out, piece...)
	}
	return true
}

// Open decrypts the message with the key of cert, which must be a recipient.
// Whatever is wrong with key or padding is the same ErrDecrypt, found in the
// same time: a wrong wrapped key becomes a random one (RFC 3218 2.3.2).
func (e *EnvelopedData) Open(rand io.Reader, key crypto.Decrypter, cert *x509.Certificate) ([]byte, error) {
	size, newBlock, err := bulk(e.Cipher)
	if err != nil {
		return nil, err
	}
	var wrapped []byte
	for _, r := range e.Recipients {
		if r.ID.Names(cert) {
			wrapped = r.key
			break
		}
	}
	if wrapped == nil {
		return nil, fmt.Errorf("%w: not for this certificate", ErrDecrypt)
	}
	//lint:ignore SA1019 PKINIT's key transport is PKCS #1 v1.5 (RFC 4556 3.2.3.2)
	content, err := key.Decrypt(rand, wrapped, &rsa.PKCS1v15DecryptOptions{SessionKeyLen: size})
	if err != nil || len(content) != size {
		return nil, ErrDecrypt
	}
	block, err := newBlock(content)
	if err != nil {
		return nil, ErrDecrypt
	}
	n := block.BlockSize()
	if len(e.iv) != n || len(e.sealed) == 0 || len(e.sealed)%n != 0 {
		return nil, syntax("length of encrypted content")
	}
	plain := make([]byte, len(e.sealed))
	cipher.NewCBCDecrypter(block, e.iv).CryptBlocks(plain, e.sealed)
	return unpad(plain, n)
}

// unpad takes the padding of 1 to n equal bytes off, in constant time but for
// its length.
func unpad(plain []byte, n int) ([]byte, error) {
	pad := int(plain[len(plain)-1])
	good := subtle.ConstantTimeLessOrEq(1, pad) & subtle.ConstantTimeLessOrEq(pad, n)
	for i := 1; i <= n; i++ {
		inside := subtle.ConstantTimeLessOrEq(i, pad)
		same := subtle.ConstantTimeByteEq(plain[len(plain)-i], byte(pad))
		good &= subtle.ConstantTimeSelect(inside, same, 1)
	}
	if good != 1 {
		return nil, ErrDecrypt
	}
	return plain[:len(plain)-pad], nil
}
