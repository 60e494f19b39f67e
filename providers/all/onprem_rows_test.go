package all_test

import (
	"testing"

	"hellolab/providers"
	"hellolab/providers/windows"
)

func TestOnPremJoin(t *testing.T) {
	l := newOnPremLab(t, "certificate")
	t.Cleanup(func() { t.Log(l.trace()) })
	l.Create(desk, onPremDesk())
	l.Create("enrollment.alice_desk", enrollment(alice, desk))
	l.expect(windows.Request{Device: desk, PIN: providers.Secret(pin)}, "success")
}
