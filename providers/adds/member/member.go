// Package member is the kind service: a member server of a domain, which
// answers HTTP on a host of its own and says who came.
//
// Making one joins a computer account to the domain, by LDAP, as an
// administrator of the lab does; the account's password is the server's alone
// and lies in its section. The server knows its clients as any member server
// does: by tickets that only its own key opens and by the PAC in them, or, with
// NTLM, by what the domain says when the server asks it as its computer
// account. It decides by identifiers, never by what the lab knows besides.
//
//	GET /    401 with Negotiate or NTLM; signed in: who came, as JSON
//
// A VPN gateway answers HTTPS and takes a certificate of the domain for it, by
// what the directory publishes of authorities and says of the account. Remote
// Desktop takes a ticket for TERMSRV that a certificate brought (its PAC says so);
// what follows of either protocol is not there: the gateway's and the server's
// answer is who came.
//
// Sources: MS-ADTS 6.4 (computer accounts), MS-KILE 3.4.5, MS-PAC, RFC 4559,
// MS-NTHT.
package member

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"hellolab/providers"
	"hellolab/providers/administer"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/sid"
)

type object = providers.Object[spec.Service, spec.ServiceOut]

// Service returns the kind service.
func Service() providers.Type {
	return providers.Of(providers.Kind[spec.Service, spec.ServiceOut]{
		Name:   "service",
		Doc:    "A member server of a domain: a computer account, and a resource that is reached by Kerberos or NTLM.",
		After:  []string{"domain"},
		Home:   func(in spec.Service) providers.Ref { return in.Domain },
		Hosts:  func(o object) []string { return []string{o.Out.Host} },
		Key:    func(in spec.Service) string { return in.Name },
		Find:   find,
		Create: create,
		Read:   read,
		Update: update,
		Delete: remove,
		Open:   open,
	})
}

// The server's section of the store.
const (
	tableMachine = "machine" // "password" → the computer account's password
	keyPassword  = "password"
)

// Bits of userAccountControl (MS-ADTS 2.2.16).
const (
	uacDisabled    = 0x2
	uacWorkstation = 0x1000
)

// etypes are the account's msDS-SupportedEncryptionTypes (MS-KILE 2.2.7): AES
// with 128 and 256 bits.
const etypes = "24"

var attributes = []string{"sAMAccountName", "userAccountControl", "servicePrincipalName", "objectSid", "description"}

// account is the sAMAccountName of a computer.
func account(name string) string { return strings.ToUpper(name) + "$" }

func control(in spec.Service) string {
	bits := uacWorkstation
	if !in.Enabled {
		bits |= uacDisabled
	}
	return strconv.Itoa(bits)
}

// mark is by which Find knows an account that its Create made.
func mark(addr string) string { return "Member server of the lab: " + addr }

// principals are the service principal names of a new account.
func principals(addr string, in spec.Service, dnsName string) []string {
	name := strings.ToUpper(hello.ServiceName(addr, in))
	host := hello.ServiceHost(addr, in, dnsName)
	all := []string{"HOST/" + name, "HOST/" + host}
	if spn := hello.ServiceSPN(addr, in, dnsName); !has(all, spn) {
		all = append(all, spn)
	}
	return all
}

func has(list []string, spn string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, spn) })
}

// create stores the password before it makes the account: there is no account
// whose password nobody knows.
func create(ctx context.Context, env providers.Env, in spec.Service) (spec.ServiceOut, error) {
	c, d, err := administer.Directory(ctx, env, in.Domain)
	if err != nil {
		return spec.ServiceOut{}, err
	}
	defer c.Close()
	password, err := newPassword(ctx, env)
	if err != nil {
		return spec.ServiceOut{}, err
	}
	name := hello.ServiceName(env.Addr, in)
	parent, err := ldapmsg.ParseDN("CN=Computers," + c.Base)
	if err != nil {
		return spec.ServiceOut{}, err
	}
	dn := parent.Child("CN", strings.ToUpper(name)).String()
	a := adldap.Attributes{}
	a.Set("objectClass", "computer")
	a.Set("sAMAccountName", account(name))
	a.Set("userAccountControl", control(in))
	a.Set("unicodePwd", adldap.QuotedPassword(password))
	a.Set("dNSHostName", hello.ServiceHost(env.Addr, in, d.In.DNSName))
	a.Set("servicePrincipalName", principals(env.Addr, in, d.In.DNSName)...)
	a.Set("msDS-SupportedEncryptionTypes", etypes)
	a.Set("operatingSystem", "Windows Server 2022 Datacenter")
	a.Set("operatingSystemVersion", "10.0 (20348)")
	a.Set("description", mark(env.Addr))
	if err := c.Add(dn, a); err != nil {
		return spec.ServiceOut{}, err
	}
	e, err := c.Read(dn, attributes...)
	if err != nil {
		return spec.ServiceOut{}, err
	}
	return out(env, e, in, d.In)
}

// newPassword draws a computer's password and keeps it. Its beginning satisfies
// whatever the domain's policy says of kinds of characters.
func newPassword(ctx context.Context, env providers.Env) (string, error) {
	random := make([]byte, 96)
	if _, err := io.ReadFull(randomness(env), random); err != nil {
		return "", fmt.Errorf("password of the computer: %w", err)
	}
	password := "Aa1-" + base64.StdEncoding.EncodeToString(random)
	err := env.Section.Update(ctx, func(w providers.Writer) error { return w.Put(tableMachine, keyPassword, []byte(password)) })
	return password, err
}

func randomness(env providers.Env) io.Reader {
	if env.Rand == nil {
		return rand.Reader
	}
	return env.Rand
}

// machinePassword returns the computer's password, "" when there is none.
func machinePassword(env providers.Env) (string, error) {
	var password []byte
	err := env.Section.View(func(r providers.Reader) (err error) {
		password, _, err = r.Get(tableMachine, keyPassword)
		return err
	})
	return string(password), err
}

func out(env providers.Env, e *adldap.Entry, in spec.Service, d spec.Domain) (spec.ServiceOut, error) {
	id, err := sid.Decode(e.Bytes("objectSid"))
	if err != nil {
		return spec.ServiceOut{}, fmt.Errorf("identifier of %s: %w", e.DN, err)
	}
	host := hello.ServiceHost(env.Addr, in, d.DNSName)
	return spec.ServiceOut{ObjectID: e.GUID.String(), SID: id.String(), Host: host, URL: hello.ServiceURL(env.Addr, in, d.DNSName), SPN: hello.ServiceSPN(env.Addr, in, d.DNSName)}, nil
}

// find finds what a killed creation left: an account with the name, the mark of
// this service, and a password that this service keeps.
func find(ctx context.Context, env providers.Env, key string) (object, error) {
	o, err := providers.Resolve[spec.Service, spec.ServiceOut](env, providers.Ref(env.Addr))
	if err != nil {
		return object{}, err
	}
	if key != o.In.Name {
		return object{}, providers.ErrGone
	}
	password, err := machinePassword(env)
	if err != nil {
		return object{}, err
	}
	if password == "" {
		return object{}, providers.ErrGone
	}
	c, d, err := administer.Directory(ctx, env, o.In.Domain)
	if err != nil {
		return object{}, err
	}
	defer c.Close()
	e, err := c.First(ldapmsg.EqualTo("sAMAccountName", account(hello.ServiceName(env.Addr, o.In))), attributes...)
	if err == nil && e.Text("description") != mark(env.Addr) {
		return object{}, providers.ErrGone
	}
	return as(env, o, e, d.In, err)
}

func read(ctx context.Context, env providers.Env, o object) (object, error) {
	c, d, err := administer.Directory(ctx, env, o.In.Domain)
	if err != nil {
		return object{}, err
	}
	defer c.Close()
	e, err := c.Read(adldap.ByGUID(o.ID), attributes...)
	return as(env, o, e, d.In, err)
}

// noSPN is what Read reports of a service without a service principal name.
const noSPN = "none"

// as is the declared service o as the domain has it. err is that of asking.
func as(env providers.Env, o object, e *adldap.Entry, d spec.Domain, err error) (object, error) {
	if adldap.IsCode(err, ldapmsg.NoSuchObject) {
		return object{}, providers.ErrGone
	}
	if err != nil {
		return object{}, err
	}
	bits, err := strconv.ParseInt(e.Text("userAccountControl"), 10, 64)
	if err != nil {
		return object{}, fmt.Errorf("userAccountControl of %s: %w", e.DN, err)
	}
	o.Addr, o.ID = env.Addr, e.GUID.String()
	if o.Out, err = out(env, e, o.In, d); err != nil {
		return object{}, err
	}
	if name := e.Text("sAMAccountName"); !strings.EqualFold(name, account(hello.ServiceName(env.Addr, o.In))) {
		o.In.Name = strings.ToLower(strings.TrimSuffix(name, "$"))
	}
	o.In.Enabled = bits&uacDisabled == 0
	if spns := spnsOf(e); !has(spns, o.Out.SPN) {
		o.In.SPN = noSPN
		if i := slices.IndexFunc(spns, func(s string) bool { return !strings.HasPrefix(strings.ToUpper(s), "HOST/") }); i >= 0 {
			o.In.SPN = spns[i]
		}
	}
	return o, nil
}

func spnsOf(e *adldap.Entry) []string {
	var out []string
	for _, v := range e.Values("servicePrincipalName") {
		out = append(out, string(v))
	}
	return out
}

// update changes the names that are this service's, and leaves those that
// somebody added.
func update(ctx context.Context, env providers.Env, o object, in spec.Service) (spec.ServiceOut, error) {
	c, d, err := administer.Directory(ctx, env, in.Domain)
	if err != nil {
		return o.Out, err
	}
	defer c.Close()
	name := adldap.ByGUID(o.ID)
	e, err := c.Read(name, attributes...)
	if err != nil {
		return o.Out, err
	}
	was := hello.ServiceSPN(env.Addr, o.In, d.In.DNSName)
	spns := slices.DeleteFunc(spnsOf(e), func(s string) bool { return strings.EqualFold(s, was) })
	for _, spn := range principals(env.Addr, in, d.In.DNSName) {
		if !has(spns, spn) {
			spns = append(spns, spn)
		}
	}
	if err := c.Replace(name, adldap.Attributes{"userAccountControl": {control(in)}, "servicePrincipalName": spns}); err != nil {
		return o.Out, err
	}
	return out(env, e, in, d.In)
}

func remove(ctx context.Context, env providers.Env, o object) error {
	c, _, err := administer.Directory(ctx, env, o.In.Domain)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Delete(adldap.ByGUID(o.ID)); err != nil && !adldap.IsCode(err, ldapmsg.NoSuchObject) {
		return err
	}
	return nil
}

// errNoPassword is a server whose section lost its password.
var errNoPassword = errors.New("the computer's password is missing")
