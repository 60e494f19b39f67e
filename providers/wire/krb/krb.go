// Package krb is Kerberos as both ends of a connection share it: messages,
// principal names, keys, errors, and the files that clients keep (RFC 4120,
// 3961, 3962, 6806; Microsoft's additions are from MS-KILE).
//
// RC4 and the string-to-key functions are gokrb5's, and the codec is gofork's
// encoding/asn1 but for what a KDC does with every request (aes.go, encode.go,
// decode.go). The messages are this package's own, because a KDC needs what
// gokrb5's lack: the bytes as they were sent (a checksum is over those, never
// over a second encoding), the encrypted parts that a server writes, and
// presence kept apart from zero.
//
// Every Parse function takes one whole message from a peer who may be hostile:
// it checks size, depth and the distinguished encoding before anything else
// reads a byte (Check), never panics, and answers an *Error fit to be sent.
//
// Times are whole seconds of UTC. Realms and names are text of at most 256
// bytes without control characters.
package krb

// Encryption types (RFC 3961 8, RFC 8009). Windows' domains of today speak the
// first two.
const (
	AES128 int32 = 17 // aes128-cts-hmac-sha1-96
	AES256 int32 = 18 // aes256-cts-hmac-sha1-96
	RC4    int32 = 23 // rc4-hmac; its key is the NT hash
	DES3   int32 = 16 // des3-cbc-sha1-kd: named in requests only
)

// Key usage numbers (RFC 4120 7.5.1, 4556, 6806, 6112, 4121, MS-PAC 2.8).
const (
	UsageEncTimestamp     uint32 = 1  // PA-ENC-TIMESTAMP
	UsageTicket           uint32 = 2  // the encrypted part of a ticket
	UsageASRep            uint32 = 3  // the encrypted part of an AS-REP
	UsageTGSReqSessionKey uint32 = 4  // enc-authorization-data under the session key
	UsageTGSReqSubkey     uint32 = 5  // enc-authorization-data under the subkey
	UsageTGSReqChecksum   uint32 = 6  // the authenticator's checksum in a TGS-REQ; ReplyKeyPack.asChecksum
	UsageTGSReqAuth       uint32 = 7  // the authenticator in a TGS-REQ
	UsageTGSRepSessionKey uint32 = 8  // the encrypted part of a TGS-REP under the session key
	UsageTGSRepSubkey     uint32 = 9  // the same under the authenticator's subkey
	UsageAPReqChecksum    uint32 = 10 // the authenticator's checksum in an AP-REQ
	UsageAPReqAuth        uint32 = 11 // the authenticator in an AP-REQ
	UsageAPRep            uint32 = 12 // the encrypted part of an AP-REP
	UsagePriv             uint32 = 13 // the encrypted part of a KRB-PRIV
	UsagePACCredential    uint32 = 16 // PAC_CREDENTIAL_INFO
	UsagePAC              uint32 = 17 // all signatures of a PAC
	UsageAcceptorSeal     uint32 = 22 // GSS tokens (RFC 4121 2)
	UsageAcceptorSign     uint32 = 23
	UsageInitiatorSeal    uint32 = 24
	UsageInitiatorSign    uint32 = 25
	UsagePKINITKX         uint32 = 44 // PA-PKINIT-KX
	UsageASReq            uint32 = 56 // the checksum in the reply to PA-REQ-ENC-PA-REP
)

// Types of PA-DATA (RFC 4120 7.5.2, 4556, 6113, 6806, 8070, MS-KILE 2.2.10 f.).
const (
	PATGSReq            int32 = 1
	PAEncTimestamp      int32 = 2
	PAPKASReqOld        int32 = 14
	PAPKASRepOld        int32 = 15
	PAPKASReq           int32 = 16
	PAPKASRep           int32 = 17
	PAETypeInfo2        int32 = 19
	PAPACRequest        int32 = 128
	PAForUser           int32 = 129
	PAAS09Binding       int32 = 132
	PAFXCookie          int32 = 133
	PAFXFast            int32 = 136
	PAPKINITKX          int32 = 147
	PAReqEncPARep       int32 = 149
	PAASFreshness       int32 = 150
	PAKeyListReq        int32 = 161
	PAKeyListRep        int32 = 162
	PASupportedEncTypes int32 = 165
	PAPACOptions        int32 = 167
)

// Types of TYPED-DATA (RFC 4556 3.1.3).
const (
	TDTrustedCertifiers   int32 = 104
	TDInvalidCertificates int32 = 105
	TDDHParameters        int32 = 109
)

// Types of authorization data (RFC 4120 7.5.4, MS-KILE 2.2.5 f.).
const (
	ADIfRelevant int32 = 1
	ADWin2kPAC   int32 = 128
)

// Types of message (RFC 4120 7.5.7), which are also the application tags.
const (
	MsgASReq  = 10
	MsgASRep  = 11
	MsgTGSReq = 12
	MsgTGSRep = 13
	MsgAPReq  = 14
	MsgAPRep  = 15
	MsgPriv   = 21
	MsgError  = 30
)

// Application tags of what is no message by itself (RFC 4120 5.10).
const (
	tagTicket         = 1
	tagAuthenticator  = 2
	tagEncTicketPart  = 3
	tagEncASRepPart   = 25
	tagEncTGSRepPart  = 26
	tagEncAPRepPart   = 27
	tagEncKrbPrivPart = 28
)

// version is the protocol's (pvno, tkt-vno, authenticator-vno).
const version = 5

// Flags are KDCOptions, TicketFlags or APOptions: 32 bits, of which bit 0 of
// the documents is the most significant.
type Flags uint32

// Has reports whether all of want are set.
func (f Flags) Has(want Flags) bool { return f&want == want }

// Ticket flags, and options of the same number (RFC 4120 5.3, 5.4.1, 6806).
const (
	FlagForwardable  Flags = 1 << (31 - 1)
	FlagForwarded    Flags = 1 << (31 - 2)
	FlagProxiable    Flags = 1 << (31 - 3)
	FlagProxy        Flags = 1 << (31 - 4)
	FlagMayPostdate  Flags = 1 << (31 - 5)
	FlagPostdated    Flags = 1 << (31 - 6)
	FlagInvalid      Flags = 1 << (31 - 7)
	FlagRenewable    Flags = 1 << (31 - 8)
	FlagInitial      Flags = 1 << (31 - 9)
	FlagPreAuthent   Flags = 1 << (31 - 10)
	FlagHWAuthent    Flags = 1 << (31 - 11)
	FlagOKAsDelegate Flags = 1 << (31 - 13)
	FlagEncPARep     Flags = 1 << (31 - 15)

	OptCanonicalize  Flags = 1 << (31 - 15)
	OptConstrained   Flags = 1 << (31 - 14) // cname-in-addl-tkt (MS-SFU)
	OptDisableCheck  Flags = 1 << (31 - 26)
	OptRenewableOK   Flags = 1 << (31 - 27)
	OptEncTktInSkey  Flags = 1 << (31 - 28)
	OptRenew         Flags = 1 << (31 - 30)
	OptValidate      Flags = 1
	APUseSessionKey  Flags = 1 << (31 - 1)
	APMutualRequired Flags = 1 << (31 - 2)
)
