package windows

import (
	"hellolab/providers"
	"hellolab/providers/windows/kerberos"
	"hellolab/providers/wire/krb"
)

// Tickets is the Kerberos cache of a user's session on a device, for other
// programs: the ticket-granting ticket with its session key, the tickets bought
// with it, and the partial ticket that it came of. Programs take the first
// ticket-granting ticket, which is the partial one only where there is no full
// one yet; only a ticket-granting service takes that. Nil: the session has none.
// env is that of the device.
func (w *Windows) Tickets(env providers.Env, user, device string) (*krb.CCache, error) {
	p, err := userOf(env, providers.Ref(user))
	if err != nil {
		return nil, err
	}
	p.password.Wipe()
	m := &machine{env: env, addr: device}
	s, err := m.kerberosSession(p)
	if err != nil {
		return nil, err
	}
	held, err := m.cloudTickets(p)
	if err != nil {
		return nil, err
	}
	partial := held.Domain
	switch {
	case s != nil && s.TGT != nil:
		cache, err := s.CCache()
		if err == nil && kerberos.Usable(partial, env.Now()) {
			cache.Credentials = append(cache.Credentials, *partial)
		}
		return cache, err
	case kerberos.Usable(partial, env.Now()):
		return &krb.CCache{Realm: partial.CRealm, Principal: partial.Client, Credentials: []krb.Credential{*partial}}, nil
	}
	return nil, nil
}
