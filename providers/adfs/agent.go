package adfs

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/enroll"
	"hellolab/providers/wire/revocation"
	"hellolab/providers/wire/rsakey"
	"hellolab/providers/wire/sid"
	"hellolab/providers/wire/web"
)

// agentRenewal is how long before its end the agent's certificate is renewed.
const agentRenewal = 60 * 24 * time.Hour

// storedAgent is the enrollment agent certificate of the registration authority
// as the section keeps it.
type storedAgent struct {
	Authority string    `json:"authority,omitempty"` // address of who issued it
	Chain     [][]byte  `json:"chain,omitempty"`     // DER, the certificate first
	PKCS8     []byte    `json:"pkcs8,omitempty"`
	Made      time.Time `json:"made,omitzero"`
	Error     string    `json:"error,omitempty"` // why there is none, or no new one
}

// leaf is the certificate, nil when there is none.
func (a *storedAgent) leaf() *x509.Certificate {
	if len(a.Chain) == 0 {
		return nil
	}
	cert, err := x509.ParseCertificate(a.Chain[0])
	if err != nil {
		return nil
	}
	return cert
}

// describe is what the lab learns of it.
func (a *storedAgent) describe() (thumb, notAfter string) {
	cert := a.leaf()
	if cert == nil {
		return "", ""
	}
	return thumbprint(cert.Raw), cert.NotAfter.UTC().Format(time.RFC3339)
}

// revoked says whether the authority that issued it calls it revoked.
func (a *storedAgent) revoked(ctx context.Context, env providers.Env) bool {
	leaf := a.leaf()
	if leaf == nil || len(a.Chain) < 2 {
		return false
	}
	issuer, err := x509.ParseCertificate(a.Chain[1])
	if err != nil {
		return false
	}
	checker := revocation.New(revocation.NewHTTP(env.Network.Dial), revocation.Options{})
	return checker.Check(ctx, leaf, issuer, env.Now()).Status == revocation.Revoked
}

// current says whether the certificate does at a time.
func (a *storedAgent) current(authority providers.Ref, now time.Time) bool {
	cert := a.leaf()
	return cert != nil && a.Authority == string(authority) && now.Before(cert.NotAfter.Add(-agentRenewal))
}

// registers says whether the service is to be a certificate registration
// authority.
func (s *settings) registers() bool {
	return s.adfs() && s.In.Authority != "" && s.In.RegistrationAuthority
}

// setAgentRight lets the service's account enroll the agent's certificate, or
// takes that from it.
func (s *settings) setAgentRight(c *adldap.Conn) error {
	account, err := sid.Parse(s.SID)
	if err != nil {
		return err
	}
	if !s.registers() {
		return enroll.Withdraw(c, templateAgent, account)
	}
	err = enroll.Grant(c, templateAgent, account)
	if enroll.Missing(err) {
		err = nil // no authority issues it: enrolling says so
	}
	return err
}

// ensureAgent enrolls the agent's certificate where there is none, and anew when
// its end is near; it forgets one that the service is not to have. An error is
// kept, too, and the next call tries again.
func ensureAgent(ctx context.Context, env providers.Env) error {
	s, err := loadSettings(env)
	if err != nil {
		return err
	}
	stored, err := load[storedAgent](env, tableServer, keyAgent)
	if errors.Is(err, providers.ErrGone) {
		stored, err = nil, nil
	}
	switch {
	case err != nil || stored == nil && !s.registers():
		return err
	case !s.registers():
		return env.Section.Record(ctx, func(w providers.Writer) error { return w.Delete(tableServer, keyAgent) })
	case stored == nil:
		stored = &storedAgent{}
	case stored.current(s.In.Authority, env.Now()) && stored.Error == "":
		return nil
	}
	next, failed := *stored, error(nil)
	if !stored.current(s.In.Authority, env.Now()) {
		var fresh *storedAgent
		if fresh, failed = s.enrollAgent(ctx, env); failed == nil {
			next = *fresh
		} else {
			next.Error = failed.Error()
		}
	} else {
		next.Error = ""
	}
	if failed != nil && next.Error == stored.Error {
		return failed
	}
	err = env.Section.Record(ctx, func(w providers.Writer) error { return put(w, tableServer, keyAgent, next) })
	if err == nil {
		s.tellAgent(ctx, env, &next, failed)
	}
	return errors.Join(failed, err)
}

// enrollAgent enrolls the agent's certificate with the authority, as the
// service's account.
func (s *settings) enrollAgent(ctx context.Context, env providers.Env) (*storedAgent, error) {
	env.Rand = randomness(env)
	key, err := rsakey.New(env.Rand, signingBits)
	if err != nil {
		return nil, err
	}
	csr, err := x509.CreateCertificateRequest(env.Rand, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, err
	}
	chain, err := s.enterprise(env).Enroll(ctx, templateAgent, csr)
	if err != nil {
		return nil, fmt.Errorf("enrollment agent certificate: %w", err)
	}
	a := &storedAgent{Authority: string(s.In.Authority), Made: env.Now()}
	for _, cert := range chain {
		a.Chain = append(a.Chain, cert.Raw)
	}
	a.PKCS8, err = x509.MarshalPKCS8PrivateKey(key)
	return a, err
}

// tellAgent tells of a new certificate of the agent, or why there is none.
func (s *settings) tellAgent(ctx context.Context, env providers.Env, a *storedAgent, failed error) {
	e := event.Event{At: env.Now(), Correlation: web.Correlation(ctx), Actor: event.CRA, Peer: event.Authority, Protocol: "HTTPS", Step: "agent_certificate_enrolled",
		Text: "AD FS enrolls the enrollment agent certificate of its registration authority."}
	thumb, notAfter := a.describe()
	e.Message = map[string]any{"authority": string(s.In.Authority), "template": templateAgent, "thumbprint": thumb, "not_after": notAfter}
	if failed != nil {
		e.Step, e.Text, e.Outcome = "agent_certificate_refused", "AD FS gets no enrollment agent certificate.", event.Failed
		e.Reason = &event.Reason{Code: "agent_certificate", Sentence: failed.Error(), Hint: "Enable the template " + templateAgent + " at the authority, and see that it answers."}
	}
	env.Emit.Emit(e)
}

// due ends what is over, and renews what ends: token-signing keys after their
// overlap, the enrollment agent certificate 60 days ahead.
func due(ctx context.Context, env providers.Env, _ object) error {
	return errors.Join(dropKeys(ctx, env), ensureAgent(ctx, env))
}
