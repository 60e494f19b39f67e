package windows

import (
	"time"

	"hellolab/providers/hello"
)

// What policy says of a PIN beyond its looks (PassportForWork, PINComplexity
// and EnablePinRecovery).

// pinLife is after how long a new PIN is asked for; 0 is never.
func pinLife(f hello.InForce) time.Duration {
	return time.Duration(f.PINExpiration.Value) * 24 * time.Hour
}

// pinHistory is how many of the last PINs, the one in use included, a new one
// must not be.
func pinHistory(f hello.InForce) int { return f.PINHistory.Value }

// pinRecovery says whether the PIN can be reset by the PIN reset service.
func pinRecovery(f hello.InForce) bool { return f.EnablePINRecovery.Value }
