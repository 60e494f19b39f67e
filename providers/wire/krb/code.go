package krb

import "strconv"

// Code is an error code of KRB-ERROR. It is an error itself, so that
// errors.Is(err, ErrPreauthRequired) asks for one.
type Code int32

// Codes of RFC 4120 7.5.9, RFC 4556 3.1.3, RFC 6113 and RFC 8636. Those of the
// KRB_AP group carry no prefix here, either.
const (
	ErrNameExpired           Code = 1
	ErrServiceExpired        Code = 2
	ErrBadVersion            Code = 3
	ErrClientOldKey          Code = 4
	ErrServerOldKey          Code = 5
	ErrClientUnknown         Code = 6
	ErrServerUnknown         Code = 7
	ErrNotUnique             Code = 8
	ErrNullKey               Code = 9
	ErrCannotPostdate        Code = 10
	ErrNeverValid            Code = 11
	ErrPolicy                Code = 12
	ErrBadOption             Code = 13
	ErrETypeNoSupport        Code = 14
	ErrSumTypeNoSupport      Code = 15
	ErrPADataTypeNoSupport   Code = 16
	ErrTrTypeNoSupport       Code = 17
	ErrClientRevoked         Code = 18
	ErrServiceRevoked        Code = 19
	ErrTGTRevoked            Code = 20
	ErrClientNotYet          Code = 21
	ErrServiceNotYet         Code = 22
	ErrKeyExpired            Code = 23
	ErrPreauthFailed         Code = 24
	ErrPreauthRequired       Code = 25
	ErrServerNoMatch         Code = 26
	ErrMustUseUser2User      Code = 27
	ErrPathNotAccepted       Code = 28
	ErrServiceUnavailable    Code = 29
	ErrBadIntegrity          Code = 31
	ErrTicketExpired         Code = 32
	ErrTicketNotYetValid     Code = 33
	ErrRepeat                Code = 34
	ErrNotUs                 Code = 35
	ErrBadMatch              Code = 36
	ErrSkew                  Code = 37
	ErrBadAddress            Code = 38
	ErrBadProtocolVersion    Code = 39
	ErrMsgType               Code = 40
	ErrModified              Code = 41
	ErrBadOrder              Code = 42
	ErrBadKeyVersion         Code = 44
	ErrNoKey                 Code = 45
	ErrMutualFailed          Code = 46
	ErrBadDirection          Code = 47
	ErrMethod                Code = 48
	ErrBadSequence           Code = 49
	ErrInappropriateChecksum Code = 50
	ErrAPPathNotAccepted     Code = 51
	ErrResponseTooBig        Code = 52
	ErrGeneric               Code = 60
	ErrFieldTooLong          Code = 61

	ErrClientNotTrusted               Code = 62
	ErrKDCNotTrusted                  Code = 63
	ErrInvalidSignature               Code = 64
	ErrDHParametersNotAccepted        Code = 65
	ErrCertificateMismatch            Code = 66
	ErrNoTGT                          Code = 67
	ErrWrongRealm                     Code = 68
	ErrUser2UserRequired              Code = 69
	ErrCantVerifyCertificate          Code = 70
	ErrInvalidCertificate             Code = 71
	ErrRevokedCertificate             Code = 72
	ErrRevocationUnknown              Code = 73
	ErrRevocationUnavailable          Code = 74
	ErrClientNameMismatch             Code = 75
	ErrKDCNameMismatch                Code = 76
	ErrInconsistentKeyPurpose         Code = 77
	ErrCertificateDigestNotAccepted   Code = 78
	ErrPAChecksumMissing              Code = 79
	ErrSignedDataDigestNotAccepted    Code = 80
	ErrPublicKeyEncryptionUnsupported Code = 81
	ErrPreauthExpired                 Code = 90
	ErrMorePreauthRequired            Code = 91
	ErrUnknownCriticalFAST            Code = 93
	ErrNoAcceptableKDF                Code = 100
)

// Name is the code's name in the document that defines it, or its number.
func (c Code) Name() string {
	name, _ := c.text()
	if name == "" {
		return strconv.Itoa(int(c))
	}
	return name
}

// Sentence says in general what the code means.
func (c Code) Sentence() string {
	_, sentence := c.text()
	if sentence == "" {
		return "The other side answered with an error of Kerberos that has no name here."
	}
	return sentence
}

// Error names the code.
func (c Code) Error() string { return "kerberos error " + strconv.Itoa(int(c)) + " " + c.Name() }

func (c Code) text() (name, sentence string) {
	switch c {
	case ErrNameExpired:
		return "KDC_ERR_NAME_EXP", "The client's entry in the domain has expired."
	case ErrServiceExpired:
		return "KDC_ERR_SERVICE_EXP", "The server's entry in the domain has expired."
	case ErrBadVersion:
		return "KDC_ERR_BAD_PVNO", "The message is not of Kerberos version 5."
	case ErrClientOldKey:
		return "KDC_ERR_C_OLD_MAST_KVNO", "The client's key is protected by an old key of the domain."
	case ErrServerOldKey:
		return "KDC_ERR_S_OLD_MAST_KVNO", "The server's key is protected by an old key of the domain."
	case ErrClientUnknown:
		return "KDC_ERR_C_PRINCIPAL_UNKNOWN", "The domain has no such client."
	case ErrServerUnknown:
		return "KDC_ERR_S_PRINCIPAL_UNKNOWN", "The domain has no such service."
	case ErrNotUnique:
		return "KDC_ERR_PRINCIPAL_NOT_UNIQUE", "Several accounts of the domain have this name."
	case ErrNullKey:
		return "KDC_ERR_NULL_KEY", "The account has no key."
	case ErrCannotPostdate:
		return "KDC_ERR_CANNOT_POSTDATE", "The ticket may not be postdated."
	case ErrNeverValid:
		return "KDC_ERR_NEVER_VALID", "The ticket asked for would never be valid."
	case ErrPolicy:
		return "KDC_ERR_POLICY", "A policy of the domain refuses the request."
	case ErrBadOption:
		return "KDC_ERR_BADOPTION", "The request asks for something that the ticket or the domain does not allow."
	case ErrETypeNoSupport:
		return "KDC_ERR_ETYPE_NOSUPP", "No encryption type that was offered is allowed and has a key."
	case ErrSumTypeNoSupport:
		return "KDC_ERR_SUMTYPE_NOSUPP", "The type of the checksum is not supported."
	case ErrPADataTypeNoSupport:
		return "KDC_ERR_PADATA_TYPE_NOSUPP", "The kind of pre-authentication is not supported."
	case ErrTrTypeNoSupport:
		return "KDC_ERR_TRTYPE_NOSUPP", "The transited encoding is not supported."
	case ErrClientRevoked:
		return "KDC_ERR_CLIENT_REVOKED", "The account is disabled, expired or locked."
	case ErrServiceRevoked:
		return "KDC_ERR_SERVICE_REVOKED", "The service's account is disabled."
	case ErrTGTRevoked:
		return "KDC_ERR_TGT_REVOKED", "The ticket-granting ticket is not accepted any more."
	case ErrClientNotYet:
		return "KDC_ERR_CLIENT_NOTYET", "The client's account is not valid yet."
	case ErrServiceNotYet:
		return "KDC_ERR_SERVICE_NOTYET", "The service's account is not valid yet."
	case ErrKeyExpired:
		return "KDC_ERR_KEY_EXPIRED", "The password has expired and must be changed."
	case ErrPreauthFailed:
		return "KDC_ERR_PREAUTH_FAILED", "The pre-authentication is wrong, as with a wrong password."
	case ErrPreauthRequired:
		return "KDC_ERR_PREAUTH_REQUIRED", "The account needs pre-authentication."
	case ErrServerNoMatch:
		return "KDC_ERR_SERVER_NOMATCH", "The service and the ticket do not belong together."
	case ErrMustUseUser2User:
		return "KDC_ERR_MUST_USE_USER2USER", "The service takes user-to-user tickets only."
	case ErrPathNotAccepted:
		return "KDC_ERR_PATH_NOT_ACCEPTED", "The path of realms is not accepted."
	case ErrServiceUnavailable:
		return "KDC_ERR_SVC_UNAVAILABLE", "The KDC cannot serve the request now."
	case ErrBadIntegrity:
		return "KRB_AP_ERR_BAD_INTEGRITY", "An encrypted part does not open with the key it should be under."
	case ErrTicketExpired:
		return "KRB_AP_ERR_TKT_EXPIRED", "The ticket has expired."
	case ErrTicketNotYetValid:
		return "KRB_AP_ERR_TKT_NYV", "The ticket is not valid yet."
	case ErrRepeat:
		return "KRB_AP_ERR_REPEAT", "The request was seen before."
	case ErrNotUs:
		return "KRB_AP_ERR_NOT_US", "The ticket is for somebody else."
	case ErrBadMatch:
		return "KRB_AP_ERR_BADMATCH", "The ticket and the authenticator do not belong together."
	case ErrSkew:
		return "KRB_AP_ERR_SKEW", "The clocks of the two sides differ by more than five minutes."
	case ErrBadAddress:
		return "KRB_AP_ERR_BADADDR", "The request comes from an address that the ticket does not name."
	case ErrBadProtocolVersion:
		return "KRB_AP_ERR_BADVERSION", "The message is not of Kerberos version 5."
	case ErrMsgType:
		return "KRB_AP_ERR_MSG_TYPE", "The message is of an unexpected type."
	case ErrModified:
		return "KRB_AP_ERR_MODIFIED", "The message was changed on its way."
	case ErrBadOrder:
		return "KRB_AP_ERR_BADORDER", "The messages are out of order."
	case ErrBadKeyVersion:
		return "KRB_AP_ERR_BADKEYVER", "The key version that the ticket names is not available."
	case ErrNoKey:
		return "KRB_AP_ERR_NOKEY", "The service's key is not available."
	}
	return c.moreText()
}

func (c Code) moreText() (name, sentence string) {
	switch c {
	case ErrMutualFailed:
		return "KRB_AP_ERR_MUT_FAIL", "The other side could not prove who it is."
	case ErrBadDirection:
		return "KRB_AP_ERR_BADDIRECTION", "The message came back to its sender."
	case ErrMethod:
		return "KRB_AP_ERR_METHOD", "Another way of authentication is required."
	case ErrBadSequence:
		return "KRB_AP_ERR_BADSEQ", "The sequence number is wrong."
	case ErrInappropriateChecksum:
		return "KRB_AP_ERR_INAPP_CKSUM", "A checksum is missing or of a type that proves nothing here."
	case ErrAPPathNotAccepted:
		return "KRB_AP_PATH_NOT_ACCEPTED", "The path of realms is not accepted."
	case ErrResponseTooBig:
		return "KRB_ERR_RESPONSE_TOO_BIG", "The reply does not fit a datagram; ask again over TCP."
	case ErrGeneric:
		return "KRB_ERR_GENERIC", "The request failed."
	case ErrFieldTooLong:
		return "KRB_ERR_FIELD_TOOLONG", "The message or a part of it is too long."
	case ErrClientNotTrusted:
		return "KDC_ERR_CLIENT_NOT_TRUSTED", "The client's certificate or key is not trusted."
	case ErrKDCNotTrusted:
		return "KDC_ERR_KDC_NOT_TRUSTED", "The KDC's certificate is not trusted."
	case ErrInvalidSignature:
		return "KDC_ERR_INVALID_SIG", "The signature of the request is wrong."
	case ErrDHParametersNotAccepted:
		return "KDC_ERR_DH_KEY_PARAMETERS_NOT_ACCEPTED", "The Diffie-Hellman group or key is not accepted."
	case ErrCertificateMismatch:
		return "KDC_ERR_CERTIFICATE_MISMATCH", "The certificate is not mapped to this account strongly enough."
	case ErrNoTGT:
		return "KRB_AP_ERR_NO_TGT", "No ticket-granting ticket is at hand."
	case ErrWrongRealm:
		return "KDC_ERR_WRONG_REALM", "The principal belongs to another realm."
	case ErrUser2UserRequired:
		return "KRB_AP_ERR_USER_TO_USER_REQUIRED", "The service takes user-to-user tickets only."
	case ErrCantVerifyCertificate:
		return "KDC_ERR_CANT_VERIFY_CERTIFICATE", "The certificate leads to no certificate authority that is trusted."
	case ErrInvalidCertificate:
		return "KDC_ERR_INVALID_CERTIFICATE", "A certificate of the chain is not valid."
	case ErrRevokedCertificate:
		return "KDC_ERR_REVOKED_CERTIFICATE", "The certificate is revoked."
	case ErrRevocationUnknown:
		return "KDC_ERR_REVOCATION_STATUS_UNKNOWN", "Whether the certificate is revoked is not known."
	case ErrRevocationUnavailable:
		return "KDC_ERR_REVOCATION_STATUS_UNAVAILABLE", "Whether the certificate is revoked could not be found out."
	case ErrClientNameMismatch:
		return "KDC_ERR_CLIENT_NAME_MISMATCH", "The certificate names another client."
	case ErrKDCNameMismatch:
		return "KDC_ERR_KDC_NAME_MISMATCH", "The KDC's certificate names another KDC."
	case ErrInconsistentKeyPurpose:
		return "KDC_ERR_INCONSISTENT_KEY_PURPOSE", "The certificate is not meant for signing in."
	case ErrCertificateDigestNotAccepted:
		return "KDC_ERR_DIGEST_IN_CERT_NOT_ACCEPTED", "The certificate is signed with a digest that is not accepted."
	case ErrPAChecksumMissing:
		return "KDC_ERR_PA_CHECKSUM_MUST_BE_INCLUDED", "The request's checksum is missing."
	case ErrSignedDataDigestNotAccepted:
		return "KDC_ERR_DIGEST_IN_SIGNED_DATA_NOT_ACCEPTED", "The request is signed with a digest that is not accepted."
	case ErrPublicKeyEncryptionUnsupported:
		return "KDC_ERR_PUBLIC_KEY_ENCRYPTION_NOT_SUPPORTED", "A reply key encrypted to the certificate is not offered; use Diffie-Hellman."
	case ErrPreauthExpired:
		return "KDC_ERR_PREAUTH_EXPIRED", "The pre-authentication is too old; start again."
	case ErrMorePreauthRequired:
		return "KDC_ERR_MORE_PREAUTH_DATA_REQUIRED", "The pre-authentication needs another step."
	case ErrUnknownCriticalFAST:
		return "KDC_ERR_UNKNOWN_CRITICAL_FAST_OPTIONS", "A required option of FAST is not known."
	case ErrNoAcceptableKDF:
		return "KDC_ERR_NO_ACCEPTABLE_KDF", "No key derivation function that was offered is accepted."
	}
	return "", ""
}
