// Package farm is what the parts of a federation service share: who signed in,
// and how that was proved. The token service knows it of a password or a ticket,
// the primary refresh token carries it, the registration service reads it off an
// access token.
package farm

import (
	"slices"
	"time"

	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/sid"
)

// Account is a user or computer, as the service's directory says.
type Account struct {
	UPN         string
	Name        string // account name: "alice", "PC1$"
	NetBIOS     string // of its domain; "" in a third party's service
	DN          string
	DisplayName string
	Mail        string
	SID         sid.SID   // zero in a third party's service
	GUID        guid.GUID // objectGUID; zero in a third party's service
	Computer    bool

	// ImmutableID is what a tenant knows the account by: base64 of the 16 bytes
	// of objectGUID in Windows order, or what a third party's service was told.
	ImmutableID string

	PasswordSet     time.Time // zero: must be changed, or not told
	PasswordExpires time.Time // zero: never
}

// Qualified is DOMAIN\account.
func (a *Account) Qualified() string {
	if a.NetBIOS == "" {
		return a.UPN
	}
	return a.NetBIOS + `\` + a.Name
}

// Proof is how somebody proved who it is. It travels sealed in codes, refresh
// tokens and primary refresh tokens.
type Proof struct {
	UPN      string   `json:"upn"`
	SID      string   `json:"sid,omitempty"`
	Anchor   string   `json:"anchor,omitempty"` // immutable id, where there is no SID: a name may become another's
	AMR      []string `json:"amr"`
	Method   string   `json:"method"` // of the first factor: adfs.MethodPassword, …
	At       int64    `json:"at"`     // Unix seconds of the first factor
	MFATime  int64    `json:"mfa_time,omitempty"`
	DeviceID string   `json:"deviceid,omitempty"`
}

// Has says whether a method is among those of the proof.
func (p *Proof) Has(method string) bool { return slices.Contains(p.AMR, method) }

// Fresh says whether the second factor is current, by the lab's clock.
func (p *Proof) Fresh(now time.Time, window time.Duration) bool {
	if p.MFATime == 0 {
		return false
	}
	age := now.Sub(time.Unix(p.MFATime, 0))
	return age >= 0 && age <= window
}
