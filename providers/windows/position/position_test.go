package position_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/windows/position"
)

// lab is what a lab declares, and a network on which every dial succeeds.
type lab struct {
	providers.Network
	records []providers.Record
	dialed  *[]string
}

func (l lab) Lookup(string) (providers.Record, error) {
	return providers.Record{}, providers.ErrUnknownObject
}

func (l lab) List(kind string) (out []providers.Record, err error) {
	for _, r := range l.records {
		if r.Kind == kind {
			out = append(out, r)
		}
	}
	return out, nil
}

func (l lab) Dial(_ context.Context, host string, _ int) (net.Conn, error) {
	*l.dialed = append(*l.dialed, host)
	return nil, nil
}

func (l lab) DialPacket(ctx context.Context, host string, port int) (net.Conn, error) {
	return l.Dial(ctx, host, port)
}

func record(t *testing.T, kind string, in, out any) providers.Record {
	t.Helper()
	r := providers.Record{Addr: kind + ".x", Kind: kind}
	var err error
	if r.In, err = providers.Encode(in, providers.OmitZero); err != nil {
		t.Fatal(err)
	}
	if r.Out, err = providers.Encode(out, providers.OmitZero); err != nil {
		t.Fatal(err)
	}
	return r
}

func newLab(t *testing.T) *lab {
	authority := func(name string, from ...string) providers.Record {
		a := spec.Authority{Domain: "domain.corp", CommonName: name}
		if from != nil {
			a.CRL = &spec.AuthorityCRL{ReachableFrom: from}
		}
		return record(t, "authority", a, spec.AuthorityOut{Host: name + ".contoso.com"})
	}
	return &lab{dialed: new([]string), records: []providers.Record{
		record(t, "domain", spec.Domain{DNSName: "contoso.com", NetBIOSName: "CORP"}, spec.DomainOut{Hosts: []string{"dc1.contoso.com"}}),
		record(t, "tenant", spec.Tenant{Domains: []string{"contoso.com"}}, spec.TenantOut{LoginHost: "login.contoso.com", RegistrationHost: "drs.contoso.com", GraphHost: "graph.contoso.com"}),
		record(t, "application", spec.Application{Tenant: "tenant.x"}, spec.ApplicationOut{Host: "app.contoso.com"}),
		record(t, "federation", spec.Federation{Domain: "domain.corp"}, spec.FederationOut{Host: "sts.contoso.com", RegistrationHost: "enterpriseregistration.contoso.com"}),
		record(t, "service", spec.Service{Domain: "domain.corp", Kind: spec.ServiceVPN}, spec.ServiceOut{Host: "gate.contoso.com"}),
		authority("any"), authority("lan", "onsite"), authority("web", "internet"), authority("dcs", "dc"),
	}}
}

func TestSees(t *testing.T) {
	l := newLab(t)
	places := []position.Position{{Place: "onsite"}, {Place: "vpn", Tunnel: true}, {Place: "vpn"}, {Place: "internet"}, {Place: "none"}, {Place: "internet", Tunnel: true}, {}}
	for _, tt := range []struct {
		host string
		port int
		want string // y or n for each place
	}{
		{"dc1.contoso.com", 88, "yynnnny"},
		{"DC1.Contoso.Com.", 389, "yynnnny"},
		{"contoso.com", 389, "yynnnny"},
		{"intranet.contoso.com", 80, "yynnnny"}, // a service
		{"connect.contoso.com", 443, "yynnnny"},
		{"gate.contoso.com", 443, "yyyynyy"},
		{"login.contoso.com", 443, "yyyynyy"},
		{"drs.contoso.com", 443, "yyyynyy"},
		{"graph.contoso.com", 443, "yyyynyy"},
		{"app.contoso.com", 443, "yyyynyy"},
		{"sts.contoso.com", 443, "yyyynyy"},
		{"enterpriseregistration.contoso.com", 443, "yyyynyy"},
		{"other.fabrikam.com", 443, "yyyynyy"},
		{"notcontoso.com", 443, "yyyynyy"},
		{"any.contoso.com", 80, "yyyynyy"},
		{"any.contoso.com", 443, "yynnnny"}, // enrollment
		{"lan.contoso.com", 80, "yynnnny"},
		{"web.contoso.com", 80, "nyyynyn"},
		{"dcs.contoso.com", 80, "nnnnnnn"},
	} {
		for i, p := range places {
			n := position.Of(providers.Env{Network: l, Objects: l}, p)
			*l.dialed = nil
			_, err := n.Dial(t.Context(), tt.host, tt.port)
			_, packetErr := n.DialPacket(t.Context(), tt.host, tt.port)
			var sight *position.NoLineOfSight
			if want := tt.want[i] == 'y'; want != (err == nil) || want != (packetErr == nil) || (err != nil) != errors.As(err, &sight) {
				t.Errorf("%s:%d from %s: %v, %v", tt.host, tt.port, p, err, packetErr)
			} else if !want && (sight.Host != tt.host || len(*l.dialed) > 0) {
				t.Errorf("%s from %s: error of %q, dialed %q", tt.host, p, sight.Host, *l.dialed)
			}
		}
	}
}

func TestValue(t *testing.T) {
	env := providers.Env{Network: newLab(t), Objects: newLab(t)}
	a, b := position.Of(env, position.Position{Place: "vpn"}), position.Of(env, position.Position{Place: "vpn"})
	if a != b || a == position.Of(env, position.Position{Place: "vpn", Tunnel: true}) {
		t.Error("networks of one position are equal, of two they differ")
	}
}
