package container

import (
	"crypto/subtle"
	"errors"
)

// Windows' own gate against guessing stands before the TPM's: after four wrong
// PINs the user must type a phrase (against an accidental lockout), after five
// the device must restart before Hello takes another. The TPM's own count, 32,
// is reached only across restarts.
const (
	challengeAfter = 4
	restartAfter   = 5
)

// ChallengePhrase is what the user is asked to type.
const ChallengePhrase = "A1B2C3"

// Refusals of the gate.
var (
	ErrChallenge = errors.New("the challenge phrase must be typed first")
	ErrRestart   = errors.New("the device must restart first")
)

// Gate counts wrong PINs since the last right one or the last restart.
type Gate struct {
	Wrong int `json:"wrong"`
}

// Admit says whether a PIN may be tried.
func (g Gate) Admit(phrase string) error {
	switch {
	case g.Wrong >= restartAfter:
		return ErrRestart
	case g.Wrong >= challengeAfter && subtle.ConstantTimeCompare([]byte(phrase), []byte(ChallengePhrase)) != 1:
		return ErrChallenge
	default:
		return nil
	}
}

// Left is how many PINs the gate will still admit.
func (g Gate) Left() int { return max(0, restartAfter-g.Wrong) }
