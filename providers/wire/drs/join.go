package drs

import (
	"fmt"

	"hellolab/providers/wire/strict"
)

// Join types of JoinRequest.
const (
	JoinEntra    = 0 // Entra joined
	JoinRegister = 4 // Entra registered (workplace)
	JoinHybrid   = 6
)

// JoinRequest asks for a device object and certificate (MS-DVRJ 3.1.5.1.1.1).
type JoinRequest struct {
	CertificateRequest CertificateRequest `json:"CertificateRequest"`
	TransportKey       []byte             `json:"TransportKey"` // CNG blob of Kstk's public half
	TargetDomain       string             `json:"TargetDomain"`
	DeviceType         string             `json:"DeviceType"` // "Windows"
	OSVersion          string             `json:"OSVersion"`
	DeviceDisplayName  string             `json:"DeviceDisplayName"`
	JoinType           int                `json:"JoinType"`
	Attributes         map[string]any     `json:"attributes,omitempty"`
}

// CertificateRequest is the PKCS #10 request of the device key.
type CertificateRequest struct {
	Type string `json:"Type"` // "pkcs10"
	Data []byte `json:"Data"`
}

// ParseJoinRequest reads a join request.
func ParseJoinRequest(data []byte) (*JoinRequest, error) {
	var r JoinRequest
	if err := strict.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("join request: %w", err)
	}
	return &r, nil
}

// JoinReply brings the device certificate.
type JoinReply struct {
	Certificate struct {
		Thumbprint string `json:"Thumbprint"` // SHA-1, upper-case hex
		RawBody    []byte `json:"RawBody"`    // DER
	} `json:"Certificate"`
	User struct {
		UPN string `json:"Upn"`
	} `json:"User"`
	MembershipChanges []MembershipChange `json:"MembershipChanges,omitempty"` // of a join; registering changes no local group
}

// MembershipChange tells the device whom to put into a local group.
type MembershipChange struct {
	LocalSID string   `json:"LocalSID"`
	AddSIDs  []string `json:"AddSIDs"`
}

// SIDAdministrators is the local group of administrators.
const SIDAdministrators = "S-1-5-32-544"

// ParseJoinReply reads the reply to a join.
func ParseJoinReply(data []byte) (*JoinReply, error) {
	var r JoinReply
	if err := strict.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("join reply: %w", err)
	}
	return &r, nil
}

// KeyRequest registers a Hello key. The bearer token of the request is the
// fourth thing that the documents list: token, public key, attestation data,
// device information.
//
// Windows' own names for the attestation are not public; "attestation" and
// "device" are the lab's (marked simulated in its fidelity page). Public
// clients send kngc alone.
type KeyRequest struct {
	PublicKey   []byte          `json:"kngc"` // CNG blob of ukpub
	Attestation *KeyAttestation `json:"attestation,omitempty"`
	Device      *KeyDevice      `json:"device,omitempty"`

	// ReturnReceipt asks for a key receipt: the device means to ask a federation
	// service for a certificate of the key (certificate trust). How Windows says
	// so is not public; the name follows the join request's attributes.
	ReturnReceipt bool `json:"return_key_receipt,omitempty"`
}

// KeyAttestation proves that the key was made in the device's TPM.
type KeyAttestation struct {
	Statement       []byte   `json:"statement"`        // ngc.Statement: TPM2_Certify of the key by the AIK
	Nonce           string   `json:"nonce"`            // of the nonce service; the statement holds its attest.ExtraData
	AIKCertificates [][]byte `json:"aik_certificates"` // DER, leaf first
}

// KeyDevice is the device information.
type KeyDevice struct {
	DeviceID    string `json:"device_id"`
	DisplayName string `json:"display_name"`
	OSVersion   string `json:"os_version"`
}

// ParseKeyRequest reads a key registration.
func ParseKeyRequest(data []byte) (*KeyRequest, error) {
	var r KeyRequest
	if err := strict.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("key registration: %w", err)
	}
	return &r, nil
}

// KeyReply names the registered key.
type KeyReply struct {
	KeyID string `json:"kid"` // GUID of the directory entry
	UPN   string `json:"upn"`
	// Receipt is the key receipt (Receipt.Sign) that KeyRequest.ReturnReceipt asked
	// for: of a synchronized user of a federated domain on a hybrid joined device.
	// Absent elsewhere.
	Receipt string `json:"krctx,omitempty"`
}

// ParseKeyReply reads the reply to a key registration.
func ParseKeyReply(data []byte) (*KeyReply, error) {
	var r KeyReply
	if err := strict.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("key registration reply: %w", err)
	}
	return &r, nil
}
