package adcs

import (
	"crypto/x509"
	"fmt"
	"time"

	"hellolab/providers"
	"hellolab/providers/adcs/ca"
	"hellolab/providers/event"
	"hellolab/providers/wire/scep"
)

// tellPublished records that revocation lists were published.
func tellPublished(env providers.Env, p ca.Publication) {
	kind := "delta"
	if p.Base {
		kind = "base"
	}
	env.Emit.Emit(event.Event{
		At: env.Now(), Actor: event.Authority, Step: "revocation_list_published",
		Text:    fmt.Sprintf("%s published its %s revocation list.", env.Addr, kind),
		Message: map[string]any{"list": kind, "number": p.Number, "revoked": p.Revoked, "next": p.Next.UTC().Format(time.RFC3339)},
	})
}

// tellCertified records that the authority's own server has a certificate.
func tellCertified(env providers.Env, authority *ca.CA, leaf *x509.Certificate) {
	env.Emit.Emit(event.Event{
		At: env.Now(), Actor: event.Authority, Step: "server_certificate_renewed",
		Text:    fmt.Sprintf("%s has a certificate from %s.", authority.Config().Host, authority.Config().CommonName),
		Message: map[string]any{"serial": leaf.SerialNumber.Text(16), "not_after": leaf.NotAfter.UTC().Format(time.RFC3339)},
	})
}

// tellChallenge records that device management was given a challenge.
func tellChallenge(env providers.Env, q scep.ChallengeRequest) {
	env.Emit.Emit(event.Event{
		At: env.Now(), Actor: event.SCEP, Step: "challenge_issued", Text: fmt.Sprintf("%s gives device management a challenge for %s.", env.Addr, q.Account),
		Message: map[string]any{"account": q.Account, "template": q.Template},
	})
}

// tellDevice records that a device got a certificate in an account's name.
func tellDevice(env providers.Env, account, template string, leaf *x509.Certificate) {
	env.Emit.Emit(event.Event{
		At: env.Now(), Actor: event.SCEP, Step: "certificate_issued", Text: fmt.Sprintf("%s issues a certificate to a device for %s.", env.Addr, account),
		Message: map[string]any{"account": account, "template": template, "serial": leaf.SerialNumber.Text(16), "not_after": leaf.NotAfter.UTC().Format(time.RFC3339)},
	})
}

// tellRefused records that a device got none.
func tellRefused(env providers.Env, r *scep.Refusal) {
	env.Emit.Emit(event.Event{
		At: env.Now(), Actor: event.SCEP, Step: "certificate_refused", Text: fmt.Sprintf("%s refuses a device: %s", env.Addr, r.Text),
		Message: map[string]any{"reason": r.Info.String()},
	})
}
