package ca

import (
	"fmt"
	"net/url"
	"strings"
)

// Paths of the authority's web server, as IIS has them.
const (
	PathLists = "/CertEnroll/"
	pathOCSP  = "/ocsp"
)

// FileName is the authority's name in file names (MS-WCCE 3.1.1.4.1.1, the
// sanitized name): what is no plain character is "!" and four hexadecimal digits.
func (c Config) FileName() string {
	var b strings.Builder
	for _, r := range c.CommonName {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune(" -_.", r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, "!%04x", r)
		}
	}
	return b.String()
}

// Names of the files under PathLists.
func (c Config) baseFile() string        { return c.FileName() + ".crl" }
func (c Config) deltaFile() string       { return c.FileName() + "+.crl" }
func (c Config) certificateFile() string { return c.Host + "_" + c.FileName() + ".crt" }

func (c Config) web(file string) string {
	return "http://" + c.Host + PathLists + url.PathEscape(file)
}

// listAddresses are where the base list is, or the delta list.
func (c Config) listAddresses(delta bool) []string {
	var out []string
	if c.ConfigurationDN != "" {
		// The delta list lies in another attribute of the same object.
		attribute := "certificateRevocationList"
		if delta {
			attribute = "deltaRevocationList"
		}
		host, _, _ := strings.Cut(c.Host, ".")
		out = append(out, c.ldap("CN="+c.FileName()+",CN="+host+",CN=CDP", attribute+"?base?objectClass=cRLDistributionPoint"))
	}
	if c.HTTP {
		file := c.baseFile()
		if delta {
			file = c.deltaFile()
		}
		out = append(out, c.web(file))
	}
	return out
}

// certificateAddresses are where the authority's own certificate is.
func (c Config) certificateAddresses() []string {
	var out []string
	if c.ConfigurationDN != "" {
		out = append(out, c.ldap("CN="+c.FileName()+",CN=AIA", "cACertificate?base?objectClass=certificationAuthority"))
	}
	if c.HTTP {
		out = append(out, c.web(c.certificateFile()))
	}
	return out
}

func (c Config) ldap(under, query string) string {
	dn := under + ",CN=Public Key Services,CN=Services," + c.ConfigurationDN
	return "ldap:///" + strings.ReplaceAll(url.PathEscape(dn), "%2C", ",") + "?" + query
}

func (c Config) ocspAddress() string { return "http://" + c.Host + pathOCSP }
