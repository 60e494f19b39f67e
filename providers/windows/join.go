package windows

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/windows/ksp"
	"hellolab/providers/windows/tpm"
	"hellolab/providers/wire/attest"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/edrs"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/web"
)

// registering is one run of flow DR, Entra join: out of the box, a user signs
// in, and the device registers with that user's token (MS-DVRJ; Microsoft,
// "How it works: device registration"). The documents draw no lettered phases.
type registering struct {
	*machine
	trace  *trace
	tenant spec.TenantOut
	joiner person
	http   *http.Client
	token  *oauth.TokenResponse
	found  *drs.Discovery
	point  drs.ServiceConnectionPoint // of a domain's computer

	sts      *federationObject // AD FS, which a computer registers with or through; nil: none
	contract *edrs.Contract    // of its registration service
}

// register joins the device. A run after a killed one goes on behind what is durable.
func (m *machine) register(ctx context.Context, tenant spec.TenantOut, joiner person) error {
	t, ctx, err := newTrace(ctx, m.env, hello.DR, joiner.addr, m.addr)
	if err != nil {
		return err
	}
	r := &registering{machine: m, trace: t, tenant: tenant, joiner: joiner}
	if r.http, err = m.client(ctx, false); err != nil {
		return err
	}
	steps := []func(context.Context) error{r.discover, r.signIn, r.join, r.certifyIdentityKey, r.attestPool, r.finish}
	if m.personal() {
		t.broker, steps = true, r.accountSteps()
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			t.refused(event.Device, "", local, "registration_failed", "The device is not registered.", err)
			return err
		}
	}
	return nil
}

func (r *registering) discover(ctx context.Context) error {
	r.trace.step(event.Device, event.DRS, https, "discover", "The device asks the tenant where to register.", nil)
	target := "https://" + r.tenant.RegistrationHost + "/" + r.tenant.TenantID + "/Discover?api-version=1.9&managed=True"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return err
	}
	reply, err := web.Do(r.http, req)
	if err != nil {
		return err
	}
	if reply.Status != http.StatusOK {
		return drs.ParseError(reply.Status, reply.Body)
	}
	if r.found, err = drs.ParseDiscovery(reply.Body); err != nil {
		return err
	}
	for _, endpoint := range []string{r.found.DeviceJoinService.URL} {
		if u, err := url.Parse(endpoint); err != nil || u.Scheme != "https" || u.Hostname() != r.tenant.RegistrationHost {
			return fmt.Errorf("discovery leads elsewhere: %.80q", endpoint)
		}
	}
	r.trace.step(event.Device, "", local, "discovered", "The device knows where to register, and the audience of the token it needs.",
		message{"join_endpoint": r.found.DeviceJoinService.URL, "resource": r.found.DeviceJoinService.ResourceID})
	return nil
}

// signIn has the joining user sign in at the out-of-box experience, with a
// second factor when they have one: its time starts the minutes in which
// provisioning will not ask again.
func (r *registering) signIn(ctx context.Context) error {
	if r.rec.Registration != nil {
		return nil
	}
	step, asks, hands := r.signInWords()
	r.trace.step(event.CXH, event.WAM, local, step, asks, message{"resource": oauth.ResourceDRS})
	a := &wam{env: r.env, trace: r.trace, hands: r.w.Hands, http: r.http, tenant: r.tenant, screen: event.CXH}
	token, err := a.interactive(ctx, r.joiner, oauth.ClientBroker, oauth.ResourceDRS, "", r.joiner.totpSecret != "")
	if err != nil {
		return err
	}
	r.token = token
	r.trace.step(event.WAM, event.CXH, local, "registration_token", hands, claims(token.AccessToken))
	return nil
}

// join asks for a registration of the device, as the user who joins it.
func (r *registering) join(ctx context.Context) error {
	if r.rec.Registration != nil {
		return nil
	}
	request, transport, err := r.joinKeys(ctx)
	if err != nil {
		return err
	}
	r.rec.Joining = r.tenant.TenantID
	if err := r.save(ctx); err != nil {
		return err
	}
	body := drs.JoinRequest{
		CertificateRequest: request,
		TransportKey:       transport,
		TargetDomain:       domainOf(r.joiner.upn),
		DeviceType:         "Windows",
		OSVersion:          osVersion(r.in.OS),
		DeviceDisplayName:  r.rec.Name,
		JoinType:           r.joinType(),
		Attributes:         joinAttributes(),
	}
	r.asked("The device asks to be registered: certificate request of the device key, transport key.",
		message{"join_type": body.JoinType, "display_name": body.DeviceDisplayName, "os_version": body.OSVersion})
	req, err := web.NewJSON(ctx, http.MethodPost, r.found.DeviceJoinService.URL+"?api-version=2.0", body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+r.token.AccessToken)
	joined, err := replyOf(r.http, req, drs.ParseJoinReply)
	var refusal *drs.Error
	if errors.As(err, &refusal) {
		return r.joinRefused(ctx, err)
	}
	if err != nil {
		return err
	}
	return r.accept(ctx, joined, func(w providers.Writer) error {
		left := wamRecord{RefreshToken: r.token.RefreshToken, At: r.env.Now()}
		if r.joiner.totpSecret != "" {
			left.SecondFactor = left.At
		}
		return put(w, tableWAM, r.joiner.sid, left)
	})
}

// joinRefused notes that the service said no: nothing of the join is left.
func (r *registering) joinRefused(ctx context.Context, refusal error) error {
	r.rec.Joining = ""
	return errors.Join(refusal, r.save(ctx))
}

// registrationOf reads the device certificate, which must be for the device key.
func (m *machine) registrationOf(der []byte) (*registration, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("device certificate: %w", err)
	}
	id, err := drs.ParseIdentity(cert)
	if err != nil {
		return nil, fmt.Errorf("device certificate: %w", err)
	}
	own, err := m.rec.DeviceKey.RSA()
	if err != nil {
		return nil, err
	}
	if pub, ok := cert.PublicKey.(*rsa.PublicKey); !ok || !pub.Equal(own) {
		return nil, errors.New("device certificate: it is for another key")
	}
	if id.Joined == m.personal() {
		return nil, errors.New("device certificate: it is for another kind of registration")
	}
	return &registration{
		TenantID:    id.TenantID.String(),
		DeviceID:    id.DeviceID.String(),
		JoinType:    m.joinType(),
		Certificate: der,
		Thumbprint:  drs.Thumbprint(der),
	}, nil
}

// certifyIdentityKey gets the TPM's attestation identity key certified: the
// service encrypts a secret to the endorsement key, and the TPM gives it out
// only because it holds the identity key, too.
func (r *registering) certifyIdentityKey(ctx context.Context) error {
	if r.tpm == nil {
		r.trace.skip(event.Device, "aik_certificate", "The device has no TPM, and so no attestation identity key.", "tpm_missing")
		return nil
	}
	if len(r.rec.AIKChain) > 0 {
		return nil
	}
	client, err := r.client(ctx, true)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	aik, err := tpm.Public(r.rec.AIK)
	if err != nil {
		return err
	}
	r.trace.step(event.Device, event.DRS, https, "aik_request", "The device asks for a certificate of its attestation identity key.",
		message{"ek_sha256": r.rec.ekHash(), "aik": poolKey(r.rec.AIK)})
	challenge, err := postDRS(ctx, client, r.tenant, attest.PathEnrol,
		attest.EnrolRequest{EKCertificates: r.rec.EKChain, EKPublic: r.rec.EK, AIKPublic: aik}, attest.ParseEnrolChallenge)
	if err != nil {
		return err
	}
	secret, err := r.tpm.ActivateCredential(ctx, r.rec.AIK, challenge.CredentialBlob, challenge.EncryptedSecret)
	if err != nil {
		return err
	}
	r.trace.step(event.TPM, event.Device, tpm20, "activate_credential", "The TPM opens the service's challenge.", message{"secret_length": len(secret)})
	done, err := postDRS(ctx, client, r.tenant, attest.PathActivate,
		attest.ActivateRequest{Context: challenge.Context, Secret: secret}, attest.ParseEnrolReply)
	if err != nil {
		return err
	}
	if len(done.Certificates) == 0 {
		return errors.New("the service returned no identity key certificate")
	}
	r.rec.AIKChain = done.Certificates
	if err := r.save(ctx); err != nil {
		return err
	}
	failpoint(r.env, "device:aik")
	r.trace.step(event.Device, "", local, "aik_certificate", "The device keeps the certificate of its attestation identity key.",
		message{"certificates": len(done.Certificates)})
	return nil
}

// attestPool has the identity key, certified now, attest what lies in the key
// pool: both wait for the first user. The pool of a device that several tenants
// know is attested for the first.
func (r *registering) attestPool(ctx context.Context) error {
	if r.tpm == nil || r.guest != "" {
		return nil
	}
	p := &poolFiller{machine: r.machine, trace: r.trace, http: r.http, tenant: r.tenant}
	return p.attest(ctx)
}

// postDRS posts JSON to the registration service and reads its JSON.
func postDRS[T any](ctx context.Context, c *http.Client, tenant spec.TenantOut, path string, body any, parse func([]byte) (*T, error)) (*T, error) {
	req, err := web.NewJSON(ctx, http.MethodPost, "https://"+tenant.RegistrationHost+path, body)
	if err != nil {
		return nil, err
	}
	return replyOf(c, req, parse)
}

// replyOf sends a request to the registration service's host and reads its JSON.
func replyOf[T any](c *http.Client, req *http.Request, parse func([]byte) (*T, error)) (*T, error) {
	reply, err := web.Do(c, req)
	if err != nil {
		return nil, err
	}
	if reply.Status/100 != 2 {
		return nil, drs.ParseError(reply.Status, reply.Body)
	}
	return parse(reply.Body)
}

// finish reads the directory's name of the device object, as the lab's
// administrator: no step of the flow, and so without its correlation id.
func (r *registering) finish(ctx context.Context) error {
	ctx = web.WithCorrelation(ctx, "")
	a, err := r.w.newAdmin(ctx, r.desk, r.tenant)
	if err != nil {
		return err
	}
	defer a.Close()
	d, err := a.device(ctx, r.rec.Registration.DeviceID)
	if graph.IsNotFound(err) {
		// It was removed behind our back: the next attempt joins anew.
		return errors.Join(fmt.Errorf("the device object is gone: %w", err), r.unregister(ctx))
	}
	if err != nil {
		return err
	}
	r.rec.Registration.ObjectID = d.ID
	if err := r.save(ctx); err != nil {
		return err
	}
	r.trace.step(event.Device, "", local, "registered", "The device is registered.",
		message{"AzureAdJoined": yesNo(!r.personal()), "WorkplaceJoined": yesNo(r.personal()), "DeviceId": r.rec.Registration.DeviceID, "Thumbprint": r.rec.Registration.Thumbprint,
			"TenantId": r.rec.Registration.TenantID, "KeyProvider": providerName(r.rec.Storage)})
	return nil
}

// providerName is what Windows calls a key storage provider.
func providerName(s ksp.Storage) string {
	if s == ksp.TPM {
		return "Microsoft Platform Crypto Provider"
	}
	return "Microsoft Software Key Storage Provider"
}

// domainOf is the part of a user name after its last @.
func domainOf(upn string) string {
	for i := len(upn) - 1; i >= 0; i-- {
		if upn[i] == '@' {
			return upn[i+1:]
		}
	}
	return ""
}
