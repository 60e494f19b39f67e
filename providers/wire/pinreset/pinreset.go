// Package pinreset is what a Windows device and the PIN reset service say to each
// other. The device encrypts the administrative key of a Hello container to the
// service, keeps the result, and gets the key back when the user has proven two
// factors (Microsoft, "PIN reset": the recovery secret is stored on the client
// and can be decrypted only by the service).
//
// The service's own messages are not public; these are ours:
//
//	GET  /EnrollmentServer/pinreset/key       KeyReply
//	POST /EnrollmentServer/pinreset/recover   RecoverRequest, with an access token; RecoverReply
//
// Encryption is HPKE (RFC 9180), base mode: DHKEM(P-256, HKDF-SHA256),
// HKDF-SHA256, AES-256-GCM. What is encrypted is JSON:
//
//	{"key": 32 bytes, "tid", "oid", "deviceid": GUIDs}
//
// The text that a device keeps is base64url of the encapsulated key (65 bytes)
// and the ciphertext, behind each other.
package pinreset

import (
	"crypto/ecdh"
	"crypto/hpke"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"hellolab/providers/wire/strict"
)

// Paths of the service. They are compared without regard to letter case.
const (
	PathKey     = "/EnrollmentServer/pinreset/key"
	PathRecover = "/EnrollmentServer/pinreset/recover"
)

// KeySize is the size of an administrative key.
const KeySize = 32

const (
	maxMessage = 8 << 10
	info       = "hellolab PIN reset"
)

// ErrProtected is the one answer to every text that does not open.
var ErrProtected = errors.New("the protected key does not open")

// Binding says whose key it is, and on which device.
type Binding struct {
	TenantID string `json:"tid"`
	ObjectID string `json:"oid"`
	DeviceID string `json:"deviceid"`
}

// whole reports whether it names all of it.
func (b Binding) whole() bool {
	return b.TenantID != "" && b.ObjectID != "" && b.DeviceID != ""
}

// Is reports whether two are the same: GUIDs have no case.
func (b Binding) Is(other Binding) bool {
	return strings.EqualFold(b.TenantID, other.TenantID) && strings.EqualFold(b.ObjectID, other.ObjectID) && strings.EqualFold(b.DeviceID, other.DeviceID)
}

type content struct {
	Key []byte `json:"key"`
	Binding
}

// KeyReply is the service's public key: an uncompressed point.
type KeyReply struct {
	PublicKey []byte `json:"public_key"`
}

// RecoverRequest asks for the key in what the device kept.
type RecoverRequest struct {
	Protected string `json:"protected"`
}

// RecoverReply is the key.
type RecoverReply struct {
	Key []byte `json:"key"`
}

// ParseKeyReply reads a KeyReply.
func ParseKeyReply(body []byte) (*KeyReply, error) {
	r, err := parse[KeyReply](body)
	if err != nil {
		return nil, err
	}
	_, err = kem().NewPublicKey(r.PublicKey)
	return r, err
}

// ParseRecoverRequest reads a RecoverRequest.
func ParseRecoverRequest(body []byte) (*RecoverRequest, error) { return parse[RecoverRequest](body) }

// ParseRecoverReply reads a RecoverReply.
func ParseRecoverReply(body []byte) (*RecoverReply, error) {
	r, err := parse[RecoverReply](body)
	if err == nil && len(r.Key) != KeySize {
		err = fmt.Errorf("a key of %d bytes", len(r.Key))
	}
	return r, err
}

func parse[T any](body []byte) (*T, error) {
	if len(body) > maxMessage {
		return nil, fmt.Errorf("a message of %d bytes", len(body))
	}
	var v T
	if err := strict.Unmarshal(body, &v); err != nil {
		return nil, err
	}
	return &v, nil
}

func kem() hpke.KEM { return hpke.DHKEM(ecdh.P256()) }

// Protect encrypts an administrative key to a service.
func Protect(service []byte, b Binding, key []byte) (string, error) {
	if !b.whole() || len(key) != KeySize {
		return "", errors.New("a key without its owner, or of another size")
	}
	to, err := kem().NewPublicKey(service)
	if err != nil {
		return "", fmt.Errorf("public key of the PIN reset service: %w", err)
	}
	plain, err := json.Marshal(content{key, b})
	if err != nil {
		return "", err
	}
	defer clear(plain)
	sealed, err := hpke.Seal(to, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(info), plain)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

// Service is the service's key pair.
type Service struct{ key hpke.PrivateKey }

// NewService derives the key pair of a service from at least 32 secret bytes.
func NewService(seed []byte) (*Service, error) {
	if len(seed) < 32 {
		return nil, fmt.Errorf("a seed of %d bytes", len(seed))
	}
	key, err := kem().DeriveKeyPair(seed)
	if err != nil {
		return nil, err
	}
	return &Service{key}, nil
}

// PublicKey is what devices encrypt to.
func (s *Service) PublicKey() []byte { return s.key.PublicKey().Bytes() }

// Recover opens what a device kept.
func (s *Service) Recover(protected string) (Binding, []byte, error) {
	if len(protected) > maxMessage {
		return Binding{}, nil, ErrProtected
	}
	sealed, err := base64.RawURLEncoding.DecodeString(protected)
	if err != nil {
		return Binding{}, nil, ErrProtected
	}
	plain, err := hpke.Open(s.key, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(info), sealed)
	if err != nil {
		return Binding{}, nil, ErrProtected
	}
	defer clear(plain)
	var c content
	if err := strict.Unmarshal(plain, &c); err != nil || len(c.Key) != KeySize || !c.whole() {
		return Binding{}, nil, ErrProtected
	}
	return c.Binding, c.Key, nil
}
