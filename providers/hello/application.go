package hello

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"

	"hellolab/providers/spec"
)

// maxDNSLabel is the length of a DNS label (RFC 1035 2.3.4).
const maxDNSLabel = 63

// ApplicationName returns the display name of an application: as written, else
// the last part of its address.
func ApplicationName(addr string, in spec.Application) string {
	if in.Name != "" {
		return in.Name
	}
	const kind = "application."
	return addr[strings.LastIndex(addr, kind)+len(kind):]
}

// ApplicationLabel returns the DNS label that an application's host begins
// with. A name that is a label already stands for itself; another one is made
// plain and told apart by a digest. In modules and repeated blocks, whose
// names repeat, the digest is of the address.
func ApplicationLabel(addr string, in spec.Application) string {
	name := ApplicationName(addr, in)
	from := name
	if in.Name == "" && addr != "application."+name {
		from = addr
	}
	label := strings.Trim(strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			return c
		case c >= 'A' && c <= 'Z':
			return c + 'a' - 'A'
		}
		return '-'
	}, name), "-")
	if label == from && len(label) <= maxDNSLabel && !strings.Contains(label, "---") {
		return label
	}
	sum := sha256.Sum256([]byte(from))
	tail := "---" + hex.EncodeToString(sum[:6]) // three hyphens: no plain label has them
	return strings.TrimLeft(strings.TrimRight(label[:min(len(label), maxDNSLabel-len(tail))], "-")+tail, "-")
}

func (v *validation) applications() {
	owner := map[[2]string]string{} // tenant and label -> application
	for _, addr := range sortedKeys(v.Applications) {
		a := v.Applications[addr]
		if a.Knows("tenant", "name") {
			key := [2]string{string(a.In.Tenant), ApplicationLabel(addr, a.In)}
			if other, taken := owner[key]; taken {
				v.problem(addr, "name", "application_name_taken", "Name of another application",
					"%s is named %q, too, and an application's host is made of its name. Give each a name of its own.", other, ApplicationName(addr, a.In))
			}
			owner[key] = addr
		}
		for _, uri := range a.In.RedirectURIs {
			if !redirectURI(uri) && (uri != "" || a.Knows("redirect_uris")) {
				v.problem(addr, "redirect_uris", "redirect_uri_malformed", "Not a redirect URI",
					"%q is not a redirect URI: it must be absolute, without a fragment, and begin with https://, with a scheme of the application's own, or with http://localhost.", uri)
			}
		}
		if r := a.In.Require; r != nil && r.RiskAction == "mfa" && r.MaxRisk == "" && a.Knows("require.max_risk", "require.risk_action") {
			v.warn(addr, "require.risk_action", "risk_action_unused", "Nothing to act on",
				"risk_action says what becomes of users above max_risk, and there is no max_risk. Set it, or remove risk_action.")
		}
	}
}

// redirectURI reports whether Entra ID would register a URI.
func redirectURI(uri string) bool {
	u, err := url.Parse(uri)
	if err != nil || !u.IsAbs() || u.User != nil || strings.Contains(uri, "#") || len(uri) > 256 {
		return false
	}
	switch u.Scheme {
	case "https":
		return u.Hostname() != ""
	case "http":
		return u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1" || u.Hostname() == "::1"
	case "javascript", "data", "vbscript", "file", "blob", "about":
		return false
	}
	return true
}
