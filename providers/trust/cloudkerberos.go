package trust

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/wire/web"
)

// record is what a cloud Kerberos trust remembers in its own table: which key it
// announced last, and which objects are its own. The key itself is in the two
// directories only.
type record struct {
	Announced int    `json:"announced"` // spec.Trust.KeyVersion
	User      string `json:"user"`      // objectGUID
	Computer  string `json:"computer"`
}

const keyServer = "server"

func loadRecord(env providers.Env) (r record, err error) {
	err = env.Section.View(func(rd providers.Reader) error {
		data, ok, err := rd.Get(table, keyServer)
		if err != nil || !ok {
			return err
		}
		return json.Unmarshal(data, &r)
	})
	return r, err
}

// putRecord writes it.
func putRecord(w providers.Writer, r record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return w.Put(table, keyServer, data)
}

// out is what the trust learned.
func (s server) out(id string) spec.TrustOut {
	return spec.TrustOut{ID: id, Server: s.id(), DomainKey: s.version(), TenantKey: s.copied()}
}

// establish makes the server object, or makes it whole, and gives both places a
// new key. The caller writes the record last: until then the trust counts as half
// made.
func establish(ctx context.Context, env providers.Env, in spec.Trust, id string) (spec.TrustOut, record, error) {
	b, err := attend(ctx, env, in)
	if err != nil {
		return spec.TrustOut{}, record{}, err
	}
	defer b.close()
	s, err := b.make(ctx)
	if err != nil {
		return spec.TrustOut{}, record{}, err
	}
	if s, err = b.rotate(ctx, s); err != nil {
		return spec.TrustOut{}, record{}, err
	}
	b.tell(ctx, "", "kerberos_server_made", "The administrator makes the Kerberos server object in the domain and gives Entra Kerberos its key.", s)
	return s.out(id), s.record(in), nil
}

// tell emits a step of the administrator's.
func (b *both) tell(ctx context.Context, flow, step, text string, s server) {
	b.env.Emit.Emit(event.Event{At: b.env.Now(), Correlation: web.Correlation(ctx), Flow: flow, Actor: event.ActiveDirectory, Peer: event.EntraKerberos, Protocol: "LDAP", Step: step, Text: text,
		Message: map[string]any{"domain": b.dnsName(), "server": s.user.Text("sAMAccountName"), "key_version": s.version()}})
}

// asHeld is the declared trust as the domain and the tenant have it; it is gone
// when nothing of its own is there.
func asHeld(ctx context.Context, env providers.Env, o object, id string) (object, error) {
	b, err := attend(ctx, env, o.In)
	if err != nil {
		return object{}, err
	}
	defer b.close()
	s, err := b.look(ctx)
	if err != nil {
		return object{}, err
	}
	if !b.owns(s) || s.user == nil && s.computer == nil {
		return object{}, providers.ErrGone
	}
	return b.as(o, s, id)
}

// as is what is there of the declared trust. No key is announced, 0, while the
// key's versions differ, a part of the server object is missing or is not what it
// must be, or the trust was not made to its end: Update makes it whole.
func (b *both) as(o object, s server, id string) (object, error) {
	var err error
	o.In.KeyVersion = b.record.Announced
	if !s.whole() {
		o.In.KeyVersion = 0
	}
	if s.computer != nil {
		if o.In.Allowed, err = b.held(o.In.Allowed, defaultAllowed, s.computer.Values(attributeAllowed)); err != nil {
			return object{}, err
		}
		if o.In.Denied, err = b.held(o.In.Denied, defaultDenied, s.computer.Values(attributeDenied)); err != nil {
			return object{}, err
		}
	}
	o.Addr, o.ID, o.Out = b.env.Addr, id, s.out(id)
	return o, nil
}

// leftOf finds what a killed call left, or all of it.
func leftOf(ctx context.Context, env providers.Env, in spec.Trust) (object, error) {
	id, err := verify(env, in)
	if err != nil {
		return object{}, fmt.Errorf("%w: %w", providers.ErrGone, err)
	}
	return asHeld(ctx, env, object{In: in}, id)
}

// change brings the lists up to date, and the key when another is announced.
func change(ctx context.Context, env providers.Env, o object, in spec.Trust) (spec.TrustOut, error) {
	b, err := attend(ctx, env, in)
	if err != nil {
		return o.Out, err
	}
	defer b.close()
	s, err := b.make(ctx)
	if err != nil {
		return o.Out, err
	}
	if in.KeyVersion != b.record.Announced || !s.whole() {
		if s, err = b.rotate(ctx, s); err != nil {
			return o.Out, err
		}
		b.tell(ctx, "", "kerberos_server_rotated", "The administrator gives the Kerberos server object a new key, in the domain and in Entra Kerberos.", s)
	}
	if now := s.record(in); now != b.record {
		if err := env.Section.Update(ctx, func(w providers.Writer) error { return putRecord(w, now) }); err != nil {
			return o.Out, err
		}
	}
	return s.out(o.ID), nil
}

// remove takes a server object away that is the trust's own.
func remove(ctx context.Context, env providers.Env, in spec.Trust) error {
	b, err := attend(ctx, env, in)
	if err != nil {
		return err
	}
	defer b.close()
	s, err := b.look(ctx)
	if err != nil {
		return err
	}
	if !b.owns(s) {
		return nil
	}
	if err := b.unmake(ctx, s); err != nil {
		return err
	}
	return env.Section.Update(ctx, func(w providers.Writer) error { return errors.Join(w.Delete(table, keyServer), w.Delete(table, made)) })
}

// State is a server object as the two directories have it.
type State struct {
	There     bool // a part of it, at least
	Sound     bool // it is one: a read-only controller's computer, and its krbtgt
	Server    int  // its number
	DomainKey int  // version of its key
	TenantKey int  // of the tenant's copy; 0: it has none of this server
}

// Look reads the server object of a cloud Kerberos trust in both places.
func Look(ctx context.Context, env providers.Env, in spec.Trust) (State, error) {
	b, err := signIn(ctx, env, in)
	if err != nil {
		return State{}, err
	}
	defer b.close()
	s, err := b.look(ctx)
	return State{There: s.user != nil || s.computer != nil, Sound: s.sound(), Server: s.id(), DomainKey: s.version(), TenantKey: s.copied()}, err
}

// ErrNoServer is what Rotate answers for a domain without a server object.
var ErrNoServer = errors.New("the domain has no Kerberos server object")

// Rotation is what Rotate did: the versions before, where the tenant's may be
// another, and the one that both have now.
type Rotation struct {
	Server    int `json:"server"` // number of the server object
	WasDomain int `json:"was_in_domain"`
	WasTenant int `json:"was_in_tenant"` // 0: it had none of this server's
	Is        int `json:"is"`
}

// Rotate gives the server object of a cloud Kerberos trust a new key now, in the
// domain and in the tenant. In a trace it is a flow of its own, under ctx's
// correlation id.
func Rotate(ctx context.Context, env providers.Env, in spec.Trust) (Rotation, error) {
	b, err := signIn(ctx, env, in)
	if err != nil {
		return Rotation{}, err
	}
	defer b.close()
	s, err := b.look(ctx)
	if err != nil {
		return Rotation{}, err
	}
	if !s.sound() {
		return Rotation{}, ErrNoServer
	}
	r := Rotation{Server: s.id(), WasDomain: s.version(), WasTenant: s.copied()}
	if s, err = b.rotate(ctx, s); err != nil {
		return r, err
	}
	b.tell(ctx, "rotate", "kerberos_server_rotated", "The administrator gives the Kerberos server object a new key, in the domain and in Entra Kerberos.", s)
	r.Is = s.version()
	return r, nil
}
