package keylist

import (
	"slices"
	"strings"

	"hellolab/providers/wire/keycred"
)

// Marks of a key that follow from what several directories say.
const (
	Synced   = "synced"           // the tenant and the domain have the key for the same account
	Waiting  = "waiting for sync" // the tenant has it, and the domain does not yet
	Orphaned = "orphaned"         // its device, or the tenant's key that it is a copy of, is gone
)

// Link is a synchronization between two directories that were read.
type Link struct {
	Tenant, Domain string // addresses
	DomainSID      string // what the identifiers of the domain's accounts begin with
	Keys           bool   // it writes keys to the domain
	Why            string // why it does not: a clause, "key_export is off"
}

// Relations are what is known of directories besides their keys.
type Relations struct {
	Links   []Link
	Devices map[string]map[string]bool // of each tenant that was read, by address: ids of its devices
	Guarded map[string]bool            // by SID: accounts whose lists let Key Admins write no keys
}

// Relate marks keys by what other directories say of them. keys are all that
// the directories hold of the accounts that are asked for. Only Hello keys of
// users are synchronized, and only down, from a tenant to a domain.
func Relate(keys []*Key, r Relations) {
	for _, k := range keys {
		if k.Usage != keycred.UsageNGC.String() || k.Has(Malformed) {
			continue
		}
		switch k.Directory {
		case Entra:
			k.relateEntra(keys, &r)
		case AD:
			k.relateAD(keys, &r)
		}
	}
}

// relateEntra follows a tenant's key down.
func (k *Key) relateEntra(keys []*Key, r *Relations) {
	r.deviceGone(k, k.Home)
	if k.SID == "" { // the account is the tenant's alone
		return
	}
	for _, l := range r.Links {
		if l.Tenant != k.Home || !strings.HasPrefix(k.SID, l.DomainSID+"-") {
			continue
		}
		switch {
		case twin(keys, k, AD, l.Domain) != nil:
			k.stamp(Synced)
		case l.Keys && r.Guarded[k.SID]:
			k.mark(Waiting, "%s does not have the key, and refuses it from the synchronization: AdminSDHolder protects the account, and its list, as it was last written there, has no right for Key Admins (adminsdholder_key_admins of the domain). The domain refuses who signs in with it.", l.Domain)
		case l.Keys:
			k.mark(Waiting, "%s does not have the key yet: it comes with the next synchronization. Until then the domain refuses who signs in with it by key trust; cloud Kerberos trust needs no copy.", l.Domain)
		default:
			k.mark(Waiting, "%s does not have the key, and no synchronization brings it: %s. The domain refuses who signs in with it.", l.Domain, l.Why)
		}
	}
}

// relateAD follows a domain's key up.
func (k *Key) relateAD(keys []*Key, r *Relations) {
	if k.Source != keycred.SourceAzureAD.String() {
		return // FromAD judges those
	}
	var tenants []string
	for _, l := range r.Links {
		if l.Domain == k.Home {
			tenants = append(tenants, l.Tenant)
		}
	}
	if len(tenants) == 0 {
		return
	}
	for _, tenant := range tenants {
		if twin(keys, k, Entra, tenant) != nil {
			k.stamp(Synced)
			return
		}
	}
	for _, tenant := range tenants {
		if other := bearer(keys, k.ID, tenant); other != nil {
			k.mark(Foreign, "%s has this key for another account, %s: no synchronization wrote it here.", tenant, other.Account)
			return
		}
	}
	k.mark(Orphaned, "%s has no such key of the account: it was removed there, and the next synchronization takes it away here; or no synchronization wrote it, and none takes it away.", strings.Join(tenants, " or "))
	if len(tenants) == 1 {
		r.deviceGone(k, tenants[0])
	}
}

// deviceGone marks a key whose device a tenant does not have.
func (r *Relations) deviceGone(k *Key, tenant string) {
	devices, read := r.Devices[tenant]
	if !read || k.Device == "" || devices[strings.ToLower(k.Device)] {
		return
	}
	why := "Its device " + k.Device + " is not in " + tenant + " any more."
	if k.Has(Orphaned) {
		k.Why = append(k.Why, why)
		return
	}
	k.mark(Orphaned, "%s", why)
}

// stamp sets a mark that needs no explanation.
func (k *Key) stamp(mark string) {
	if !k.Has(mark) {
		k.Marks = append(k.Marks, mark)
	}
}

// twin is the same key of the same account in another directory.
func twin(keys []*Key, k *Key, d Directory, home string) *Key {
	i := slices.IndexFunc(keys, func(o *Key) bool {
		return o.Directory == d && o.Home == home && o.ID == k.ID && o.SID != "" && o.SID == k.SID
	})
	if i < 0 {
		return nil
	}
	return keys[i]
}

// bearer is a key of a tenant by its id, whosever it is.
func bearer(keys []*Key, id, tenant string) *Key {
	i := slices.IndexFunc(keys, func(o *Key) bool { return o.Directory == Entra && o.Home == tenant && o.ID == id })
	if i < 0 {
		return nil
	}
	return keys[i]
}
