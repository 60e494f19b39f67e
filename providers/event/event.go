// Package event is the vocabulary of what happens in a lab: every step of a
// flow and every decision of a service is one Event. Traces, checks and the
// journal are views of them. The package imports only the standard library.
package event

import "time"

// Actor is a party of the seeds' diagrams, a lane of a trace.
type Actor string

const (
	User               Actor = "User"
	Winlogon           Actor = "Winlogon"
	CredentialProvider Actor = "Hello credential provider"
	LSASS              Actor = "LSASS"
	CloudAP            Actor = "Cloud AP"
	CXH                Actor = "CXH" // Cloud Experience Host and the provisioning application in it
	WAM                Actor = "WAM" // Web Account Manager and its Entra ID plug-in
	KeyPool            Actor = "Key pre-generation pool"
	TPM                Actor = "TPM"
	Sensor             Actor = "Biometric sensor"
	Container          Actor = "Hello container"
	Device             Actor = "Device" // the operating system at large: registration client, policy client
	EntraID            Actor = "Entra ID"
	EntraKerberos      Actor = "Entra Kerberos" // the tenant's issuer of tickets
	DRS                Actor = "Device Registration Service"
	MFA                Actor = "Entra MFA"
	ThirdPartyMFA      Actor = "Third-party MFA"   // another vendor's, where the tenant uses one
	Phone              Actor = "Authenticator app" // on the user's phone
	Graph              Actor = "Microsoft Graph"
	Application        Actor = "Application" // a relying party
	MDM                Actor = "MDM"
	Kerberos           Actor = "Kerberos provider" // the security support provider in LSASS
	DCLocator          Actor = "DClocator"
	KDC                Actor = "KDC"
	ActiveDirectory    Actor = "Active Directory" // the directory behind LDAP
	Authority          Actor = "Certificate authority"
	Service            Actor = "Service"       // a resource on the domain's side
	Connect            Actor = "Entra Connect" // synchronizes a domain with a tenant
	STS                Actor = "AD FS"         // its token service
	EnterpriseDRS      Actor = "Enterprise Device Registration Service"
	CRA                Actor = "Certificate registration authority"
	MFAAdapter         Actor = "AD FS MFA adapter"
	IdentityProvider   Actor = "Federation service" // another vendor's
	SCEP               Actor = "NDES"               // the authority's SCEP service
	Store              Actor = "Personal certificate store"
	Fault              Actor = "Fault" // something broken on purpose
)

// Outcome says how a step ended.
type Outcome string

const (
	Done    Outcome = ""        // it happened
	Refused Outcome = "refused" // a party said no; Reason says why
	Failed  Outcome = "failed"  // something broke; Reason says what
	Skipped Outcome = "skipped" // the flow has no such step here; Reason says why
)

// Reason explains a refusal: the protocol's own code, its name, one full
// sentence, and what to do next.
type Reason struct {
	Code     string `json:"code"`               // "AADSTS50126", "0x801C044D", "device_not_joined"
	Name     string `json:"name,omitempty"`     // "InvalidUserNameOrPassword"
	Sentence string `json:"sentence,omitempty"` // "The password is wrong."
	Hint     string `json:"hint,omitempty"`     // "Check password of user.alice."
}

// Event is one step. Message holds the decoded content of what was sent or
// decided, never a secret: tokens, keys, PINs and passwords appear as
// lengths, thumbprints or claims.
type Event struct {
	Seq         uint64         `json:"seq"`                   // order within a run; set by the journal
	At          time.Time      `json:"at"`                    // lab time
	Correlation string         `json:"correlation,omitempty"` // one id for all events of one flow, sent as client-request-id on the wire
	Exchange    string         `json:"exchange,omitempty"`    // digest of a message that both parties saw: what ties a peer's event to a flow where the protocol names none, as Kerberos
	Flow        string         `json:"flow,omitempty"`        // "P1", "A1", "DR"; a service leaves it to the journal
	Phase       string         `json:"phase,omitempty"`       // the seed's letter, "A"; a service leaves it to the journal
	Actor       Actor          `json:"actor"`
	Peer        Actor          `json:"peer,omitempty"`     // whom the step addresses
	Protocol    string         `json:"protocol,omitempty"` // "HTTPS", "TPM", "local"
	Step        string         `json:"step"`               // snake_case name: "nonce_request"
	Text        string         `json:"text"`               // one sentence
	User        string         `json:"user,omitempty"`     // address, where known
	Device      string         `json:"device,omitempty"`   // address, where known
	Message     map[string]any `json:"message,omitempty"`
	Outcome     Outcome        `json:"outcome,omitempty"`

	// Letters are phases that begin at a service, by the name of the step that each
	// begins with there: where one request of a flow goes through several. They hold
	// for the flow until its next event, and are the journal's alone.
	Letters map[string]string `json:"-"`

	Reason *Reason `json:"reason,omitempty"`
}

// Sink takes events. It may be called from any goroutine and must not block
// on the caller's locks. A nil Sink is valid where documented; use Emit.
type Sink func(Event)

// Emit calls s if there is one.
func (s Sink) Emit(e Event) {
	if s != nil {
		s(e)
	}
}
