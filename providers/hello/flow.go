package hello

// JoinType says how a device is known to its identity providers.
type JoinType string

const (
	EntraJoined  JoinType = "entra"      // account in the tenant only
	HybridJoined JoinType = "hybrid"     // account in the domain and in the tenant
	DomainJoined JoinType = "domain"     // account in the domain only
	Registered   JoinType = "registered" // personal device with a work account added
	NotJoined    JoinType = "none"
)

// JoinTypes are all join types, in the order of the language's reference.
func JoinTypes() []JoinType {
	return []JoinType{EntraJoined, HybridJoined, DomainJoined, Registered, NotJoined}
}

// Network says where a device is.
type Network string

const (
	OnSite    Network = "onsite"   // on the domain's network
	VPN       Network = "vpn"      // away, with a tunnel that the user raises after a sign-in
	Internet  Network = "internet" // away without one
	Captive   Network = "captive"  // away without one, behind a captive portal at which nobody signed in
	NoNetwork Network = "none"
)

// Away reports whether nothing outside of the domain's network is reached from
// there, and why not, as a reason's code.
func (n Network) Away() (code string, away bool) {
	switch n {
	case NoNetwork:
		return "no_line_of_sight", true
	case Captive:
		return "host_unreachable", true
	}
	return "", false
}

// Deployment says where the identity providers of a user stand.
type Deployment string

const (
	CloudOnly  Deployment = "cloud_only"
	Hybrid     Deployment = "hybrid"
	OnPremises Deployment = "on_premises"
)

// Deployments are all kinds of deployment.
func Deployments() []Deployment { return []Deployment{CloudOnly, Hybrid, OnPremises} }

// Authentication says who checks a user's first factor. It is an axis of its
// own, apart from the trust type.
type Authentication string

const (
	Managed             Authentication = "managed"               // the tenant, by password hash or pass-through
	FederatedADFS       Authentication = "federated"             // AD FS
	FederatedThirdParty Authentication = "federated_third_party" // another federation service
)

// Authentications are all ways of authentication.
func Authentications() []Authentication {
	return []Authentication{Managed, FederatedADFS, FederatedThirdParty}
}

// Federated reports whether token requests pass a federation service.
func (a Authentication) Federated() bool { return a == FederatedADFS || a == FederatedThirdParty }

// Trust says how a device proves a Hello key to Active Directory. Towards the
// tenant the key itself is proven, whatever the trust.
type Trust string

const (
	NoTrust       Trust = "none" // no domain to trust
	CloudKerberos Trust = "cloud_kerberos"
	KeyTrust      Trust = "key"
	CertTrust     Trust = "certificate"
)

// Trusts are all trust types.
func Trusts() []Trust { return []Trust{NoTrust, CloudKerberos, KeyTrust, CertTrust} }

// Delivery says how a sign-in certificate reaches its container. It matters
// to certificate trust only.
type Delivery string

const (
	NoDelivery            Delivery = ""
	RegistrationAuthority Delivery = "ra"       // AD FS, asked by the provisioning flow itself
	MDMDelivery           Delivery = "mdm_scep" // a payload of device management, after the flow
)

// Deliveries are the ways for a trust: one for certificate-less trusts.
func Deliveries(t Trust) []Delivery {
	if t == CertTrust {
		return []Delivery{RegistrationAuthority, MDMDelivery}
	}
	return []Delivery{NoDelivery}
}

// Flow names one message exchange of the documents: P for provisioning, A for
// authentication, DR for device registration. APP is ours: a person without a
// sign-in to the tenant, whom each application asks. So is KS: a cycle of Entra
// Connect that nobody's flow asked for.
type Flow string

const (
	P1 Flow = "P1"
	P2 Flow = "P2"
	P3 Flow = "P3"
	P4 Flow = "P4"
	P5 Flow = "P5"
	P6 Flow = "P6"
	P7 Flow = "P7"
	P8 Flow = "P8"
	A1 Flow = "A1"
	A2 Flow = "A2"
	A3 Flow = "A3"
	A4 Flow = "A4"
	A5 Flow = "A5"
	A6 Flow = "A6"
	A7 Flow = "A7"
	A8 Flow = "A8"
	DR Flow = "DR"

	APP Flow = "APP"
	KS  Flow = "KS"
)

// Flows are all flows, registration first.
func Flows() []Flow {
	return []Flow{DR, P1, P2, P3, P4, P5, P6, P7, P8, A1, A2, A3, A4, A5, A6, A7, A8, APP, KS}
}

// Phase is one lettered step of a flow. Registration and APP have no letters in
// the documents; their one phase has none either. The lettered phase of KS is
// P4's, which it performs.
type Phase struct {
	Letter string
	Title  string
}

// Title says in a few words what the flow is for.
func (f Flow) Title() string { return flowBook[f].title }

// Phases are the flow's phases in order. The slice is the caller's.
func (f Flow) Phases() []Phase { return append([]Phase(nil), flowBook[f].phases...) }

// PhaseTitle is the title of one phase, "" when the flow has no such letter.
func (f Flow) PhaseTitle(letter string) string {
	for _, p := range flowBook[f].phases {
		if p.Letter == letter {
			return p.Title
		}
	}
	return ""
}

// SyncPhase is the letter of the phase that a cycle of Connect performs, later
// and without the device; "" where the flow has none.
func (f Flow) SyncPhase() string {
	if f == KS {
		return "" // it is that cycle
	}
	for _, p := range flowBook[f].phases {
		if p == connectWritesKey {
			return p.Letter
		}
	}
	return ""
}

// ThirdPartyMFA reports whether the documents let another vendor's service
// verify the second factor of a provisioning flow (seed 000, phase A of P5 to
// P7; P1 to P4 name the cloud's own, and P8 is P4 with P2's phase A).
func (f Flow) ThirdPartyMFA() bool { return f == P5 || f == P6 || f == P7 }

// PromptsByDefault reports whether the user is asked for a second factor however
// lately one was given: the documents say of P1 to P4 that one of the last ten
// minutes is enough, and P8 follows them (seed 000; reading R4).
func (f Flow) PromptsByDefault() bool { return f == P5 || f == P6 || f == P7 }

// Preamble is what comes before the first lettered phase: of a provisioning flow
// the steps that the documents tell in prose. "" where nothing does.
func (f Flow) Preamble() string {
	switch f {
	case P1, P2, P3, P4, P5, P6, P7, P8:
		return "First sign-in, policy and prerequisites"
	}
	return ""
}

// Background reports whether a phase runs behind the desktop: what ends it does
// not end the sign-in.
func (f Flow) Background(letter string) bool {
	for _, p := range flowBook[f].phases {
		if p.Letter == letter {
			return p == nonceBehindDesktop || p == prtBehindDesktop
		}
	}
	return false
}

// Inferred reports whether the documents name the flow without drawing it, so
// that its steps are read off neighbouring flows: P8 joins P2's phase A with
// P4, and A8 is A6 or A7 without the cloud half.
func (f Flow) Inferred() bool { return f == P8 || f == A8 }

type flowEntry struct {
	title  string
	phases []Phase
}

// Phases that several flows share, word for word.
var (
	tokenFromTenant     = Phase{"A", "Ask the tenant for a registration token, with two factors"}
	tokenThroughSTS     = Phase{"A", "Ask the federation service first, then the tenant, for a registration token"}
	tokenFromSTS        = Phase{"A", "Ask the federation service for an enterprise registration token, with two factors"}
	gestureAndKey       = Phase{"B", "Set gestures and PIN, take a user key from the pool"}
	registerInTenant    = Phase{"C", "Register the public key with the tenant"}
	registerForReceipt  = Phase{"C", "Register the public key with the tenant and get a receipt"}
	registerInDomain    = Phase{"C", "Register the public key with the enterprise registration service"}
	connectWritesKey    = Phase{"D", "Connect writes the key to the domain on its next cycle"}
	requestByReceipt    = Phase{"D", "Send certificate request and receipt to the registration authority"}
	requestCertificate  = Phase{"D", "Send the certificate request to the registration authority"}
	authorityByReceipt  = Phase{"E", "The authority checks key or receipt and signs the request"}
	authorityByKey      = Phase{"E", "The authority checks the key and signs the request"}
	caIssues            = Phase{"F", "The certificate authority issues through the registration authority"}
	installCertificate  = Phase{"G", "Install the certificate in the user's store"}
	collectGesture      = Phase{"A", "Collect the gesture and hand it to Cloud AP"}
	proveByNonce        = Phase{"B", "Fetch a nonce and sign it with the user key"}
	tenantIssuesPRT     = Phase{"C", "The tenant checks signature, then nonce, and issues a primary refresh token"}
	unwrapSessionKey    = Phase{"D", "Unwrap the session key and keep it in the TPM"}
	logon               = Phase{"E", "Cache the token and open the logon session"}
	locateByKey         = Phase{"A", "Find a domain controller from the key's metadata"}
	locateAndSignByKey  = Phase{"A", "Find a domain controller from the key's metadata and sign pre-authentication data"}
	locateAndSignByCert = Phase{"A", "Find a domain controller from the certificate and sign pre-authentication data"}
	kdcChecksKey        = Phase{"B", "The KDC finds the key in the directory and answers with a ticket"}
	kdcChecksCert       = Phase{"B", "The KDC validates the certificate and answers with a ticket"}
	clientChecksKDC     = Phase{"C", "Validate the KDC's certificate"}
	cacheTGT            = Phase{"D", "Cache the ticket-granting ticket"}
	domainLogon         = Phase{"E", "Open the logon session"}
	gestureToKerberos   = Phase{"A", "Collect the gesture and hand it to Kerberos"}
	nonceBehindDesktop  = Phase{"F", "Fetch a nonce while the desktop loads"}
	prtBehindDesktop    = Phase{"G", "Prove the key to the tenant and cache a primary refresh token"}
)

// flowBook is every flow and its phases, titled in the project's own words.
// Letters are those of the tables in the documents.
var flowBook = map[Flow]flowEntry{
	DR: {"Device registration", []Phase{{"", "Make the device's keys and register them"}}},
	KS: {"Synchronization cycle", []Phase{{"", "Carry accounts from the domain to the tenant"}, connectWritesKey}},

	P1: {"Provisioning, Entra joined, managed", []Phase{tokenFromTenant, gestureAndKey, registerInTenant}},
	P2: {"Provisioning, Entra joined, federated", []Phase{tokenThroughSTS, gestureAndKey, registerInTenant}},
	P3: {"Provisioning, hybrid joined, cloud Kerberos trust", []Phase{tokenFromTenant, gestureAndKey, registerInTenant}},
	P4: {"Provisioning, hybrid joined, key trust, managed", []Phase{tokenFromTenant, gestureAndKey, registerInTenant, connectWritesKey}},
	P5: {"Provisioning, hybrid joined, certificate trust, federated", []Phase{tokenThroughSTS, gestureAndKey, registerForReceipt, requestByReceipt, authorityByReceipt, caIssues, installCertificate}},
	P6: {"Provisioning, domain joined, on-premises key trust", []Phase{tokenFromSTS, gestureAndKey, registerInDomain}},
	P7: {"Provisioning, domain joined, on-premises certificate trust", []Phase{tokenFromSTS, gestureAndKey, registerInDomain, requestCertificate, authorityByKey, caIssues, installCertificate}},
	P8: {"Provisioning, hybrid joined, key trust, federated", []Phase{tokenThroughSTS, gestureAndKey, registerInTenant, connectWritesKey}},

	A1: {"Sign-in, Entra joined, to the tenant", []Phase{collectGesture, proveByNonce, tenantIssuesPRT, unwrapSessionKey, logon}},
	A2: {"Entra joined, to the domain, cloud Kerberos trust", []Phase{locateByKey, {"B", "Exchange the partial ticket for a full one"}}},
	A3: {"Entra joined, to the domain, key trust", []Phase{locateAndSignByKey, kdcChecksKey, clientChecksKDC}},
	A4: {"Entra joined, to the domain, certificate trust", []Phase{locateAndSignByCert, kdcChecksCert, clientChecksKDC}},
	// On hybrid joined devices the domain comes first, as seed 003 has it; A5 is the
	// newer exception (reading R13), and its title says so.
	A5: {"Sign-in, hybrid joined, cloud Kerberos trust: the tenant first", []Phase{
		{"A", "Collect the gesture, find cloud Kerberos trust on, fetch a nonce"},
		{"B", "Sign the nonce with the user key"},
		{"C", "The tenant checks signature, then nonce, and issues a primary refresh token and a partial ticket"},
		{"D", "Unwrap the session key and cache token and partial ticket"},
		{"E", "Exchange the partial ticket for a full one and open the logon session"},
	}},
	A6: {"Sign-in, hybrid joined, key trust", []Phase{gestureToKerberos, kdcChecksKey, clientChecksKDC, cacheTGT, domainLogon, nonceBehindDesktop, prtBehindDesktop}},
	A7: {"Sign-in, hybrid joined, certificate trust", []Phase{gestureToKerberos, kdcChecksCert, clientChecksKDC, cacheTGT, domainLogon, nonceBehindDesktop, prtBehindDesktop}},
	A8: {"Sign-in, domain joined, on-premises", []Phase{gestureToKerberos, {"B", "The KDC validates key or certificate and answers with a ticket"}, clientChecksKDC, cacheTGT, domainLogon}},

	APP: {"Applications, without a sign-in to the tenant", []Phase{{"", "Each application asks for credentials"}}},
}
