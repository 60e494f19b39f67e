package all_test

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/adcs/ca"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/spec"
	"hellolab/providers/windows/kerberos"
	"hellolab/providers/windows/position"
	"hellolab/providers/wire/crl"
	"hellolab/providers/wire/kdccert"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/locate"
	"hellolab/providers/wire/pkinit"
)

func kdcTemplate(name string) spec.Domain {
	return spec.Domain{Controllers: map[string]*spec.Controller{"dc1": {KDCCertificate: &spec.KDCCertificate{Template: name}}}}
}

func lax(c *kerberos.Config) { c.Validation.Strict = false }

// Fault 68, the client's side: each of the five checks of the KDC's certificate,
// against controllers of which that one check does not hold.
func TestKerberosFiveChecks(t *testing.T) {
	seed.Proves(t, "A3-09")
	seed.Proves(t, "A3-10")
	seed.Proves(t, "A3-11")
	seed.Proves(t, "A3-12")
	seed.Proves(t, "A3-13")
	good := newCorpLab(t, spec.Domain{}, spec.Authority{})
	h := newHello(t)
	good.register(h)
	refused := func(t *testing.T, m *pc, check kdccert.Check, status string, code krb.Code) {
		t.Helper()
		s, err := m.signInKey(h)
		e := refuses(t, string(check), err, kerberos.PhaseCertificate, status, code)
		if e.Check != check || s != nil || m.notes["kdc_certificate_refused"]["check"] != string(check) {
			t.Errorf("check %q, session %v, told %v", e.Check, s, m.notes)
		}
	}
	accepted := func(t *testing.T, what string, m *pc) {
		t.Helper()
		if _, err := m.signInKey(h); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}

	t.Run("root", func(t *testing.T) {
		// A device that is joined to Entra only trusts no root of the domain by itself.
		refused(t, good.pc("onsite", func(c *kerberos.Config) { c.Validation.Roots = nil }), kdccert.Root, "STATUS_ISSUING_CA_UNTRUSTED_KDC", krb.ErrKDCNotTrusted)
		accepted(t, "the root is trusted", good.pc("onsite"))
	})
	t.Run("life", func(t *testing.T) {
		for what, ahead := range map[string]time.Duration{"expired": 3 * 365 * 24 * time.Hour, "not yet valid": -30 * 24 * time.Hour} {
			m := good.pc("onsite")
			m.ahead = ahead
			t.Log(what)
			refused(t, m, kdccert.Life, "STATUS_KDC_CERT_EXPIRED", krb.ErrKDCNotTrusted)
		}
	})
	for _, template := range []string{spec.TemplateDomainController, spec.TemplateDomainControllerAuthentication} {
		t.Run("purpose, "+template, func(t *testing.T) {
			l := newCorpLab(t, kdcTemplate(template), spec.Authority{})
			l.register(h)
			refused(t, l.pc("onsite"), kdccert.Purpose, "STATUS_PKINIT_FAILURE", krb.ErrKDCNotTrusted)
			accepted(t, "not strict", l.pc("onsite", lax)) // reading R2
		})
	}
	t.Run("domain", func(t *testing.T) {
		l := newCorpLab(t, spec.Domain{}, spec.Authority{})
		l.register(h)
		l.Create("domain.other", spec.Domain{DNSName: "fabrikam.com", NetBIOSName: "FABRIKAM"})
		l.Create("authority.other", spec.Authority{Domain: "domain.other", CommonName: "Other CA", NTAuth: true})
		for _, addr := range []string{"authority.other", "domain.other"} {
			if err := l.Due(t.Context(), addr); err != nil {
				t.Fatal(err)
			}
		}
		// The controller answers with what a controller of the other domain enrolled.
		l.swapCertificate("domain.other", "domain.corp")
		both := func(c *kerberos.Config) { c.Validation.Roots = append(c.Validation.Roots, l.rootOf("authority.other")) }
		refused(t, l.pc("onsite", both), kdccert.Domain, "STATUS_PKINIT_NAME_MISMATCH", krb.ErrKDCNameMismatch)
		accepted(t, "not strict", l.pc("onsite", both, lax)) // reading R2
	})
	t.Run("revocation out of reach", func(t *testing.T) {
		l := newCorpLab(t, spec.Domain{}, spec.Authority{OCSP: true, CRL: &spec.AuthorityCRL{Validity: 7 * 24 * time.Hour, Overlap: 12 * time.Hour, ReachableFrom: []string{"internet"}}})
		l.register(h)
		m := l.pc("onsite")
		refused(t, m, kdccert.Revocation, "STATUS_REVOCATION_OFFLINE_KDC", krb.ErrKDCNotTrusted)
		allow := l.pc("onsite", func(c *kerberos.Config) { c.Validation.AllowUnknown = true })
		accepted(t, "unknown is allowed", allow)
		if told, _ := allow.notes["kdc_certificate_accepted"]["revocation"].(string); !strings.HasPrefix(told, "unknown: ") {
			t.Errorf("the trace says %q", told)
		}
		away := l.pc("vpn", func(c *kerberos.Config) {
			c.Network = position.Of(l.For("domain.corp"), position.Position{Place: "vpn", Tunnel: true})
		})
		accepted(t, "by the internet, beside the tunnel", away)
	})
	t.Run("revoked", func(t *testing.T) {
		l := newCorpLab(t, spec.Domain{}, spec.Authority{CRL: &spec.AuthorityCRL{Validity: 7 * 24 * time.Hour, Overlap: 12 * time.Hour}})
		l.register(h)
		m := l.pc("onsite")
		accepted(t, "before", m)
		authority, err := ca.Open(ca.Env{Section: l.For("authority.issuing").Section, Now: l.Now, Rand: rand.Reader}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := authority.Revoke(t.Context(), l.kdcCertificate("domain.corp").SerialNumber, crl.KeyCompromise, time.Time{}); err != nil {
			t.Fatal(err)
		}
		accepted(t, "before the list says so", l.pc("onsite"))
		l.Advance(8 * 24 * time.Hour)
		l.due()
		refused(t, m, kdccert.Revocation, "STATUS_KDC_CERT_REVOKED", krb.ErrKDCNotTrusted)
	})
}

// stored is what the domain at addr keeps of its controller's certificate.
func (l *domainLab) stored(addr string) (raw []byte) {
	l.t.Helper()
	err := l.For(addr).Section.View(func(r providers.Reader) (err error) {
		raw, _, err = r.Get("certificates", "dc1")
		return err
	})
	if err != nil || raw == nil {
		l.t.Fatalf("%s: no certificate, %v", addr, err)
	}
	return raw
}

func (l *domainLab) kdcCertificate(addr string) *x509.Certificate {
	l.t.Helper()
	var rec struct{ Chain [][]byte }
	if err := json.Unmarshal(l.stored(addr), &rec); err != nil {
		l.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(rec.Chain[0])
	if err != nil {
		l.t.Fatal(err)
	}
	return cert
}

func (l *domainLab) swapCertificate(from, to string) {
	l.t.Helper()
	raw := l.stored(from)
	if err := l.For(to).Section.Update(l.t.Context(), func(w providers.Writer) error { return w.Put("certificates", "dc1", raw) }); err != nil {
		l.t.Fatal(err)
	}
}

// A controller that has no certificate, and those that cannot be found.
func TestKerberosNoController(t *testing.T) {
	l, h := newCorpLab(t, kdcTemplate(spec.TemplateNone), spec.Authority{}), newHello(t)
	_, err := l.pc("onsite").signInKey(h)
	refuses(t, "fault 67: no certificate", err, kerberos.PhaseAS, "STATUS_NOT_SUPPORTED", krb.ErrPADataTypeNoSupport)

	for _, place := range []string{"vpn", "internet", "none"} {
		_, err := l.pc(place).signInKey(h)
		refuses(t, place, err, kerberos.PhaseLocate, "STATUS_NO_LOGON_SERVERS", 0)
		var sight *position.NoLineOfSight
		if !errors.As(err, &sight) || sight.Host != dc {
			t.Errorf("%s: %v", place, err)
		}
	}
	for what, tt := range map[string]struct {
		change func(*kerberos.Config)
		want   error
	}{
		"no name server":     {func(c *kerberos.Config) { c.Domain.Servers = nil }, locate.ErrDNS},
		"no such domain":     {func(c *kerberos.Config) { c.Domain.Name = "nowhere.corp.contoso.com" }, locate.ErrNoRecords},
		"another's domain":   {func(c *kerberos.Config) { c.Domain.Name = "nowhere.contoso.com" }, locate.ErrDNS},
		"no pings":           {func(c *kerberos.Config) { c.Network = cut{c.Network, 389}; c.Patience = time.Millisecond }, locate.ErrNoAnswer},
		"the KDC is cut off": {func(c *kerberos.Config) { c.Network = cut{c.Network, 88} }, errCut},
		"the KDC hangs up":   {func(c *kerberos.Config) { c.Network = mute{c.Network} }, io.EOF},
	} {
		_, err := l.pc("onsite", tt.change).signInKey(h)
		refuses(t, what, err, kerberos.PhaseLocate, "STATUS_NO_LOGON_SERVERS", 0)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", what, err, tt.want)
		}
	}
	m := l.pc("onsite", func(c *kerberos.Config) {
		c.Domain.Servers = append([]string{"dc9.corp.contoso.com"}, c.Domain.Servers...)
	})
	if host, err := m.Controller(t.Context()); err != nil || host != dc {
		t.Errorf("by the second name server: %q, %v", host, err)
	}
}

// cut is a network on which a port is not reached.
type cut struct {
	kerberos.Network
	port int
}

var errCut = errors.New("the line is cut")

func (c cut) Dial(ctx context.Context, host string, port int) (net.Conn, error) {
	if port == c.port {
		return nil, errCut
	}
	return c.Network.Dial(ctx, host, port)
}

func (c cut) DialPacket(ctx context.Context, host string, port int) (net.Conn, error) {
	if port == c.port {
		return nil, errCut
	}
	return c.Network.DialPacket(ctx, host, port)
}

// mute is a network on which the KDC hears a request, and hangs up.
type mute struct{ kerberos.Network }

func (m mute) Dial(ctx context.Context, host string, port int) (net.Conn, error) {
	if port != 88 {
		return m.Network.Dial(ctx, host, port)
	}
	client, server := net.Pipe()
	go func() {
		_, _ = krb.ReadFrame(server)
		server.Close()
	}()
	return client, nil
}

// picky is a network on which the KDC takes no group but one.
type picky struct {
	kerberos.Network
	t        *testing.T
	takes    *pkinit.Group
	refusals *int
}

func (p picky) Dial(ctx context.Context, host string, port int) (net.Conn, error) {
	conn, err := p.Network.Dial(ctx, host, port)
	if err != nil || port != 88 {
		return conn, err
	}
	client, server := net.Pipe()
	go func() {
		defer server.Close()
		defer conn.Close()
		message, err := krb.ReadFrame(server)
		if err != nil {
			return
		}
		answer := p.answer(message)
		if answer == nil {
			if krb.WriteFrame(conn, message) != nil {
				return
			}
			if answer, err = krb.ReadFrame(conn); err != nil {
				return
			}
		}
		_ = krb.WriteFrame(server, answer)
	}()
	return client, nil
}

// answer refuses a request with another group; nil passes it on.
func (p picky) answer(message []byte) []byte {
	req, err := krb.ParseKDCReq(message)
	if err != nil {
		return nil
	}
	value, ok := krb.FindPA(req.PAData, krb.PAPKASReq)
	if !ok {
		return nil
	}
	r, err := pkinit.ParseRequest(value)
	if err != nil {
		p.t.Error(err)
		return nil
	}
	if r.AuthPack.PublicValue != nil && r.AuthPack.PublicValue.Group == p.takes {
		return nil
	}
	*p.refusals++
	parameters, err := pkinit.EncodeDHParameters([]*pkinit.Group{p.takes})
	if err != nil {
		p.t.Error(err)
	}
	data, err := krb.EncodeTypedData([]krb.TypedData{{Type: krb.TDDHParameters, Value: parameters}})
	if err != nil {
		p.t.Error(err)
	}
	b, err := krb.NewError(krb.ErrDHParametersNotAccepted, "").WithData(data).Encode(req.Body.Realm, req.Body.Server, time.Now())
	if err != nil {
		p.t.Error(err)
	}
	return b
}

// Fault 63, the client's side: a KDC names the groups that it takes.
func TestKerberosRenegotiates(t *testing.T) {
	l, h := newCorpLab(t, spec.Domain{}, spec.Authority{}), newHello(t)
	l.register(h)
	for _, g := range []*pkinit.Group{pkinit.P256, pkinit.MODP4096} {
		n := 0
		m := l.pc("onsite", func(c *kerberos.Config) { c.Network = picky{c.Network, t, g, &n} })
		if _, err := m.signInKey(h); err != nil || n != 1 || m.notes["as_request"]["agreement"] != g.Name {
			t.Errorf("%s: %v after %d refusals, by %v", g.Name, err, n, m.notes["as_request"])
		}
	}
	n := 0
	_, err := l.pc("onsite", func(c *kerberos.Config) { c.Network = picky{c.Network, t, pkinit.MODP1024, &n} }).signInKey(h)
	refuses(t, "a small group", err, kerberos.PhaseAS, "STATUS_PKINIT_FAILURE", krb.ErrDHParametersNotAccepted)
}
