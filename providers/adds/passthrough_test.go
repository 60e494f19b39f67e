package adds_test

import (
	"testing"

	"github.com/go-ldap/ldap/v3"

	"hellolab/providers"
	"hellolab/providers/adds"
	"hellolab/providers/conformance"
	"hellolab/providers/identity"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/ntlm/passthrough"
)

// The domain verifies NTLM for its computers alone, and on connections that
// nobody reads.
func TestWhoMayAskForPassThrough(t *testing.T) {
	e := conformance.NewEnv(t, append(adds.Types(), identity.Types()...)...)
	e.Create("domain.corp", spec.Domain{DNSName: "corp.contoso.com", NetBIOSName: "CORP"})
	e.Create("user.alice", spec.User{UPN: "alice@contoso.com", Domain: "domain.corp", Password: providers.Secret("Correct horse 1"), EnabledInDomain: true})
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
	ask, err := (&passthrough.Request{User: "alice", Domain: "CORP", Response: make([]byte, 24)}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	admin := signIn("Administrator", d.AdminPassword)
	const password = "Computer's own 1"
	err = admin.Add("CN=PC,CN=Computers,"+d.DN, adldap.Attributes{"objectClass": {"computer"}, "sAMAccountName": {"PC$"}, "userAccountControl": {"4096"}, "unicodePwd": {adldap.QuotedPassword(password)}})
	if err != nil {
		t.Fatal(err)
	}
	computer := signIn("PC$", password)

	for name, c := range map[string]*adldap.Conn{"a user": signIn("alice", "Correct horse 1"), "an administrator": admin} {
		if _, err := c.Extended(passthrough.OID, ask); !adldap.IsCode(err, ldapmsg.InsufficientAccessRights) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, value := range map[string][]byte{"no value": {}, "no request": []byte("0\x03\x02\x01\x01")} {
		if _, err := computer.Extended(passthrough.OID, value); !adldap.IsCode(err, ldapmsg.ProtocolError) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The first version of NTLM, if a server passed it on.
	value, err := computer.Extended(passthrough.OID, ask)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := passthrough.ParseReply(value); err != nil || r.Status != passthrough.StatusWrongPassword {
		t.Errorf("%+v, %v", r, err)
	}
	// A computer that signed in in the clear.
	raw, err := env.Network.Dial(t.Context(), d.Hosts[0], 389)
	if err != nil {
		t.Fatal(err)
	}
	plain := ldap.NewConn(raw, false)
	plain.Start()
	defer plain.Close()
	extended := func() error {
		_, err := plain.Extended(ldap.NewExtendedRequest(passthrough.OID, nil))
		return err
	}
	if err := extended(); !ldap.IsErrorWithCode(err, uint16(ldapmsg.OperationsError)) {
		t.Errorf("nobody: %v", err)
	}
	if err := plain.Bind(`CORP\PC$`, password); err != nil {
		t.Fatal(err)
	}
	if err := extended(); !ldap.IsErrorWithCode(err, uint16(ldapmsg.ConfidentialityRequired)) {
		t.Errorf("in the clear: %v", err)
	}
	root, err := plain.Search(ldap.NewSearchRequest("", ldap.ScopeBaseObject, 0, 0, 0, false, "(supportedExtension="+passthrough.OID+")", []string{"supportedExtension"}, nil))
	if err != nil || len(root.Entries) != 1 {
		t.Errorf("the root does not name the operation: %v, %v", root, err)
	}
}
