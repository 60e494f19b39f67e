package doctor

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"hellolab/cmd/hellolab/internal/keylist"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/revocation"
)

// Statuses that Windows shows for a KDC's certificate that it refuses.
const (
	statusExpired   = "0xC000040E, the KDC's certificate has expired"
	statusRevoked   = "0xC000040F, the KDC's certificate is revoked"
	statusUntrusted = "0xC000040D, the KDC's authority is not trusted"
)

// notice is how long before a password expires its user is told.
const notice = 5 * 24 * time.Hour

func (x *examination) domain(d *Domain) {
	for i := range d.Controllers {
		x.controller(d, &d.Controllers[i])
	}
	if d.KeylessCMS {
		x.add(Warning, "keyless_cms", d.Addr, "", "Take interop.keyless_cms away when clients of MIT Kerberos are not what you test.",
			"The KDC takes PKINIT requests that bring no certificate, which Windows refuses: what signs in here may not elsewhere.")
	}
	if d.Trouble != nil {
		x.add(Error, "directory_silent", d.Addr, "", "Look into `hellolab trace` and HELLOLAB_LOG=debug for why.", "The directory of %s cannot be read: %v.", d.DNSName, d.Trouble)
		return
	}
	if d.Synced && d.KeyAdmins == 0 {
		x.add(Note, "no_key_admins", d.Addr, "", "Give the account of the synchronization to the group with well_known = \"key_admins\".",
			"Key Admins has no member: no synchronization can write registered keys to the domain, and who signs in with one is refused with %s.", code(krb.ErrClientNotTrusted))
	}
	x.accounts(d)
}

func (x *examination) controller(d *Domain, c *Controller) {
	if c.Trouble != nil {
		x.add(Error, "kdc_silent", d.Addr, "", "Look into `hellolab trace` and HELLOLAB_LOG=debug for why.", "The KDC of %s does not answer: %v.", c.Host, c.Trouble)
		return
	}
	if c.RC4 {
		x.add(Warning, "rc4", d.Addr, "", "Leave rc4 out of the controller's etypes.", "%s takes RC4, which Windows has off by default and is broken.", c.Host)
	}
	if len(c.Chain) == 0 {
		next := "Declare an authority of the domain, and apply: its controllers enroll there."
		switch {
		case c.Template == spec.TemplateNone:
			next = "Change kdc_certificate.template of the controller, and apply."
		case d.Enrollment > 0:
			next = "`hellolab apply` has it enroll, and says why if it cannot; see that an authority of the domain issues the template."
		}
		s := Error
		if d.Cloud {
			s = Note
		}
		x.add(s, "no_kdc_certificate", d.Addr, code(krb.ErrPADataTypeNoSupport), next, "%s has no certificate: nobody signs in with a certificate or a key.", c.Host)
		x.add(Warning, "no_ldaps", d.Addr, "", next, "%s answers neither LDAPS nor StartTLS, for want of a certificate.", c.Host)
		return
	}
	leaf := c.Chain[0]
	renew := "`hellolab apply` renews it, and so does `hellolab serve`."
	switch lifeOf(leaf, x.Now, 5) {
	case early:
		x.add(Error, "kdc_certificate_early", d.Addr, code(krb.ErrPADataTypeNoSupport), "Look at the lab's clock.", "The certificate of %s is not valid before %s.", c.Host, stamp(leaf.NotBefore))
	case over:
		x.add(Error, "kdc_certificate_expired", d.Addr, code(krb.ErrPADataTypeNoSupport)+", or "+statusExpired, renew, "The certificate of %s has expired on %s.", c.Host, stamp(leaf.NotAfter))
	case ending:
		x.add(Warning, "kdc_certificate_ending", d.Addr, "", renew, "The certificate of %s expires on %s.", c.Host, stamp(leaf.NotAfter))
		fallthrough
	case current:
		if !c.PKINIT {
			x.add(Error, "no_pkinit", d.Addr, code(krb.ErrPADataTypeNoSupport), "Look into HELLOLAB_LOG=debug for why.", "The KDC of %s has a certificate and does not offer PKINIT.", c.Host)
		}
	}
	x.strict(d, c, leaf)
	x.trust(d, c)
}

// strict looks for what clients with strict validation ask of a KDC's
// certificate, which Entra joined devices always have.
func (x *examination) strict(d *Domain, c *Controller, leaf *x509.Certificate) {
	next := "Set kdc_certificate.template to \"" + spec.TemplateKerberosAuthentication + "\", and apply."
	if !adcert.HasEKU(leaf, adcert.EKUKPKdc) {
		x.add(Warning, "kdc_eku", d.Addr, code(krb.ErrInconsistentKeyPurpose), next,
			"The certificate of %s has not the purpose KDC Authentication: clients with strict KDC validation, such as Entra joined devices, refuse it.", c.Host)
	}
	if !slices.ContainsFunc(leaf.DNSNames, func(n string) bool { return strings.EqualFold(n, d.DNSName) }) {
		x.add(Warning, "kdc_name", d.Addr, code(krb.ErrKDCNameMismatch), next,
			"The certificate of %s does not name %s: clients with strict KDC validation, such as Entra joined devices, refuse it.", c.Host, d.DNSName)
	}
}

// trust builds the path that clients build.
func (x *examination) trust(d *Domain, c *Controller) {
	if d.Trouble != nil {
		return
	}
	at := x.Now
	if leaf := c.Chain[0]; at.Before(leaf.NotBefore) || at.After(leaf.NotAfter) { // told already
		at = leaf.NotBefore
	}
	if !d.rooted(c.Chain[0], c.Chain[1:], at) {
		x.add(Error, "kdc_untrusted", d.Addr, code(krb.ErrKDCNotTrusted)+", or "+statusUntrusted, "Apply with the authority that issued it, or have the controller enroll from one that the domain publishes.",
			"The certificate of %s leads to no root that the domain publishes.", c.Host)
	}
	if c.Revocation != nil && c.Revocation.Status == revocation.Revoked {
		x.add(Error, "kdc_certificate_revoked", d.Addr, statusRevoked, "Have the controller enroll again: set its template to \"none\", apply, set it back, apply.", "The certificate of %s is %s.", c.Host, c.Revocation)
	}
}

// rooted says whether a certificate leads to a published root.
func (d *Domain) rooted(cert *x509.Certificate, sent []*x509.Certificate, at time.Time) bool {
	roots, others := x509.NewCertPool(), x509.NewCertPool()
	for _, r := range d.Roots {
		roots.AddCert(r)
	}
	for _, o := range slices.Concat(sent, d.Others) {
		others.AddCert(o)
	}
	_, err := cert.Verify(x509.VerifyOptions{Roots: roots, Intermediates: others, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err == nil
}

func (x *examination) accounts(d *Domain) {
	var expired, soon []string
	for i := range d.Accounts {
		a := &d.Accounts[i]
		switch {
		case a.MustChange, !a.Expires.IsZero() && !x.Now.Before(a.Expires):
			expired = append(expired, a.Name)
		case !a.Expires.IsZero() && x.Now.Add(notice).After(a.Expires):
			soon = append(soon, a.Name)
		}
		for n := range a.Keys {
			x.key(d, &a.Keys[n])
		}
	}
	if len(expired) > 0 {
		x.add(Warning, "password_expired", d.Addr, code(krb.ErrKeyExpired), "They change it by kpasswd; or give a new password and a higher password_version, and apply.", "The %s expired, for signing in by it: %s.",
			plural(len(expired), "password of a user has", "passwords of users have"), some(expired))
	}
	if len(soon) > 0 {
		x.add(Warning, "password_ending", d.Addr, code(krb.ErrKeyExpired), "Give a new password and a higher password_version, and apply; or raise password_policy.max_age.", "Within %d days %s: %s.",
			int(notice.Hours()/24), plural(len(soon), "the password of a user expires", "the passwords of users expire"), some(soon))
	}
}

func (x *examination) key(d *Domain, k *keylist.Key) {
	why := strings.Join(k.Why, " ")
	next := fmt.Sprintf("`hellolab keys revoke %s -key=%s` removes it.", k.Account, k.ID)
	switch {
	case k.Has(keylist.Malformed):
		x.add(Warning, "key_malformed", d.Addr, code(krb.ErrClientNotTrusted), next, "A registered key of %s cannot be used. %s", k.Account, why)
	case k.Has(keylist.Weak):
		x.add(Warning, "key_weak", d.Addr, code(krb.ErrClientNotTrusted), next, "A registered key of %s proves nobody, for others can find its private half. %s", k.Account, why)
	}
}
