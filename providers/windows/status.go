package windows

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/windows/container"
	"hellolab/providers/windows/kerberos"
	"hellolab/providers/windows/ksp"
	"hellolab/providers/wire/adfs"
)

// Status is what a device says of itself and of the user at it, as far as
// `dsregcmd /status` shows it. It asks nobody: like Windows', it is what the
// device believes.
type Status struct {
	Device       string `json:"device_name"` // with the domain's name behind it in a domain
	Joined       bool   `json:"azure_ad_joined"`
	Enterprise   bool   `json:"enterprise_joined"` // registered with AD FS
	DomainJoined bool   `json:"domain_joined"`
	DomainName   string `json:"domain_name,omitempty"` // NetBIOS
	TPMProtected bool   `json:"tpm_protected"`
	KeyProvider  string `json:"key_provider"`
	Windows11    bool   `json:"-"` // some lines are of no earlier release

	// Of a joined device.
	DeviceID   string    `json:"device_id,omitempty"`
	Thumbprint string    `json:"thumbprint,omitempty"`
	NotBefore  time.Time `json:"certificate_not_before,omitzero"`
	NotAfter   time.Time `json:"certificate_not_after,omitzero"`
	TenantID   string    `json:"tenant_id,omitempty"`

	Tenant *TenantState `json:"tenant,omitempty"` // of a joined device

	WorkAccounts []WorkAccount `json:"work_accounts,omitempty"` // of a registered device

	User  string    `json:"user,omitempty"` // whose state follows; empty when none has one
	NGC   bool      `json:"ngc_set"`
	KeyID string    `json:"ngc_key_id,omitempty"` // of the directory's entry
	PRT   bool      `json:"azure_ad_prt"`
	Since time.Time `json:"azure_ad_prt_update_time,omitzero"`
	Until time.Time `json:"azure_ad_prt_expiry_time,omitzero"`

	// Of AD FS.
	EnterprisePRT       bool      `json:"enterprise_prt"`
	EnterpriseSince     time.Time `json:"enterprise_prt_update_time,omitzero"`
	EnterpriseUntil     time.Time `json:"enterprise_prt_expiry_time,omitzero"`
	EnterpriseAuthority string    `json:"enterprise_prt_authority,omitempty"` // that the token is of

	CanReset ResetWay `json:"can_reset,omitempty"` // how the user may reset the PIN

	Tickets Tickets      `json:"tickets,omitzero"`
	Check   *CheckState  `json:"ngc_prerequisite_check,omitempty"` // of a user without a Hello key
	PreJoin *JoinAttempt `json:"previous_registration,omitempty"`  // of a domain's member that is not registered

	Certificates []PersonalCertificate `json:"certificates,omitempty"` // in the user's Personal store

	// What dsregcmd does not show.
	Locked       bool `json:"session_locked"`    // the user's session
	Pool         int  `json:"key_pool"`          // user keys that lie ready
	PoolAttested int  `json:"key_pool_attested"` // of them, with an attestation
}

// TenantState is what a joined device knows of its tenant.
type TenantState struct {
	AuthCodeURL    string `json:"auth_code_url"`
	AccessTokenURL string `json:"access_token_url"`
	Authority      string `json:"authority"`    // that primary refresh tokens are of
	JoinServer     string `json:"join_srv_url"` // of the registration service
	KeyServer      string `json:"key_srv_url"`
	Service        string `json:"srv_id"` // its identifier, the audience of tokens to it
}

// Tickets is what the user's logon session has of Kerberos.
type Tickets struct {
	OnPremTGT     bool      `json:"on_prem_tgt"` // a cloud Kerberos ticket for the domain
	CloudTGT      bool      `json:"cloud_tgt"`   // a cloud Kerberos ticket for the cloud
	TopLevelNames []string  `json:"kerb_top_level_names,omitempty"`
	DomainTGT     bool      `json:"domain_tgt"` // a ticket-granting ticket of the domain, however it came
	DomainUntil   time.Time `json:"domain_tgt_expiry_time,omitzero"`
}

// CheckState is the prerequisites of Hello as they are met now.
type CheckState struct {
	Met            map[string]bool `json:"met"`             // by dsregcmd's name
	CertEnrollment string          `json:"cert_enrollment"` // none, enrollment authority or mobile device management
	WillProvision  bool            `json:"will_provision"`
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
	if err := s.ofDevice(m); err != nil {
		return Status{}, fmt.Errorf("%s: %w", device, err)
	}
	s.Enterprise = rec.Enterprise != nil
	if r := m.identity(); r != nil {
		cert, err := x509.ParseCertificate(r.Certificate)
		if err != nil {
			return Status{}, fmt.Errorf("%s: device certificate: %w", device, err)
		}
		s.DeviceID, s.Thumbprint, s.TenantID = r.DeviceID, r.Thumbprint, r.TenantID
		s.NotBefore, s.NotAfter = cert.NotBefore, cert.NotAfter
	}
	return s, errors.Join(s.ofPool(env), s.ofUser(m, user), s.ofPrerequisites(m, user))
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
		done, _, err := view[enrollmentRecord](m.env.Section, tableEnrollment, r.Account)
		if err != nil {
			return nil, err
		}
		if c != nil && done.Registered {
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
	var mine *container.Container
	err := m.env.Section.View(func(r providers.Reader) error {
		var newest prtRecord
		err := r.Scan(tablePRT, sid, func(key string, _ []byte) error {
			rec, _, err := load[prtRecord](r, tablePRT, key)
			if err == nil && rec.Obtained.After(newest.Obtained) {
				newest, s.User = rec, rec.UPN // a name that the device has cached
				if user == "" {
					sid, _, _ = strings.Cut(key, "|")
				}
			}
			return err
		})
		if err == nil && sid == "" {
			sid, err = s.newestSession(r)
		}
		if err != nil || sid == "" {
			return err
		}
		if err := s.ofTickets(r, sid, m.env.Now()); err != nil {
			return err
		}
		if s.PRT = m.env.Now().Before(newest.Expires); s.PRT {
			s.Since, s.Until = newest.Obtained, newest.Expires
		}
		if err := s.ofEnterprise(r, sid, m.env.Now()); err != nil {
			return err
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
		done, _, err := load[enrollmentRecord](r, tableEnrollment, sid)
		if err != nil || !done.Registered { // until then provisioning is under way
			return err
		}
		provider := s.tenantOfUser(sid)
		if s.Enterprise {
			provider = m.identity().provider()
		}
		if _, s.NGC = c.UserKey(provider); s.NGC {
			mine = c
		}
		s.KeyID = done.EntryID
		return nil
	})
	if err == nil && sid != "" {
		s.Certificates, err = m.personalStore(sid)
	}
	if err != nil || mine == nil {
		return err
	}
	return s.ofReset(m, user, mine, s.tenantOfUser(sid))
}

// ofEnterprise adds the user's token of AD FS.
func (s *Status) ofEnterprise(r providers.Reader, sid string, now time.Time) error {
	for _, credential := range []string{byPassword, byHello} {
		rec, ok, err := load[prtRecord](r, tableEnterprise, sid+"|"+credential)
		if err != nil {
			return err
		}
		if ok && now.Before(rec.Expires) && rec.Obtained.After(s.EnterpriseSince) {
			s.EnterprisePRT, s.EnterpriseSince, s.EnterpriseUntil, s.EnterpriseAuthority = true, rec.Obtained, rec.Expires, adfs.Issuer(rec.Tenant)
		}
	}
	return nil
}

// newestSession finds who signed in last, where nobody has a primary refresh
// token: a domain signs people in without one.
func (s *Status) newestSession(r providers.Reader) (sid string, err error) {
	var newest time.Time
	err = r.Scan(tableSession, "", func(key string, _ []byte) error {
		rec, _, err := load[sessionRecord](r, tableSession, key)
		if err == nil && rec.Since.After(newest) {
			newest, sid, s.User = rec.Since, key, rec.UPN
		}
		return err
	})
	return sid, err
}

// ofTickets adds what the user's logon session has of Kerberos.
func (s *Status) ofTickets(r providers.Reader, sid string, now time.Time) error {
	cloud, _, err := load[cloudTickets](r, tableCloud, sid)
	if err != nil {
		return err
	}
	s.Tickets.OnPremTGT, s.Tickets.CloudTGT = kerberos.Usable(cloud.Domain, now), kerberos.Usable(cloud.Cloud, now)
	if s.Tickets.CloudTGT {
		s.Tickets.TopLevelNames = cloud.Suffixes
	}
	session, ok, err := load[*kerberos.Session](r, tableKerberos, sid)
	if !ok || err != nil || session.TGT == nil || !now.Before(session.TGT.EndTime) {
		return err
	}
	s.Tickets.DomainTGT, s.Tickets.DomainUntil = true, session.TGT.EndTime
	return nil
}
