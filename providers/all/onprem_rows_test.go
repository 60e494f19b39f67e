package all_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/wire/addevice"
	sts "hellolab/providers/wire/adfs"
	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/edrs"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/jose"
	"hellolab/providers/wire/web"
)

const (
	stsHost  = "sts.corp.contoso.com"
	edrsHost = "enterpriseregistration.corp.contoso.com"
)

// said reads the claims of a token, unverified.
func said(t testing.TB, token string) (claims map[string]any) {
	t.Helper()
	parsed, err := jose.Parse(token)
	if err == nil {
		err = parsed.Claims(&claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

// inCloud says whether an actor is one of a tenant's.
func inCloud(a event.Actor) bool {
	return slices.Contains([]event.Actor{event.EntraID, event.EntraKerberos, event.DRS, event.MFA, event.Graph}, a)
}

// cloudless checks that nobody in a story is of a tenant.
func (s story) cloudless(t testing.TB) {
	t.Helper()
	for _, e := range s.events {
		if inCloud(e.Actor) || inCloud(e.Peer) {
			t.Errorf("%s → %s: %s", e.Actor, e.Peer, e.Step)
		}
	}
}

// A computer of a domain registers with AD FS, and nobody else hears of it; a tenant
// that happens to be there does not.
func TestEnterpriseRegistration(t *testing.T) {
	l := newOnPremLab(t, "key")
	l.Create("tenant.contoso", spec.Tenant{Domains: []string{"fabrikam.com"}})
	tap := l.listen()
	l.Create(desk, onPremDesk())
	out := outOf[spec.Device, spec.DeviceOut](l, desk)
	s := l.story("DR")

	t.Run("with AD FS", func(t *testing.T) {
		seed.Proves(t, "DR-04", "DR")
		s.begunByDevice(t)
		s.cloudless(t)
		s.by(t, "", event.Device, event.EnterpriseDRS, "discover")
		s.by(t, "", event.Device, event.STS, "computer_token_request")
		s.by(t, "", event.Device, event.EnterpriseDRS, "join_request")
		s.inOrder(t, "domain_joined", "discover", "contract_told", "computer_token_request", "access_token_issued", "join_request", "token_validated", "device_written", "device_registered", "registered")
		for _, host := range hosts(tap.exchanges()) {
			if host != stsHost && host != edrsHost {
				t.Errorf("%s is asked", host)
			}
		}
		x := tap.last(t, "POST", edrs.PathDevice)
		if token := said(t, x.bearer()); token["aud"] != edrs.Resource(stsHost) || token["http://schemas.microsoft.com/ws/2012/01/accounttype"] != "DJ" {
			t.Errorf("token %v", token)
		}
	})
	t.Run("in the domain alone", func(t *testing.T) {
		seed.Proves(t, "DR-10", "DR")
		seed.Proves(t, "DR-06", "DR")
		id, err := guid.Parse(out.DeviceID)
		if err != nil {
			t.Fatal(err)
		}
		c := l.corpDirectory()
		d, err := addevice.Find(c, id)
		if err != nil || !d.Enabled || !strings.EqualFold(d.Name, "desk") || len(d.TransportKey) == 0 {
			t.Errorf("device %+v, %v", d, err)
		}
		if e, err := c.Read("CN=desk,CN=Computers,"+c.Base, "objectGUID"); err != nil || e.GUID.String() != out.DeviceID {
			t.Errorf("computer %v, %v", e, err)
		}
		if all := l.devices(); len(all) != 0 {
			t.Errorf("devices of the tenant: %+v", all)
		}
	})
	t.Run("status", func(t *testing.T) {
		status, err := l.windows.Status(l.For(desk), desk, "")
		if err != nil || status.Joined || !status.Enterprise || !status.DomainJoined || status.DeviceID != out.DeviceID || status.Thumbprint != out.Thumbprint || status.TenantID != "" {
			t.Errorf("%+v, %v", status, err)
		}
		text := status.Text()
		for _, line := range []string{"AzureAdJoined : NO", "EnterpriseJoined : YES", "DomainJoined : YES", "EnterprisePrt : NO"} {
			if !strings.Contains(text, line) {
				t.Errorf("no line %q in\n%s", line, text)
			}
		}
	})
	t.Run("leaving", func(t *testing.T) {
		l.Delete(desk)
		id, _ := guid.Parse(out.DeviceID)
		if _, err := addevice.Find(l.corpDirectory(), id); !errors.Is(err, addevice.ErrNotWritten) {
			t.Errorf("the device stays: %v", err)
		}
	})
}

// TestP6 is alice's provisioning at a computer of a domain without a tenant, and her
// first sign-in by key.
func TestP6(t *testing.T) {
	l := newOnPremLab(t, "key")
	l.Create(desk, onPremDesk())
	tap := l.listen()
	l.Create(deskEnrolled, enrollment(alice, desk))
	out := outOf[spec.Enrollment, spec.EnrollmentOut](l, deskEnrolled)
	s, wire := l.story("P6"), tap.exchanges()
	token := tap.last(t, "POST", edrs.PathKey).bearer()

	t.Run("token for the registration service", func(t *testing.T) {
		seed.Proves(t, "P6-01", "P6")
		s.begunByDevice(t)
		s.by(t, "A", event.CXH, event.WAM, "token_request")
		claims := said(t, token)
		if claims["aud"] != edrs.Resource(stsHost) || s.at(t, "token_request").Message["resource"] != claims["aud"] || claims["deviceid"] != out.DeviceID {
			t.Errorf("token %v", claims)
		}
	})
	t.Run("AD FS decides", func(t *testing.T) {
		seed.Proves(t, "P6-02", "P6")
		seed.Proves(t, "PA-10", "P6")
		s.cloudless(t)
		s.by(t, "A", event.WAM, event.STS, "sts_request")
		s.by(t, "A", event.STS, event.MFAAdapter, "mfa_demanded")
		s.by(t, "A", event.MFAAdapter, event.STS, "mfa_verified")
		s.phase("A").inOrder(t, "sts_request", "mfa_demanded", "mfa_challenged", "mfa_prompt", "mfa_verified", "drs_token")
		for _, host := range hosts(wire) {
			if host != stsHost && host != edrsHost {
				t.Errorf("%s is asked", host)
			}
		}
	})
	t.Run("AD FS issues", func(t *testing.T) {
		seed.Proves(t, "P6-03", "P6")
		claims := said(t, token)
		if claims["iss"] != sts.TrustIssuer(stsHost) || !slices.Contains(texts(claims["amr"]), "ngcmfa") {
			t.Errorf("token %v", claims)
		}
		s.by(t, "A", event.STS, event.WAM, "access_token_issued")
		if s.has("assertion_exchange") {
			t.Errorf("somebody else is asked\n%s", s)
		}
	})
	t.Run("written at once", func(t *testing.T) {
		seed.Proves(t, "P6-05", "P6")
		seed.Proves(t, "PC-13", "P6")
		s.phase("C").inOrder(t, "key_registration", "mfa_current", "user_located", "key_written", "key_id_returned", "key_id_stored")
		links := l.links("alice")
		if len(links) != 1 || links[0].Device == nil || links[0].Device.String() != out.DeviceID {
			t.Fatalf("links %+v", links)
		}
	})
	t.Run("its token", func(t *testing.T) {
		seed.Proves(t, "KEY-15", "P6")
		claims := claimsOf(t, token)
		if life := claims.Expires - claims.IssuedAt; claims.Audience != edrs.Resource(stsHost) || life != int64(time.Hour/time.Second) {
			t.Errorf("for %s, %d s", claims.Audience, life)
		}
		if bytes.Contains(l.deviceRecords(desk), []byte(token)) {
			t.Error("it is kept")
		}
	})
	t.Run("ends with the key id", func(t *testing.T) {
		seed.Proves(t, "P6-06", "P6")
		if s.letters() != "ABC" || !s.phase("C").has("exit") || out.Flow != "P6" || out.Trust != "key" || out.Status != "ready" {
			t.Errorf("phases %s, %+v", s.letters(), out)
		}
	})
	t.Run("a factor that is old", func(t *testing.T) {
		seed.Proves(t, "P6-04", "P6")
		l.Advance(11 * time.Minute)
		other, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		client := web.Client(l.For(desk))
		defer client.CloseIdleConnections()
		_, err = edrs.RegisterKey(t.Context(), client, "https://"+edrsHost+edrs.PathKey, token, &drs.KeyRequest{PublicKey: cng.MarshalRSAPublic(&other.PublicKey)})
		if !edrs.HasCode(err, "mfa_not_current") || len(l.links("alice")) != 1 {
			t.Errorf("%v, %d keys", err, len(l.links("alice")))
		}
	})
	t.Run("good at once", func(t *testing.T) {
		seed.Proves(t, "P6-07", "P6")
		v := l.expect(windows.Request{Device: desk, PIN: providers.Secret(pin), To: []string{corp}}, "success")
		if v.Flow != "A8" {
			t.Errorf("flow %s", v.Flow)
		}
	})
}
