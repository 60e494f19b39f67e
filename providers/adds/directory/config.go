package directory

import (
	"strings"
	"time"

	"hellolab/providers/wire/guid"
)

// Config is the domain itself.
type Config struct {
	DNSName     string         `json:"dns_name"` // lower case
	NetBIOSName string         `json:"netbios_name"`
	SID         string         `json:"sid"`
	GUID        guid.GUID      `json:"-"`
	GUIDText    string         `json:"guid"`
	Level       int            `json:"level"`  // msDS-Behavior-Version of domain and forest
	Schema      int            `json:"schema"` // objectVersion of the schema
	Policy      PasswordPolicy `json:"policy"`
	Controllers []Controller   `json:"controllers"` // the first holds the roles of which there is one
	Created     time.Time      `json:"created"`
	// KeyAdminsProtected is that Key Admins may write keys of who is protected, too.
	KeyAdminsProtected bool `json:"key_admins_protected,omitempty"`
}

// Controller is a domain controller's place in the directory.
type Controller struct {
	Name      string `json:"name"` // computer name
	OS        string `json:"os"`
	OSVersion string `json:"os_version"`
	Site      string `json:"site"`
	ReadOnly  bool   `json:"read_only,omitempty"`
}

// Levels of domains and forests (MS-ADTS 6.1.4.4).
const (
	Level2012R2 = 6
	Level2016   = 7
	Level2025   = 10
)

// DN returns the distinguished name of the domain.
func (c *Config) DN() string {
	return "DC=" + strings.Join(strings.Split(c.DNSName, "."), ",DC=")
}

// Realm returns the Kerberos realm.
func (c *Config) Realm() string { return strings.ToUpper(c.DNSName) }

// Host returns the DNS name of a computer of the domain.
func (c *Config) Host(computer string) string { return strings.ToLower(computer) + "." + c.DNSName }

// Names of containers, under the domain's.
func (c *Config) configuration() string     { return "CN=Configuration," + c.DN() }
func (c *Config) schemaDN() string          { return "CN=Schema," + c.configuration() }
func (c *Config) users() string             { return "CN=Users," + c.DN() }
func (c *Config) computers() string         { return "CN=Computers," + c.DN() }
func (c *Config) domainControllers() string { return "OU=Domain Controllers," + c.DN() }
func (c *Config) publicKeyServices() string {
	return "CN=Public Key Services,CN=Services," + c.configuration()
}
