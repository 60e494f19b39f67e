package ca

import "fmt"

// Code is an HRESULT of a CA (MS-ERREF 2.1, winerror.h).
type Code uint32

// Codes that this CA answers.
const (
	CodeAccessDenied        Code = 0x80070005 // E_ACCESSDENIED
	CodeInvalidArgument     Code = 0x80070057 // E_INVALIDARG
	CodeBadSignature        Code = 0x80090006 // NTE_BAD_SIGNATURE
	CodeBadKey              Code = 0x80090003 // NTE_BAD_KEY
	CodeRestricted          Code = 0x80094009 // CERTSRV_E_RESTRICTEDOFFICER
	CodeSyntax              Code = 0x8009310B // CRYPT_E_ASN1_BADTAG
	CodeBadRequestSubject   Code = 0x80094001 // CERTSRV_E_BAD_REQUESTSUBJECT
	CodeNoRequest           Code = 0x80094002 // CERTSRV_E_NO_REQUEST
	CodeBadRequestStatus    Code = 0x80094003 // CERTSRV_E_BAD_REQUESTSTATUS
	CodeWeak                Code = 0x80094016 // CERTSRV_E_WEAK_SIGNATURE_OR_KEY
	CodeTemplateConflict    Code = 0x80094802 // CERTSRV_E_TEMPLATE_CONFLICT
	CodeSignatureRequired   Code = 0x80094809 // CERTSRV_E_SIGNATURE_POLICY_REQUIRED
	CodePropertyEmpty       Code = 0x80094004 // CERTSRV_E_PROPERTY_EMPTY
	CodeInvalidCA           Code = 0x80094005 // CERTSRV_E_INVALID_CA_CERTIFICATE
	CodeDeniedByAdmin       Code = 0x80094014 // CERTSRV_E_ADMIN_DENIED_REQUEST
	CodeUnsupportedTemplate Code = 0x80094800 // CERTSRV_E_UNSUPPORTED_CERT_TYPE
	CodeTemplateDenied      Code = 0x80094012 // CERTSRV_E_TEMPLATE_DENIED
	CodeSignatureCount      Code = 0x8009480A // CERTSRV_E_SIGNATURE_COUNT
	CodeSignatureRejected   Code = 0x8009480B // CERTSRV_E_SIGNATURE_REJECTED
	CodeUPNRequired         Code = 0x8009480D // CERTSRV_E_SUBJECT_UPN_REQUIRED
	CodeGUIDRequired        Code = 0x8009480E // CERTSRV_E_SUBJECT_DIRECTORY_GUID_REQUIRED
	CodeDNSRequired         Code = 0x8009480F // CERTSRV_E_SUBJECT_DNS_REQUIRED
	CodeKeyLength           Code = 0x80094811 // CERTSRV_E_KEY_LENGTH
	CodeEmailRequired       Code = 0x80094812 // CERTSRV_E_SUBJECT_EMAIL_REQUIRED
)

var codeNames = map[Code]string{
	CodeRestricted: "CERTSRV_E_RESTRICTEDOFFICER", CodeInvalidArgument: "E_INVALIDARG", CodeBadSignature: "NTE_BAD_SIGNATURE", CodeBadKey: "NTE_BAD_KEY", CodeSyntax: "CRYPT_E_ASN1_BADTAG",
	CodeBadRequestSubject: "CERTSRV_E_BAD_REQUESTSUBJECT", CodeNoRequest: "CERTSRV_E_NO_REQUEST", CodeBadRequestStatus: "CERTSRV_E_BAD_REQUESTSTATUS",
	CodeAccessDenied: "E_ACCESSDENIED", CodeWeak: "CERTSRV_E_WEAK_SIGNATURE_OR_KEY", CodeTemplateConflict: "CERTSRV_E_TEMPLATE_CONFLICT",
	CodeSignatureRequired: "CERTSRV_E_SIGNATURE_POLICY_REQUIRED", CodePropertyEmpty: "CERTSRV_E_PROPERTY_EMPTY",
	CodeInvalidCA: "CERTSRV_E_INVALID_CA_CERTIFICATE", CodeDeniedByAdmin: "CERTSRV_E_ADMIN_DENIED_REQUEST",
	CodeUnsupportedTemplate: "CERTSRV_E_UNSUPPORTED_CERT_TYPE", CodeTemplateDenied: "CERTSRV_E_TEMPLATE_DENIED",
	CodeSignatureCount: "CERTSRV_E_SIGNATURE_COUNT", CodeSignatureRejected: "CERTSRV_E_SIGNATURE_REJECTED", CodeUPNRequired: "CERTSRV_E_SUBJECT_UPN_REQUIRED",
	CodeGUIDRequired: "CERTSRV_E_SUBJECT_DIRECTORY_GUID_REQUIRED", CodeDNSRequired: "CERTSRV_E_SUBJECT_DNS_REQUIRED", CodeKeyLength: "CERTSRV_E_KEY_LENGTH",
	CodeEmailRequired: "CERTSRV_E_SUBJECT_EMAIL_REQUIRED",
}

// String returns the name of winerror.h.
func (c Code) String() string {
	if name, ok := codeNames[c]; ok {
		return name
	}
	return fmt.Sprintf("0x%08X", uint32(c))
}

// Error is a refusal of the CA: what a client reads in a fault or in the
// request's status.
type Error struct {
	Code     Code
	Sentence string
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s (0x%08X): %s", e.Code, uint32(e.Code), e.Sentence)
}

// HResult is the code as a message carries it.
func (e *Error) HResult() uint32 { return uint32(e.Code) }

// Is makes errors.Is compare codes.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && t.Sentence == ""
}

func refuse(code Code, format string, args ...any) error {
	return &Error{code, fmt.Sprintf(format, args...)}
}
