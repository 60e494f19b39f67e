package adfs

// Claims are the claims of an access token.
type Claims struct {
	Audience   string   `json:"aud"`
	Issuer     string   `json:"iss"`
	IssuedAt   int64    `json:"iat"`
	NotBefore  int64    `json:"nbf"`
	Expires    int64    `json:"exp"`
	AppID      string   `json:"appid,omitempty"`
	AppType    string   `json:"apptype,omitempty"` // "Public", "Confidential"
	AuthMethod string   `json:"authmethod,omitempty"`
	AuthTime   int64    `json:"auth_time,omitempty"` // of the second factor where there is one, else of the first
	AMR        []string `json:"amr,omitempty"`
	Scope      string   `json:"scp,omitempty"`
	Version    string   `json:"ver"` // "1.0"
	Subject    string   `json:"sub,omitempty"`
	UPN        string   `json:"upn,omitempty"`
	UniqueName string   `json:"unique_name,omitempty"` // DOMAIN\account
	PrimarySID string   `json:"primarysid,omitempty"`
	OnPremSID  string   `json:"onprem_sid,omitempty"` // the same, as receipts and Entra ID name it
	DeviceID   string   `json:"deviceid,omitempty"`   // proved by its certificate
	TokenID    string   `json:"jti,omitempty"`

	// Of a computer that registers itself (MS-DVRJ 3.1.5.1.1.3).
	AccountType      string `json:"http://schemas.microsoft.com/ws/2012/01/accounttype,omitempty"`                             // AccountComputer
	ObjectGUID       string `json:"http://schemas.microsoft.com/identity/claims/onpremobjectguid,omitempty"`                   // base64 of the 16 bytes in Windows order
	PermitsRegister  string `json:"http://schemas.microsoft.com/authorization/claims/PermitDeviceRegistrationClaim,omitempty"` // "true"
	InsideCorpNet    string `json:"insidecorporatenetwork,omitempty"`                                                          // "true", "false"
	MethodReferences string `json:"authnmethodsreferences,omitempty"`
}

// IDClaims are the claims of an id token (MS-OIDCE 2.2.3.1).
type IDClaims struct {
	Audience    string   `json:"aud"`
	Issuer      string   `json:"iss"`
	IssuedAt    int64    `json:"iat"`
	NotBefore   int64    `json:"nbf"`
	Expires     int64    `json:"exp"`
	AuthTime    int64    `json:"auth_time,omitempty"`
	AMR         []string `json:"amr,omitempty"`
	Nonce       string   `json:"nonce,omitempty"`
	Subject     string   `json:"sub"`
	UPN         string   `json:"upn,omitempty"`
	UniqueName  string   `json:"unique_name"`
	Email       string   `json:"email,omitempty"`
	SID         string   `json:"sid,omitempty"`
	OnPremSID   string   `json:"onprem_sid,omitempty"`
	PwdExp      string   `json:"pwd_exp,omitempty"` // seconds until the password ends
	PwdURL      string   `json:"pwd_url,omitempty"`
	AccessHash  string   `json:"at_hash,omitempty"`
	TokenID     string   `json:"jti,omitempty"`
	Given       string   `json:"given_name,omitempty"`
	Family      string   `json:"family_name,omitempty"`
	DisplayName string   `json:"name,omitempty"`
}
