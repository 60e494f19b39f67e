package keycred

import (
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/guid"
)

// UserKey is a Windows Hello for Business key of a user, as registered at Entra
// ID.
type UserKey struct {
	Public   *rsa.PublicKey
	Device   guid.GUID // its id in Entra ID
	Created  time.Time
	MFA      bool // registered with multi-factor authentication
	Attested bool
}

// FromEntra returns the key credential that Entra Connect writes to the user in
// the domain. An RSA-2048 key takes 418 bytes.
func FromEntra(u UserKey) Key {
	k := New(cng.MarshalRSAPublic(u.Public), UsageNGC, SourceAzureAD)
	k.Device = &u.Device
	flags := byte(0)
	if u.Attested {
		flags |= FlagAttestation
	}
	if !u.MFA {
		flags |= FlagMFANotUsed
	}
	k.Custom = Custom{customVersion, flags, 0, 1, 0, byte(StrengthUnknown)}
	never, created := neverLoggedOn, StampOf(u.Created, SourceAzureAD)
	k.LastLogon, k.Created = &never, &created
	return k
}

// ForComputer returns the key credential that a computer writes to itself.
func ForComputer(pub *rsa.PublicKey, created time.Time) Key {
	k := New(x509.MarshalPKCS1PublicKey(pub), UsageNGC, SourceAD)
	s := StampOf(created, SourceAD)
	k.Created = &s
	return k
}

// SelfWrite is a change to msDS-KeyCredentialLink that is asked for with no
// more than the right DS-Validated-Write-Computer.
type SelfWrite struct {
	Computer bool     // the object is of class computer, or of one derived from it
	Right    bool     // the requester has DS-Validated-Write-Computer on the object
	Self     bool     // the requester is the object
	Existing int      // how many values are there when the first is added
	Add      [][]byte // the binary parts of values to add; deleting asks for nothing more
}

// ErrSelfWrite is wrapped by the errors of Check.
var ErrSelfWrite = errors.New("the validated write is not allowed")

// Check is the rule of MS-ADTS 3.1.1.5.3.1.1.6: nil when the change is allowed.
func (w SelfWrite) Check() error {
	switch {
	case !w.Computer:
		return fmt.Errorf("%w: the object is no computer", ErrSelfWrite)
	case !w.Right:
		return fmt.Errorf("%w: the requester has not the right", ErrSelfWrite)
	case len(w.Add) == 0:
		return nil
	case !w.Self:
		return fmt.Errorf("%w: only the computer itself adds a value", ErrSelfWrite)
	case w.Existing+len(w.Add) > 1:
		return fmt.Errorf("%w: there is a value already", ErrSelfWrite)
	}
	k, err := Parse(w.Add[0])
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrSelfWrite, err)
	case k.ID == nil:
		return fmt.Errorf("%w: %w: KeyID", ErrSelfWrite, ErrMissing)
	case k.Usage != UsageNGC:
		return fmt.Errorf("%w: its usage is %v, want NGC", ErrSelfWrite, k.Usage)
	case k.noSource || k.Source != SourceAD:
		return fmt.Errorf("%w: its source is not Active Directory", ErrSelfWrite)
	case k.Custom != nil:
		return fmt.Errorf("%w: it has CustomKeyInformation", ErrSelfWrite)
	case k.LastLogon != nil:
		return fmt.Errorf("%w: it has a time of last logon", ErrSelfWrite)
	}
	return nil
}
