package windows

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/windows/container"
	"hellolab/providers/windows/kerberos"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/prt"
	"hellolab/providers/wire/winhello"
)

// certifying is the enrollment of a sign-in certificate for a user's Hello key at
// the certificate registration authority of AD FS: phases D to G of flows P5 and P7
// (seed 000), and what a later sign-in does where none came of them, or the
// certificate is to be renewed.
type certifying struct {
	*machine
	trace *trace
	cloud *cloudAP // towards AD FS
	user  person

	key     container.UserKey
	signer  crypto.Signer // of the key
	prt     *prtRecord    // of AD FS; nil: the user has none
	receipt string        // that the key is registered with the tenant (krctx); "" without one
	hint    string        // of AD FS's registration service (pctx); "" without one

	by      event.Actor // who asks: the application, or later the device
	letters bool        // the phases are those of the flow
}

func (c *certifying) in(letter string) {
	if c.letters {
		c.trace.in(letter)
	}
}

// run goes from the request to the store.
func (c *certifying) run(ctx context.Context) error {
	c.in("D")
	csr, err := c.request(ctx)
	if err != nil {
		return err
	}
	chain, err := c.ask(ctx, csr)
	if err != nil {
		return err
	}
	c.in("G")
	return c.install(ctx, c.trace, c.by, c.user, c.key, PurposeSignIn, hello.RegistrationAuthority, chain)
}

// request makes the PKCS #10, which the user key signs: the same key that was
// registered. It names nobody, as whose certificate it is to be AD FS knows.
func (c *certifying) request(ctx context.Context) ([]byte, error) {
	csr, err := certificateRequest(c.signer)
	if err != nil {
		c.trace.refused(keyHolder(c.machine), c.by, tpm20, "csr_created", "The key does not sign the certificate request.", err)
		return nil, err
	}
	digest := c.key.Key.Digest()
	c.trace.step(c.by, c.holds(), tpm20, "csr_created", "A PKCS #10 certificate request is made, signed with the key that was provisioned.",
		message{"kid": c.key.ID, "public_sha256": fmt.Sprintf("%x", digest[:8]), "signature": "SHA256-RSA", "length": len(csr)})
	return csr, nil
}

func (c *certifying) holds() event.Actor { return keyHolder(c.machine) }

// certificateRequest is a PKCS #10 without names.
func certificateRequest(key crypto.Signer) ([]byte, error) {
	csr, err := x509.CreateCertificateRequest(nil, &x509.CertificateRequest{SignatureAlgorithm: x509.SHA256WithRSA}, key)
	if err != nil {
		return nil, fmt.Errorf("sign a certificate request: %w", err)
	}
	return csr, nil
}

// registrationLetters are the phases that begin at the registration authority (seed
// 000, P5 E and F): it holds the key against those that are registered, in the
// directory's answer or the receipt, and signs; it sends the request to the CA.
var registrationLetters = map[string]string{"receipt_verified": "E", "request_signed": "E", "request_sent_to_ca": "F"}

// ask exchanges the token of AD FS for the certificate (MS-OAPXBC 3.2.5.1.4).
func (c *certifying) ask(ctx context.Context, csr []byte) ([]*x509.Certificate, error) {
	if c.prt == nil {
		return nil, refuse("no_enterprise_prt", nil)
	}
	if err := c.cloud.renewIfDue(ctx, c.prt); err != nil {
		return nil, err
	}
	nonce, err := c.cloud.nonce(ctx)
	if err != nil {
		return nil, err
	}
	now := c.env.Now()
	r := winhello.NewRequest(csr)
	r.RefreshToken, r.RequestNonce, r.WinVer = c.prt.Token, nonce, osVersion(c.machine.in.OS)
	r.Issuer, r.Audience = "aad:brokerplugin", c.cloud.at().host
	r.IssuedAt, r.Expires = prt.Time(now.Unix()), prt.Time(now.Add(5*time.Minute).Unix())
	r.Receipt, r.ProvisioningContext = c.receipt, c.hint
	kdf, err := random(c.env, prt.ContextSize)
	if err != nil {
		return nil, err
	}
	session := c.cloud.deriver(ctx, c.prt)
	signed, err := r.Sign(session, kdf)
	if err != nil {
		return nil, err
	}
	m := message{"resource": r.Resource, "csr_type": r.CSRType, "kid": c.key.ID, "receipt": c.receipt != "", "credential": c.prt.Credential}
	text := "The certificate request goes to the certificate registration authority, with the primary refresh token of AD FS."
	if c.receipt != "" {
		text = "The key receipt and the certificate request go to the certificate registration authority, with the primary refresh token of AD FS."
	}
	if c.letters {
		c.trace.peers = registrationLetters
	}
	c.trace.step(c.by, event.CRA, https, "certificate_request", text, m)
	c.trace.peers = nil
	req, err := c.cloud.request(ctx, signed, false)
	if err != nil {
		return nil, err
	}
	body, err := c.cloud.body(req)
	if err != nil {
		return nil, fromRegistrationAuthority(err)
	}
	chain, err := c.read(ctx, body, session)
	if err != nil {
		return nil, err
	}
	c.in("F")
	c.trace.step(c.by, "", local, "certificate_received", "The certificate comes back from the registration authority.",
		message{"subject": kerberos.NameOf(chain[0].RawSubject), "issuer": kerberos.NameOf(chain[0].RawIssuer), "serial_number": chain[0].SerialNumber.Text(16), "chain": len(chain)})
	return chain, nil
}

// read opens the reply, whose certificate must be of the key. The next primary
// refresh token, where it brings one, takes the place of the one that was shown.
func (c *certifying) read(ctx context.Context, body []byte, session prt.Deriver) ([]*x509.Certificate, error) {
	text, err := prt.OpenResponse(strings.TrimSpace(string(body)), session)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errReply, err)
	}
	reply, err := winhello.ParseReply(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errReply, err)
	}
	chain, err := reply.Chain(c.signer.Public())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errReply, err)
	}
	if reply.RefreshToken == "" {
		return chain, nil
	}
	now := c.env.Now()
	c.prt.Token, c.prt.Obtained, c.prt.Expires = reply.RefreshToken, now, now.Add(time.Duration(reply.RefreshTokenExpiresIn)*time.Second)
	return chain, c.env.Section.Record(ctx, func(w providers.Writer) error { return put(w, tableEnterprise, c.prt.key(), c.prt) })
}

// fromRegistrationAuthority is a refusal of AD FS in the terms of this exchange.
func fromRegistrationAuthority(err error) error {
	var sts *adfs.Error
	if !errors.As(err, &sts) || isOver(err) {
		return err
	}
	says := func(beginning string) bool { return strings.HasPrefix(sts.Sentence, beginning) }
	code := "certificate_request_refused"
	switch {
	case says(winhello.ReceiptRefused):
		code = "receipt_refused"
	case sts.Code == adfs.CodeHelloKey:
		code = "certificate_key_unknown"
	case says(winhello.AgentMissing), says(winhello.AgentRefused):
		code = "agent_certificate_unusable"
	case says(winhello.NotIssued):
		code = "certificate_not_issued"
	}
	r := refuse(code, err)
	if sts.Sentence != "" {
		r.Reason.Sentence = sts.Sentence
	}
	return r
}

// withoutCertificate tells that a key stays without certificate for now: the
// device tries again at a later sign-in.
func (t *trace) withoutCertificate(by event.Actor, err error) {
	t.refused(by, event.User, local, "certificate_not_enrolled", "The Hello key has no new sign-in certificate.", err)
	t.skip(by, "certificate_retry", "The device asks for the sign-in certificate again at a later sign-in.", reasonOf(err).Code)
}

// certificate is phases D to G of flows P5 and P7. What stops them takes the key
// nothing: it is registered, and the device asks again at a later sign-in.
func (p *provisioning) certificate(ctx context.Context) error {
	sts, err := p.asksEnterprise(p.user, p.route)
	if err != nil {
		return err
	}
	if sts == nil {
		return refuse("registration_authority_not_ready", nil)
	}
	c := &certifying{machine: p.machine, trace: p.trace, cloud: p.cloud.towards(sts), user: p.user, key: p.key, prt: p.enterprise,
		receipt: p.receipt, hint: p.hint, by: event.CXH, letters: true}
	if c.signer, err = p.released.Section(p.key.Provider).Signer(ctx, p.key.ID); err != nil {
		return err
	}
	if err := c.run(ctx); err != nil {
		if ctx.Err() != nil {
			return err
		}
		p.trace.withoutCertificate(event.CXH, err)
	}
	return nil
}
