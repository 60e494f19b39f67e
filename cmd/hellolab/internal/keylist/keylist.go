// Package keylist is the registered keys of accounts as a person reads them:
// each decoded, and marked where it must not be relied upon. It takes what the
// directories said, and asks nobody.
//
// A domain keeps keys as values of msDS-KeyCredentialLink (MS-ADTS 2.2.20), a
// tenant as searchableDeviceKey.
package keylist

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/keycred"
	"hellolab/providers/wire/ldapmsg"
)

// Directory is where a key is registered.
type Directory string

// Directories.
const (
	AD    Directory = "ad"
	Entra Directory = "entra"
)

// Marks of a key.
const (
	Malformed = "malformed" // domain controllers pass over the value
	Weak      = "weak"      // its private key can be had
	Foreign   = "foreign"   // the domain itself is the source of a user's key: neither a synchronization nor a federation service wrote it
)

// Account is whose keys they are.
type Account struct {
	Address  string // user.alice; "" when the account is nobody's block
	Name     string // UPN, or DOMAIN\name
	Home     string // address of the domain or tenant
	SID      string // in the domain; of a tenant's account, in the domain that it is synchronized from, else ""
	Computer bool
	// Registered has the ids of devices that a federation service registered in the
	// domain: it also writes the keys of users there.
	Registered map[string]bool
}

// Key is one registered key. What the directory does not say is absent.
type Key struct {
	Account   string     `json:"account"` // address, else name
	Name      string     `json:"name"`
	Home      string     `json:"home"`
	Directory Directory  `json:"directory"`
	ID        string     `json:"key_id"` // hexadecimal; # and a digest of the value where it has none
	Usage     string     `json:"usage,omitempty"`
	Source    string     `json:"source,omitempty"`
	Algorithm string     `json:"algorithm,omitempty"`
	Device    string     `json:"device_id,omitempty"`
	Created   *time.Time `json:"created,omitempty"`
	LastLogon *time.Time `json:"last_logon,omitempty"`
	MFA       *bool      `json:"mfa,omitempty"`
	Attested  *bool      `json:"attested,omitempty"`
	Strength  string     `json:"strength,omitempty"`
	Marks     []string   `json:"marks"`
	Why       []string   `json:"why,omitempty"` // a sentence for each mark but Synced

	SID   string `json:"-"` // as of Account
	Value string `json:"-"` // of msDS-KeyCredentialLink as it is to be named to the directory
}

// Has says whether the key bears a mark.
func (k *Key) Has(mark string) bool { return slices.Contains(k.Marks, mark) }

func (k *Key) mark(mark, format string, args ...any) {
	k.Marks, k.Why = append(k.Marks, mark), append(k.Why, fmt.Sprintf(format, args...))
}

func (a *Account) key(d Directory) Key {
	return Key{Account: cmp.Or(a.Address, a.Name), Name: a.Name, Home: a.Home, SID: a.SID, Directory: d, Marks: []string{}}
}

// FromAD decodes a value of msDS-KeyCredentialLink at a time. What cannot be
// read becomes a key that is marked malformed, with the reason (fault 86).
func FromAD(a Account, value ldapmsg.DNBinary, now time.Time) Key {
	k := a.key(AD)
	k.Value, k.ID = value.String(), digest(value.Binary)
	c, err := keycred.Parse(value.Binary)
	if err != nil {
		k.mark(Malformed, "Domain controllers pass over the value: %v.", err)
		return k
	}
	if c.ID != nil {
		k.ID = hex.EncodeToString(c.ID)
	}
	k.Usage, k.Source, k.Created, k.LastLogon = c.Usage.String(), c.Source.String(), instant(c.CreatedTime()), instant(c.LastLogonTime())
	if c.Device != nil {
		k.Device = c.Device.String()
	}
	if c.Custom != nil {
		mfa, attested := c.MFA(), c.Attested()
		k.MFA, k.Attested = &mfa, &attested
		if s, ok := c.Custom.Strength(); ok {
			k.Strength = s.String()
		}
	}
	if err := c.CheckTimes(now); err != nil {
		k.mark(Malformed, "Domain controllers pass over the value: %v.", err)
	}
	if pub, err := c.PublicKey(); err != nil {
		k.mark(Malformed, "Domain controllers pass over the value: %v.", err)
	} else {
		k.judge(pub)
	}
	if s, ok := c.Custom.Strength(); ok && s == keycred.StrengthWeak && !k.Has(Weak) {
		k.mark(Weak, "Whoever registered the key calls it weak.")
	}
	if c.Source == keycred.SourceAD && !a.Computer && !a.Registered[k.Device] {
		k.mark(Foreign, "The source of this user's key is the domain itself: it was written past the registration at Entra ID, as whoever may write the attribute can to sign in as the user.")
	}
	return k
}

// Unreadable is a value that is not even of the attribute's syntax.
func Unreadable(a Account, text string, err error) Key {
	k := a.key(AD)
	k.Value, k.ID = text, digest([]byte(text))
	k.mark(Malformed, "Domain controllers pass over the value: %v.", err)
	return k
}

// digest stands for the key id of a value that has none.
func digest(value []byte) string {
	sum := sha256.Sum256(value)
	return "#" + hex.EncodeToString(sum[:8])
}

// judge names the algorithm and what is weak about it.
func (k *Key) judge(pub crypto.PublicKey) {
	switch pub := pub.(type) {
	case *rsa.PublicKey:
		k.Algorithm = fmt.Sprintf("RSA %d", pub.N.BitLen())
	case *ecdsa.PublicKey:
		k.Algorithm = "EC " + pub.Curve.Params().Name
	default:
		k.Algorithm = strings.TrimSuffix(fmt.Sprintf("%T", pub), ".PublicKey")
	}
	for _, w := range keycred.Weaknesses(pub) {
		if !k.Has(Weak) {
			k.mark(Weak, "The key is weak: %s.", w)
			continue
		}
		k.Why = append(k.Why, fmt.Sprintf("The key is weak: %s.", w))
	}
}

// FromEntra decodes a value of searchableDeviceKey.
func FromEntra(a Account, d graph.DeviceKey) Key {
	k := a.key(Entra)
	k.ID, k.Usage, k.Source, k.Device = keyID(d.KeyIdentifier), d.Usage, keycred.SourceAzureAD.String(), d.DeviceID
	if at, err := time.Parse(time.RFC3339Nano, d.Created); err == nil {
		k.Created = instant(at)
	}
	attested := d.AttestationLevel == "attested"
	k.Attested = &attested
	if raw, err := base64.StdEncoding.DecodeString(d.CustomKeyInformation); err == nil && len(raw) > 0 {
		custom := keycred.Custom(raw)
		mfa := (&keycred.Key{Custom: custom}).MFA()
		k.MFA = &mfa
		if s, ok := custom.Strength(); ok {
			k.Strength = s.String()
		}
	}
	pub, err := cng.ParseRSAPublic(d.KeyMaterial)
	if err != nil {
		k.mark(Malformed, "The key material cannot be read: %v.", err)
		return k
	}
	k.judge(pub)
	return k
}

// keyID writes a key id of Entra as a domain's is written: in hexadecimal.
func keyID(id string) string {
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.RawURLEncoding, base64.URLEncoding} {
		if b, err := e.DecodeString(id); err == nil && len(b) == sha256.Size {
			return hex.EncodeToString(b)
		}
	}
	return id
}

func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// Find returns the keys whose id is, or begins with, what was written.
func Find(keys []Key, id string) []Key {
	var found []Key
	for _, k := range keys {
		if strings.EqualFold(k.ID, id) {
			return []Key{k}
		}
		if len(k.ID) > len(id) && strings.EqualFold(k.ID[:len(id)], id) {
			found = append(found, k)
		}
	}
	return found
}
