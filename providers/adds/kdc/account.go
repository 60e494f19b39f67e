package kdc

import (
	"context"
	"errors"
	"time"

	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/sid"
)

// ErrUnknownPrincipal is what a Directory answers for a name that no account has.
var ErrUnknownPrincipal = errors.New("no such principal")

// Directory finds accounts by what Kerberos calls them. The KDC does not
// change what it is given.
type Directory interface {
	// Client finds the account of a cname: a sAMAccountName, or for a name of
	// type NT-ENTERPRISE a user principal name.
	Client(ctx context.Context, name krb.Name) (*Account, error)
	// Server finds the account of an sname: krbtgt/REALM, kadmin/changepw, a
	// service principal name, a sAMAccountName.
	Server(ctx context.Context, name krb.Name) (*Account, error)
}

// Passwords sets passwords. It answers *PolicyError for one that the policy
// does not allow and ErrAccessDenied when the requester may not. The bytes of
// newPassword are wiped when it returns.
type Passwords interface {
	SetPassword(ctx context.Context, requester, target *Account, newPassword []byte) error
}

// PolicyError says why a password is not allowed, as a sentence for its user.
type PolicyError struct{ Sentence string }

func (e *PolicyError) Error() string { return e.Sentence }

// ErrAccessDenied is what Passwords answers a requester without the right.
var ErrAccessDenied = errors.New("access denied")

// Bits of userAccountControl (MS-ADTS 2.2.16) that the KDC looks at.
const (
	Disabled             uint32 = 0x2
	LockedOut            uint32 = 0x10
	PasswordNeverExpires uint32 = 0x10000
	SmartCardRequired    uint32 = 0x40000
	TrustedForDelegation uint32 = 0x80000
	NotDelegated         uint32 = 0x100000
	PreauthNotRequired   uint32 = 0x400000
	InterdomainTrust     uint32 = 0x800
	PasswordExpired      uint32 = 0x800000
	NoAuthData           uint32 = 0x2000000 // service tickets without a PAC
	PartialSecrets       uint32 = 0x4000000 // a read-only controller
)

// Bits of msDS-SupportedEncryptionTypes (MS-KILE 2.2.7).
const (
	SupportRC4       uint32 = 0x4
	SupportAES128    uint32 = 0x8
	SupportAES256    uint32 = 0x10
	SupportAESSecret uint32 = 0x20 // session keys in AES, whatever the ticket is in
)

// Account is an account of the domain as the KDC needs it.
type Account struct {
	SID                sid.SID
	SAMAccountName     string
	UPN                string // userPrincipalName; empty: there is none
	DisplayName        string
	DNSDomain          string // of the account, for the PAC
	UserAccountControl uint32
	SupportedETypes    uint32         // msDS-SupportedEncryptionTypes; 0: the domain's default
	Keys               []VersionedKey // newest version first
	Salt               string
	PrimaryGroup       uint32            // RID
	Groups             []GroupMembership // of the domain, transitive, the primary group included
	ExtraSIDs          []sid.SID         // from elsewhere
	Memberships        []sid.SID         // every group of the domain, transitive, those that come into no ticket-granting ticket included
	KrbtgtNumber       uint16            // msDS-SecondaryKrbTgtNumber; 0: not the krbtgt of a read-only controller

	PasswordSet        time.Time // zero: never
	PasswordMustChange time.Time // zero: never
	AccountExpires     time.Time // zero: never
	Created            time.Time

	KeyCredentials        [][]byte // values of msDS-KeyCredentialLink, as they are
	AltSecurityIdentities []string
	NTHash                []byte // 16 bytes, for who signs in with a public key; empty: not given
	LogonCount            uint16
}

// VersionedKey is one key of an account.
type VersionedKey struct {
	KVNO uint32
	Key  krb.Key
}

// GroupMembership is a group of the domain with its attributes; 0 means those
// of an ordinary membership (MS-PAC 2.2.2).
type GroupMembership struct{ RID, Attributes uint32 }

// has reports whether a bit of userAccountControl is set.
func (a *Account) has(bit uint32) bool { return a.UserAccountControl&bit != 0 }

// key returns the newest key of an encryption type.
func (a *Account) key(etype int32) (VersionedKey, bool) {
	for _, k := range a.Keys {
		if k.Key.EType == etype {
			return k, true
		}
	}
	return VersionedKey{}, false
}

// version returns the key of an encryption type and a version.
func (a *Account) version(etype int32, kvno uint32) (krb.Key, bool) {
	for _, k := range a.Keys {
		if k.Key.EType == etype && k.KVNO == kvno {
			return k.Key, true
		}
	}
	return krb.Key{}, false
}

// usable says whether the account may sign in at a time, whatever it proves.
func (a *Account) usable(now time.Time) error {
	switch {
	case a.has(Disabled):
		return krb.NewError(krb.ErrClientRevoked, "The account %s is disabled.", a.SAMAccountName)
	case a.has(LockedOut):
		return krb.NewError(krb.ErrClientRevoked, "The account %s is locked.", a.SAMAccountName)
	case !a.AccountExpires.IsZero() && !now.Before(a.AccountExpires):
		return krb.NewError(krb.ErrClientRevoked, "The account %s expired at %s.", a.SAMAccountName, a.AccountExpires.UTC().Format(time.RFC3339))
	}
	return nil
}

// passwordExpired reports whether the password must be changed first.
func (a *Account) passwordExpired(now time.Time) bool {
	if a.has(PasswordExpired) {
		return true
	}
	return !a.has(PasswordNeverExpires) && !a.PasswordMustChange.IsZero() && !now.Before(a.PasswordMustChange)
}

// speaks reports whether the policy lets this KDC use an encryption type.
func (k *KDC) speaks(etype int32) bool {
	switch etype {
	case krb.AES256:
		return !k.Policy.NoAES256
	case krb.AES128:
		return !k.Policy.NoAES128
	}
	return etype == krb.RC4 && k.Policy.AllowRC4
}

// supported lists the encryption types that the account takes for session
// keys, best first, within the policy.
func (k *KDC) supported(a *Account) []int32 {
	bits := a.SupportedETypes
	if bits&(SupportRC4|SupportAES128|SupportAES256|SupportAESSecret) == 0 {
		bits = SupportAES128 | SupportAES256 | SupportRC4
	}
	var list []int32
	if bits&(SupportAES256|SupportAESSecret) != 0 && k.speaks(krb.AES256) {
		list = append(list, krb.AES256)
	}
	if bits&(SupportAES128|SupportAESSecret) != 0 && k.speaks(krb.AES128) {
		list = append(list, krb.AES128)
	}
	if bits&SupportRC4 != 0 && k.speaks(krb.RC4) {
		list = append(list, krb.RC4)
	}
	return list
}

// allowed lists the encryption types of a request that the policy allows, in
// the KDC's order of preference, as Active Directory does.
func (k *KDC) allowed(asked []int32) []int32 {
	var list []int32
	for _, etype := range []int32{krb.AES256, krb.AES128, krb.RC4} {
		if !k.speaks(etype) {
			continue
		}
		for _, a := range asked {
			if a == etype {
				list = append(list, etype)
				break
			}
		}
	}
	return list
}

// ticketKey is the server's key that a ticket is encrypted with: the best one
// it has and takes.
func (k *KDC) ticketKey(server *Account) (VersionedKey, error) {
	bits := server.SupportedETypes
	for _, etype := range k.supported(server) {
		if etype != krb.RC4 && bits&SupportAESSecret != 0 && bits&SupportAES256 == 0 && etype == krb.AES256 ||
			etype == krb.AES128 && bits&SupportAESSecret != 0 && bits&SupportAES128 == 0 {
			continue // for session keys only
		}
		if key, ok := server.key(etype); ok {
			return key, nil
		}
	}
	return VersionedKey{}, krb.NewError(krb.ErrETypeNoSupport, "The service %s has no key of an encryption type that the domain allows.", server.SAMAccountName)
}

// sessionKey draws a key that client and server both take.
func (k *KDC) sessionKey(asked []int32, server *Account) (krb.Key, error) {
	takes := k.supported(server)
	for _, etype := range k.allowed(asked) {
		for _, t := range takes {
			if t == etype {
				return krb.RandomKey(etype, k.Rand)
			}
		}
	}
	return krb.Key{}, krb.NewError(krb.ErrETypeNoSupport, "")
}
