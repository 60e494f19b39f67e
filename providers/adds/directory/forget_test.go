package directory_test

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"testing"

	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/keycred"
	"hellolab/providers/wire/ldapmsg"
)

// TestControllerRemovesKey: the key that is named goes, as any change of the
// directory; the account's others, and what nobody can read, stay.
func TestControllerRemovesKey(t *testing.T) {
	const attribute = "msDS-KeyCredentialLink"
	l := newLab(t)
	alice := l.person("alice")
	var keys []keycred.Key
	for range 2 {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		device, err := guid.New(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, keycred.FromEntra(keycred.UserKey{Public: &key.PublicKey, Device: device, Created: l.clock}))
	}
	values := []string{credential(t, alice, keys[0]), credential(t, alice, keys[1]), fmt.Sprintf("B:4:BEEF:%s", alice)}
	if err := l.modify(l.admin, alice, ldapmsg.AddValues, attribute, values...); err != nil {
		t.Fatal(err)
	}
	a, err := l.Client(t.Context(), "alice", false)
	if err != nil {
		t.Fatal(err)
	}
	before, err := l.HighestUSN()
	if err != nil {
		t.Fatal(err)
	}
	controller := l.as("DC1$")
	l.events = nil
	for range 2 { // the second time there is nothing to do
		if err := l.RemoveKey(t.Context(), controller, a.SID, keys[0].ID); err != nil {
			t.Fatal(err)
		}
	}
	if got := l.get(alice, attribute); len(got) != 2 || got[0] != values[1] || got[1] != values[2] {
		t.Errorf("left: %.60q", got)
	}
	if a, err = l.Client(t.Context(), "alice", false); err != nil || len(a.KeyCredentials) != 2 {
		t.Errorf("the KDC sees %d values, %v", len(a.KeyCredentials), err)
	}
	if len(l.events) != 1 || l.events[0].Step != "key_credential_removed" || l.events[0].Message["requester"] != `CORP\DC1$` {
		t.Errorf("told as %+v", l.events)
	}
	if after, err := l.HighestUSN(); err != nil || after != before+1 {
		t.Errorf("update number %d after %d, %v", after, before, err)
	}
	if err := l.RemoveKey(t.Context(), controller, l.SID().Account(9999), keys[1].ID); err != nil {
		t.Errorf("of nobody: %v", err)
	}
	if err := l.RemoveKey(t.Context(), controller, a.SID, nil); err != nil || len(l.get(alice, attribute)) != 2 {
		t.Errorf("without an identifier: %v", err)
	}
}
