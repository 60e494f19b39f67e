package ldapmsg

// Controls that a domain controller of Windows knows (MS-ADTS 3.1.1.3.4.1).
const (
	ControlPaged            = "1.2.840.113556.1.4.319" // RFC 2696
	ControlShowDeleted      = "1.2.840.113556.1.4.417"
	ControlSort             = "1.2.840.113556.1.4.473" // RFC 2891
	ControlSortResponse     = "1.2.840.113556.1.4.474"
	ControlExtendedDN       = "1.2.840.113556.1.4.529"
	ControlLazyCommit       = "1.2.840.113556.1.4.619"
	ControlSDFlags          = "1.2.840.113556.1.4.801"
	ControlTreeDelete       = "1.2.840.113556.1.4.805"
	ControlDirSync          = "1.2.840.113556.1.4.841"
	ControlVerifyName       = "1.2.840.113556.1.4.1338"
	ControlRODCPromotion    = "1.2.840.113556.1.4.1341" // LDAP_SERVER_RODC_DCPROMO_OID
	ControlDomainScope      = "1.2.840.113556.1.4.1339"
	ControlSearchOptions    = "1.2.840.113556.1.4.1340"
	ControlPermissiveModify = "1.2.840.113556.1.4.1413"
	ControlASQ              = "1.2.840.113556.1.4.1504"
	ControlShowRecycled     = "1.2.840.113556.1.4.2064"
	ControlManageDSAIT      = "2.16.840.1.113730.3.4.2" // RFC 3296
)

// Control is a control as it is on the wire. Value is nil where absent.
type Control struct {
	OID      string
	Critical bool
	Value    []byte
}

// Controls are the controls of a request, decoded. Pointers are nil and values
// zero where a control was not sent.
type Controls struct {
	Paged            *Paged
	Sort             []SortKey
	DirSync          *DirSync
	SDFlags          *uint32 // which parts of a security descriptor: 1 owner, 2 group, 4 DACL, 8 SACL
	ExtendedDN       *ExtendedDNForm
	ASQ              string // source attribute of an attribute scoped query
	SearchOptions    uint32 // 1 domain scope, 2 phantom root: the forest as one tree
	ShowDeleted      bool
	ShowRecycled     bool
	DomainScope      bool // no references to other domains
	TreeDelete       bool
	PermissiveModify bool // adding what is there, deleting what is not, succeeds
	LazyCommit       bool
	ManageDSAIT      bool
	RODCPromotion    bool // the user that is added is the krbtgt of a read-only controller
}

// Paged asks for a result in pages (RFC 2696 2).
type Paged struct {
	Size   int    // entries of a page; 0 with a cookie: give the rest up
	Cookie []byte // empty: from the start
}

// SortKey is one key of a sort (RFC 2891 1.1).
type SortKey struct {
	Attribute string
	Rule      string // an OID, or empty
	Reverse   bool
}

// DirSync asks for changes since a cookie (MS-ADTS 3.1.1.3.4.1.3).
type DirSync struct {
	Flags    uint32 // 1 object security, 0x800 ancestors first, 0x2000 public data only, 0x80000000 incremental values
	MaxBytes int
	Cookie   []byte
}

// Flags of DirSync.
const (
	DirSyncObjectSecurity    = 0x00000001
	DirSyncAncestorsFirst    = 0x00000800
	DirSyncPublicDataOnly    = 0x00002000
	DirSyncIncrementalValues = 0x80000000
)

// ExtendedDNForm is how an extended DN shows its GUID and SID.
type ExtendedDNForm uint8

const (
	ExtendedDNHex  ExtendedDNForm = 0 // hexadecimal bytes
	ExtendedDNText ExtendedDNForm = 1 // the usual text
)
