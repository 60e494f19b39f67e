// Package graph is Microsoft Graph as far as the lab administers a tenant over
// it: users, groups, devices and their methods, applications and conditional
// access, in the JSON of the v1.0 reference. Paths are below https://<graph host>/v1.0:
//
//	GET, POST           /users                     ?$filter=userPrincipalName eq '…'
//	GET                 /users/delta, /groups/delta, /devices/delta      ?$select=…  ?$deltatoken=…
//	GET, PATCH, DELETE  /users/{id or UPN}
//	POST                /users/{id}/revokeSignInSessions
//	GET, POST           /users/{id}/authentication/softwareOathMethods   (beta)
//	DELETE              /users/{id}/authentication/softwareOathMethods/{method}
//	GET, POST           /users/{id}/authentication/microsoftAuthenticatorMethods
//	DELETE              /users/{id}/authentication/microsoftAuthenticatorMethods/{method}
//	GET                 /users/{id}/authentication/windowsHelloForBusinessMethods
//	GET, DELETE         /users/{id}/authentication/windowsHelloForBusinessMethods/{method}
//	GET                 /users/{id}/memberOf
//	GET, POST           /groups                    ?$filter=displayName eq '…'
//	GET, PATCH, DELETE  /groups/{id}
//	GET                 /groups/{id}/members
//	POST                /groups/{id}/members/$ref
//	DELETE              /groups/{id}/members/{member}/$ref
//	GET, POST           /devices                   ?$filter=deviceId eq '…'
//	GET, PATCH, DELETE  /devices/{object id}, /devices(deviceId='{device id}')
//	GET, POST           /applications              ?$filter=displayName | appId | uniqueName eq '…'
//	GET, PATCH, DELETE  /applications/{object id}, /applications(appId='{client id}')
//	POST                /applications/{object id}/addPassword, …/removePassword
//	GET, POST           /identity/conditionalAccess/policies   ?$filter=displayName eq '…'
//	GET, PATCH, DELETE  /identity/conditionalAccess/policies/{id}
//	GET                 /identityProtection/riskyUsers
//	GET, PATCH          /identityProtection/riskyUsers/{user's object id}
//	GET                 /domains
//	GET                 /kerberosServers           (the lab's)
//	GET, PUT, DELETE    /kerberosServers/{domain's DNS name}
//
// Lists are pages with @odata.nextLink; $top sets the size of a page.
package graph

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"hellolab/providers/wire/strict"
)

// User is a user as Graph returns it, and as POST and PATCH take it. Pointers
// and empty strings that are absent mean "leave as it is".
type User struct {
	ID                string           `json:"id,omitempty"`
	UserPrincipalName string           `json:"userPrincipalName,omitempty"`
	DisplayName       string           `json:"displayName,omitempty"`
	MailNickname      string           `json:"mailNickname,omitempty"`
	AccountEnabled    *bool            `json:"accountEnabled,omitempty"`
	PasswordProfile   *PasswordProfile `json:"passwordProfile,omitempty"` // never returned
	Created           string           `json:"createdDateTime,omitempty"`
	SessionsValidFrom string           `json:"signInSessionsValidFromDateTime,omitempty"`
	PasswordChanged   string           `json:"lastPasswordChangeDateTime,omitempty"`
	OnPremSID         string           `json:"onPremisesSecurityIdentifier,omitempty"` // of a user that Connect synchronizes
	OnPremises

	// HelloKeys is searchableDeviceKey, the multi-valued attribute that the
	// registration service writes. Graph's reference does not show it; the
	// directory's own schema has it. Public data only.
	HelloKeys []DeviceKey `json:"searchableDeviceKey,omitempty"`
}

// PasswordProfile sets a password. The bytes are the JSON string's content.
type PasswordProfile struct {
	Password                      Password `json:"password"`
	ForceChangePasswordNextSignIn bool     `json:"forceChangePasswordNextSignIn"`
}

// Password prints as nothing.
type Password string

func (Password) String() string   { return "(sensitive)" }
func (Password) GoString() string { return "(sensitive)" }

// DeviceKey is one value of searchableDeviceKey.
type DeviceKey struct {
	ID                   string `json:"id"`    // GUID, the kid of the registration's reply
	Usage                string `json:"usage"` // "NGC"
	KeyIdentifier        string `json:"keyIdentifier"`
	KeyMaterial          []byte `json:"keyMaterial"` // CNG blob
	Created              string `json:"creationTime"`
	DeviceID             string `json:"deviceId"`
	CustomKeyInformation string `json:"customKeyInformation"`
	AttestationLevel     string `json:"attestationLevel"` // "attested" or "notAttested"
}

// CustomKeyInformation is that of every Hello key: version 1, flags 2
// (MS-ADTS 2.2.20.4).
const CustomKeyInformation = "AQAAAAACAAAAAAAAAAAA"

// Group is a security group.
type Group struct {
	ID              string `json:"id,omitempty"`
	DisplayName     string `json:"displayName,omitempty"`
	MailNickname    string `json:"mailNickname,omitempty"`
	MailEnabled     bool   `json:"mailEnabled"`
	SecurityEnabled bool   `json:"securityEnabled"`
	Created         string `json:"createdDateTime,omitempty"`

	OnPremSID string `json:"onPremisesSecurityIdentifier,omitempty"`
	OnPremises
}

// Device is a registered device. One that Connect made is pending, without
// registrationDateTime, until the computer itself registers.
type Device struct {
	ID                    string   `json:"id,omitempty"`
	DeviceID              string   `json:"deviceId,omitempty"`
	DisplayName           string   `json:"displayName,omitempty"`
	AccountEnabled        *bool    `json:"accountEnabled,omitempty"`
	OperatingSystem       string   `json:"operatingSystem,omitempty"`
	OSVersion             string   `json:"operatingSystemVersion,omitempty"`
	TrustType             string   `json:"trustType,omitempty"` // TrustJoined, TrustRegistered or TrustHybrid
	IsManaged             *bool    `json:"isManaged,omitempty"`
	IsCompliant           *bool    `json:"isCompliant,omitempty"`
	Registered            string   `json:"registrationDateTime,omitempty"`
	AlternativeSecurityID []string `json:"alternativeSecurityIds,omitempty"` // "X509:<SHA1-TP-PUBKEY>…"
	TransportKey          []byte   `json:"transportKey,omitempty"`           // CNG blob of Kstk's public half
	RegisteredOwner       string   `json:"registeredOwner,omitempty"`        // object id of the user

	OnPremSID string `json:"onPremisesSecurityIdentifier,omitempty"` // of the computer
	OnPremises
	// UserCertificates is the computer's userCertificate, DER: what it proves
	// itself with when it registers. Graph's reference does not show it; Connect
	// synchronizes it (Microsoft, "Attributes synchronized").
	UserCertificates [][]byte `json:"userCertificate,omitempty"`
}

// Values of trustType (Graph, resource type device).
const (
	TrustJoined     = "AzureAd"
	TrustRegistered = "Workplace" // a personal device with a work account
	TrustHybrid     = "ServerAd"  // a computer of a domain
)

// DirectoryObject is a member of a group.
type DirectoryObject struct {
	Type              string `json:"@odata.type"` // "#microsoft.graph.user"
	ID                string `json:"id"`
	DisplayName       string `json:"displayName,omitempty"`
	UserPrincipalName string `json:"userPrincipalName,omitempty"`
	DeviceID          string `json:"deviceId,omitempty"`
}

// OData types of directory objects.
const (
	TypeUser   = "#microsoft.graph.user"
	TypeGroup  = "#microsoft.graph.group"
	TypeDevice = "#microsoft.graph.device"
)

// Reference names an object to be added to a collection.
type Reference struct {
	ID string `json:"@odata.id"` // https://graph.microsoft.com/v1.0/directoryObjects/{id}
}

// SoftwareOathMethod is an authenticator app (beta). The cloud shows the secret
// once. A lab shows it to its administrator always: an apply that was killed
// after the secret was made must be able to learn it.
type SoftwareOathMethod struct {
	ID        string `json:"id,omitempty"`
	SecretKey string `json:"secretKey,omitempty"` // base32
	Created   string `json:"createdDateTime,omitempty"`
}

// AuthenticatorMethod is Microsoft Authenticator on a phone, which takes
// notifications and shows codes. Graph's reference has the first five members,
// and no POST: the cloud registers an app in a conversation with it that is not
// public. SecretKey and PhoneSecret are what that conversation settles; a lab
// shows them to its administrator, for the reason at SoftwareOathMethod.
type AuthenticatorMethod struct {
	Type        string `json:"@odata.type,omitempty"`
	ID          string `json:"id,omitempty"`
	DisplayName string `json:"displayName,omitempty"` // of the phone
	DeviceTag   string `json:"deviceTag,omitempty"`   // "SoftwareTokenActivated"
	Created     string `json:"createdDateTime,omitempty"`
	SecretKey   string `json:"secretKey,omitempty"`   // base32, of its codes
	PhoneSecret string `json:"phoneSecret,omitempty"` // wire/phone, for its answers to notifications
}

// TypeAuthenticatorMethod is AuthenticatorMethod's OData type.
const TypeAuthenticatorMethod = "#microsoft.graph.microsoftAuthenticatorAuthenticationMethod"

// HelloMethod is a user's Windows Hello for Business key.
type HelloMethod struct {
	Type        string  `json:"@odata.type,omitempty"`
	ID          string  `json:"id"`
	DisplayName string  `json:"displayName"` // of the device
	Created     string  `json:"createdDateTime"`
	KeyStrength string  `json:"keyStrength"` // "normal"
	Device      *Device `json:"device,omitempty"`
}

// TypeHelloMethod is HelloMethod's OData type.
const TypeHelloMethod = "#microsoft.graph.windowsHelloForBusinessAuthenticationMethod"

// Page is one page of a list.
type Page[T any] struct {
	Context   string `json:"@odata.context,omitempty"`
	NextLink  string `json:"@odata.nextLink,omitempty"`
	DeltaLink string `json:"@odata.deltaLink,omitempty"` // on the last page of changes
	Value     []T    `json:"value"`
}

// Parse reads one object or page.
func Parse[T any](data []byte) (*T, error) {
	var v T
	if err := strict.Unmarshal(data, &v); err != nil {
		return nil, fmt.Errorf("graph: %w", err)
	}
	return &v, nil
}

// Error is a refusal.
type Error struct {
	Code     string // "Request_ResourceNotFound"
	Status   int
	Sentence string
}

func (e *Error) Error() string { return e.Code + ": " + e.Sentence }

// Codes of refusals.
const (
	CodeNotFound     = "Request_ResourceNotFound"
	CodeBadRequest   = "Request_BadRequest"
	CodeUnauthorized = "InvalidAuthenticationToken"
	CodeForbidden    = "Authorization_RequestDenied"
	CodeConflict     = "Request_MultipleObjectsWithSameKeyValue"
	CodeInternal     = "InternalServerError"
	CodeResync       = "resyncRequired" // 410: changes since so long ago are not known any more
)

type errorBody struct {
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Inner   struct {
			Date            string `json:"date"`
			RequestID       string `json:"request-id"`
			ClientRequestID string `json:"client-request-id"`
		} `json:"innerError"`
	} `json:"error"`
}

// Encode returns the refusal's JSON.
func (e *Error) Encode(requestID, correlation string, at time.Time) []byte {
	var b errorBody
	b.Error.Code, b.Error.Message = e.Code, e.Sentence
	b.Error.Inner.Date = at.UTC().Format("2006-01-02T15:04:05")
	b.Error.Inner.RequestID, b.Error.Inner.ClientRequestID = requestID, correlation
	data, _ := json.Marshal(b) // strings always encode
	return data
}

// ParseError reads a refusal. It always returns an error.
func ParseError(status int, body []byte) error {
	var b errorBody
	if err := strict.Unmarshal(body, &b); err != nil || b.Error.Code == "" {
		return fmt.Errorf("directory answered %d %s without saying why", status, http.StatusText(status))
	}
	return &Error{Code: b.Error.Code, Status: status, Sentence: b.Error.Message}
}

// IsNotFound says whether err is Graph's "no such object".
func IsNotFound(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == http.StatusNotFound
}

// Time formats an instant as Graph does.
func Time(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
