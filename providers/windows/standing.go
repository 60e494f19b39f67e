package windows

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/hello/access"
	"hellolab/providers/windows/container"
	"hellolab/providers/windows/kerberos"
	"hellolab/providers/windows/ksp"
	"hellolab/providers/wire/krb"
)

// Standing is what a device keeps of people, for whom a sign-in is previewed.
// people are their addresses by the SIDs that devices know them by. It reads the
// device's tables and starts nothing; env is that of the device.
func (w *Windows) Standing(env providers.Env, people map[string]string) (*access.Machine, error) {
	m := &access.Machine{Credentials: map[string]*access.Credential{}}
	err := env.Section.View(func(r providers.Reader) error {
		rec, ok, err := load[machineRecord](r, tableMachine, "record")
		if err != nil || !ok {
			return errors.Join(err, notInstalled(ok))
		}
		if rec.Registration != nil {
			m.DeviceID = rec.Registration.DeviceID
		}
		if rec.Enterprise != nil {
			m.Enterprise = rec.Enterprise.DeviceID
		}
		s := &standingReader{Reader: r, rec: rec, people: people, machine: m}
		for table, read := range map[string]func(sid, rest string) error{
			tableEnrollment: s.key, tableCached: s.cached, tableCloudCache: s.cachedByCloud, tableSession: s.session, tableKerberos: s.tickets, tableCloud: s.partial, tablePRT: s.primary, tableEnterprise: s.enterprise,
		} {
			err := r.Scan(table, "", func(key string, _ []byte) error {
				sid, rest, _ := strings.Cut(key, "|")
				if s.people[sid] == "" {
					return nil
				}
				return read(sid, rest)
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", env.Addr, err)
	}
	return m, nil
}

func notInstalled(ok bool) error {
	if ok {
		return nil
	}
	return errNotInstalled
}

// standingReader reads one device's tables.
type standingReader struct {
	providers.Reader
	rec     machineRecord
	people  map[string]string
	machine *access.Machine
}

func (s *standingReader) of(sid string) *access.Credential {
	c := s.machine.Credentials[s.people[sid]]
	if c == nil {
		c = &access.Credential{}
		s.machine.Credentials[s.people[sid]] = c
	}
	return c
}

// key is a Hello key that lies in a container, and its gestures.
func (s *standingReader) key(sid, _ string) error {
	rec, _, err := load[enrollmentRecord](s.Reader, tableEnrollment, sid)
	if err != nil {
		return err
	}
	holder := (&machine{rec: s.rec}).holder(person{sid: sid})
	held, ok, err := load[*container.Container](s.Reader, tableContainer, holder)
	if err != nil || !ok {
		return err
	}
	i := slices.IndexFunc(held.UserKeys, func(k container.UserKey) bool { return k.ID == rec.KeyID })
	if i < 0 {
		return nil
	}
	c := s.of(sid)
	c.KeyID, c.DeviceID, c.Created, c.Software = rec.KeyID, rec.DeviceID, rec.Created, held.Storage != ksp.TPM
	c.Domain, c.Unhinted = held.UserKeys[i].Domain, !held.UserKeys[i].Hinted
	c.PIN, c.PINSet = held.PIN.Shape, held.PIN.Set
	if c.PINSet.IsZero() { // of a version that did not note it
		c.PINSet = held.Created
	}
	if err := s.certificates(c, sid, held.UserKeys[i]); err != nil {
		return err
	}
	for _, p := range held.Protectors {
		if p.Gesture != container.PIN {
			c.Gestures = append(c.Gestures, string(p.Gesture))
		}
	}
	if c.Sensed, err = sensedAt(s.Reader, holder); err != nil {
		return err
	}
	if err := held.Gate.Admit(""); err != nil {
		c.Barred = reasonOf(err).Code
	}
	return nil
}

func (s *standingReader) cached(sid, credential string) error {
	rec, _, err := load[cachedLogon](s.Reader, tableCached, sid+"|"+credential)
	logon := &access.CachedLogon{At: rec.At, KeyID: rec.KeyID, Trust: rec.Trust}
	if credential == byHello {
		s.of(sid).CachedKey = logon
	} else {
		s.of(sid).CachedPassword = logon
	}
	return err
}

// cachedByCloud is what Cloud AP keeps where LSASS keeps nothing.
func (s *standingReader) cachedByCloud(sid, credential string) error {
	rec, _, err := load[cachedSignIn](s.Reader, tableCloudCache, sid+"|"+credential)
	logon := &access.CachedLogon{At: rec.At, KeyID: rec.KeyID}
	if credential == byHello {
		s.of(sid).CachedKey = logon
	} else {
		s.of(sid).CachedPassword = logon
	}
	return err
}

func (s *standingReader) session(sid, _ string) error {
	s.of(sid).Session = true
	return nil
}

func (s *standingReader) partial(sid, _ string) error {
	held, _, err := load[cloudTickets](s.Reader, tableCloud, sid)
	if held.Domain != nil {
		s.of(sid).Partial = held.Domain.EndTime
	}
	return err
}

// primary is a primary refresh token: of several, by key and by password, the
// one that ends last.
func (s *standingReader) primary(sid, credential string) error {
	rec, _, err := load[prtRecord](s.Reader, tablePRT, sid+"|"+credential)
	c := s.of(sid)
	if rec.Expires.After(c.PRT) {
		c.PRT = rec.Expires
	}
	if credential == byHello {
		c.Token = &access.Token{Obtained: rec.Obtained, Ends: rec.Expires}
	}
	return err
}

// enterprise is a primary refresh token of AD FS, of several that which ends last.
func (s *standingReader) enterprise(sid, credential string) error {
	rec, _, err := load[prtRecord](s.Reader, tableEnterprise, sid+"|"+credential)
	if c := s.of(sid); rec.Expires.After(c.EnterprisePRT) {
		c.EnterprisePRT = rec.Expires
	}
	return err
}

// certificates are those of the Personal store for a key: to sign in with, and for
// services.
func (s *standingReader) certificates(c *access.Credential, sid string, key container.UserKey) error {
	for _, thumbprint := range key.Certificates {
		rec, ok, err := load[storedCertificate](s.Reader, tablePersonal, sid+"|"+thumbprint)
		if err != nil {
			return err
		}
		if !ok || rec.KeyID != key.ID {
			continue
		}
		chain, err := rec.certificates()
		if err != nil {
			return err
		}
		one := &access.UserCertificate{Raw: chain[0].Raw, NotBefore: chain[0].NotBefore, NotAfter: chain[0].NotAfter, UPN: kerberos.UPNIn(chain[0])}
		one.Domain, _ = kerberos.HintIn(chain[0])
		if rec.Purpose != PurposeSignIn {
			one.Purpose = rec.Purpose
			c.Further = append(c.Further, one)
			continue
		}
		c.Certificates = append(c.Certificates, one)
	}
	return nil
}

func (s *standingReader) tickets(sid, _ string) error {
	held, ok, err := load[*kerberos.Session](s.Reader, tableKerberos, sid)
	if err != nil || !ok || held.TGT == nil {
		return err
	}
	raw, err := krb.ParseTicket(held.TGT.Ticket)
	if err != nil {
		return err
	}
	t := &access.Ticket{EType: raw.EncPart.EType, Realm: held.TGT.CRealm, Ends: held.TGT.EndTime, NTHash: held.NTHash != nil}
	for _, ticket := range held.Tickets {
		if t.Services == nil {
			t.Services = map[string]time.Time{}
		}
		t.Services[strings.ToLower(ticket.Server.String())] = ticket.EndTime
	}
	s.of(sid).Ticket = t
	return nil
}
