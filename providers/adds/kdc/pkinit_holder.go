package kdc

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"strings"

	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/cms"
	"hellolab/providers/wire/keycred"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/pac"
	"hellolab/providers/wire/pkinit"
	"hellolab/providers/wire/sid"
)

// holder is who signed a request: the account's owner by a certificate, or by a
// key that is registered with the account.
type holder struct {
	certificate *x509.Certificate // as sent; nil: none came
	key         *keycred.Key      // nil: a trusted certificate
	note        map[string]any
}

func (h *holder) method() string {
	if h.key != nil {
		return "PKINIT with a registered key"
	}
	return "PKINIT with a certificate"
}

// maxKeys bounds how many registered keys are tried on a signature that does
// not say whose it is.
const maxKeys = 256

// authenticate finds out who signed a request for x.Account. First the
// certificate that came with it counts; if its path leads nowhere, the account's
// registered keys do (MS-PKCA 3.1.5.2.1).
func (p *PKINIT) authenticate(ctx context.Context, x *ASExchange, r *pkinit.Request) (*holder, error) {
	accept := cms.Accept{SHA1: p.Policy.AllowSHA1}
	cert := r.Signed.SignerCertificate()
	if cert == nil {
		return p.byUnnamedKey(x, r, accept)
	}
	for name, v := range note(cert) {
		x.tell(name, v)
	}
	if err := r.Signed.Verify(cert.PublicKey, accept); err != nil {
		return nil, unreadable(err)
	}
	if _, err := adcert.Understand(cert); err != nil {
		return nil, invalid(&TrustError{Kind: Invalid, Sentence: "The names in the certificate cannot be read.", Certificates: []*x509.Certificate{cert}})
	}
	err := p.verifyClient(ctx, x, cert, r.Signed.Certificates)
	if err == nil {
		h := &holder{certificate: cert, note: note(cert)}
		h.note["trusted"] = "root, life, NTAuth and revocation"
		return h, p.admit(x, cert)
	}
	var distrust *TrustError
	if !errors.As(err, &distrust) {
		return nil, err
	}
	if distrust.Kind != NoPath && distrust.Kind != Untrusted {
		return nil, invalid(distrust)
	}
	key, err := registered(x, func(pub crypto.PublicKey) bool { return equalKeys(pub, cert.PublicKey) })
	if err != nil {
		return nil, err
	}
	if key == nil { // fault 64
		if selfSigned(cert) {
			return nil, krb.NewError(krb.ErrClientNotTrusted, "The key of the self-signed certificate is not registered with %s.", x.Account.SAMAccountName).
				WithHint("If the key was registered at Entra ID, the next synchronization writes it to the domain.")
		}
		return nil, invalid(distrust)
	}
	h := &holder{certificate: cert, key: key, note: note(cert)}
	h.noteKey()
	return h, p.misnamed(x)
}

func (p *PKINIT) verifyClient(ctx context.Context, x *ASExchange, cert *x509.Certificate, sent []*x509.Certificate) error {
	if p.Trust == nil {
		return &TrustError{Kind: NoPath}
	}
	chain := []*x509.Certificate{cert}
	for _, other := range sent {
		if other != cert {
			chain = append(chain, other)
		}
	}
	return p.Trust.VerifyClient(ctx, chain, x.Now)
}

// byUnnamedKey tries the account's registered keys on a signature whose
// certificate did not come (MIT's clients leave a self-signed one out).
func (p *PKINIT) byUnnamedKey(x *ASExchange, r *pkinit.Request, accept cms.Accept) (*holder, error) {
	if !p.Policy.KeylessCMS {
		return nil, krb.NewError(krb.ErrCantVerifyCertificate, "The request does not bring the certificate that it is signed with.").
			WithHint("Clients of MIT Kerberos leave a self-signed certificate out; the domain's switch keyless_cms lets them.")
	}
	var failed error
	key, err := registered(x, func(pub crypto.PublicKey) bool {
		err := r.Signed.Verify(pub, accept)
		if err != nil {
			failed = err
		}
		return err == nil
	})
	switch {
	case err != nil:
		return nil, err
	case key == nil && errors.Is(failed, cms.ErrDigest):
		return nil, unreadable(failed)
	case key == nil:
		return nil, krb.NewError(krb.ErrClientNotTrusted, "The request brings no certificate, and no key that is registered with %s signed it.", x.Account.SAMAccountName)
	}
	h := &holder{key: key, note: map[string]any{}}
	h.noteKey()
	return h, p.misnamed(x)
}

// misnamed is the refusal of a registered key by a controller that misnames them.
func (p *PKINIT) misnamed(x *ASExchange) error {
	if !p.Policy.MisnamesKeys {
		return nil
	}
	return krb.NewError(krb.ErrClientNameMismatch, "This controller takes the key of %s for another account's.", x.Account.SAMAccountName).
		WithHint("Windows Server 2019 does so before build 17763.316: update it.")
}

// registered finds the first registered key for which is says yes; nil when
// there is none. Values that cannot be used are passed over. A key whose private
// half others can find proves nobody, and is refused (fault 86).
func registered(x *ASExchange, is func(crypto.PublicKey) bool) (*keycred.Key, error) {
	keys, _ := keycred.Usable(x.Account.KeyCredentials, x.Now)
	for i := range keys[:min(len(keys), maxKeys)] {
		pub, err := keys[i].PublicKey()
		if err != nil {
			return nil, err
		}
		if !is(pub) {
			continue
		}
		if weak := keycred.Weaknesses(pub); len(weak) > 0 {
			return nil, krb.NewError(krb.ErrClientNotTrusted, "The key is registered with %s and weak: %s.", x.Account.SAMAccountName, weak[0]).
				WithHint("Enroll the user anew with a sound key, and remove this one.")
		}
		return &keys[i], nil
	}
	return nil, nil
}

func equalKeys(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

// selfSigned only chooses the words of a refusal and of an event, and so
// believes the names.
func selfSigned(cert *x509.Certificate) bool {
	return string(cert.RawIssuer) == string(cert.RawSubject)
}

// maxNote bounds a name in an event: it may be of a certificate that nobody
// vouches for.
const maxNote = 256

func clip(name string) string {
	if len(name) > maxNote {
		return strings.ToValidUTF8(name[:maxNote], "")
	}
	return name
}

// note is what an event says of a certificate.
func note(cert *x509.Certificate) map[string]any {
	sum := sha256.Sum256(cert.Raw)
	m := map[string]any{"certificate": hex.EncodeToString(sum[:]), "issuer": clip(adcert.DirectoryName(cert.RawIssuer)), "self_signed": selfSigned(cert)}
	if names, err := adcert.Names(cert); err == nil && len(names.UPNs) > 0 {
		m["upn"] = clip(names.UPNs[0])
	}
	return m
}

// noteKey adds what the directory says of the registered key.
func (h *holder) noteKey() {
	h.note["key_source"], h.note["key_mfa"], h.note["key_attested"] = h.key.Source.String(), h.key.MFA(), h.key.Attested()
	if h.key.Device != nil {
		h.note["key_device"] = h.key.Device.String()
	}
}

// pac adds what the proof tells of its client: identifiers of how it signed in
// (MS-DTYP 2.4.2.4), and the NT hash, readable with the reply key only, where
// the account has one.
func (h *holder) pac(account *Account, reply krb.Key, fresh bool) func(*pac.PAC) error {
	return func(p *pac.PAC) error {
		add := func(s sid.SID, yes bool) {
			if yes {
				p.LogonInfo.ExtraSIDs = append(p.LogonInfo.ExtraSIDs, pac.SIDAndAttributes{SID: s, Attributes: pac.GroupAttributes})
			}
		}
		add(sid.FreshPublicKey, fresh)
		if h.key != nil {
			add(sid.KeyTrust, true)
			add(sid.KeyMFA, h.key.MFA())
			add(sid.KeyAttested, h.key.Attested())
		}
		if len(account.NTHash) == 0 {
			return nil
		}
		ntlm, err := pac.NTLM(account.NTHash)
		if err != nil {
			return err
		}
		p.Credentials, err = pac.SealCredentials(reply, []pac.SupplementalCredential{ntlm})
		return err
	}
}
