package krb

import (
	"encoding/binary"
	"errors"
)

// Versions of the password protocol.
const (
	PasswordChange uint16 = 1      // the client's own password; the data is the password
	PasswordSet    uint16 = 0xff80 // RFC 3244 2: the data is ChangePasswdData
)

// Results of the password protocol (RFC 3244 2).
const (
	PasswordSuccess      uint16 = 0
	PasswordMalformed    uint16 = 1
	PasswordHardError    uint16 = 2
	PasswordAuthError    uint16 = 3
	PasswordSoftError    uint16 = 4 // the policy refuses it
	PasswordAccessDenied uint16 = 5
	PasswordBadVersion   uint16 = 6
	PasswordInitialFlag  uint16 = 7 // the ticket must come from an AS exchange
)

// PasswordMessage is the frame of requests and replies (RFC 3244 2), big endian:
//
//	offset  size  field
//	0       2     length of the whole message
//	2       2     version
//	4       2     length of the AP-REQ or AP-REP; 0: the rest is a KRB-ERROR
//	6       …     AP-REQ or AP-REP
//	        …     KRB-PRIV
type PasswordMessage struct {
	Version uint16
	AP      []byte
	Priv    []byte // or a KRB-ERROR, when AP is empty
}

// ParsePasswordMessage reads a message.
func ParsePasswordMessage(b []byte) (*PasswordMessage, error) {
	if len(b) < 6 || len(b) > 0xffff || int(binary.BigEndian.Uint16(b)) != len(b) {
		return nil, errors.New("password message: the length is wrong")
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	if n > len(b)-6 {
		return nil, errors.New("password message: the length of its first part is wrong")
	}
	return &PasswordMessage{binary.BigEndian.Uint16(b[2:]), b[6 : 6+n], b[6+n:]}, nil
}

// Encode writes the message.
func (m *PasswordMessage) Encode() ([]byte, error) {
	n := 6 + len(m.AP) + len(m.Priv)
	if n > 0xffff {
		return nil, errors.New("password message: too long")
	}
	b := make([]byte, 6, n)
	binary.BigEndian.PutUint16(b, uint16(n))
	binary.BigEndian.PutUint16(b[2:], m.Version)
	binary.BigEndian.PutUint16(b[4:], uint16(len(m.AP)))
	return append(append(b, m.AP...), m.Priv...), nil
}

// ChangePasswdData is what PasswordSet carries. Without a target it is the
// client's own password.
type ChangePasswdData struct {
	NewPassword []byte `asn1:"explicit,tag:0"`
	Target      Name   `asn1:"optional,explicit,tag:1"`
	TargetRealm string `asn1:"generalstring,optional,explicit,tag:2"`
}

// Encode writes the data.
func (c ChangePasswdData) Encode() ([]byte, error) { return marshal(c, 0) }

// ParseChangePasswdData reads the data.
func ParseChangePasswdData(b []byte) (ChangePasswdData, error) {
	var c ChangePasswdData
	if err := unmarshal(b, &c, 0); err != nil {
		return ChangePasswdData{}, errors.New("ChangePasswdData cannot be read")
	}
	if len(c.NewPassword) > maxPassword {
		return ChangePasswdData{}, errors.New("the password is too long")
	}
	if c.Target.IsZero() {
		return c, nil
	}
	return c, c.Target.check("target name")
}

// PasswordResult is what the KRB-PRIV of a reply holds: a code in two bytes and
// a text in UTF-8.
func PasswordResult(code uint16, text string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, code), text...)
}

// ParsePasswordResult reads a result. The text is the server's; Active
// Directory's is a structure of 30 bytes, which is left out.
func ParsePasswordResult(b []byte) (code uint16, text string, err error) {
	if len(b) < 2 || len(b) > 4096 {
		return 0, "", errors.New("password result: the length is wrong")
	}
	code, b = binary.BigEndian.Uint16(b), b[2:]
	if len(b) == 30 && b[0] == 0 && b[1] == 0 {
		b = nil
	}
	return code, string(b), nil
}
