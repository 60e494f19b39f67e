// Package directory is the directory of an Active Directory domain: objects
// with attributes in a tree of names, the schema that says what they may hold,
// who may read and write what, and the accounts that Kerberos authenticates.
//
// It is the data model of MS-ADTS (3.1.1) as far as accounts, groups, devices,
// certification authorities and their tools need it, over the tables of one
// section. It speaks no protocol: package ldapd serves it by LDAP, package kdc
// reads accounts from it. All names, values and results are LDAP's.
//
// Every write of one operation is one transaction, and is durable when the
// operation returns. Secrets (keys, password hashes) lie apart from the
// objects and sealed; no operation returns them.
//
// All controllers of a domain share one directory: replication takes no time.
package directory
