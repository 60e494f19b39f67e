package drs

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"hellolab/providers/wire/guid"
)

// Identity is what a device certificate says (MS-DVRJ 3.1.5.1.1.3): extensions
// below 1.2.840.113556.1.5.284, none critical, each an OCTET STRING with a
// length in the long form inside the extension value.
//
//	.1  invocation id   GUID in Windows order, of the domain controller (on premises)
//	.2  device id       GUID in Windows order
//	.3  user id         GUID in Windows order
//	.4  domain id       GUID in Windows order (on premises)
//	.5  tenant id       GUID in Windows order (cloud)
//	.7  join type       "0" registered, "1" joined
//	.8  tenant region   "EU", "NA" (cloud)
//
// An identity with a domain is of the service on premises, and has no tenant.
type Identity struct {
	DeviceID guid.GUID
	UserID   guid.GUID
	TenantID guid.GUID
	Joined   bool
	Region   string

	InvocationID guid.GUID // on premises
	DomainID     guid.GUID // on premises; zero: of the cloud
}

var oidDevice = asn1.ObjectIdentifier{1, 2, 840, 113556, 1, 5, 284}

const (
	extInvocationID = 1
	extDeviceID     = 2
	extUserID       = 3
	extDomainID     = 4
	extTenantID     = 5
	extJoinType     = 7
	extRegion       = 8
)

// ErrNotDevice says that a certificate is no device certificate.
var ErrNotDevice = errors.New("not a device certificate")

// Extensions returns the certificate extensions of an identity.
func (d Identity) Extensions() []pkix.Extension {
	id := func(arc int) asn1.ObjectIdentifier { return append(append(asn1.ObjectIdentifier{}, oidDevice...), arc) }
	g := func(v guid.GUID) []byte { w := v.Windows(); return longOctets(w[:]) }
	join := "0"
	if d.Joined {
		join = "1"
	}
	if !d.DomainID.IsZero() {
		return []pkix.Extension{
			{Id: id(extInvocationID), Value: g(d.InvocationID)},
			{Id: id(extDeviceID), Value: g(d.DeviceID)},
			{Id: id(extUserID), Value: g(d.UserID)},
			{Id: id(extDomainID), Value: g(d.DomainID)},
			{Id: id(extJoinType), Value: longOctets([]byte(join))},
		}
	}
	return []pkix.Extension{
		{Id: id(extDeviceID), Value: g(d.DeviceID)},
		{Id: id(extUserID), Value: g(d.UserID)},
		{Id: id(extTenantID), Value: g(d.TenantID)},
		{Id: id(extJoinType), Value: longOctets([]byte(join))},
		{Id: id(extRegion), Value: longOctets([]byte(d.Region))},
	}
}

// longOctets encodes an OCTET STRING as the service does: 04 81 len. That is
// BER, so encoding/asn1 neither writes nor reads it.
func longOctets(b []byte) []byte {
	return append([]byte{asn1.TagOctetString, 0x81, byte(len(b))}, b...)
}

// octets reads an OCTET STRING of less than 256 bytes with either length form.
func octets(b []byte) ([]byte, bool) {
	switch {
	case len(b) >= 3 && b[0] == asn1.TagOctetString && b[1] == 0x81 && int(b[2]) == len(b)-3:
		return b[3:], true
	case len(b) >= 2 && b[0] == asn1.TagOctetString && b[1] < 0x80 && int(b[1]) == len(b)-2:
		return b[2:], true
	}
	return nil, false
}

// ParseIdentity reads the identity off a certificate, which the caller has
// verified. The subject's common name must be the device id.
func ParseIdentity(cert *x509.Certificate) (Identity, error) {
	var d Identity
	for _, ext := range cert.Extensions {
		n := len(oidDevice)
		if len(ext.Id) != n+1 || !ext.Id[:n].Equal(oidDevice) {
			continue
		}
		value, ok := octets(ext.Value)
		if !ok {
			return Identity{}, fmt.Errorf("%w: extension %v", ErrNotDevice, ext.Id)
		}
		var id guid.GUID
		switch arc := ext.Id[n]; arc {
		case extDeviceID, extUserID, extTenantID, extInvocationID, extDomainID:
			if len(value) != len(id) {
				return Identity{}, fmt.Errorf("%w: extension %v", ErrNotDevice, ext.Id)
			}
			id = guid.FromWindows([16]byte(value))
			switch arc {
			case extDeviceID:
				d.DeviceID = id
			case extUserID:
				d.UserID = id
			case extTenantID:
				d.TenantID = id
			case extInvocationID:
				d.InvocationID = id
			case extDomainID:
				d.DomainID = id
			}
		case extJoinType:
			d.Joined = string(value) == "1"
		case extRegion:
			d.Region = string(value)
		}
	}
	if d.DeviceID.IsZero() || !strings.EqualFold(cert.Subject.CommonName, d.DeviceID.String()) {
		return Identity{}, fmt.Errorf("%w: subject and device id differ", ErrNotDevice)
	}
	return d, nil
}

// DescribeExtension tells a person what one extension of a device certificate
// holds, in whatever certificate it stands: its name, and its value as a GUID
// or text. The value is "" when it has not the form that the name promises. ok
// is false for an extension of another kind.
func DescribeExtension(ext pkix.Extension) (name, value string, ok bool) {
	n := len(oidDevice)
	if len(ext.Id) != n+1 || !ext.Id[:n].Equal(oidDevice) {
		return "", "", false
	}
	names := map[int]string{
		extInvocationID: "invocation id", extDeviceID: "device id", extUserID: "user id", extDomainID: "domain id",
		extTenantID: "tenant id", extJoinType: "join type", extRegion: "tenant region",
	}
	if name, ok = names[ext.Id[n]]; !ok {
		name = fmt.Sprintf("device extension %d", ext.Id[n])
	}
	b, ok := octets(ext.Value)
	switch arc := ext.Id[n]; {
	case !ok:
	case arc == extJoinType && string(b) == "0":
		value = "0, registered"
	case arc == extJoinType && string(b) == "1":
		value = "1, joined"
	case arc == extJoinType || arc == extRegion:
		value = string(b)
	case len(b) == len(guid.GUID{}):
		value = guid.FromWindows([16]byte(b)).String()
	}
	return name, value, true
}

// Thumbprint returns the SHA-1 of a certificate as Windows prints it.
func Thumbprint(cert []byte) string {
	sum := sha1.Sum(cert)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// AlternativeSecurityID is how a directory object names a device certificate,
// among its alternativeSecurityIds or altSecurityIdentities (MS-DVRJ 2.3.3): its
// thumbprint, and the digest of its subject public key info, DER.
func AlternativeSecurityID(thumbprint string, spki []byte) string {
	sum := sha256.Sum256(spki)
	return "X509:<SHA1-TP-PUBKEY>" + thumbprint + base64.StdEncoding.EncodeToString(sum[:])
}
