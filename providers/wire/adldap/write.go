package adldap

import (
	"unicode/utf16"

	"github.com/go-ldap/ldap/v3"

	"hellolab/providers/wire/ldapmsg"
)

// Attributes are what an object is made with, by attribute name.
type Attributes map[string][]string

// Set adds values of an attribute; empty ones are left out.
func (a Attributes) Set(attribute string, values ...string) {
	for _, v := range values {
		if v != "" {
			a[attribute] = append(a[attribute], v)
		}
	}
}

// Add makes an object.
func (c *Conn) Add(dn string, attributes Attributes) error {
	r := ldap.NewAddRequest(dn, nil)
	for name, values := range attributes {
		r.Attribute(name, values)
	}
	defer c.turn()()
	return explain(c.ldap.Add(r))
}

// AddKrbtgt makes a user that is the krbtgt of a read-only controller: the domain
// gives it its number and its name, krbtgt_NUMBER (LDAP_SERVER_RODC_DCPROMO_OID).
func (c *Conn) AddKrbtgt(dn string, attributes Attributes) error {
	r := ldap.NewAddRequest(dn, []ldap.Control{ldap.NewControlString(ldapmsg.ControlRODCPromotion, true, "")})
	for name, values := range attributes {
		r.Attribute(name, values)
	}
	defer c.turn()()
	return explain(c.ldap.Add(r))
}

// Delete removes an object.
func (c *Conn) Delete(name string) error {
	defer c.turn()()
	return explain(c.ldap.Del(ldap.NewDelRequest(name, nil)))
}

// Rename gives an object a relative name, such as "CN=Alice", where it stands.
func (c *Conn) Rename(name, rdn string) error {
	defer c.turn()()
	return explain(c.ldap.ModifyDN(ldap.NewModifyDNRequest(name, rdn, true, "")))
}

// Replace makes the values of attributes these; no values remove the attribute.
func (c *Conn) Replace(name string, attributes Attributes) error {
	if len(attributes) == 0 {
		return nil
	}
	r := ldap.NewModifyRequest(name, nil)
	for attribute, values := range attributes {
		r.Replace(attribute, values)
	}
	defer c.turn()()
	return explain(c.ldap.Modify(r))
}

// AddValue adds a value to an attribute, RemoveValue takes one away. What is so
// already is no error.
func (c *Conn) AddValue(name, attribute, value string) error {
	r := ldap.NewModifyRequest(name, nil)
	r.Add(attribute, []string{value})
	defer c.turn()()
	return ignore(explain(c.ldap.Modify(r)), ldap.LDAPResultAttributeOrValueExists)
}

// RemoveValue is AddValue's opposite.
func (c *Conn) RemoveValue(name, attribute, value string) error {
	r := ldap.NewModifyRequest(name, nil)
	r.Delete(attribute, []string{value})
	defer c.turn()()
	return ignore(explain(c.ldap.Modify(r)), ldap.LDAPResultNoSuchAttribute)
}

func ignore(err error, code uint16) error {
	if e, ok := err.(*Error); ok && e.Code == code {
		return nil
	}
	return err
}

// QuotedPassword is a password as unicodePwd takes it (MS-ADTS 3.1.1.3.1.5):
// in quotation marks, UTF-16LE.
func QuotedPassword(password string) string {
	units := utf16.Encode([]rune(`"` + password + `"`))
	b := make([]byte, 0, 2*len(units))
	for _, u := range units {
		b = append(b, byte(u), byte(u>>8))
	}
	return string(b)
}
