package adcs

import (
	"crypto/x509"
	"fmt"
	"time"

	"hellolab/providers"
	"hellolab/providers/adcs/ca"
	"hellolab/providers/event"
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

// tellCertified records that the authority's own web server has a certificate.
func tellCertified(env providers.Env, authority *ca.CA, leaf *x509.Certificate) {
	env.Emit.Emit(event.Event{
		At: env.Now(), Actor: event.Authority, Step: "server_certificate_renewed",
		Text:    fmt.Sprintf("%s has a certificate from %s.", authority.Config().Host, authority.Config().CommonName),
		Message: map[string]any{"serial": leaf.SerialNumber.Text(16), "not_after": leaf.NotAfter.UTC().Format(time.RFC3339)},
	})
}
