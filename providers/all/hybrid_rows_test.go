package all_test

import (
	"bytes"
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/conformance"
	"hellolab/providers/conformance/leak"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/windows/eventlog"
	"hellolab/providers/wire/graph"
)

// newDesk is newHybridLab with alice's hybrid joined desk, where she has
// enrolled; Connect has not carried her key yet.
func newDesk(t testing.TB, change ...func(*spec.Device)) *lab {
	t.Helper()
	l := newHybridLab(t)
	l.setUpDesk(change...)
	return l
}

func (l *lab) setUpDesk(change ...func(*spec.Device)) {
	l.t.Helper()
	l.Create(desk, deskIn("onsite", change...))
	on := true
	l.Create("policy.hello", spec.Policy{Source: "gpo", Trust: "trust.key", UsePassportForWork: &on})
	l.Create("enrollment.alice_desk", enrollment(alice, desk))
}

func deskIn(network string, change ...func(*spec.Device)) spec.Device {
	d := spec.Device{Join: "hybrid", Tenant: "tenant.contoso", Domain: corp, Network: network}
	for _, c := range change {
		c(&d)
	}
	return d
}

// carry moves the desk.
func (l *lab) carry(network string) {
	l.t.Helper()
	l.Update(desk, deskIn(network))
}

// deskPIN and deskPassword are sign-ins at the desk, by Hello and by password.
func deskPIN(to ...string) windows.Request {
	return windows.Request{Device: desk, PIN: providers.Secret(pin), To: to}
}

func deskPassword(to ...string) windows.Request {
	return windows.Request{Device: desk, Password: providers.Secret(first), To: to}
}

func (l *lab) lockDesk() {
	l.t.Helper()
	if err := l.windows.Lock(l.t.Context(), l.For(desk), alice, desk); err != nil {
		l.t.Fatal(err)
	}
}

// restartDesk ends what the desk's sessions hold, the enrollment's too.
func (l *lab) restartDesk() {
	l.t.Helper()
	if err := l.windows.Restart(l.t.Context(), l.For(desk), desk); err != nil {
		l.t.Fatal(err)
	}
}

// noLogonServers demands Windows' status of a sign-in that needs a controller.
func noLogonServers(t testing.TB, v windows.Verdict) {
	t.Helper()
	if v.Reason == nil || v.Reason.Code != "0xC000005E" || v.Reason.Name != "STATUS_NO_LOGON_SERVERS" {
		t.Errorf("reason %+v, want 0xC000005E", v.Reason)
	}
}

// TestFirstSignInAway: the first Hello sign-in needs a controller in sight, on
// site, or by the tunnel that a password sign-in raised.
func TestFirstSignInAway(t *testing.T) {
	for _, place := range []string{"vpn", "internet", "none"} {
		t.Run(place, func(t *testing.T) {
			seed.Proves(t, "HY-02", "A6")
			seed.Proves(t, "HY-08", "A6")
			l := newDesk(t)
			l.cycle()
			l.restartDesk()
			l.carry(place)
			noLogonServers(t, l.expect(deskPIN(), "cached_logon_missing"))
			if s := l.story("A6"); s.has("logon_session") || s.has("prt_request") || s.has("vpn_connected") {
				t.Errorf("a session opened in\n%s", s)
			}
			l.expect(deskPassword(), "success") // the enrollment's own sign-in is cached
			if s := l.story("A6"); !s.has("cached_logon") || s.has("vpn_connected") != (place == "vpn") {
				t.Errorf("by password:\n%s", s)
			}
			l.lockDesk()
			if place != "vpn" {
				noLogonServers(t, l.expect(unlocking(deskPIN()), "cached_logon_missing"))
				return
			}
			l.expect(unlocking(deskPIN()), "success")
			s := l.story("A6")
			s.inOrder(t, "as_sent", "kdc_certificate_accepted", "tgt_cached", "session_unlocked", "prt_cached")
			if s.has("vpn_connected") || s.has("cached_logon") {
				t.Errorf("the tunnel was up:\n%s", s)
			}
			// Once done, it works with the tunnel down.
			l.restartDesk()
			l.expect(deskPIN(), "success")
			l.story("A6").inOrder(t, "cached_logon", "explorer_started", "vpn_connected")
		})
	}
	t.Run("onsite", func(t *testing.T) {
		seed.Proves(t, "HY-02", "A6")
		l := newDesk(t)
		l.cycle()
		l.restartDesk()
		l.expect(deskPIN(), "success")
		if s := l.story("A6"); !s.has("tgt_cached") || s.has("cached_logon") {
			t.Errorf("not by a controller:\n%s", s)
		}
	})
}

// TestTunnelOfASession: anybody's session keeps the tunnel up, and its end, of
// the last one, takes it down.
func TestTunnelOfASession(t *testing.T) {
	seed.Proves(t, "HY-02", "A6")
	l := newDesk(t)
	l.Create("user.bo", spec.User{UPN: "bo@contoso.com", Tenant: "tenant.contoso", Domain: corp, Password: providers.Secret(first)})
	l.cycle()
	bo := func() windows.Request { r := deskPassword(); r.User = "user.bo"; return r }
	l.expect(bo(), "success")
	l.restartDesk()
	l.carry("vpn")
	l.expect(deskPIN(), "cached_logon_missing")
	l.expect(bo(), "success")
	l.expect(deskPIN(), "success")
	if s := l.story("A6"); !s.has("tgt_cached") || s.has("vpn_connected") {
		t.Errorf("not by bo's tunnel:\n%s", s)
	}
	for _, user := range []string{"user.bo", alice} {
		if err := l.windows.SignOut(t.Context(), l.For(desk), user, desk); err != nil {
			t.Fatal(err)
		}
		l.expect(deskPIN(), "success")
		if down := l.story("A6").has("cached_logon"); down != (user == alice) {
			t.Errorf("after %s left, the tunnel is down: %v", user, down)
		}
	}
}

// TestComputerKeepsItsName: a computer's name is its account's.
func TestComputerKeepsItsName(t *testing.T) {
	l := newDesk(t)
	named := func(d *spec.Device) { d.Name = "other" }
	if _, err := l.TryUpdate(t.Context(), desk, deskIn("onsite", named)); err == nil || !strings.Contains(err.Error(), "keeps its name") {
		t.Errorf("renamed: %v", err)
	}
	l.carry("internet")
	declared, err := l.For(desk).Objects.Lookup(desk)
	if err != nil {
		t.Fatal(err)
	}
	if read, err := l.Read(t.Context(), desk); err != nil || !read.In.RawEquals(declared.In) {
		t.Errorf("read: %v\n%#v", err, read.In)
	}
	if d := l.devices(); len(d) != 1 || !strings.EqualFold(d[0].DisplayName, "desk") {
		t.Errorf("devices %+v", *d[0])
	}
}

// TestCachedLogon: after one sign-in by a controller the device signs in away
// from it, as often and as long as the domain allows.
func TestCachedLogon(t *testing.T) {
	for _, place := range []string{"vpn", "internet", "none"} {
		t.Run(place, func(t *testing.T) {
			seed.Proves(t, "A6-10", "A6")
			seed.Proves(t, "HY-03", "A6")
			l := newDesk(t)
			l.cycle()
			l.expect(deskPIN(), "success")
			l.restartDesk()
			l.carry(place)
			l.expect(deskPIN(), "success")
			s := l.story("A6")
			s.inOrder(t, "credentials_to_kerberos", "key_released", "cached_logon", "logon_session", "explorer_started")
			if s.has("tgt_cached") {
				t.Errorf("a ticket from nowhere:\n%s", s)
			}
			l.lockDesk()
			l.expect(unlocking(deskPIN()), "success")
			if l.story("A6").has("cached_logon") == (place == "vpn") {
				t.Errorf("unlock at %s:\n%s", place, l.story("A6"))
			}
			l.expect(windows.Request{Device: desk, PIN: providers.Secret("000000")}, "wrong_pin")
			want := map[string]string{"vpn": "success", "internet": "no_line_of_sight", "none": "no_line_of_sight"}[place]
			l.expect(deskPIN(corp), want)
		})
	}
	t.Run("none are kept", func(t *testing.T) {
		seed.Proves(t, "A6-10", "A6")
		l := newDesk(t)
		l.cycle()
		l.Update(corp, l.With("domain", corpIn(0), "cached_logons", cty.NumberIntVal(0)))
		l.restartDesk()
		l.expect(deskPIN(), "success")
		l.restartDesk()
		l.carry("internet")
		noLogonServers(t, l.expect(deskPIN(), "cached_logon_missing"))
		noLogonServers(t, l.expect(deskPassword(), "cached_logon_missing"))
	})
}

// TestCachedLogonOfLast: a device keeps as many users as the domain says, and of
// a password no more than tells a right one from a wrong.
func TestCachedLogonOfLast(t *testing.T) {
	seed.Proves(t, "A6-10", "A6")
	l := newDesk(t)
	l.Create("user.bo", spec.User{UPN: "bo@contoso.com", Tenant: "tenant.contoso", Domain: corp, Password: providers.Secret(first)})
	l.cycle()
	bo := func(password string) windows.Request {
		return windows.Request{User: "user.bo", Device: desk, Password: providers.Secret(password)}
	}
	l.Update(corp, l.With("domain", corpIn(0), "cached_logons", cty.NumberIntVal(1)))
	l.expect(deskPIN(), "success")
	l.Advance(time.Minute)
	l.expect(bo(first), "success")
	l.restartDesk()
	l.carry("internet")
	noLogonServers(t, l.expect(deskPIN(), "cached_logon_missing"))
	l.expect(bo("another"), "wrong_password_in_domain")
	l.expect(bo(first), "success")
	if kept := l.records(desk, "cached"); bytes.Contains(kept, []byte(first)) {
		t.Error("the password itself is kept")
	}
}

func corpIn(force time.Duration) spec.Domain {
	return spec.Domain{DNSName: "corp.contoso.com", NetBIOSName: "CORP", ForceNetwork: force}
}

// TestForcedNetworkLogon: past the domain's interval a cached logon does not do.
func TestForcedNetworkLogon(t *testing.T) {
	const interval = 72 * time.Hour
	for _, age := range []time.Duration{interval, interval + time.Second} {
		t.Run(age.String(), func(t *testing.T) {
			seed.Proves(t, "HY-04", "A6")
			seed.Proves(t, "POL-08")
			l := newDesk(t)
			l.cycle()
			l.Update(corp, corpIn(interval))
			l.expect(deskPIN(), "success")
			l.restartDesk()
			l.carry("internet")
			l.Advance(age)
			if age <= interval {
				l.expect(deskPIN(), "success")
				return
			}
			noLogonServers(t, l.expect(deskPIN(), "network_logon_forced"))
			if l.story("A6").has("logon_session") {
				t.Error("a session opened")
			}
			l.Update(corp, corpIn(0)) // without the policy, at any age
			l.expect(deskPIN(), "success")
			l.restartDesk()
			l.Update(corp, corpIn(interval))
			noLogonServers(t, l.expect(deskPIN(), "network_logon_forced"))
			l.carry("onsite") // a controller in sight starts the interval anew
			l.expect(deskPIN(), "success")
			l.restartDesk()
			l.carry("internet")
			l.expect(deskPIN(), "success")
		})
	}
}

// TestHybridRenewal: an unlock after four hours renews the primary refresh token,
// whether a controller or a cached logon let the user in.
func TestHybridRenewal(t *testing.T) {
	for _, place := range []string{"onsite", "internet"} {
		for _, age := range []time.Duration{3*time.Hour + 59*time.Minute, 4*time.Hour + time.Minute} {
			t.Run(place+" "+age.String(), func(t *testing.T) {
				seed.Proves(t, "HY-05", "A6")
				seed.Proves(t, "CONST-03", "A6")
				l := newDesk(t)
				l.cycle()
				l.expect(deskPIN(), "success")
				l.carry(place)
				before := stored[prtState](l, desk, "prt", l.sid("alice")+"|ngc")
				l.lockDesk()
				l.Advance(age)
				l.expect(unlocking(deskPIN()), "success")
				s, renewals := l.story("A6"), 0
				for _, e := range s.events {
					if e.Step == "prt_renewal" {
						renewals++
					}
				}
				after := stored[prtState](l, desk, "prt", l.sid("alice")+"|ngc")
				due := age > 4*time.Hour
				if renewals == 1 != due || renewals > 1 || (after.Token != before.Token) != due || s.has("prt_request") {
					t.Errorf("%d renewals, wanted: %v\n%s", renewals, due, s)
				}
				if s.has("cached_logon") != (place == "internet") || s.has("tgt_cached") != (place == "onsite") {
					t.Errorf("by the wrong way:\n%s", s)
				}
				if due {
					s.inOrder(t, "session_unlocked", "credentials_to_cloud_ap", "prt_renewal", "prt_cached")
				}
			})
		}
	}
}

// TestHybridRegistration is the desk in both directories, and what it says.
func TestHybridRegistration(t *testing.T) {
	l := newDesk(t)
	out := conformance.Get[spec.Device, spec.DeviceOut](l.Env, desk).Out
	domain := &domainLab{l.Env, t}
	t.Run("both objects", func(t *testing.T) {
		seed.Proves(t, "DR-08", "DR")
		e, err := domain.directory("alice").Read("CN=DESK,CN=Computers,DC=corp,DC=contoso,DC=com", "sAMAccountName", "objectSid", "userCertificate")
		if err != nil {
			t.Fatal(err)
		}
		all := l.devices()
		if len(all) != 1 {
			t.Fatalf("%d device objects", len(all))
		}
		d := all[0]
		if e.GUID.String() != d.DeviceID || d.DeviceID != out.DeviceID || d.TrustType != graph.TrustHybrid || d.Registered == "" || len(d.TransportKey) == 0 {
			t.Errorf("computer %s, device %+v", e.GUID, d)
		}
		rec := stored[machineState](l, desk, "machine", "record")
		cert := parsed(t, rec.Registration.Certificate)
		if cert.Subject.CommonName != out.DeviceID || !strings.HasPrefix(cert.Issuer.CommonName, "MS-Organization-Access") {
			t.Errorf("device certificate of %s by %s", cert.Subject, cert.Issuer)
		}
		l.story("DR").inOrder(t, "domain_joined", "join_request", "join_reply")
	})
	t.Run("status", func(t *testing.T) {
		seed.Proves(t, "DR-23", "DR")
		l.Create("device.member", spec.Device{Join: "domain", Domain: corp})
		for addr, want := range map[string]string{desk: "YES", "device.member": "NO"} {
			s, err := l.windows.Status(l.For(addr), addr, "")
			if err != nil {
				t.Fatal(err)
			}
			for _, field := range []string{"             AzureAdJoined : " + want + "\n", "              DomainJoined : YES\n"} {
				if !strings.Contains(s.Text(), field) {
					t.Errorf("%s: no %q in\n%s", addr, field, s.Text())
				}
			}
		}
	})
	t.Run("logs", func(t *testing.T) {
		seed.Proves(t, "COMP-13", "DR", "A6")
		l.cycle()
		l.expect(deskPIN(), "success")
		for _, c := range []eventlog.Channel{eventlog.UserDeviceRegistration, eventlog.AADAnalytic, eventlog.HelloForBusiness} {
			if len(l.channel(desk, c)) == 0 {
				t.Errorf("nothing in %s", c)
			}
		}
	})
}

// outage is a network without some hosts.
type outage struct {
	providers.Network
	hosts []string
}

func (o outage) Dial(ctx context.Context, host string, port int) (net.Conn, error) {
	if slices.Contains(o.hosts, host) {
		return nil, errCut
	}
	return o.Network.Dial(ctx, host, port)
}

// stopCloud takes the tenant's hosts away, or gives them back.
func (l *lab) stopCloud(stopped bool) {
	l.t.Helper()
	if !stopped {
		l.Through(nil)
		return
	}
	at := l.tenant()
	l.Through(func(env providers.Env) providers.Network {
		return outage{env.Network, []string{at.LoginHost, at.RegistrationHost, at.GraphHost}}
	})
}

// TestNoPrivateHalves: what the device keeps of private keys is in neither
// directory, nor on a line.
func TestNoPrivateHalves(t *testing.T) {
	seed.Proves(t, "HY-07", "P4", "A6")
	l := newDesk(t)
	l.cycle()
	tap := l.listen()
	l.expect(deskPIN("tenant.contoso"), "success")
	c := stored[containerState](l, desk, "container", l.sid("alice"))
	if len(c.UserKeys) != 1 {
		t.Fatalf("%d user keys", len(c.UserKeys))
	}
	pub, err := c.UserKeys[0].Key.RSA()
	if err != nil {
		t.Fatal(err)
	}
	domain := l.records(corp, "domain", "directory", "objects", "tree", "index", "links", "backlinks", "secrets")
	places := map[string][]byte{"Active Directory": domain, "Entra ID": l.tenantRecords(), "the lines": tap.unfolded()}
	for where, all := range places {
		if where != "the lines" && !bytes.Contains(all, pub.N.Bytes()) {
			t.Errorf("%s has not even the public key", where)
		}
		for name, blob := range l.privateBlobs(desk) {
			if bytes.Contains(all, blob) {
				t.Errorf("%s has the private half of the %s", where, name)
			}
		}
		for form, b := range leak.Forms(pin) {
			if len(b) > len(pin) && bytes.Contains(all, b) {
				t.Errorf("%s has the PIN as %s", where, form)
			}
		}
	}
	if err := l.tpmOf(desk).Export(t.Context(), c.UserKeys[0].Key); err == nil {
		t.Error("the key is exportable")
	}
}
