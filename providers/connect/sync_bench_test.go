package connect_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adldap"
	wire "hellolab/providers/wire/connect"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/ngc"
)

// BenchmarkSync prints what cycles take in a domain of a size: the first one,
// which carries every account and password; one that has nothing to do; one
// that writes a key for each tenth account, and writes as many devices back; and
// an export of keys by itself with nothing to do.
func BenchmarkSync(b *testing.B) {
	const people, some = 500, 50
	for range b.N {
		l := newLabOf(b, func(s *spec.Sync) { s.DeviceWriteback = true })
		l.must(l.domain.Delete(dn("alice")))
		l.must(l.domain.Delete(dn("bob")))
		for i := range people {
			name := fmt.Sprintf("u%d", i)
			l.must(l.domain.Add(dn(name), adldap.Attributes{"objectClass": {"user"}, "sAMAccountName": {name}, "userPrincipalName": {name + "@contoso.com"},
				"userAccountControl": {"512"}, "unicodePwd": {adldap.QuotedPassword(password)}}))
		}
		timed := func(what string, want wire.Counts, ask wire.Request) {
			b.Helper()
			began := time.Now()
			r := l.ask(ask)
			b.ReportMetric(time.Since(began).Seconds()*1000, what)
			l.wrote(what, r, want)
		}
		timed("ms-first", wire.Counts{Users: wire.Count{Added: people}, Passwords: people}, wire.Request{})
		timed("ms-idle", wire.Counts{}, wire.Request{})
		l.registerMany(some)
		timed("ms-50-keys-and-devices", wire.Counts{Keys: wire.Count{Added: some}, Written: wire.Count{Added: some}}, wire.Request{})
		timed("ms-idle-keys-alone", wire.Counts{}, wire.Request{Parts: []wire.Part{wire.KeyExport}})
	}
	b.ReportMetric(0, "ns/op")
}

// registerMany gives so many users a key, and the tenant as many devices.
func (l *lab) registerMany(n int) {
	l.t.Helper()
	var ids []string
	for i := range n {
		ids = append(ids, l.user(fmt.Sprintf("u%d", i)).ID)
	}
	l.must(l.For(contoso).Section.Update(l.t.Context(), func(w providers.Writer) error {
		for i, id := range ids {
			raw, _, err := w.Get("users", id)
			if err != nil {
				return err
			}
			var u map[string]any
			if err := json.Unmarshal(raw, &u); err != nil {
				return err
			}
			device := guid.GUID{1, byte(i >> 8), byte(i), 1}
			blob := blobOf(someKeys()[i%3])
			u["hello_keys"] = []any{map[string]any{"id": device.String(), "key_id": ngc.KeyID(blob), "blob": blob, "device_id": device.String(), "created": l.Now()}}
			if raw, err = json.Marshal(u); err != nil {
				return err
			}
			object := guid.GUID{2, byte(i >> 8), byte(i), 2}
			d, err := json.Marshal(map[string]any{"id": object.String(), "device_id": device.String(), "display_name": fmt.Sprintf("PC%d", i), "os": "Windows", "trust_type": graph.TrustJoined,
				"owner": id, "thumbprint": fmt.Sprintf("%040X", i), "spki": blob, "transport_key": blob, "registered": l.Now(), "enabled": true})
			if err := errors.Join(err, w.Put("users", id, raw), w.Put("devices", object.String(), d), w.Put("deviceid", device.String(), []byte(object.String()))); err != nil {
				return err
			}
		}
		return nil
	}))
	yes := true
	for i, id := range ids { // so that the tenant notes the changes
		l.must(l.tenant.Patch(l.t.Context(), graph.User{AccountEnabled: &yes}, "users", id))
		l.must(l.tenant.Patch(l.t.Context(), graph.Device{AccountEnabled: &yes}, "devices", guid.GUID{2, byte(i >> 8), byte(i), 2}.String()))
	}
}
