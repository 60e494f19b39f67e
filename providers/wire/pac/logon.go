package pac

import (
	"slices"

	"hellolab/providers/wire/filetime"
	"hellolab/providers/wire/sid"
)

// KERB_VALIDATION_INFO (MS-PAC 2.5), the structure behind LOGON_INFO; strings
// are RPC_UNICODE_STRING (u16 length, u16 space, pointer):
//
//	FILETIME × 6   logon, logoff, kick-off, password last set, can change, must change
//	string × 6     account, full name, script, profile, home, drive
//	u16 × 2        logons, bad passwords
//	u32 × 3        RID, primary group, number of groups
//	pointer        groups
//	u32            user flags
//	16             user session key, zero in Kerberos
//	string × 2     server, domain
//	pointer        domain's SID
//	u32 × 2        reserved
//	u32 × 2        account control (SAM's bits), subauthentication status
//	FILETIME × 2   last success, last failure of an interactive logon
//	u32 × 2        failures, reserved
//	u32, pointer   extra SIDs
//	pointer        resource domain's SID
//	u32, pointer   groups of that domain

// LogonInfo says who an account is and which groups it belongs to. Times are
// FILETIMEs: 0 is none, filetime.Never never.
type LogonInfo struct {
	LogonTime          uint64
	LogoffTime         uint64
	KickOffTime        uint64
	PasswordLastSet    uint64
	PasswordCanChange  uint64
	PasswordMustChange uint64

	EffectiveName      string // sAMAccountName
	FullName           string
	LogonScript        string
	ProfilePath        string
	HomeDirectory      string
	HomeDirectoryDrive string

	LogonCount       uint16
	BadPasswordCount uint16
	UserID           uint32 // RID in the domain
	PrimaryGroupID   uint32
	Groups           []Group // of the domain, the primary group included

	UserFlags       uint32 // LogonExtraSIDs and LogonResourceGroups are set by what there is
	LogonServer     string // NetBIOS name
	LogonDomainName string // NetBIOS name
	LogonDomainID   sid.SID

	UserAccountControl   uint32 // SAM's bits (MS-SAMR 2.2.1.12), not LDAP's; see AccountControl
	SubAuthStatus        uint32
	LastSuccessfulILogon uint64
	LastFailedILogon     uint64
	FailedILogonCount    uint32

	ExtraSIDs      []SIDAndAttributes
	ResourceDomain sid.SID
	ResourceGroups []Group
}

// Group is GROUP_MEMBERSHIP: a group of a domain.
type Group struct{ RID, Attributes uint32 }

// SIDAndAttributes is KERB_SID_AND_ATTRIBUTES.
type SIDAndAttributes struct {
	SID        sid.SID
	Attributes uint32
}

// GroupAttributes are those of an ordinary membership: mandatory, enabled by
// default, enabled. A resource group has ResourceGroup as well.
const (
	GroupAttributes uint32 = 0x00000007
	ResourceGroup   uint32 = 0x20000000
)

// User flags.
const (
	LogonExtraSIDs      uint32 = 0x0020
	LogonResourceGroups uint32 = 0x0200
)

// SAM's account control bits.
const (
	samDisabled           = 0x00000001
	samHomeDirectoryReq   = 0x00000002
	samPasswordNotReq     = 0x00000004
	samNormalAccount      = 0x00000010
	samInterdomainTrust   = 0x00000040
	samWorkstationTrust   = 0x00000080
	samServerTrust        = 0x00000100
	samDontExpirePassword = 0x00000200
	samLockedOut          = 0x00000400
	samReversiblePassword = 0x00000800
	samSmartCardRequired  = 0x00001000
	samTrustedForDeleg    = 0x00002000
	samNotDelegated       = 0x00004000
	samUseDESOnly         = 0x00008000
	samDontRequirePreauth = 0x00010000
	samPasswordExpired    = 0x00020000
	samTrustedToAuth      = 0x00040000
	samNoAuthData         = 0x00080000
	samPartialSecrets     = 0x00100000
)

// controlBits pairs bits of LDAP's userAccountControl (MS-ADTS 2.2.16) with SAM's.
var controlBits = [...]struct{ ldap, sam uint32 }{
	{0x00000002, samDisabled},
	{0x00000008, samHomeDirectoryReq},
	{0x00000010, samLockedOut},
	{0x00000020, samPasswordNotReq},
	{0x00000080, samReversiblePassword},
	{0x00000200, samNormalAccount},
	{0x00000800, samInterdomainTrust},
	{0x00001000, samWorkstationTrust},
	{0x00002000, samServerTrust},
	{0x00010000, samDontExpirePassword},
	{0x00040000, samSmartCardRequired},
	{0x00080000, samTrustedForDeleg},
	{0x00100000, samNotDelegated},
	{0x00200000, samUseDESOnly},
	{0x00400000, samDontRequirePreauth},
	{0x00800000, samPasswordExpired},
	{0x01000000, samTrustedToAuth},
	{0x02000000, samNoAuthData},
	{0x04000000, samPartialSecrets},
}

// AccountControl translates LDAP's userAccountControl into SAM's bits.
func AccountControl(userAccountControl uint32) uint32 {
	var out uint32
	for _, c := range controlBits {
		if userAccountControl&c.ldap != 0 {
			out |= c.sam
		}
	}
	return out
}

// NewLogonInfo returns what is the same for every account: no time that ends
// anything.
func NewLogonInfo() *LogonInfo {
	return &LogonInfo{LogoffTime: filetime.Never, KickOffTime: filetime.Never, PasswordMustChange: filetime.Never}
}

// User is the account's SID; zero if the domain is.
func (l *LogonInfo) User() sid.SID {
	if l.LogonDomainID.IsZero() {
		return sid.SID{}
	}
	return l.LogonDomainID.Account(l.UserID)
}

// SIDs lists the account and everything it belongs to, each once: the account,
// its groups in their order, the extra ones, the resource groups.
func (l *LogonInfo) SIDs() []sid.SID {
	var out []sid.SID
	add := func(s sid.SID) {
		if !s.IsZero() && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	add(l.User())
	if !l.LogonDomainID.IsZero() {
		for _, g := range l.Groups {
			add(l.LogonDomainID.Account(g.RID))
		}
	}
	for _, s := range l.ExtraSIDs {
		add(s.SID)
	}
	if !l.ResourceDomain.IsZero() {
		for _, g := range l.ResourceGroups {
			add(l.ResourceDomain.Account(g.RID))
		}
	}
	return out
}

// encode writes the structure as a buffer of a PAC.
func (l *LogonInfo) encode() ([]byte, error) {
	flags := l.UserFlags
	if len(l.ExtraSIDs) > 0 {
		flags |= LogonExtraSIDs
	}
	if len(l.ResourceGroups) > 0 {
		flags |= LogonResourceGroups
	}
	w := newWriter()
	for _, t := range [...]uint64{l.LogonTime, l.LogoffTime, l.KickOffTime, l.PasswordLastSet, l.PasswordCanChange, l.PasswordMustChange} {
		w.time(t)
	}
	for _, s := range [...]string{l.EffectiveName, l.FullName, l.LogonScript, l.ProfilePath, l.HomeDirectory, l.HomeDirectoryDrive} {
		w.text(s, false)
	}
	w.u16(l.LogonCount)
	w.u16(l.BadPasswordCount)
	w.u32(l.UserID)
	w.u32(l.PrimaryGroupID)
	w.u32(uint32(len(l.Groups)))
	w.groups(l.Groups)
	w.u32(flags)
	w.b = append(w.b, make([]byte, 16)...)
	w.text(l.LogonServer, true)
	w.text(l.LogonDomainName, true)
	w.sid(l.LogonDomainID)
	w.u32(0)
	w.u32(0)
	w.u32(l.UserAccountControl)
	w.u32(l.SubAuthStatus)
	w.time(l.LastSuccessfulILogon)
	w.time(l.LastFailedILogon)
	w.u32(l.FailedILogonCount)
	w.u32(0)
	w.u32(uint32(len(l.ExtraSIDs)))
	if len(l.ExtraSIDs) == 0 {
		w.pointer(nil)
	} else {
		w.pointer(func() {
			w.u32(uint32(len(l.ExtraSIDs)))
			for _, s := range l.ExtraSIDs {
				w.sid(s.SID)
				w.u32(s.Attributes)
			}
		})
	}
	w.sid(l.ResourceDomain)
	w.u32(uint32(len(l.ResourceGroups)))
	w.groups(l.ResourceGroups)
	return w.bytes()
}

// decodeLogonInfo reads what encode or Windows wrote.
func decodeLogonInfo(b []byte) (*LogonInfo, error) {
	var l LogonInfo
	r := newReader(b)
	for _, t := range [...]*uint64{&l.LogonTime, &l.LogoffTime, &l.KickOffTime, &l.PasswordLastSet, &l.PasswordCanChange, &l.PasswordMustChange} {
		*t = r.time()
	}
	for _, s := range [...]*string{&l.EffectiveName, &l.FullName, &l.LogonScript, &l.ProfilePath, &l.HomeDirectory, &l.HomeDirectoryDrive} {
		r.text(s)
	}
	l.LogonCount, l.BadPasswordCount = r.u16(), r.u16()
	l.UserID, l.PrimaryGroupID = r.u32(), r.u32()
	r.groups(r.u32(), &l.Groups)
	l.UserFlags = r.u32()
	r.take(16, 1)
	r.text(&l.LogonServer)
	r.text(&l.LogonDomainName)
	r.sid(&l.LogonDomainID)
	r.take(8, 4)
	l.UserAccountControl, l.SubAuthStatus = r.u32(), r.u32()
	l.LastSuccessfulILogon, l.LastFailedILogon = r.time(), r.time()
	l.FailedILogonCount = r.u32()
	r.u32()
	r.extraSIDs(r.u32(), &l.ExtraSIDs)
	r.sid(&l.ResourceDomain)
	r.groups(r.u32(), &l.ResourceGroups)
	if err := r.end(); err != nil {
		return nil, err
	}
	for _, s := range [...]sid.SID{l.LogonDomainID, l.ResourceDomain} {
		if len(s.Bytes()) == 8+4*15 {
			return nil, sid.ErrSyntax // no room for an account
		}
	}
	return &l, nil
}

func (r *reader) extraSIDs(want uint32, to *[]SIDAndAttributes) {
	there := r.pointer(func() {
		n := r.count(want, 8)
		*to = make([]SIDAndAttributes, n)
		for i := range n {
			s := &(*to)[i]
			r.sid(&s.SID)
			s.Attributes = r.u32()
		}
	})
	if !there && want != 0 {
		r.fail("%d extra identifiers at a null pointer", want)
	}
}
