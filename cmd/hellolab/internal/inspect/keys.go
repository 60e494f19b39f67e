package inspect

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/ngc"
	"hellolab/providers/wire/prt"
)

// Key is a public key to verify with.
type Key struct {
	ID     string // how a verdict calls it: "key abc", "the certificate of CN=…"
	Public crypto.PublicKey
	Cert   *x509.Certificate // when the key came in one
}

// maxKeys bounds the keys of one file: each is tried on each signature.
const maxKeys = 64

// ParseKeys reads public keys: certificates and keys in PEM or DER, a JSON Web
// Key or a set, a CNG blob. A private key is refused: verifying needs none.
func ParseKeys(data []byte) ([]Key, error) {
	in := newInput(data)
	keys, err := parseKeys(in)
	switch {
	case err != nil:
		return nil, err
	case len(keys) == 0:
		return nil, errors.New("no public key or certificate in it that can verify (PEM, DER, JSON Web Keys or CNG)")
	case len(keys) > maxKeys:
		return nil, fmt.Errorf("more than %d keys", maxKeys)
	}
	return keys, nil
}

func parseKeys(in Input) ([]Key, error) {
	if strings.HasPrefix(in.Text, "{") {
		var keys []Key
		for _, k := range jwkSet([]byte(in.Text)) {
			if pub, err := k.PublicKey(); err == nil {
				keys = append(keys, Key{ID: keyName(k.KeyID), Public: pub})
			}
		}
		return keys, nil
	}
	if strings.Contains(in.Text, "-----BEGIN ") {
		var keys []Key
		for rest := []byte(in.Text); len(keys) <= maxKeys; {
			var block *pem.Block
			if block, rest = pem.Decode(rest); block == nil {
				return keys, nil
			}
			if strings.Contains(block.Type, "PRIVATE") {
				return nil, errors.New("it holds a private key; give the public key or the certificate")
			}
			key, err := parseKey(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", block.Type, err)
			}
			keys = append(keys, key)
		}
		return keys, nil
	}
	for _, b := range in.Bytes {
		if key, err := parseKey(b); err == nil {
			return []Key{key}, nil
		}
	}
	return nil, nil
}

func keyName(id string) string {
	if id == "" {
		return "a key given"
	}
	return "key " + id
}

// CertificateKey is the key of a certificate in DER, called name in verdicts;
// "" calls it by its thumbprint.
func CertificateKey(der []byte, name string) (Key, error) {
	if len(der) > maxCertificate {
		return Key{}, errLong
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return Key{}, err
	}
	if name == "" {
		name = "the certificate " + drs.Thumbprint(der)
	}
	return Key{ID: name, Public: cert.PublicKey, Cert: cert}, nil
}

// parseKey reads one certificate or public key.
func parseKey(b []byte) (Key, error) {
	if bytes.HasPrefix(b, []byte("RSA1")) {
		pub, err := cng.ParseRSAPublic(b)
		return Key{ID: keyName(ngc.KeyID(b)), Public: pub}, err
	}
	if key, err := CertificateKey(b, ""); err == nil {
		return key, nil
	}
	if pub, err := x509.ParsePKIXPublicKey(b); err == nil {
		return Key{ID: keyName(""), Public: pub}, nil
	}
	pub, err := x509.ParsePKCS1PublicKey(b)
	return Key{ID: keyName(""), Public: pub}, err
}

// ParseSessionKey reads a session key in hexadecimal or base64.
func ParseSessionKey(text []byte) ([]byte, error) {
	s := strings.TrimSpace(string(text))
	if b, err := hex.DecodeString(s); err == nil && len(b) == prt.SessionKeySize {
		return b, nil
	}
	if b, ok := fromBase64(s); ok && len(b) == prt.SessionKeySize {
		return b, nil
	}
	return nil, fmt.Errorf("not %d bytes in hexadecimal or base64", prt.SessionKeySize)
}
