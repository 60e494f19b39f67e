package windows

import (
	"strings"
	"testing"
	"time"
)

func TestCertificatesText(t *testing.T) {
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	s := Status{Certificates: []PersonalCertificate{{
		Thumbprint: "A8C04611", Subject: "CN=alice,DC=corp", Issuer: "CN=Issuing CA,DC=corp", Serial: "5c01",
		NotBefore: at, NotAfter: at.AddDate(1, 0, 0), KeyID: "kid", Purpose: PurposeSignIn, Delivery: "ra", Installed: at,
	}}}
	text := s.CertificatesText()
	for _, line := range []string{
		`My "Personal"`, "================ Certificate 0 ================", "Serial Number: 5c01", "Issuer: CN=Issuing CA,DC=corp",
		" NotBefore: 2026-03-02 09:00:00.000 UTC", " NotAfter: 2027-03-02 09:00:00.000 UTC", "Subject: CN=alice,DC=corp", "Cert Hash(sha1): a8c04611",
		"  Key Container = kid", "Purpose (lab): sign_in, by ra, installed 2026-03-02 09:00:00.000 UTC", "CertUtil: -store command completed successfully.",
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %q in\n%s", line, text)
		}
	}
	if n := strings.Count(Status{}.CertificatesText(), "\n"); n != 2 {
		t.Errorf("an empty store has %d lines", n)
	}
}
