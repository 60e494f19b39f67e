package windows

import (
	"fmt"
	"strings"
)

// CertificatesText is the user's Personal store as `certutil -user -store My`
// prints it, with how a certificate came here behind it.
func (s Status) CertificatesText() string {
	var b strings.Builder
	b.WriteString("My \"Personal\"\n")
	for i, c := range s.Certificates {
		fmt.Fprintf(&b, "================ Certificate %d ================\n", i)
		fmt.Fprintf(&b, "Serial Number: %s\n", c.Serial)
		fmt.Fprintf(&b, "Issuer: %s\n", c.Issuer)
		fmt.Fprintf(&b, " NotBefore: %s\n", dsregTime(c.NotBefore))
		fmt.Fprintf(&b, " NotAfter: %s\n", dsregTime(c.NotAfter))
		fmt.Fprintf(&b, "Subject: %s\n", c.Subject)
		fmt.Fprintf(&b, "Cert Hash(sha1): %s\n", strings.ToLower(c.Thumbprint))
		fmt.Fprintf(&b, "  Key Container = %s\n", c.KeyID)
		fmt.Fprintf(&b, "  Provider = Microsoft Passport Key Storage Provider\n")
		fmt.Fprintf(&b, "Private key is NOT exportable\n")
		fmt.Fprintf(&b, "Purpose (lab): %s, by %s, installed %s\n", c.Purpose, c.Delivery, dsregTime(c.Installed))
	}
	b.WriteString("CertUtil: -store command completed successfully.\n")
	return b.String()
}
