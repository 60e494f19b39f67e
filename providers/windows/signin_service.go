package windows

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/windows/container"
	"hellolab/providers/windows/kerberos"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/web"
)

// reachByCertificate goes to a service that takes a certificate of the Hello
// container (seed 004, "store other certificates in the protected container"): a VPN
// gateway, by TLS, or Remote Desktop, by a ticket that the certificate brings.
func (s *signingIn) reachByCertificate(ctx context.Context, to target) error {
	t, purpose := s.trace, hello.ServicePurpose(to.service.In)
	if to.service.In.Force {
		if err := s.again(ctx); err != nil {
			return err
		}
	}
	chain, signer, err := s.certificateFor(ctx, purpose)
	if err != nil {
		t.refused(event.Device, event.Store, local, "certificate_missing", "A program on the device finds no certificate of the Hello container for the service.", err)
		return err
	}
	t.step(event.Device, event.Store, local, "certificate_chosen", "A program on the device takes the certificate for the service, whose key is the Hello key in the container.",
		message{"subject": kerberos.NameOf(chain[0].RawSubject), "issuer": kerberos.NameOf(chain[0].RawIssuer), "not_after": chain[0].NotAfter, "purpose": purpose, "kid": s.kid})
	if to.service.In.Kind == spec.ServiceRDP {
		return s.remoteDesktop(ctx, to, kerberos.Key{Signer: signer, Certificates: chain})
	}
	certificate := tls.Certificate{PrivateKey: signer, Leaf: chain[0]}
	for _, c := range chain {
		certificate.Certificate = append(certificate.Certificate, c.Raw)
	}
	return s.callGateway(ctx, to.service, certificate)
}

// again has the user make the gesture once more, though the key is released: a
// program may demand that (seed 004, "forced authentication"). Who does not, or
// wrongly, has not asked for what the program was to do.
func (s *signingIn) again(ctx context.Context) error {
	if s.released == nil {
		return refuse("service_needs_hello", nil)
	}
	t, g := s.trace, s.request.Gesture
	with := g
	if with == "" {
		with = "pin"
	}
	t.step(event.Device, event.User, local, "gesture_demanded", "The program has Windows ask for the gesture again, though the key is released.", message{"gesture": with})
	released, err := s.shownAgain(ctx, g)
	if err != nil {
		t.refused(event.Container, event.Device, tpm20, "key_release_refused", "The gesture is not made again: the program does not get what it asked for.", err)
		return err
	}
	released.Close()
	t.step(event.Container, event.Device, tpm20, "gesture_verified", "The gesture opens its protector once more.", message{"gesture": with, "kid": s.kid})
	return nil
}

func (s *signingIn) shownAgain(ctx context.Context, g string) (*container.Released, error) {
	held, ok, err := s.containerOf(s.user)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, refuse("no_hello_credential", nil)
	}
	if g != "" {
		return s.releaseBySensor(ctx, s.user, held, container.Gesture(g), s.policy)
	}
	typed, err := s.w.Hands.answer(PromptForced, s.request.PIN)
	if err != nil {
		return nil, err
	}
	pin := providers.Secret(typed)
	defer pin.Wipe()
	return s.releaseByPIN(ctx, s.user, held, pin, s.request.Phrase)
}

// certificateFor is the certificate of a purpose for the key that signed in, the
// one that ends last, and the key's signer.
func (s *signingIn) certificateFor(ctx context.Context, purpose string) ([]*x509.Certificate, crypto.Signer, error) {
	if s.released == nil {
		return nil, nil, refuse("service_needs_hello", nil)
	}
	section := s.released.Section(s.identity().provider())
	for _, key := range section.Keys() {
		if key.ID != s.kid {
			continue
		}
		all, err := s.certificatesOf(s.user, key, purpose)
		if err != nil {
			return nil, nil, err
		}
		var chosen []*x509.Certificate
		for _, c := range all {
			chain, err := c.certificates()
			if err != nil {
				return nil, nil, err
			}
			if chosen == nil || chain[0].NotAfter.After(chosen[0].NotAfter) {
				chosen = chain
			}
		}
		if chosen == nil {
			break
		}
		signer, err := section.Signer(ctx, s.kid)
		return chosen, signer, err
	}
	return nil, nil, refuse("service_certificate_missing", nil)
}

// callGateway opens a TLS connection to a VPN gateway with the certificate. What
// the tunnel carries is not there; the gateway says who came.
func (s *signingIn) callGateway(ctx context.Context, service *serviceObject, certificate tls.Certificate) error {
	t := s.trace
	refused := func(err error) error {
		t.refused(event.Device, event.User, local, "service_refused", "The gateway does not let the user in.", err)
		return err
	}
	t.step(event.Device, event.Service, https, "service_request", "The VPN client connects to the gateway, and proves the Hello key in the TLS handshake.", message{"url": service.Out.URL})
	client := web.Client(s.env, certificate)
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, service.Out.URL, nil)
	if err != nil {
		return err
	}
	reply, err := web.Do(client, req)
	if err != nil {
		return refused(err)
	}
	if reply.Status != http.StatusOK {
		var no struct {
			Code        string `json:"code"`
			Description string `json:"error_description"`
		}
		if err := reply.JSON(&no); err != nil {
			return refused(fmt.Errorf("%s answers %d", service.Addr, reply.Status))
		}
		code := no.Code
		if _, ok := hello.ReasonFor(code); !ok {
			code = "service_refused"
		}
		return refused(because(code, nil, "%s does not let the user in: %s", service.Addr, no.Description))
	}
	t.step(event.Device, event.User, local, "service_answered", "The gateway answers: the user is let in.", message{"service": service.Addr})
	return nil
}

// remoteDesktop signs in to the domain with the certificate, as Remote Desktop does
// with a smart card's, and goes to the server with the ticket that it brings. The
// session of the desktop keeps its own ticket.
func (s *signingIn) remoteDesktop(ctx context.Context, to target, key kerberos.Key) error {
	t := s.trace
	provider, _, err := s.kerberosOf(to.domain, kerberosLane(t, nil))
	if err != nil {
		return err
	}
	session, err := provider.SignInKey(ctx, kerberos.NameIn(key.Certificates[0], s.user.onPremName()), key)
	if err != nil {
		t.refused(event.Kerberos, event.Device, protocolKerberos, "domain_sign_in_refused", "The domain takes no sign-in by the certificate.", err)
		return err
	}
	name, err := krb.ParseName(to.service.Out.SPN)
	if err != nil {
		return fmt.Errorf("%s: %w", to.service.Addr, err)
	}
	ticket, err := provider.Ticket(ctx, session, name)
	if err != nil {
		t.refused(event.Kerberos, event.Device, protocolKerberos, "service_ticket_refused", "There is no ticket for the service.", err)
		return err
	}
	return s.callService(ctx, ticket, to.service)
}
