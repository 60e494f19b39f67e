package all_test

import (
	"testing"
)

func TestOnPremJoin(t *testing.T) {
	l := newOnPremLab(t, "key")
	l.Create(desk, onPremDesk())
	t.Log(l.trace())
}
