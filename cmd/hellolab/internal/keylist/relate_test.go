package keylist

import (
	"slices"
	"strings"
	"testing"
)

// TestRelate: keys of a tenant and a domain, and what each is marked with.
func TestRelate(t *testing.T) {
	const tenant, domain, sid = "tenant.contoso", "domain.corp", "S-1-5-21-1-2-3-1104"
	up := func(id string) Key {
		return Key{Directory: Entra, Home: tenant, Account: "user.alice", ID: id, Usage: "NGC", Source: "Entra ID", Device: "D1", SID: sid}
	}
	down := func(id string) Key {
		return Key{Directory: AD, Home: domain, Account: "user.alice", ID: id, Usage: "NGC", Source: "Entra ID", Device: "d1", SID: sid}
	}
	changed := func(k Key, change func(*Key)) Key { change(&k); return k }
	link := Link{Tenant: tenant, Domain: domain, DomainSID: "S-1-5-21-1-2-3", Keys: true}
	off := link
	off.Keys, off.Why = false, "key_export of sync.corp is off"
	devices := map[string]map[string]bool{tenant: {"d1": true}}
	guarded := map[string]bool{"S-1-5-21-1-2-3-512": true}
	as := func(sid string) func(*Key) { return func(k *Key) { k.SID = sid } }
	for name, c := range map[string]struct {
		keys  []Key
		links []Link
		want  string // of each key its marks; keys apart by ";"
		says  string // in the sentences
	}{
		"in both":                      {[]Key{up("a"), down("a")}, []Link{link}, "synced; synced", ""},
		"not there yet":                {[]Key{up("a"), down("b"), up("b")}, []Link{link}, "waiting for sync; synced; synced", "domain.corp does not have the key yet: it comes with the next synchronization."},
		"never to come":                {[]Key{up("a")}, []Link{off}, "waiting for sync", "no synchronization brings it: key_export of sync.corp is off."},
		"of a protected account":       {[]Key{changed(up("a"), as("S-1-5-21-1-2-3-512")), up("b")}, []Link{link}, "waiting for sync; waiting for sync", "domain.corp does not have the key, and refuses it from the synchronization: AdminSDHolder protects the account"},
		"there before it was":          {[]Key{changed(up("a"), as("S-1-5-21-1-2-3-512")), changed(down("a"), as("S-1-5-21-1-2-3-512"))}, []Link{link}, "synced; synced", ""},
		"gone from the tenant":         {[]Key{down("a")}, []Link{link}, "orphaned", "tenant.contoso has no such key of the account"},
		"device gone":                  {[]Key{changed(up("a"), func(k *Key) { k.Device = "d2" }), changed(down("a"), func(k *Key) { k.Device = "d2" })}, []Link{link}, "orphaned, synced; synced", "Its device d2 is not in tenant.contoso any more."},
		"device and key gone":          {[]Key{changed(down("a"), func(k *Key) { k.Device = "d2" })}, []Link{link}, "orphaned", "Its device d2 is not in"},
		"another's key":                {[]Key{changed(up("a"), func(k *Key) { k.SID, k.Account = "S-1-5-21-1-2-3-500", "user.admin" }), down("a")}, []Link{link}, "waiting for sync; foreign", "tenant.contoso has this key for another account, user.admin"},
		"an account of the tenant's":   {[]Key{changed(up("a"), func(k *Key) { k.SID = "" })}, []Link{link}, "", ""},
		"an account of another domain": {[]Key{changed(up("a"), func(k *Key) { k.SID = "S-1-5-21-1-2-33-1104" })}, []Link{link}, "", ""},
		"nothing is synchronized":      {[]Key{up("a"), down("b")}, nil, "; ", ""},
		"the domain is the source":     {[]Key{changed(down("a"), func(k *Key) { k.Source = "Active Directory" })}, []Link{link}, "", ""},
		"no Hello key":                 {[]Key{changed(up("a"), func(k *Key) { k.Usage = "FIDO" })}, []Link{link}, "", ""},
		"malformed already":            {[]Key{changed(down("a"), func(k *Key) { k.Marks = []string{Malformed} })}, []Link{link}, "malformed", ""},
		"a key without a device":       {[]Key{changed(up("a"), func(k *Key) { k.Device = "" }), down("a")}, []Link{link}, "synced; synced", ""},
		"two synchronizations": {[]Key{up("a"), down("a"), changed(up("a"), func(k *Key) { k.Home, k.Device = "tenant.other", "" })},
			[]Link{link, {Tenant: "tenant.other", Domain: domain, DomainSID: "S-1-5-21-1-2-3", Keys: true}}, "synced; synced; synced", ""},
		"one of two synchronizations": {[]Key{up("a"), down("a"), down("b")},
			[]Link{link, {Tenant: "tenant.other", Domain: domain, DomainSID: "S-1-5-21-1-2-3", Keys: true}}, "synced; synced; orphaned", "tenant.contoso or tenant.other has no such key"},
	} {
		t.Run(name, func(t *testing.T) {
			var all []*Key
			for i := range c.keys {
				c.keys[i].Marks = slices.Clone(c.keys[i].Marks)
				all = append(all, &c.keys[i])
			}
			Relate(all, Relations{Links: c.links, Devices: devices, Guarded: guarded})
			var marks, why []string
			for _, k := range all {
				marks, why = append(marks, strings.Join(k.Marks, ", ")), append(why, k.Why...)
			}
			if got := strings.Join(marks, "; "); got != c.want {
				t.Errorf("marks %q, want %q", got, c.want)
			}
			if text := strings.Join(why, "\n"); !strings.Contains(text, c.says) || c.says == "" && text != "" {
				t.Errorf("says %q, want %q", text, c.says)
			}
		})
	}
}

// A tenant whose devices were not read orphans nothing.
func TestRelateWithoutDevices(t *testing.T) {
	k := Key{Directory: Entra, Home: "tenant.contoso", ID: "a", Usage: "NGC", Device: "d9"}
	Relate([]*Key{&k}, Relations{})
	if len(k.Marks) != 0 {
		t.Errorf("marked %v", k.Marks)
	}
}
