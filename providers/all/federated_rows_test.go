package all_test

import (
	"testing"

	"hellolab/providers"
	"hellolab/providers/windows"
)

func TestFederatedTry(t *testing.T) {
	l := newFederatedLab(t, "key")
	t.Cleanup(func() { t.Log(l.trace()) })
	l.Create(desk, onDesk())
	l.Create(deskEnrolled, enrollment(alice, desk))
	l.cycle()
	l.expect(windows.Request{Device: desk, PIN: providers.Secret(pin)}, "success")
	l.expect(windows.Request{Device: desk, Password: providers.Secret(first)}, "success")
}

func TestFederatedEntra(t *testing.T) {
	l := newFederatedLab(t, "key")
	t.Cleanup(func() { t.Log(l.trace()) })
	l.Create(laptop, onLaptop())
	l.enroll()
	l.expect(windows.Request{PIN: providers.Secret(pin)}, "success")
	l.expect(windows.Request{Password: providers.Secret(first)}, "success")
}
