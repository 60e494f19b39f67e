// Package windows is a Windows device of the lab: its TPM, its Hello container,
// and the parts of the operating system that take part in registration,
// provisioning and sign-in (Cloud Experience Host, Web Account Manager, Cloud
// AP, LSASS, Winlogon). It gives the kinds device, enrollment, certificate and
// policy.
//
// A device speaks to its tenant over HTTPS alone, as any client would; what it
// knows of the lab's other systems is their host names. What Windows decides
// by itself (policy, prerequisites, PIN rules) it asks package hello.
//
// The flows read like their documents: one Go function a flow, one method a
// lettered phase, in order.
//
//	join.go          DR  registration: keys, join, identity key certificate
//	workaccount.go   DR  on a personal device: a work account is added
//	join_hybrid.go   DR  hybrid join; join_federated.go in a federated tenant, join_enterprise.go with AD FS alone
//	provision.go     the provisioning flows by their phases
//	provision_p1.go  P1  provisioning, Entra joined, managed; P3 and P4 after their first sign-in
//	provision_p2.go  P2  the same in a federated tenant: phase A, also of P5 and P8
//	provision_p4.go  P3  P4: the first sign-in on a hybrid joined device
//	provision_p6.go  P6  on-premises: phases A and C, also of P7
//	certificate.go   P5  P7: phases D to G, the sign-in certificate by the registration authority
//	signin_a1.go     A1  sign-in, Entra joined, to the tenant
//	signin_a3.go     A2  Entra joined, to the domain, by partial ticket
//	signin_a3.go     A3  the same by key
//	signin_a3.go     A4  the same by certificate
//	signin_a5.go     A5  sign-in, hybrid joined, cloud Kerberos trust
//	signin_a6.go     A6  the same with key trust, and by password under either
//	signin_a6.go     A7  the same with certificate trust
//	signin_a8.go     A8  sign-in on a computer of a domain without a tenant
//	signin_certificate.go  a sign-in certificate that is missing or ends: AD FS's, or by a SCEP profile
//	signin_work.go   A1  the same for a work account on a personal device
//	appsso.go        A1  E: on to applications with its token; APP, without one
//	session.go       A1  at a locked session; locking, signing out
//
// # What is simulated
//
// Everything a peer sees is real: TPM commands, tokens, signatures, TLS. Not
// real are the person (Hands: gestures, codes, approvals), the sensor's optics, and
// the delivery of policy: a policy reaches a device when the device looks,
// at sign-in, without an MDM session.
//
// # Where a device keeps what
//
// All of it in the device's section, which the state seals:
//
//	table       key                   value (JSON unless noted)
//	machine     "record"              machineRecord: keys, certificates, registration
//	machine     "attempt"             JoinAttempt: the hybrid join that failed last
//	tpm         "image"               image of the TPM's memory (package tpm)
//	keypool     key digest, hex       pooledKey: without authorization value, with its attestation
//	container   SID                   container.Container; on a personal device the owner's alone
//	winbio      kind "|" sensor       a sensor's database, the bytes of its file (package winbio)
//	sensormodule kind "|" sensor "|" SID  sensor.Template: memory of a sensor that matches by itself
//	sensor      kind "|" SID          sensor.EarlierRecord: a template of an earlier version
//	sensordb    kind                  sensor.Earlier: its key
//	enrollment  SID                   enrollmentRecord: how far provisioning came
//	session     SID                   sessionRecord: who is signed in, locked or not
//	personal    SID "|" thumbprint    storedCertificate: the user's Personal store
//	prt         SID "|" credential    prtRecord: primary refresh token, session key sealed
//	cloudcache   SID|credential       cachedSignIn: what signs a user in without the tenant
//	cloudtickets SID                  cloudTickets: tickets of Entra Kerberos that came with it
//	enterpriseprt SID "|" credential  prtRecord: AD FS's
//	wam         SID                   wamRecord: refresh token of an interactive sign-in; SID "|" provider of one in a flow
//	work        SID                   workRecord: registration of a further work account
package windows

import (
	"sync"

	"hellolab/providers"
	"hellolab/providers/windows/tpm"
	"hellolab/providers/wire/graph"
)

// Windows makes the kinds whose devices run on one pool of TPM workers.
type Windows struct {
	// Hands of the people at the devices; set before use, nil in a usual lab.
	Hands Hands

	pool   *tpm.Pool
	tokens graph.Tokens // of the administrator
	lines  lines
	idle   idleTime

	sharing sync.Map // *sync.Mutex by address of a personal device; see oneAtATime
}

// New returns the systems of Windows devices. The caller closes the pool.
func New(pool *tpm.Pool) *Windows { return &Windows{pool: pool} }

// Types returns the kinds device, enrollment, certificate and policy.
func (w *Windows) Types() []providers.Type {
	return []providers.Type{
		providers.Of(w.device()),
		providers.Of(w.enrollment()),
		providers.Of(w.certificate()),
		providers.Of(policy()),
	}
}
