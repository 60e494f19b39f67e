package survey

import (
	"time"

	"hellolab/providers/hello/access"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/secdesc"
	"hellolab/providers/wire/sid"
)

// guarded reports whether an account's list keeps its keys from Key Admins. A list
// that nobody can read keeps nothing.
func guarded(e *adldap.Entry, keyAdmins sid.SID) bool {
	list, err := secdesc.Parse(e.Bytes(attrList))
	return err == nil && !list.Permits(secdesc.WriteProperty, []sid.SID{keyAdmins}, secdesc.KeyCredentialLink)
}

// Of the root DSE: when administrators were last to be protected, which is done
// every hour.
const (
	attrProtected = "lastProtectAdminGroupsTask"
	protectedEach = time.Hour
)

// protection reads when a domain protects its administrators.
func (s *survey) protection(c *adldap.Conn, domain string) error {
	e, err := c.RootDSE(attrProtected)
	if err != nil {
		return err
	}
	last, err := time.Parse("20060102150405.0Z", e.Text(attrProtected))
	if err == nil {
		s.facts.Domains[domain].Protection = access.Timing{Last: last, Next: last.Add(protectedEach)}
	}
	return err
}
