package locator

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestDig: a DNS client that is not ours reads the records, over both
// transports. It is BIND's (Debian: bind9-dnsutils); with
// HELLOLAB_OUTSIDE=required it must be there.
func TestDig(t *testing.T) {
	dig, err := exec.LookPath("dig")
	if err != nil {
		if os.Getenv("HELLOLAB_OUTSIDE") == "required" {
			t.Fatal("dig is not installed: `make deps-test` installs it")
		}
		t.Skip("dig is not installed: `make deps-test` installs it")
	}
	d := corp()
	for i := range 40 {
		d.Controllers = append(d.Controllers, Controller{Host: fmt.Sprintf("dc%d.corp.example", 100+i), Site: "Rome", Writable: true})
	}
	port := serveDNS(t, newDNS(t, d))
	run := func(args ...string) string {
		t.Helper()
		out, err := exec.Command(dig, append([]string{"@127.0.0.1", "-p", fmt.Sprint(port), "+norecurse", "+time=3", "+tries=1"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("dig %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	for _, transport := range []string{"+notcp", "+tcp"} {
		for question, want := range map[string]string{
			"_ldap._tcp.berlin._sites.dc._msdcs.corp.example SRV": "0 100 389 dc1.corp.example.",
			"_kerberos._tcp.paris._sites.corp.example SRV":        "0 100 10088 dc2.corp.example.",
			"dc1.corp.example A":                                  "127.0.1.1",
			"rodc.corp.example AAAA":                              "fd00::3",
			ntds + "._msdcs.corp.example A":                       "dc1.corp.example.\n127.0.1.1",
		} {
			if got := strings.TrimSpace(run(append(strings.Fields(question), transport, "+short")...)); got != want {
				t.Errorf("%s %s: %q, want %q", question, transport, got, want)
			}
		}
		uris := strings.Split(run("_kerberos.corp.example", "URI", transport, "+short"), "\n")
		if !slices.Contains(uris, `0 100 "krb5srv:m:tcp:dc1.corp.example:88"`) {
			t.Errorf("URI %s: %q", transport, uris)
		}
		for question, want := range map[string]string{
			"nobody.corp.example A":               "status: NXDOMAIN",
			"_tcp.corp.example SRV":               "status: NOERROR",
			"www.other.example A":                 "status: REFUSED",
			"corp.example ANY":                    "status: REFUSED",
			"pc7.corp.example A":                  "flags: qr aa;",
			"corp.example SOA":                    "hostmaster.corp.example.",
			"broken.corp.example A":               "status: SERVFAIL",
			"corp.example CH A":                   "status: REFUSED",
			"pc7.corp.example +ednsneg +edns=1 A": "127.0.1.7", // dig steps down to version 0
		} {
			if out := run(append(strings.Fields(question), transport)...); !strings.Contains(out, want) {
				t.Errorf("%s %s: no %q in\n%s", question, transport, want, out)
			}
		}
	}
	if out := run("corp.example", "AXFR"); !strings.Contains(out, "Transfer failed") {
		t.Errorf("a transfer:\n%s", out)
	}
	// An answer that is cut off is asked for again over TCP.
	if out := run("_ldap._tcp.corp.example", "SRV"); !strings.Contains(out, "ANSWER: 42,") || !strings.Contains(out, "Truncated, retrying in TCP mode") {
		t.Errorf("42 records:\n%s", out)
	}
}
