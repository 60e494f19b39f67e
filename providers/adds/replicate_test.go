package adds_test

import (
	"bytes"
	"fmt"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"hellolab/providers"
	"hellolab/providers/adds"
	"hellolab/providers/conformance"
	"hellolab/providers/event"
	"hellolab/providers/identity"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/ntlm"
	"hellolab/providers/wire/replication"
)

// Secrets are replicated to members of Replicator and administrators, on
// connections that nobody reads.
func TestWhoMayReplicateSecrets(t *testing.T) {
	e := conformance.NewEnv(t, append(adds.Types(), identity.Types()...)...)
	e.Create("domain.corp", spec.Domain{DNSName: "corp.contoso.com", NetBIOSName: "CORP"})
	for _, name := range []string{"alice", "sync", "keys"} {
		e.Create("user."+name, spec.User{UPN: name + "@contoso.com", Domain: "domain.corp", Password: providers.Secret("Correct horse 1"), EnabledInDomain: true})
	}
	e.Create("group.keys", spec.Group{Domain: "domain.corp", WellKnown: "key_admins", Members: []providers.Ref{"user.keys"}})
	d := conformance.Get[spec.Domain, spec.DomainOut](e, "domain.corp").Out
	env := e.For("service.x")
	signIn := func(account, password string) *adldap.Conn {
		t.Helper()
		c, err := adldap.SignIn(t.Context(), env, adldap.Domain{Realm: d.Realm, Host: d.Hosts[0], BaseDN: d.DN, Account: account, Password: password})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	admin := signIn("Administrator", d.AdminPassword)
	if err := admin.AddValue("CN=Replicator,CN=Builtin,"+d.DN, "member", "CN=sync,CN=Users,"+d.DN); err != nil {
		t.Fatal(err)
	}
	alice, err := admin.Read("CN=alice,CN=Users," + d.DN)
	if err != nil {
		t.Fatal(err)
	}
	ask, err := replication.EncodeRequest(alice.GUID)
	if err != nil {
		t.Fatal(err)
	}
	nobody, _ := replication.EncodeRequest(guid.GUID{1})
	container, err := admin.Read("CN=Users," + d.DN)
	if err != nil {
		t.Fatal(err)
	}
	bare, _ := replication.EncodeRequest(container.GUID)
	hash, err := ntlm.NTHash("Correct horse 1")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*adldap.Conn{"the account itself": signIn("alice", "Correct horse 1"), "a key administrator": signIn("keys", "Correct horse 1")} {
		if _, err := c.Extended(replication.OID, ask); !adldap.IsCode(err, ldapmsg.InsufficientAccessRights) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, c := range map[string]*adldap.Conn{"a replicator": signIn("sync", "Correct horse 1"), "an administrator": admin} {
		value, err := c.Extended(replication.OID, ask)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r, err := replication.ParseReply(value); err != nil || r.Version != 1 || !bytes.Equal(r.Hash, hash) {
			t.Errorf("%s: version %d, %v", name, r.Version, err)
		}
		if _, err := c.Extended(replication.OID, nobody); !adldap.IsCode(err, ldapmsg.NoSuchObject) {
			t.Errorf("%s, no object: %v", name, err)
		}
		if _, err := c.Extended(replication.OID, []byte{1}); !adldap.IsCode(err, ldapmsg.ProtocolError) {
			t.Errorf("%s, no request: %v", name, err)
		}
		if value, err := c.Extended(replication.OID, bare); err == nil {
			if r, err := replication.ParseReply(value); err != nil || r.Hash != nil {
				t.Errorf("%s, an object without a password: %v", name, err)
			}
		}
	}
	// An administrator who signed in in the clear.
	raw, err := env.Network.Dial(t.Context(), d.Hosts[0], 389)
	if err != nil {
		t.Fatal(err)
	}
	plain := ldap.NewConn(raw, false)
	plain.Start()
	defer plain.Close()
	if err := plain.Bind(d.AdminUPN, d.AdminPassword); err != nil {
		t.Fatal(err)
	}
	_, err = plain.Extended(ldap.NewExtendedRequest(replication.OID, ber.NewString(ber.ClassContext, ber.TypePrimitive, 1, string(ask), "")))
	if !ldap.IsErrorWithCode(err, ldap.LDAPResultConfidentialityRequired) {
		t.Errorf("in the clear: %v", err)
	}
	refused := 0
	for _, ev := range e.Events() {
		if ev.Step == "secret_refused" && ev.Outcome == event.Refused && ev.Reason != nil {
			refused++
		}
		if bytes.Contains(fmt.Append(nil, ev), hash) {
			t.Error("an event holds the hash")
		}
	}
	if refused < 3 {
		t.Errorf("%d refusals are told", refused)
	}
}
