// Package entrakrb is how Entra Kerberos hands tickets to a device: the members
// tgt_ad and tgt_cloud of the answer to a request for a primary refresh token
// that asked for them (form field tgt=true), as both ends speak them.
//
// A member is JSON within a string of the outer JSON:
//
//	clientKey       compact JWE, "alg":"dir" and a ctx, under the key that the session key of the
//	                PRT derives from that ctx; what it holds is the client key, 32 bytes
//	keyType         18, the client key's encryption type; 0: there is no ticket
//	error           text, why there is no ticket; else null
//	messageBuffer   standard base64 of an AS-REP, whose encrypted part is under the client key
//	                with key usage 3
//	realm           realm of the ticket
//	sn              its server, krbtgt/REALM
//	cn              its client, account name or user principal name
//	sessionKeyType  18, the encryption type of the key in the AS-REP
//	accountType     a number
//
// A member without a ticket has the text and zeroes; the rest is null.
//
// A client key is written in AES-256-GCM with the header as additional data, and
// is read in the cloud's AES-256-CBC, too, as replies are (package prt). What
// the cloud sends within an encrypted reply, a client key in bare base64, is
// neither written nor read: roadtx does not know it, and the JWE serves there
// as well.
//
// Sources, of which none is a specification: roadtools' deviceauth.py and
// libhimmelblau's auth.rs, which read these members; MS-OAPXBC for the key
// derivation; RFC 4120 for the AS-REP.
package entrakrb

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/prt"
	"hellolab/providers/wire/strict"
)

// CloudRealm is the realm of tgt_cloud.
const CloudRealm = "KERBEROS.MICROSOFTONLINE.COM"

// Bounds of what a peer sends, in bytes.
const (
	maxMember = 256 << 10 // an AS-REP in base64, and the client key
	maxReason = 1 << 10
)

// ErrMember is what a member that cannot be read is wrapped in.
var ErrMember = errors.New("member of the Kerberos ticket is malformed")

// Refused is a member without a ticket.
type Refused struct{ Reason string }

func (e *Refused) Error() string { return "Entra Kerberos gives no ticket: " + e.Reason }

// Ticket is a ticket-granting ticket as it travels.
type Ticket struct {
	Realm       string
	Server      string // krbtgt/REALM
	Client      string // account name or user principal name
	AccountType int
	Key         krb.Key // the client key
	Reply       []byte  // the AS-REP
}

// member is a member's JSON. Pointers are null where there is no ticket.
type member struct {
	ClientKey      *string `json:"clientKey"`
	KeyType        int32   `json:"keyType"`
	Error          *string `json:"error"`
	MessageBuffer  *string `json:"messageBuffer"`
	Realm          *string `json:"realm"`
	Server         *string `json:"sn"`
	Client         *string `json:"cn"`
	SessionKeyType int32   `json:"sessionKeyType"`
	AccountType    int     `json:"accountType"`
}

// Seal writes the member. derive makes keys of the PRT's session key.
func (t Ticket) Seal(derive func(ctx []byte) ([]byte, error), rand io.Reader) (string, error) {
	if t.Key.EType != krb.AES256 || len(t.Key.Value) != krb.KeySize(krb.AES256) {
		return "", errors.New("seal ticket: the client key is not one of AES-256")
	}
	ctx := make([]byte, prt.ContextSize)
	if _, err := io.ReadFull(rand, ctx); err != nil {
		return "", fmt.Errorf("seal ticket: %w", err)
	}
	key, err := prt.SealResponse(rand, derive, ctx, t.Key.Value, prt.GCM)
	if err != nil {
		return "", fmt.Errorf("seal ticket: %w", err)
	}
	message := base64.StdEncoding.EncodeToString(t.Reply)
	return encode(member{
		ClientKey: &key, KeyType: krb.AES256, MessageBuffer: &message, Realm: &t.Realm, Server: &t.Server, Client: &t.Client,
		SessionKeyType: krb.AES256, AccountType: t.AccountType,
	})
}

// Refuse writes a member that says why there is no ticket.
func Refuse(reason string) (string, error) { return encode(member{Error: &reason}) }

func encode(m member) (string, error) {
	b, err := json.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("encode ticket: %w", err)
	}
	return string(b), nil
}

// Open reads a member: a *Refused that says why there is no ticket,
// prt.ErrDecrypt when the client key does not open, else an ErrMember. What the
// AS-REP holds is not looked at before Credential.
func Open(text string, derive func(ctx []byte) ([]byte, error)) (Ticket, error) {
	if len(text) > maxMember {
		return Ticket{}, fmt.Errorf("%w: it has %d bytes", ErrMember, len(text))
	}
	var m member
	if err := strict.Unmarshal([]byte(text), &m); err != nil {
		return Ticket{}, fmt.Errorf("%w: %w", ErrMember, err)
	}
	if m.KeyType == 0 || m.Error != nil {
		return Ticket{}, refusal(m.Error)
	}
	if m.KeyType != krb.AES256 || m.SessionKeyType != krb.AES256 {
		return Ticket{}, fmt.Errorf("%w: encryption types %d and %d are not supported", ErrMember, m.KeyType, m.SessionKeyType)
	}
	for _, f := range []*string{m.ClientKey, m.MessageBuffer, m.Realm, m.Server, m.Client} {
		if f == nil || *f == "" {
			return Ticket{}, fmt.Errorf("%w: a part of it is missing", ErrMember)
		}
	}
	t := Ticket{Realm: *m.Realm, Server: *m.Server, Client: *m.Client, AccountType: m.AccountType}
	var err error
	if t.Reply, err = base64.StdEncoding.Strict().DecodeString(*m.MessageBuffer); err != nil || strings.ContainsAny(*m.MessageBuffer, "\r\n") {
		return Ticket{}, fmt.Errorf("%w: its message is not in base64", ErrMember)
	}
	if err := krb.Check(t.Reply); err != nil {
		return Ticket{}, fmt.Errorf("%w: its message: %w", ErrMember, err)
	}
	key, err := prt.OpenResponse(*m.ClientKey, derive)
	if err != nil {
		return Ticket{}, fmt.Errorf("client key: %w", err)
	}
	if len(key) != krb.KeySize(krb.AES256) {
		clear(key)
		return Ticket{}, fmt.Errorf("%w: a client key of %d bytes", ErrMember, len(key))
	}
	t.Key = krb.Key{EType: krb.AES256, Value: key}
	return t, nil
}

// refusal makes a peer's text fit to be shown.
func refusal(text *string) error {
	if text == nil || *text == "" {
		return &Refused{"it does not say why"}
	}
	reason := strings.ToValidUTF8((*text)[:min(len(*text), maxReason)], "")
	return &Refused{strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, reason)}
}
