package explain

import (
	"fmt"
	"time"

	"hellolab/providers/hello"
	"hellolab/providers/hello/access"
)

// unlockConditions are those of the unlock of a session, which ends as v says. They are
// told where it ends otherwise than a sign-in: by the token that the session has.
func (e *explaining) unlockConditions(v access.Verdict) []Condition {
	own := string(e.d.In.Domain)
	switch near := e.inside(e.inSession()); {
	case !e.member():
		return []Condition{e.sessionToken(v)}
	case e.route.SignIn == hello.A5 && near:
		return append([]Condition{e.sessionToken(v)}, e.domainConditions(own, nil)...)
	case e.route.SignIn == hello.A5:
		return []Condition{e.sessionToken(v), e.hint(own), e.cachedLogon()}
	case near:
		return append(e.domainConditions(own, nil), e.sessionToken(v))
	}
	return []Condition{e.cachedLogon(), e.sessionToken(v)}
}

// sessionToken is the primary refresh token that the session has: while it is young the
// tenant is not asked, and what the tenant thinks of user and device is no matter.
func (e *explaining) sessionToken(v access.Verdict) Condition {
	c := Condition{Name: "session_token", Needs: "The session's primary refresh token is good; when it is of age the tenant renews it.", Verdict: Met}
	t := e.credential.Token
	if t == nil {
		return failed(c, "no_prt")
	}
	due := t.Obtained.Add(access.RenewalOf(e.world, e.d))
	switch {
	case (v.Phase == "B" || v.Phase == "F") && v.Reason != hello.Success:
		c = failed(c, v.Reason)
		if v.Word.Works() {
			c.Verdict = Partly
		}
	case e.held.Lab.Now.After(due):
		c.Why = "It is of age, and the tenant renews it, once that is reached."
	default:
		c.Why = fmt.Sprintf("It is renewed from %s on; until then the tenant is not asked.", due.UTC().Format(time.RFC3339))
	}
	return c
}
