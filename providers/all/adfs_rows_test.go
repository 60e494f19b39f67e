package all_test

import (
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	wire "hellolab/providers/wire/adfs"
)

// doors writes down the hosts that somebody listens on.
type doors struct {
	mu    sync.Mutex
	hosts map[string][]int
}

type watched struct {
	providers.Network
	doors *doors
}

func (w watched) Listen(host string, port int) (net.Listener, error) {
	w.doors.mu.Lock()
	w.doors.hosts[host] = append(w.doors.hosts[host], port)
	w.doors.mu.Unlock()
	return w.Network.Listen(host, port)
}

// watchDoors closes every service, and watches what opens from now on.
func (l *lab) watchDoors() *doors {
	d := &doors{hosts: map[string][]int{}}
	l.Restart()
	l.Through(func(env providers.Env) providers.Network { return watched{env.Network, d} })
	return d
}

func (d *doors) opened(suffix string) (found []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for h := range d.hosts {
		if strings.HasSuffix(h, suffix) {
			found = append(found, h)
		}
	}
	return found
}

// acted says whether one of these actors did or heard anything.
func (l *lab) acted(actors ...event.Actor) []event.Event {
	var all []event.Event
	for _, e := range l.Events() {
		if slices.Contains(actors, e.Actor) || slices.Contains(actors, e.Peer) {
			all = append(all, e)
		}
	}
	return all
}

// cloud are the lanes of a tenant, premises those of AD FS.
var (
	cloud    = []event.Actor{event.EntraID, event.DRS, event.MFA, event.ThirdPartyMFA, event.Graph, event.EntraKerberos, event.Connect}
	premises = []event.Actor{event.STS, event.EnterpriseDRS, event.MFAAdapter, event.CRA, event.IdentityProvider}
)

// An on-premises lab has AD FS in place of the tenant: it signs the user in, with
// its adapter's second factor, issues the token for its own registration service,
// and nothing of the cloud is there to answer.
func TestOnPremisesIsADFS(t *testing.T) {
	for _, tt := range []struct{ trust, flow string }{{spec.TrustKey, "P6"}, {spec.TrustCertificate, "P7"}} {
		t.Run(tt.flow, func(t *testing.T) {
			l := newOnPremLab(t, tt.trust, func(f *federatedLab) { f.Federation.MFA = spec.AdapterThirdParty })
			d := l.watchDoors()
			l.Create(desk, onPremDesk())
			l.Create("enrollment.alice_desk", enrollment(alice, desk))
			l.expect(windows.Request{Device: desk, PIN: providers.Secret(pin)}, "success")
			s := l.story(tt.flow)
			host := "sts.corp.contoso.com"
			t.Run("no tenant", func(t *testing.T) {
				seed.Proves(t, "MOD-14", "P6", "P7", "A8")
				if e := l.acted(cloud...); len(e) > 0 {
					t.Errorf("%+v", e[0])
				}
				if found := d.opened(".entra.test"); len(found) > 0 {
					t.Errorf("listens: %v", found)
				}
				if ports := d.hosts[host]; !slices.Equal(ports, []int{443}) {
					t.Errorf("AD FS listens on %v", ports)
				}
			})
			t.Run("registration service", func(t *testing.T) {
				seed.Proves(t, "MOD-15", "DR", "P6", "P7")
				if e := l.story("DR").at(t, "discover"); e.Peer != event.EnterpriseDRS || e.Message["host"] != "enterpriseregistration.corp.contoso.com" {
					t.Errorf("%+v", e)
				}
				s.at(t, "key_written")
			})
			t.Run("second factor", func(t *testing.T) {
				seed.Proves(t, "PA-09", "P6", "P7")
				seed.Proves(t, "PA-10", "P6", "P7")
				seed.Proves(t, "COMP-17", "P6", "P7")
				e := s.at(t, "mfa_verified")
				if e.Actor != event.MFAAdapter || e.Message["adapter"] != spec.AdapterThirdParty || !strings.HasPrefix(e.Text, "Another vendor's adapter") {
					t.Errorf("%+v", e)
				}
			})
			t.Run("token for the registration service", func(t *testing.T) {
				seed.Proves(t, "P6-03", "P6")
				seed.Proves(t, "COMP-18", "P6", "P7")
				s.inOrder(t, "mfa_demanded", "mfa_verified", "code_issued", "access_token_issued")
				if e := s.at(t, "access_token_issued"); e.Actor != event.STS || e.Message["aud"] != wire.ResourceDRS(host) || !slices.Contains(e.Message["amr"].([]string), "ngcmfa") {
					t.Errorf("%+v", e)
				}
			})
		})
	}
}

// A lab without a federation has no door of AD FS, and a managed tenant none of a
// federation service in its traces.
func TestManagedIsNotADFS(t *testing.T) {
	l := newLab(t)
	d := l.watchDoors()
	l.device("laptop")
	l.enroll()
	l.expect(windows.Request{PIN: providers.Secret(pin)}, "success")
	seed.Proves(t, "MOD-14", "P1", "A1")
	if e := l.acted(premises...); len(e) > 0 {
		t.Errorf("%+v", e[0])
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for h := range d.hosts {
		if !strings.HasSuffix(h, ".entra.test") {
			t.Errorf("listens: %s", h)
		}
	}
	if len(d.hosts) == 0 {
		t.Error("nobody listens")
	}
}

// The federation service demands a second factor or waives it, by its rule, and
// says in a signed assertion whether there was one.
func TestFederationDecidesFactor(t *testing.T) {
	for _, tt := range []struct {
		rule, told string
		claimed    bool
	}{{spec.MFAOnRequest, "mfa_demanded", true}, {spec.MFAAlways, "mfa_demanded", true}, {spec.MFANever, "mfa_waived", false}} {
		t.Run(tt.rule, func(t *testing.T) {
			l := newFederatedLab(t, "key", func(f *federatedLab) { f.Federation.MFARule = tt.rule })
			l.Create(laptop, onLaptop())
			l.Advance(11 * time.Minute) // the second factor of the join is not current any more
			since := len(l.Events())
			_, err := l.TryCreate(t.Context(), "enrollment.alice_laptop", enrollment(alice, laptop))
			if (err == nil) != tt.claimed {
				t.Errorf("enrolled: %v", err)
			}
			seed.Proves(t, "P2-02", "P2")
			seed.Proves(t, "COMP-18", "P2")
			s := story{t: t, events: l.Events()[since:]}
			if e := s.at(t, tt.told); e.Actor != event.STS || e.Message["rule"] != tt.rule {
				t.Errorf("%+v", e)
			}
			if e := s.at(t, "assertion_issued"); e.Actor != event.STS || e.Message["multipleauthn"] != tt.claimed {
				t.Errorf("%+v", e)
			}
			if tt.claimed {
				seed.Proves(t, "P2-03", "P2")
				s.inOrder(t, "passive_request", "mfa_verified", "assertion_issued")
			}
		})
	}
}

// Another vendor's adapter serves flow P5, too.
func TestThirdPartyAdapterInP5(t *testing.T) {
	l := newFederatedLab(t, spec.TrustCertificate, func(f *federatedLab) { f.Federation.MFA = spec.AdapterThirdParty })
	l.Create(desk, onDesk())
	l.cycle()
	l.Create(deskEnrolled, enrollment(alice, desk))
	seed.Proves(t, "PA-09", "P5")
	if e := l.story("P5").at(t, "mfa_verified"); e.Actor != event.MFAAdapter || e.Message["adapter"] != spec.AdapterThirdParty {
		t.Errorf("%+v", e)
	}
}

// Keys that sign tokens: of AD FS, made with the service, rolled over when an
// author says so, published with the former one for the overlap, and told to
// nobody.
func TestFederationSigningKey(t *testing.T) {
	l := newOnPremLab(t, spec.TrustKey)
	seed.Proves(t, "KEY-28", "P6")
	in := spec.Federation{Kind: spec.FederationADFS, Domain: corp, Authority: "authority.issuing"}
	get := func() (spec.FederationOut, *wire.Status) {
		t.Helper()
		o, err := providers.Resolve[spec.Federation, spec.FederationOut](l.For(corp), adfs)
		if err != nil {
			t.Fatal(err)
		}
		s, err := wire.Admin{Host: o.Out.Host, Secret: o.Out.AdminSecret}.Status(t.Context(), l.For(corp))
		if err != nil {
			t.Fatal(err)
		}
		return o.Out, s
	}
	first, status := get()
	if len(status.Signing) != 1 || status.Signing[0].Thumbprint != first.SigningThumbprint {
		t.Errorf("%+v, %+v", first, status)
	}
	in.SigningVersion = 2
	l.Update(adfs, in)
	second, status := get()
	if second.SigningThumbprint == first.SigningThumbprint || len(status.Signing) != 2 || status.Signing[1].Thumbprint != first.SigningThumbprint {
		t.Errorf("%+v, %+v", second, status)
	}
	l.Advance(20*24*time.Hour + time.Minute)
	if err := errors.Join(l.Due(t.Context(), adfs), l.Due(t.Context(), corp)); err != nil {
		t.Fatal(err)
	}
	l.Restart()
	if _, status = get(); len(status.Signing) != 1 {
		t.Errorf("after the overlap: %+v", status)
	}
}
