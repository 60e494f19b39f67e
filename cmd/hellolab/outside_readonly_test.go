package main

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"unicode/utf16"

	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/ntlm"
)

// The objects of cloud Kerberos trust, made by OpenLDAP's programs alone, and
// impacket's keylistattack, which holds their key: it gets the secret of whom the
// domain lets such a controller know, and of nobody else.
func TestOutsideReadOnlyController(t *testing.T) {
	lab := strings.Replace(outsideDomain, "  controller \"dc1\" {}\n", "  interop {\n    partial_tgt_without_pac = true\n  }\n  controller \"dc1\" {}\n", 1) + `
user "root" {
  upn      = "root@contoso.com"
  domain   = domain.corp
  password = var.password
}

group "admins" {
  domain     = domain.corp
  well_known = "domain_admins"
  members    = [user.root]
}
`
	c := serveDomain(t, lab)
	at := []string{"-Q", "-Y", "GSSAPI", "-H", c.url(t, "dc1.corp.fabrikam.com")}
	c.does(t, nil, "root", typed(domainPassword), "kinit", "root")

	krbtgt, server := "CN=krbtgt_AzureAD,CN=Users,"+domainBase, "CN=AzureADKerberos,OU=Domain Controllers,"+domainBase
	c.does(t, says("adding new entry"), "root", "dn: "+krbtgt+"\nobjectClass: user\n", "ldapadd", append(at, "-e", "!1.2.840.113556.1.4.1341")...)
	read := func(dn string, attributes ...string) string {
		t.Helper()
		return c.does(t, nil, "root", "", "ldapsearch", append(append(at, "-LLL", "-o", "ldif_wrap=no", "-s", "base", "-b", dn), attributes...)...)
	}
	out := read(krbtgt, "sAMAccountName", "userAccountControl", "msDS-SecondaryKrbTgtNumber")
	found := regexp.MustCompile(`(?m)^msDS-SecondaryKrbTgtNumber: (\d+)$`).FindStringSubmatch(out)
	if found == nil || !strings.Contains(out, "sAMAccountName: krbtgt_"+found[1]+"\n") || !strings.Contains(out, "userAccountControl: 514\n") {
		t.Fatal(out)
	}
	const secret = "A long random secret, 1"
	var quoted []byte
	for _, u := range utf16.Encode([]rune(`"` + secret + `"`)) {
		quoted = binary.LittleEndian.AppendUint16(quoted, u)
	}
	c.does(t, nil, "root", fmt.Sprintf("dn: %s\nchangetype: modify\nreplace: unicodePwd\nunicodePwd:: %s\n", krbtgt, base64.StdEncoding.EncodeToString(quoted)), "ldapmodify", at...)
	if out := read(krbtgt, "msDS-KeyVersionNumber"); !strings.Contains(out, "msDS-KeyVersionNumber: 1\n") {
		t.Error(out)
	}
	allowed := "CN=Allowed RODC Password Replication Group,CN=Users," + domainBase
	c.does(t, nil, "root", fmt.Sprintf(`dn: %s
objectClass: computer
sAMAccountName: AzureADKerberos$
userAccountControl: 83890176
primaryGroupID: 521
msDS-KrbTgtLink: %s
msDS-RevealOnDemandGroup: %s
msDS-NeverRevealGroup: CN=Denied RODC Password Replication Group,CN=Users,%s
`, server, krbtgt, allowed, domainBase), "ldapadd", at...)
	c.does(t, nil, "root", fmt.Sprintf("dn: %s\nchangetype: modify\nadd: member\nmember: CN=Domain Users,CN=Users,%s\n", allowed, domainBase), "ldapmodify", at...)
	if out := read(krbtgt, "msDS-KrbTgtLinkBL"); !strings.Contains(out, "msDS-KrbTgtLinkBl: "+server+"\n") {
		t.Error(out)
	}

	const python, script = "/usr/bin/python3", "/usr/share/doc/python3-impacket/examples/keylistattack.py"
	if exec.Command(python, "-c", "import impacket").Run() != nil {
		missing(t, "python3-impacket")
	}
	if _, err := os.Stat(script); err != nil {
		t.Skip("the examples of impacket are not installed; what they do is tested beside the KDC")
	}
	bound := c.bound(t, "dc1.corp.fabrikam.com", portKerberos)
	if bound.Port() != portKerberos {
		t.Skip("impacket knows no other port than 88, which is not this user's to bind, or another's")
	}
	key, err := krb.StringToKey(krb.AES256, secret, domainRealm+"krbtgt_"+found[1])
	if err != nil {
		t.Fatal(err)
	}
	hash, err := ntlm.NTHash(domainPassword)
	if err != nil {
		t.Fatal(err)
	}
	address := bound.Addr().As4() // as one number: impacket cuts a host's name at its first dot
	attack := func(user string) string {
		t.Helper()
		return c.does(t, nil, "", "", python, script, "-rodcNo", found[1], "-rodcKey", hex.EncodeToString(key.Value), "-domain", domainRealm,
			"-kdc", fmt.Sprint(binary.BigEndian.Uint32(address[:])), "-t", user, "LIST")
	}
	if out := attack("alice"); !strings.Contains(out, domainRealm+`\alice:`+hex.EncodeToString(hash)) {
		t.Errorf("of alice it gets\n%s", out)
	}
	if out := attack("root"); strings.Contains(out, hex.EncodeToString(hash)) || !strings.Contains(out, "not allowed") {
		t.Errorf("of an administrator it gets\n%s", out)
	}
	c.does(t, nil, "root", "", "ldapdelete", append(at, server, krbtgt)...)
	if out := attack("alice"); strings.Contains(out, hex.EncodeToString(hash)) {
		t.Errorf("after the objects are gone it gets\n%s", out)
	}
}
