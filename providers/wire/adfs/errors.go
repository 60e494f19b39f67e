package adfs

import (
	"encoding/json"
	"fmt"
	"strings"

	"hellolab/providers/wire/strict"
)

// Error is a refusal of the token service.
type Error struct {
	OAuth    string // "invalid_grant"
	Code     string // "MSIS9659"; "" where no public number is known
	Sentence string // what is wrong
	Hint     string // what to do next; never sent
	Status   int    // HTTP
}

// OAuth errors that the service answers (RFC 6749 5.2, RFC 8628 3.5, MS-OAPX
// 2.2.4).
const (
	InvalidRequest          = "invalid_request"
	InvalidClient           = "invalid_client"
	InvalidGrant            = "invalid_grant"
	InvalidResource         = "invalid_resource"
	InvalidScope            = "invalid_scope"
	InvalidToken            = "invalid_token"
	UnauthorizedClient      = "unauthorized_client"
	UnsupportedGrantType    = "unsupported_grant_type"
	UnsupportedResponseType = "unsupported_response_type"
	InteractionRequired     = "interaction_required"
	LoginRequired           = "login_required"
	AccessDenied            = "access_denied"
	ServerError             = "server_error"
	AuthorizationPending    = "authorization_pending"
	AuthorizationDeclined   = "authorization_declined"
	ExpiredToken            = "expired_token"
	BadVerificationCode     = "bad_verification_code"
)

// Numbers that public support material shows.
const (
	CodeServerError       = "MSIS9604"
	CodeGrantType         = "MSIS9611"
	CodeCodeInvalid       = "MSIS9612"
	CodeRefreshInvalid    = "MSIS9614"
	CodeRefreshExpired    = "MSIS9615"
	CodeClientUnknown     = "MSIS9223"
	CodeClientFailed      = "MSIS9622"
	CodeRedirect          = "MSIS9224"
	CodeRedirectToken     = "MSIS9609"
	CodeResource          = "MSIS9602"
	CodeResourceDenied    = "MSIS9605"
	CodeScopeDenied       = "MSIS9368" // the client may not ask for the scope
	CodeCredentials       = "MSIS9659" // user name or password
	CodeInteraction       = "MSIS9462"
	CodeHelloKey          = "MSIS9711" // the key of a certificate request is not the user's
	CodeAccountValidation = "MSIS3173" // Active Directory account validation failed
	CodeRelyingParty      = "MSIS7007" // unknown relying party
	CodeMethod            = "MSIS7102" // the authentication method is not supported
	CodeAuthenticated     = "ID3242"   // of WS-Trust: the token could not be authenticated
)

// NotWrittenBack is the sentence with which a service refuses a device that its
// domain does not have: InvalidGrant, without a number.
const NotWrittenBack = "Active Directory has no such device: it was not written back."

// NewError makes a refusal with HTTP status 400, or 401 for InvalidClient and
// InvalidToken.
func NewError(oauthError, code, sentence string, args ...any) *Error {
	e := &Error{OAuth: oauthError, Code: code, Sentence: fmt.Sprintf(sentence, args...), Status: 400}
	if oauthError == InvalidClient || oauthError == InvalidToken {
		e.Status = 401
	}
	if oauthError == ServerError {
		e.Status = 500
	}
	return e
}

// WithHint says what to do next.
func (e *Error) WithHint(hint string) *Error {
	e.Hint = hint
	return e
}

func (e *Error) Error() string {
	if e.Code == "" {
		return e.Sentence
	}
	return e.Code + ": " + e.Sentence
}

// Is compares the OAuth error and the number.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.OAuth == e.OAuth && t.Code == e.Code
}

// errorBody is how a refusal is sent (RFC 6749 5.2).
type errorBody struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
	RequestID   string `json:"client-request-id,omitempty"`
}

// Encode makes the reply's body.
func (e *Error) Encode(correlation string) []byte {
	b, _ := json.Marshal(errorBody{e.OAuth, e.Error(), correlation}) // three strings always encode
	return b
}

// ParseError reads a refusal. A body that is none is an error of another type.
func ParseError(status int, body []byte) error {
	var b errorBody
	if err := strict.Unmarshal(body, &b); err != nil || b.Error == "" {
		return fmt.Errorf("the federation service answered HTTP status %d", status)
	}
	e := &Error{OAuth: b.Error, Sentence: b.Description, Status: status}
	if code, rest, ok := strings.Cut(b.Description, ": "); ok && isCode(code) {
		e.Code, e.Sentence = code, rest
	}
	return e
}

func isCode(s string) bool {
	digits := strings.TrimLeft(s, "MSID")
	return len(s) <= 10 && len(digits) >= 4 && len(digits) < len(s) && strings.Trim(digits, "0123456789") == ""
}
