// Package drs is the device registration service's protocol (MS-DVRD, MS-DVRJ,
// MS-KPP and what the cloud service adds): discovery, join, delete, and the
// registration of Windows Hello for Business keys.
//
//	GET    /{tenant}/Discover?api-version=1.9        Discovery
//	GET    /EnrollmentServer/nonce/{tenant}/         NonceReply
//	POST   /EnrollmentServer/device/?api-version=2.0 JoinRequest → JoinReply
//	PUT    /EnrollmentServer/device/{id}?api-version=2.0 HybridRequest → JoinReply
//	DELETE /EnrollmentServer/device/{id}             device certificate over TLS
//	POST   /EnrollmentServer/key/?api-version=1.0    KeyRequest → KeyReply
//
// Every refusal is an Error. The attestation members of KeyRequest are the
// lab's own: Microsoft does not publish what Windows sends there.
package drs

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"hellolab/providers/wire/strict"
)

// Paths of the service. They are compared without regard to letter case.
const (
	PathDevice = "/EnrollmentServer/device/"
	PathKey    = "/EnrollmentServer/key/"
	PathNonce  = "/EnrollmentServer/nonce/" // + tenant id + "/"
)

// Discovery says where the service's parts are.
type Discovery struct {
	DiscoveryService          Endpoint        `json:"DiscoveryService"`
	DeviceRegistrationService Endpoint        `json:"DeviceRegistrationService"`
	AuthenticationService     AuthService     `json:"AuthenticationService"`
	IdentityProviderService   IdentityService `json:"IdentityProviderService"`
	DeviceJoinService         Endpoint        `json:"DeviceJoinService"`
	KeyProvisioningService    Endpoint        `json:"KeyProvisioningService"`
	NonceService              Endpoint        `json:"NonceService"`
	TenantInfo                TenantInfo      `json:"TenantInfo"`
}

// Endpoint is one part of the service. The protocol names the members after
// the part: JoinEndpoint, KeyProvisionEndpoint and so on.
type Endpoint struct {
	Prefix         string // "Join", "KeyProvision", "Registration", "Discovery", or none
	URL            string
	ResourceID     string
	ServiceVersion string
}

func (e Endpoint) MarshalJSON() ([]byte, error) {
	m := map[string]string{e.Prefix + "Endpoint": e.URL, "ServiceVersion": e.ServiceVersion}
	if e.ResourceID != "" {
		m[e.Prefix+"ResourceId"] = e.ResourceID
	}
	return json.Marshal(m)
}

func (e *Endpoint) UnmarshalJSON(data []byte) error {
	var m map[string]string
	if err := json.Unmarshal(data, &m); err != nil {
		return err
	}
	*e = Endpoint{ServiceVersion: m["ServiceVersion"]}
	for _, prefix := range []string{"", "Join", "KeyProvision", "Registration", "Discovery"} {
		if url, ok := m[prefix+"Endpoint"]; ok {
			e.Prefix, e.URL, e.ResourceID = prefix, url, m[prefix+"ResourceId"]
		}
	}
	return nil
}

// AuthService is where tokens for the service come from.
type AuthService struct {
	OAuth2 struct {
		AuthCodeEndpoint string `json:"AuthCodeEndpoint"`
		TokenEndpoint    string `json:"TokenEndpoint"`
	} `json:"OAuth2"`
}

// IdentityService says who signs users in.
type IdentityService struct {
	Federated           bool   `json:"Federated"`
	PassiveAuthEndpoint string `json:"PassiveAuthEndpoint"`
}

// TenantInfo names the tenant.
type TenantInfo struct {
	DisplayName string `json:"DisplayName"`
	TenantID    string `json:"TenantId"`
	TenantName  string `json:"TenantName"`
}

// ParseDiscovery reads the discovery document.
func ParseDiscovery(data []byte) (*Discovery, error) {
	var d Discovery
	if err := strict.Unmarshal(data, &d); err != nil {
		return nil, fmt.Errorf("registration discovery: %w", err)
	}
	return &d, nil
}

// NonceReply answers the nonce service. The first name really lacks an s.
type NonceReply struct {
	Status struct {
		Message string `json:"message"`
		TraceID string `json:"traceId"`
		Time    string `json:"time"`
	} `json:"ReponseStatus"`
	Value string `json:"Value"`
}

// ParseNonceReply reads the nonce service's answer.
func ParseNonceReply(data []byte) (*NonceReply, error) {
	var r NonceReply
	if err := strict.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("nonce reply: %w", err)
	}
	return &r, nil
}

// ErrorType is the kind of a refusal (MS-DVRE 3.1.4.1.4.1).
type ErrorType string

const (
	InvalidParameter    ErrorType = "InvalidParameter"
	AuthenticationError ErrorType = "AuthenticationError"
	AuthorizationError  ErrorType = "AuthorizationError"
	DirectoryError      ErrorType = "DirectoryError"
	UnknownError        ErrorType = "UnknownError"
)

// Error is a refusal of the service.
type Error struct {
	Type     ErrorType
	Subcode  string // what exactly, for programs: "mfa_not_current"
	Status   int    // HTTP
	Sentence string
	Hint     string // what to do next; never sent
	TraceID  string // of the reply, when read from one
}

func (e *Error) Error() string { return string(e.Type) + ": " + e.Sentence }

// errorDetails is MS-DVRJ 2.2.3.1's object with the member subcode of the
// newer cloud replies.
type errorDetails struct {
	ErrorType ErrorType `json:"ErrorType"`
	Message   string    `json:"Message"`
	TraceID   string    `json:"TraceId"`
	Time      string    `json:"Time"`
	Subcode   string    `json:"subcode,omitempty"`
}

// Encode returns the refusal's JSON.
func (e *Error) Encode(trace string, at time.Time) []byte {
	data, _ := json.Marshal(errorDetails{e.Type, e.Sentence, trace, at.UTC().Format("01-02-2006 15:04:05Z"), e.Subcode}) // strings always encode
	return data
}

// ParseError reads a refusal. It always returns an error.
func ParseError(status int, body []byte) error {
	var d errorDetails
	if err := strict.Unmarshal(body, &d); err != nil || d.ErrorType == "" {
		return fmt.Errorf("registration service answered %d %s without saying why", status, http.StatusText(status))
	}
	return &Error{Type: d.ErrorType, Subcode: d.Subcode, Status: status, Sentence: d.Message, TraceID: d.TraceID}
}

// HasSubcode says whether err is a refusal with that subcode.
func HasSubcode(err error, subcode string) bool {
	var e *Error
	return errors.As(err, &e) && e.Subcode == subcode
}
