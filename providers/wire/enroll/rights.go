package enroll

import (
	"fmt"

	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/secdesc"
	"hellolab/providers/wire/sid"
)

const descriptor = "nTSecurityDescriptor"

func templateDN(c *adldap.Conn, name string) (string, error) {
	dn, err := ldapmsg.ParseDN(Container(c, Templates))
	return dn.Child("CN", name).String(), err
}

// RightsOf returns who has which right on a certificate template. A template that
// is not published, or has no list of rights, is an error that Missing knows.
func RightsOf(c *adldap.Conn, template string) (*secdesc.Descriptor, error) {
	dn, err := templateDN(c, template)
	if err != nil {
		return nil, err
	}
	e, err := c.Read(dn, descriptor)
	if err != nil {
		return nil, err
	}
	raw := e.Bytes(descriptor)
	if raw == nil {
		return nil, &adldap.Error{Code: uint16(ldapmsg.NoSuchObject), Sentence: "Template " + template + " has no list of rights."}
	}
	d, err := secdesc.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("rights of template %s: %w", template, err)
	}
	return d, nil
}

// Grant lets an account or the members of a group enroll by a template, as an
// administrator does in the template's properties. What is granted already stays.
func Grant(c *adldap.Conn, template string, who sid.SID) error {
	return changeRights(c, template, func(d *secdesc.Descriptor) bool { return d.Grant(secdesc.Enroll, who) })
}

// Withdraw takes back what Grant gave. A template that is not published any more
// is no error.
func Withdraw(c *adldap.Conn, template string, who sid.SID) error {
	err := changeRights(c, template, func(d *secdesc.Descriptor) bool { d.Withdraw(secdesc.Enroll, who); return true })
	if Missing(err) {
		err = nil
	}
	return err
}

func changeRights(c *adldap.Conn, template string, change func(*secdesc.Descriptor) bool) error {
	d, err := RightsOf(c, template)
	if err != nil || !change(d) {
		return err
	}
	raw, err := d.Marshal()
	if err != nil {
		return err
	}
	dn, err := templateDN(c, template)
	if err != nil {
		return err
	}
	return c.Replace(dn, adldap.Attributes{descriptor: {string(raw)}})
}
