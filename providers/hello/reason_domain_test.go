package hello

import (
	"strings"
	"testing"
)

// What a sign-in by key may be refused for: the status of Windows, its name,
// and the error of Kerberos, 0 for what no KDC says. Numbers from MS-ERREF and
// RFC 4120, 4556.
func TestReasonsOfDomain(t *testing.T) {
	for _, c := range []struct {
		code, status, name string
		kerberos           int32
	}{
		{"no_line_of_sight", "0xC000005E", "STATUS_NO_LOGON_SERVERS", 0},
		{"dc_not_found", "0xC0000233", "STATUS_DOMAIN_CONTROLLER_NOT_FOUND", 0},
		{"cached_logon_missing", "0xC000005E", "STATUS_NO_LOGON_SERVERS", 0},
		{"network_logon_forced", "0xC000005E", "STATUS_NO_LOGON_SERVERS", 0},
		{"password_change_needs_domain", "0xC000005E", "STATUS_NO_LOGON_SERVERS", 0},
		{"domain_clock_skew", "0xC0000133", "STATUS_TIME_DIFFERENCE_AT_DC", 37},
		{"not_domain_account", "0xC0000064", "STATUS_NO_SUCH_USER", 6},
		{"account_disabled_in_domain", "0xC0000072", "STATUS_ACCOUNT_DISABLED", 18},
		{"account_locked_in_domain", "0xC0000234", "STATUS_ACCOUNT_LOCKED_OUT", 0},
		{"account_expired_in_domain", "0xC0000193", "STATUS_ACCOUNT_EXPIRED", 1},
		{"wrong_password_in_domain", "0xC000006A", "STATUS_WRONG_PASSWORD", 24},
		{"password_expired_on_prem", "0xC0000071", "STATUS_PASSWORD_EXPIRED", 23},
		{"password_must_change", "0xC0000224", "STATUS_PASSWORD_MUST_CHANGE", 0},
		{"password_refused", "0xC000006C", "STATUS_PASSWORD_RESTRICTION", 0},
		{"computer_refused", "0xC000018B", "STATUS_NO_TRUST_SAM_ACCOUNT", 0},
		{"key_not_synced", "0xC000038C", "STATUS_PKINIT_CLIENT_FAILURE", 62},
		{"key_name_mismatch", "0xC00002F9", "STATUS_PKINIT_NAME_MISMATCH", 75},
		{"key_proof_invalid", "0xC000006D", "STATUS_LOGON_FAILURE", 64},
		{"kdc_no_certificate", "0xC00000BB", "STATUS_NOT_SUPPORTED", 16},
		{"domain_refused", "0xC000006D", "STATUS_LOGON_FAILURE", 0},
		{"kdc_certificate_untrusted", "0xC000040D", "STATUS_ISSUING_CA_UNTRUSTED_KDC", 63},
		{"kdc_certificate_expired", "0xC000040E", "STATUS_KDC_CERT_EXPIRED", 0},
		{"kdc_certificate_revoked", "0xC000040F", "STATUS_KDC_CERT_REVOKED", 0},
		{"kdc_certificate_unknown_revocation", "0xC000040C", "STATUS_REVOCATION_OFFLINE_KDC", 0},
		{"kdc_certificate_no_kdc_purpose", "0xC0000320", "STATUS_PKINIT_FAILURE", 0},
		{"kdc_certificate_other_domain", "0xC000006D", "STATUS_LOGON_FAILURE", 76},
		{"domain_hint_missing", "0xC0000233", "STATUS_DOMAIN_CONTROLLER_NOT_FOUND", 0},
		{"partial_ticket_missing", "0x8009030E", "SEC_E_NO_CREDENTIALS", 0},
		{"cloud_kerberos_denied", "0xC000006D", "STATUS_LOGON_FAILURE", 0},
		{"cloud_kerberos_unknown", "0xC000006D", "STATUS_LOGON_FAILURE", 0},
		{"cloud_kerberos_key_differs", "0xC000006D", "STATUS_LOGON_FAILURE", 0},
		{"device_not_synced", "0x801C03F2", "DSREG_E_DIRECTORY_FAILURE", 0},
		{"ntlm_without_password", "0xC000006D", "STATUS_LOGON_FAILURE", 0},
	} {
		r, ok := ReasonFor(c.code)
		if !ok || r.Status != c.status || r.Name != c.name || r.Hint == "" {
			t.Errorf("%s: %+v", c.code, r)
		}
		code, has := r.Kerberos()
		if code != c.kerberos || has != (c.kerberos != 0) {
			t.Errorf("%s: error %d, %v", c.code, code, has)
		}
		if !has {
			continue
		}
		if back, ok := ReasonOfKerberos(code); !ok || back != r {
			t.Errorf("error %d: %+v", code, back)
		}
	}
	for _, code := range []int32{0, 7, 60, -1} {
		if r, ok := ReasonOfKerberos(code); ok || r.Code != "domain_refused" {
			t.Errorf("error %d: %+v, %v", code, r, ok)
		}
	}
}

// A failure that nobody can mistake for another: the checks of a KDC's
// certificate have reasons and statuses of their own.
func TestKDCCertificateReasons(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range []struct {
		check   string
		revoked bool
		want    string
	}{
		{"root", false, "kdc_certificate_untrusted"}, {"life", false, "kdc_certificate_expired"},
		{"revocation", true, "kdc_certificate_revoked"}, {"revocation", false, "kdc_certificate_unknown_revocation"},
		{"purpose", false, "kdc_certificate_no_kdc_purpose"}, {"domain", false, "kdc_certificate_other_domain"},
		{"root", true, "kdc_certificate_untrusted"}, {"other", true, "domain_refused"}, {"", false, "domain_refused"},
	} {
		r := KDCCertificateReason(c.check, c.revoked)
		if r.Code != c.want {
			t.Errorf("%s %v: %s", c.check, c.revoked, r.Code)
		}
		if strings.HasPrefix(r.Code, "kdc_") && !c.revoked && seen[r.Status] {
			t.Errorf("%s has the status of another check", c.check)
		}
		seen[r.Status] = seen[r.Status] || strings.HasPrefix(r.Code, "kdc_")
	}
}

// Off network there are three reasons, and one code of Windows: what is shown
// is the first, what a check expects is each.
func TestReasonsOfNoController(t *testing.T) {
	if r, ok := ReasonOfStatus("0xC000005E"); !ok || r.Code != "host_unreachable" {
		t.Errorf("%+v", r)
	}
	sentences := map[string]bool{}
	for _, code := range []string{"no_line_of_sight", "cached_logon_missing", "network_logon_forced", "host_unreachable"} {
		r, _ := ReasonFor(code)
		sentences[r.Sentence] = true
	}
	if len(sentences) != 4 {
		t.Errorf("%v", sentences)
	}
}

// A KDC means other things by the same error where it is shown a partial ticket.
func TestReasonsOfPartialTickets(t *testing.T) {
	for code, want := range map[int32]string{
		7: "cloud_kerberos_unknown", 12: "cloud_kerberos_unknown", 20: "cloud_kerberos_denied", 29: "dc_not_found", 31: "cloud_kerberos_key_differs", 44: "cloud_kerberos_key_differs",
		6: "not_domain_account", 18: "account_disabled_in_domain", 23: "password_expired_on_prem", 37: "domain_clock_skew",
	} {
		if r, ok := ReasonOfPartialTicket(code); !ok || r.Code != want {
			t.Errorf("error %d: %s, %v", code, r.Code, ok)
		}
	}
	if r, ok := ReasonOfPartialTicket(60); ok || r.Code != "domain_refused" {
		t.Errorf("error 60: %s, %v", r.Code, ok)
	}
}
