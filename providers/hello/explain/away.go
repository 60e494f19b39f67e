package explain

import (
	"fmt"
	"time"
)

// cachedSignIn are the conditions of a sign-in on an Entra joined device that does
// not reach the tenant. lost is why it does not.
func (e *explaining) cachedSignIn(lost string) []Condition {
	out := []Condition{e.gestureTicket(lost)}
	c := Condition{Name: "cached_sign_in", Needs: "The tenant is not reached, so Cloud AP must keep a sign-in with this key.", Verdict: Met}
	kept := e.credential.CachedKey
	if kept == nil || kept.KeyID != e.credential.KeyID {
		c = failed(c, lost)
	} else {
		c.Why = fmt.Sprintf("It keeps that of %s. Tokens of the tenant come once it is reached.", kept.At.UTC().Format(time.RFC3339))
	}
	return append(out, c)
}

// gestureTicket is that the session opens before the gesture's ticket ends, which
// needs a network that answers, or none that seems to.
func (e *explaining) gestureTicket(lost string) Condition {
	return condition("gesture_ticket", "The session opens within 120 seconds of the gesture.", lost != "host_unreachable", "hello_ticket_expired")
}
