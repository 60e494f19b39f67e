// Package ca is the core of an enterprise certification authority: its key and
// certificate, the templates it issues by, its database of requests, its
// revocation lists and its OCSP responder. It is what AD CS is behind its
// protocols: it knows nothing of LDAP, Kerberos or SOAP. Who asks is told by a
// Requester, which says what the directory knows of somebody whom the caller
// has authenticated; names come from there and never from the request.
//
// Contract:
//
//   - Everything lies in one providers.Section, keys included: the store seals
//     it. The program may be killed at any instant.
//   - A serial number is committed before the certificate that bears it is
//     signed, and carries the number of the request: no two certificates have one
//     serial number (Issue).
//   - Certificates and lists are made by the injected clock. A list that became
//     due is published when somebody asks for it, or by Publish.
//   - What a client may read of a refusal is an *Error.
//
// Sources: MS-WCCE (processing rules 3.2.2.6.2.1.4, extensions 2.2.2.7.7),
// MS-CRTD (templates), MS-CSRA (database, revocation), RFC 5280, RFC 6960.
package ca

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"hellolab/providers"
)

// Env is what a CA touches of the world.
type Env struct {
	Section providers.Section
	Now     func() time.Time
	Rand    io.Reader

	// Published is told of lists that were made and committed; nil: nobody is.
	Published func(Publication)
}

// Publication is a base list, with the delta list that came with it, or a delta
// list alone.
type Publication struct {
	Base    bool
	Number  int64     // of the lists; base and delta lists count together
	Revoked int       // certificates that the authority has revoked and that have not ended
	Next    time.Time // when the next one is due
}

// Config is how an authority is set up. Zero values mean what the comments say.
type Config struct {
	CommonName string `json:"common_name"` // 1 to 64 characters
	Domain     string `json:"domain"`      // DNS name: the DC= parts of the subject
	Host       string `json:"host"`        // DNS name of the server: in addresses of lists
	KeyBits    int    `json:"key_bits"`    // RSA: 2048, 3072 or 4096; zero: 2048

	Validity time.Duration `json:"validity"` // of its own certificate when it is a root; zero: ten years
	PathLen  int           `json:"path_len"` // of a root: levels of authorities below it; zero: none; negative: no bound

	// Where certificates say the lists, the CA's certificate and OCSP are.
	HTTP bool `json:"http"`
	OCSP bool `json:"ocsp"`
	// ConfigurationDN is the forest's configuration naming context, when LDAP
	// addresses are to be written; "": none.
	ConfigurationDN string `json:"configuration_dn"`

	Lists ListConfig `json:"lists"`
}

// ListConfig says when revocation lists are published and for how long they
// are good. A list's life is its period and its overlap.
type ListConfig struct {
	Period       time.Duration `json:"period"`        // zero: a week
	Overlap      time.Duration `json:"overlap"`       // zero: a tenth of the period, at most 12 hours
	DeltaPeriod  time.Duration `json:"delta_period"`  // zero: a day; negative: no delta lists
	DeltaOverlap time.Duration `json:"delta_overlap"` // zero: the period, at most 12 hours
	Manual       bool          `json:"manual"`        // nothing is published but by Publish: lists grow stale
}

const (
	week       = 7 * day
	halfDay    = 12 * time.Hour
	backdate   = 10 * time.Minute // how far back lives begin: ClockSkewMinutes of AD CS
	caLife     = 10 * year
	maxCN      = 64 // ub-common-name
	minKeyBits = 2048
	maxKeyBits = 4096
)

// complete fills in what is left zero, or says what is wrong.
func (c Config) complete() (Config, error) {
	if c.KeyBits == 0 {
		c.KeyBits = minKeyBits
	}
	if c.Validity == 0 {
		c.Validity = caLife
	}
	l := &c.Lists
	if l.Period == 0 {
		l.Period = week
	}
	if l.Overlap == 0 {
		l.Overlap = min(l.Period/10, halfDay)
	}
	if l.DeltaPeriod == 0 {
		l.DeltaPeriod = day
	}
	if l.DeltaOverlap == 0 && l.DeltaPeriod > 0 {
		l.DeltaOverlap = min(l.DeltaPeriod, halfDay)
	}
	switch n := len([]rune(c.CommonName)); {
	case n == 0 || n > maxCN || strings.ContainsFunc(c.CommonName, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return c, fmt.Errorf("the common name of an authority has 1 to %d printable characters", maxCN)
	case !dnsName(c.Domain) || !dnsName(c.Host):
		return c, fmt.Errorf("domain %q and host %q must be DNS names", c.Domain, c.Host)
	case c.KeyBits != 2048 && c.KeyBits != 3072 && c.KeyBits != 4096:
		return c, fmt.Errorf("an authority's key has 2048, 3072 or 4096 bits, not %d", c.KeyBits)
	case c.Validity < day || l.Period < time.Hour || l.Overlap < 0 || l.DeltaOverlap < 0:
		return c, errors.New("an authority lives a day at least, and a revocation list an hour")
	case l.DeltaPeriod > 0 && (l.DeltaPeriod < time.Minute || l.DeltaPeriod > l.Period):
		return c, errors.New("the period of delta lists is between a minute and the period of base lists")
	}
	return c, nil
}

// dnsName is a check of form: what goes into addresses needs no escaping.
func dnsName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
		}) {
			return false
		}
	}
	return true
}

// Tables of the section. Values are JSON.
const (
	tableCA       = "ca"       // "authority" → authority, "responder" → pair, "lists" → lists
	tableRequests = "requests" // request number, ten digits → row
	tableSerials  = "serials"  // serial number, hexadecimal → request number
	tableRevoked  = "revoked"  // serial number, hexadecimal → revocation
	tableCounters = "counters" // "request" → the last number given, "revoked" → certificates on the next base list, "list" → the number of the newest lists

	keyAuthority = "authority"
	keyResponder = "responder"
	keyLists     = "lists"
	keyRequest   = "request"
	keyRevoked   = "revoked"
	keyList      = "list"
)

// authority is the CA's own record.
type authority struct {
	Config Config   `json:"config"`
	PKCS8  []byte   `json:"pkcs8"`
	Chain  [][]byte `json:"chain"` // DER, its own certificate first, the root last; empty until a parent signed it
}

// CA is an authority that is up. It is safe for concurrent use.
type CA struct {
	env       Env
	key       crypto.Signer
	cert      *x509.Certificate
	chain     []*x509.Certificate // cert first, root last
	templates map[string]*Template

	mu     sync.RWMutex
	config Config

	publishing sync.Mutex
	lists      *published // as last read from the section or published; nil: not read yet

	answering sync.Mutex
	responder *responder // signs OCSP answers; nil until first asked
}

// ErrNotSetUp is what Open answers where Create was not done, or not finished.
var ErrNotSetUp = errors.New("there is no authority yet")

// Open brings up the authority of the section, which issues by these templates.
func Open(env Env, templates []Template) (*CA, error) {
	var a authority
	err := env.Section.View(func(r providers.Reader) error {
		return get(r, tableCA, keyAuthority, &a)
	})
	if errors.Is(err, errNone) || err == nil && len(a.Chain) == 0 {
		return nil, ErrNotSetUp
	}
	if err != nil {
		return nil, err
	}
	return open(env, &a, templates)
}

func open(env Env, a *authority, templates []Template) (*CA, error) {
	key, err := parseKey(a.PKCS8)
	if err != nil {
		return nil, err
	}
	c := &CA{env: env, key: key, config: a.Config, templates: make(map[string]*Template, len(templates))}
	for _, der := range a.Chain {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("authority's chain: %w", err)
		}
		c.chain = append(c.chain, cert)
	}
	c.cert = c.chain[0]
	for i := range templates {
		t := templates[i]
		c.templates[strings.ToLower(t.Name)] = &t
	}
	return c, nil
}

func parseKey(pkcs8 []byte) (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(pkcs8)
	if err != nil {
		return nil, errors.New("a stored key cannot be read")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a stored key is a %T", key)
	}
	return signer, nil
}

// Certificate is the authority's own certificate.
func (c *CA) Certificate() *x509.Certificate { return c.cert }

// Chain is its certificate and those above it, the root last.
func (c *CA) Chain() []*x509.Certificate { return append([]*x509.Certificate(nil), c.chain...) }

// Config is how it is set up, completed.
func (c *CA) Config() Config {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.config
}

// Templates are what it issues by.
func (c *CA) Templates() []Template {
	out := make([]Template, 0, len(c.templates))
	for _, t := range c.templates {
		out = append(out, *t)
	}
	return out
}

// Configure changes the addresses, lists and periods from now on. Name, domain,
// host and key are for life.
func (c *CA) Configure(ctx context.Context, config Config) error {
	config, err := config.complete()
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if config.CommonName != c.config.CommonName || config.Domain != c.config.Domain || config.Host != c.config.Host || config.KeyBits != c.config.KeyBits {
		return errors.New("the name, domain, host and key of an authority cannot change")
	}
	err = c.env.Section.Update(ctx, func(w providers.Writer) error {
		var a authority
		if err := get(w, tableCA, keyAuthority, &a); err != nil {
			return err
		}
		a.Config = config
		return put(w, tableCA, keyAuthority, a)
	})
	if err == nil {
		c.config = config
	}
	return err
}

// errNone says that a table has no such key.
var errNone = errors.New("not found")

func get(r providers.Reader, table, key string, v any) error {
	raw, ok, err := r.Get(table, key)
	if err != nil {
		return err
	}
	if !ok {
		return errNone
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("stored %s %s: %w", table, key, err)
	}
	return nil
}

func put(w providers.Writer, table, key string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("store %s %s: %w", table, key, err)
	}
	return w.Put(table, key, raw)
}

// counter reads a counter; one that was never written is zero.
func counter(r providers.Reader, name string) (int64, error) {
	var n int64
	if err := get(r, tableCounters, name, &n); err != nil && !errors.Is(err, errNone) {
		return 0, err
	}
	return n, nil
}

// next gives the next number of a counter.
func next(w providers.Writer, name string) (int64, error) {
	n, err := counter(w, name)
	if err != nil {
		return 0, err
	}
	return n + 1, put(w, tableCounters, name, n+1)
}
