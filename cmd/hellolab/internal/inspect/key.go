package inspect

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"fmt"

	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/ngc"
)

const (
	maxKey     = 6 << 10 // bytes of a key in DER: RSA-8192 takes less
	maxKeyBits = 8192    // of RSA keys that signatures are verified with
)

func reasonable(pub *rsa.PublicKey) bool { return pub.N.BitLen() <= maxKeyBits }

// decodeCNG reads a BCRYPT_RSAKEY_BLOB of a public key.
func decodeCNG(_ *inspector, in Input) (*Node, error) {
	return in.each(func(b []byte) (*Node, error) {
		if len(b) < 4 || string(b[:4]) != "RSA1" {
			if len(b) >= 4 && (string(b[:4]) == "RSA2" || string(b[:4]) == "RSA3") {
				return &Node{Title: "Private key as CNG writes it (not shown)"}, nil
			}
			return nil, not("it does not begin with RSA1")
		}
		pub, err := cng.ParseRSAPublic(b)
		if err != nil {
			return nil, err
		}
		n := &Node{Title: "Public key as CNG writes it, BCRYPT_RSAKEY_BLOB"}
		n.add("algorithm", algorithm(pub))
		n.noted("key id", ngc.KeyID(b), "base64 of the blob's SHA-256: kid of assertions, keyIdentifier in the directory")
		n.bytes("modulus", pub.N.Bytes())
		return n, nil
	})
}

// decodeKey reads keys in DER. Of a private key the public half is shown.
func decodeKey(_ *inspector, in Input) (*Node, error) {
	return in.each(func(b []byte) (*Node, error) {
		if len(b) < 2 || b[0] != 0x30 {
			return nil, not("it is no DER sequence")
		}
		if len(b) > maxKey {
			return nil, not("it is too long for a key")
		}
		if pub, err := x509.ParsePKIXPublicKey(b); err == nil {
			return publicKeyNode("Public key, PKIX", pub), nil
		}
		if pub, err := x509.ParsePKCS1PublicKey(b); err == nil {
			return publicKeyNode("Public key, PKCS #1", pub), nil
		}
		for _, form := range []struct {
			name  string
			parse func([]byte) (any, error)
		}{
			{"PKCS #8", x509.ParsePKCS8PrivateKey},
			{"PKCS #1", func(b []byte) (any, error) { return x509.ParsePKCS1PrivateKey(b) }},
			{"SEC 1", func(b []byte) (any, error) { return x509.ParseECPrivateKey(b) }},
		} {
			key, err := form.parse(b)
			if err != nil {
				continue
			}
			signer, ok := key.(crypto.Signer)
			if !ok {
				return &Node{Title: "Private key, " + form.name + " (not shown)"}, nil
			}
			return publicKeyNode("Private key, "+form.name+" (not shown); its public half", signer.Public()), nil
		}
		return nil, not("no key in PKIX, PKCS #1, PKCS #8 or SEC 1")
	})
}

func publicKeyNode(title string, pub crypto.PublicKey) *Node {
	n := &Node{Title: title}
	n.Fields = publicKey(pub)
	return n
}

// publicKey describes a public key. An RSA key has the key id that Windows
// would give it.
func publicKey(pub crypto.PublicKey) Fields {
	f := Fields{}
	f.add("algorithm", algorithm(pub))
	if k, ok := pub.(*rsa.PublicKey); ok && reasonable(k) {
		f.noted("key id", ngc.KeyID(cng.MarshalRSAPublic(k)), "base64 of the SHA-256 of its CNG blob")
	}
	return f
}

func algorithm(pub crypto.PublicKey) string {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d, exponent %d", k.N.BitLen(), k.E)
	case *ecdsa.PublicKey:
		return "ECC " + k.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return fmt.Sprintf("%T", pub)
}
