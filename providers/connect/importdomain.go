package connect

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"

	"hellolab/providers/event"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/sid"
)

// Collections of the tenant.
const (
	users   = "users"
	groups  = "groups"
	devices = "devices"
)

// attributes are what the tenant is told of an object, whatever it is.
type attributes struct {
	Name         string `json:"name,omitempty"` // user principal name in the tenant
	Display      string `json:"display"`
	Enabled      bool   `json:"enabled,omitempty"`
	SID          string `json:"sid"`
	Account      string `json:"account"`
	DN           string `json:"dn"`
	OS           string `json:"os,omitempty"`
	Certificates string `json:"certificates,omitempty"` // digest
}

// imported is an object of the domain.
type imported struct {
	attributes
	id           guid.GUID
	collection   string
	upn, mail    string
	members      []string // objectGUIDs
	keyVersion   int      // 0: no password
	keys         [][]byte // binary parts of msDS-KeyCredentialLink
	certificates [][]byte
}

var wanted = []string{
	"objectSid", "sAMAccountName", "sAMAccountType", "userPrincipalName", "mail", "displayName", "cn", "userAccountControl", "isCriticalSystemObject",
	"msDS-KeyVersionNumber", "msDS-KeyCredentialLink", "member", "operatingSystem", "operatingSystemVersion", "userCertificate",
}

// Values of sAMAccountType (MS-ADTS 2.2.17), and the bit of userAccountControl.
const (
	typeUser        = "805306368"
	typeComputer    = "805306369"
	typeGroup       = "268435456"
	typeDomainLocal = "536870912"

	uacDisabled = 0x2
)

// importDomain reads the users, groups and computers of the domain, or of the
// containers that are in scope. A computer is synchronized once it has a
// certificate, by which it can register as a device (Microsoft, "How device
// registration works").
func (c *cycle) importDomain(ctx context.Context) error {
	conn, err := c.set.Account.Directory(ctx, c.env)
	if err != nil {
		return &stop{stageImportDomain, "", err}
	}
	c.domain = conn
	var types ldapmsg.Or
	for _, t := range []string{typeUser, typeGroup, typeDomainLocal} {
		types = append(types, ldapmsg.EqualTo("sAMAccountType", t))
	}
	types = append(types, ldapmsg.And{ldapmsg.EqualTo("sAMAccountType", typeComputer), ldapmsg.Present{Attribute: "userCertificate"}})
	scope := c.set.In.Scope
	if len(scope) == 0 {
		scope = []string{conn.Base}
	}
	c.objects = map[string]*imported{}
	for _, base := range scope {
		found, err := conn.List(base, types, wanted...)
		if err != nil {
			conn.Close()
			return &stop{stageImportDomain, base, err}
		}
		for _, e := range found {
			if strings.EqualFold(e.Text("isCriticalSystemObject"), "TRUE") {
				continue
			}
			o, err := objectOf(e)
			if err != nil {
				conn.Close()
				return &stop{stageImportDomain, e.DN, err}
			}
			if o.collection == devices && len(o.certificates) == 0 {
				continue
			}
			c.objects[o.id.String()] = o
		}
	}
	c.tell(ctx, event.Event{Peer: event.ActiveDirectory, Protocol: "LDAP", Step: "domain_imported", Text: "Connect reads the domain's users, groups and computers.",
		Message: map[string]any{"objects": len(c.objects), "scope": scope}})
	return nil
}

// objectOf reads an entry that the query found.
func objectOf(e *adldap.Entry) (*imported, error) {
	o := &imported{id: e.GUID, upn: e.Text("userPrincipalName"), mail: e.Text("mail")}
	id, err := sid.Decode(e.Bytes("objectSid"))
	if err != nil {
		return nil, err
	}
	o.SID, o.Account, o.DN, o.Display = id.String(), e.Text("sAMAccountName"), e.DN, e.Text("displayName")
	if o.Display == "" {
		o.Display = e.Text("cn")
	}
	switch e.Text("sAMAccountType") {
	case typeUser:
		o.collection = users
	case typeComputer:
		o.collection, o.Display, o.OS = devices, e.Text("cn"), osVersion(e.Text("operatingSystemVersion"))
	default:
		o.collection = groups
		for _, v := range e.Values("member") {
			_, far, err := adldap.SplitName(string(v))
			if err != nil {
				return nil, err
			}
			o.members = append(o.members, far.String())
		}
		return o, nil
	}
	bits, err := strconv.ParseInt(e.Text("userAccountControl"), 10, 64)
	if err != nil {
		return nil, errors.New("its userAccountControl is no number")
	}
	o.Enabled = bits&uacDisabled == 0
	if v := e.Text("msDS-KeyVersionNumber"); v != "" {
		if o.keyVersion, err = strconv.Atoi(v); err != nil {
			return nil, errors.New("its msDS-KeyVersionNumber is no number")
		}
	}
	for _, v := range e.Values("msDS-KeyCredentialLink") {
		b, err := ldapmsg.ParseDNBinary(string(v))
		if err != nil {
			return nil, err
		}
		o.keys = append(o.keys, b.Binary)
	}
	if o.collection == devices {
		o.setCertificates(e.Values("userCertificate"))
	}
	return o, nil
}

// maxCertificates is how many of a computer's certificates are synchronized.
const maxCertificates = 5

// setCertificates takes those that the computer made to register with: their
// subject is its objectGUID, as Connect's rule for devices wants it.
func (o *imported) setCertificates(list [][]byte) {
	sum := sha256.New()
	for _, der := range list {
		cert, err := x509.ParseCertificate(der)
		if err != nil || len(o.certificates) == maxCertificates {
			continue
		}
		if id, err := guid.Parse(cert.Subject.CommonName); err != nil || id != o.id {
			continue
		}
		o.certificates = append(o.certificates, bytes.Clone(der))
		sum.Write(der)
	}
	o.attributes.Certificates = base64.StdEncoding.EncodeToString(sum.Sum(nil))
}

// osVersion spells "10.0 (26100)" as devices do: "10.0.26100".
func osVersion(text string) string {
	return strings.TrimSuffix(strings.Replace(text, " (", ".", 1), ")")
}

// names sets the users' names in the tenant: the user principal name, where the
// tenant knows its domain; else the mail address (alternate login id); else the
// name's first part with the tenant's first domain, which is told of.
func (c *cycle) names(ctx context.Context, domains []string) {
	verified := func(name string) bool {
		_, suffix, ok := strings.Cut(name, "@")
		for _, d := range domains {
			if ok && strings.EqualFold(d, suffix) {
				return true
			}
		}
		return false
	}
	for _, o := range c.sorted(users) {
		switch {
		case verified(o.upn):
			o.Name = o.upn
		case verified(o.mail):
			o.Name = o.mail
		default:
			local, _, _ := strings.Cut(o.upn, "@")
			if local == "" {
				local = o.Account
			}
			o.Name = local + "@" + domains[0]
			if o.upn != "" {
				c.warn(ctx, stageExportTenant, o.DN, "The domain of %s is not one of the tenant's: the user's name in the tenant is %s.", o.upn, o.Name)
			}
		}
	}
}
