package planfile

import (
	"bytes"
	"compress/flate"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/msgpack"
)

// contents is what sealed holds.
type contents struct {
	Plan    planJSON          `json:"plan"`
	Sources map[string][]byte `json:"sources"`
	Vars    map[string][]byte `json:"vars"` // msgpack with type
}

// seal returns nonce and ciphertext of the file's contents.
func seal(f File, k keys) ([]byte, error) {
	c := contents{Sources: f.Sources, Vars: map[string][]byte{}}
	var err error
	if c.Plan, err = encodePlan(f.Plan); err != nil {
		return nil, err
	}
	for name, v := range f.Vars {
		v, _ = v.UnmarkDeep()
		if c.Vars[name], err = msgpack.Marshal(v, cty.DynamicPseudoType); err != nil {
			return nil, err
		}
	}
	text, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	small, err := deflate(text, flate.BestSpeed)
	if err != nil {
		return nil, err
	}
	aead, err := newAEAD(k.seal)
	if err != nil {
		return nil, err
	}
	h := hmac.New(sha256.New, k.nonce)
	h.Write(small)
	nonce := h.Sum(nil)[:aead.NonceSize()]
	return aead.Seal(bytes.Clone(nonce), nonce, small, []byte(nameSealed)), nil
}

// open undoes seal; sealed was authenticated.
func open(sealed []byte, k keys) (*File, error) {
	aead, err := newAEAD(k.seal)
	if err != nil {
		return nil, err
	}
	if len(sealed) < aead.NonceSize() {
		return nil, errors.New("the sealed member is too short")
	}
	nonce, box := sealed[:aead.NonceSize()], sealed[aead.NonceSize():]
	small, err := aead.Open(nil, nonce, box, []byte(nameSealed))
	if err != nil {
		return nil, errors.New("the sealed member does not open with the lab's key")
	}
	text, err := inflate(small)
	if err != nil {
		return nil, err
	}
	var c contents
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, err
	}
	f := &File{Sources: c.Sources, Vars: map[string]cty.Value{}}
	if f.Plan, err = decodePlan(c.Plan); err != nil {
		return nil, err
	}
	for name, b := range c.Vars {
		if f.Vars[name], err = msgpack.Unmarshal(b, cty.DynamicPseudoType); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
