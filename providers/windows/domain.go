package windows

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/windows/container"
	"hellolab/providers/windows/kerberos"
	"hellolab/providers/windows/position"
	"hellolab/providers/wire/krb"
)

type domainObject = providers.Object[spec.Domain, spec.DomainOut]

// domainAt resolves a domain that exists.
func domainAt(env providers.Env, ref providers.Ref) (domainObject, error) {
	o, err := providers.Resolve[spec.Domain, spec.DomainOut](env, ref)
	if err != nil {
		return o, fmt.Errorf("%s: %w", ref, err)
	}
	if o.ID == "" || len(o.Out.Hosts) == 0 {
		return o, fmt.Errorf("%s: %w", ref, errNotCreated)
	}
	return o, nil
}

// protocolKerberos is the protocol of a step on the wire to a KDC.
const protocolKerberos = "Kerberos"

// kerberosLane turns what the Kerberos provider tells into steps of a flow.
// letters are the flow's phases by the provider's steps; a step without a letter
// stays in the phase at hand.
func kerberosLane(t *trace, letters map[string]string) func(string, string, map[string]any) {
	return func(step, text string, m map[string]any) {
		if letter := letters[step]; letter != "" {
			t.in(letter)
		}
		actor, peer, protocol := event.Kerberos, event.KDC, protocolKerberos
		switch step {
		case "dc_located":
			actor, peer = event.DCLocator, event.ActiveDirectory
			protocol = "DNS and LDAP"
		case "tgt_cached", "logon_pac", "tgt_renewed", "tgt_not_renewed":
			actor, peer, protocol = event.LSASS, "", local
		case "kdc_certificate_accepted", "kdc_certificate_refused":
			peer, protocol = "", local
		}
		id, _ := m["exchange"].(string)
		t.exchange(actor, peer, protocol, step, text+".", m, id)
		if step == "as_request" && letters["as_sent"] != "" {
			t.in(letters["as_sent"])
			own, said := m["issuer"] == m["subject"], "The provider sends the signed data and the user's certificate to the KDC in an AS-REQ."
			if own {
				said = "The provider sends the signed data and the public key, in a self-signed certificate, to the KDC in an AS-REQ."
			}
			t.exchange(event.Kerberos, event.KDC, protocolKerberos, "as_sent", said, message{"issuer_is_subject": own, "issuer": m["issuer"]}, id)
		}
	}
}

// kerberosOf is the machine's Kerberos provider for a domain, telling lane what
// it does.
func (m *machine) kerberosOf(ref providers.Ref, lane func(string, string, map[string]any)) (*kerberos.Provider, domainObject, error) {
	d, err := domainAt(m.env, ref)
	if err != nil {
		return nil, d, err
	}
	v := kerberos.Validation{Strict: m.strictKDC(), AllowUnknown: m.in.RevocationUnknown == "allow"}
	if v.Roots, v.Intermediates, err = m.trusts(ref); err != nil {
		return nil, d, err
	}
	return kerberos.New(kerberos.Config{
		Network: m.env.Network, Validation: v, Now: m.env.Now, Rand: m.env.Rand, Emit: lane,
		Domain: kerberos.Domain{Name: strings.ToLower(d.In.DNSName), Realm: d.Out.Realm, Servers: d.Out.Hosts, Site: m.in.Site},
	}), d, nil
}

// strictKDC says whether KDC certificates are held to strict validation: always
// on a device that is joined to no domain (reading R2).
func (m *machine) strictKDC() bool {
	if m.in.StrictKDC != nil {
		return *m.in.StrictKDC
	}
	return m.in.Domain == ""
}

// trusts are the authorities that the machine trusts: those that it is told of,
// and, in a domain, those of the domain, which group policy brings.
func (m *machine) trusts(domain providers.Ref) (roots, between []*x509.Certificate, err error) {
	all, err := providers.ResolveAll[spec.Authority, spec.AuthorityOut](m.env, "authority")
	if err != nil {
		return nil, nil, err
	}
	byAddr := map[string]providers.Object[spec.Authority, spec.AuthorityOut]{}
	for _, a := range all {
		byAddr[a.Addr] = a
	}
	root := map[string]bool{}
	for _, ref := range m.in.TrustedRoots {
		at := byAddr[string(ref)]
		for at.In.Parent != "" {
			at = byAddr[string(at.In.Parent)]
		}
		root[at.Addr] = true
	}
	for _, a := range all {
		member := m.in.Domain != "" && a.In.Domain == m.in.Domain
		if a.Out.Certificate == "" || a.In.Domain != domain && !root[a.Addr] {
			continue
		}
		block, _ := pem.Decode([]byte(a.Out.Certificate))
		if block == nil {
			return nil, nil, fmt.Errorf("%s: its certificate is not PEM", a.Addr)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", a.Addr, err)
		}
		switch {
		case a.In.Parent == "" && (member || root[a.Addr]):
			roots = append(roots, cert)
		case member:
			between = append(between, cert)
		}
	}
	return roots, between, nil
}

// domainOf is the DNS name of the domain that a user has an account in; "" where
// there is none.
func (m *machine) domainOf(user person) (string, error) {
	if user.domain == "" {
		return "", nil
	}
	d, err := domainAt(m.env, user.domain)
	return strings.ToLower(d.In.DNSName), err
}

// place is where the machine is on the network.
func place(in spec.Device, tunnel bool) position.Position {
	return position.Position{Place: in.Network, Tunnel: tunnel && in.Network == position.VPN}
}

// onPremName is a user's name in the domain, as the Kerberos provider sends it:
// the user principal name there.
func (p person) onPremName() krb.Name { return kerberos.Client(p.upnOnPrem) }

// domainReason is the reason of a refusal of the Kerberos provider.
func domainReason(e *kerberos.Error) hello.Reason {
	r, known := hello.ReasonOfKerberos(int32(e.Code))
	var far *position.NoLineOfSight
	switch {
	case errors.As(e, &far), e.OutOfSight():
		r, _ = hello.ReasonFor("no_line_of_sight")
		return r
	case e.Phase == kerberos.PhaseLocate:
		r, _ = hello.ReasonFor("dc_not_found")
		return r
	case e.Phase == kerberos.PhaseCertificate:
		r = hello.KDCCertificateReason(string(e.Check), e.Status.Name == "STATUS_KDC_CERT_REVOKED")
		return r
	case e.Phase == kerberos.PhasePassword && e.Code == 0:
		r, _ = hello.ReasonFor("password_refused")
		if e.Hint != "" {
			r.Sentence = e.Hint // the domain's own words
		}
		return r
	}
	if e.Phase == kerberos.PhaseExchange {
		r, known = hello.ReasonOfPartialTicket(int32(e.Code))
	}
	if e.ByCertificate {
		if r, known = hello.ReasonOfCertificate(int32(e.Code)); strings.HasPrefix(r.Code, "certificate_") && e.Sentence != "" {
			r.Sentence = e.Sentence // the KDC knows more of the certificate
		}
	}
	r.Status, r.Name = e.Status.String(), e.Status.Name
	if e.Code == krb.ErrTGTRevoked && e.Sentence != "" {
		r.Sentence = e.Sentence // the KDC says which of its lists
	}
	if !known && e.Sentence != "" {
		r.Sentence = e.Sentence
	}
	return r
}

// kerberosSession reads what LSASS keeps of a user's logon towards a domain.
func (m *machine) kerberosSession(user person) (*kerberos.Session, error) {
	s, ok, err := view[*kerberos.Session](m.env.Section, tableKerberos, user.sid)
	if err != nil || !ok {
		return nil, err
	}
	return s, nil
}

// keepKerberos keeps it.
func (m *machine) keepKerberos(ctx context.Context, user person, s *kerberos.Session) error {
	return m.env.Section.Record(ctx, func(w providers.Writer) error { return put(w, tableKerberos, user.sid, s) })
}

// hintIn is the domain that a key's metadata name: where they are of a version
// that noted none, the user's, as that version had it.
func (m *machine) hintIn(key container.UserKey, user person) (string, error) {
	if key.Domain != "" || key.Hinted {
		return key.Domain, nil
	}
	return m.domainOf(user)
}
