package doctor

import "hellolab/providers/wire/krb"

// serverObject judges what partial tickets rest on.
func (x *examination) serverObject(t *Trust) {
	rotate := "Run `hellolab trust rotate " + t.Addr + "`, which gives both a new key."
	switch {
	case t.Trouble != nil:
		x.add(Error, "server_object_unknown", t.Addr, "", "Look into `hellolab trace` and HELLOLAB_LOG=debug for why.", "The Kerberos server object of %s cannot be looked at: %v.", t.Addr, t.Trouble)
	case !t.There:
		x.add(Error, "server_object_missing", t.Addr, code(krb.ErrServerUnknown), "Apply, which makes it anew.",
			"%s has no Kerberos server object: no partial ticket of %s is exchanged.", t.Domain, t.Tenant)
	case !t.Sound:
		x.add(Error, "server_object_broken", t.Addr, code(krb.ErrPolicy), "Apply, which makes it whole.",
			"The Kerberos server object of %s is not whole: AzureADKerberos or its krbtgt is missing, or it does not stand for a read-only controller.", t.Domain)
	case t.TenantKey == 0:
		x.add(Error, "server_object_unpublished", t.Addr, "", rotate, "%s has no key of krbtgt_%d: it issues no partial tickets of %s.", t.Tenant, t.Server, t.Domain)
	case t.TenantKey != t.DomainKey:
		x.add(Error, "server_object_key", t.Addr, code(krb.ErrBadKeyVersion), rotate, "The key of krbtgt_%d has version %d in %s and %d in %s: new partial tickets are refused.", t.Server, t.DomainKey, t.Domain, t.TenantKey, t.Tenant)
	case t.Apart:
		x.add(Error, "server_object_key", t.Addr, code(krb.ErrBadIntegrity), rotate, "The key of krbtgt_%d has version %d in %s and in %s, which got it at another time: it is another key, and partial tickets are refused.", t.Server, t.DomainKey, t.Domain, t.Tenant)
	}
}
