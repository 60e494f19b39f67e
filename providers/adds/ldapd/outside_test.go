package ldapd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"hellolab/providers/wire/ldapmsg"
)

// OpenLDAP's tools, as Debian ships them. They are installed by .ci/deps; where
// they are not there the test says so, and fails where it must run
// (HELLOLAB_OUTSIDE=required, as in `make test`).
func (l *lab) tool(t *testing.T, exit int, stdin, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("HELLOLAB_OUTSIDE") == "required" {
			t.Fatalf("%s is not installed: `make deps-test` installs it", name)
		}
		t.Skipf("%s is not installed: `make deps-test` installs it", name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = []string{"LDAPTLS_CACERT=" + l.rootFile, "LDAPCONF=/dev/null", "HOME=" + t.TempDir()}
	cmd.Stdin = strings.NewReader(stdin)
	var out, messages bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &messages
	var ended *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != exit {
		t.Fatalf("%s %q ended with %d, not %d\n%s%s", name, args, got, exit, &out, &messages)
	}
	return out.String() + messages.String()
}

func contains(t *testing.T, out string, wanted ...string) {
	t.Helper()
	for _, w := range wanted {
		if !strings.Contains(out, w) {
			t.Errorf("no %q in\n%s", w, out)
		}
	}
}

func TestOpenLDAPTools(t *testing.T) {
	l := serve(t, nil)
	l.addMany(1200)
	url := "ldap://" + l.addr
	alice := func(args ...string) []string {
		return append([]string{"-x", "-H", url, "-D", aliceDN, "-w", alicePassword}, args...)
	}

	contains(t, l.tool(t, 0, "", "ldapsearch", "-x", "-LLL", "-H", url, "-b", "", "-s", "base", "*", "+"), "defaultNamingContext: "+base, "supportedLDAPVersion: 3", "supportedSASLMechanisms: GSSAPI")
	contains(t, l.tool(t, 0, "", "ldapsearch", alice("-LLL", "-b", base, `(objectGUID=\00\01\FF\28\2A\05\06\07\08\09\0A\0B\0C\0D\0E\0F)`, "objectGUID", "cn")...),
		"dn: "+aliceDN, "objectGUID:: AAH/KCoFBgcICQoLDA0ODw==\ncn: Alice\n")
	contains(t, l.tool(t, 0, "", "ldapsearch", alice("-ZZ", "-LLL", "-b", base, "(cn=alice)", "1.1")...), "dn: "+aliceDN+"\n\n")
	contains(t, l.tool(t, 0, "", "ldapsearch", "-x", "-LLL", "-H", "ldaps://"+l.tls, "-D", aliceDN, "-w", alicePassword, "-b", base, "(userAccountControl:1.2.840.113556.1.4.803:=512)", "cn"), "cn: Alice")

	// More than a page without pages, and with them.
	contains(t, l.tool(t, int(ldapmsg.SizeLimitExceeded), "", "ldapsearch", alice("-b", base, "(cn=user0*)", "cn")...), "00002023: ", "# numEntries: 1000")
	contains(t, l.tool(t, 0, "", "ldapsearch", alice("-b", base, "-E", "!pr=500/noprompt", "(cn=user0*)", "cn")...), "# numEntries: 1200", "cn: user01199")
	contains(t, l.tool(t, int(ldapmsg.UnavailableCriticalExtension), "", "ldapsearch", alice("-b", base, "-E", "!sync=ro", "(cn=a)")...), "0000202C: ")
	contains(t, l.tool(t, 0, "", "ldapsearch", alice("-LLL", "-b", base, "-A", "(cn=alice)", "objectClass")...), "objectClass:\n")

	contains(t, l.tool(t, int(ldapmsg.InvalidCredentials), "", "ldapsearch", "-x", "-H", url, "-D", aliceDN, "-w", "wrong", "-b", base), "data 52e")
	contains(t, l.tool(t, int(ldapmsg.OperationsError), "", "ldapsearch", "-x", "-H", url, "-b", base), "000004DC: ")
	contains(t, l.tool(t, 0, "", "ldapwhoami", alice()...), `u:CORP\alice`)

	// A certificate and other bytes go in and come back.
	bo := "CN=Bo\\, the second,CN=Users," + base
	add := fmt.Sprintf("dn: %s\nobjectClass: user\ncn: Bo, the second\nuserCertificate;binary:: MIIBAAD/\n", bo)
	l.tool(t, 0, add, "ldapadd", alice()...)
	l.tool(t, int(ldapmsg.EntryAlreadyExists), add, "ldapadd", alice()...)
	key := "B:6:0A0BFF:" + aliceDN
	l.tool(t, 0, fmt.Sprintf("dn: %s\nchangetype: modify\nadd: msDS-KeyCredentialLink\nmsDS-KeyCredentialLink: %s\n-\nreplace: description\ndescription:: AP8=\n", bo, key), "ldapmodify", alice()...)
	contains(t, l.tool(t, 0, "", "ldapsearch", alice("-LLL", "-o", "ldif_wrap=no", "-b", base, "(cn=Bo, the second)")...), "userCertificate;binary:: MIIBAAD/", "description:: AP8=", "msDS-KeyCredentialLink: "+key)
	l.tool(t, int(ldapmsg.CompareTrue), "", "ldapcompare", alice(bo, "cn:bo, THE second")...)
	l.tool(t, int(ldapmsg.CompareFalse), "", "ldapcompare", alice(bo, "cn:bo")...)
	l.tool(t, 0, "", "ldapmodrdn", alice("-r", bo, "CN=Bo")...)
	l.tool(t, 0, "", "ldapdelete", alice("CN=Bo,CN=Users,"+base)...)
	contains(t, l.tool(t, int(ldapmsg.NoSuchObject), "", "ldapdelete", alice("CN=Bo,CN=Users,"+base)...), "0000208D: ", "matched DN: "+base)
}
