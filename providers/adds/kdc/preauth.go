package kdc

import (
	"context"
	"errors"
	"time"

	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/pac"
)

// Preauth is one way for a client to prove who it is in an AS exchange.
// PKINIT is another than the one here.
type Preauth interface {
	// Type is the type of PA-DATA that a request uses it by.
	Type() int32
	// Offer is what the METHOD-DATA of an error says of it; nil when the
	// account cannot use it.
	Offer(ctx context.Context, x *ASExchange) ([]krb.PAData, error)
	// Verify checks the value of the request's PA-DATA. A refusal is a
	// *krb.Error, with e-data if it has some of its own.
	Verify(ctx context.Context, x *ASExchange, value []byte) (*Proof, error)
}

// ASExchange is what a Preauth sees of an AS exchange.
type ASExchange struct {
	Request *krb.KDCReq // with Raw and RawBody as they were sent
	Account *Account    // of the client, which may sign in at this time
	Now     time.Time
	ETypes  []int32 // of the request, as the policy allows them, best first; never empty
	Realm   string  // of the KDC, upper case

	note map[string]any // for the event, of a refusal, too; nil: none is told
}

// tell adds a fact to the exchange's event.
func (x *ASExchange) tell(name string, value any) {
	if x.note != nil {
		x.note[name] = value
	}
}

// Proof is a pre-authentication that was right.
type Proof struct {
	Method   string // for the event: "encrypted timestamp"
	ReplyKey krb.Key
	KVNO     uint32       // of the reply key; 0: it is not a key of the account
	PAData   []krb.PAData // for the AS-REP

	// Password says that a password proved it: what is true of the account's
	// password (expired, not enough) counts.
	Password bool
	// Hardware sets the ticket's flag hw-authent.
	Hardware bool
	// KeyID is that of the key, registered with the account, that proved it; nil: none
	// did.
	KeyID []byte

	// ReplayID is what makes this proof unlike any other, and ReplayUntil when
	// the KDC may forget it because it is too old by then.
	ReplayID    []byte
	ReplayUntil time.Time

	// PAC adds what the proof tells of the client: SIDs, credentials; may be nil.
	PAC func(*pac.PAC) error
	// Note adds to the event's message; may be nil. No secrets.
	Note map[string]any
}

// timestamp is PA-ENC-TIMESTAMP (RFC 4120 5.2.7.2).
type timestamp struct{}

func (timestamp) Type() int32 { return krb.PAEncTimestamp }

// Offer names the encryption types and the salt of the account's keys, best
// first, and the encrypted timestamp itself.
func (timestamp) Offer(_ context.Context, x *ASExchange) ([]krb.PAData, error) {
	var info []krb.ETypeInfo2Entry
	for _, etype := range x.ETypes {
		if _, ok := x.Account.key(etype); ok {
			info = append(info, etypeInfo2(x.Account, etype))
		}
	}
	if info == nil {
		return nil, nil
	}
	value, err := krb.EncodeETypeInfo2(info)
	return []krb.PAData{{Type: krb.PAETypeInfo2, Value: value}, {Type: krb.PAEncTimestamp, Value: []byte{}}}, err
}

func etypeInfo2(a *Account, etype int32) krb.ETypeInfo2Entry {
	if etype == krb.RC4 {
		return krb.ETypeInfo2Entry{EType: etype}
	}
	return krb.ETypeInfo2Entry{EType: etype, Salt: a.Salt}
}

func (timestamp) Verify(_ context.Context, x *ASExchange, value []byte) (*Proof, error) {
	sealed, err := krb.ParseEncryptedData(value)
	if err != nil {
		return nil, krb.NewError(krb.ErrPreauthFailed, "The encrypted timestamp cannot be read.")
	}
	key, ok := VersionedKey{}, false
	for _, etype := range x.ETypes {
		if etype == sealed.EType {
			key, ok = x.Account.key(etype)
		}
	}
	if !ok {
		return nil, krb.NewError(krb.ErrETypeNoSupport, "")
	}
	at, err := krb.OpenEncTimestamp(key.Key, sealed)
	switch {
	case errors.Is(err, krb.ErrDecrypt):
		return nil, krb.NewError(krb.ErrPreauthFailed, "The password of %s is wrong.", x.Account.SAMAccountName)
	case err != nil:
		return nil, krb.NewError(krb.ErrPreauthFailed, "The encrypted timestamp cannot be read.")
	}
	if d := x.Now.Sub(at); d > krb.Skew || -d > krb.Skew {
		return nil, krb.NewError(krb.ErrSkew, "The client's clock differs by %s.", d.Abs().Round(time.Second))
	}
	p, err := passwordProof(x.Account, key)
	if err != nil {
		return nil, err
	}
	p.Method, p.ReplayID, p.ReplayUntil = "encrypted timestamp", sealed.Cipher, at.Add(krb.Skew)
	return p, nil
}

// passwordProof is a proof whose reply is under a key of the account, and
// tells the client how to make that key.
func passwordProof(a *Account, key VersionedKey) (*Proof, error) {
	info, err := krb.EncodeETypeInfo2([]krb.ETypeInfo2Entry{etypeInfo2(a, key.Key.EType)})
	return &Proof{ReplyKey: key.Key, KVNO: key.KVNO, Password: true, PAData: []krb.PAData{{Type: krb.PAETypeInfo2, Value: info}}}, err
}
