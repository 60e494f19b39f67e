// Package ldapd is the LDAP server of a domain controller: RFC 4511 and RFC
// 4513 with the habits of MS-ADTS 3.1.1.3 and 5.1.1. It serves a Backend to
// whom an Authenticator lets in.
package ldapd
