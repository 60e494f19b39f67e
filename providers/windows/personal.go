package windows

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/windows/container"
	"hellolab/providers/windows/ksp"
	"hellolab/providers/windows/sensor"
	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/ngc"
)

// A personal device is unlocked by its owner's Microsoft account or a local
// one; work accounts are guests on it (seed 004, "Primary refresh token"). The
// account that unlocks Windows has the device's one Hello container, and work
// keys lie in it beside the Microsoft account's (seed 004, "Container
// details"). The Microsoft account's own provider is not part of the lab: its
// key is made and used as any other, and registered with nobody.

// personal reports whether the device is unlocked by another than a work account.
func (m *machine) personal() bool { return m.rec.Unlock != "" }

// makePersonal writes into the record of a device that is being installed who
// unlocks it: the first user that is made on the machine.
func (r *machineRecord) makePersonal(in spec.Device, id guid.GUID) {
	if in.Join != string(hello.Registered) {
		return
	}
	w := id.Windows()
	r.Unlock = hello.UnlockAccount(in)
	r.Owner = fmt.Sprintf("S-1-5-21-%d-%d-%d-1001",
		binary.LittleEndian.Uint32(w[0:]), binary.LittleEndian.Uint32(w[4:]), binary.LittleEndian.Uint32(w[8:]))
}

// holder is whose container a user's keys lie in.
func (m *machine) holder(user person) string {
	if m.personal() {
		return m.rec.Owner
	}
	return user.sid
}

// face is who the sensors see when a user sits at the device: the owner of a
// personal device is one person, whatever accounts they have there. Elsewhere a
// person is known by the account, which may get another name.
func (m *machine) face(user person) string { return m.holder(user) }

// shows is a sample of a user, matched with their template. One that an earlier
// version made knows the person by the account's name at that time.
func (m *machine) shows(user person, tpl sensor.Template, shown []byte) ([]byte, error) {
	secret, err := tpl.Match(shown)
	if errors.Is(err, sensor.ErrNoMatch) && !m.personal() && bytes.Equal(shown, sensor.Sample(tpl.Kind, m.face(user))) {
		return tpl.Match(sensor.Sample(tpl.Kind, user.upn))
	}
	return secret, err
}

// containerOf is the container that a user's keys lie in, if there is one.
func (m *machine) containerOf(user person) (*container.Container, bool, error) {
	return view[*container.Container](m.env.Section, tableContainer, m.holder(user))
}

// oneAtATime keeps enrollments on a personal device apart, which all change the
// one container that it has. The caller calls done.
func (m *machine) oneAtATime() (done func()) {
	if !m.personal() {
		return func() {}
	}
	mu, _ := m.w.sharing.LoadOrStore(m.addr, new(sync.Mutex))
	mu.(*sync.Mutex).Lock()
	return mu.(*sync.Mutex).Unlock
}

// setUp is the owner's first day: with a Microsoft account Windows offers Hello
// at once, and whoever takes the offer has a container with a key of that
// account. It does nothing where there is a container, or no PIN to make one.
func (m *machine) setUp(ctx context.Context, pin providers.Secret) error {
	if m.rec.Unlock != spec.UnlockMicrosoft || len(pin) == 0 {
		return nil
	}
	if _, ok, err := m.containerOf(person{}); ok || err != nil {
		return err
	}
	if err := newPIN(pin, pin, hello.DefaultPINRules()); err != nil {
		return err
	}
	c, released, err := m.maker().Create(ctx, m.rec.Owner, pin, m.env.Now())
	if err != nil {
		return err
	}
	defer released.Close()
	key, err := m.ksp.CreateKey(ctx, ksp.UserSign, nil)
	if err != nil {
		return err
	}
	pub, err := key.RSA()
	if err != nil {
		return err
	}
	kid := ngc.KeyID(cng.MarshalRSAPublic(pub))
	own := container.UserKey{ID: kid, Name: container.Consumer + "/" + m.rec.Owner, Key: key, Created: m.env.Now()}
	// The account is the device's own: no registration stands behind it.
	if _, err := released.Section(container.Consumer).Adopt(ctx, own, container.Consumer); err != nil {
		return err
	}
	err = m.env.Section.Update(ctx, func(w providers.Writer) error { return put(w, tableContainer, m.rec.Owner, c) })
	if err != nil {
		return err
	}
	failpoint(m.env, "device:container")
	m.note(event.Container, keyHolder(m), tpm20, "consumer_container_created",
		"Windows is set up with a Microsoft account: the container is there, with a key of that account.",
		message{"container": c.ID, "provider": container.Consumer, "kid": kid, "storage": string(c.Storage)})
	return nil
}

// note records what happens on the device outside any flow.
func (m *machine) note(actor, peer event.Actor, protocol, step, text string, msg message) {
	m.env.Emit.Emit(event.Event{At: m.env.Now(), Actor: actor, Peer: peer, Protocol: protocol, Step: step, Text: text, Device: m.addr, Message: msg})
}

// unlocked tells in a trace who unlocked Windows, and that it concerned nobody else.
func (m *machine) unlocked(t *trace) {
	text := "Windows is unlocked by its owner's Microsoft account: no tenant is asked, and no primary refresh token comes of it."
	if m.rec.Unlock == spec.UnlockLocal {
		text = "Windows is unlocked by a local account: no tenant is asked, and no primary refresh token comes of it."
	}
	t.step(event.Winlogon, event.User, local, "unlocked_by_owner", text, message{"account": m.rec.Unlock, "sid": m.rec.Owner})
}
