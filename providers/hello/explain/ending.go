package explain

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"time"

	"hellolab/providers/hello"
	"hellolab/providers/hello/access"
)

// Ending is a step of an administrator's, and how the sign-ins of the credential
// would end after it: at once, and after the next cycle of Connect, where there
// is one. What running sessions keep (tickets, tokens) lives to its end.
type Ending struct {
	Step string `json:"step"` // full sentence
	How  string `json:"how"`  // how it is done here
	Ways []Way  `json:"ways"`
}

// Way is one sign-in after a step.
type Way struct {
	To     string      `json:"to"` // "" is Windows itself
	Now    access.Word `json:"now"`
	Reason string      `json:"reason,omitempty"`
	Next   access.Word `json:"next_cycle,omitempty"` // after the next cycle; empty when none is to come
	Then   string      `json:"next_cycle_reason,omitempty"`
}

// step is an Ending before it is judged: what it changes of what is declared and
// of what is held. Both are copies, the pair's own objects included.
type step struct {
	what, how string
	applies   bool
	change    func(u *hello.User, d *hello.Device, m *access.Machine, a *access.Account)
}

// endings judges each step by what the sign-ins then come to. None for who has
// no credential.
func (e *explaining) endings() []Ending {
	if e.credential.KeyID == "" || e.no != nil {
		return nil
	}
	key := e.credential.KeyID
	fromTenant := func(a *access.Account) {
		a.TenantKeys = slices.DeleteFunc(slices.Clone(a.TenantKeys), func(k access.Key) bool { return k.ID == key })
	}
	fromDomain := func(a *access.Account) {
		a.DomainKeys = slices.DeleteFunc(slices.Clone(a.DomainKeys), func(id string) bool { return id == key })
	}
	both, inTenant := e.u.In.Domain != "" && e.u.In.Tenant != "", e.u.In.Tenant != ""
	keyCounts := e.shape.Trust == hello.KeyTrust && e.u.In.Domain != "" && (both || e.shape.Deployment == hello.OnPremises)
	steps := []step{
		{"The device is disabled in the tenant.", "enabled_in_tenant = false on " + e.Device, inTenant, func(_ *hello.User, d *hello.Device, m *access.Machine, _ *access.Account) {
			d.In.EnabledInTenant, m.Enabled = false, nil
		}},
		{"The user is disabled in the tenant.", "enabled_in_tenant = false on " + e.User, inTenant, func(u *hello.User, _ *hello.Device, _ *access.Machine, _ *access.Account) {
			u.In.EnabledInTenant = false
		}},
		{"The key is deleted in the tenant.", "remove the enrollment, or delete the user's windowsHelloForBusinessMethods entry over Graph", inTenant, func(_ *hello.User, _ *hello.Device, _ *access.Machine, a *access.Account) {
			fromTenant(a)
		}},
		{"The key is deleted in the domain.", revocation(e.User, key), keyCounts, func(_ *hello.User, _ *hello.Device, _ *access.Machine, a *access.Account) {
			fromDomain(a)
		}},
		{"The key is deleted in both.", "the two above", keyCounts && both, func(_ *hello.User, _ *hello.Device, _ *access.Machine, a *access.Account) {
			fromTenant(a)
			fromDomain(a)
		}},
		{"The sign-in certificate is revoked, and the list published.", certificateRevocation(e.credential.Certificates), e.shape.Trust == hello.CertTrust && len(e.credential.Certificates) > 0, func(_ *hello.User, _ *hello.Device, m *access.Machine, _ *access.Account) {
			c := *e.credential
			c.Certificates = nil
			for _, cert := range e.credential.Certificates {
				own := *cert
				own.Revoked = true
				c.Certificates = append(c.Certificates, &own)
			}
			m.Credentials = maps.Clone(m.Credentials)
			m.Credentials[e.User] = &c
		}},
		{"The user is disabled in the domain.", "enabled_in_domain = false on " + e.User, e.u.In.Domain != "", func(u *hello.User, _ *hello.Device, _ *access.Machine, _ *access.Account) {
			u.In.EnabledInDomain = false
		}},
		{"The computer is disabled in the domain.", "enabled_in_domain = false on " + e.Device, e.member(), func(_ *hello.User, d *hello.Device, m *access.Machine, _ *access.Account) {
			told := true
			d.In.EnabledInDomain, m.Carried = false, &told
		}},
	}
	var out []Ending
	for _, s := range steps {
		if s.applies {
			out = append(out, e.after(s))
		}
	}
	return out
}

// revocation is the command that deletes a key in the domain: it takes the
// beginning of the key's id, in hexadecimal. An id that is no base64 is left to be
// looked up.
func revocation(user, key string) string {
	id, err := base64.StdEncoding.DecodeString(key)
	if err != nil || len(id) < 6 {
		return "hellolab keys revoke " + user + " -key=ID, as `hellolab keys` prints it"
	}
	return fmt.Sprintf("hellolab keys revoke %s -key=%x", user, id[:6])
}

// certificateRevocation is the command that revokes the newest of certificates, and
// publishes the list.
func certificateRevocation(certificates []*access.UserCertificate) string {
	for _, c := range slices.Backward(certificates) {
		if len(c.Raw) > 0 {
			return fmt.Sprintf("hellolab revoke certificate %X -publish", sha1.Sum(c.Raw))
		}
	}
	return "hellolab revoke certificate THUMBPRINT -publish, of those that `-list` lists"
}

// after judges the sign-ins after a step.
func (e *explaining) after(s step) Ending {
	world, facts := *e.world, *e.held.Lab
	u, d, m, a := *e.u, *e.d, *e.machine, *e.account
	world.Users, world.Devices = maps.Clone(world.Users), maps.Clone(world.Devices)
	facts.Machines, facts.Accounts = maps.Clone(facts.Machines), maps.Clone(facts.Accounts)
	world.Users[e.User], world.Devices[e.Device], facts.Machines[e.Device], facts.Accounts[e.User] = &u, &d, &m, &a
	s.change(&u, &d, &m, &a)

	held := e.held
	held.Lab = &facts
	now, next := of(&world, held, e.Request), (*explaining)(nil)
	if at, ok := e.nextCycle(); ok {
		held.Lab = facts.Later(&world, at)
		next = of(&world, held, e.Request)
	}
	out := Ending{Step: s.what, How: s.how}
	for _, to := range e.targets() {
		v := now.signIn(to)
		w := Way{To: to, Now: v.Verdict, Reason: v.Reason}
		if next != nil {
			v := next.signIn(to)
			w.Next, w.Then = v.Verdict, v.Reason
		}
		out.Ways = append(out.Ways, w)
	}
	return out
}

// nextCycle is when the user's directories, keys included, have next been
// synchronized. Keys may come when cycles do not run by themselves.
func (e *explaining) nextCycle() (at time.Time, ok bool) {
	s := e.world.SyncBetween(e.u.In.Tenant, e.u.In.Domain)
	if s == nil || s.In.Staging {
		return at, false
	}
	of := e.held.Lab.Syncs[s.Addr]
	if s.In.Enabled {
		at = of.Cycles.Next
	}
	if s.In.KeyExport && hello.KeysPaused(s.In) == "" && of.Keys.Next.After(at) {
		at = of.Keys.Next
	}
	return at, !at.IsZero()
}
