package windows

import (
	"context"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/windows/container"
	"hellolab/providers/windows/kerberos"
	"hellolab/providers/wire/scep"
)

// scepProfile is a certificate that device management has a device enroll for the
// user's Hello key (the PassportForWork key container of ClientCertificateInstall's
// SCEP profiles).
type scepProfile struct {
	authority providers.Ref // whose NDES answers
	template  string
	purpose   string // PurposeSignIn, or one of kind certificate
}

// Templates of an authority that profiles name.
const (
	templateSignIn = "WHFBDeviceAuthentication"
	templateVPN    = "VPNUser"
	templateRDP    = "RemoteDesktopUser"
)

// enrollBySCEP does what a SCEP profile of device management asks for: device
// management fetches a challenge for the user from the authority's NDES, and the
// device enrolls with it for the key, which signs one request, and installs what
// comes.
func (m *machine) enrollBySCEP(ctx context.Context, t *trace, user person, key container.UserKey, signer crypto.Signer, p scepProfile) error {
	refused := func(err error) error {
		t.refused(event.Device, event.SCEP, "SCEP", "certificate_refused", "The device gets no certificate.", err)
		return err
	}
	if user.upnOnPrem == "" {
		return refused(because("not_domain_account", nil, "%s has no account in the domain.", user.addr))
	}
	c, err := m.challengeFor(ctx, user, p)
	if err != nil {
		return refused(err)
	}
	t.step(event.MDM, event.Device, https, "scep_profile", "Device management sends the device a SCEP profile with a challenge for the user.",
		message{"url": c.URL, "ca_thumbprint": c.Thumbprint, "template": p.template, "purpose": p.purpose, "user": user.upnOnPrem, "expires": c.Expires})
	csr, err := scep.NewRequest(m.env.Rand, signer, pkix.Name{CommonName: user.upnOnPrem}, c.Password)
	if err != nil {
		t.refused(keyHolder(m), event.Device, tpm20, "csr_created", "The key does not sign the certificate request.", err)
		return err
	}
	digest := key.Key.Digest()
	t.step(event.Device, keyHolder(m), tpm20, "csr_created", "A PKCS #10 certificate request is made, signed with the Hello key.",
		message{"kid": key.ID, "public_sha256": fmt.Sprintf("%x", digest[:8]), "signature": "SHA256-RSA", "length": len(csr)})
	t.step(event.Device, event.SCEP, "SCEP", "certificate_request", "The certificate request goes to the authority's NDES, with the challenge.", message{"url": c.URL, "purpose": p.purpose})
	client := &scep.Client{Dial: m.env.Network.Dial, URL: c.URL, Thumbprint: c.Thumbprint, Now: m.env.Now, Rand: m.env.Rand}
	chain, err := client.Enroll(ctx, csr)
	var no *scep.Refusal
	if errors.As(err, &no) {
		return refused(because("certificate_not_issued", err, "NDES refuses the certificate request: %s", no.Text))
	}
	if err != nil {
		return refused(err)
	}
	t.step(event.Device, "", local, "certificate_received", "The certificate comes back from NDES.",
		message{"subject": kerberos.NameOf(chain[0].RawSubject), "issuer": kerberos.NameOf(chain[0].RawIssuer), "serial_number": chain[0].SerialNumber.Text(16), "chain": len(chain)})
	return m.install(ctx, t, event.Device, user, key, p.purpose, hello.MDMDelivery, chain)
}

// challengeFor is device management's part: it is no part of the device, and asks
// over the lab's network, wherever the device is.
func (m *machine) challengeFor(ctx context.Context, user person, p scepProfile) (*scep.Challenge, error) {
	a, err := providers.Resolve[spec.Authority, spec.AuthorityOut](m.env, p.authority)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.authority, err)
	}
	if a.Out.Host == "" {
		return nil, fmt.Errorf("%s: %w", p.authority, errNotCreated)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(a.Out.Certificate)) {
		return nil, fmt.Errorf("%s has no certificate", p.authority)
	}
	admin := &scep.Admin{Env: m.desk, Host: a.Out.Host, Secret: a.Out.SCEPSecret, Roots: roots}
	return admin.Challenge(ctx, user.upnOnPrem, p.template)
}
