package windows

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/windows/container"
	"hellolab/providers/windows/ksp"
)

// Status is what a device says of itself and of the user at it, as far as
// `dsregcmd /status` shows it. It asks nobody: like Windows', it is what the
// device believes.
type Status struct {
	Device       string `json:"device_name"`
	Joined       bool   `json:"azure_ad_joined"`
	TPMProtected bool   `json:"tpm_protected"`
	KeyProvider  string `json:"key_provider"`

	// Of a joined device.
	DeviceID   string    `json:"device_id,omitempty"`
	Thumbprint string    `json:"thumbprint,omitempty"`
	NotBefore  time.Time `json:"certificate_not_before,omitzero"`
	NotAfter   time.Time `json:"certificate_not_after,omitzero"`
	TenantID   string    `json:"tenant_id,omitempty"`

	WorkAccounts []WorkAccount `json:"work_accounts,omitempty"` // of a registered device

	User  string    `json:"user,omitempty"` // whose state follows; empty when none has one
	NGC   bool      `json:"ngc_set"`
	KeyID string    `json:"ngc_key_id,omitempty"` // of the directory's entry
	PRT   bool      `json:"azure_ad_prt"`
	Since time.Time `json:"azure_ad_prt_update_time,omitzero"`
	Until time.Time `json:"azure_ad_prt_expiry_time,omitzero"`

	// What dsregcmd does not show.
	Locked       bool `json:"session_locked"`    // the user's session
	Pool         int  `json:"key_pool"`          // user keys that lie ready
	PoolAttested int  `json:"key_pool_attested"` // of them, with an attestation
}

// WorkAccount is one registration of a personal device.
type WorkAccount struct {
	DeviceID   string    `json:"workplace_device_id"`
	Thumbprint string    `json:"workplace_thumbprint"`
	NotBefore  time.Time `json:"certificate_not_before"`
	NotAfter   time.Time `json:"certificate_not_after"`
	TenantID   string    `json:"workplace_tenant_id"`
	NGC        bool      `json:"ngc_set"`

	account string // SID
}

// Status reads the state of the device whose env is given. user is an address;
// when empty, it is whoever obtained a token last.
func (w *Windows) Status(env providers.Env, device, user string) (Status, error) {
	rec, ok, err := view[machineRecord](env.Section, tableMachine, "record")
	if err != nil {
		return Status{}, fmt.Errorf("%s: %w", device, err)
	}
	if !ok {
		return Status{}, fmt.Errorf("%s: %w", device, errNotInstalled)
	}
	m := &machine{env: env, addr: device, rec: rec}
	s := Status{Device: rec.Name, Joined: rec.Registration != nil && !m.personal(), TPMProtected: rec.Storage == ksp.TPM, KeyProvider: providerName(rec.Storage)}
	if m.personal() {
		if s.WorkAccounts, err = m.accountStates(); err != nil {
			return Status{}, fmt.Errorf("%s: %w", device, err)
		}
		return s, errors.Join(s.ofPool(env), s.ofUser(m, user))
	}
	if r := rec.Registration; r != nil {
		cert, err := x509.ParseCertificate(r.Certificate)
		if err != nil {
			return Status{}, fmt.Errorf("%s: device certificate: %w", device, err)
		}
		s.DeviceID, s.Thumbprint, s.TenantID = r.DeviceID, r.Thumbprint, r.TenantID
		s.NotBefore, s.NotAfter = cert.NotBefore, cert.NotAfter
	}
	return s, errors.Join(s.ofPool(env), s.ofUser(m, user))
}

// accountStates reads the registrations of a personal device, the first first.
func (m *machine) accountStates() (all []WorkAccount, err error) {
	everywhere, err := m.everywhere()
	if err != nil {
		return nil, err
	}
	c, _, err := m.containerOf(person{})
	if err != nil {
		return nil, err
	}
	for _, v := range everywhere {
		r := v.rec.Registration
		if r == nil {
			continue
		}
		cert, err := x509.ParseCertificate(r.Certificate)
		if err != nil {
			return nil, fmt.Errorf("device certificate: %w", err)
		}
		w := WorkAccount{DeviceID: r.DeviceID, Thumbprint: r.Thumbprint, NotBefore: cert.NotBefore, NotAfter: cert.NotAfter, TenantID: r.TenantID, account: r.Account}
		if c != nil {
			_, w.NGC = c.UserKey(r.TenantID)
		}
		all = append(all, w)
	}
	return all, nil
}

// tenantOfUser is the tenant whose key a user would have on the device.
func (s *Status) tenantOfUser(sid string) string {
	for _, w := range s.WorkAccounts {
		if w.account == sid {
			return w.TenantID
		}
	}
	return s.TenantID
}

// ofPool adds what lies in the key pre-generation pool.
func (s *Status) ofPool(env providers.Env) error {
	return env.Section.View(func(r providers.Reader) error {
		s.Pool, s.PoolAttested = 0, 0
		tenant := s.TenantID
		if len(s.WorkAccounts) > 0 {
			tenant = s.WorkAccounts[0].TenantID
		}
		return r.Scan(tablePool, "", func(name string, _ []byte) error {
			k, _, err := load[pooledKey](r, tablePool, name)
			s.Pool++
			if k.Attestation.holds(tenant, env.Now()) {
				s.PoolAttested++
			}
			return err
		})
	})
}

// ofUser adds what the device keeps of a user.
func (s *Status) ofUser(m *machine, user string) error {
	sid := ""
	if user != "" {
		p, err := userOf(m.env, providers.Ref(user))
		if err != nil {
			return err
		}
		p.password.Wipe()
		sid, s.User = p.sid, p.upn
	}
	return m.env.Section.View(func(r providers.Reader) error {
		var newest prtRecord
		err := r.Scan(tablePRT, sid, func(key string, _ []byte) error {
			rec, _, err := load[prtRecord](r, tablePRT, key)
			if err == nil && rec.Obtained.After(newest.Obtained) {
				newest = rec
				if user == "" {
					sid, _, _ = strings.Cut(key, "|")
					s.User = rec.UPN
				}
			}
			return err
		})
		if err != nil || sid == "" {
			return err
		}
		if s.PRT = m.env.Now().Before(newest.Expires); s.PRT {
			s.Since, s.Until = newest.Obtained, newest.Expires
		}
		session, _, err := load[sessionRecord](r, tableSession, sid)
		if err != nil {
			return err
		}
		s.Locked = session.Locked
		c, ok, err := load[*container.Container](r, tableContainer, m.holder(person{sid: sid}))
		if !ok || err != nil {
			return err
		}
		_, s.NGC = c.UserKey(s.tenantOfUser(sid))
		if done, ok, err := load[enrollmentRecord](r, tableEnrollment, sid); err != nil {
			return err
		} else if ok && done.Registered {
			s.KeyID = done.EntryID
		}
		return nil
	})
}

// Text is the state in dsregcmd's own lines: labels right-aligned in 26
// columns, each section under a box (Microsoft, "Troubleshoot devices by using
// the dsregcmd command"). Fields whose value the lab has no equal of are left
// out, not made up; what the lab shows besides has a section of its own. A
// registered device has no Device Details; each work account has a section
// instead. Windows' SSO State is to be ignored there, for another component
// holds the token; the lab shows the token of the work account.
func (s Status) Text() string {
	var b strings.Builder
	section := func(title string) {
		rule := "+" + strings.Repeat("-", 70) + "+\n"
		fmt.Fprintf(&b, "%s| %-69s|\n%s\n", rule, title, rule)
	}
	field := func(label, value string) { fmt.Fprintf(&b, "%26s : %s\n", label, value) }

	section("Device State")
	field("AzureAdJoined", yesNo(s.Joined))
	field("EnterpriseJoined", "NO")
	field("DomainJoined", "NO")
	field("Device Name", s.Device)
	b.WriteByte('\n')
	if s.Joined {
		section("Device Details")
		field("DeviceId", s.DeviceID)
		field("Thumbprint", s.Thumbprint)
		field("DeviceCertificateValidity", "[ "+dsregTime(s.NotBefore)+" -- "+dsregTime(s.NotAfter)+" ]")
		field("KeyProvider", s.KeyProvider)
		field("TpmProtected", yesNo(s.TPMProtected))
		b.WriteByte('\n')
		section("Tenant Details")
		field("TenantId", s.TenantID)
		b.WriteByte('\n')
	}
	section("User State")
	field("NgcSet", yesNo(s.NGC))
	if s.KeyID != "" {
		field("NgcKeyId", "{"+strings.ToUpper(s.KeyID)+"}")
	}
	field("WorkplaceJoined", yesNo(len(s.WorkAccounts) > 0))
	b.WriteByte('\n')
	for i, w := range s.WorkAccounts {
		section(fmt.Sprintf("Work Account %d", i+1))
		field("WorkplaceDeviceId", w.DeviceID)
		field("WorkplaceThumbprint", w.Thumbprint)
		field("DeviceCertificateValidity", "[ "+dsregTime(w.NotBefore)+" -- "+dsregTime(w.NotAfter)+" ]")
		field("KeyProvider", s.KeyProvider)
		field("TpmProtected", yesNo(s.TPMProtected))
		field("WorkplaceIdp", "login.windows.net")
		field("WorkplaceTenantId", w.TenantID)
		field("NgcSet", yesNo(w.NGC))
		b.WriteByte('\n')
	}
	section("SSO State")
	field("AzureAdPrt", yesNo(s.PRT))
	if s.PRT {
		field("AzureAdPrtUpdateTime", dsregTime(s.Since))
		field("AzureAdPrtExpiryTime", dsregTime(s.Until))
	}
	field("EnterprisePrt", "NO")
	b.WriteByte('\n')
	section("Lab (not of dsregcmd)")
	field("SessionLocked", yesNo(s.Locked))
	field("KeyPool", strconv.Itoa(s.Pool))
	field("KeyPoolAttested", strconv.Itoa(s.PoolAttested))
	return b.String()
}

func dsregTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000") + " UTC" }
