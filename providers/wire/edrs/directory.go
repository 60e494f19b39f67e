package edrs

import (
	"bytes"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/ldapmsg"
)

// The object by which a forest has device registration (MS-DVRJ 2.3), in its
// configuration.
//
//	msDS-DeviceLocation                 where devices stand
//	msDS-IsEnabled
//	msDS-RegistrationQuota              devices of one owner
//	msDS-MaximumRegistrationInactivityPeriod  days
//	msDS-IssuerCertificates             issuers with their keys, see IssuerValue
//	msDS-IssuerPublicCertificates       the same, certificates alone, DER
//	msDS-CloudIssuerPublicCertificates  of the tenant's service, DER: who signs key receipts
const (
	ClassContainer = "msDS-DeviceRegistrationServiceContainer"
	ClassService   = "msDS-DeviceRegistrationService"

	AttributeIssuers      = "msDS-IssuerCertificates"
	AttributePublic       = "msDS-IssuerPublicCertificates"
	AttributeCloudIssuers = "msDS-CloudIssuerPublicCertificates"
)

// ServicesDN is the container of the object in a forest, and ServiceDN the
// object, by the distinguished name of the forest's root domain.
func ServicesDN(base string) string {
	return "CN=Device Registration Services,CN=Device Registration Configuration,CN=Services,CN=Configuration," + base
}

// ServiceDN is described with ServicesDN.
func ServiceDN(base string) string { return "CN=DeviceRegistrationService," + ServicesDN(base) }

// ErrNoService is a forest without device registration: no federation service
// set it up.
var ErrNoService = errors.New("the forest has no device registration service")

// CloudIssuers are the certificates with which the tenant's registration service
// signs key receipts, as Entra Connect told the forest. Values that are none are
// passed over. A forest that was told nothing has none.
func CloudIssuers(c *adldap.Conn) ([]*x509.Certificate, error) {
	e, err := c.Read(ServiceDN(c.Base), AttributeCloudIssuers)
	if adldap.IsCode(err, ldapmsg.NoSuchObject) {
		return nil, ErrNoService
	}
	if err != nil {
		return nil, err
	}
	return certificates(e.Values(AttributeCloudIssuers)), nil
}

// Issuers are the certificates of the forest's own service, in no order.
func Issuers(c *adldap.Conn) ([]*x509.Certificate, error) {
	e, err := c.Read(ServiceDN(c.Base), AttributePublic)
	if adldap.IsCode(err, ldapmsg.NoSuchObject) {
		return nil, ErrNoService
	}
	if err != nil {
		return nil, err
	}
	return certificates(e.Values(AttributePublic)), nil
}

func certificates(values [][]byte) (out []*x509.Certificate) {
	for _, der := range values {
		if cert, err := x509.ParseCertificate(der); err == nil {
			out = append(out, cert)
		}
	}
	return out
}

// IssuerValue is a value of AttributeIssuers (MS-DVRJ 2.3.1):
//
//	time  ":"  certificate and key, encrypted by the service
//
// where time is decimal, in 100 ns since the year 1.
type IssuerValue struct {
	Made   time.Time
	Sealed []byte
}

// ticksToUnix is 1970 in 100 ns since the year 1.
const ticksToUnix = 621_355_968_000_000_000

// Encode writes the value.
func (v IssuerValue) Encode() []byte {
	return append([]byte(strconv.FormatInt(v.Made.Unix()*1e7+int64(v.Made.Nanosecond()/100)+ticksToUnix, 10)+":"), v.Sealed...)
}

// maxIssuer bounds a value.
const maxIssuer = 64 << 10

// ParseIssuerValue reads a value.
func ParseIssuerValue(b []byte) (IssuerValue, error) {
	at, sealed, ok := bytes.Cut(b, []byte(":"))
	ticks, err := strconv.ParseInt(string(at[:min(len(at), 20)]), 10, 64)
	if !ok || err != nil || len(at) > 19 || ticks < 0 || len(b) > maxIssuer {
		return IssuerValue{}, fmt.Errorf("%s: it is not a time and a certificate", AttributeIssuers)
	}
	since := ticks - ticksToUnix
	return IssuerValue{time.Unix(since/1e7, since%1e7*100), sealed}, nil
}

// PackIssuer and UnpackIssuer are what is encrypted in an IssuerValue; the form
// is ours.
//
//	offset  size  field
//	0       4     length of the certificate, big-endian
//	4       n     certificate, DER
//	4+n           private key, PKCS #8
func PackIssuer(cert, pkcs8 []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(cert)))
	return append(append(b, cert...), pkcs8...)
}

// UnpackIssuer is described with PackIssuer.
func UnpackIssuer(b []byte) (cert, pkcs8 []byte, err error) {
	if len(b) < 4 || uint64(binary.BigEndian.Uint32(b)) > uint64(len(b)-4) {
		return nil, nil, fmt.Errorf("%s: its content is cut", AttributeIssuers)
	}
	n := int(binary.BigEndian.Uint32(b))
	return b[4 : 4+n], b[4+n:], nil
}
