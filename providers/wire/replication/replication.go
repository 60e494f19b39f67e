// Package replication is how who may replicate a domain's secrets reads the NT
// hash of an account: an extended operation of LDAP on an encrypted connection.
// In Windows it is a call of RPC (IDL_DRSGetNCChanges with EXOP_REPL_SECRET,
// MS-DRSR 4.1.10), which needs the control access rights
// DS-Replication-Get-Changes and DS-Replication-Get-Changes-All. What is asked
// and answered is that call's for the attribute unicodePwd; the form is ours.
//
//	Request ::= OCTET STRING (SIZE (16))      -- objectGUID, in Windows order
//
//	Reply ::= SEQUENCE {
//	    version  INTEGER (0..2147483647),     -- msDS-KeyVersionNumber
//	    hash     OCTET STRING (SIZE (0 | 16)) -- none: the account has no password
//	}
//
// All of it DER.
package replication

import (
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"hellolab/providers/wire/guid"
)

// OID names the operation. It is of the arc of UUIDs (ITU-T X.667), which need
// no registry; this one is 6b3f9d52-8a57-4d0e-9b1c-5e0f6f2a7c41.
const OID = "2.25.142557701128905263816539621120237272129"

const sizeHash = 16

// ErrMalformed is a request or a reply that is none.
var ErrMalformed = errors.New("malformed replication message")

// Reply is what the domain answers. It prints as nothing.
type Reply struct {
	Version int    // rises with each new password
	Hash    []byte // NT hash; nil without a password
}

func (Reply) String() string   { return "(sensitive)" }
func (Reply) GoString() string { return "(sensitive)" }

// EncodeRequest writes the request for an object.
func EncodeRequest(object guid.GUID) ([]byte, error) {
	w := object.Windows()
	var b cryptobyte.Builder
	b.AddASN1OctetString(w[:])
	return b.Bytes()
}

// ParseRequest reads a request.
func ParseRequest(raw []byte) (guid.GUID, error) {
	in := cryptobyte.String(raw)
	var id cryptobyte.String
	if !in.ReadASN1(&id, asn1.OCTET_STRING) || !in.Empty() || len(id) != 16 {
		return guid.GUID{}, ErrMalformed
	}
	return guid.FromWindows([16]byte(id)), nil
}

// Encode writes the reply.
func (r Reply) Encode() ([]byte, error) {
	if len(r.Hash) != 0 && len(r.Hash) != sizeHash || r.Version < 0 {
		return nil, fmt.Errorf("%w: a hash of %d bytes", ErrMalformed, len(r.Hash))
	}
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(int64(r.Version))
		b.AddASN1OctetString(r.Hash)
	})
	return b.Bytes()
}

// ParseReply reads a reply.
func ParseReply(raw []byte) (*Reply, error) {
	in := cryptobyte.String(raw)
	var body, hash cryptobyte.String
	var version int32
	if !in.ReadASN1(&body, asn1.SEQUENCE) || !in.Empty() || !body.ReadASN1Integer(&version) || version < 0 ||
		!body.ReadASN1(&hash, asn1.OCTET_STRING) || !body.Empty() || len(hash) != 0 && len(hash) != sizeHash {
		return nil, ErrMalformed
	}
	r := &Reply{Version: int(version)}
	if len(hash) > 0 {
		r.Hash = append([]byte(nil), hash...)
	}
	return r, nil
}
