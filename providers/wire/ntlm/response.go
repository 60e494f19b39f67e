package ntlm

import (
	"crypto/hmac"
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"hellolab/providers/wire/filetime"
	"hellolab/providers/wire/krb"
)

// AV_PAIR (MS-NLMP 2.2.2.1): u16 id, u16 length, value. The list ends with id
// and length 0.
const (
	avEnd             = 0
	avNetBIOSComputer = 1
	avNetBIOSDomain   = 2
	avDNSComputer     = 3
	avDNSDomain       = 4
	avDNSTree         = 5
	avFlags           = 6
	avTimestamp       = 7
	avTargetName      = 9
	avChannelBindings = 10

	flagMIC = 0x2 // of avFlags: the message has an integrity code
)

// pair is one of them.
type pair struct {
	id    uint16
	value []byte
}

func encodePairs(list []pair) []byte {
	var b []byte
	for _, p := range append(list, pair{id: avEnd}) {
		b = binary.LittleEndian.AppendUint16(b, p.id)
		b = binary.LittleEndian.AppendUint16(b, uint16(len(p.value)))
		b = append(b, p.value...)
	}
	return b
}

// parsePairs reads a list up to its end; each id comes once.
func parsePairs(b []byte) ([]pair, error) {
	var list []pair
	for seen := uint64(0); ; {
		if len(b) < 4 || len(list) > maxPairs {
			return nil, fmt.Errorf("%w: list of target information", ErrMessage)
		}
		id, size := binary.LittleEndian.Uint16(b), int(binary.LittleEndian.Uint16(b[2:]))
		switch {
		case id == avEnd && size == 0:
			return list, nil
		case id == avEnd || id >= 64 || seen&(1<<id) != 0 || size > len(b)-4:
			return nil, fmt.Errorf("%w: target information", ErrMessage)
		}
		seen |= 1 << id
		list = append(list, pair{id, b[4:][:size:size]})
		b = b[4+size:]
	}
}

func find(list []pair, id uint16, size int) []byte {
	for _, p := range list {
		if p.id == id && len(p.value) == size {
			return p.value
		}
	}
	return nil
}

// NTLMv2_RESPONSE (MS-NLMP 2.2.2.7, 2.2.2.8):
//
//	0   16  proof: HMAC-MD5(NTOWFv2, challenge ‖ all below)
//	16  1   1
//	17  1   1
//	18  6   reserved
//	24  8   FILETIME
//	32  8   client's challenge
//	40  4   reserved
//	44      AV pairs; clients put four bytes of nothing behind them
const (
	atBlob        = 16
	atTime        = 24
	atNonce       = 32
	atPairs       = 44
	leastResponse = atPairs + 4
	sizeNTLMv1    = 24 // of a response of version 1
)

// MaxLifetime is how far an answer's time may be from the present (MS-NLMP
// 3.1.1.1).
const MaxLifetime = 36 * time.Hour

// response is an NT response, read.
type response struct {
	at    uint64 // FILETIME
	pairs []pair
}

func parseResponse(b []byte) (*response, error) {
	switch {
	case len(b) == sizeNTLMv1:
		return nil, ErrVersion
	case len(b) < leastResponse || len(b) > maxMessage || b[16] != 1 || b[17] != 1:
		return nil, fmt.Errorf("%w: response", ErrMessage)
	}
	pairs, err := parsePairs(b[atPairs:])
	if err != nil {
		return nil, err
	}
	return &response{at: binary.LittleEndian.Uint64(b[atTime:]), pairs: pairs}, nil
}

// mic says whether the message must have an integrity code. It is under the
// proof, so that nobody can take the code away.
func (r *response) mic() bool {
	v := find(r.pairs, avFlags, 4)
	return v != nil && binary.LittleEndian.Uint32(v)&flagMIC != 0
}

// NTHash returns the hash of a password that an account keeps.
func NTHash(password string) ([]byte, error) {
	k, err := krb.StringToKey(krb.RC4, password, "")
	return k.Value, err
}

// Verify says whether a response to a challenge was made with the NT hash of an
// account, by a client that calls it user of domain; both as the client spelled
// them. It returns the session base key, or ErrVersion, ErrMessage, ErrProof
// or, of a response that was made more than MaxLifetime ago or ahead, ErrTime.
func Verify(ntHash []byte, user, domain string, challenge [8]byte, raw []byte, now time.Time) (sessionBase []byte, err error) {
	r, err := parseResponse(raw)
	if err != nil {
		return nil, err
	}
	proof, key := prove(ntHash, user, domain, challenge, raw[atBlob:])
	if !hmac.Equal(proof, raw[:atBlob]) {
		return nil, ErrProof
	}
	if at := filetime.From(now); max(at, r.at)-min(at, r.at) > uint64(MaxLifetime/100) {
		return nil, ErrTime
	}
	return key, nil
}

// prove returns the proof and the session base key (MS-NLMP 3.3.2).
func prove(ntHash []byte, user, domain string, challenge [8]byte, blob []byte) (proof, key []byte) {
	owf := mac(ntHash, utf16le(strings.ToUpper(user)+domain))
	proof = mac(owf, challenge[:], blob)
	return proof, mac(owf, proof)
}

func mac(key []byte, parts ...[]byte) []byte {
	h := hmac.New(md5.New, key)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}
