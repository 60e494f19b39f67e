package windows

import (
	"hellolab/providers"
	"hellolab/providers/wire/krb"
)

// Tickets is the Kerberos cache of a user's session on a device, for other
// programs: the ticket-granting ticket with its session key, and the tickets
// bought with it. Nil: the session has none. env is that of the device.
func (w *Windows) Tickets(env providers.Env, user, device string) (*krb.CCache, error) {
	p, err := userOf(env, providers.Ref(user))
	if err != nil {
		return nil, err
	}
	p.password.Wipe()
	m := &machine{env: env, addr: device}
	s, err := m.kerberosSession(p)
	if err != nil || s == nil || s.TGT == nil {
		return nil, err
	}
	return s.CCache()
}
