package pkinit

import (
	"crypto"
	"crypto/sha1"
	_ "crypto/sha256" // the hashes that crypto.Hash names
	_ "crypto/sha512"
	stdasn1 "encoding/asn1"
	"encoding/binary"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/krb"
)

// Key derivation functions (RFC 8636 5).
var (
	KDFSHA1   = stdasn1.ObjectIdentifier{1, 3, 6, 1, 5, 2, 3, 6, 1}
	KDFSHA256 = stdasn1.ObjectIdentifier{1, 3, 6, 1, 5, 2, 3, 6, 2}
	KDFSHA512 = stdasn1.ObjectIdentifier{1, 3, 6, 1, 5, 2, 3, 6, 3}
	KDFSHA384 = stdasn1.ObjectIdentifier{1, 3, 6, 1, 5, 2, 3, 6, 4}
)

// DefaultKDFs are all functions, in a KDC's order of preference.
func DefaultKDFs() []stdasn1.ObjectIdentifier {
	return []stdasn1.ObjectIdentifier{KDFSHA256, KDFSHA512, KDFSHA384, KDFSHA1}
}

func kdfHash(id stdasn1.ObjectIdentifier) (crypto.Hash, bool) {
	switch {
	case id.Equal(KDFSHA1):
		return crypto.SHA1, true
	case id.Equal(KDFSHA256):
		return crypto.SHA256, true
	case id.Equal(KDFSHA384):
		return crypto.SHA384, true
	case id.Equal(KDFSHA512):
		return crypto.SHA512, true
	}
	return 0, false
}

// Exchange is what both sides know of an AS exchange when they make its key.
type Exchange struct {
	Client, Server adcert.PrincipalName // as in the request's body
	ASReq          []byte               // the whole request, as sent
	EType          int32                // of the reply key: the KDC's choice
}

// OctetString2Key is the derivation without an agreed function (RFC 4556
// 3.2.3.1): the first bytes of SHA1(0|x) | SHA1(1|x) | … with x = Z |
// clientDHNonce | serverDHNonce. Nonces count only when both sides sent one.
func OctetString2Key(etype int32, z, clientNonce, serverNonce []byte) (krb.Key, error) {
	size := krb.KeySize(etype)
	if size == 0 {
		return krb.Key{}, krb.NewError(krb.ErrETypeNoSupport, "Encryption type %d is not supported.", etype)
	}
	x := slices.Clone(z)
	if clientNonce != nil && serverNonce != nil {
		x = append(append(x, clientNonce...), serverNonce...)
	}
	return krb.Key{EType: etype, Value: octetstring(x, size)}, nil
}

func octetstring(x []byte, size int) []byte {
	var out []byte
	for i := byte(0); len(out) < size; i++ {
		h := sha1.New()
		h.Write([]byte{i})
		h.Write(x)
		out = h.Sum(out)
	}
	return out[:size]
}

// DeriveKey is the derivation with an agreed function (RFC 8636 6). pkASRep is
// the value of the PA-PK-AS-REP that is sent.
//
//	K = H(1 | Z | OtherInfo) | H(2 | Z | OtherInfo) | …, counters of 32 bits
//	OtherInfo ::= SEQUENCE {
//	    algorithmID AlgorithmIdentifier,               -- the function
//	    partyUInfo  [0] OCTET STRING,                  -- KRB5PrincipalName of the client
//	    partyVInfo  [1] OCTET STRING,                  -- of the server
//	    suppPubInfo [2] OCTET STRING,                  -- SEQUENCE { enctype [0] Int32,
//	                                                   --   as-REQ [1], pk-as-rep [2] OCTET STRING }
//	    suppPrivInfo [3] OCTET STRING OPTIONAL }       -- not used
func DeriveKey(kdf stdasn1.ObjectIdentifier, z []byte, x Exchange, pkASRep []byte) (krb.Key, error) {
	size := krb.KeySize(x.EType)
	if size == 0 {
		return krb.Key{}, krb.NewError(krb.ErrETypeNoSupport, "Encryption type %d is not supported.", x.EType)
	}
	value, err := derive(kdf, z, x, pkASRep, size)
	return krb.Key{EType: x.EType, Value: value}, err
}

func derive(kdf stdasn1.ObjectIdentifier, z []byte, x Exchange, pkASRep []byte, size int) ([]byte, error) {
	hash, ok := kdfHash(kdf)
	if !ok {
		return nil, fmt.Errorf("key derivation function %s is not known", kdf)
	}
	supp, err := encode(func(b *cryptobyte.Builder) {
		putInt(b, 0, int64(x.EType))
		putOctets(b, 1, x.ASReq)
		putOctets(b, 2, pkASRep)
	})
	if err != nil {
		return nil, err
	}
	party := func(n uint8, p adcert.PrincipalName) func(*cryptobyte.Builder) {
		return func(b *cryptobyte.Builder) {
			inner := cryptobyte.NewBuilder(nil)
			p.Build(inner)
			value, err := inner.Bytes()
			if err != nil {
				b.SetError(err)
			}
			putOctets(b, n, value)
		}
	}
	info, err := encode(func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(kdf) })
		party(0, x.Client)(b)
		party(1, x.Server)(b)
		putOctets(b, 2, supp)
	})
	if err != nil {
		return nil, err
	}
	var out []byte
	for i := uint32(1); len(out) < size; i++ {
		h := hash.New()
		h.Write(binary.BigEndian.AppendUint32(nil, i))
		h.Write(z)
		h.Write(info)
		out = h.Sum(out)
	}
	return out[:size], nil
}
