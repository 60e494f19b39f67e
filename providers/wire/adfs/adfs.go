// Package adfs is AD FS as its clients and its administrator see it: paths and
// names, the discovery document, the claims of its tokens, its refusals, the
// pages of a sign-in, and the lab's own administration of it.
//
//	https://sts.DOMAIN/adfs/…                        token service: OAuth 2.0, WS-Trust, WS-Federation
//	https://sts.DOMAIN/FederationMetadata/…          metadata
//	https://sts.DOMAIN/lab/…                         the lab's administrator (see Admin)
//	https://enterpriseregistration.DOMAIN/…          Enterprise Device Registration Service (package edrs)
//
// What OAuth 2.0 shares with Entra ID, parameters and replies, is package
// oauth's; messages of WS-Trust and SAML are packages wstrust and saml.
//
// Sources: MS-OIDCE, MS-OAPX, MS-OAPXBC; Microsoft, "AD FS OpenID Connect/OAuth
// concepts". Numbers MSISnnnn are those that public support material shows.
package adfs

import (
	"strings"

	"hellolab/providers/wire/fedmeta"
	"hellolab/providers/wire/saml"
)

// Paths of the token service. Those of OAuth 2.0 are served with and without a
// slash at the end: clients differ (MS-OIDCE 4.2, MSAL).
const (
	PathConfiguration = "/adfs/.well-known/openid-configuration"
	PathKeys          = "/adfs/discovery/keys"
	PathAuthorize     = "/adfs/oauth2/authorize"
	PathToken         = "/adfs/oauth2/token"
	PathDeviceCode    = "/adfs/oauth2/devicecode"
	PathDeviceAuth    = "/adfs/oauth2/deviceauth" // the page that takes a user code
	PathLogout        = "/adfs/oauth2/logout"
	PathUserinfo      = "/adfs/userinfo"

	PathPassive            = "/adfs/ls" // WS-Federation, with and without a slash
	PathMEX                = "/adfs/services/trust/mex"
	PathUserNameMixed      = "/adfs/services/trust/13/usernamemixed"
	PathUserNameMixed2005  = "/adfs/services/trust/2005/usernamemixed"
	PathWindowsTransport   = "/adfs/services/trust/13/windowstransport"
	PathWindowsTrans2005   = "/adfs/services/trust/2005/windowstransport"
	PathFederationMetadata = fedmeta.Path
)

// HostOf is a service's name in a domain that gives it none.
func HostOf(dnsName string) string { return "sts." + strings.ToLower(dnsName) }

// RegistrationHostOf is where the Enterprise Device Registration Service of a
// domain answers: devices make the name of the suffix of a user's UPN (MS-DVRD 1.3).
func RegistrationHostOf(dnsName string) string {
	return "enterpriseregistration." + strings.ToLower(dnsName)
}

// Issuer names the service in id tokens, TrustIssuer in access tokens and in
// assertions (MS-OIDCE 2.2.3.2: access_token_issuer).
func Issuer(host string) string      { return "https://" + host + "/adfs" }
func TrustIssuer(host string) string { return "http://" + host + "/adfs/services/trust" }

// Resources that every service knows.
const (
	ResourceUserinfo         = "urn:microsoft:userinfo"
	ResourceHelloCertificate = "urn:microsoft:winhello:cert:prov:server" // MS-OAPXBC 3.2.5.1.4.1
	// RealmOnline is Entra ID as a relying party, of assertions.
	RealmOnline = saml.AudienceMicrosoftOnline
)

// ResourceDRS is the Enterprise Device Registration Service of a token service
// (MS-DVRD 2.2.4).
func ResourceDRS(host string) string { return "urn:ms-drs:" + host }

// Ways in which a user or computer was authenticated: the claim authmethod of
// access tokens, wauth of WS-Federation, AuthenticationMethod of assertions.
const (
	MethodPassword    = saml.MethodPassword
	MethodWindows     = saml.MethodWindows
	MethodCertificate = saml.MethodX509
	MethodMultiple    = saml.MethodMultiple
	MethodHello       = "urn:ietf:rfc:7519" // a signed assertion of a registered key; ours
	AccountUser       = "User"
	AccountComputer   = saml.AccountComputer // a domain joined computer
	ScopeImpersonate  = "user_impersonation"
)

// AMRWindows is the authentication method of integrated sign-in.
const AMRWindows = "wia"

// AgentWindows is a user agent that is offered integrated sign-in
// (WIASupportedUserAgents): the one of Windows' web account manager.
const AgentWindows = "MSAuthHost/1.0/In-Domain"
