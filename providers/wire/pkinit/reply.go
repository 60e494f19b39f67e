package pkinit

import (
	stdasn1 "encoding/asn1"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"hellolab/providers/wire/krb"
)

// PAPKASRep is the value of PA-PK-AS-REP (17). One of the two is set:
//
//	CHOICE {
//	    dhInfo     [0] DHRepInfo,
//	    encKeyPack [1] IMPLICIT OCTET STRING }   -- EnvelopedData of ReplyKeyPack, in a ContentInfo
type PAPKASRep struct {
	DHInfo     *DHRepInfo
	EncKeyPack []byte
}

// DHRepInfo is the KDC's half of the key agreement:
//
//	SEQUENCE {
//	    dhSignedData  [0] IMPLICIT OCTET STRING,   -- SignedData of KDCDHKeyInfo, in a ContentInfo
//	    serverDHNonce [1] OCTET STRING OPTIONAL,
//	    kdf           [2] SEQUENCE { [0] OID, ... } OPTIONAL, ... }
type DHRepInfo struct {
	SignedData []byte
	DHNonce    []byte                   // nil: none
	KDF        stdasn1.ObjectIdentifier // nil: none was agreed
}

// ParsePAPKASRep reads the value.
func ParsePAPKASRep(b []byte) (*PAPKASRep, error) {
	in := cryptobyte.String(b)
	if in.PeekASN1Tag(implicit(1)) {
		var r PAPKASRep
		if !in.ReadASN1Bytes(&r.EncKeyPack, implicit(1)) || !in.Empty() {
			return nil, malformed("PA-PK-AS-REP")
		}
		return &r, nil
	}
	var info DHRepInfo
	ok := field(&in, 0, func(in *cryptobyte.String) bool {
		var seq cryptobyte.String
		return in.ReadASN1(&seq, asn1.SEQUENCE) &&
			seq.ReadASN1Bytes(&info.SignedData, implicit(0)) &&
			optional(&seq, 1, octets(&info.DHNonce, maxNonce)) &&
			optional(&seq, 2, func(in *cryptobyte.String) bool { return readKDF(in, &info.KDF) }) &&
			extensions(&seq)
	})
	if !ok || !in.Empty() {
		return nil, malformed("PA-PK-AS-REP")
	}
	return &PAPKASRep{DHInfo: &info}, nil
}

// Encode writes the value.
func (r *PAPKASRep) Encode() ([]byte, error) {
	b := cryptobyte.NewBuilder(nil)
	if r.DHInfo == nil {
		putImplicit(b, 1, r.EncKeyPack)
		return b.Bytes()
	}
	put(b, 0, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			putImplicit(b, 0, r.DHInfo.SignedData)
			if r.DHInfo.DHNonce != nil {
				putOctets(b, 1, r.DHInfo.DHNonce)
			}
			if r.DHInfo.KDF != nil {
				put(b, 2, func(b *cryptobyte.Builder) { putKDF(b, r.DHInfo.KDF) })
			}
		})
	})
	return b.Bytes()
}

// KDCDHKeyInfo is what the KDC signs in the Diffie-Hellman mode:
//
//	SEQUENCE {
//	    subjectPublicKey [0] BIT STRING,
//	    nonce            [1] INTEGER,              -- PKAuthenticator's
//	    dhKeyExpiration  [2] KerberosTime OPTIONAL, ... }
type KDCDHKeyInfo struct {
	PublicKey  []byte // as in PublicValue.Key
	Nonce      uint32
	Expiration time.Time // zero: the key is used once
}

// ParseKDCDHKeyInfo reads what was signed.
func ParseKDCDHKeyInfo(b []byte) (*KDCDHKeyInfo, error) {
	var k KDCDHKeyInfo
	seq, ok := sequence(b)
	if !ok || !field(&seq, 0, func(in *cryptobyte.String) bool { return in.ReadASN1BitStringAsBytes(&k.PublicKey) }) ||
		!field(&seq, 1, integer(&k.Nonce)) ||
		!optional(&seq, 2, kerberosTime(&k.Expiration)) || !extensions(&seq) {
		return nil, malformed("KDCDHKeyInfo")
	}
	return &k, nil
}

// Encode writes what is to be signed.
func (k *KDCDHKeyInfo) Encode() ([]byte, error) {
	return encode(func(b *cryptobyte.Builder) {
		put(b, 0, func(b *cryptobyte.Builder) { b.AddASN1BitString(k.PublicKey) })
		putInt(b, 1, int64(k.Nonce))
		if !k.Expiration.IsZero() {
			putTime(b, 2, k.Expiration)
		}
	})
}

// ReplyKeyPack is what the KDC signs and encrypts in the RSA mode:
//
//	SEQUENCE {
//	    replyKey   [0] EncryptionKey { keytype [0], keyvalue [1] },
//	    asChecksum [1] Checksum { cksumtype [0], checksum [1] }, ... }
type ReplyKeyPack struct {
	Key      krb.Key
	Checksum krb.Checksum // over the AS-REQ as sent, usage 6
}

// ParseReplyKeyPack reads what was signed.
func ParseReplyKeyPack(b []byte) (*ReplyKeyPack, error) {
	var p ReplyKeyPack
	typed := func(n *int32, value *[]byte) func(*cryptobyte.String) bool {
		return func(in *cryptobyte.String) bool {
			var seq cryptobyte.String
			return in.ReadASN1(&seq, asn1.SEQUENCE) && field(&seq, 0, integer(n)) && field(&seq, 1, octets(value, maxToken)) && seq.Empty()
		}
	}
	seq, ok := sequence(b)
	if !ok || !field(&seq, 0, typed(&p.Key.EType, &p.Key.Value)) ||
		!field(&seq, 1, typed(&p.Checksum.Type, &p.Checksum.Sum)) || !extensions(&seq) {
		return nil, malformed("ReplyKeyPack")
	}
	return &p, nil
}

// Encode writes what is to be signed.
func (p *ReplyKeyPack) Encode() ([]byte, error) {
	typed := func(n int32, value []byte) func(*cryptobyte.Builder) {
		return func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				putInt(b, 0, int64(n))
				putOctets(b, 1, value)
			})
		}
	}
	return encode(func(b *cryptobyte.Builder) {
		put(b, 0, typed(p.Key.EType, p.Key.Value))
		put(b, 1, typed(p.Checksum.Type, p.Checksum.Sum))
	})
}
