package ldapmsg

import (
	"fmt"
	"strings"
)

// ResultCode is how an operation ended (RFC 4511 appendix A).
type ResultCode uint8

const (
	Success                      ResultCode = 0
	OperationsError              ResultCode = 1
	ProtocolError                ResultCode = 2
	TimeLimitExceeded            ResultCode = 3
	SizeLimitExceeded            ResultCode = 4
	CompareFalse                 ResultCode = 5
	CompareTrue                  ResultCode = 6
	AuthMethodNotSupported       ResultCode = 7
	StrongerAuthRequired         ResultCode = 8
	Referral                     ResultCode = 10
	AdminLimitExceeded           ResultCode = 11
	UnavailableCriticalExtension ResultCode = 12
	ConfidentialityRequired      ResultCode = 13
	SASLBindInProgress           ResultCode = 14
	NoSuchAttribute              ResultCode = 16
	UndefinedAttributeType       ResultCode = 17
	InappropriateMatching        ResultCode = 18
	ConstraintViolation          ResultCode = 19
	AttributeOrValueExists       ResultCode = 20
	InvalidAttributeSyntax       ResultCode = 21
	NoSuchObject                 ResultCode = 32
	InvalidDNSyntax              ResultCode = 34
	InappropriateAuthentication  ResultCode = 48
	InvalidCredentials           ResultCode = 49
	InsufficientAccessRights     ResultCode = 50
	Busy                         ResultCode = 51
	Unavailable                  ResultCode = 52
	UnwillingToPerform           ResultCode = 53
	SortControlMissing           ResultCode = 60
	NamingViolation              ResultCode = 64
	ObjectClassViolation         ResultCode = 65
	NotAllowedOnNonLeaf          ResultCode = 66
	NotAllowedOnRDN              ResultCode = 67
	EntryAlreadyExists           ResultCode = 68
	ObjectClassModsProhibited    ResultCode = 69
	AffectsMultipleDSAs          ResultCode = 71
	Other                        ResultCode = 80
)

// Error is an LDAP result that is not success. Its text never holds a secret
// of the server; it goes to the client.
type Error struct {
	Code       ResultCode
	MatchedDN  string
	Diagnostic string   // "00002030: NameErr: …": Windows' code in eight hexadecimal digits, then words
	Referral   []string // LDAP URLs, with Code Referral
}

// Error returns "name (code): diagnostic".
func (e *Error) Error() string { return e.Code.String() + ": " + e.Diagnostic }

// Windows' codes (MS-ERREF 2.2) that Active Directory puts before a diagnostic.
const (
	ErrorNotSupported             = 0x0032
	ErrorInvalidParameter         = 0x0057
	ErrorNotAuthenticated         = 0x04DC
	ErrorUserExists               = 0x0524 // the SAM account name is taken
	ErrorPasswordRestriction      = 0x052D
	ErrorNoAttributeOrValue       = 0x200A
	ErrorInvalidAttributeSyntax   = 0x200B
	ErrorAttributeTypeUndefined   = 0x200C
	ErrorAttributeOrValueExists   = 0x200D
	ErrorBusy                     = 0x200E
	ErrorUnavailable              = 0x200F
	ErrorObjectClassViolation     = 0x2014
	ErrorCantOnNonLeaf            = 0x2015
	ErrorCantOnRDN                = 0x2016
	ErrorCantModObjectClass       = 0x2017
	ErrorOperationsError          = 0x2020
	ErrorProtocolError            = 0x2021
	ErrorTimeLimitExceeded        = 0x2022
	ErrorSizeLimitExceeded        = 0x2023
	ErrorAdminLimitExceeded       = 0x2024
	ErrorAuthMethodNotSupported   = 0x2027
	ErrorStrongAuthRequired       = 0x2028
	ErrorInappropriateAuth        = 0x2029
	ErrorReferral                 = 0x202B
	ErrorUnavailableCritExtension = 0x202C
	ErrorConfidentialityRequired  = 0x202D
	ErrorInappropriateMatching    = 0x202E
	ErrorConstraintViolation      = 0x202F
	ErrorInvalidDNSyntax          = 0x2032
	ErrorUnwillingToPerform       = 0x2035
	ErrorNamingViolation          = 0x2037
	ErrorObjectNameExists         = 0x2071
	ErrorIllegalModOperation      = 0x2077
	ErrorMissingRequiredAttribute = 0x207C
	ErrorObjectNotFound           = 0x208D
	ErrorNameUnparseable          = 0x208F
	ErrorInsufficientAccessRights = 0x2098
	ErrorAttributeOwnedBySAM      = 0x209A
	ErrorNameReferenceInvalid     = 0x20B5 // a DN among the values names no object
	ErrorSPNNotUnique             = 0x21C7
	ErrorUPNNotUnique             = 0x21C8
)

// class is the kind of error that MS-ADTS's directory writes before the words,
// and its problem number and name (X.511 and NT's ntdsa headers agree on them).
var class = map[ResultCode]string{
	Referral:                  "RefErr: DSID-00000000",
	NoSuchAttribute:           "AtrErr: DSID-00000000, problem 1001 (NO_ATTRIBUTE_OR_VAL)",
	InvalidAttributeSyntax:    "AtrErr: DSID-00000000, problem 1002 (INVALID_ATT_SYNTAX)",
	UndefinedAttributeType:    "AtrErr: DSID-00000000, problem 1003 (UNDEFINED_ATT_TYPE)",
	InappropriateMatching:     "AtrErr: DSID-00000000, problem 1004 (INAPPROP_MATCHING)",
	ConstraintViolation:       "AtrErr: DSID-00000000, problem 1005 (CONSTRAINT_ATT_TYPE)",
	AttributeOrValueExists:    "AtrErr: DSID-00000000, problem 1006 (ATT_OR_VALUE_EXISTS)",
	NoSuchObject:              "NameErr: DSID-00000000, problem 2001 (NO_OBJECT)",
	InvalidDNSyntax:           "NameErr: DSID-00000000, problem 2006 (BAD_NAME)",
	InsufficientAccessRights:  "SecErr: DSID-00000000, problem 4003 (INSUFF_ACCESS_RIGHTS)",
	Busy:                      "SvcErr: DSID-00000000, problem 5001 (BUSY)",
	Unavailable:               "SvcErr: DSID-00000000, problem 5002 (UNAVAILABLE)",
	UnwillingToPerform:        "SvcErr: DSID-00000000, problem 5003 (WILL_NOT_PERFORM)",
	OperationsError:           "SvcErr: DSID-00000000, problem 5012 (DIR_ERROR)",
	NamingViolation:           "UpdErr: DSID-00000000, problem 6001 (NAMING_VIOLATION)",
	ObjectClassViolation:      "UpdErr: DSID-00000000, problem 6002 (OBJ_CLASS_VIOLATION)",
	NotAllowedOnNonLeaf:       "UpdErr: DSID-00000000, problem 6003 (CANT_ON_NON_LEAF)",
	NotAllowedOnRDN:           "UpdErr: DSID-00000000, problem 6004 (CANT_ON_RDN)",
	EntryAlreadyExists:        "UpdErr: DSID-00000000, problem 6005 (ENTRY_EXISTS)",
	AffectsMultipleDSAs:       "UpdErr: DSID-00000000, problem 6006 (AFFECTS_MULTIPLE_DSAS)",
	ObjectClassModsProhibited: "UpdErr: DSID-00000000, problem 6007 (CANT_MOD_OBJ_CLASS)",
}

// Errorf makes an error as Active Directory words it: Windows' code, the kind
// of error and its problem, and one sentence of ours:
//
//	00002071: UpdErr: DSID-00000000, problem 6005 (ENTRY_EXISTS), data 0, comment: The name is taken.
//
// (A DSID is a place in Microsoft's source code; ours has none.)
func Errorf(code ResultCode, win32 uint32, format string, args ...any) *Error {
	kind, ok := class[code]
	if !ok {
		kind = "LdapErr: DSID-00000000"
	}
	sentence := strings.ToValidUTF8(fmt.Sprintf(format, args...), "?")
	return &Error{Code: code, Diagnostic: fmt.Sprintf("%08X: %s, data 0, comment: %s", win32, kind, sentence)}
}

// Why a logon failed: the "data" of a refused bind (MS-ERREF 2.2, hexadecimal).
const (
	LogonNoSuchUser         = 0x525
	LogonWrongPassword      = 0x52e
	LogonAccountRestriction = 0x52f
	LogonHours              = 0x530
	LogonWorkstation        = 0x531
	LogonPasswordExpired    = 0x532
	LogonDisabled           = 0x533
	LogonTypeNotGranted     = 0x569
	LogonAccountExpired     = 0x701
	LogonMustChange         = 0x773
	LogonLockedOut          = 0x775
)

// LogonFailed is the answer to a bind whose credentials are refused for reason,
// one of the Logon constants: "80090308: LdapErr: …, data 52e".
func LogonFailed(reason uint32) *Error {
	return &Error{Code: InvalidCredentials, Diagnostic: fmt.Sprintf("80090308: LdapErr: DSID-00000000, comment: AcceptSecurityContext error, data %x", reason)}
}

// BindRequired is the answer to an operation that anonymous may not do.
func BindRequired() *Error {
	return Errorf(OperationsError, ErrorNotAuthenticated, "In order to perform this operation a successful bind must be completed on the connection.")
}

// NotFound is the answer for an entry that is not there; matched is the nearest
// ancestor that is.
func NotFound(matched string) *Error {
	e := Errorf(NoSuchObject, ErrorObjectNotFound, "There is no such object. Best match of: '%s'", matched)
	e.MatchedDN = matched
	return e
}
