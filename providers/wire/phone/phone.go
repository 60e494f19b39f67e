// Package phone is how a registered authenticator app answers the tenant's
// notifications: it lists those that wait and approves one with the number
// that the sign-in page shows, or denies it.
//
// What the cloud's app speaks is not public, so this format is ours; docs/wire.md
// describes it. Both calls go to the tenant's login host:
//
//	POST /TENANT/phone/challenge   → Challenge, a nonce
//	POST /TENANT/phone/list        List   → Notifications
//	POST /TENANT/phone/answer      Answer → Outcome
//
// Each call but the first proves the phone: Proof is an HMAC-SHA256 over the
// nonce and everything the call says, under the secret that the phone got when
// it was registered. A nonce is used once.
package phone

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"hellolab/providers/wire/strict"
)

// Paths behind the tenant's segment, in lower case.
const (
	PathChallenge = "phone/challenge"
	PathList      = "phone/list"
	PathAnswer    = "phone/answer"
)

// SecretSize is the size of a phone's secret in bytes.
const SecretSize = 32

// Decisions of an Answer.
const (
	Approve = "approve"
	Deny    = "deny"
)

// Outcomes of an Answer that was heard.
const (
	Approved    = "approved"
	Denied      = "denied"
	WrongNumber = "wrong_number" // the notification ends with it
	Gone        = "gone"         // unknown, expired, superseded or answered before
	Locked      = "locked"       // too many denials and wrong numbers: nothing is heard for a while
)

// Numbers that a page shows.
const (
	MinNumber = 10
	MaxNumber = 99
)

// Challenge is what the next call must be proved over.
type Challenge struct {
	Nonce string `json:"nonce"`
}

// List asks for the notifications that wait.
type List struct {
	User  string `json:"user"` // object id
	Nonce string `json:"nonce"`
	Proof []byte `json:"proof"`
}

// Notification is a sign-in that waits for its second factor. The number is
// not part of it: who approves must see the page.
type Notification struct {
	ID            string    `json:"id"`             // GUID
	CorrelationID string    `json:"correlation_id"` // of the sign-in
	Application   string    `json:"application"`    // client id
	Asked         time.Time `json:"asked"`
	Expires       time.Time `json:"expires"`
}

// Notifications answers List, oldest first.
type Notifications struct {
	Notifications []Notification `json:"notifications"`
}

// Answer approves or denies one notification.
type Answer struct {
	User         string `json:"user"` // object id
	Notification string `json:"notification"`
	Decision     string `json:"decision"`         // Approve or Deny
	Number       int    `json:"number,omitempty"` // with Approve
	Nonce        string `json:"nonce"`
	Proof        []byte `json:"proof"`
}

// Outcome answers Answer.
type Outcome struct {
	Result string `json:"result"`
}

// Sign makes the call's proof.
func (l *List) Sign(secret []byte) { l.Proof = l.proof(secret) }

// Verify says whether the call was proved with secret, in constant time.
func (l *List) Verify(secret []byte) bool { return hmac.Equal(l.Proof, l.proof(secret)) }

func (l *List) proof(secret []byte) []byte { return mac(secret, "list", l.User, l.Nonce) }

// Sign makes the call's proof.
func (a *Answer) Sign(secret []byte) { a.Proof = a.proof(secret) }

// Verify says whether the call was proved with secret, in constant time.
func (a *Answer) Verify(secret []byte) bool { return hmac.Equal(a.Proof, a.proof(secret)) }

func (a *Answer) proof(secret []byte) []byte {
	return mac(secret, "answer", a.User, a.Nonce, a.Notification, a.Decision, strconv.Itoa(a.Number))
}

// mac is HMAC-SHA256 over the fields, each behind its length (4 bytes,
// big-endian), so that no two calls have the same text.
func mac(secret []byte, fields ...string) []byte {
	h := hmac.New(sha256.New, secret)
	for _, f := range append([]string{"hellolab phone 1"}, fields...) {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(f))))
		h.Write([]byte(f))
	}
	return h.Sum(nil)
}

// ErrMalformed is wrapped by every error of the parsers.
var ErrMalformed = errors.New("malformed message of the authenticator app")

// ParseList reads a List.
func ParseList(data []byte) (*List, error) {
	l, err := parse[List](data)
	if err == nil && !fit(l.User, l.Nonce, string(l.Proof)) {
		err = fmt.Errorf("%w: a member is missing or too long", ErrMalformed)
	}
	return l, err
}

// ParseAnswer reads an Answer.
func ParseAnswer(data []byte) (*Answer, error) {
	a, err := parse[Answer](data)
	switch {
	case err != nil:
	case !fit(a.User, a.Nonce, string(a.Proof), a.Notification):
		err = fmt.Errorf("%w: a member is missing or too long", ErrMalformed)
	case a.Decision != Approve && a.Decision != Deny:
		err = fmt.Errorf("%w: the decision is neither %q nor %q", ErrMalformed, Approve, Deny)
	case a.Decision == Approve && (a.Number < 0 || a.Number > MaxNumber):
		err = fmt.Errorf("%w: the number does not have two digits", ErrMalformed)
	case a.Decision == Deny && a.Number != 0:
		err = fmt.Errorf("%w: a denial has no number", ErrMalformed)
	}
	return a, err
}

// maxMember bounds each member of a call.
const maxMember = 256

func fit(members ...string) bool {
	for _, m := range members {
		if m == "" || len(m) > maxMember {
			return false
		}
	}
	return true
}

func parse[T any](data []byte) (*T, error) {
	v := new(T)
	if err := strict.Unmarshal(data, v); err != nil {
		return v, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return v, nil
}

// EncodeSecret writes a phone's secret as text: base64url without padding.
func EncodeSecret(secret []byte) string { return base64.RawURLEncoding.EncodeToString(secret) }

// ParseSecret reads what EncodeSecret wrote.
func ParseSecret(s string) ([]byte, error) {
	secret, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(secret) != SecretSize {
		return nil, errors.New("the phone's secret is malformed") // without quoting it
	}
	return secret, nil
}
