package trust

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/administer"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/filetime"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/sid"
)

// The Kerberos server object of a domain, as Set-AzureADKerberosServer makes it:
// what a read-only domain controller has, without the controller.
//
//	CN=krbtgt_AzureAD,CN=Users                   a disabled user, whose password is the key; the domain gives it a
//	                                             number (msDS-SecondaryKrbTgtNumber) and its name, krbtgt_NUMBER
//	CN=AzureADKerberos,OU=Domain Controllers     a computer that is linked to it, and holds who may be exchanged for
//	CN=900274c4-…,CN=AzureAD,CN=System           a service connection point, which names the tenant
//
// The tenant has a copy of the key, its number and its version.
const (
	userName     = "krbtgt_AzureAD"
	computerName = "AzureADKerberos"
	pointName    = "900274c4-b7d2-43c8-90ee-00a9f650e335"

	// computerControl is PARTIAL_SECRETS_ACCOUNT, TRUSTED_TO_AUTH_FOR_DELEGATION
	// and WORKSTATION_TRUST_ACCOUNT (MS-ADTS 2.2.16).
	computerControl = 0x5001000

	kerberosServers = "kerberosServers" // Graph's collection
)

var (
	userAttributes     = []string{"description", "sAMAccountName", "msDS-SecondaryKrbTgtNumber", "msDS-KeyVersionNumber", attributeSet}
	computerAttributes = []string{"description", "userAccountControl", "primaryGroupID", "msDS-KrbTgtLink", attributeAllowed, attributeDenied}
)

// attributeSet is when the user's password, and with it the key, was set (FILETIME).
const attributeSet = "pwdLastSet"

// settling is how far apart domain and tenant may say that they got one key. Both tell
// the time of their own clocks, seconds apart.
const settling = time.Minute

// Attributes of the computer that hold the lists.
const (
	attributeAllowed = "msDS-RevealOnDemandGroup"
	attributeDenied  = "msDS-NeverRevealGroup"
)

// errTaken says that the domain has a server object that is not the trust's.
var errTaken = errors.New("the domain has a Kerberos server object (AzureADKerberos) that is not of this trust; a domain has one")

// mark is by which objects are known to be of a trust that remembers none yet.
func mark(addr string) string { return "Entra Kerberos of the lab: " + addr }

// both are the two directories of a trust, with the administrator signed in.
type both struct {
	env    providers.Env
	in     spec.Trust
	domain administer.Domain
	ldap   *adldap.Conn
	tenant administer.Tenant
	graph  *graph.Client
	record record
}

func signIn(ctx context.Context, env providers.Env, in spec.Trust) (*both, error) {
	b := &both{env: env, in: in}
	var err error
	if b.ldap, b.domain, err = administer.Directory(ctx, env, in.Domain); err != nil {
		return nil, err
	}
	if b.graph, b.tenant, err = administer.Graph(ctx, env, in.Tenant); err != nil {
		b.ldap.Close()
		return nil, err
	}
	return b, nil
}

// attend is signIn for the life of the trust, which remembers what is its own.
func attend(ctx context.Context, env providers.Env, in spec.Trust) (*both, error) {
	r, err := loadRecord(env)
	if err != nil {
		return nil, err
	}
	b, err := signIn(ctx, env, in)
	if err == nil {
		b.record = r
	}
	return b, err
}

func (b *both) close() {
	b.graph.Close()
	b.ldap.Close()
}

func (b *both) userDN() string { return "CN=" + userName + ",CN=Users," + b.ldap.Base }
func (b *both) computerDN() string {
	return "CN=" + computerName + ",OU=Domain Controllers," + b.ldap.Base
}
func (b *both) pointDN() string { return "CN=" + pointName + ",CN=AzureAD,CN=System," + b.ldap.Base }

func (b *both) dnsName() string { return strings.ToLower(b.domain.In.DNSName) }

// server is what is there of a server object. Nil parts are not.
type server struct {
	user, computer *adldap.Entry
	copy           *graph.KerberosServer
}

// look reads a server object in both places.
func (b *both) look(ctx context.Context) (server, error) {
	var s server
	var err error
	if s.user, err = entry(b.ldap.Read(b.userDN(), userAttributes...)); err != nil {
		return s, err
	}
	if s.computer, err = entry(b.ldap.Read(b.computerDN(), computerAttributes...)); err != nil {
		return s, err
	}
	s.copy, err = graph.Get[graph.KerberosServer](ctx, b.graph, kerberosServers, b.dnsName())
	if graph.IsNotFound(err) {
		s.copy, err = nil, nil
	}
	return s, err
}

// entry makes "there is no such object" nil.
func entry(e *adldap.Entry, err error) (*adldap.Entry, error) {
	if adldap.IsCode(err, ldapmsg.NoSuchObject) {
		return nil, nil
	}
	return e, err
}

func number(e *adldap.Entry, attribute string) int {
	if e == nil {
		return 0
	}
	n, _ := strconv.Atoi(e.Text(attribute)) // an attribute that is not there is 0
	return n
}

// id is the server's number, and version that of its key.
func (s server) id() int      { return number(s.user, "msDS-SecondaryKrbTgtNumber") }
func (s server) version() int { return number(s.user, "msDS-KeyVersionNumber") }

// copied is the version that the tenant has of this server's key; 0: none.
func (s server) copied() int {
	if s.copy == nil || int(s.copy.ID) != s.id() {
		return 0
	}
	return int(s.copy.KeyVersion)
}

// owns reports whether what is there, if anything, is the trust's own: it
// remembers the object, or marked it before it could.
func (b *both) owns(s server) bool {
	for _, part := range []struct {
		e  *adldap.Entry
		id string
	}{{s.user, b.record.User}, {s.computer, b.record.Computer}} {
		if part.e != nil && part.e.GUID.String() != part.id && part.e.Text("description") != mark(b.env.Addr) {
			return false
		}
	}
	return true
}

// record is what the trust remembers of a whole server object.
func (s server) record(in spec.Trust) record {
	return record{in.KeyVersion, s.user.GUID.String(), s.computer.GUID.String()}
}

// sound reports whether the objects are what makes them a server object: the
// computer stands for a read-only controller, and its krbtgt is the user.
func (s server) sound() bool {
	if s.user == nil || s.computer == nil || number(s.computer, "userAccountControl") != computerControl || number(s.computer, "primaryGroupID") != sid.RIDReadOnlyDomainControllers {
		return false
	}
	link, err := ids(s.computer.Values("msDS-KrbTgtLink"))
	return err == nil && len(link) == 1 && link[s.user.GUID] != ""
}

// whole reports whether both places have the server object, and one key of it.
func (s server) whole() bool {
	return s.sound() && s.version() > 0 && s.version() == s.copied() && s.together()
}

// together reports whether the tenant's copy is as old as the key in the domain.
// Neither gives its key back; two keys of one version differ in when they were set, as
// Get-AzureADKerberosServer shows by KeyUpdatedOn and CloudKeyUpdatedOn. Where either
// does not say when, the versions decide.
func (s server) together() bool {
	set, err := strconv.ParseUint(s.user.Text(attributeSet), 10, 64)
	if err != nil || set == 0 || s.copy == nil {
		return true
	}
	got, err := time.Parse(time.RFC3339, s.copy.KeyUpdated)
	return err != nil || got.Sub(filetime.Time(set)).Abs() <= settling
}

// ids are the objects that values name, with their names.
func ids(values [][]byte) (map[guid.GUID]string, error) {
	out := map[guid.GUID]string{}
	for _, v := range values {
		dn, id, err := adldap.SplitName(string(v))
		if err != nil {
			return nil, err
		}
		out[id] = dn
	}
	return out, nil
}

// make makes the objects in the domain, or makes what a killed call left of them
// whole. The key stays as it is.
func (b *both) make(ctx context.Context) (server, error) {
	s, err := b.look(ctx)
	if err != nil {
		return s, err
	}
	if !b.owns(s) {
		return s, errTaken
	}
	if s.user == nil {
		if err := b.ldap.AddKrbtgt(b.userDN(), adldap.Attributes{"objectClass": {"user"}, "description": {mark(b.env.Addr)}}); err != nil {
			return s, fmt.Errorf("make %s: %w", userName, err)
		}
		if s.user, err = b.ldap.Read(b.userDN(), userAttributes...); err != nil {
			return s, err
		}
	}
	allowed, err := b.list(b.in.Allowed, defaultAllowed)
	if err != nil {
		return s, err
	}
	denied, err := b.list(b.in.Denied, defaultDenied)
	if err != nil {
		return s, err
	}
	values := adldap.Attributes{
		"userAccountControl": {strconv.Itoa(computerControl)}, "primaryGroupID": {strconv.Itoa(sid.RIDReadOnlyDomainControllers)},
		"msDS-KrbTgtLink": {adldap.ByGUID(s.user.GUID.String())}, attributeAllowed: names(allowed), attributeDenied: names(denied),
	}
	if s.computer == nil {
		values["objectClass"], values["sAMAccountName"], values["description"] = []string{"computer"}, []string{computerName + "$"}, []string{mark(b.env.Addr)}
		maps.DeleteFunc(values, func(_ string, v []string) bool { return len(v) == 0 }) // an attribute without values is none
		err = b.ldap.Add(b.computerDN(), values)
	} else {
		err = b.ldap.Replace(b.computerDN(), values)
	}
	if err != nil {
		return s, fmt.Errorf("make %s: %w", computerName, err)
	}
	if s.computer, err = b.ldap.Read(b.computerDN(), computerAttributes...); err != nil {
		return s, err
	}
	return s, b.point(s)
}

// point writes the service connection point. What Microsoft's holds is not
// documented; this one names the tenant and the server object.
func (b *both) point(s server) error {
	parent := "CN=AzureAD,CN=System," + b.ldap.Base
	if err := b.ldap.Add(parent, adldap.Attributes{"objectClass": {"container"}}); err != nil && !adldap.IsCode(err, ldapmsg.EntryAlreadyExists) {
		return err
	}
	keywords := []string{"azureADId:" + b.tenant.Out.TenantID, "kerberosServerId:" + strconv.Itoa(s.id())}
	err := b.ldap.Add(b.pointDN(), adldap.Attributes{"objectClass": {"serviceConnectionPoint"}, "keywords": keywords})
	if adldap.IsCode(err, ldapmsg.EntryAlreadyExists) {
		err = b.ldap.Replace(b.pointDN(), adldap.Attributes{"keywords": keywords})
	}
	return err
}

// rotate gives the server object a new key and the tenant a copy. A call that is
// killed between leaves two versions, and the next one brings them together.
func (b *both) rotate(ctx context.Context, s server) (server, error) {
	password, err := newPassword(b.env.Rand)
	if err != nil {
		return s, err
	}
	if err := b.ldap.Replace(b.userDN(), adldap.Attributes{"unicodePwd": {adldap.QuotedPassword(password)}}); err != nil {
		return s, fmt.Errorf("set the key of %s: %w", userName, err)
	}
	if s.user, err = b.ldap.Read(b.userDN(), userAttributes...); err != nil {
		return s, err
	}
	if s.id() < 1 || s.id() > 65535 || s.version() < 1 {
		return s, fmt.Errorf("the domain gave %s the number %d and its key the version %d", userName, s.id(), s.version())
	}
	key, err := krb.StringToKey(krb.AES256, password, krb.UserSalt(b.domain.Out.Realm, s.user.Text("sAMAccountName")))
	if err != nil {
		return s, err
	}
	defer clear(key.Value)
	s.copy = &graph.KerberosServer{Domain: b.dnsName(), ID: uint16(s.id()), KeyVersion: uint32(s.version()), Key: key.Value}
	if err := b.graph.Put(ctx, s.copy, kerberosServers, b.dnsName()); err != nil {
		return s, fmt.Errorf("give the tenant the key of %s: %w", userName, err)
	}
	s.copy.Key = nil
	return s, nil
}

// newPassword draws the password that the key is made of: 256 random bits, and
// whatever kinds of characters a domain's policy asks for.
func newPassword(rand io.Reader) (string, error) {
	b := make([]byte, 32)
	if _, err := io.ReadFull(rand, b); err != nil {
		return "", fmt.Errorf("read a random key: %w", err)
	}
	return "Aa1-" + base64.StdEncoding.EncodeToString(b), nil
}

// unmake takes the tenant's copy away first: a ticket that no controller knows
// the key of is worth nothing.
func (b *both) unmake(ctx context.Context, s server) error {
	if err := b.graph.Delete(ctx, kerberosServers, b.dnsName()); err != nil {
		return err
	}
	for _, name := range []string{b.pointDN(), b.computerDN(), b.userDN()} {
		if err := b.ldap.Delete(name); err != nil && !adldap.IsCode(err, ldapmsg.NoSuchObject) {
			return err
		}
	}
	return nil
}
