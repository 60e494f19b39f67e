package windows_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hellolab/providers/windows"
)

var (
	made  = time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	entra = windows.TenantState{AuthCodeURL: "https://login/t/oauth2/authorize", AccessTokenURL: "https://login/t/oauth2/token", Authority: "https://login/t",
		JoinServer: "https://drs/EnrollmentServer/device/", KeyServer: "https://drs/EnrollmentServer/key/", Service: "urn:drs"}
)

// hybrid is a member of a domain that is registered, with everything that a
// status can have.
func hybrid() windows.Status {
	return windows.Status{
		Device: "laptop.corp.contoso.com", Joined: true, DomainJoined: true, DomainName: "CORP", TPMProtected: true, KeyProvider: "Microsoft Platform Crypto Provider", Windows11: true,
		DeviceID: "d", Thumbprint: "AB", NotBefore: made, NotAfter: made.AddDate(10, 0, 0), TenantID: "t", Tenant: &entra,
		User: "alice@contoso.com", NGC: true, KeyID: "ab-cd", CanReset: "DestructiveOnly", PRT: true, Since: made, Until: made.AddDate(0, 0, 14),
		Tickets: windows.Tickets{OnPremTGT: true, CloudTGT: true, TopLevelNames: []string{".windows.net", ".azure.net"}, DomainTGT: true, DomainUntil: made.Add(10 * time.Hour)},
		Pool:    1,
	}
}

const hybridText = `+----------------------------------------------------------------------+
| Device State                                                         |
+----------------------------------------------------------------------+

             AzureAdJoined : YES
          EnterpriseJoined : NO
              DomainJoined : YES
                DomainName : CORP
           Virtual Desktop : NOT SET
               Device Name : laptop.corp.contoso.com

+----------------------------------------------------------------------+
| Device Details                                                       |
+----------------------------------------------------------------------+

                  DeviceId : d
                Thumbprint : AB
 DeviceCertificateValidity : [ 2026-03-02 09:30:00.000 UTC -- 2036-03-02 09:30:00.000 UTC ]
               KeyProvider : Microsoft Platform Crypto Provider
              TpmProtected : YES

+----------------------------------------------------------------------+
| Tenant Details                                                       |
+----------------------------------------------------------------------+

                TenantName : _
                  TenantId : t
                       Idp : login.windows.net
               AuthCodeUrl : https://login/t/oauth2/authorize
            AccessTokenUrl : https://login/t/oauth2/token
                    MdmUrl : _
                 MdmTouUrl : _
          MdmComplianceUrl : _
               SettingsUrl : _
            JoinSrvVersion : 2.0
                JoinSrvUrl : https://drs/EnrollmentServer/device/
                 JoinSrvId : urn:drs
             KeySrvVersion : 1.0
                 KeySrvUrl : https://drs/EnrollmentServer/key/
                  KeySrvId : urn:drs

+----------------------------------------------------------------------+
| User State                                                           |
+----------------------------------------------------------------------+

                    NgcSet : YES
                  NgcKeyId : {AB-CD}
                  CanReset : DestructiveOnly
           WorkplaceJoined : NO
             WamDefaultSet : YES
       WamDefaultAuthority : organizations
              WamDefaultId : https://login.microsoft.com
            WamDefaultGUID : {B16898C6-A148-4967-9171-64D755DA8520} (AzureAd)

+----------------------------------------------------------------------+
| SSO State                                                            |
+----------------------------------------------------------------------+

                AzureAdPrt : YES
      AzureAdPrtUpdateTime : 2026-03-02 09:30:00.000 UTC
      AzureAdPrtExpiryTime : 2026-03-16 09:30:00.000 UTC
       AzureAdPrtAuthority : https://login/t
             EnterprisePrt : NO
    EnterprisePrtAuthority : _
                 OnPremTgt : YES
                  CloudTgt : YES
         KerbTopLevelNames : .windows.net,.azure.net

+----------------------------------------------------------------------+
| Diagnostic Data                                                      |
+----------------------------------------------------------------------+

        AadRecoveryEnabled : NO

+----------------------------------------------------------------------+
| Lab (not of dsregcmd)                                                |
+----------------------------------------------------------------------+

             SessionLocked : NO
                   KeyPool : 1
           KeyPoolAttested : 0
                 DomainTgt : YES
       DomainTgtExpiryTime : 2026-03-02 19:30:00.000 UTC
`

func TestStatusIsDsregcmdsToTheByte(t *testing.T) {
	if d := cmp.Diff(strings.ReplaceAll(hybridText, " : _", " : "), hybrid().Text()); d != "" {
		t.Error(d)
	}
}

// parsed is what programs that read dsregcmd's output make of it: sections of
// names and values.
func parsed(t *testing.T, text string) map[string]string {
	t.Helper()
	field, title := regexp.MustCompile(`^ *(\S.*?) : (.*)$`), regexp.MustCompile(`^\| (.*?) *\|$`)
	out, section := map[string]string{}, ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if m := title.FindStringSubmatch(line); m != nil {
			section = m[1]
		} else if m := field.FindStringSubmatch(line); m != nil {
			if len(line) < 29 || line[26:29] != " : " {
				t.Errorf("the colon is elsewhere: %q", line)
			}
			out[section+"/"+m[1]] = m[2]
		} else if line != "" && !strings.HasPrefix(line, "+-") {
			t.Errorf("no program reads %q", line)
		}
	}
	return out
}

// The join states are those of Microsoft's table; what a state has no section
// of is absent.
func TestStatusOfEachJoinState(t *testing.T) {
	const device, details, tenant, diag, check = "Device State/", "Device Details/DeviceId", "Tenant Details/TenantId", "Diagnostic Data/", "Ngc Prerequisite Check/"
	for name, c := range map[string]struct {
		change func(*windows.Status)
		has    map[string]string
		hasNot []string
	}{
		"hybrid joined": {func(*windows.Status) {}, map[string]string{device + "AzureAdJoined": "YES", device + "DomainJoined": "YES", device + "DomainName": "CORP"}, []string{check + "PreReqResult"}},
		"Entra joined": {func(s *windows.Status) {
			s.DomainJoined, s.DomainName, s.Device, s.Tickets = false, "", "laptop", windows.Tickets{}
		}, map[string]string{device + "AzureAdJoined": "YES", device + "DomainJoined": "NO", "SSO State/OnPremTgt": "NO", device + "Device Name": "laptop"},
			[]string{device + "DomainName", "Lab (not of dsregcmd)/DomainTgt", "SSO State/KerbTopLevelNames"}},
		"registered with AD FS": {func(s *windows.Status) {
			s.Joined, s.Enterprise, s.TenantID, s.Tenant, s.PRT = false, true, "", nil, false
			s.EnterprisePRT, s.EnterpriseSince, s.EnterpriseUntil, s.EnterpriseAuthority = true, made, made.AddDate(0, 0, 7), "https://sts/adfs"
		}, map[string]string{device + "AzureAdJoined": "NO", device + "EnterpriseJoined": "YES", device + "DomainJoined": "YES", details: "d", "SSO State/AzureAdPrt": "NO", "SSO State/EnterprisePrt": "YES",
			"SSO State/EnterprisePrtUpdateTime": "2026-03-02 09:30:00.000 UTC", "SSO State/EnterprisePrtExpiryTime": "2026-03-09 09:30:00.000 UTC", "SSO State/EnterprisePrtAuthority": "https://sts/adfs"},
			[]string{tenant, diag + "AadRecoveryEnabled", "SSO State/AzureAdPrtAuthority"}},
		"domain joined, and not registered yet": {func(s *windows.Status) {
			s.Joined, s.Tenant, s.PRT, s.NGC, s.KeyID = false, nil, false, false, ""
			s.PreJoin = &windows.JoinAttempt{At: made, Type: "sync", Phase: "join", ClientCode: "0x801c03f2", ServerCode: "DirectoryError", ServerMessage: "The device object is not found.", HTTPStatus: 400, RequestID: "r"}
		}, map[string]string{device + "AzureAdJoined": "NO", device + "DomainJoined": "YES", "User State/WamDefaultSet": "NO", diag + "Previous Registration": "2026-03-02 09:30:00.000 UTC",
			diag + "Registration Type": "sync", diag + "Error Phase": "join", diag + "Client ErrorCode": "0x801c03f2", diag + "Server ErrorCode": "DirectoryError", diag + "Https Status": "400", diag + "Request Id": "r"},
			[]string{details, tenant, diag + "AadRecoveryEnabled", "SSO State/AzureAdPrtAuthority"}},
		"domain joined, and never tried": {func(s *windows.Status) { s.Joined, s.Tenant = false, nil }, map[string]string{device + "DomainJoined": "YES"}, []string{details, diag + "User Context"}},
		"joined to nothing": {func(s *windows.Status) { *s = windows.Status{Device: "loner"} },
			map[string]string{device + "AzureAdJoined": "NO", device + "DomainJoined": "NO", "User State/NgcSet": "NO"}, []string{details, tenant, device + "Virtual Desktop", "SSO State/OnPremTgt"}},
		"without a key": {func(s *windows.Status) {
			s.NGC, s.KeyID = false, ""
			s.Check = &windows.CheckState{CertEnrollment: "none", Met: map[string]bool{"IsDeviceJoined": true, "IsUserAzureAD": true, "DeviceEligible": false, "OnPremTGT": false}}
		}, map[string]string{check + "IsDeviceJoined": "YES", check + "DeviceEligible": "NO", check + "CertEnrollment": "none", check + "OnPremTGT": "NO", check + "PreReqResult": "WillNotProvision"},
			[]string{check + "PolicyEnabled", check + "AdfsRaIsReady", check + "CloudTGT"}},
		"a certificate, on Windows 10": {func(s *windows.Status) {
			s.Windows11 = false
			s.Check = &windows.CheckState{CertEnrollment: "enrollment authority", WillProvision: true, Met: map[string]bool{"AdfsRefreshToken": true, "AdfsRaIsReady": true, "LogonCertTemplateReady": true, "OnPremTGT": true}}
		}, map[string]string{check + "LogonCertTemplateReady": "YES ( StateReady )", check + "CloudTGT": "YES", check + "PreReqResult": "WillProvision"}, []string{check + "OnPremTGT", "SSO State/CloudTgt"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := hybrid()
			c.change(&s)
			got := parsed(t, s.Text())
			for field, want := range c.has {
				if got[field] != want {
					t.Errorf("%s is %q, want %q", field, got[field], want)
				}
			}
			for _, field := range c.hasNot {
				if v, ok := got[field]; ok {
					t.Errorf("%s is there: %q", field, v)
				}
			}
		})
	}
}
