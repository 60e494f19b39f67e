package access

import "time"

// Word is how a sign-in ends; the language's word.
type Word string

// Words. None is that there is nobody, or nothing, to sign in with; Unknown,
// that this package does not decide the sign-in.
const (
	Allowed  Word = "allowed"
	Refused  Word = "refused"
	Degraded Word = "degraded" // it works, and something is missing, or it works at times
	AtRisk   Word = "at_risk"  // it works, and the next provisioning, or the like, will not
	None     Word = "none"
	Unknown  Word = "unknown"
)

// Works reports whether the sign-in succeeds.
func (w Word) Works() bool { return w == Allowed || w == Degraded || w == AtRisk }

// Action is what somebody has to do about it.
type Action string

// Actions.
const (
	NoAction           Action = ""
	ChangePIN          Action = "change_pin"
	WaitForSync        Action = "wait_sync"
	LineOfSight        Action = "needs_dc_line_of_sight"
	UseThePIN          Action = "use_pin"
	OtherNetwork       Action = "other_network" // another one, or none: a captive portal is in the way
	Reprovision        Action = "reprovision"
	NewPassword        Action = "change_password"
	Enroll             Action = "enroll"           // Hello is to be provisioned
	WaitForCertificate Action = "wait_certificate" // the device gets one by itself
	AdminFix           Action = "admin_fix"        // an administrator's to mend
)

// Moment is when a verdict begins to hold for who works at the device.
type Moment string

// Moments.
const (
	AtOnce           Moment = "immediate"
	NextSignIn       Moment = "next_signin"
	NextPINSignIn    Moment = "next_pin_signin"
	NextUnlock       Moment = "next_unlock"
	NextToken        Moment = "next_token" // of an application
	NextSync         Moment = "next_sync"
	NextTGT          Moment = "tgt_expiry" // while a session's ticket lives, it goes on
	NextRenewal      Moment = "prt_renewal"
	NextProvisioning Moment = "next_provisioning"
	CertificateEnds  Moment = "cert_expiry"
	PasswordEnds     Moment = "password_age"
)

// Confidence says what stands behind a verdict.
type Confidence string

// Confidences.
const (
	Documented Confidence = "D" // the vendor's documents say so
	Inferred   Confidence = "I" // it follows from documented mechanics
	Reported   Confidence = "C" // the field says so, the documents do not
	Ours       Confidence = "?" // nobody says: a choice of the lab's
)

// Verdict is how a sign-in ends, and what that means.
type Verdict struct {
	Word     Word
	Reason   string // code of a hello.Reason; "success" when nothing is to be said
	Sentence string // the reason in a sentence, where it is not that of the code
	Flow     string
	Phase    string // letter of the phase that refuses; "" when none does
	Action   Action
	When     Moment
	At       time.Time // of NextSync, CertificateEnds and PasswordEnds: when that is; zero: nobody knows
	Grace    bool      // a cached logon still opens Windows
	// Or are the other ends that chance may give it, where controllers differ: a sign-in
	// that is Degraded for that works with some of them.
	Or         []End
	Confidence Confidence
	Rule       string // row of the table of effects ("N1", "K1"); "" for none
	// NewPIN is that Windows asks for a new PIN before the sign-in goes on: who
	// gives none ends in phase A.
	NewPIN bool
}

// End is how a sign-in may be refused; zero when it may be let in.
type End struct{ Reason, Phase string }

// success is a sign-in that works and of which nothing is to be said.
func success(flow string) Verdict {
	return Verdict{Word: Allowed, Reason: "success", Flow: flow, When: NextSignIn, Confidence: Documented}
}
