package windows

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows/ksp"
	"hellolab/providers/wire/drs"
)

// workRecord is what a personal device keeps of a work account of a further
// tenant. Each tenant has a device object of its own, under keys of its own; the
// first account's registration stands in the machine's record.
type workRecord struct {
	DeviceKey    ksp.Key       `json:"device_key"`
	TransportKey ksp.Key       `json:"transport_key"`
	AIKChain     [][]byte      `json:"aik_chain,omitempty"`
	Joining      string        `json:"joining,omitempty"`
	Registration *registration `json:"registration,omitempty"`
}

// as is the machine as the tenant of a further work account knows it: flows
// run on it as on any other, and save writes the account's part.
func (m *machine) as(account string, rec workRecord) *machine {
	v := *m
	v.guest, v.in.Tenant = account, ""
	v.rec.DeviceKey, v.rec.TransportKey, v.rec.AIKChain = rec.DeviceKey, rec.TransportKey, rec.AIKChain
	v.rec.Joining, v.rec.Registration = rec.Joining, rec.Registration
	return &v
}

// putRecord keeps the record, or the part of it that is a work account's.
func (m *machine) putRecord(w providers.Writer) error {
	if m.guest == "" {
		return put(w, tableMachine, "record", m.rec)
	}
	r := &m.rec
	return put(w, tableWork, m.guest, workRecord{r.DeviceKey, r.TransportKey, r.AIKChain, r.Joining, r.Registration})
}

// at is the machine as a user's tenant knows it. A personal device is unknown
// to the tenants of users who have no work account there.
func (m *machine) at(user person) (*machine, error) {
	if !m.personal() || m.rec.Registration != nil && m.rec.Registration.Account == user.sid {
		return m, nil
	}
	rec, ok, err := view[workRecord](m.env.Section, tableWork, user.sid)
	if err != nil {
		return nil, err
	}
	v := m.as(user.sid, rec)
	if ok {
		v.in.Tenant = user.tenant
	}
	return v, nil
}

// guests are the machine as the tenants of its further work accounts know it.
func (m *machine) guests() (all []*machine, err error) {
	err = m.env.Section.View(func(r providers.Reader) error {
		all = nil
		return r.Scan(tableWork, "", func(account string, _ []byte) error {
			rec, _, err := load[workRecord](r, tableWork, account)
			all = append(all, m.as(account, rec))
			return err
		})
	})
	return all, err
}

// everywhere is the machine as each tenant knows it, its own first.
func (m *machine) everywhere() ([]*machine, error) {
	if !m.personal() {
		return []*machine{m}, nil
	}
	guests, err := m.guests()
	return append([]*machine{m}, guests...), err
}

// workers are the people whose work accounts a personal device shall have, the
// one of the device's own tenant first. The caller wipes their passwords.
func (m *machine) workers() ([]person, error) {
	var all []person
	for _, ref := range m.in.WorkAccounts {
		p, err := userOf(m.env, ref)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	first := slices.IndexFunc(all, func(p person) bool { return p.tenant == m.in.Tenant })
	if first < 0 {
		return nil, fmt.Errorf("%s: no work account lives in %s: name one in work_accounts", m.addr, m.in.Tenant)
	}
	all[0], all[first] = all[first], all[0]
	return all, nil
}

// addWorkAccounts has the owner add the work accounts that are not there yet.
func (m *machine) addWorkAccounts(ctx context.Context) error {
	people, err := m.workers()
	if err != nil {
		return err
	}
	for i, p := range people {
		defer p.password.Wipe()
		v := m
		if i > 0 {
			if v, err = m.guestFor(ctx, p); err != nil {
				return err
			}
		}
		if err := v.addWorkAccount(ctx, p); err != nil {
			return fmt.Errorf("%s: add the work account of %s: %w", m.addr, p.addr, err)
		}
	}
	return nil
}

// guestFor is the machine for a further work account, with keys of its own.
func (m *machine) guestFor(ctx context.Context, p person) (*machine, error) {
	v, err := m.at(p)
	if err != nil || v.in.Tenant != "" {
		return v, err
	}
	v.in.Tenant = p.tenant
	for key, use := range map[*ksp.Key]ksp.Use{&v.rec.DeviceKey: ksp.Sign, &v.rec.TransportKey: ksp.Decrypt} {
		if *key, err = v.ksp.CreateKey(ctx, use, nil); err != nil {
			return nil, err
		}
	}
	return v, v.save(ctx)
}

func (m *machine) addWorkAccount(ctx context.Context, p person) error {
	tenant, err := tenantOf(m.env, p.tenant)
	if err != nil {
		return err
	}
	if err := m.settle(ctx, tenant); err != nil {
		return fmt.Errorf("what an earlier attempt left: %w", err)
	}
	if done, err := m.added(p); done || err != nil {
		return err
	}
	return m.register(ctx, tenant, p)
}

// added reports whether a work account is there with all that adding brings:
// the registration and the token, which the sign-in's own token was spent on.
func (m *machine) added(p person) (bool, error) {
	_, unspent, err := view[wamRecord](m.env.Section, tableWAM, p.sid)
	return m.registered() && m.rec.Registration.Account == p.sid && !unspent, err
}

// whole reports whether the device has every registration that it shall have.
func (m *machine) whole() (bool, error) {
	if !m.personal() {
		return m.registered(), nil
	}
	people, err := m.workers()
	if errors.Is(err, errNotCreated) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, p := range people {
		p.password.Wipe()
		v, err := m.at(p)
		if err != nil {
			return false, err
		}
		if done, err := v.added(p); !done || err != nil {
			return false, err
		}
	}
	return true, nil
}

// accountSteps are flow DR on a personal device: the owner adds a work account,
// the device registers with that account's tenant (join type 4), and the
// primary refresh token comes at once, not at the next unlock (seed 004,
// "Primary refresh token").
func (r *registering) accountSteps() []func(context.Context) error {
	return []func(context.Context) error{r.openSettings, r.discover, r.signIn, r.join, r.certifyIdentityKey, r.attestPool, r.finish, r.accountToken}
}

func (r *registering) openSettings(context.Context) error {
	r.unlocked(r.trace)
	r.trace.step(event.User, event.CXH, local, "add_work_account", "The owner chooses to add a work or school account.", message{"user": r.joiner.upn})
	return nil
}

// accountToken spends the sign-in that registered the device on the account's
// primary refresh token.
func (r *registering) accountToken(ctx context.Context) error {
	c := &cloudAP{m: r.machine, trace: r.trace, http: r.http, tenant: r.tenant}
	_, err := c.firstSignIn(ctx, r.joiner)
	return err
}

// door is where a user signs in with a work account.
func (c *cloudAP) door() event.Actor {
	if c.m.personal() {
		return event.WAM
	}
	return event.Winlogon
}

// accountSignIn shows how a work account signs in where it does not unlock
// Windows: on the broker's page.
func (c *cloudAP) accountSignIn(upn, credential string) {
	text := "The user signs in to the work account with the first factor."
	if credential == byRefresh {
		text = "The sign-in that added the work account stands for the first factor."
	}
	c.trace.step(event.User, c.door(), local, "first_factor", text, message{"user": upn, "credential": credential})
}

// forgetAccount forgets a registration that is gone, and what its account had
// on the device. The owner's container stays.
func (m *machine) forgetAccount(ctx context.Context) error {
	gone := *m.rec.Registration
	m.rec.Registration, m.rec.AIKChain = nil, nil
	return m.env.Section.Update(ctx, func(w providers.Writer) error {
		return errors.Join(m.putRecord(w), m.dropCredential(w, gone.Account, gone.TenantID),
			endSession(w, gone.Account), dropSignIns(w, gone.Account))
	})
}

// dropSignIns forgets what interactive sign-ins of an account left with the Web
// Account Manager, wherever they were.
func dropSignIns(w providers.Writer, sid string) error {
	gone := []string{sid}
	err := w.Scan(tableWAM, sid+"|", func(key string, _ []byte) error {
		gone = append(gone, key)
		return nil
	})
	for _, key := range gone {
		err = errors.Join(err, w.Delete(tableWAM, key))
	}
	return err
}

// itsTenant is the tenant that the machine, or the work account in whose place
// it acts, is registered with.
func (m *machine) itsTenant() (spec.TenantOut, error) {
	if m.in.Tenant == "" {
		return m.tenantOfRecord()
	}
	return tenantOf(m.env, m.in.Tenant)
}

// joinType is the registration service's number for how a device is known.
func (m *machine) joinType() int {
	switch {
	case m.personal():
		return drs.JoinRegister
	case m.rec.Member != nil:
		return drs.JoinHybrid
	}
	return drs.JoinEntra
}

// signInWords are the events of the sign-in that registers the device.
func (r *registering) signInWords() (step, asks, hands string) {
	if r.personal() {
		return "account_sign_in", "The owner's Settings ask for a token to the registration service.", "The plug-in hands the token to Settings."
	}
	return "oobe_sign_in", "The out-of-box experience asks for a token to the registration service.", "The plug-in hands the token to the out-of-box experience."
}
