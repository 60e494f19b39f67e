// Package ra is the certificate registration authority of AD FS: it decides
// whether a user's Windows Hello for Business key gets a sign-in certificate, and
// has the enterprise's CA issue it, as its enrollment agent (MS-OAPXBC 3.2.5.1.4.3).
//
//	D  certificate request and, where a tenant registered the key, its receipt
//	E  the key is in the user's msDS-KeyCredentialLink, or a receipt proves it;
//	   the request is signed with the enrollment agent certificate
//	F  the CA checks the agent and issues; the certificate goes back both ways
//
// The receipt counts only for a key that is not in Active Directory yet. Who signs
// receipts stands in the forest's object of device registration, where Entra
// Connect tells it; a forest without a tenant has nobody, and no receipt counts
// there. A receipt may be shown as often as its holder likes while it is good: it
// is for one key of one user on one device, and names no request.
//
// Of the request the public key alone counts: names are the directory's, and the
// CA takes them from there.
package ra

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"hellolab/providers/adfs/farm"
	"hellolab/providers/event"
	"hellolab/providers/wire/addevice"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/edrs"
	"hellolab/providers/wire/enroll"
	"hellolab/providers/wire/keycred"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/web"
	"hellolab/providers/wire/winhello"
	"hellolab/providers/wire/wstep"
)

// Directory signs the service's account in to the domain, at a controller or at
// any (""). The caller closes the connection.
type Directory func(ctx context.Context, controller string) (*adldap.Conn, error)

// Agent is the enrollment agent that the service is, as it is now.
type Agent func(ctx context.Context) (*enroll.Agent, error)

// CA takes what an agent signed. A refusal of it is a *wstep.Fault.
type CA interface {
	Submit(ctx context.Context, request []byte) (*enroll.Issued, error)
}

// Service decides. All fields are needed but Emit.
type Service struct {
	Directory Directory
	Agent     Agent
	CA        CA
	Template  string // of sign-in certificates
	Now       func() time.Time
	Rand      io.Reader
	Emit      event.Sink
}

func (s *Service) tell(ctx context.Context, e event.Event) {
	e.At, e.Correlation = s.Now(), web.Correlation(ctx)
	if e.Actor == "" {
		e.Actor = event.CRA
	}
	if e.Protocol == "" {
		e.Protocol = "HTTPS"
	}
	s.Emit.Emit(e)
}

// Issue has a certificate issued for the holder of a primary refresh token and
// returns the CA's answer. A refusal is an *adfs.Error; it is told of, too.
func (s *Service) Issue(ctx context.Context, holder *farm.Account, proof *farm.Proof, r *winhello.Request) ([]byte, error) {
	issued, err := s.issue(ctx, holder, proof, r)
	var e *adfs.Error
	if errors.As(err, &e) {
		code := e.Code
		if code == "" {
			code = e.OAuth
		}
		s.tell(ctx, event.Event{Step: "certificate_request_refused", Text: e.Sentence, Outcome: event.Refused, Reason: &event.Reason{Code: code, Name: e.OAuth, Sentence: e.Sentence, Hint: e.Hint}})
	}
	if err != nil {
		return nil, err
	}
	leaf := issued.Chain[0]
	s.tell(ctx, event.Event{Peer: event.CXH, Step: "certificate_returned", Text: "The registration authority returns the certificate to the application.", Message: map[string]any{
		"user": holder.UPN, "certificate": drs.Thumbprint(leaf.Raw), "chain": len(issued.Chain)}})
	return issued.CMC, nil
}

func (s *Service) issue(ctx context.Context, holder *farm.Account, proof *farm.Proof, r *winhello.Request) (*enroll.Issued, error) {
	csr, pub, err := readCSR(r)
	if err != nil {
		return nil, err
	}
	s.tell(ctx, event.Event{Peer: event.CXH, Step: "certificate_request_received", Text: "The registration authority takes the certificate request" + with(r) + ".", Message: map[string]any{
		"user": holder.UPN, "key_id": keyID(pub), "receipt": r.Receipt != "", "provisioning_context": r.ProvisioningContext != ""}})
	if err := s.authorize(ctx, holder, proof, pub, r); err != nil {
		return nil, err
	}
	agent, err := s.Agent(ctx)
	if err != nil {
		return nil, adfs.NewError(adfs.AccessDenied, "", "%s: %v.", winhello.AgentMissing, err).WithHint("Let the federation service's account enroll the template of enrollment agents, and apply.")
	}
	request, err := agent.Sign(s.Rand, holder.Qualified(), s.Template, csr)
	if err != nil {
		return nil, err
	}
	s.tell(ctx, event.Event{Protocol: "local", Step: "request_signed", Text: "The registration authority signs the request with its enrollment agent certificate.", Message: map[string]any{
		"agent": drs.Thumbprint(agent.Certificate.Raw), "agent_not_after": agent.Certificate.NotAfter.UTC(), "requester": holder.Qualified(), "template": s.Template}})
	s.tell(ctx, event.Event{Peer: event.Authority, Step: "request_sent_to_ca", Text: "The registration authority sends the signed request to the enterprise's CA.", Message: map[string]any{"requester": holder.Qualified(), "bytes": len(request)}})
	issued, err := s.CA.Submit(ctx, request)
	if err != nil {
		return nil, caRefused(err)
	}
	leaf := issued.Chain[0]
	if own, ok := leaf.PublicKey.(*rsa.PublicKey); !ok || !own.Equal(pub) {
		return nil, fmt.Errorf("the CA certified another key than the request's")
	}
	return issued, nil
}

func with(r *winhello.Request) string {
	if r.Receipt != "" {
		return " and the key receipt"
	}
	return ""
}

func keyID(pub *rsa.PublicKey) string {
	sum := sha256.Sum256(cng.MarshalRSAPublic(pub))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// readCSR reads the certificate request: PKCS #10, signed with its own key, RSA of
// 2048 to 4096 bits.
func readCSR(r *winhello.Request) ([]byte, *rsa.PublicKey, error) {
	if r.CSRType != winhello.TypePKCS10 {
		return nil, nil, adfs.NewError(adfs.InvalidRequest, "", "The certificate request must be of type %s.", winhello.TypePKCS10)
	}
	der, err := r.DER()
	if err != nil {
		return nil, nil, adfs.NewError(adfs.InvalidRequest, "", "The certificate request is missing, or no base64.")
	}
	pub, err := drs.ParseCSR(der)
	if err != nil {
		return nil, nil, adfs.NewError(adfs.InvalidRequest, "", "The certificate request is not valid: it must be PKCS #10 with an RSA key of 2048 to 4096 bits, signed with it.")
	}
	return der, pub, nil
}

// authorize lets a key pass that is registered for the user: in Active Directory,
// or by a receipt of the tenant.
func (s *Service) authorize(ctx context.Context, holder *farm.Account, proof *farm.Proof, pub *rsa.PublicKey, r *winhello.Request) error {
	c, err := s.connect(ctx, r.ProvisioningContext)
	if err != nil {
		return err
	}
	defer c.Close()
	registered, err := s.registered(ctx, c, holder, pub)
	if err != nil || registered {
		return err
	}
	if r.Receipt == "" {
		return adfs.NewError(adfs.InvalidRequest, adfs.CodeHelloKey, "%s, and the request brings no key receipt.", winhello.KeyUnknown).
			WithHint("Provision Windows Hello again, or wait for the synchronization of keys.")
	}
	return s.checkReceipt(ctx, c, holder, proof, pub, r.Receipt)
}

func receiptRefused(why string) *adfs.Error {
	return adfs.NewError(adfs.InvalidRequest, adfs.CodeHelloKey, "%s: %s. The key is not registered in Active Directory.", winhello.ReceiptRefused, why).
		WithHint("Wait for the synchronization of keys, or provision Windows Hello again.")
}

// connect signs in at the controller that the registration service wrote the key
// to, where the request says so and it answers; else at any.
func (s *Service) connect(ctx context.Context, pctx string) (*adldap.Conn, error) {
	c, err := s.Directory(ctx, "")
	if err != nil || pctx == "" {
		return c, err
	}
	issuers, err := edrs.Issuers(c)
	if err != nil {
		return c, nil //nolint:nilerr // a hint that cannot be checked is none
	}
	hint, err := edrs.OpenContext(pctx, issuers)
	if err != nil {
		return c, nil //nolint:nilerr // likewise
	}
	there, err := s.Directory(ctx, hint.DomainController)
	if err != nil {
		return c, nil //nolint:nilerr // any controller will do, later
	}
	c.Close()
	return there, nil
}

// registered asks the domain for the user's registered keys, and says whether the
// key is one.
func (s *Service) registered(ctx context.Context, c *adldap.Conn, holder *farm.Account, pub *rsa.PublicKey) (bool, error) {
	filter := ldapmsg.EqualTo("objectSid", holder.SID.String())
	u, err := c.First(filter, addevice.KeyAttribute)
	if adldap.IsCode(err, ldapmsg.NoSuchObject) {
		return false, adfs.NewError(adfs.InvalidGrant, adfs.CodeAccountValidation, "The user of the primary refresh token is not in Active Directory any more.")
	}
	if err != nil {
		return false, err
	}
	values := u.Values(addevice.KeyAttribute)
	found := false
	for _, v := range values {
		b, err := ldapmsg.ParseDNBinary(string(v))
		if err != nil {
			continue
		}
		k, err := keycred.Parse(b.Binary)
		if err != nil || k.Usage != keycred.UsageNGC {
			continue // as a KDC does, pass over what is no key
		}
		if own, err := k.PublicKey(); err == nil {
			key, ok := own.(*rsa.PublicKey)
			found = found || ok && key.Equal(pub)
		}
	}
	text := "The registration authority asks Active Directory for the user's registered keys; that of the request is among them."
	if !found {
		text = "The registration authority asks Active Directory for the user's registered keys; that of the request is not among them."
	}
	s.tell(ctx, event.Event{Peer: event.ActiveDirectory, Protocol: "LDAP", Step: "registered_keys_queried", Text: text, Message: map[string]any{
		"base": c.Base, "filter": filter.String(), "attribute": addevice.KeyAttribute, "object": u.DN, "values": len(values), "key_id": keyID(pub), "found": found}})
	return found, nil
}

// checkReceipt lets a key pass that a receipt proves to be registered with the
// tenant, for this user.
func (s *Service) checkReceipt(ctx context.Context, c *adldap.Conn, holder *farm.Account, proof *farm.Proof, pub *rsa.PublicKey, krctx string) error {
	trusted, err := edrs.CloudIssuers(c)
	if err != nil && !errors.Is(err, edrs.ErrNoService) {
		return err
	}
	if len(trusted) == 0 {
		return receiptRefused("no tenant's key receipts are trusted here (" + edrs.AttributeCloudIssuers + " is empty)")
	}
	receipt, err := drs.OpenReceipt(krctx, trusted, s.Now())
	if err != nil {
		return receiptRefused(err.Error())
	}
	key, err := cng.ParseRSAPublic(receipt.Key)
	switch {
	case err != nil || !key.Equal(pub):
		return receiptRefused("it is of another key")
	case receipt.OnPremSID != holder.SID.String():
		return receiptRefused("it is of another user")
	case receipt.DeviceID != "" && !strings.EqualFold(receipt.DeviceID, proof.DeviceID):
		return receiptRefused("it is of another device")
	}
	s.tell(ctx, event.Event{Protocol: "local", Step: "receipt_verified", Text: "The registration authority validates the key receipt: the key was registered with the tenant.", Message: map[string]any{
		"issuer": receipt.Issuer, "ngc_key": keyID(key), "onprem_sid": receipt.OnPremSID, "device_id": receipt.DeviceID, "good_until": time.Unix(receipt.Expiration, 0).UTC()}})
	return nil
}

// signatureRejected is what a CA answers about an agent that it does not accept
// (CERTSRV_E_SIGNATURE_REJECTED, MS-WCCE).
const signatureRejected = 0x8009480B

// caRefused makes what the CA refused a refusal that says so.
func caRefused(err error) error {
	var f *wstep.Fault
	if !errors.As(err, &f) {
		return err
	}
	what, hint := winhello.NotIssued, "See why the authority refused: the template must be published, and the user have the names that it asks for."
	if f.Code == signatureRejected {
		what, hint = winhello.AgentRefused, "The enrollment agent certificate must be in its life, not revoked, and issued for agents: see agent_not_after of the federation."
	}
	return adfs.NewError(adfs.AccessDenied, "", "%s: %s.", what, strings.TrimSuffix(f.Error(), ".")).WithHint(hint)
}
