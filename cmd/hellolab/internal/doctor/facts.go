// Package doctor judges a lab before a client does: from what probes found it
// says what would fail, with which code, and what to do about it. It is pure;
// the probes are in doctor/probe.
//
// A finding is an error when clients are refused now, a warning when some are,
// or soon will be, or when something is not as Windows has it by default, and a
// note when it matters to some only.
package doctor

import (
	"crypto/x509"
	"time"

	"hellolab/cmd/hellolab/internal/keylist"
	"hellolab/providers/entra"
	"hellolab/providers/trust"
	"hellolab/providers/wire/revocation"
)

// Facts are what probes found.
type Facts struct {
	Now    time.Time     // of the lab
	Offset time.Duration // of the lab's clock to the machine's
	Served bool          // outside clients are served at the moment
	State  []string      // sentences on the files of the state

	Outside     *Outside // nil: not looked at
	Domains     []Domain
	Authorities []Authority
	Tenants     []Tenant
	Trusts      []Trust

	Federations []Federation
}

// Outside is what programs outside of the lab meet on this machine.
type Outside struct {
	Moved   []Endpoint
	Unnamed []string // hosts whose names the machine does not resolve to their addresses
}

// Endpoint is a port that cannot be had on this machine.
type Endpoint struct {
	Host     string
	Port     int
	Protocol string // tcp or udp
	Err      error
}

// Domain is what a domain's controllers answered.
type Domain struct {
	Addr    string
	DNSName string
	Trouble error // the directory could not be read; what follows of it is empty

	KeylessCMS  bool // as applied
	Cloud       bool // Hello leads here by cloud Kerberos trust alone, which needs no certificates
	Synced      bool // the lab has a tenant whose keys may come here
	Controllers []Controller
	Roots       []*x509.Certificate // published, as what follows
	Others      []*x509.Certificate
	NTAuth      []*x509.Certificate
	Enrollment  int // enrollment services
	KeyAdmins   int // members of Key Admins and Enterprise Key Admins
	Accounts    []Account
}

// Trust is the Kerberos server object of a cloud Kerberos trust, as domain and
// tenant answered.
type Trust struct {
	Addr, Domain, Tenant string // addresses
	Trouble              error  // one of them could not be asked; what follows is empty
	trust.State
}

// Controller is what one domain controller answered.
type Controller struct {
	Host       string
	Template   string // that its certificate is enrolled by, as applied
	Trouble    error  // of the KDC
	PKINIT     bool   // the KDC offers it
	RC4        bool   // the KDC takes it
	Chain      []*x509.Certificate
	Revocation *revocation.Result // of Chain[0]; nil: not asked
}

// Account is a user of a domain.
type Account struct {
	Name       string // address, else UPN or DOMAIN\name
	MustChange bool   // the password must be changed at the next logon
	Expires    time.Time
	Keys       []keylist.Key
}

// Authority is what a certification authority answered.
type Authority struct {
	Addr        string
	Domain      string // address
	Certificate *x509.Certificate
	NTAuth      bool // as applied
	OCSP        bool // as applied
	Hidden      bool // controllers do not reach its lists and OCSP, as applied

	Enrollment *x509.Certificate // of the enrollment service
	Trouble    error             // of the enrollment service
	Lists      revocation.Result // of a certificate of its, by lists alone
	Responder  revocation.Result // by OCSP alone
	Overdue    time.Time         // when a list that is still good should have been replaced; zero: none
}

// Tenant is what a tenant signs with.
type Tenant struct {
	Addr         string
	Certificates []Signer
	Federation   *entra.FederationState // nil: it is not federated
}

// Signer is a key with a certificate.
type Signer struct {
	Use         string // "signing key"
	Certificate *x509.Certificate
}
