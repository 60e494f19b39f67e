package oauth

import (
	"fmt"

	"hellolab/providers/wire/strict"
)

// CredentialTypeRequest asks how an account signs in.
type CredentialTypeRequest struct {
	Username        string `json:"username"`
	OriginalRequest string `json:"originalRequest,omitempty"`
	FlowToken       string `json:"flowToken,omitempty"`
}

// ParseCredentialTypeRequest reads a request.
func ParseCredentialTypeRequest(data []byte) (*CredentialTypeRequest, error) {
	var r CredentialTypeRequest
	if err := strict.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("credential type request: %w", err)
	}
	return &r, nil
}

// Values of CredentialTypeReply.IfExistsResult.
const (
	AccountExists  = 0
	AccountMissing = 1
	AccountUnsure  = 4 // the service could not tell
)

// Values of Credentials.PrefCredential and of the reply's DomainType.
const (
	CredentialPassword   = 1
	CredentialFederation = 4
	DomainManaged        = 3
	DomainFederated      = 4
)

// CredentialTypeReply says how an account signs in.
type CredentialTypeReply struct {
	Username       string      `json:"Username"`
	Display        string      `json:"Display"`
	IfExistsResult int         `json:"IfExistsResult"`
	ThrottleStatus int         `json:"ThrottleStatus"`
	Credentials    Credentials `json:"Credentials"`
	EstsProperties struct {
		DomainType int `json:"DomainType"`
	} `json:"EstsProperties"`
	FlowToken string `json:"FlowToken"`
	APICanary string `json:"apiCanary"`
}

// Credentials are the credentials of an account that the sign-in page may ask for.
type Credentials struct {
	PrefCredential        int    `json:"PrefCredential"`
	HasPassword           bool   `json:"HasPassword"`
	HasRemoteNGC          bool   `json:"HasRemoteNGC"`
	HasFido               bool   `json:"HasFido"`
	HasAccessPass         bool   `json:"HasAccessPass"`
	FederationRedirectURL string `json:"FederationRedirectUrl,omitempty"`
}
