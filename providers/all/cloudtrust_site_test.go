package all_test

import (
	"testing"

	"hellolab/providers/conformance/seed"
	"hellolab/providers/spec"
)

// TestReadOnlySite: at a site whose only controller is read-only, a computer joins
// at another site's, and exchanges its users' partial tickets there; passwords are
// proven to the near one. D2.
func TestReadOnlySite(t *testing.T) {
	seed.Proves(t, "A5-09", "A5")
	l := newCloudLab(t, func(d *spec.Domain) {
		d.Controllers = map[string]*spec.Controller{
			"dc1": {OS: "windows-server-2022", Site: "HQ"}, "dc2": {OS: "windows-server-2022", Site: "Paris", Writable: new(false)},
		}
	})
	l.Create(desk, onDesk(func(d *spec.Device) { d.Site = "Paris" }))
	l.Create(deskEnrolled, enrollment(alice, desk))
	l.restartDesk()
	located := func(flow, want string) {
		t.Helper()
		if m := l.story(flow).at(t, "dc_located").Message; m["controller"] != want {
			t.Errorf("%s asks %v", flow, m)
		}
	}
	located("DR", "dc1.corp.contoso.com")
	l.expect(deskPIN(), "success")
	located("A5", "dc1.corp.contoso.com")
	l.expect(deskPassword(corp), "success")
	located("A6", "dc2.corp.contoso.com")
}
