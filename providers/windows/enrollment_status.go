package windows

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"hellolab/providers"
	"hellolab/providers/administer"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/keycred"
	"hellolab/providers/wire/ldapmsg"
)

// Values of spec.EnrollmentOut.Status.
const (
	statusReady   = "ready"
	statusWaiting = "waiting_for_sync"

	statusNoCertificate = "waiting_for_certificate"
)

// enrollmentWatch is the domain that the user's key is proven to: whether the key
// is there is a matter of its status.
func enrollmentWatch(objects providers.Objects, in spec.Enrollment) []providers.Ref {
	user, err := providers.Resolve[spec.User, spec.UserOut](providers.Env{Objects: objects}, in.User)
	if err != nil || user.In.Domain == "" {
		return nil
	}
	user.In.Password.Wipe()
	return []providers.Ref{user.In.Domain}
}

// certificateOut is the sign-in certificate of the enrollment's key, its thumbprint
// and end; "" where there is none.
func (e *enrolling) certificateOut(rec enrollmentRecord) (thumbprint, notAfter string) {
	cert, err := e.enrolledCertificate(rec)
	if err != nil || cert == nil {
		return "", ""
	}
	return drs.Thumbprint(cert.Raw), cert.NotAfter.UTC().Format(time.RFC3339)
}

func (e *enrolling) enrolledCertificate(rec enrollmentRecord) (*x509.Certificate, error) {
	held, ok, err := e.containerOf(e.user)
	if err != nil || !ok {
		return nil, err
	}
	for _, key := range held.UserKeys {
		if key.ID != rec.KeyID {
			continue
		}
		chain, err := e.signInCertificate(e.user, key)
		if err != nil || chain == nil {
			return nil, err
		}
		return chain[0], nil
	}
	return nil, nil
}

// status says where the credential can be used: with key trust, in the domain
// only when the key has arrived there; with certificate trust, when there is a
// certificate in its life. last is what was known before; it stands while the domain
// cannot be asked.
func (e *enrolling) status(ctx context.Context, rec enrollmentRecord, last string) string {
	if rec.Trust == string(hello.CertTrust) {
		cert, err := e.enrolledCertificate(rec)
		if err != nil || cert == nil || e.env.Now().After(cert.NotAfter) {
			return statusNoCertificate
		}
		return statusReady
	}
	if rec.Trust != string(hello.KeyTrust) || e.user.domain == "" {
		return statusReady
	}
	switch there, err := e.keyInDomain(ctx, rec.KeyID); {
	case err != nil:
		return cmp.Or(last, statusWaiting)
	case there:
		return statusReady
	}
	return statusWaiting
}

// keyInDomain reports whether the user's account in the domain has the key, as the
// domain's administrator reads it. Values that nobody can read are no keys.
func (e *enrolling) keyInDomain(ctx context.Context, kid string) (there bool, err error) {
	err = e.linked(ctx, kid, func(*adldap.Conn, string, string) error { there = true; return nil })
	return there, err
}

// removeFromDomain takes the key off the user's account in the domain, as its
// administrator. An account that is gone has none.
func (e *enrolling) removeFromDomain(ctx context.Context, kid string) error {
	err := e.linked(ctx, kid, func(c *adldap.Conn, account, value string) error {
		return c.RemoveValue(account, keyCredentialLink, value)
	})
	if adldap.IsCode(err, ldapmsg.NoSuchObject) || errors.Is(err, errNotCreated) {
		return nil
	}
	return err
}

// linked calls do with each value of the user's account in the domain that is the
// key.
func (e *enrolling) linked(ctx context.Context, kid string, do func(c *adldap.Conn, account, value string) error) error {
	d, err := domainAt(e.desk, e.user.domain)
	if err != nil {
		return err
	}
	user, err := providers.Resolve[spec.User, spec.UserOut](e.desk, providers.Ref(e.user.addr))
	if err != nil {
		return err
	}
	user.In.Password.Wipe()
	if user.Out.DomainID == "" {
		return fmt.Errorf("%s: %w", e.user.addr, errNotCreated)
	}
	// A plan asks for each enrollment, and signs in once.
	conn, release, err := providers.Share(ctx, "directory of "+string(e.user.domain),
		func(ctx context.Context) (*adldap.Conn, error) { return administer.SignIn(ctx, e.desk, d.Out) }, (*adldap.Conn).Close)
	if err != nil {
		return err
	}
	defer release()
	account := adldap.ByGUID(user.Out.DomainID)
	entry, err := conn.Read(account, keyCredentialLink)
	if err != nil {
		return err
	}
	for _, v := range entry.Values(keyCredentialLink) {
		b, err := ldapmsg.ParseDNBinary(string(v))
		if err != nil {
			continue
		}
		if k, err := keycred.Parse(b.Binary); err == nil && base64.StdEncoding.EncodeToString(k.ID) == kid {
			if err := do(conn, account, string(v)); err != nil {
				return err
			}
		}
	}
	return nil
}

// keyCredentialLink is the attribute of an account in a domain that has its keys
// (MS-ADA2).
const keyCredentialLink = "msDS-KeyCredentialLink"
