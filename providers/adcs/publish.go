package adcs

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"time"

	"hellolab/providers/adcs/ca"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/enroll"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/secdesc"
	"hellolab/providers/wire/sid"
)

// publication is what the directory says of authorities (MS-ADTS 7.1, MS-WCCE
// 2.2.2.11).
type publication struct{ c *adldap.Conn }

// noList stands where a class must have a revocation list and the list is
// published elsewhere, as Windows writes it.
const noList = "\x00"

// enterprise are the flags of an enterprise CA's enrollment service.
const enterprise = "10"

func (p publication) child(container, name string) (string, error) {
	dn, err := ldapmsg.ParseDN(enroll.Container(p.c, container))
	return dn.Child("CN", name).String(), err
}

// put makes an object, or the attributes of one that is there.
func (p publication) put(dn, class string, values adldap.Attributes) error {
	add := adldap.Attributes{"objectClass": {class}}
	for k, v := range values {
		add[k] = v
	}
	err := p.c.Add(dn, add)
	if adldap.IsCode(err, ldapmsg.EntryAlreadyExists) {
		err = p.c.Replace(dn, values)
	}
	return err
}

// publish tells the domain of an authority: whom to trust, where to enroll, by
// which templates, and whose certificates may sign in.
// former are the rights that the authority's declaration granted before: what it
// does not grant any more is taken back, and what others granted stays.
func publish(c *adldap.Conn, authority *ca.CA, in spec.Authority, former grants) error {
	p := publication{c}
	cert, cfg := authority.Certificate(), authority.Config()
	trusted := adldap.Attributes{"cACertificate": {string(cert.Raw)}, "authorityRevocationList": {noList}, "certificateRevocationList": {noList}}
	containers := []string{enroll.AIA}
	if len(authority.Chain()) == 1 {
		containers = append(containers, enroll.Authorities)
	}
	for _, container := range containers {
		dn, err := p.child(container, cfg.CommonName)
		if err != nil {
			return err
		}
		if err := p.put(dn, "certificationAuthority", trusted); err != nil {
			return err
		}
	}
	var names []string
	for _, t := range authority.Templates() {
		if err := p.template(t, former[t.Name]); err != nil {
			return err
		}
		names = append(names, t.Name)
	}
	if err := p.ntAuth(cert, in.NTAuth); err != nil {
		return err
	}
	dn, err := p.child(enroll.Services, cfg.CommonName)
	if err != nil {
		return err
	}
	return p.put(dn, "pKIEnrollmentService", adldap.Attributes{
		"displayName": {cfg.CommonName}, "cACertificate": {string(cert.Raw)}, "cACertificateDN": {cert.Subject.String()}, "dNSHostName": {cfg.Host}, "flags": {enterprise},
		"certificateTemplates": names, "msPKI-Enrollment-Servers": {enroll.ServerURL(serviceURL(authority))},
	})
}

// withdraw takes it all back but the templates, which are the forest's.
func withdraw(c *adldap.Conn, authority *ca.CA) error {
	p := publication{c}
	for _, container := range []string{enroll.Services, enroll.Authorities, enroll.AIA} {
		dn, err := p.child(container, authority.Config().CommonName)
		if err != nil {
			return err
		}
		if err := c.Delete(dn); err != nil && !enroll.Missing(err) {
			return err
		}
	}
	return p.ntAuth(authority.Certificate(), false)
}

// has says whether the enrollment service of an authority is published, with
// its certificate.
func (p publication) has(authority *ca.CA) (bool, error) {
	dn, err := p.child(enroll.Services, authority.Config().CommonName)
	if err != nil {
		return false, err
	}
	e, err := p.c.Read(dn, "cACertificate")
	if enroll.Missing(err) {
		return false, nil
	}
	return err == nil && same(authority.Certificate(), e.Bytes("cACertificate")), err
}

// taken says whether another server publishes an authority of the name.
func (p publication) taken(name, host string) error {
	dn, err := p.child(enroll.Services, name)
	if err != nil {
		return err
	}
	e, err := p.c.Read(dn, "dNSHostName")
	if enroll.Missing(err) || err == nil && e.Text("dNSHostName") == host {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("the directory has an authority named %q already, on %s", name, e.Text("dNSHostName"))
	}
	return err
}

func (p publication) ntAuthDN() string {
	return "CN=" + enroll.NTAuth + ",CN=Public Key Services,CN=Services,CN=Configuration," + p.c.Base
}

func (p publication) inNTAuth(cert *x509.Certificate) (bool, error) {
	e, err := p.c.Read(p.ntAuthDN(), "cACertificate")
	if enroll.Missing(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, der := range e.Values("cACertificate") {
		if same(cert, der) {
			return true, nil
		}
	}
	return false, nil
}

// ntAuth makes it so that the forest takes the authority's certificates for
// signing in, or not.
func (p publication) ntAuth(cert *x509.Certificate, trusted bool) error {
	is, err := p.inNTAuth(cert)
	if err != nil || is == trusted {
		return err
	}
	if !trusted {
		e, err := p.c.Read(p.ntAuthDN(), "cACertificate")
		if err == nil && len(e.Values("cACertificate")) == 1 {
			return p.c.Delete(p.ntAuthDN()) // its class must have a value
		}
		if err != nil {
			return err
		}
		return p.c.RemoveValue(p.ntAuthDN(), "cACertificate", string(cert.Raw))
	}
	err = p.c.Add(p.ntAuthDN(), adldap.Attributes{
		"objectClass": {"certificationAuthority"}, "cACertificate": {string(cert.Raw)}, "authorityRevocationList": {noList}, "certificateRevocationList": {noList},
	})
	if adldap.IsCode(err, ldapmsg.EntryAlreadyExists) {
		err = p.c.AddValue(p.ntAuthDN(), "cACertificate", string(cert.Raw))
	}
	return err
}

// template publishes a certificate template (MS-CRTD 2).
func (p publication) template(t ca.Template, former []sid.SID) error {
	dn, err := p.child(enroll.Templates, t.Name)
	if err != nil {
		return err
	}
	rights, err := p.rights(t, former)
	if err != nil {
		return err
	}
	return p.put(dn, "pKICertificateTemplate", adldap.Attributes{
		"displayName": {t.DisplayName}, "revision": {strconv.Itoa(t.Major)}, "pKIDefaultKeySpec": {"1"}, "pKIMaxIssuingDepth": {"0"},
		"pKIKeyUsage": {keyUsage(t.KeyUsage)}, "pKIExpirationPeriod": {period(t.Validity)}, "pKIOverlapPeriod": {period(t.Renewal)},
		"pKIExtendedKeyUsage": oids(t.EKUs), "msPKI-Certificate-Application-Policy": oids(t.EKUs),
		"msPKI-Cert-Template-OID": {t.OID.String()}, "msPKI-Template-Schema-Version": {strconv.Itoa(t.Schema)}, "msPKI-Template-Minor-Revision": {strconv.Itoa(t.Minor)},
		"msPKI-Minimal-Key-Size": {strconv.Itoa(t.MinimumKey)}, "msPKI-Certificate-Name-Flag": {flags(uint32(t.Names))},
		"msPKI-Enrollment-Flag": {flags(uint32(t.Enrollment))}, "msPKI-Private-Key-Flag": {flags(uint32(t.PrivateKey))},
		"msPKI-RA-Signature": {strconv.Itoa(t.Signatures)}, "msPKI-RA-Application-Policies": oids(t.AgentPurposes),
		"nTSecurityDescriptor": {string(rights)},
	})
}

// rights is the security descriptor of a template: administrators may do
// everything, every account of the forest may read it, and those may enroll whom
// the template lets. One that is published keeps what administrators granted.
func (p publication) rights(t ca.Template, former []sid.SID) ([]byte, error) {
	d, err := enroll.RightsOf(p.c, t.Name)
	if enroll.Missing(err) {
		d, err = &secdesc.Descriptor{Owner: sid.Administrators, Group: sid.Administrators, Entries: []secdesc.Entry{
			{Type: secdesc.Allow, Mask: secdesc.All &^ secdesc.ControlAccess, SID: sid.Administrators},
			{Type: secdesc.Allow, Mask: secdesc.Read, SID: sid.AuthenticatedUsers},
		}}, nil
		for _, who := range t.AutoEnroll {
			d.Grant(secdesc.AutoEnroll, who)
		}
	}
	if err != nil {
		return nil, err
	}
	for _, who := range former {
		if !slices.Contains(t.Enroll, who) {
			d.Withdraw(secdesc.Enroll, who)
		}
	}
	for _, who := range t.Enroll {
		d.Grant(secdesc.Enroll, who)
	}
	return d.Marshal()
}

// flags are written as the directory writes numbers: signed.
func flags(bits uint32) string { return strconv.FormatInt(int64(int32(bits)), 10) }

func oids(list []asn1.ObjectIdentifier) []string {
	var out []string
	for _, o := range list {
		out = append(out, o.String())
	}
	return out
}

// period is a time span as 8 bytes of negative ticks, little-endian (MS-CRTD 2.6).
func period(d time.Duration) string {
	return string(binary.LittleEndian.AppendUint64(nil, uint64(-int64(d/100))))
}

// keyUsage is the bit string of RFC 5280's extension as bytes, without a count of
// unused bits (MS-CRTD 2.4).
func keyUsage(u x509.KeyUsage) string {
	var b [2]byte
	for bit := range 9 {
		if u&(1<<bit) != 0 {
			b[bit/8] |= 0x80 >> (bit % 8)
		}
	}
	return string(b[:])
}
