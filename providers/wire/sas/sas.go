// Package sas is Entra ID's interactive sign-in as a program sees it: the page
// whose script holds $Config, the posting of user name and password, and the
// second-factor conversation (BeginAuth, EndAuth, ProcessAuth) of the service
// that Microsoft calls SAS, strong authentication service.
//
// The conversation, as public clients drive it (libhimmelblau, roadtx):
//
//	GET  authorize?…                     → 200 page, pgid ConvergedSignIn
//	POST $Config.urlPost       Login     → 200 page, pgid ConvergedTFA, arrUserProofs
//	POST $Config.urlBeginAuth  BeginAuth → 200 AuthReply with the next FlowToken and Ctx
//	POST $Config.urlEndAuth    EndAuth   → 200 AuthReply, Success or ErrCode
//	GET  $Config.urlEndAuth?…            → the same, for a notification that is waited for
//	POST $Config.urlPost   ProcessAuth   → 302 redirect_uri?code=…
//
// Each page and reply brings the FlowToken and Ctx that the next step sends
// back. A refused password answers with the sign-in page again and sErrorCode.
package sas

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"hellolab/providers/wire/strict"
)

// Second-factor methods, values of AuthMethodID.
const (
	MethodAppOTP          = "PhoneAppOTP"          // TOTP of an authenticator app
	MethodAppNotification = "PhoneAppNotification" // a notification on it, approved with the number that the page shows
)

// Login is the form that the sign-in page posts.
type Login struct {
	Login     string // user principal name
	Password  string
	Ctx       string
	FlowToken string
	Canary    string
}

// Form returns the form values.
func (l Login) Form() url.Values {
	return url.Values{"login": {l.Login}, "loginfmt": {l.Login}, "passwd": {l.Password},
		"ctx": {l.Ctx}, "flowToken": {l.FlowToken}, "canary": {l.Canary}, "type": {"11"}}
}

// ParseLogin reads the form.
func ParseLogin(v url.Values) Login {
	return Login{Login: v.Get("login"), Password: v.Get("passwd"),
		Ctx: v.Get("ctx"), FlowToken: v.Get("flowToken"), Canary: v.Get("canary")}
}

// Methods of AuthRequest.
const (
	MethodBegin = "BeginAuth"
	MethodEnd   = "EndAuth"
)

// AuthRequest is the JSON of BeginAuth and EndAuth. The header "canary" goes
// with it.
type AuthRequest struct {
	Method             string `json:"Method"` // "BeginAuth" or "EndAuth"
	AuthMethodID       string `json:"AuthMethodId"`
	SessionID          string `json:"SessionId,omitempty"`
	FlowToken          string `json:"FlowToken"`
	Ctx                string `json:"Ctx"`
	AdditionalAuthData string `json:"AdditionalAuthData,omitempty"` // EndAuth: the six digits
	PollCount          Count  `json:"PollCount,omitempty"`
}

// Count is a number that some clients write as a string.
type Count int

// UnmarshalJSON reads a number, or one in quotes.
func (c *Count) UnmarshalJSON(data []byte) error {
	n, err := strconv.Atoi(strings.Trim(string(data), `"`))
	if err != nil {
		return errors.New("not a count")
	}
	*c = Count(n)
	return nil
}

// HeaderCanary carries Config.APICanary with BeginAuth and EndAuth.
const HeaderCanary = "canary"

// Headers of EndAuth as GET, the form in which clients wait for a notification.
const (
	HeaderSessionID = "x-ms-sessionId"
	HeaderFlowToken = "x-ms-flowToken"
	HeaderCtx       = "x-ms-ctx"
)

// Poll returns query and headers of EndAuth as GET.
func (r AuthRequest) Poll() (url.Values, http.Header) {
	h := http.Header{}
	h.Set(HeaderSessionID, r.SessionID)
	h.Set(HeaderFlowToken, r.FlowToken)
	h.Set(HeaderCtx, r.Ctx)
	return url.Values{"authMethodId": {r.AuthMethodID}, "pollCount": {strconv.Itoa(int(r.PollCount))}}, h
}

// ParsePoll reads EndAuth as GET.
func ParsePoll(q url.Values, h http.Header) (*AuthRequest, error) {
	r := &AuthRequest{Method: MethodEnd, AuthMethodID: q.Get("authMethodId"), SessionID: h.Get(HeaderSessionID),
		FlowToken: h.Get(HeaderFlowToken), Ctx: h.Get(HeaderCtx)}
	if text := q.Get("pollCount"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, errors.New("second factor poll: pollCount is not a number")
		}
		r.PollCount = Count(n)
	}
	return r, nil
}

// ParseAuthRequest reads the JSON of BeginAuth or EndAuth.
func ParseAuthRequest(data []byte) (*AuthRequest, error) {
	var r AuthRequest
	if err := strict.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("second factor request: %w", err)
	}
	return &r, nil
}

// AuthReply answers BeginAuth and EndAuth.
type AuthReply struct {
	Success       bool   `json:"Success"`
	ResultValue   string `json:"ResultValue"` // one of Result…
	Message       string `json:"Message"`
	AuthMethodID  string `json:"AuthMethodId"`
	ErrCode       int    `json:"ErrCode"` // AADSTS number, 0 when none
	Retry         bool   `json:"Retry"`
	FlowToken     string `json:"FlowToken"`
	Ctx           string `json:"Ctx"`
	SessionID     string `json:"SessionId"`
	CorrelationID string `json:"CorrelationId"`
	Timestamp     string `json:"Timestamp"`
	Entropy       int    `json:"Entropy"` // BeginAuth of a notification: the number that the page shows
}

// Results of BeginAuth and EndAuth, in the cloud's words.
const (
	ResultSuccess = "Success"
	ResultPending = "AuthenticationPending" // nobody answered the notification yet

	ResultWrongCode  = "OathCodeIncorrect"
	ResultReused     = "OathCodeDuplicate"
	ResultCodeLocked = "OathCodeFailedMaxAllowedRetryReached"

	ResultDenied      = "PhoneAppDenied"
	ResultWrongNumber = "PhoneAppEntropyIncorrect"
	ResultNoResponse  = "PhoneAppNoResponse"         // it expired, or newer ones took its place
	ResultLocked      = "AuthenticationMethodLocked" // too many denials and wrong numbers
)

// ParseAuthReply reads the answer to BeginAuth or EndAuth.
func ParseAuthReply(data []byte) (*AuthReply, error) {
	var r AuthReply
	if err := strict.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("second factor reply: %w", err)
	}
	return &r, nil
}

// ProcessAuth is the form that ends the conversation.
type ProcessAuth struct {
	Request       string // Ctx of the last reply
	MFAAuthMethod string
	Login         string
	FlowToken     string
	Canary        string
	Code          string // of a person at the page's own form: the six digits, in place of BeginAuth and EndAuth
}

// Form returns the form values.
func (p ProcessAuth) Form() url.Values {
	return url.Values{"type": {"19"}, "request": {p.Request}, "mfaAuthMethod": {p.MFAAuthMethod},
		"login": {p.Login}, "flowToken": {p.FlowToken}, "canary": {p.Canary}, "otc": {p.Code}}
}

// ParseProcessAuth reads the form.
func ParseProcessAuth(v url.Values) ProcessAuth {
	return ProcessAuth{Request: v.Get("request"), MFAAuthMethod: v.Get("mfaAuthMethod"),
		Login: v.Get("login"), FlowToken: v.Get("flowToken"), Canary: v.Get("canary"), Code: v.Get("otc")}
}
