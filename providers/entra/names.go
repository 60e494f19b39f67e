package entra

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"hellolab/providers/spec"
)

// hosts are the names a tenant answers on. In the cloud they are fixed names
// of Microsoft's; a lab may hold several tenants, so each has its own.
type hosts struct {
	login string // token service, login.microsoftonline.com in the cloud
	sts   string // issuer name of v1 tokens, sts.windows.net
	drs   string // enterpriseregistration.windows.net
	graph string // graph.microsoft.com
}

const (
	hostSuffix = ".entra.test"
	maxLabel   = 63 // RFC 1035 2.3.4
)

func hostsOf(domain string) hosts {
	suffix := "." + hostLabel(domain) + hostSuffix
	return hosts{login: "login" + suffix, sts: "sts" + suffix, drs: "enterpriseregistration" + suffix, graph: "graph" + suffix}
}

func (h hosts) all() []string { return []string{h.login, h.sts, h.drs, h.graph} }

// hostLabel makes one DNS label of a domain: contoso.com becomes contoso-com.
// A hyphen is doubled and a dot becomes one hyphen; neither stands beside the
// other in a domain, so runs of hyphens tell them apart and two domains never
// share a label. One too long for a label ends in a digest behind three
// hyphens, a run that the plain form does not have.
func hostLabel(domain string) string {
	label := strings.NewReplacer("-", "--", ".", "-").Replace(domain)
	if len(label) <= maxLabel {
		return label
	}
	sum := sha256.Sum256([]byte(domain))
	tail := "---" + hex.EncodeToString(sum[:10])
	return strings.TrimRight(label[:maxLabel-len(tail)], "-") + tail
}

// domainsOf returns a tenant's domains in lower case.
func domainsOf(in spec.Tenant) ([]string, error) {
	if len(in.Domains) == 0 {
		return nil, fmt.Errorf("a tenant needs a domain")
	}
	seen := map[string]bool{}
	domains := make([]string, 0, len(in.Domains))
	for _, d := range in.Domains {
		d = strings.ToLower(d)
		if !validDomain(d) {
			return nil, fmt.Errorf("%q is not a domain name: letters, digits and hyphens in at least two labels", d)
		}
		if seen[d] {
			return nil, fmt.Errorf("domain %s is given twice", d)
		}
		seen[d] = true
		domains = append(domains, d)
	}
	return domains, nil
}

func validDomain(d string) bool {
	labels := strings.Split(d, ".")
	if len(d) > 253 || len(labels) < 2 {
		return false
	}
	for _, l := range labels {
		if l == "" || len(l) > maxLabel || l[0] == '-' || l[len(l)-1] == '-' {
			return false
		}
		for _, c := range []byte(l) {
			if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-') {
				return false
			}
		}
	}
	return true
}
