package windows

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/windows/container"
	"hellolab/providers/windows/kerberos"
	"hellolab/providers/wire/drs"
)

// storedCertificate is an entry of a user's Personal store: a certificate whose
// private key is a user key of the Hello container.
type storedCertificate struct {
	Chain     [][]byte       `json:"chain"`    // DER: the certificate, then what leads to its root, which is left out
	KeyID     string         `json:"key_id"`   // kid of the key in the container
	Purpose   string         `json:"purpose"`  // PurposeSignIn, or that of a block of kind certificate
	Delivery  hello.Delivery `json:"delivery"` // how it came
	Installed time.Time      `json:"installed"`
}

// PurposeSignIn is the certificate that the domain takes for the user's Hello key
// (KEY-24); the purposes of other certificates are those of spec.Certificate.
const PurposeSignIn = "sign_in"

func (c storedCertificate) certificates() ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for _, der := range c.Chain {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("certificate in the Personal store: %w", err)
		}
		all = append(all, cert)
	}
	if len(all) == 0 {
		return nil, errors.New("certificate in the Personal store: it is empty")
	}
	return all, nil
}

// renewAhead is how long before its end a sign-in certificate is renewed: the
// renewal period of its template as Windows' guides make it, six weeks, and of
// one that lives shorter a fifth of its life.
const renewAhead = 42 * 24 * time.Hour

func renewalDue(leaf *x509.Certificate, now time.Time) bool {
	ahead := min(renewAhead, leaf.NotAfter.Sub(leaf.NotBefore)/5)
	return !now.Before(leaf.NotAfter.Add(-ahead))
}

// errNotOfKey is a certificate that is not one of the key.
var errNotOfKey = errors.New("the certificate is not of the Hello key")

// installCertificate puts a certificate into a user's Personal store, and has the
// key in the container know it. One of the same purpose that it renews stays until
// it ends, as Windows archives it.
func (m *machine) installCertificate(ctx context.Context, user person, c storedCertificate) error {
	chain, err := c.certificates()
	if err != nil {
		return err
	}
	leaf := chain[0]
	thumbprint := drs.Thumbprint(leaf.Raw)
	return m.env.Section.Record(ctx, func(w providers.Writer) error {
		held, ok, err := load[*container.Container](w, tableContainer, m.holder(user))
		if err != nil {
			return err
		}
		if !ok {
			return refuse("no_hello_credential", nil)
		}
		i := slices.IndexFunc(held.UserKeys, func(k container.UserKey) bool { return k.ID == c.KeyID })
		if i < 0 {
			return fmt.Errorf("%w: %s", container.ErrNoKey, c.KeyID)
		}
		key := &held.UserKeys[i]
		if !bytes.Equal(leaf.RawSubjectPublicKeyInfo, key.Key.Public) {
			return errNotOfKey
		}
		if !slices.Contains(key.Certificates, thumbprint) {
			key.Certificates = append(key.Certificates, thumbprint)
		}
		return errors.Join(put(w, tableContainer, m.holder(user), held), put(w, tablePersonal, user.sid+"|"+thumbprint, c))
	})
}

// dropCertificates removes from a user's Personal store what is not of the key
// that stays; "": everything.
func dropCertificates(w providers.Writer, sid, stays string) error {
	var gone []string
	err := w.Scan(tablePersonal, sid+"|", func(key string, _ []byte) error {
		c, _, err := load[storedCertificate](w, tablePersonal, key)
		if stays == "" || c.KeyID != stays {
			gone = append(gone, key)
		}
		return err
	})
	for _, key := range gone {
		err = errors.Join(err, w.Delete(tablePersonal, key))
	}
	return err
}

// certificatesOf are the certificates of a purpose for a key in the container, in
// the order in which they were installed.
func (m *machine) certificatesOf(user person, key container.UserKey, purpose string) (all []storedCertificate, err error) {
	err = m.env.Section.View(func(r providers.Reader) error {
		for _, thumbprint := range key.Certificates {
			c, ok, err := load[storedCertificate](r, tablePersonal, user.sid+"|"+thumbprint)
			if err != nil {
				return err
			}
			if ok && c.KeyID == key.ID && c.Purpose == purpose {
				all = append(all, c)
			}
		}
		return nil
	})
	return all, err
}

// signInCertificate chooses the certificate that proves a key to the domain: of
// those in their life the one that ends last, else of all. A controller is to
// refuse one that has ended. Nil: there is none.
func (m *machine) signInCertificate(user person, key container.UserKey) (chosen []*x509.Certificate, err error) {
	all, err := m.certificatesOf(user, key, PurposeSignIn)
	if err != nil {
		return nil, err
	}
	now, valid := m.env.Now(), false
	for _, c := range all {
		chain, err := c.certificates()
		if err != nil {
			return nil, err
		}
		leaf := chain[0]
		in := !now.Before(leaf.NotBefore) && !now.After(leaf.NotAfter)
		if chosen == nil || in && !valid || in == valid && leaf.NotAfter.After(chosen[0].NotAfter) {
			chosen, valid = chain, in
		}
	}
	return chosen, nil
}

// PersonalCertificate is a certificate in a user's Personal store, as certutil
// -user -store My shows it, and what the device knows of it besides.
type PersonalCertificate struct {
	Thumbprint string    `json:"thumbprint"` // SHA-1
	Subject    string    `json:"subject"`
	Issuer     string    `json:"issuer"`
	Serial     string    `json:"serial_number"` // hexadecimal
	NotBefore  time.Time `json:"not_before"`
	NotAfter   time.Time `json:"not_after"`
	KeyID      string    `json:"key_id"` // of the key in the Hello container
	Purpose    string    `json:"purpose"`
	Delivery   string    `json:"delivery"`
	Installed  time.Time `json:"installed"`
	DER        []byte    `json:"certificate"`
}

// Certificates is the Personal store of a user on the device whose env is given,
// the certificate that ends last first. user is an address.
func (w *Windows) Certificates(env providers.Env, device, user string) ([]PersonalCertificate, error) {
	rec, ok, err := view[machineRecord](env.Section, tableMachine, "record")
	if err != nil || !ok {
		return nil, fmt.Errorf("%s: %w", device, errors.Join(err, notInstalled(ok)))
	}
	who, err := userOf(env, providers.Ref(user))
	if err != nil {
		return nil, err
	}
	who.password.Wipe()
	return (&machine{env: env, addr: device, rec: rec}).personalStore(who.sid)
}

func (m *machine) personalStore(sid string) (all []PersonalCertificate, err error) {
	err = m.env.Section.View(func(r providers.Reader) error {
		return r.Scan(tablePersonal, sid+"|", func(key string, _ []byte) error {
			c, _, err := load[storedCertificate](r, tablePersonal, key)
			if err != nil {
				return err
			}
			chain, err := c.certificates()
			if err != nil {
				return err
			}
			_, thumbprint, _ := strings.Cut(key, "|")
			leaf := chain[0]
			all = append(all, PersonalCertificate{
				Thumbprint: thumbprint, Subject: kerberos.NameOf(leaf.RawSubject), Issuer: kerberos.NameOf(leaf.RawIssuer), Serial: leaf.SerialNumber.Text(16),
				NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter, KeyID: c.KeyID, Purpose: c.Purpose, Delivery: string(c.Delivery), Installed: c.Installed, DER: leaf.Raw,
			})
			return nil
		})
	})
	slices.SortFunc(all, func(a, b PersonalCertificate) int { return b.NotAfter.Compare(a.NotAfter) })
	return all, err
}

// InstallCertificate puts a certificate for a user's Hello key into the user's
// Personal store, as certreq -accept does. chain is the certificate and what leads
// to its root; purpose is PurposeSignIn or one of kind certificate.
func (w *Windows) InstallCertificate(ctx context.Context, env providers.Env, user, device, purpose string, delivery hello.Delivery, chain []*x509.Certificate) error {
	p, err := w.atDevice(env, user, device)
	if err != nil {
		return err
	}
	held, err := p.workContainer()
	if err != nil {
		return err
	}
	key, _ := held.UserKey(p.identity().provider())
	t, ctx, err := newTrace(ctx, env, "", user, device)
	if err != nil {
		return err
	}
	return p.install(ctx, t, event.Device, p.user, key, purpose, delivery, chain)
}

// install is installCertificate with its step in a trace. The root is not kept.
func (m *machine) install(ctx context.Context, t *trace, by event.Actor, user person, key container.UserKey, purpose string, delivery hello.Delivery, chain []*x509.Certificate) error {
	c := storedCertificate{KeyID: key.ID, Purpose: purpose, Delivery: delivery, Installed: m.env.Now()}
	for i, cert := range chain {
		if i == 0 || !bytes.Equal(cert.RawIssuer, cert.RawSubject) {
			c.Chain = append(c.Chain, cert.Raw)
		}
	}
	if err := m.installCertificate(ctx, user, c); err != nil {
		t.refused(by, event.Store, local, "certificate_installed", "The certificate cannot be installed.", err)
		return err
	}
	failpoint(m.env, "enrollment:certificate-installed")
	leaf := chain[0]
	t.step(by, event.Store, local, "certificate_installed", "The certificate is installed in the user's Personal store; its private key is the Hello key in the container.",
		message{"thumbprint": drs.Thumbprint(leaf.Raw), "subject": kerberos.NameOf(leaf.RawSubject), "issuer": kerberos.NameOf(leaf.RawIssuer), "not_after": leaf.NotAfter, "kid": key.ID, "purpose": purpose, "delivery": string(delivery)})
	return nil
}
