// Package farmtest is a domain with the account of a federation service, for the
// tests of the service's parts: they answer by themselves, with the token service
// played by the test.
package farmtest

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/adcs"
	"hellolab/providers/adds"
	"hellolab/providers/adfs/edrs"
	"hellolab/providers/administer"
	"hellolab/providers/conformance"
	"hellolab/providers/event"
	"hellolab/providers/identity"
	"hellolab/providers/spec"
	"hellolab/providers/wire/addevice"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/keycred"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/member"
	"hellolab/providers/wire/sealed"
	"hellolab/providers/wire/sid"
)

// Names of the lab.
const (
	Corp     = "domain.corp"
	DNSName  = "corp.contoso.com"
	Host     = "sts." + DNSName
	Password = "Correct-Horse-7"
)

// Lab is the domain.
type Lab struct {
	*conformance.Env
	TB      testing.TB
	Conn    *adldap.Conn // signed in as the administrator
	Account *member.Account
	SID     sid.SID // of the account
	Seal    *sealed.Sealer
}

// New makes a domain in which the service's account has its rights, and device
// registration.
func New(tb testing.TB) *Lab {
	tb.Helper()
	e := conformance.NewEnv(tb, append(append(adds.Types(), adcs.Types()...), identity.Types()...)...)
	e.Create(Corp, spec.Domain{DNSName: DNSName, NetBIOSName: "CORP"})
	l := &Lab{Env: e, TB: tb, Seal: sealed.New("federation", nil, []byte(strings.Repeat("k", sealed.KeySize)), rand.Reader)}
	c, d, err := administer.Directory(tb.Context(), e.For(Corp), Corp)
	l.Must(err)
	tb.Cleanup(c.Close)
	l.Conn = c
	l.Account = &member.Account{Realm: d.Out.Realm, Controller: d.Out.Hosts[0], Base: d.Out.DN, Host: Host}
	l.Account.Password, err = member.NewPassword(rand.Reader)
	l.Must(err)
	joined, err := l.Account.Join(c, "HTTP")
	l.Must(err)
	l.SID, err = sid.Decode(joined.Bytes("objectSid"))
	l.Must(err)
	domain, err := sid.Parse(d.Out.SID)
	l.Must(err)
	admins, err := c.First(ldapmsg.EqualTo("objectSid", domain.Account(sid.RIDKeyAdmins).String()))
	l.Must(err)
	l.Must(c.AddValue(admins.DN, "member", joined.DN))
	l.Must(c.Replace(addevice.ContainerDN(c.Base), adldap.Attributes{"managedBy": {joined.DN}}))
	l.Must(edrs.Initialize(c, l.Seal, rand.Reader, e.Now()))
	return l
}

// Must ends the test on an error.
func (l *Lab) Must(err error) {
	l.TB.Helper()
	if err != nil {
		l.TB.Fatal(err)
	}
}

// Service is the service's surroundings.
func (l *Lab) Service() providers.Env {
	env := l.For("federation.sts")
	env.Rand = rand.Reader
	return env
}

// Directory signs the service in.
func (l *Lab) Directory(ctx context.Context) (*adldap.Conn, error) {
	return l.Account.Directory(ctx, l.Service())
}

// Person makes a user of the domain, name@DNSName with Password.
func (l *Lab) Person(name string) *adldap.Entry {
	l.TB.Helper()
	l.Create("user."+name, spec.User{UPN: name + "@" + DNSName, Domain: Corp, Password: providers.Secret(Password), EnabledInDomain: true, PasswordVersion: 1})
	return l.User(name)
}

// User reads a user.
func (l *Lab) User(name string) *adldap.Entry {
	l.TB.Helper()
	e, err := l.Conn.First(ldapmsg.EqualTo("sAMAccountName", name), "objectSid", "userPrincipalName", "userAccountControl", addevice.KeyAttribute)
	l.Must(err)
	return e
}

// SIDOf is the security identifier of an object.
func (l *Lab) SIDOf(e *adldap.Entry) sid.SID {
	l.TB.Helper()
	id, err := sid.Decode(e.Bytes("objectSid"))
	l.Must(err)
	return id
}

// Keys are the key credentials of an object.
func (l *Lab) Keys(e *adldap.Entry) (out []keycred.Key) {
	l.TB.Helper()
	for _, v := range e.Values(addevice.KeyAttribute) {
		b, err := ldapmsg.ParseDNBinary(string(v))
		l.Must(err)
		k, err := keycred.Parse(b.Binary)
		l.Must(err)
		out = append(out, k)
	}
	return out
}

// AddKey writes a Hello key to a user, as of a device.
func (l *Lab) AddKey(name string, blob []byte, device guid.GUID) {
	l.TB.Helper()
	k := keycred.New(blob, keycred.UsageNGC, keycred.SourceAD)
	k.Device = &device
	raw, err := k.Marshal()
	l.Must(err)
	e := l.User(name)
	l.Must(l.Conn.AddValue(e.DN, addevice.KeyAttribute, ldapmsg.DNBinary{Binary: raw, DN: e.DN}.String()))
}

// AddDevice writes a registered device.
func (l *Lab) AddDevice(d addevice.Device) {
	l.TB.Helper()
	values := d.Values()
	values["objectClass"] = []string{addevice.Class}
	for name, v := range values {
		if len(v) == 0 {
			delete(values, name)
		}
	}
	dn := addevice.DN(l.Conn.Base, d.ID)
	l.Must(l.Conn.Add(dn, values))
	key, err := d.Key()
	l.Must(err)
	if key != nil {
		l.Must(l.Conn.AddValue(dn, addevice.KeyAttribute, ldapmsg.DNBinary{Binary: key, DN: dn}.String()))
	}
}

// Enable enables a device, or disables it.
func (l *Lab) Enable(id guid.GUID, yes bool) {
	l.TB.Helper()
	text := "FALSE"
	if yes {
		text = "TRUE"
	}
	l.Must(l.Conn.Replace(addevice.DN(l.Conn.Base, id), adldap.Attributes{"msDS-IsEnabled": {text}}))
}

// EnableUser enables a user, or disables it.
func (l *Lab) EnableUser(name string, yes bool) {
	l.TB.Helper()
	bits := "514"
	if yes {
		bits = "512"
	}
	l.Must(l.Conn.Replace(l.User(name).DN, adldap.Attributes{"userAccountControl": {bits}}))
}

// Key makes an RSA key.
func (l *Lab) Key() *rsa.PrivateKey {
	l.TB.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	l.Must(err)
	return key
}

// Steps are the steps of an actor that were told since a time, in order.
func (l *Lab) Steps(actor event.Actor, since time.Time) (out []string) {
	for _, e := range l.Events() {
		if e.Actor == actor && !e.At.Before(since) {
			out = append(out, e.Step)
		}
	}
	return out
}

// Told returns the last event of a step of an actor; the test ends without one.
func (l *Lab) Told(actor event.Actor, step string) event.Event {
	l.TB.Helper()
	all := l.Events()
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Actor == actor && all[i].Step == step {
			return all[i]
		}
	}
	l.TB.Fatalf("%s did not tell %s", actor, step)
	return event.Event{}
}
