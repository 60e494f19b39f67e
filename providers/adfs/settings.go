package adfs

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/member"
	"hellolab/providers/wire/sealed"
)

// Tables of a federation's section. Its parts have others, of their own names.
const (
	tableServer       = "server"
	tableAccounts     = "accounts"     // UPN → account
	tableApplications = "applications" // client id → application
	tableUsed         = "used"         // what works once
	tableGuesses      = "guesses"      // wrong passwords and codes
	tableOATH         = "oath"         // UPN → steps of codes that were used
	tableFamilies     = "families"     // of refresh tokens
	tableDeviceCodes  = "device_codes" // user code → deviceCode

	keySettings = "settings"
	keyRings    = "keys"
	keyAgent    = "agent"
)

// settings are how the service is set up.
type settings struct {
	In        spec.Federation `json:"in"` // as declared
	Account   member.Account  `json:"account"`
	SID       string          `json:"sid"` // of the account
	DNSName   string          `json:"dns_name"`
	NetBIOS   string          `json:"netbios"`
	DomainSID string          `json:"domain_sid"`
	Host      string          `json:"host"`
	DRSHost   string          `json:"registration_host"`
	Secret    string          `json:"secret"` // of the service's administrator
	Master    []byte          `json:"master"` // key of everything sealed
	Ready     bool            `json:"ready"`  // set up to the end
}

// adfs says whether the service is AD FS, which has a domain.
func (s *settings) adfs() bool { return s.In.Kind == spec.FederationADFS }

// passwords says whether the endpoints for user names and passwords are enabled.
func (s *settings) passwords() bool { return s.In.Passwords == nil || *s.In.Passwords }

// userGroups says whether Windows' sign-in may ask for the scope ugs.
func (s *settings) userGroups() bool { return s.In.UserGroups == nil || *s.In.UserGroups }

// sealer encrypts what the service hands out.
func (s *settings) sealer(env providers.Env) *sealed.Sealer {
	return sealed.New("federation", nil, s.Master, randomness(env))
}

// lifetimes are those declared, or the defaults.
func (s *settings) lifetimes() spec.FederationLifetimes {
	if s.In.Lifetimes != nil {
		return *s.In.Lifetimes
	}
	return spec.FederationLifetimes{Nonce: 10 * time.Minute, Assertion: time.Hour, AccessToken: time.Hour, MFA: 10 * time.Minute, PRT: 7 * 24 * time.Hour, SigningOverlap: 20 * 24 * time.Hour}
}

func randomness(env providers.Env) io.Reader {
	if env.Rand == nil {
		return rand.Reader
	}
	return env.Rand
}

// prepare keeps what must be the same when an interrupted creation is done
// again: the machine's password, the secrets, and the keys.
func prepare(ctx context.Context, env providers.Env, in spec.Federation, d *providers.Object[spec.Domain, spec.DomainOut]) (*settings, error) {
	s, err := loadSettings(env)
	if errors.Is(err, providers.ErrGone) {
		s = &settings{Master: make([]byte, sealed.KeySize)}
		secret := make([]byte, 32)
		if _, err = io.ReadFull(randomness(env), s.Master); err == nil {
			_, err = io.ReadFull(randomness(env), secret)
		}
		s.Secret = base64.RawURLEncoding.EncodeToString(secret)
		if err == nil {
			s.Account.Password, err = member.NewPassword(randomness(env))
		}
	}
	if err != nil {
		return nil, err
	}
	s.In, s.Ready = in, false
	if d != nil {
		s.DNSName, s.NetBIOS, s.DomainSID = strings.ToLower(d.In.DNSName), strings.ToUpper(d.In.NetBIOSName), d.Out.SID
		s.Host, s.DRSHost = hostOf(in, d.In), registrationHostOf(in, d.In)
		s.Account.Realm, s.Account.Controller, s.Account.Base, s.Account.Host = d.Out.Realm, d.Out.Hosts[0], d.Out.DN, s.Host
	} else {
		s.Host = hostOf(in, spec.Domain{})
	}
	if err := s.store(ctx, env); err != nil {
		return nil, err
	}
	_, err = ensureKeys(ctx, env, in, s.Host, s.lifetimes().SigningOverlap)
	return s, err
}

func (s *settings) out(ring *keyRing, agent *storedAgent) spec.FederationOut {
	o := spec.FederationOut{Issuer: adfs.TrustIssuer(s.Host), Host: s.Host, RegistrationHost: s.DRSHost, SigningThumbprint: ring.current().thumbprint(), AdminSecret: s.Secret}
	if s.adfs() {
		o.Account = s.NetBIOS + `\` + s.Account.Name()
	}
	if agent != nil {
		o.AgentThumbprint, o.AgentNotAfter = agent.describe()
	}
	return o
}

func (s *settings) store(ctx context.Context, env providers.Env) error {
	return env.Section.Update(ctx, func(w providers.Writer) error { return put(w, tableServer, keySettings, s) })
}

func loadSettings(env providers.Env) (*settings, error) {
	return load[settings](env, tableServer, keySettings)
}

// load reads one value; providers.ErrGone when there is none.
func load[T any](env providers.Env, table, key string) (v *T, err error) {
	err = env.Section.View(func(r providers.Reader) error {
		v, err = get[T](r, table, key)
		return err
	})
	if err == nil && v == nil {
		err = providers.ErrGone
	}
	return v, err
}

// get reads one value, nil when there is none.
func get[T any](r providers.Reader, table, key string) (*T, error) {
	raw, ok, err := r.Get(table, key)
	if err != nil || !ok {
		return nil, err
	}
	v := new(T)
	if err := json.Unmarshal(raw, v); err != nil {
		return nil, fmt.Errorf("decode %s: %w", table, err)
	}
	return v, nil
}

func put(w providers.Writer, table, key string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", table, err)
	}
	return w.Put(table, key, raw)
}
