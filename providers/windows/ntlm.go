package windows

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"

	"hellolab/providers/event"
	"hellolab/providers/windows/kerberos"
	"hellolab/providers/wire/ntlm"
	"hellolab/providers/wire/ntlm/passthrough"
	"hellolab/providers/wire/web"
)

// ntlmRefusals are the reasons of what a domain tells a service that asks it
// about an NTLM answer (MS-ERREF); what is not among them is service_refused.
var ntlmRefusals = map[passthrough.Status]string{
	passthrough.StatusPasswordExpired:    "password_expired_on_prem",
	passthrough.StatusAccountDisabled:    "account_disabled_in_domain",
	passthrough.StatusAccountExpired:     "account_expired_in_domain",
	passthrough.StatusPasswordMustChange: "password_must_change",
}

// callNTLM is a program on the device that opens the page of a member server
// that takes NTLM only (MS-NTHT). It answers with the NT hash that the sign-in
// to the domain brought: a password's own, or, of a sign-in by key, the one in
// the ticket's credential information (MS-PAC 2.6). A session without one has
// nothing to answer with (reading R18, ours).
func (s *signingIn) callNTLM(ctx context.Context, session *kerberos.Session, to target) error {
	t, service := s.trace, to.service
	refused := func(err error) error {
		t.refused(event.Device, event.User, local, "service_refused", "The service does not let the user in.", err)
		return err
	}
	if session.NTHash == nil {
		return refused(refuse("ntlm_without_password", nil))
	}
	d, err := domainAt(s.env, to.domain)
	if err != nil {
		return err
	}
	line := s.lineTo(service)
	defer line.CloseIdleConnections()
	client := &ntlm.Client{User: session.Account, Domain: d.In.NetBIOSName, Workstation: s.rec.Name, NTHash: session.NTHash,
		Target: service.Out.SPN, Now: s.env.Now(), Rand: s.env.Rand}
	t.step(event.Device, event.Service, "HTTP", "service_request", "A program on the device calls the service, which takes NTLM only.",
		message{"url": service.Out.URL, "account": d.In.NetBIOSName + `\` + session.Account, "signed_in_by": session.Method})
	said, err := s.ask(ctx, line, service, ntlm.Header(client.Begin()))
	if err != nil {
		return refused(err)
	}
	challenge, ok, err := ntlm.FromHeader(said.header.Values("WWW-Authenticate"))
	if err != nil || !ok || challenge == nil {
		return refused(because("service_refused", err, "%s does not begin NTLM: %s", service.Addr, said.sentence))
	}
	answer, _, err := client.Answer(challenge)
	if err != nil {
		return refused(because("service_refused", err, "%s does not speak NTLM as the device does.", service.Addr))
	}
	t.step(event.Device, event.Service, "HTTP", "ntlm_answered", "The device answers the service's challenge with the NT hash that the sign-in brought.",
		message{"service": service.Addr})
	if said, err = s.ask(ctx, line, service, ntlm.Header(answer)); err != nil {
		return refused(err)
	}
	if said.status != http.StatusOK {
		code := "service_refused"
		for status, reason := range ntlmRefusals {
			if said.code == status.String() {
				code = reason
			}
		}
		return refused(because(code, nil, "%s does not let the user in: %s", service.Addr, said.sentence))
	}
	t.step(event.Device, event.User, local, "service_answered", "The service answers: the user is signed in to it.", message{"service": service.Addr})
	return nil
}

// serviceReply is what a service said.
type serviceReply struct {
	status         int
	header         http.Header
	code, sentence string // of a refusal
}

// lineTo is a program's line to a service: one connection, which NTLM signs in.
func (s *signingIn) lineTo(service *serviceObject) *http.Transport {
	return &http.Transport{MaxConnsPerHost: 1, DisableCompression: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return s.env.Network.Dial(ctx, service.Out.Host, 80)
	}}
}

// maxAnswer bounds what is read of a service's answer.
const maxAnswer = 64 << 10

// ask sends one request and returns what the service said.
func (s *signingIn) ask(ctx context.Context, line *http.Transport, service *serviceObject, authorization string) (said serviceReply, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, service.Out.URL, nil)
	if err != nil {
		return said, err
	}
	req.Header.Set("Authorization", authorization)
	req.Header.Set(web.HeaderCorrelation, web.Correlation(ctx))
	reply, err := (&http.Client{Timeout: serviceTimeout, Transport: line}).Do(req)
	if err != nil {
		return said, err
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(io.LimitReader(reply.Body, maxAnswer))
	var answer struct {
		Code        string `json:"code"`
		Description string `json:"error_description"`
	}
	_ = json.Unmarshal(body, &answer) // the status says what counts
	return serviceReply{reply.StatusCode, reply.Header, answer.Code, answer.Description}, err
}
