package windows

import (
	"context"
	"net/http"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/saml"
	"hellolab/providers/wire/web"
	"hellolab/providers/wire/wstrust"
)

// Flow DR of a hybrid join in a federated tenant (Microsoft, "How it works: device
// registration", federated environments): the computer proves itself to AD FS by
// Kerberos, AD FS says of it what the tenant must know, and with that the tenant
// registers it at once. Nothing waits for Connect.

// federatedWith is the AD FS that the machine registers through: that of its tenant,
// where it is one of its domain. nil: it is registered as in a managed tenant.
func (m *machine) federatedWith() (*federationObject, error) {
	f, err := federationOf(m.env, person{tenant: m.in.Tenant})
	if err != nil || f == nil || f.In.Kind != spec.FederationADFS || f.In.Domain != m.in.Domain {
		return nil, err
	}
	return f, nil
}

// joinFederated registers the computer with the tenant by the assertion of AD FS.
func (r *registering) joinFederated(ctx context.Context) error {
	if r.rec.Registration != nil {
		return nil
	}
	token, err := r.tokenByClaims(ctx)
	if err != nil {
		return err
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
		TargetDomain:       r.point.Domain,
		DeviceType:         "Windows",
		OSVersion:          osVersion(r.in.OS),
		DeviceDisplayName:  r.rec.Name,
		JoinType:           drs.JoinHybrid,
		Attributes:         joinAttributes(),
	}
	r.asked("The computer asks to be registered: certificate request of the device key, transport key.",
		message{"join_type": body.JoinType, "display_name": body.DeviceDisplayName, "os_version": body.OSVersion, "device_id": r.rec.Member.ObjectGUID})
	req, err := web.NewJSON(ctx, http.MethodPost, r.found.DeviceJoinService.URL+"?api-version=2.0", body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	joined, err := replyOf(r.http, req, drs.ParseJoinReply)
	if saidNo(err) {
		return r.joinRefused(ctx, err)
	}
	if err != nil {
		return err
	}
	return r.accept(ctx, joined, func(providers.Writer) error { return nil })
}

// tokenByClaims gets the registration service's token for the assertion in which
// AD FS says which computer this is.
func (r *registering) tokenByClaims(ctx context.Context) (string, error) {
	t, host := r.trace, r.sts.Out.Host
	proof, err := r.computerProof(ctx, host)
	if err != nil {
		return "", err
	}
	endpoint := "https://" + host + adfs.PathWindowsTransport
	t.step(event.Device, event.STS, https, "computer_sign_in", "The computer signs in at AD FS by Kerberos, and asks for an assertion for the tenant.",
		message{"endpoint": endpoint, "computer": r.rec.Name, "applies_to": saml.AudienceMicrosoftOnline})
	assertion, err := askSTS(ctx, r.env, r.http, endpoint, proof, &wstrust.Request{Version: wstrust.Trust13, AppliesTo: saml.AudienceMicrosoftOnline})
	if err != nil {
		return "", err
	}
	t.step(event.Device, event.EntraID, https, "assertion_exchange", "The computer sends the assertion to the tenant, and asks for the registration service's token.",
		message{"grant_type": oauth.GrantSAML11, "resource": oauth.ResourceDRS, "assertion": assertionMessage(assertion)})
	req, err := formRequest(ctx, "https://"+r.tenant.LoginHost+"/"+r.tenant.TenantID+"/oauth2/token", oauth.TokenRequest{
		GrantType: oauth.GrantSAML11, ClientID: oauth.ClientBroker, Resource: oauth.ResourceDRS, Assertion: oauth.EncodeAssertion(assertion),
	}.Form())
	if err != nil {
		return "", err
	}
	token, err := tokenReply(r.http, req)
	if err != nil {
		return "", err
	}
	t.step(event.Device, "", local, "registration_token", "The computer has a token to the registration service.", claims(token.AccessToken))
	return token.AccessToken, nil
}
