package windows

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Text is the state in dsregcmd's own lines: labels right-aligned in 26
// columns, sections under a box, in the order and with the names of Windows 11
// (Microsoft, "Troubleshoot devices by using the dsregcmd command"), so that
// what reads dsregcmd's output reads this. Nothing is made up; of the fields of
// Windows these are left out or blank:
//
//	Virtual Desktop             NOT SET: a lab has no virtual desktops
//	KeyContainerId              left out: keys of the lab's TPM have no container of a provider
//	DeviceAuthStatus            left out: it asks the tenant, and status asks nobody
//	TenantName                  blank: the device keeps its id alone
//	MdmUrl and what follows it  blank, as where no device management is set up
//	WebAuthN…, DeviceManagement… left out: the tenant has no such services
//	CanReset                    left out of a user who has no key; NotAllowed on a registered device without the
//	                            PIN reset service, where the container has keys of another account, too
//	AcquirePrtDiagnostics …     left out: `hellolab events -log=aad` tells of attempts that failed
//	EnterprisePrtAuthority      blank of a user who has no token of AD FS
//	OnPremTgt, CloudTgt         of cloud Kerberos trust, NO under another; KerbTopLevelNames comes with them
//	Diagnostic Data             tests of the connection and KeySignTest are left out, for status tries nothing;
//	                            of a member that is not registered, its last attempt
//	AdfsRefreshToken …          left out where certificates have no part
//
// What the lab shows besides has a section of its own, the last. A registered
// device has no Device Details; each work account has a section instead.
// Windows' SSO State is to be ignored there, for another component holds the
// token; the lab shows the token of the work account.
func (s Status) Text() string {
	t := &dsreg{}
	s.deviceText(t)
	s.userText(t)
	s.ssoText(t)
	s.diagnosticText(t)
	s.checkText(t)
	t.section("Lab (not of dsregcmd)")
	t.field("SessionLocked", yesNo(s.Locked))
	t.field("KeyPool", strconv.Itoa(s.Pool))
	t.field("KeyPoolAttested", strconv.Itoa(s.PoolAttested))
	if s.DomainJoined || s.Tickets.DomainTGT {
		t.field("DomainTgt", yesNo(s.Tickets.DomainTGT))
		t.time("DomainTgtExpiryTime", s.Tickets.DomainUntil)
	}
	return t.b.String()
}

// dsreg writes as dsregcmd does.
type dsreg struct{ b strings.Builder }

func (t *dsreg) section(title string) {
	if t.b.Len() > 0 {
		t.b.WriteByte('\n')
	}
	rule := "+" + strings.Repeat("-", 70) + "+\n"
	fmt.Fprintf(&t.b, "%s| %-69s|\n%s\n", rule, title, rule)
}

func (t *dsreg) field(label, value string) { fmt.Fprintf(&t.b, "%26s : %s\n", label, value) }

// given writes a field that has a value.
func (t *dsreg) given(label, value string) {
	if value != "" {
		t.field(label, value)
	}
}

func (t *dsreg) time(label string, at time.Time) {
	if !at.IsZero() {
		t.field(label, dsregTime(at))
	}
}

func dsregTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000") + " UTC" }

func (s *Status) deviceText(t *dsreg) {
	t.section("Device State")
	t.field("AzureAdJoined", yesNo(s.Joined))
	t.field("EnterpriseJoined", yesNo(s.Enterprise))
	t.field("DomainJoined", yesNo(s.DomainJoined))
	t.given("DomainName", s.DomainName)
	if s.Windows11 {
		t.field("Virtual Desktop", "NOT SET")
	}
	t.field("Device Name", s.Device)
	if !s.Joined && !s.Enterprise {
		return
	}
	t.section("Device Details")
	t.field("DeviceId", s.DeviceID)
	t.field("Thumbprint", s.Thumbprint)
	t.field("DeviceCertificateValidity", validity(s.NotBefore, s.NotAfter))
	t.field("KeyProvider", s.KeyProvider)
	t.field("TpmProtected", yesNo(s.TPMProtected))

	if !s.Joined {
		return
	}
	t.section("Tenant Details")
	t.field("TenantName", "")
	t.field("TenantId", s.TenantID)
	if s.Tenant == nil {
		return
	}
	t.field("Idp", "login.windows.net")
	t.field("AuthCodeUrl", s.Tenant.AuthCodeURL)
	t.field("AccessTokenUrl", s.Tenant.AccessTokenURL)
	for _, label := range []string{"MdmUrl", "MdmTouUrl", "MdmComplianceUrl", "SettingsUrl"} {
		t.field(label, "")
	}
	t.field("JoinSrvVersion", "2.0")
	t.field("JoinSrvUrl", s.Tenant.JoinServer)
	t.field("JoinSrvId", s.Tenant.Service)
	t.field("KeySrvVersion", "1.0")
	t.field("KeySrvUrl", s.Tenant.KeyServer)
	t.field("KeySrvId", s.Tenant.Service)
}

func validity(from, to time.Time) string {
	return "[ " + dsregTime(from) + " -- " + dsregTime(to) + " ]"
}

func (s *Status) userText(t *dsreg) {
	t.section("User State")
	t.field("NgcSet", yesNo(s.NGC))
	if s.KeyID != "" {
		t.field("NgcKeyId", "{"+strings.ToUpper(s.KeyID)+"}")
	}
	t.given("CanReset", string(s.CanReset))
	t.field("WorkplaceJoined", yesNo(len(s.WorkAccounts) > 0))
	// Of a joined device, whoever has a primary refresh token is the default
	// account of Web Account Manager.
	wam := s.Joined && s.PRT
	t.field("WamDefaultSet", yesNo(wam))
	if wam {
		t.field("WamDefaultAuthority", "organizations")
		t.field("WamDefaultId", "https://login.microsoft.com")
		t.field("WamDefaultGUID", "{B16898C6-A148-4967-9171-64D755DA8520} (AzureAd)")
	}
	for i, w := range s.WorkAccounts {
		t.section(fmt.Sprintf("Work Account %d", i+1))
		t.field("WorkplaceDeviceId", w.DeviceID)
		t.field("WorkplaceThumbprint", w.Thumbprint)
		t.field("DeviceCertificateValidity", validity(w.NotBefore, w.NotAfter))
		t.field("KeyProvider", s.KeyProvider)
		t.field("TpmProtected", yesNo(s.TPMProtected))
		t.field("WorkplaceIdp", "login.windows.net")
		t.field("WorkplaceTenantId", w.TenantID)
		t.field("NgcSet", yesNo(w.NGC))
	}
}

func (s *Status) ssoText(t *dsreg) {
	t.section("SSO State")
	t.field("AzureAdPrt", yesNo(s.PRT))
	if s.PRT {
		t.time("AzureAdPrtUpdateTime", s.Since)
		t.time("AzureAdPrtExpiryTime", s.Until)
	}
	if s.Tenant != nil {
		t.field("AzureAdPrtAuthority", s.Tenant.Authority)
	}
	t.field("EnterprisePrt", yesNo(s.EnterprisePRT))
	t.time("EnterprisePrtUpdateTime", s.EnterpriseSince)
	t.time("EnterprisePrtExpiryTime", s.EnterpriseUntil)
	t.field("EnterprisePrtAuthority", s.EnterpriseAuthority)
	if s.Windows11 {
		t.field("OnPremTgt", yesNo(s.Tickets.OnPremTGT))
		t.field("CloudTgt", yesNo(s.Tickets.CloudTGT))
		t.given("KerbTopLevelNames", strings.Join(s.Tickets.TopLevelNames, ","))
	}
}

// diagnosticText is the section's form after a join, or before one.
func (s *Status) diagnosticText(t *dsreg) {
	switch {
	case s.Joined:
		t.section("Diagnostic Data")
		t.field("AadRecoveryEnabled", "NO")
	case s.DomainJoined && s.PreJoin != nil:
		p := s.PreJoin
		t.section("Diagnostic Data")
		t.field("Diagnostics Reference", "www.microsoft.com/aadjerrors")
		t.field("User Context", "SYSTEM")
		t.b.WriteByte('\n')
		t.time("Previous Registration", p.At)
		t.given("Registration Type", p.Type)
		t.given("Error Phase", p.Phase)
		t.given("Client ErrorCode", p.ClientCode)
		t.given("Server ErrorCode", p.ServerCode)
		t.given("Server Message", p.ServerMessage)
		if p.HTTPStatus != 0 {
			t.field("Https Status", strconv.Itoa(p.HTTPStatus))
		}
		t.given("Request Id", p.RequestID)
	}
}

// checkNames are the checks that dsregcmd shows, in its order. The ticket's name
// is that of Windows 11 from 23H2 on.
var checkNames = []string{"IsDeviceJoined", "IsUserAzureAD", "PolicyEnabled", "PostLogonEnabled", "DeviceEligible", "SessionIsNotRemote"}

func (s *Status) checkText(t *dsreg) {
	c := s.Check
	if c == nil {
		return
	}
	t.section("Ngc Prerequisite Check")
	for _, name := range checkNames {
		if ok, made := c.Met[name]; made {
			t.field(name, yesNo(ok))
		}
	}
	t.field("CertEnrollment", c.CertEnrollment)
	for _, name := range []string{"AdfsRefreshToken", "AdfsRaIsReady", "LogonCertTemplateReady"} {
		if ok, made := c.Met[name]; made {
			value := yesNo(ok)
			if ok && name == "LogonCertTemplateReady" {
				value += " ( StateReady )"
			}
			t.field(name, value)
		}
	}
	if ok, made := c.Met["OnPremTGT"]; made {
		name := "OnPremTGT"
		if !s.Windows11 {
			name = "CloudTGT"
		}
		t.field(name, yesNo(ok))
	}
	result := "WillNotProvision"
	if c.WillProvision {
		result = "WillProvision"
	}
	t.field("PreReqResult", result)
}
