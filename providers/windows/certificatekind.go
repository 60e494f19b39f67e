package windows

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows/container"
)

type certificateObject = providers.Object[spec.Certificate, spec.CertificateOut]

// certificate is the kind of further certificates in Hello containers. Making one
// is what the device does with the SCEP profile that device management sends it:
// the user gives the PIN, and the Hello key signs the request. That is the first
// of the two ways of seed 004 to have a user id key: with the organization's
// authority.
func (w *Windows) certificate() providers.Kind[spec.Certificate, spec.CertificateOut] {
	return providers.Kind[spec.Certificate, spec.CertificateOut]{
		Name:  "certificate",
		Doc:   "A further certificate in a Hello container, for the user key of an enrollment: for a VPN, or for Remote Desktop.",
		After: []string{"domain", "authority", "trust", "enrollment"},
		Home:  func(in spec.Certificate) providers.Ref { return in.Enrollment },
		Disk:  func(in spec.Certificate) providers.Ref { return in.Enrollment },
		Key:   certificateKey,
		Find:  w.findCertificate, Create: w.createCertificate, Read: w.readCertificate, Delete: w.deleteCertificate,
	}
}

func certificateKey(in spec.Certificate) string {
	if in.Enrollment == "" {
		return ""
	}
	return string(in.Enrollment) + "|" + in.Purpose
}

// profiles are the templates of purposes.
var profiles = map[string]string{spec.PurposeVPN: templateVPN, spec.PurposeRDP: templateRDP}

// holding is the user at the device that a certificate is on.
func (w *Windows) holding(env providers.Env, in spec.Certificate) (*present, spec.Enrollment, error) {
	e, err := providers.Resolve[spec.Enrollment, spec.EnrollmentOut](env, in.Enrollment)
	if err != nil {
		return nil, e.In, fmt.Errorf("%s: %w", in.Enrollment, err)
	}
	p, err := w.atDevice(env, string(e.In.User), string(e.In.Device))
	if err != nil {
		e.In.PIN.Wipe()
	}
	return p, e.In, err
}

// held is what the Personal store has of a purpose for the user's key, the one that
// ends last.
func (p *present) held(purpose string) (*PersonalCertificate, error) {
	c, err := p.workContainer()
	if err != nil {
		return nil, err
	}
	key, _ := c.UserKey(p.identity().provider())
	all, err := p.personalStore(p.user.sid)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(c PersonalCertificate) bool { return c.Purpose == purpose && c.KeyID == key.ID })
	if i < 0 {
		return nil, providers.ErrGone
	}
	return &all[i], nil
}

func certificateOut(c *PersonalCertificate) spec.CertificateOut {
	return spec.CertificateOut{Thumbprint: c.Thumbprint, NotAfter: c.NotAfter.UTC().Format(time.RFC3339)}
}

func (w *Windows) createCertificate(ctx context.Context, env providers.Env, in spec.Certificate) (spec.CertificateOut, error) {
	p, e, err := w.holding(env, in)
	if err != nil {
		return spec.CertificateOut{}, err
	}
	defer e.PIN.Wipe()
	if len(e.PIN) == 0 {
		return spec.CertificateOut{}, fmt.Errorf("%s: %w", env.Addr, refuse("certificate_needs_pin", nil))
	}
	defer p.oneAtATime()()
	if _, err := p.held(in.Purpose); err == nil {
		return spec.CertificateOut{}, fmt.Errorf("%s has its %s certificate already", in.Enrollment, in.Purpose)
	}
	t, ctx, err := newTrace(ctx, env, "", string(e.User), string(e.Device))
	if err != nil {
		return spec.CertificateOut{}, err
	}
	if err := p.enrollFor(ctx, t, in, e.PIN); err != nil {
		return spec.CertificateOut{}, fmt.Errorf("%s: %w", env.Addr, err)
	}
	c, err := p.held(in.Purpose)
	if err != nil {
		return spec.CertificateOut{}, err
	}
	return certificateOut(c), nil
}

// enrollFor opens the container with the PIN, and enrolls.
func (p *present) enrollFor(ctx context.Context, t *trace, in spec.Certificate, pin providers.Secret) error {
	held, err := p.workContainer()
	if err != nil {
		return err
	}
	key, _ := held.UserKey(p.identity().provider())
	t.step(event.Device, event.User, local, "pin_prompt", "Windows asks for the PIN: the Hello key is to sign a certificate request.", nil)
	released, err := p.releaseByPIN(ctx, p.user, held, pin, "")
	if err != nil {
		t.refused(event.Container, event.Device, tpm20, "key_release_refused", "The PIN does not open the container.", err)
		return err
	}
	defer released.Close()
	t.step(event.Container, keyHolder(p.machine), tpm20, "key_released", "The PIN opens its protector: the key is released.", message{"gesture": "pin", "kid": key.ID})
	signer, err := released.Section(key.Provider).Signer(ctx, key.ID)
	if err != nil {
		return err
	}
	return p.enrollBySCEP(ctx, t, p.user, key, signer, scepProfile{authority: in.Authority, template: profiles[in.Purpose], purpose: in.Purpose})
}

// findCertificate finds what a killed creation installed.
func (w *Windows) findCertificate(ctx context.Context, env providers.Env, key string) (certificateObject, error) {
	o, err := providers.Resolve[spec.Certificate, spec.CertificateOut](env, providers.Ref(env.Addr))
	if err != nil {
		return certificateObject{}, err
	}
	if key != certificateKey(o.In) {
		return certificateObject{}, providers.ErrGone
	}
	return w.readCertificate(ctx, env, certificateObject{Addr: env.Addr, In: o.In})
}

func (w *Windows) readCertificate(_ context.Context, env providers.Env, o certificateObject) (certificateObject, error) {
	p, e, err := w.holding(env, o.In)
	if err != nil {
		return o, gone(err)
	}
	e.PIN.Wipe()
	c, err := p.held(o.In.Purpose)
	if err != nil {
		return o, gone(err)
	}
	o.Addr, o.Out = env.Addr, certificateOut(c)
	o.ID = o.Out.Thumbprint
	return o, nil
}

// gone makes the absence of what holds a certificate its own.
func gone(err error) error {
	var no *Refusal
	switch {
	case errors.Is(err, errNotInstalled), errors.Is(err, errNotCreated), errors.Is(err, providers.ErrUnknownObject):
		return providers.ErrGone
	case errors.As(err, &no) && no.Reason.Code == "no_hello_credential":
		return providers.ErrGone
	}
	return err
}

// deleteCertificate takes every certificate of the purpose out of the store. The
// authority keeps it issued: taking it back is another matter.
func (w *Windows) deleteCertificate(ctx context.Context, env providers.Env, o certificateObject) error {
	p, e, err := w.holding(env, o.In)
	if err != nil {
		if errors.Is(gone(err), providers.ErrGone) {
			return nil
		}
		return err
	}
	e.PIN.Wipe()
	return p.dropPurpose(ctx, o.In.Purpose)
}

func (p *present) dropPurpose(ctx context.Context, purpose string) error {
	return p.env.Section.Update(ctx, func(w providers.Writer) error {
		var gone []string
		prefix := p.user.sid + "|"
		err := w.Scan(tablePersonal, prefix, func(key string, _ []byte) error {
			c, _, err := load[storedCertificate](w, tablePersonal, key)
			if c.Purpose == purpose {
				gone = append(gone, key)
			}
			return err
		})
		if err != nil || len(gone) == 0 {
			return err
		}
		for _, key := range gone {
			err = errors.Join(err, w.Delete(tablePersonal, key))
		}
		held, ok, loadErr := load[*container.Container](w, tableContainer, p.holder(p.user))
		if err = errors.Join(err, loadErr); err != nil || !ok {
			return err
		}
		for i := range held.UserKeys {
			k := &held.UserKeys[i]
			k.Certificates = slices.DeleteFunc(k.Certificates, func(thumbprint string) bool { return slices.Contains(gone, prefix+thumbprint) })
		}
		return put(w, tableContainer, p.holder(p.user), held)
	})
}
