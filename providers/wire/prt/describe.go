package prt

import "errors"

// Message is the outside of an encrypted message: a session_key_jwe or a
// sealed reply. Nothing of it is authenticated before it opens.
type Message struct {
	Algorithm, Encryption string
	Context               string // ctx as transmitted
	KeyID                 string

	// Sizes of the parts in bytes.
	EncryptedKey, IV, Text, Tag int
}

// ParseMessage takes an encrypted message apart without opening it.
func ParseMessage(s string) (*Message, error) {
	j, err := parseJWE(s)
	if err != nil {
		return nil, errors.New("it does not have five parts in base64url with a header of the protocol's, or it is compressed, or too long")
	}
	return &Message{
		Algorithm: j.header.Algorithm, Encryption: j.header.Encryption, Context: j.header.Context, KeyID: j.header.KeyID,
		EncryptedKey: len(j.key), IV: len(j.iv), Text: len(j.text), Tag: len(j.mac),
	}, nil
}

// Cipher names what the content is encrypted with, which the header does not
// tell truly: a reply without a tag is in CBC.
func (m *Message) Cipher() string {
	if m.Algorithm == "dir" && m.Tag == 0 {
		return "AES-256-CBC"
	}
	return "AES-256-GCM"
}
