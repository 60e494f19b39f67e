package krb

import (
	"errors"
	"fmt"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
)

// Bounds of what a message may hold many of.
const (
	maxPAData  = 64
	maxETypes  = 64
	maxTickets = 8
)

// PAData is one piece of pre-authentication data.
//
//	PA-DATA ::= SEQUENCE { padata-type [1] Int32, padata-value [2] OCTET STRING }
type PAData struct {
	Type  int32  `asn1:"explicit,tag:1"`
	Value []byte `asn1:"explicit,tag:2"`
}

// FindPA returns the value of the first of a type.
func FindPA(list []PAData, paType int32) (value []byte, ok bool) {
	for _, p := range list {
		if p.Type == paType {
			return p.Value, true
		}
	}
	return nil, false
}

// EncodeMethodData writes METHOD-DATA, the e-data of KDC_ERR_PREAUTH_REQUIRED
// and KDC_ERR_PREAUTH_FAILED (RFC 4120 5.9.1).
func EncodeMethodData(pieces []PAData) ([]byte, error) {
	return orEmpty(list(pieces, PAData.der)).encode(), nil
}

// ParseMethodData reads METHOD-DATA.
func ParseMethodData(b []byte) ([]PAData, error) {
	var list []PAData
	if err := unmarshal(b, &list, 0); err != nil {
		return nil, fmt.Errorf("METHOD-DATA: %w", err)
	}
	if len(list) > maxPAData {
		return nil, errors.New("METHOD-DATA: too many pieces")
	}
	return list, nil
}

// TypedData is one piece of TYPED-DATA, the e-data of PKINIT's errors.
//
//	SEQUENCE { data-type [0] Int32, data-value [1] OCTET STRING OPTIONAL }
type TypedData struct {
	Type  int32  `asn1:"explicit,tag:0"`
	Value []byte `asn1:"optional,explicit,tag:1"`
}

// EncodeTypedData writes TYPED-DATA.
func EncodeTypedData(list []TypedData) ([]byte, error) { return marshal(list, 0) }

// ParseTypedData reads TYPED-DATA.
func ParseTypedData(b []byte) ([]TypedData, error) {
	var list []TypedData
	if err := unmarshal(b, &list, 0); err != nil {
		return nil, fmt.Errorf("TYPED-DATA: %w", err)
	}
	if len(list) > maxPAData {
		return nil, errors.New("TYPED-DATA: too many pieces")
	}
	return list, nil
}

// ETypeInfo2Entry tells a client how to make its key from the password.
// Active Directory sends no parameters: the default of 4096 rounds holds.
type ETypeInfo2Entry struct {
	EType  int32  `asn1:"explicit,tag:0"`
	Salt   string `asn1:"generalstring,optional,explicit,tag:1"`
	Params []byte `asn1:"optional,explicit,tag:2"`
}

// EncodeETypeInfo2 writes the value of PA-ETYPE-INFO2, in order of preference.
func EncodeETypeInfo2(entries []ETypeInfo2Entry) ([]byte, error) {
	return orEmpty(list(entries, ETypeInfo2Entry.der)).encode(), nil
}

func (e ETypeInfo2Entry) der() value {
	var salt, params value
	if e.Salt != "" {
		salt = text(e.Salt)
	}
	if len(e.Params) > 0 {
		params = octets(e.Params)
	}
	return seq(ctx(0, integer(int64(e.EType))), ctx(1, salt), ctx(2, params))
}

// ParseETypeInfo2 reads the value of PA-ETYPE-INFO2.
func ParseETypeInfo2(b []byte) ([]ETypeInfo2Entry, error) {
	var list []ETypeInfo2Entry
	if err := unmarshal(b, &list, 0); err != nil {
		return nil, fmt.Errorf("PA-ETYPE-INFO2: %w", err)
	}
	if len(list) > maxETypes {
		return nil, errors.New("PA-ETYPE-INFO2: too many entries")
	}
	return list, nil
}

// paEncTSEnc is PA-ENC-TS-ENC, the plain text of PA-ENC-TIMESTAMP.
type paEncTSEnc struct {
	Time  time.Time `asn1:"generalized,explicit,tag:0"`
	Micro int       `asn1:"optional,explicit,tag:1"`
}

// EncTimestamp makes the value of PA-ENC-TIMESTAMP.
func EncTimestamp(key Key, now time.Time) ([]byte, error) {
	plain, err := marshal(paEncTSEnc{kerberosTime(now), now.Nanosecond() / 1000}, 0)
	if err != nil {
		return nil, err
	}
	sealed, err := key.Seal(UsageEncTimestamp, 0, plain)
	if err != nil {
		return nil, err
	}
	return marshal(sealed, 0)
}

// ParseEncryptedData reads a bare EncryptedData, such as PA-ENC-TIMESTAMP's value.
func ParseEncryptedData(b []byte) (EncryptedData, error) {
	var d EncryptedData
	err := unmarshal(b, &d, 0)
	if err == nil {
		err = d.check()
	}
	return d, err
}

// OpenEncTimestamp reads the client's time; ErrDecrypt when the key is another.
func OpenEncTimestamp(key Key, d EncryptedData) (time.Time, error) {
	plain, err := key.Open(UsageEncTimestamp, d)
	if err != nil {
		return time.Time{}, err
	}
	var ts paEncTSEnc
	if err := unmarshal(plain, &ts, 0); err != nil {
		return time.Time{}, fmt.Errorf("PA-ENC-TS-ENC: %w", err)
	}
	if err := micros(ts.Micro); err != nil {
		return time.Time{}, fmt.Errorf("PA-ENC-TS-ENC: %w", err)
	}
	return ts.Time.UTC().Add(time.Duration(ts.Micro) * time.Microsecond), nil
}

type paPACRequest struct {
	Include bool `asn1:"explicit,tag:0"`
}

// EncodePACRequest writes the value of KERB-PA-PAC-REQUEST (MS-KILE 2.2.3).
func EncodePACRequest(include bool) ([]byte, error) { return marshal(paPACRequest{include}, 0) }

// ParsePACRequest reads the value of KERB-PA-PAC-REQUEST.
func ParsePACRequest(b []byte) (include bool, err error) {
	var r paPACRequest
	if err := unmarshal(b, &r, 0); err != nil {
		return false, fmt.Errorf("PA-PAC-REQUEST: %w", err)
	}
	return r.Include, nil
}

// Flags of PA-PAC-OPTIONS (MS-KILE 2.2.10).
const (
	PACOptionClaims        Flags = 1 << 31
	PACOptionBranchAware   Flags = 1 << 30
	PACOptionForwardFullDC Flags = 1 << 29
	PACOptionConstrained   Flags = 1 << 28 // resource-based constrained delegation
)

type paPACOptions struct {
	Flags asn1.BitString `asn1:"explicit,tag:0"`
}

// EncodePACOptions writes the value of PA-PAC-OPTIONS.
func EncodePACOptions(f Flags) ([]byte, error) { return marshal(paPACOptions{f.bits()}, 0) }

// ParsePACOptions reads the value of PA-PAC-OPTIONS.
func ParsePACOptions(b []byte) (Flags, error) {
	var o paPACOptions
	if err := unmarshal(b, &o, 0); err != nil {
		return 0, fmt.Errorf("PA-PAC-OPTIONS: %w", err)
	}
	return readFlags(o.Flags), nil
}

// EncPARep makes the answer to PA-REQ-ENC-PA-REP for encrypted-pa-data: a
// checksum over the whole request under the reply key (RFC 6806 11).
func EncPARep(replyKey Key, request []byte) (PAData, error) {
	sum, err := replyKey.Checksum(UsageASReq, request)
	if err != nil {
		return PAData{}, err
	}
	value, err := sum.Encode()
	return PAData{Type: PAReqEncPARep, Value: value}, err
}

// VerifyEncPARep checks the answer of EncPARep.
func VerifyEncPARep(replyKey Key, request, value []byte) error {
	sum, err := ParseChecksum(value)
	if err != nil {
		return fmt.Errorf("PA-REQ-ENC-PA-REP: %w", err)
	}
	if !replyKey.VerifyChecksum(UsageASReq, request, sum) {
		return NewError(ErrModified, "The request was changed on its way to the KDC.")
	}
	return nil
}

// AuthData is one element of AuthorizationData.
type AuthData struct {
	Type int32  `asn1:"explicit,tag:0"`
	Data []byte `asn1:"explicit,tag:1"`
}

// EncodeAuthData writes AuthorizationData.
func EncodeAuthData(elements []AuthData) ([]byte, error) {
	return orEmpty(list(elements, AuthData.der)).encode(), nil
}

// ParseAuthData reads AuthorizationData. The data are slices of b.
func ParseAuthData(b []byte) ([]AuthData, error) {
	d := &decoder{}
	err := Check(b)
	if err == nil {
		list := sequenceOf[AuthData](d, b)
		switch {
		case d.bad:
			err = errValue
		case len(list) > maxPAData:
			err = errors.New("too many elements")
		default:
			return list, nil
		}
	}
	return nil, fmt.Errorf("authorization data: %w", err)
}
