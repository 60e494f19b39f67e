package access_test

import (
	"strings"
	"testing"
	"time"

	"hellolab/providers/hello/access"
	"hellolab/providers/spec"
)

// A certificate that device management delivers comes at the sign-in that needs it,
// unless something is in its way; members of the domain have none so.
func TestDeliveredCertificate(t *testing.T) {
	profile := change("trust.certificate", func(t *spec.Trust) { t.Delivery = "mdm_scep" })
	without := func() *access.Facts {
		f := withCertificate(nil)
		f.Machines[laptop].Credentials[alice].Certificates = nil
		return f
	}
	issuing := func(on bool) func(objects) {
		return change("authority.ca", func(a *spec.Authority) {
			a.Templates = map[string]*spec.AuthorityTemplate{"WHFBDeviceAuthentication": {Enabled: on}}
		})
	}
	from := func(places ...string) func(objects) {
		return change("authority.ca", func(a *spec.Authority) { a.CRL = &spec.AuthorityCRL{ReachableFrom: places} })
	}
	ended := func(c *access.UserCertificate) { c.NotAfter = now.Add(-time.Hour) }
	for name, tt := range map[string]struct {
		world  []func(objects)
		facts  *access.Facts
		reason string
		why    string
	}{
		"comes":                   {[]func(objects){profile}, without(), "success", ""},
		"comes by its template":   {[]func(objects){profile, issuing(true)}, without(), "success", ""},
		"another for one's end":   {[]func(objects){profile}, withCertificate(ended), "success", ""},
		"no profile":              {nil, without(), "certificate_missing", "has no profile"},
		"no template":             {[]func(objects){profile, issuing(false)}, without(), "certificate_missing", "does not issue"},
		"no template, and an end": {[]func(objects){profile, issuing(false)}, withCertificate(ended), "certificate_expired", ""},
		"out of reach":            {[]func(objects){profile, from("dc")}, without(), "certificate_missing", "does not reach the SCEP service"},
		"not for sign-ins":        {[]func(objects){profile, change("authority.ca", func(a *spec.Authority) { a.NTAuth = false })}, without(), "certificate_untrusted", ""},
	} {
		v := decide(t, federatedLab(tt.world...), tt.facts, laptop, corp)
		if v.Reason != tt.reason || v.Flow != "A4" || !strings.Contains(v.Sentence, tt.why) || tt.why != "" && v.Action != access.AdminFix {
			t.Errorf("%s: %+v", name, v)
		}
	}
}
