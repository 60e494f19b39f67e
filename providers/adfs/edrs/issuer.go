package edrs

import (
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"
	"time"

	"hellolab/providers/wire/addevice"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/edrs"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/rsakey"
)

// purposeIssuer is what issuers are sealed for.
const purposeIssuer = "device issuer"

// Limits that a new registration service has (MS-DVRE 3.1.1).
const (
	quota      = 10 // devices of one owner
	inactivity = 90 // days
)

const (
	backdate   = 10 * time.Minute
	issuerLife = 20 * 365 * 24 * time.Hour
	deviceLife = 10 * 365 * 24 * time.Hour // MS-DVRJ 4.1
)

// Initialize gives a forest device registration, as an administrator does with
// Initialize-ADDeviceRegistration (MS-DVRJ 1.5): its object in the configuration,
// and an issuer of device certificates that this service can use. What is there
// stays; an issuer of another service's is joined by a newer one. The account's
// rights on devices are the caller's to give.
func Initialize(c *adldap.Conn, seal Sealer, random io.Reader, now time.Time) error {
	err := c.Add(edrs.ServicesDN(c.Base), adldap.Attributes{"objectClass": {edrs.ClassContainer}})
	if err != nil && !adldap.IsCode(err, ldapmsg.EntryAlreadyExists) {
		return fmt.Errorf("make the container of device registration: %w", err)
	}
	err = c.Add(edrs.ServiceDN(c.Base), adldap.Attributes{
		"objectClass": {edrs.ClassService}, "msDS-DeviceLocation": {addevice.ContainerDN(c.Base)}, "msDS-IsEnabled": {"TRUE"},
		"msDS-RegistrationQuota": {strconv.Itoa(quota)}, "msDS-MaximumRegistrationInactivityPeriod": {strconv.Itoa(inactivity)},
	})
	if err != nil && !adldap.IsCode(err, ldapmsg.EntryAlreadyExists) {
		return fmt.Errorf("make the object of device registration: %w", err)
	}
	svc, err := loadService(c, seal)
	if err == nil { // an interrupted run may have got no further
		return c.AddValue(edrs.ServiceDN(c.Base), edrs.AttributePublic, string(svc.cert.Raw))
	}
	if !errors.Is(err, errNoIssuer) {
		return err
	}
	cert, pkcs8, err := newIssuer(c.Base, random, now)
	if err != nil {
		return err
	}
	sealed, err := seal.Seal(purposeIssuer, edrs.PackIssuer(cert, pkcs8))
	if err != nil {
		return err
	}
	value := edrs.IssuerValue{Made: now, Sealed: []byte(sealed)}.Encode()
	if err := c.AddValue(edrs.ServiceDN(c.Base), edrs.AttributeIssuers, string(value)); err != nil {
		return fmt.Errorf("publish the issuer of device certificates: %w", err)
	}
	return c.AddValue(edrs.ServiceDN(c.Base), edrs.AttributePublic, string(cert))
}

// Remove takes device registration from a forest. Devices stay.
func Remove(c *adldap.Conn) error {
	for _, dn := range []string{edrs.ServiceDN(c.Base), edrs.ServicesDN(c.Base)} {
		if err := c.Delete(dn); err != nil && !adldap.IsCode(err, ldapmsg.NoSuchObject) {
			return err
		}
	}
	return nil
}

// Initialized says whether a forest has device registration that this service can
// use.
func Initialized(c *adldap.Conn, seal Sealer) (bool, error) {
	_, err := loadService(c, seal)
	if errors.Is(err, errNoIssuer) || errors.Is(err, edrs.ErrNoService) {
		return false, nil
	}
	return err == nil, err
}

func newIssuer(base string, random io.Reader, now time.Time) (cert, pkcs8 []byte, err error) {
	key, err := rsakey.New(random, 2048)
	if err != nil {
		return nil, nil, fmt.Errorf("make issuer of device certificates: %w", err)
	}
	unit, err := guid.New(random)
	if err != nil {
		return nil, nil, err
	}
	dn, err := ldapmsg.ParseDN(base)
	if err != nil {
		return nil, nil, err
	}
	var labels []string
	for _, rdn := range dn {
		labels = append(labels, rdn[0].Value)
	}
	subject, err := drs.IssuerName(unit, labels...)
	if err != nil {
		return nil, nil, err
	}
	serial, err := newSerial(random)
	if err != nil {
		return nil, nil, err
	}
	t := &x509.Certificate{SerialNumber: serial, RawSubject: subject, IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		NotBefore: now.Add(-backdate), NotAfter: now.Add(issuerLife)}
	if cert, err = x509.CreateCertificate(random, t, t, key.Public(), key); err != nil {
		return nil, nil, fmt.Errorf("make issuer of device certificates: %w", err)
	}
	pkcs8, err = x509.MarshalPKCS8PrivateKey(key)
	return cert, pkcs8, err
}

// newSerial returns 126 random bits: two certificates never share a serial.
func newSerial(random io.Reader) (*big.Int, error) {
	b := make([]byte, 16)
	if _, err := io.ReadFull(random, b); err != nil {
		return nil, fmt.Errorf("make serial number: %w", err)
	}
	b[0] = b[0]&0x3f | 0x40
	return new(big.Int).SetBytes(b), nil
}

// service is the forest's object of device registration with the issuer in use.
type service struct {
	location string // distinguished name of the container of devices
	enabled  bool
	quota    int
	cert     *x509.Certificate
	key      *rsa.PrivateKey
}

var errNoIssuer = errors.New("the device registration service has no issuer that this federation service can use")

// loadService reads the object. The issuer is the newest that was sealed by this
// service.
func loadService(c *adldap.Conn, seal Sealer) (*service, error) {
	e, err := c.Read(edrs.ServiceDN(c.Base), "msDS-DeviceLocation", "msDS-IsEnabled", "msDS-RegistrationQuota", edrs.AttributeIssuers)
	if adldap.IsCode(err, ldapmsg.NoSuchObject) {
		return nil, edrs.ErrNoService
	}
	if err != nil {
		return nil, err
	}
	s := &service{enabled: strings.EqualFold(e.Text("msDS-IsEnabled"), "TRUE"), quota: quota}
	if s.location, _, err = adldap.SplitName(e.Text("msDS-DeviceLocation")); err != nil {
		return nil, fmt.Errorf("msDS-DeviceLocation: %w", err)
	}
	if text := e.Text("msDS-RegistrationQuota"); text != "" {
		if s.quota, err = strconv.Atoi(text); err != nil {
			return nil, fmt.Errorf("msDS-RegistrationQuota: %w", err)
		}
	}
	var newest time.Time
	for _, raw := range e.Values(edrs.AttributeIssuers) {
		v, err := edrs.ParseIssuerValue(raw)
		var packed []byte
		if err != nil || v.Made.Before(newest) || seal.Open(purposeIssuer, string(v.Sealed), &packed) != nil {
			continue // another service's, or an older one
		}
		if s.cert, s.key, err = unpack(packed); err != nil {
			return nil, err
		}
		newest = v.Made
	}
	if s.key == nil {
		return nil, errNoIssuer
	}
	return s, nil
}

func unpack(packed []byte) (*x509.Certificate, *rsa.PrivateKey, error) {
	der, pkcs8, err := edrs.UnpackIssuer(packed)
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, fmt.Errorf("issuer of device certificates: %w", err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(pkcs8)
	if err != nil {
		return nil, nil, fmt.Errorf("key of the issuer of device certificates: %w", err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, nil, fmt.Errorf("key of the issuer of device certificates is a %T", parsed)
	}
	return cert, key, nil
}

// issue makes a device's certificate. The request's own names are not read.
func (s *service) issue(random io.Reader, now time.Time, id drs.Identity, pub *rsa.PublicKey) ([]byte, error) {
	usage, err := drs.ClientAuthExtension()
	if err != nil {
		return nil, err
	}
	serial, err := newSerial(random)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: id.DeviceID.String()}, NotBefore: now.Add(-backdate), NotAfter: now.Add(deviceLife),
		BasicConstraintsValid: true, SignatureAlgorithm: x509.SHA256WithRSA, ExtraExtensions: append([]pkix.Extension{usage}, id.Extensions()...)}
	der, err := x509.CreateCertificate(random, t, s.cert, pub, s.key)
	if err != nil {
		return nil, fmt.Errorf("issue device certificate: %w", err)
	}
	return der, nil
}
