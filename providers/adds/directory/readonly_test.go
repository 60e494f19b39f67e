package directory_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"hellolab/providers/adds/directory"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/sid"
)

const (
	krbtgtDN = "CN=krbtgt_AzureAD," + users
	serverDN = "CN=AzureADKerberos,OU=Domain Controllers," + base
	allowDN  = "CN=Allowed RODC Password Replication Group," + users
	denyDN   = "CN=Denied RODC Password Replication Group," + users
)

// cloud makes the objects of cloud Kerberos trust as an LDAP client does, and
// returns the number.
func (l *lab) cloud() uint16 {
	l.t.Helper()
	op := &ldapmsg.Add{DN: krbtgtDN, Attributes: attributes("objectClass", "user", "sAMAccountName", "ignored", "userAccountControl", "512", "description", "Entra ID's")}
	if err := l.AddKrbtgt(l.t.Context(), l.admin, op); err != nil {
		l.t.Fatal(err)
	}
	if err := l.modify(l.admin, krbtgtDN, ldapmsg.ReplaceValues, "unicodePwd", quoted("A long random password, 1")); err != nil {
		l.t.Fatal(err)
	}
	l.mustAdd(serverDN, "objectClass", "computer", "sAMAccountName", "AzureADKerberos$", "userAccountControl", "83890176", "primaryGroupID", "521",
		"msDS-KrbTgtLink", krbtgtDN, "msDS-RevealOnDemandGroup", allowDN, "msDS-NeverRevealGroup", denyDN)
	n, err := strconv.ParseUint(l.get(krbtgtDN, "msDS-SecondaryKrbTgtNumber")[0], 10, 16)
	if err != nil {
		l.t.Fatal(err)
	}
	return uint16(n)
}

func one(t *testing.T, got []string, want string) {
	t.Helper()
	if len(got) != 1 || got[0] != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// The objects of cloud Kerberos trust, as an LDAP client writes and reads them.
func TestReadOnlyController(t *testing.T) {
	l := newLab(t)
	n := l.cloud()
	if n == 0 {
		t.Fatal("number 0")
	}
	name := "krbtgt_" + strconv.Itoa(int(n))
	for attribute, want := range map[string]string{
		"sAMAccountName": name, "userAccountControl": "514", "isCriticalSystemObject": "TRUE", "msDS-KeyVersionNumber": "1", "description": "Entra ID's",
		"msDS-KrbTgtLinkBL": serverDN, "objectCategory": "CN=Person,CN=Schema,CN=Configuration," + base,
	} {
		one(t, l.get(krbtgtDN, attribute), want)
	}
	for attribute, want := range map[string]string{
		"msDS-KrbTgtLink": krbtgtDN, "msDS-RevealOnDemandGroup": allowDN, "msDS-NeverRevealGroup": denyDN, "msDS-isRODC": "TRUE",
		"userAccountControl": "83890176", "primaryGroupID": "521", "sAMAccountType": "805306369",
	} {
		one(t, l.get(serverDN, attribute), want)
	}

	ro, err := l.ReadOnly(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	if ro.Name != "AzureADKerberos$" || ro.Control != 83890176 || ro.Krbtgt.Number != int64(n) || ro.Krbtgt.Salt != "CORP.CONTOSO.COM"+name ||
		!slices.Equal(ro.RevealOnDemand, []sid.SID{l.SID().Account(571)}) || !slices.Equal(ro.NeverReveal, []sid.SID{l.SID().Account(572)}) {
		t.Errorf("%+v", ro)
	}
	want, err := krb.StringToKey(krb.AES256, "A long random password, 1", "CORP.CONTOSO.COM"+name)
	if err != nil {
		t.Fatal(err)
	}
	if k := ro.Krbtgt.Keys[0]; k.Version != 1 || !k.Key.Equal(want) {
		t.Errorf("key of version %d is another than the password makes", k.Version)
	}

	// A rotation, and what an administrator changes beside the tool.
	l.clock = l.clock.Add(time.Hour)
	for v := 2; v <= 3; v++ {
		if err := l.modify(l.admin, krbtgtDN, ldapmsg.ReplaceValues, "unicodePwd", quoted(fmt.Sprintf("A long random password, %d", v))); err != nil {
			t.Fatal(err)
		}
		one(t, l.get(krbtgtDN, "msDS-KeyVersionNumber"), strconv.Itoa(v))
	}
	if err := l.modify(l.admin, serverDN, ldapmsg.AddValues, "msDS-NeverRevealGroup", "CN=Administrators,CN=Builtin,"+base, "CN=Server Operators,CN=Builtin,"+base); err != nil {
		t.Fatal(err)
	}
	if ro, err = l.ReadOnly(t.Context(), n); err != nil || ro.Krbtgt.Keys[0].Version != 3 || len(ro.NeverReveal) != 3 || !ro.Krbtgt.PasswordSet.Equal(l.clock) {
		t.Errorf("%+v, %v", ro, err)
	}
	if err := l.modify(l.admin, serverDN, ldapmsg.ReplaceValues, "msDS-RevealOnDemandGroup"); err != nil {
		t.Fatal(err)
	}
	if ro, err = l.ReadOnly(t.Context(), n); err != nil || len(ro.RevealOnDemand) != 0 {
		t.Errorf("%+v, %v", ro, err)
	}
	if _, err := l.ReadOnly(t.Context(), n+1); !errors.Is(err, directory.ErrNoAccount) {
		t.Errorf("another number: %v", err)
	}

	// Deleted: first the computer, then its krbtgt. A krbtgt without one is found.
	if err := l.Delete(t.Context(), l.admin, &ldapmsg.Delete{DN: serverDN}, false); err != nil {
		t.Fatal(err)
	}
	if ro, err = l.ReadOnly(t.Context(), n); err != nil || ro.Name != "" || ro.Control != 0 || ro.RevealOnDemand != nil {
		t.Errorf("without a computer: %+v, %v", ro, err)
	}
	if err := l.Delete(t.Context(), l.admin, &ldapmsg.Delete{DN: krbtgtDN}, false); err != nil {
		t.Fatal(err)
	}
	if _, err := l.ReadOnly(t.Context(), n); !errors.Is(err, directory.ErrNoAccount) {
		t.Errorf("deleted: %v", err)
	}
	l.cloud() // and once more
}

func TestReadOnlyRefusals(t *testing.T) {
	l := newLab(t)
	l.cloud()
	l.person("alice")
	alice := l.as("alice")
	promote := func(who *directory.Requester, dn string, list ...string) error {
		return l.AddKrbtgt(t.Context(), who, &ldapmsg.Add{DN: dn, Attributes: attributes(list...)})
	}
	refused(t, "by a user", promote(alice, "CN=krbtgt_2,"+users, "objectClass", "user"), ldapmsg.InsufficientAccessRights)
	refused(t, "by nobody", promote(&directory.Requester{}, "CN=krbtgt_2,"+users, "objectClass", "user"), ldapmsg.OperationsError)
	refused(t, "a computer", promote(l.admin, "CN=PC9,"+users, "objectClass", "computer"), ldapmsg.UnwillingToPerform)
	refused(t, "a group", promote(l.admin, "CN=g,"+users, "objectClass", "group"), ldapmsg.UnwillingToPerform)
	if err := l.modify(l.admin, krbtgtDN, ldapmsg.ReplaceValues, "msDS-SecondaryKrbTgtNumber", "7"); err == nil {
		t.Error("the number was changed")
	}
	open := *l.admin
	open.Sealed = false
	refused(t, "a password in the open", l.modify(&open, krbtgtDN, ldapmsg.ReplaceValues, "unicodePwd", quoted("A long random password, 2")), ldapmsg.UnwillingToPerform)
	refused(t, "the lists by a user", l.modify(alice, serverDN, ldapmsg.AddValues, "msDS-RevealOnDemandGroup", "CN=alice,"+users), ldapmsg.InsufficientAccessRights)
	refused(t, "the domain's own krbtgt", l.Delete(t.Context(), l.admin, &ldapmsg.Delete{DN: "CN=krbtgt," + users}, false), ldapmsg.UnwillingToPerform)
}

// The groups of the password replication policy, and who is denied from the start
// (MS-ADTS 6.1.1.6.14).
func TestReplicationGroups(t *testing.T) {
	l := newLab(t)
	var want []string
	for _, g := range []string{
		"Cert Publishers", "Domain Admins", "Domain Controllers", "Enterprise Admins", "Group Policy Creator Owners", "Read-only Domain Controllers", "Schema Admins", "krbtgt",
	} {
		want = append(want, "CN="+g+","+users)
	}
	got := l.get(denyDN, "member")
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("denied: %q", got)
	}
	if got := l.get(allowDN, "member"); len(got) != 0 {
		t.Errorf("allowed: %q", got)
	}
	for _, g := range []string{"Administrators", "Account Operators", "Server Operators", "Backup Operators"} {
		if got := l.get("CN="+g+",CN=Builtin,"+base, "objectSid"); len(got) != 1 {
			t.Errorf("there is no %s", g)
		}
	}
}

// Numbers are given to each krbtgt once.
func TestReadOnlyNumbers(t *testing.T) {
	l := newLab(t)
	seen := map[string]bool{}
	for i := range 200 {
		dn := fmt.Sprintf("CN=krbtgt %d,%s", i, users)
		if err := l.AddKrbtgt(t.Context(), l.admin, &ldapmsg.Add{DN: dn, Attributes: attributes("objectClass", "user")}); err != nil {
			t.Fatal(err)
		}
		n := l.get(dn, "msDS-SecondaryKrbTgtNumber")
		if len(n) != 1 || seen[n[0]] {
			t.Fatalf("number %q", n)
		}
		seen[n[0]] = true
	}
}
