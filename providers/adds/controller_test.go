package adds_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/adds"
	"hellolab/providers/conformance"
	"hellolab/providers/identity"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/krbclient"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/locate"
	"hellolab/providers/wire/netlogon"
	"hellolab/providers/wire/pac"
	"hellolab/providers/wire/sid"
)

// cloud is a domain with the objects that let Entra ID issue partial tickets in
// its name, made over LDAP.
type cloud struct {
	*conformance.Env
	t      *testing.T
	domain spec.DomainOut
	env    providers.Env
	admin  *adldap.Conn
	number uint16
	secret string // of krbtgt_AzureAD
}

const (
	password  = "Correct horse 1"
	rodcUsers = ",CN=Users,DC=corp,DC=contoso,DC=com"
	krbtgtDN  = "CN=krbtgt_AzureAD" + rodcUsers
	serverDN  = "CN=AzureADKerberos,OU=Domain Controllers,DC=corp,DC=contoso,DC=com"
	allowedDN = "CN=Allowed RODC Password Replication Group" + rodcUsers
	deniedDN  = "CN=Denied RODC Password Replication Group" + rodcUsers
)

func newCloud(t *testing.T, d spec.Domain) *cloud {
	t.Helper()
	e := conformance.NewEnv(t, append(adds.Types(), identity.Types()...)...)
	d.DNSName, d.NetBIOSName = "corp.contoso.com", "CORP"
	e.Create("domain.corp", d)
	for _, name := range []string{"alice", "bob", "eve"} {
		e.Create("user."+name, spec.User{UPN: name + "@contoso.com", Domain: "domain.corp", Password: providers.Secret(password), EnabledInDomain: true})
	}
	e.Create("group.inner", spec.Group{Domain: "domain.corp", Members: []providers.Ref{"user.eve"}})
	e.Create("group.admins", spec.Group{Domain: "domain.corp", WellKnown: "domain_admins", Members: []providers.Ref{"user.eve"}})
	c := &cloud{Env: e, t: t, domain: conformance.Get[spec.Domain, spec.DomainOut](e, "domain.corp").Out, env: e.For("service.x"), secret: "A long random secret, 1"}
	c.admin = c.signIn(c.domain.Hosts[0], "Administrator", c.domain.AdminPassword)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(c.admin.AddKrbtgt(krbtgtDN, adldap.Attributes{"objectClass": {"user"}}))
	must(c.admin.Replace(krbtgtDN, adldap.Attributes{"unicodePwd": {adldap.QuotedPassword(c.secret)}}))
	must(c.admin.Add(serverDN, adldap.Attributes{
		"objectClass": {"computer"}, "sAMAccountName": {"AzureADKerberos$"}, "userAccountControl": {"83890176"}, "primaryGroupID": {"521"},
		"msDS-KrbTgtLink": {krbtgtDN}, "msDS-RevealOnDemandGroup": {allowedDN}, "msDS-NeverRevealGroup": {deniedDN},
	}))
	must(c.admin.AddValue(allowedDN, "member", "CN=Domain Users"+rodcUsers))
	o, err := c.admin.Read(krbtgtDN, "msDS-SecondaryKrbTgtNumber")
	must(err)
	n, err := strconv.ParseUint(o.Text("msDS-SecondaryKrbTgtNumber"), 10, 16)
	must(err)
	c.number = uint16(n)
	return c
}

func (c *cloud) signIn(host, account, password string) *adldap.Conn {
	c.t.Helper()
	conn, err := adldap.SignIn(c.t.Context(), c.env, adldap.Domain{Realm: c.domain.Realm, Host: host, BaseDN: c.domain.DN, Account: account, Password: password})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(conn.Close)
	return conn
}

// version is that of the key, as LDAP tells.
func (c *cloud) version() uint32 {
	c.t.Helper()
	o, err := c.admin.Read(krbtgtDN, "msDS-KeyVersionNumber")
	if err != nil {
		c.t.Fatal(err)
	}
	n, err := strconv.ParseUint(o.Text("msDS-KeyVersionNumber"), 10, 16)
	if err != nil {
		c.t.Fatal(err)
	}
	return uint32(n)
}

// partial is what Entra ID gives: a ticket made with the secret and the version
// that it was told.
func (c *cloud) partial(name, secret string, version uint32) *krb.Credential {
	c.t.Helper()
	o, err := c.admin.Read("CN="+name+rodcUsers, "objectSid")
	if err != nil {
		c.t.Fatal(err)
	}
	account, err := sid.Decode(o.Bytes("objectSid"))
	if err != nil {
		c.t.Fatal(err)
	}
	key, err := krb.StringToKey(krb.AES256, secret, fmt.Sprintf("%skrbtgt_%d", c.domain.Realm, c.number))
	if err != nil {
		c.t.Fatal(err)
	}
	session, err := krb.RandomKey(krb.AES256, rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	now := c.env.Now().UTC().Truncate(time.Second)
	signed, err := pac.Partial(account, name, now).Sign(pac.Signing{Server: key, KDC: key, RODC: c.number})
	if err != nil {
		c.t.Fatal(err)
	}
	part, err := krb.EncTicketPart{Key: session, CRealm: c.domain.Realm, Client: krb.Principal(name), AuthTime: now, StartTime: now, EndTime: now.Add(10 * time.Hour)}.WithPAC(signed)
	if err != nil {
		c.t.Fatal(err)
	}
	ticket, err := krb.SealTicket(key, uint32(c.number)<<16|version, c.domain.Realm, krb.TGS(c.domain.Realm), part)
	if err != nil {
		c.t.Fatal(err)
	}
	raw, err := ticket.Encode()
	if err != nil {
		c.t.Fatal(err)
	}
	return &krb.Credential{CRealm: c.domain.Realm, Client: krb.Principal(name), SRealm: c.domain.Realm, Server: krb.TGS(c.domain.Realm), Key: session, AuthTime: now, EndTime: part.EndTime, Ticket: raw}
}

// exchange exchanges a partial ticket at a controller, and uses the full one.
func (c *cloud) exchange(host string, partial *krb.Credential) error {
	c.t.Helper()
	kdc := &krbclient.Client{Realm: c.domain.Realm, Now: c.env.Now, Rand: rand.Reader, Dial: func(ctx context.Context, _ string) (net.Conn, error) {
		return c.env.Network.Dial(ctx, host, 88)
	}}
	list, err := krb.EncodeKeyListReq([]int32{krb.RC4})
	if err != nil {
		c.t.Fatal(err)
	}
	r, err := kdc.TGS(c.t.Context(), partial, krbclient.TGSRequest{Server: krb.TGS(c.domain.Realm), Options: krb.OptCanonicalize, PAData: []krb.PAData{{Type: krb.PAKeyListReq, Value: list}}})
	if err != nil {
		return err
	}
	value, ok := krb.FindPA(r.Part.PAData, krb.PAKeyListRep)
	keys, err := krb.ParseKeyListRep(value)
	if nt, _ := krb.StringToKey(krb.RC4, password, ""); !ok || err != nil || len(keys) != 1 || !keys[0].Equal(nt) {
		c.t.Errorf("key list: %d keys, %v", len(keys), err)
	}
	_, err = kdc.TGS(c.t.Context(), &r.Credential, krbclient.TGSRequest{Server: krb.Service("ldap", host)})
	return err
}

func code(err error) krb.Code {
	var e *krb.Error
	if errors.As(err, &e) {
		return e.Code
	}
	if err != nil {
		return -1
	}
	return 0
}

// Fault 69 by the wire alone: the objects are written by LDAP, and what an
// administrator changes of them shows at the next exchange.
func TestCloudKerberosByWire(t *testing.T) {
	c := newCloud(t, spec.Domain{})
	host := c.domain.Hosts[0]
	old := c.partial("alice", c.secret, 1)
	if err := c.exchange(host, old); err != nil {
		t.Fatal(err)
	}
	expect := func(what string, want krb.Code, partial *krb.Credential) {
		t.Helper()
		if err := c.exchange(host, partial); code(err) != want {
			t.Errorf("%s: %v, want %d", what, err, want)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	expect("a domain administrator", krb.ErrTGTRevoked, c.partial("eve", c.secret, 1))
	expect("another secret", krb.ErrBadIntegrity, c.partial("alice", "another secret", 1))

	// The deny list by a group within a group.
	must(c.admin.AddValue(deniedDN, "member", "CN=inner"+rodcUsers))
	must(c.admin.AddValue("CN=inner"+rodcUsers, "member", "CN=bob"+rodcUsers))
	expect("in a denied group's group", krb.ErrTGTRevoked, c.partial("bob", c.secret, 1))
	must(c.admin.RemoveValue("CN=inner"+rodcUsers, "member", "CN=bob"+rodcUsers))
	expect("out of it again", 0, c.partial("bob", c.secret, 1))
	must(c.admin.AddValue(serverDN, "msDS-NeverRevealGroup", "CN=bob"+rodcUsers))
	expect("denied by name", krb.ErrTGTRevoked, c.partial("bob", c.secret, 1))

	// A disabled account, and one whose password must change (reading R19).
	must(c.admin.Replace("CN=alice"+rodcUsers, adldap.Attributes{"userAccountControl": {"514"}}))
	expect("disabled", krb.ErrClientRevoked, c.partial("alice", c.secret, 1))
	must(c.admin.Replace("CN=alice"+rodcUsers, adldap.Attributes{"userAccountControl": {"512"}, "pwdLastSet": {"0"}}))
	expect("password must change", krb.ErrKeyExpired, c.partial("alice", c.secret, 1))
	must(c.admin.Replace("CN=alice"+rodcUsers, adldap.Attributes{"pwdLastSet": {"-1"}}))

	// The key is rotated in the domain alone.
	c.Advance(time.Minute)
	must(c.admin.Replace(krbtgtDN, adldap.Attributes{"unicodePwd": {adldap.QuotedPassword("A long random secret, 2")}}))
	if v := c.version(); v != 2 {
		t.Errorf("version %d after a rotation", v)
	}
	c.Advance(time.Minute)
	expect("issued after the change under the old key", krb.ErrBadKeyVersion, c.partial("alice", c.secret, 1))
	expect("under the new key", 0, c.partial("alice", "A long random secret, 2", 2))

	// The mark is taken away, then the objects.
	must(c.admin.Replace(serverDN, adldap.Attributes{"userAccountControl": {"4096"}}))
	expect("without the mark", krb.ErrPolicy, c.partial("alice", "A long random secret, 2", 2))
	must(c.admin.Delete(serverDN))
	expect("without a computer", krb.ErrPolicy, c.partial("alice", "A long random secret, 2", 2))
	last := c.partial("alice", "A long random secret, 2", 2)
	must(c.admin.Delete(krbtgtDN))
	expect("deleted", krb.ErrServerUnknown, last)
}

// Controllers of several kinds: which say that they know cloud Kerberos trust,
// which exchange a partial ticket, and how the others refuse.
func TestControllersDiffer(t *testing.T) {
	no := false
	c := newCloud(t, spec.Domain{Controllers: map[string]*spec.Controller{
		"dc1":  {OS: "windows-server-2019", Build: "17763.1012", Site: "Berlin"},
		"adc0": {OS: "windows-server-2022", Site: "Berlin", Writable: &no}, // the first by name, and no writable one
		"dc2":  {OS: "windows-server-2016", Build: "14393.3473", Site: "Berlin"},
		"dc3":  {OS: "windows-server-2016", Build: "14393.3474", Site: "Berlin", ETypes: []string{"aes128", "rc4"}},
		"dc4":  {OS: "windows-server-2025", Site: "Paris"},
	}})
	if want := []string{"dc1.corp.contoso.com", "dc2.corp.contoso.com", "dc3.corp.contoso.com", "dc4.corp.contoso.com", "adc0.corp.contoso.com"}; !slices.Equal(c.domain.Hosts, want) {
		t.Errorf("hosts %q", c.domain.Hosts)
	}
	for name, tt := range map[string]struct {
		keyList, writable bool
		want              krb.Code
	}{
		"dc1": {true, true, 0}, "dc4": {true, true, 0},
		"dc2":  {false, true, krb.ErrServiceUnavailable},
		"dc3":  {true, true, krb.ErrETypeNoSupport},
		"adc0": {false, false, krb.ErrServiceUnavailable},
	} {
		host := name + ".corp.contoso.com"
		if err := c.exchange(host, c.partial("alice", c.secret, 1)); code(err) != tt.want {
			t.Errorf("%s: %v, want %d", name, err, tt.want)
		}
		flags := c.ping(host)
		if flags.Has(netlogon.FlagKeyList) != tt.keyList || flags.Has(netlogon.FlagWritable) != tt.writable || flags.Has(netlogon.FlagRODC) == tt.writable {
			t.Errorf("%s says %#x", name, uint32(flags))
		}
	}
	// A client that asks for one that knows it finds no other, wherever it is.
	client := locate.Client{Dialer: c.env.Network, DNS: "corp.contoso.com", Rand: rand.Reader}
	found := map[string]bool{}
	for range 20 {
		for _, site := range []string{"", "Berlin", "Paris"} {
			at, err := client.Locate(t.Context(), locate.Query{Domain: "corp.contoso.com", Site: site, Want: netlogon.FlagKDC | netlogon.FlagKeyList})
			if err != nil {
				t.Fatal(err)
			}
			found[at.Host] = true
		}
	}
	if found["dc2.corp.contoso.com"] || found["adc0.corp.contoso.com"] || !found["dc1.corp.contoso.com"] || !found["dc4.corp.contoso.com"] {
		t.Errorf("found %v", found)
	}
	// A read-only controller reads to everybody, and sends writers elsewhere.
	conn := c.signIn("adc0.corp.contoso.com", "Administrator", c.domain.AdminPassword)
	if _, err := conn.Read("CN=alice" + rodcUsers); err != nil {
		t.Error(err)
	}
	for what, err := range map[string]error{
		"modify": conn.Replace("CN=alice"+rodcUsers, adldap.Attributes{"title": {"x"}}), "delete": conn.Delete("CN=alice" + rodcUsers),
		"rename": conn.Rename("CN=alice"+rodcUsers, "CN=carol"), "add": conn.Add("CN=x"+rodcUsers, adldap.Attributes{"objectClass": {"user"}}),
	} {
		if !adldap.IsCode(err, ldapmsg.Referral) {
			t.Errorf("%s at a read-only controller: %v", what, err)
		}
	}
	dn := func(extended string) string {
		name, _, err := adldap.SplitName(extended)
		if err != nil {
			t.Error(err)
		}
		return name
	}
	// It has a krbtgt of its own, and may know what such a controller may.
	o, err := c.admin.Read("CN=ADC0,OU=Domain Controllers,DC=corp,DC=contoso,DC=com", "userAccountControl", "primaryGroupID", "msDS-isRODC", "msDS-KrbTgtLink", "msDS-NeverRevealGroup", "msDS-RevealOnDemandGroup")
	if err != nil {
		t.Fatal(err)
	}
	if o.Text("userAccountControl") != "83890176" || o.Text("primaryGroupID") != "521" || o.Text("msDS-isRODC") != "TRUE" || len(o.Values("msDS-NeverRevealGroup")) != 5 || dn(o.Text("msDS-RevealOnDemandGroup")) != allowedDN {
		t.Errorf("%q %q %q %q %q", o.Text("userAccountControl"), o.Text("primaryGroupID"), o.Text("msDS-isRODC"), o.Values("msDS-NeverRevealGroup"), o.Text("msDS-RevealOnDemandGroup"))
	}
	krbtgt := dn(o.Text("msDS-KrbTgtLink"))
	if err := c.admin.Delete(krbtgt); !adldap.IsCode(err, ldapmsg.UnwillingToPerform) {
		t.Errorf("its krbtgt is deleted: %v", err)
	}
	// It leaves with all that was its.
	c.Update("domain.corp", spec.Domain{DNSName: "corp.contoso.com", NetBIOSName: "CORP", Controllers: map[string]*spec.Controller{
		"dc1": {OS: "windows-server-2019", Site: "Berlin"}, "adc0": {OS: "windows-server-2022", Site: "Berlin"},
	}})
	c.domain = conformance.Get[spec.Domain, spec.DomainOut](c.Env, "domain.corp").Out
	c.admin = c.signIn(c.domain.Hosts[0], "Administrator", c.domain.AdminPassword)
	if _, err := c.admin.Read(krbtgt); !adldap.IsCode(err, ldapmsg.NoSuchObject) {
		t.Errorf("a dismissed controller's krbtgt: %v", err)
	}
	if err := c.exchange("adc0.corp.contoso.com", c.partial("alice", c.secret, 1)); err != nil {
		t.Errorf("writable now: %v", err)
	}
}

// ping asks a controller what it is.
func (c *cloud) ping(host string) netlogon.Flags {
	c.t.Helper()
	socket, err := c.env.Network.DialPacket(c.t.Context(), host, netlogon.Port)
	if err != nil {
		c.t.Fatal(err)
	}
	defer socket.Close()
	if err := socket.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		c.t.Fatal(err)
	}
	if _, err := socket.Write(netlogon.MarshalRequest(1, netlogon.Ping{DNSDomain: "corp.contoso.com", Version: netlogon.Version5EX})); err != nil {
		c.t.Fatal(err)
	}
	b := make([]byte, 4096)
	n, err := socket.Read(b)
	if err != nil {
		c.t.Fatal(err)
	}
	_, r, err := netlogon.ParseReply(b[:n])
	if err != nil {
		c.t.Fatal(err)
	}
	return r.Flags
}
