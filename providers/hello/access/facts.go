package access

import (
	"maps"
	"slices"
	"strings"
	"time"

	"hellolab/providers/hello"
)

// Facts is what systems hold at an instant, beside what is declared. Maps are
// keyed by address. A Facts that is shared is not changed.
type Facts struct {
	Now      time.Time
	Machines map[string]*Machine // devices
	Accounts map[string]*Account // users
	Domains  map[string]*Domain  // domains
	Syncs    map[string]Schedule // syncs
	// Federations are what federation services hold.
	Federations map[string]*Federation
	// Tenants are what federated tenants know of their federation services; a managed one
	// is absent.
	Tenants map[string]*Tenant
	// Servers is why Kerberos server objects of cloud Kerberos trusts serve nobody, a
	// code by the trust: objects that are deleted, keys that differ. "": they serve.
	Servers map[string]string
	// Gaps are what could not be read, as sentences. A verdict is not worse for
	// them, but they must be told with it.
	Gaps []string
}

// NewFacts returns the facts of a lab that is empty.
func NewFacts(now time.Time) *Facts {
	return &Facts{Now: now, Machines: map[string]*Machine{}, Accounts: map[string]*Account{}, Domains: map[string]*Domain{}, Syncs: map[string]Schedule{}, Federations: map[string]*Federation{}, Tenants: map[string]*Tenant{}, Servers: map[string]string{}}
}

// Machine is what a device keeps.
type Machine struct {
	DeviceID string // of its registration with its tenant; "" without one
	// Credentials are what it keeps of each user, by address.
	Credentials map[string]*Credential
	// Enabled is whether the tenant lets the device in, nil: as declared. Carried is what
	// Connect told it last of whether the computer's account is enabled, nil: nothing. When
	// the domain says otherwise, the next cycle tells it again.
	Enabled *bool
	Carried *bool
	// Absent is that the tenant does not know the device, though it is joined.
	Absent bool
	// Enterprise is its id with the Enterprise Device Registration Service of AD FS; "" without
	// one. Written is that the domain has a device object of it, by which AD FS knows it.
	Enterprise string
	Written    bool
}

// Credential is what a device keeps of a user.
type Credential struct {
	KeyID    string              // of the Hello key for the tenant; "" without one
	DeviceID string              // that the key was registered from
	Created  time.Time           // of the key
	Domain   string              // DNS name of the user's domain in the key's metadata; "" without one
	Unhinted bool                // the metadata are of a version that noted no domain: the user's own counts
	Gestures []string            // besides the PIN
	Sensed   map[string][]string // by gesture: names of the sensors that have a template, as package hello names them
	PIN      hello.PINShape      // zero where it is not known
	PINSet   time.Time
	Barred   string // code of the reason that keeps the PIN from being taken; "" when nothing does
	Software bool   // the key is not in a TPM
	Session  bool   // the user has a session, which keeps a tunnel up

	Certificates []*UserCertificate // for the key, to sign in with, in the order in which they came
	Further      []*UserCertificate // for the key, for services that take one

	CachedKey      *CachedLogon // LSASS's, of the last sign-in to the domain by the key; on an Entra joined device Cloud AP's
	CachedPassword *CachedLogon // by the password
	Ticket         *Ticket      // LSASS's ticket-granting ticket
	Partial        time.Time    // end of the partial ticket of the tenant's; zero: there is none
	Token          *Token       // LSASS's primary refresh token by the key; nil: there is none
	PRT            time.Time    // end of the primary refresh token; zero: there is none
	EnterprisePRT  time.Time    // end of that of AD FS; zero: there is none
}

// UserCertificate is a certificate for the Hello key in a user's Personal store.
type UserCertificate struct {
	Purpose   string // of spec.Certificate; "" of one to sign in with
	Raw       []byte // DER; nil of one that is only planned
	Authority string // address of the authority that issued it; "" when the lab declares none such
	NotBefore time.Time
	NotAfter  time.Time
	Domain    string // DNS name of the domain that it leads to; "" when to none
	UPN       string // that it names; "" when it names none
	SID       string // that it bears; "" without one
	ForLogon  bool   // has a purpose that KDCs take
	ForClient bool   // has that of client authentication
	Responder bool   // names an OCSP responder
	Revoked   bool   // as the authority's lists tell
	// RevokedBy is of one that is revoked, which no list says yet, when nobody goes by an
	// older list any more; zero of any other.
	RevokedBy time.Time
}

// Federation is what a federation service holds.
type Federation struct {
	// Agent is the enrollment agent certificate of its registration authority; nil without
	// one.
	Agent *AgentCertificate
}

// Tenant is what a federated tenant knows of its federation service: the metadata
// that it read, which it reads again a day later.
type Tenant struct {
	Stale bool      // the service signs by a certificate that the tenant does not know
	Next  time.Time // when it reads the metadata again; zero: not known
}

// AgentCertificate is an enrollment agent's.
type AgentCertificate struct {
	NotBefore time.Time // zero when it is not known
	NotAfter  time.Time
	Revoked   bool
}

// Hints reports whether the key's metadata lead Kerberos to a domain, that of
// the user.
func (c *Credential) Hints(domain string) bool {
	return c.Domain == "" && c.Unhinted || strings.EqualFold(c.Domain, domain)
}

// CachedLogon is a sign-in to the domain that a device remembers.
type CachedLogon struct {
	At    time.Time
	KeyID string
	Trust hello.Trust // by which the key was proven; "" is key trust
}

// Token is a primary refresh token.
type Token struct{ Obtained, Ends time.Time }

// Ticket is a ticket-granting ticket, and the tickets it brought.
type Ticket struct {
	Realm    string
	Ends     time.Time
	EType    int32                // encryption type; 0 when it is not known
	NTHash   bool                 // the logon brought what NTLM answers with
	Services map[string]time.Time // end, by service principal name in lower case
}

// Account is what directories hold of a user.
type Account struct {
	TenantKeys []Key    // registered with the tenant
	DomainKeys []string // ids of those that the domain has
	Guarded    bool     // Key Admins may not write its keys: neither Connect nor AD FS brings or takes one
	Absent     bool     // the tenant has no such account, though one is declared
	DN         string   // in the domain, before a plan that gives the account another name
	NoSecret   bool     // the tenant has no password of it: none was set while another vendor's service had it
	Elsewhere  bool     // another vendor's federation service has the account, with a password
	Locked     bool     // in the domain
	MustChange bool     // the password, at the next logon to the domain

	AccountExpires  time.Time // in the domain; zero: never
	PasswordSet     time.Time // in the domain; zero: not known
	PasswordExpires time.Time // in the domain; zero: never
	NoPassword      bool      // the domain's account has none: NTLM has nothing to answer with
}

// Key is a key that is registered with a tenant.
type Key struct{ ID, DeviceID string }

// Schedule is when cycles of Connect ran and run, and exports of keys and
// write-backs of devices, which may have schedules of their own.
type Schedule struct{ Cycles, Keys, Devices Timing }

// Timing is when something ran and runs. Next is zero when that is not known, or
// it does not run by itself; Last, before the first time.
type Timing struct{ Next, Last time.Time }

// Domain is what a domain's controllers hold.
type Domain struct {
	// Certificates are those that KDCs sign with, by computer name in lower case;
	// a controller without one is absent.
	Certificates map[string]*Certificate
	// Protection is when AdminSDHolder's list was and is written to administrators.
	Protection Timing
}

// Certificate is a KDC's.
type Certificate struct {
	Template  string // value of spec.KDCCertificate.Template
	Authority string // address of the authority that issued it; "" when the lab declares none such
	NotBefore time.Time
	NotAfter  time.Time
	ForKDC    bool // has the purpose of KDC authentication
	ForServer bool // has that of server authentication
	Named     bool // names the domain
	Responder bool // names an OCSP responder
	Revoked   bool
	RevokedBy time.Time // as of a UserCertificate
	Serial    string    // number, hexadecimal in small letters; "" of one that is only planned
}

// revoked reports whether it is, as lists tell that controllers and devices have by a
// time.
func (c *Certificate) revoked(at time.Time) bool { return c.Revoked || by(c.RevokedBy, at) }

func (c *UserCertificate) revoked(at time.Time) bool { return c.Revoked || by(c.RevokedBy, at) }

func by(revoked, at time.Time) bool { return !revoked.IsZero() && !at.Before(revoked) }

// clone copies what Planned and Later change.
func (f *Facts) clone() *Facts {
	out := NewFacts(f.Now)
	out.Gaps = slices.Clone(f.Gaps)
	for k, v := range f.Machines {
		m := *v
		m.Credentials = make(map[string]*Credential, len(v.Credentials))
		for u, c := range v.Credentials {
			own := *c
			own.Certificates, own.Further = slices.Clone(c.Certificates), slices.Clone(c.Further)
			m.Credentials[u] = &own
		}
		out.Machines[k] = &m
	}
	for k, v := range f.Accounts {
		a := *v
		a.TenantKeys, a.DomainKeys = slices.Clone(v.TenantKeys), slices.Clone(v.DomainKeys)
		out.Accounts[k] = &a
	}
	for k, v := range f.Domains {
		d := &Domain{Certificates: map[string]*Certificate{}, Protection: v.Protection}
		for n, c := range v.Certificates {
			own := *c
			d.Certificates[n] = &own
		}
		out.Domains[k] = d
	}
	for k, v := range f.Federations {
		own := *v
		out.Federations[k] = &own
	}
	for k, v := range f.Tenants {
		own := *v
		out.Tenants[k] = &own
	}
	maps.Copy(out.Syncs, f.Syncs)
	maps.Copy(out.Servers, f.Servers)
	return out
}

// session reports whether anybody has a session.
func (m *Machine) session() bool {
	for _, c := range m.Credentials {
		if c.Session {
			return true
		}
	}
	return false
}

func (a *Account) hasTenantKey(id string) (Key, bool) {
	i := slices.IndexFunc(a.TenantKeys, func(k Key) bool { return k.ID == id })
	if i < 0 {
		return Key{}, false
	}
	return a.TenantKeys[i], true
}
