package kdc

import (
	"testing"

	"hellolab/providers/wire/krb"
)

func TestASByPassword(t *testing.T) {
	l := newLab(t, nil)
	r, err := l.as(krb.Principal("alice"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", r.Credential)
}
