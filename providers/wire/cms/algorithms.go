package cms

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha1" // the hashes that crypto.Hash names
	_ "crypto/sha256"
	_ "crypto/sha512"
	stdasn1 "encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// digest is one digest algorithm, with the names of its signatures.
type digest struct {
	hash           crypto.Hash
	id, rsa, ecdsa stdasn1.ObjectIdentifier
}

var digests = []digest{
	{crypto.SHA1, stdasn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}, stdasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}, stdasn1.ObjectIdentifier{1, 2, 840, 10045, 4, 1}},
	{crypto.SHA256, stdasn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, stdasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, stdasn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}},
	{crypto.SHA384, stdasn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}, stdasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 12}, stdasn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}},
	{crypto.SHA512, stdasn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}, stdasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 13}, stdasn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}},
}

var (
	oidRSA  = stdasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidPSS  = stdasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}
	oidMGF1 = stdasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}
)

// RSA keys outside these bounds verify nothing: smaller ones are weak, larger
// ones cost more than a sender pays.
const (
	minRSA = 2048
	maxRSA = 4096
)

// HashOf is the hash of a digest algorithm; ErrDigest when it is not known.
func HashOf(id stdasn1.ObjectIdentifier) (crypto.Hash, error) {
	for _, h := range digests {
		if h.id.Equal(id) {
			return h.hash, nil
		}
	}
	return 0, fmt.Errorf("%w: %s", ErrDigest, id)
}

// scheme is how a signature is made.
type scheme int

const (
	pkcs1 scheme = iota + 1
	pss
	ecdsaASN1
)

// schemeOf finds the scheme of a signature algorithm, which must agree with the
// digest: rsaEncryption leaves the digest to the signer's digestAlgorithm, the
// others name it themselves.
func schemeOf(a algorithm, hash crypto.Hash) (scheme, int, error) {
	if a.id.Equal(oidPSS) {
		salt, err := readPSS(a.parameters, hash)
		return pss, salt, err
	}
	if !a.plain() {
		return 0, 0, fmt.Errorf("%w: parameters of signature %s", ErrUnsupported, a.id)
	}
	if a.id.Equal(oidRSA) {
		return pkcs1, 0, nil
	}
	for _, h := range digests {
		switch {
		case h.hash != hash:
		case h.rsa.Equal(a.id):
			return pkcs1, 0, nil
		case h.ecdsa.Equal(a.id):
			return ecdsaASN1, 0, nil
		}
	}
	return 0, 0, fmt.Errorf("%w: signature %s with digest %s", ErrUnsupported, a.id, hash)
}

// readPSS reads the parameters of RSASSA-PSS (RFC 4055 3.1) and returns the
// length of the salt. Both hashes must be the digest of the message.
//
//	SEQUENCE { hashAlgorithm [0], maskGenAlgorithm [1], saltLength [2] INTEGER
//	           DEFAULT 20, trailerField [3] INTEGER DEFAULT 1 }
func readPSS(in cryptobyte.String, hash crypto.Hash) (int, error) {
	var seq, h, m, s, inner cryptobyte.String
	var hashAlg, mgf, mgfHash algorithm
	salt := 20
	ok := in.ReadASN1(&seq, asn1.SEQUENCE) &&
		seq.ReadASN1(&h, explicit(0)) && readAlgorithm(&h, &hashAlg) && h.Empty() && hashAlg.plain() &&
		seq.ReadASN1(&m, explicit(1)) && readAlgorithm(&m, &mgf) && m.Empty() && mgf.id.Equal(oidMGF1)
	if inner = mgf.parameters; ok {
		ok = readAlgorithm(&inner, &mgfHash) && inner.Empty() && mgfHash.plain()
	}
	if ok && seq.PeekASN1Tag(explicit(2)) {
		ok = seq.ReadASN1(&s, explicit(2)) && s.ReadASN1Integer(&salt) && s.Empty()
	}
	if !ok || !seq.Empty() || salt < 1 || salt > maxRSA/8 {
		return 0, fmt.Errorf("%w: parameters of RSASSA-PSS", ErrUnsupported)
	}
	for _, id := range []stdasn1.ObjectIdentifier{hashAlg.id, mgfHash.id} {
		if have, err := HashOf(id); err != nil || have != hash {
			return 0, fmt.Errorf("%w: RSASSA-PSS with hash %s", ErrUnsupported, id)
		}
	}
	return salt, nil
}

// verify checks a signature over sum.
func verify(pub crypto.PublicKey, s scheme, salt int, hash crypto.Hash, sum, signature []byte) error {
	switch pub := pub.(type) {
	case *rsa.PublicKey:
		if bits := pub.N.BitLen(); bits < minRSA || bits > maxRSA {
			return fmt.Errorf("%w: RSA key of %d bits", ErrUnsupported, bits)
		}
		switch s {
		case pkcs1:
			if rsa.VerifyPKCS1v15(pub, hash, sum, signature) == nil {
				return nil
			}
		case pss:
			if rsa.VerifyPSS(pub, hash, sum, signature, &rsa.PSSOptions{SaltLength: salt}) == nil {
				return nil
			}
		}
	case *ecdsa.PublicKey:
		switch pub.Curve {
		case elliptic.P256(), elliptic.P384(), elliptic.P521():
		default:
			return fmt.Errorf("%w: curve", ErrUnsupported)
		}
		if s == ecdsaASN1 && ecdsa.VerifyASN1(pub, sum, signature) {
			return nil
		}
	default:
		return fmt.Errorf("%w: key of type %T", ErrUnsupported, pub)
	}
	return ErrSignature
}

// DigestOID is the digest algorithm of a hash; nil for one that is not known.
func DigestOID(hash crypto.Hash) stdasn1.ObjectIdentifier {
	for _, d := range digests {
		if d.hash == hash {
			return d.id
		}
	}
	return nil
}

// signatureOID is the algorithm that Sign writes for a key, and whether it has
// NULL parameters.
func signatureOID(pub crypto.PublicKey, hash crypto.Hash) (stdasn1.ObjectIdentifier, bool, error) {
	for _, h := range digests {
		if h.hash != hash || hash == crypto.SHA1 {
			continue
		}
		switch pub.(type) {
		case *rsa.PublicKey:
			return h.rsa, true, nil
		case *ecdsa.PublicKey:
			return h.ecdsa, false, nil
		}
	}
	return nil, false, fmt.Errorf("%w: signing with %T and %s", ErrUnsupported, pub, hash)
}
