package graph

// Application is a registered application: a client and a resource. In a lab
// an application is its own service principal, and nobody is asked for consent.
type Application struct {
	ID             string        `json:"id,omitempty"`    // object id
	AppID          string        `json:"appId,omitempty"` // client id
	DisplayName    string        `json:"displayName,omitempty"`
	UniqueName     string        `json:"uniqueName,omitempty"`     // given at creation, never changed; no two applications share one
	IdentifierURIs []string      `json:"identifierUris,omitempty"` // "api://{appId}", which the lab's tenant gives each application
	PublicClient   *PublicClient `json:"publicClient,omitempty"`
	Created        string        `json:"createdDateTime,omitempty"`

	RequiredAccess []ResourceAccess     `json:"requiredResourceAccess,omitempty"` // permissions without a user; the lab's administrator consents by asking
	Passwords      []PasswordCredential `json:"passwordCredentials,omitempty"`
}

// ResourceAccess is what an application may do at a resource.
type ResourceAccess struct {
	ResourceAppID string       `json:"resourceAppId"`
	Access        []Permission `json:"resourceAccess"`
}

// Permission is one permission of a resource.
type Permission struct {
	ID   string `json:"id"`
	Type string `json:"type"` // "Role": an application role
}

// RoleSync is the id of the application role of Entra Connect,
// ADSynchronization.ReadWrite.All: to write synchronized users, groups and
// devices, and to read what changed. The id is the lab's.
const RoleSync = "5f1e8914-a3e5-4a0c-9d7f-3c1b2b6f6a01"

// PasswordCredential is a secret of an application. SecretText is in the reply
// that made it, and nowhere else.
type PasswordCredential struct {
	KeyID       string   `json:"keyId,omitempty"`
	DisplayName string   `json:"displayName,omitempty"`
	Start       string   `json:"startDateTime,omitempty"`
	SecretText  Password `json:"secretText,omitempty"`
}

// PublicClient is an application's half that has no secret.
type PublicClient struct {
	RedirectURIs []string `json:"redirectUris"`
}

// ConditionalAccessPolicy is what must hold for a token to be issued for an
// application (conditionalAccessPolicy of the v1.0 reference).
type ConditionalAccessPolicy struct {
	ID            string                `json:"id,omitempty"`
	DisplayName   string                `json:"displayName,omitempty"`
	State         string                `json:"state,omitempty"` // "enabled", "disabled", "enabledForReportingButNotEnforced"
	Conditions    *ConditionalAccessSet `json:"conditions,omitempty"`
	GrantControls *GrantControls        `json:"grantControls,omitempty"`
	Created       string                `json:"createdDateTime,omitempty"`
	Modified      string                `json:"modifiedDateTime,omitempty"`
}

// ConditionalAccessSet says to which sign-ins a policy applies: those that
// every condition names.
type ConditionalAccessSet struct {
	Applications   PolicyApplications `json:"applications"`
	UserRiskLevels []string           `json:"userRiskLevels,omitempty"` // "low", "medium", "high"; none means any
	Devices        *PolicyDevices     `json:"devices,omitempty"`
}

// PolicyApplications names applications by client id, or "All".
type PolicyApplications struct {
	Include []string `json:"includeApplications"`
}

// PolicyDevices is the condition on devices.
type PolicyDevices struct {
	Filter *DeviceFilter `json:"deviceFilter,omitempty"`
}

// DeviceFilter selects devices by a rule over their attributes. With mode
// "exclude" a policy applies to every sign-in but those from such devices.
type DeviceFilter struct {
	Mode string `json:"mode"` // "include", "exclude"
	Rule string `json:"rule"` // device.trustType -eq "AzureAD" -or device.trustType -eq "ServerAD"
}

// GrantControls is what a policy demands.
type GrantControls struct {
	Operator string   `json:"operator"`        // "AND", "OR"
	BuiltIn  []string `json:"builtInControls"` // ControlBlock, ControlMFA, ControlCompliantDevice
}

// States of a policy, and the controls that the lab's tenant knows.
const (
	PolicyEnabled  = "enabled"
	PolicyDisabled = "disabled"
	PolicyReport   = "enabledForReportingButNotEnforced"

	ControlBlock           = "block"
	ControlMFA             = "mfa"
	ControlCompliantDevice = "compliantDevice"
)

// RiskyUser is what is thought of a user's account. The cloud's detections set
// the level; in a lab its administrator does, by PATCH.
type RiskyUser struct {
	ID                string `json:"id,omitempty"` // the user's object id
	UserPrincipalName string `json:"userPrincipalName,omitempty"`
	RiskLevel         string `json:"riskLevel"` // "none", "low", "medium", "high"
	RiskState         string `json:"riskState,omitempty"`
	LastUpdated       string `json:"riskLastUpdatedDateTime,omitempty"`
}
