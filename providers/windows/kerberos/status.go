package kerberos

import (
	"context"
	"errors"
	"fmt"

	"hellolab/providers/wire/kdccert"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/krbclient"
	"hellolab/providers/wire/locate"
	"hellolab/providers/wire/pkinit"
	"hellolab/providers/wire/revocation"
)

// Phase is where something was refused.
type Phase string

// Phases.
const (
	PhaseLocate      Phase = "finding a domain controller"
	PhaseAS          Phase = "authentication service"
	PhaseCertificate Phase = "certificate of the KDC"
	PhaseTGS         Phase = "ticket-granting service"
	PhaseExchange    Phase = "exchange of the partial ticket"
	PhasePassword    Phase = "password service"
)

// Status is an NTSTATUS (MS-ERREF 2.3.1).
type Status struct {
	Value uint32
	Name  string
}

func (s Status) String() string { return fmt.Sprintf("0x%08X", s.Value) }

// What Windows shows. Which of them for which refusal no document says for all:
// pairings marked "ours" are a choice among those that MS-ERREF words so.
var (
	noLogonServers     = Status{0xC000005E, "STATUS_NO_LOGON_SERVERS"}
	noSuchUser         = Status{0xC0000064, "STATUS_NO_SUCH_USER"}
	wrongPassword      = Status{0xC000006A, "STATUS_WRONG_PASSWORD"}
	passwordRestricted = Status{0xC000006C, "STATUS_PASSWORD_RESTRICTION"}
	logonFailure       = Status{0xC000006D, "STATUS_LOGON_FAILURE"}
	accountRestriction = Status{0xC000006E, "STATUS_ACCOUNT_RESTRICTION"}
	passwordExpired    = Status{0xC0000071, "STATUS_PASSWORD_EXPIRED"}
	accountDisabled    = Status{0xC0000072, "STATUS_ACCOUNT_DISABLED"}
	notSupported       = Status{0xC00000BB, "STATUS_NOT_SUPPORTED"}
	controllerNotFound = Status{0xC0000233, "STATUS_DOMAIN_CONTROLLER_NOT_FOUND"}
	timeDifference     = Status{0xC0000133, "STATUS_TIME_DIFFERENCE_AT_DC"}
	noTrustSAMAccount  = Status{0xC000018B, "STATUS_NO_TRUST_SAM_ACCOUNT"}
	pkinitNameMismatch = Status{0xC00002F9, "STATUS_PKINIT_NAME_MISMATCH"}
	unknownEType       = Status{0xC00002FD, "STATUS_KDC_UNKNOWN_ETYPE"}
	pkinitFailure      = Status{0xC0000320, "STATUS_PKINIT_FAILURE"}
	certificateRevoked = Status{0xC0000389, "STATUS_SMARTCARD_CERT_REVOKED"}
	untrustedIssuer    = Status{0xC000038A, "STATUS_ISSUING_CA_UNTRUSTED"}
	revocationOffline  = Status{0xC000038B, "STATUS_REVOCATION_OFFLINE_C"}
	pkinitClient       = Status{0xC000038C, "STATUS_PKINIT_CLIENT_FAILURE"}

	kdcRevocationOffline = Status{0xC000040C, "STATUS_REVOCATION_OFFLINE_KDC"}
	kdcUntrustedIssuer   = Status{0xC000040D, "STATUS_ISSUING_CA_UNTRUSTED_KDC"}
	kdcExpired           = Status{0xC000040E, "STATUS_KDC_CERT_EXPIRED"}
	kdcRevoked           = Status{0xC000040F, "STATUS_KDC_CERT_REVOKED"}
)

// ofAS pairs what an authentication service refuses.
var ofAS = map[krb.Code]Status{
	krb.ErrClientUnknown:         noSuchUser,
	krb.ErrPolicy:                accountRestriction,
	krb.ErrETypeNoSupport:        unknownEType,
	krb.ErrPADataTypeNoSupport:   notSupported, // "The request is not supported": a KDC without a certificate
	krb.ErrClientRevoked:         accountDisabled,
	krb.ErrKeyExpired:            passwordExpired,
	krb.ErrPreauthFailed:         wrongPassword,
	krb.ErrSkew:                  timeDifference,
	krb.ErrClientNotTrusted:      pkinitClient, // a key that is not registered, too
	krb.ErrCantVerifyCertificate: untrustedIssuer,
	krb.ErrInvalidCertificate:    pkinitClient,
	krb.ErrRevokedCertificate:    certificateRevoked,

	krb.ErrRevocationUnknown:       revocationOffline,
	krb.ErrRevocationUnavailable:   revocationOffline,
	krb.ErrClientNameMismatch:      pkinitNameMismatch,
	krb.ErrCertificateMismatch:     pkinitClient, // ours
	krb.ErrInconsistentKeyPurpose:  pkinitClient, // ours
	krb.ErrPreauthExpired:          pkinitFailure,
	krb.ErrDHParametersNotAccepted: pkinitFailure,
}

// ofTGS pairs what a ticket-granting service refuses, where it means another
// thing there.
var ofTGS = map[krb.Code]Status{
	krb.ErrServerUnknown:   noTrustSAMAccount,
	krb.ErrServiceRevoked:  noTrustSAMAccount, // ours
	krb.ErrETypeNoSupport:  unknownEType,
	krb.ErrClientRevoked:   accountDisabled,
	krb.ErrTGTRevoked:      logonFailure, // ours
	krb.ErrTicketExpired:   logonFailure, // ours
	krb.ErrSkew:            timeDifference,
	krb.ErrNeverValid:      timeDifference, // ours
	krb.ErrPreauthRequired: logonFailure,
}

// ofExchange pairs what a ticket-granting service refuses that is shown a
// partial ticket: it judges the user there. What is not here is logonFailure,
// which of a user on the deny list, of a read-only controller that is unknown and
// of a ticket under another key is ours.
var ofExchange = map[krb.Code]Status{
	krb.ErrClientUnknown:  noSuchUser,
	krb.ErrETypeNoSupport: unknownEType,
	krb.ErrClientRevoked:  accountDisabled,
	krb.ErrKeyExpired:     passwordExpired,
	krb.ErrSkew:           timeDifference,
	krb.ErrNeverValid:     timeDifference, // ours
}

// ofCheck pairs the five checks of a KDC's certificate. A revocation that
// cannot be learned is kdcRevocationOffline.
var ofCheck = map[kdccert.Check]Status{
	kdccert.Root:       kdcUntrustedIssuer,
	kdccert.Life:       kdcExpired,
	kdccert.Revocation: kdcRevoked,
	kdccert.Purpose:    pkinitFailure,
	kdccert.Domain:     pkinitNameMismatch,
}

// Error is a refusal.
type Error struct {
	Phase    Phase
	Code     krb.Code      // Kerberos', 0 where the KDC was not asked or refused otherwise
	Check    kdccert.Check // of PhaseCertificate; else ""
	Status   Status
	Sentence string
	Hint     string // "" where there is none
	Err      error

	ByCertificate bool // of PhaseAS: an authority's certificate was shown for the user
}

// Error names the status and says the sentence.
func (e *Error) Error() string { return e.Status.String() + " " + e.Status.Name + ": " + e.Sentence }

// Unwrap returns what lies behind.
func (e *Error) Unwrap() error { return e.Err }

// OutOfSight reports whether no controller was reached.
func (e *Error) OutOfSight() bool { return e.Phase == PhaseLocate && e.Status == noLogonServers }

// notKnown is a revocation that cannot be learned, or a certificate that is
// revoked.
type notKnown struct{ revocation.Result }

func (n *notKnown) Error() string { return n.String() }

// fail makes an *Error of what was refused in a phase, and leaves alone what
// nobody refused: the end of a context, what the holder of a key says.
func fail(phase Phase, err error) error {
	var own *Error
	if err == nil || errors.As(err, &own) || errors.Is(err, context.Canceled) {
		return err
	}
	var refusal *kdccert.Refusal
	var code *krb.Error
	var gone *unreachable
	var weak *krbclient.PasswordRefused
	switch {
	case errors.As(err, &refusal):
		return ofRefusal(refusal, err)
	case errors.Is(err, locate.ErrNoneFits):
		return &Error{Phase: PhaseLocate, Status: controllerNotFound, Sentence: "No domain controller in reach can do what is needed.", Err: err}
	case phase == PhaseLocate, errors.As(err, &gone):
		return &Error{Phase: PhaseLocate, Status: noLogonServers, Sentence: "No domain controller can be reached.", Err: err,
			Hint: "Bring the device onto the domain's network, or raise its tunnel."}
	case errors.As(err, &weak):
		return &Error{Phase: PhasePassword, Status: passwordRestricted, Sentence: "The domain refuses the new password.", Hint: weak.Text, Err: err}
	case errors.As(err, &code):
		return ofCode(phase, code, err)
	case errors.Is(err, pkinit.ErrNoCertificate), errors.Is(err, pkinit.ErrNonce), errors.Is(err, pkinit.ErrWeakened), errors.Is(err, pkinit.ErrMalformed):
		return &Error{Phase: PhaseCertificate, Code: krb.ErrKDCNotTrusted, Status: pkinitFailure, Sentence: "The reply is not one of the domain's KDC.", Err: err}
	}
	return fmt.Errorf("%s: %w", phase, err)
}

func ofRefusal(r *kdccert.Refusal, err error) error {
	e := &Error{Phase: PhaseCertificate, Code: krb.ErrKDCNotTrusted, Check: r.Check, Status: ofCheck[r.Check], Sentence: r.Sentence, Err: err}
	if r.Check == kdccert.Domain {
		e.Code = krb.ErrKDCNameMismatch
	}
	var revoked *notKnown
	if errors.As(r.Cause, &revoked) && r.Check == kdccert.Revocation {
		e.Sentence = "The certificate of the domain controller is " + revoked.String() + "."
		if revoked.Status != revocation.Revoked {
			e.Status, e.Sentence = kdcRevocationOffline, "Whether the certificate of the domain controller is revoked cannot be learned: "+revoked.Cause.String()+"."
			e.Hint = "Publish the list where the device reaches it (crl of the authority), or set revocation_unknown = \"allow\"."
		}
	}
	return e
}

func ofCode(phase Phase, k *krb.Error, err error) error {
	e := &Error{Phase: phase, Code: k.Code, Status: logonFailure, Sentence: k.Sentence, Hint: k.Hint, Err: err}
	table := ofAS
	switch phase {
	case PhaseTGS:
		table = ofTGS
	case PhaseExchange:
		table = ofExchange
	}
	if s, ok := table[k.Code]; ok {
		e.Status = s
	}
	if e.Sentence == "" {
		e.Sentence = k.Code.Sentence()
	}
	return e
}
