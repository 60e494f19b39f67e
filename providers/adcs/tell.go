package adcs

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"time"

	"hellolab/providers"
	"hellolab/providers/adcs/ca"
	"hellolab/providers/event"
	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/scep"
	"hellolab/providers/wire/web"
	"hellolab/providers/wire/wstep"
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
func tellChallenge(ctx context.Context, env providers.Env, q scep.ChallengeRequest) {
	env.Emit.Emit(event.Event{
		At: env.Now(), Correlation: web.Correlation(ctx), Actor: event.SCEP, Step: "challenge_issued", Text: fmt.Sprintf("%s gives device management a challenge for %s.", env.Addr, q.Account),
		Message: map[string]any{"account": q.Account, "template": q.Template},
	})
}

// tellDevice records that a device got a certificate in an account's name.
func tellDevice(ctx context.Context, env providers.Env, account, template string, leaf *x509.Certificate) {
	env.Emit.Emit(event.Event{
		At: env.Now(), Correlation: web.Correlation(ctx), Actor: event.SCEP, Step: "certificate_issued", Text: fmt.Sprintf("%s issues a certificate to a device for %s.", env.Addr, account),
		Message: map[string]any{"account": account, "template": template, "serial": leaf.SerialNumber.Text(16), "not_after": leaf.NotAfter.UTC().Format(time.RFC3339)},
	})
}

// tellRefused records that a device got none.
func tellRefused(ctx context.Context, env providers.Env, r *scep.Refusal) {
	env.Emit.Emit(event.Event{
		At: env.Now(), Correlation: web.Correlation(ctx), Actor: event.SCEP, Step: "certificate_refused", Text: fmt.Sprintf("%s refuses a device: %s", env.Addr, r.Text),
		Message: map[string]any{"reason": r.Info.String()},
	})
}

// tellAgent records what became of a request that an enrollment agent signed for
// an account; who sent it.
func tellAgent(ctx context.Context, env providers.Env, who, account string, reply *wstep.Response, err error) {
	e := event.Event{At: env.Now(), Correlation: web.Correlation(ctx), Actor: event.Authority, Peer: event.CRA, Protocol: "HTTPS", Step: "certificate_issued_to_agent",
		Text: "The CA validates that a valid enrollment agent signed the request, and returns the certificate to the registration authority.", Message: map[string]any{"sender": who, "account": account}}
	var no *ca.Error
	switch {
	case errors.As(err, &no):
		e.Step, e.Text, e.Outcome = "certificate_refused", "The CA refuses the request of the enrollment agent.", event.Refused
		e.Reason = &event.Reason{Code: fmt.Sprintf("0x%08X", no.HResult()), Name: no.Code.String(), Sentence: no.Sentence}
	case err != nil:
		return // the log has it
	case reply.Pending():
		e.Step, e.Text = "certificate_pending", "The CA validates that a valid enrollment agent signed the request, which waits for an administrator."
	default:
		leaf, err := x509.ParseCertificate(reply.Certificate)
		if err != nil {
			return
		}
		maps.Copy(e.Message, map[string]any{"subject": adcert.DirectoryName(leaf.RawSubject), "issuer": adcert.DirectoryName(leaf.RawIssuer), "serial": leaf.SerialNumber.Text(16),
			"not_after": leaf.NotAfter.UTC().Format(time.RFC3339), "certificate": drs.Thumbprint(leaf.Raw)})
	}
	env.Emit.Emit(e)
}
