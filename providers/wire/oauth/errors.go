package oauth

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"hellolab/providers/wire/strict"
)

// Code is an AADSTS number.
type Code int

// Codes that the lab answers with. Names are those of Microsoft's error
// reference (AADSTS error codes).
const (
	InvalidUserNameOrPassword  Code = 50126
	UserAccountNotFound        Code = 50034
	IDSLocked                  Code = 50053
	PasswordExpired            Code = 50055
	UserDisabled               Code = 50057
	StrongAuthRequired         Code = 50076 // a second factor is needed now
	StrongAuthEnrollment       Code = 50079 // and the user has none registered
	StrongAuthExpired          Code = 50078
	AuthenticationFailed       Code = 500121 // the second factor failed
	UserPromptRequired         Code = 50058  // prompt=none without a session
	TenantUnnamed              Code = 50059  // nothing in the request says which tenant
	DeviceAuthenticationNeeded Code = 50097
	DeviceJWTInvalid           Code = 50099
	DeviceNotRegistered        Code = 50129
	DeviceNotFound             Code = 50155
	DeviceDisabled             Code = 135011
	HelloKeyNotFound           Code = 130004
	HelloSignatureInvalid      Code = 130005
	HelloTransportKeyNotFound  Code = 130006
	HelloDeviceDisabled        Code = 130007
	HelloDeviceNotFound        Code = 130008
	NonceInvalid               Code = 140000
	SessionKeyInvalid          Code = 140001
	DeviceNotCompliant         Code = 53000
	DeviceNotJoined            Code = 53001
	AccessBlocked              Code = 53003
	FreshTokenNeeded           Code = 50173
	RefreshTokenInactive       Code = 700082
	RefreshTokenExpired        Code = 70008
	GrantInvalid               Code = 70000
	CodeRedeemed               Code = 54005
	AuthorizationPending       Code = 70016 // device code: nobody has answered at the page yet
	UserCodeInvalid            Code = 70018 // device code: no such code
	DeviceCodeExpired          Code = 70020
	UserDeclined               Code = 65004
	ApplicationNotFound        Code = 700016
	ClientSecretInvalid        Code = 7000215
	ClientIsPublic             Code = 700025 // and sent a secret nevertheless
	ResourceNotFound           Code = 500011
	InstanceUnknown            Code = 50049 // MSAL's instance discovery
	TenantNotFound             Code = 90002
	ParameterMissing           Code = 900144
	FieldMissing               Code = 90014
	GrantTypeUnsupported       Code = 70003
	ScopeInvalid               Code = 70011
	RedirectMismatch           Code = 50011
	ChallengeMissing           Code = 50147
	VerifierMismatch           Code = 501481
	ResponseTypeUnsupported    Code = 700054
	RequestMalformed           Code = 9000410
	FederationRealmUnknown     Code = 50107 // no domain is federated with the issuer of an assertion
	SAMLTokenInvalid           Code = 50008
	AssertionUnauthorized      Code = 50012
	AssertionInvalid           Code = 50013
	AssertionNotInLife         Code = 500133
	UserNotInDirectory         Code = 51004 // no account has the ImmutableID of an assertion
	InternalError              Code = 90033
)

// Error is a refusal of the token service.
type Error struct {
	Code     Code
	Name     string // "InvalidUserNameOrPassword"
	OAuth    string // OAuth error of V2: "invalid_grant"
	SubError string
	Status   int    // HTTP
	Sentence string // what is wrong
	Hint     string // what to do next; never sent
	Claims   string // what to ask for at the authorize endpoint, V2
	Trace    string // trace id of the reply, when read from one
}

type entry struct {
	name, oauth, suberror string
	status                int
	sentence, hint        string
}

const (
	invalidGrant   = "invalid_grant"
	invalidRequest = "invalid_request"
	invalidClient  = "invalid_client"
	interaction    = "interaction_required"
)

// table pairs each code with the documented words and status (AADSTS error
// reference; replies recorded by MSAL's issue trackers). It is never written.
var table = map[Code]entry{
	InvalidUserNameOrPassword:  {"InvalidUserNameOrPassword", invalidGrant, "", 400, "The user name or password is wrong.", "Check the user's password."},
	UserAccountNotFound:        {"UserAccountNotFound", invalidGrant, "", 400, "The user account does not exist in the tenant.", "Check the user name and that the user belongs to this tenant."},
	IDSLocked:                  {"IdsLocked", invalidGrant, "", 400, "The account is locked because of too many wrong passwords.", "Wait until the lock-out ends and try again."},
	PasswordExpired:            {"UserPasswordExpired", invalidGrant, "user_password_expired", 400, "The password has expired.", "Set a new password."},
	UserDisabled:               {"UserDisabled", invalidGrant, "", 400, "The user account is disabled.", "Set enabled_in_tenant of the user."},
	StrongAuthRequired:         {"UserStrongAuthClientAuthNRequired", invalidGrant, "basic_action", 400, "You must use multi-factor authentication to access the resource.", "Sign in interactively and give the second factor."},
	StrongAuthEnrollment:       {"UserStrongAuthEnrollmentRequired", invalidGrant, "basic_action", 400, "You must enroll in multi-factor authentication to access the resource.", "Register a second factor: mfa = \"totp\" or \"push\"."},
	StrongAuthExpired:          {"UserStrongAuthExpired", invalidGrant, "basic_action", 400, "The multi-factor authentication has expired.", "Give the second factor again."},
	AuthenticationFailed:       {"AuthenticationFailedDuringStrongAuth", invalidGrant, "", 400, "Authentication failed during the strong authentication request.", "Use the current code of the authenticator app, once."},
	UserPromptRequired:         {"UserInformationNotProvided", "login_required", "", 400, "A silent sign-in request was sent but no user is signed in.", "Sign in interactively."},
	DeviceAuthenticationNeeded: {"DeviceAuthenticationRequired", interaction, "", 401, "Device authentication is required.", "Prove the device with its certificate."},
	DeviceJWTInvalid:           {"PKeyAuthInvalidJwtUnauthorized", invalidGrant, "", 400, "The device's signature is not valid.", "Join the device again if its certificate is lost or was replaced."},
	DeviceNotRegistered:        {"DeviceIsNotWorkplaceJoined", interaction, "", 400, "The application is open to registered devices only, and no registered device was proved.", "Join the device: join = \"entra\"."},
	DeviceNotCompliant:         {"DeviceNotCompliant", invalidGrant, "", 400, "Conditional access demands a compliant device, and the device is not compliant.", "Set compliant = true on the device."},
	DeviceNotJoined:            {"DeviceNotDomainJoined", invalidGrant, "", 400, "Conditional access demands a joined device, and the device is not joined.", "Join the device: join = \"entra\"."},
	AccessBlocked:              {"BlockedByConditionalAccess", invalidGrant, "message_only", 400, "Access has been blocked by conditional access policies. The access policy does not allow token issuance.", "Compare require of the application with the user's risk."},
	DeviceNotFound:             {"DeviceAuthenticationFailed", invalidGrant, "", 400, "Device authentication failed: the device is not known to the tenant.", "Join the device again."},
	DeviceDisabled:             {"DeviceDisabled", invalidGrant, "", 400, "The device used during the authentication is disabled.", "Set enabled_in_tenant of the device."},
	HelloKeyNotFound:           {"NgcKeyNotFound", invalidGrant, "", 400, "The user principal does not have the Windows Hello for Business key configured.", "Provision Windows Hello for Business on the device again."},
	HelloSignatureInvalid:      {"NgcInvalidSignature", invalidGrant, "", 400, "The signature of the Windows Hello for Business key is not valid.", "Provision Windows Hello for Business on the device again."},
	HelloTransportKeyNotFound:  {"NgcTransportKeyNotFound", invalidGrant, "", 400, "The transport key is not configured on the device.", "Join the device again."},
	HelloDeviceDisabled:        {"NgcDeviceIsDisabled", invalidGrant, "", 400, "The device is disabled.", "Set enabled_in_tenant of the device."},
	HelloDeviceNotFound:        {"NgcDeviceIsNotFound", invalidGrant, "", 400, "The device that the Windows Hello for Business key refers to is not found.", "Join the device and provision Windows Hello for Business again."},
	NonceInvalid:               {"InvalidRequestNonce", invalidRequest, "", 400, "The request nonce is missing or not valid.", "Ask for a nonce and use it once, within its life."},
	SessionKeyInvalid:          {"InvalidSessionKey", invalidGrant, "", 400, "The session key is not valid.", "Sign in again to get a new primary refresh token."},
	FreshTokenNeeded:           {"FreshTokenNeeded", invalidGrant, "bad_token", 400, "The grant has expired because it was revoked; a fresh token is needed.", "Sign in again."},
	RefreshTokenInactive:       {"ExpiredOrRevokedGrantInactiveToken", invalidGrant, "bad_token", 400, "The refresh token has expired due to inactivity.", "Sign in again."},
	RefreshTokenExpired:        {"ExpiredOrRevokedGrant", invalidGrant, "bad_token", 400, "The grant has expired.", "Sign in again."},
	GrantInvalid:               {"InvalidGrant", invalidGrant, "bad_token", 400, "The grant is not valid.", "Sign in again."},
	TenantUnnamed:              {"MissingTenantRealm", invalidRequest, "", 400, "No tenant-identifying information is in the request or implied by its credentials.", "Name the tenant in the authority instead of common."},
	AuthorizationPending:       {"AuthorizationPending", "authorization_pending", "", 400, "The device code flow is pending: the user has not signed in with the code yet.", "Poll again after the interval."},
	UserCodeInvalid:            {"BadVerificationCode", "bad_verification_code", "", 400, "The verification code is not valid.", "Begin the device code flow anew."},
	DeviceCodeExpired:          {"CodeExpired", "expired_token", "", 400, "The device code has expired.", "Begin the device code flow anew."},
	UserDeclined:               {"UserDeclinedConsent", "authorization_declined", "", 400, "The user declined the request.", ""},
	CodeRedeemed:               {"OAuth2AuthorizationCodeAlreadyRedeemed", invalidGrant, "", 400, "The authorization code was already redeemed.", "Sign in again for a new code."},
	ApplicationNotFound:        {"UnauthorizedClient_DoesNotMatchRequest", "unauthorized_client", "", 400, "The application is not found in the tenant.", "Check the client id."},
	ClientSecretInvalid:        {"InvalidClientSecret", invalidClient, "", 401, "The client secret is wrong.", "Check the client secret."},
	ClientIsPublic:             {"InvalidClientPublicClientWithCredential", invalidClient, "", 401, "The client is public, so neither a client assertion nor a client secret may be presented.", "Leave the secret out."},
	ResourceNotFound:           {"InvalidResourceServicePrincipalNotFound", "invalid_resource", "", 400, "The resource is not found in the tenant.", "Check the resource or scope."},
	TenantNotFound:             {"InvalidTenantName", "invalid_tenant", "", 400, "The tenant is not found.", "Check the tenant's domain or id."},
	InstanceUnknown:            {"NoSuchInstanceForDiscovery", "invalid_instance", "", 400, "The instance is unknown or not valid.", "Check the authority's host."},
	ParameterMissing:           {"MissingRequiredParameter", invalidRequest, "", 400, "The request body lacks a required parameter.", ""},
	FieldMissing:               {"MissingRequiredField", invalidRequest, "", 400, "A required field of the credential is missing.", ""},
	GrantTypeUnsupported:       {"UnsupportedGrantType", "unsupported_grant_type", "", 400, "The grant type is not supported.", ""},
	ScopeInvalid:               {"InvalidScope", "invalid_scope", "", 400, "The scope is not valid.", ""},
	RedirectMismatch:           {"InvalidReplyTo", invalidRequest, "", 400, "The redirect URI does not match those of the application.", ""},
	ChallengeMissing:           {"MissingCodeChallenge", invalidRequest, "", 400, "The code challenge or verifier is missing or malformed.", ""},
	VerifierMismatch:           {"CodeVerifierMismatch", invalidGrant, "", 400, "The code verifier does not match the code challenge.", ""},
	ResponseTypeUnsupported:    {"UnsupportedResponseType", "unsupported_response_type", "", 400, "The response type is not enabled for the application.", ""},
	RequestMalformed:           {"MalformedRequest", invalidRequest, "", 400, "The request is malformed.", ""},
	FederationRealmUnknown:     {"FedRealmObjectNotFound", invalidGrant, "", 400, "The requested federation realm object does not exist.", "Compare the issuer of the federation service with the tenant's federation settings."},
	SAMLTokenInvalid:           {"InvalidSamlToken", invalidGrant, "", 400, "The SAML token is not valid.", "Send the assertion of the federation service as it was signed."},
	AssertionUnauthorized:      {"AuthenticationFailed", invalidGrant, "", 400, "The assertion is not meant for this service.", "Ask the federation service for an assertion for urn:federation:MicrosoftOnline."},
	AssertionInvalid:           {"InvalidAssertion", invalidGrant, "", 400, "The assertion failed signature validation.", "Let the tenant read the metadata of the federation service again, if its token-signing certificate is new."},
	AssertionNotInLife:         {"InvalidAssertionNotInValidTimeRange", invalidGrant, "", 400, "The assertion is not within its valid time range.", "Compare the clocks, and sign in at the federation service again."},
	UserNotInDirectory:         {"UserAccountNotInDirectory", invalidGrant, "", 400, "The user account of the assertion does not exist in the directory.", "Synchronize the account, or set its onPremisesImmutableId."},
	InternalError:              {"TransientError", "temporarily_unavailable", "", 503, "The service could not complete the request.", "Try again; the log has the cause."},
}

// NewError returns the refusal with its documented words. detail, when given,
// replaces the sentence; it must not hold a secret.
func NewError(code Code, detail ...any) *Error {
	e, ok := table[code]
	if !ok {
		e = table[InternalError]
	}
	err := &Error{Code: code, Name: e.name, OAuth: e.oauth, SubError: e.suberror, Status: e.status, Sentence: e.sentence, Hint: e.hint}
	if len(detail) > 0 {
		err.Sentence = fmt.Sprintf(fmt.Sprint(detail[0]), detail[1:]...)
	}
	if code == StrongAuthRequired || code == StrongAuthEnrollment || code == StrongAuthExpired {
		err.Claims = FreshMFAClaims
	}
	return err
}

// ID returns the code as it is written: "AADSTS50126".
func (c Code) ID() string { return "AADSTS" + strconv.Itoa(int(c)) }

func (e *Error) Error() string { return e.Code.ID() + ": " + e.Sentence }

// Interactive says whether a person at the tenant's page may still get what
// was refused: what V1 and the authorize endpoint call interaction_required.
func (e *Error) Interactive() bool {
	switch e.Code {
	case DeviceNotCompliant, DeviceNotJoined, AccessBlocked:
		return true
	}
	return e.OAuth == interaction || e.SubError == "basic_action"
}

// Demand sets what the client must ask for at the authorize endpoint: the
// conditional access policies that refused it.
func (e *Error) Demand(policies []string) {
	var c struct {
		AccessToken struct {
			Policies struct {
				Essential bool     `json:"essential"`
				Values    []string `json:"values"`
			} `json:"capolids"`
		} `json:"access_token"`
	}
	c.AccessToken.Policies.Essential, c.AccessToken.Policies.Values = true, policies
	data, _ := json.Marshal(c) // strings always encode
	e.Claims = string(data)
}

// Is matches errors of the same code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// ErrorBody is the JSON of a refusal.
type ErrorBody struct {
	Error         string `json:"error"`
	Description   string `json:"error_description"`
	Codes         []int  `json:"error_codes"`
	Timestamp     string `json:"timestamp"`
	TraceID       string `json:"trace_id"`
	CorrelationID string `json:"correlation_id"`
	URI           string `json:"error_uri,omitempty"`
	SubError      string `json:"suberror,omitempty"`
	Claims        string `json:"claims,omitempty"`
}

const timestampLayout = "2006-01-02 15:04:05Z"

// Encode writes the refusal as the endpoint of that version does: where V2
// says invalid_grant, V1 says interaction_required. A block keeps its suberror
// in both, and names its policies in V2 only (replies of the cloud).
func (e *Error) Encode(v Version, host, trace, correlation string, at time.Time) []byte {
	stamp := at.UTC().Format(timestampLayout)
	b := ErrorBody{
		Error: e.OAuth,
		Description: fmt.Sprintf("%s: %s Trace ID: %s Correlation ID: %s Timestamp: %s",
			e.Code.ID(), e.Sentence, trace, correlation, stamp),
		Codes: []int{int(e.Code)}, Timestamp: stamp, TraceID: trace, CorrelationID: correlation,
		URI:      "https://" + host + "/error?code=" + strconv.Itoa(int(e.Code)),
		SubError: e.SubError, Claims: e.Claims,
	}
	if v == V1 && e.Interactive() {
		b.Error = interaction
		switch e.SubError {
		case "basic_action":
			b.SubError = ""
		case "message_only":
			b.Claims = ""
		}
	}
	data, _ := json.Marshal(b) // strings and numbers always encode
	return data
}

// ParseError reads a refusal of either version. It always returns an error: a
// reply that is none of the service's becomes a plain one.
func ParseError(status int, body []byte) error {
	var b ErrorBody
	if err := strict.Unmarshal(body, &b); err != nil || b.Error == "" {
		return fmt.Errorf("token service answered %d %s without saying why", status, http.StatusText(status))
	}
	e := &Error{OAuth: b.Error, SubError: b.SubError, Status: status, Claims: b.Claims, Trace: b.TraceID, Sentence: b.Description}
	if len(b.Codes) > 0 {
		e.Code = Code(b.Codes[0])
	}
	known := table[e.Code]
	e.Name, e.Hint = known.name, known.hint
	if m := description.FindStringSubmatch(b.Description); m != nil {
		e.Sentence = strings.TrimSpace(m[1])
	}
	return e
}

// description finds the sentence between the code and the ids, which older
// replies put on lines of their own.
var description = regexp.MustCompile(`(?s)^AADSTS\d+: (.*?)\s*Trace ID: `)
