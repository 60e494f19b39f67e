package all_test

import (
	"context"
	"slices"
	"testing"

	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/windows/eventlog"
	"hellolab/providers/wire/addevice"
	"hellolab/providers/wire/ldapmsg"
)

// enterpriseDevices are the objects of AD FS's registration service.
func (l *lab) enterpriseDevices() int {
	l.t.Helper()
	c := l.corpDirectory()
	all, err := c.List(addevice.ContainerDN(c.Base), ldapmsg.EqualTo("objectClass", addevice.Class), "cn")
	if err != nil {
		l.t.Fatal(err)
	}
	return len(all)
}

// Whatever instant a registration with AD FS, or a provisioning there, ends at: the
// next run makes it whole, and leaves one device and one key.
func TestKilledOnPremises(t *testing.T) {
	t.Run("device", func(t *testing.T) {
		for n := 1; ; n += 2 * every() {
			l := newOnPremLab(t, "key")
			l.Declare(desk, onPremDesk())
			if !l.KillAt(t.Context(), n, func(ctx context.Context) { l.TryCreate(ctx, desk, onPremDesk()) }) {
				return
			}
			l.again(desk, onPremDesk())
			if status, err := l.windows.Status(l.For(desk), desk, ""); err != nil || !status.Enterprise || l.enterpriseDevices() != 1 {
				t.Fatalf("killed at instant %d: %+v, %v, %d devices\n%s", n, status, err, l.enterpriseDevices(), l.trace())
			}
		}
	})
	t.Run("enrollment", func(t *testing.T) {
		for n := 1; ; n += 2 * every() {
			l := newOnPremLab(t, "key")
			l.Create(desk, onPremDesk())
			l.Declare(deskEnrolled, enrollment(alice, desk))
			if !l.KillAt(t.Context(), n, func(ctx context.Context) { l.TryCreate(ctx, deskEnrolled, enrollment(alice, desk)) }) {
				return
			}
			l.again(deskEnrolled, enrollment(alice, desk))
			if links := l.links("alice"); len(links) != 1 {
				t.Fatalf("killed at instant %d: %d keys\n%s", n, len(links), l.trace())
			}
			l.expect(deskPIN(), "success")
		}
	})
}

// A computer whose domain gets AD FS later registers before somebody provisions.
func TestFederationComesLater(t *testing.T) {
	l := newOnPremLab(t, "key")
	l.Delete("trust.corp")
	l.Delete(adfs)
	l.Create(desk, onPremDesk())
	if status, err := l.windows.Status(l.For(desk), desk, ""); err != nil || status.Enterprise || !status.DomainJoined {
		t.Fatalf("%+v, %v", status, err)
	}
	l.Create(adfs, spec.Federation{Kind: spec.FederationADFS, Domain: corp, Authority: "authority.issuing"})
	l.Create("trust.corp", spec.Trust{Type: "key", Domain: corp, Federation: adfs, Authority: "authority.issuing"})
	l.Update(alice, spec.User{UPN: "alice@contoso.com", Domain: corp, Password: providers.Secret(first)}) // whose second factor AD FS is to know
	l.Create(deskEnrolled, enrollment(alice, desk))
	l.expect(deskPIN(), "success")
	if status, err := l.windows.Status(l.For(desk), desk, ""); err != nil || !status.Enterprise {
		t.Errorf("%+v, %v", status, err)
	}
}

// The logs of a computer without a tenant are Windows' own, too.
func TestOnPremisesEventLog(t *testing.T) {
	l := newOnPremDesk(t)
	l.expect(deskPIN(), "success")
	if got, want := ids(l.logged(desk)), []int{101, 102, 105, 306, 358, 323, 325, 108, 109, 300}; !slices.Equal(got, want) {
		t.Errorf("User Device Registration: %v, want %v", got, want)
	}
	aad := ids(l.channel(desk, eventlog.AADAnalytic))
	if got := len(slices.DeleteFunc(aad, func(id int) bool { return id != 1007 })); got < 2 {
		t.Errorf("AAD: %d tokens", got)
	}
	l.restartDesk()
	l.stopFederation()
	v := l.expect(windows.Request{Device: desk, PIN: []byte(pin)}, "success")
	if v.Flow != "A8" {
		t.Errorf("%+v", v)
	}
}
