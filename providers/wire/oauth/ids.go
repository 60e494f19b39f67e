package oauth

// Grant types of the token endpoint.
const (
	GrantPassword          = "password"
	GrantRefreshToken      = "refresh_token"
	GrantAuthorizationCode = "authorization_code"
	GrantClientCredentials = "client_credentials"
	GrantJWTBearer         = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	GrantDeviceCode        = "urn:ietf:params:oauth:grant-type:device_code"
	GrantDeviceCodeShort   = "device_code"   // as some clients write it
	GrantServerChallenge   = "srv_challenge" // asks for a nonce
	GrantDeviceAuth        = "device_auth"   // inside x-ms-DeviceCredential
	GrantSAML11            = "urn:ietf:params:oauth:grant-type:saml1_1-bearer"
)

// Clients that every tenant knows, as public clients.
const (
	ClientCloudAP         = "38aa3b87-a06d-4817-b275-7a316988d93b" // Windows sign-in, asks for the PRT
	ClientBroker          = "29d9ed98-a469-4536-ade2-f981bc1d605e" // Microsoft Authentication Broker (WAM)
	ClientProvisioning    = "dd762716-544d-4aeb-a526-687b73838a22" // Hello provisioning in the CXH
	ClientLinuxBroker     = "b743a22d-6705-4147-8670-d92fa515ee2b"
	ClientAzurePowerShell = "1b730954-1685-4b74-9bfd-dac224a7b894"
	ClientAzureCLI        = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
	ClientPINReset        = "9115dd05-fad5-4f9c-acc7-305d08b1b04e" // Microsoft Pin Reset Client
	ClientGraphCLI        = "14d82eec-204b-4c2f-b7e8-296a70dab67e" // Microsoft Graph command line tools
)

// Resources.
const (
	// ResourceDRS is the device registration service; AppDRS its application id.
	ResourceDRS   = "urn:ms-drs:enterpriseregistration.windows.net"
	AppDRS        = "01cb2876-7ebd-4aa4-9cc9-d28bd4d359a9"
	ResourceGraph = "https://graph.microsoft.com"
	AppGraph      = "00000003-0000-0000-c000-000000000000"

	// ResourcePINReset is the PIN reset service; AppPINReset its application id.
	ResourcePINReset = "https://cred.microsoft.com"
	AppPINReset      = "b8456c59-1230-44c7-a4a2-99b085333e84"
)

// Authentication methods, values of the amr claim.
const (
	AMRPassword = "pwd"
	AMRRSA      = "rsa"    // Hello key, device key or certificate
	AMRMFA      = "mfa"    // two factors, at some time
	AMRNGCMFA   = "ngcmfa" // two factors within the window that key registration demands
	AMROTP      = "otp"
	AMRWindows  = "wia" // Integrated Windows authentication at a federation service
)

// Headers of MS-OAPXBC 2.2.1. An authorization request carries them as headers
// or as cookies.
const (
	// HeaderRefreshTokenCredential proves user and device: an HS256 token
	// around the PRT.
	HeaderRefreshTokenCredential = "x-ms-RefreshTokenCredential"
	// HeaderDeviceCredential proves the device: an RS256 token with x5c.
	HeaderDeviceCredential = "x-ms-DeviceCredential"
	// HeaderCorrelation is the id of the flow, echoed when
	// HeaderReturnCorrelation is "true".
	HeaderCorrelation       = "client-request-id"
	HeaderReturnCorrelation = "return-client-request-id"
	HeaderRequestID         = "x-ms-request-id"
)

// NativeRedirect is the redirect URI of a client's WAM plug-in.
func NativeRedirect(clientID string) string {
	return "ms-appx-web://Microsoft.AAD.BrokerPlugin/" + clientID
}
