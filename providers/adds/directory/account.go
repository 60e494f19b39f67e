package directory

// Bits of userAccountControl (MS-ADTS 2.2.16).
const (
	UACDisabled             = 0x2
	UACLockout              = 0x10
	UACPasswordNotRequired  = 0x20
	UACNormal               = 0x200
	UACWorkstation          = 0x1000
	UACServer               = 0x2000 // a domain controller
	UACDontExpirePassword   = 0x10000
	UACSmartCardRequired    = 0x40000
	UACTrustedForDelegation = 0x80000
	UACNotDelegated         = 0x100000
	UACNoPreauth            = 0x400000
	UACPasswordExpired      = 0x800000 // of the computed attribute only
	UACTrustedToAuth        = 0x1000000
	UACPartialSecrets       = 0x4000000
)

// Values of sAMAccountType (MS-ADTS 2.2.17).
const (
	typeGlobalGroup = 0x10000000
	typeLocalGroup  = 0x20000000
	typeUser        = 0x30000000
	typeMachine     = 0x30000001
)

// Bits of groupType (MS-ADTS 2.2.12).
const (
	groupBuiltin   = 0x1
	groupGlobal    = 0x2
	groupLocal     = 0x4
	groupUniversal = 0x8
	groupSecurity  = 0x80000000
)

// groupTypeOf writes a group's type as LDAP does: a signed number.
func groupTypeOf(bits uint32) int64 { return int64(int32(bits)) }
