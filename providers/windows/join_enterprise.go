package windows

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"hellolab/providers"
	"hellolab/providers/administer"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/wire/addevice"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/edrs"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/web"
)

// Flow DR of a domain without a tenant: a computer registers with the Enterprise
// Device Registration Service, which is part of AD FS (MS-DVRD, MS-DVRJ). It proves
// itself to AD FS by Kerberos, and the service makes a msDS-Device of it in the
// domain. Nothing of it is anywhere else.

// enterpriseService is the AD FS that registers the machine; nil where none does.
func (m *machine) enterpriseService() (*federationObject, error) {
	if m.in.Join != string(hello.DomainJoined) {
		return nil, nil
	}
	sts, err := adfsOn(m.env, m.in.Domain)
	if err != nil || sts == nil || sts.Out.RegistrationHost == "" {
		return nil, err
	}
	return sts, nil
}

// enterpriseSteps are those of the registration behind the join to the domain.
func (r *registering) enterpriseSteps(sts *federationObject) []joinStep {
	r.sts = sts
	return []joinStep{{phaseDiscover, r.discoverEnterprise}, {phaseJoin, r.joinEnterprise}, {phasePostJoin, r.finishEnterprise}}
}

// discoverEnterprise asks where to register.
func (r *registering) discoverEnterprise(ctx context.Context) (err error) {
	host := r.sts.Out.RegistrationHost
	r.trace.step(event.Device, event.EnterpriseDRS, https, "discover", "The computer asks the registration service of AD FS where to register.", message{"host": host})
	if r.contract, err = edrs.Discover(ctx, r.http, host); err != nil {
		return err
	}
	if u, err := url.Parse(r.contract.Join.URL); err != nil || u.Scheme != "https" || u.Hostname() != host && u.Hostname() != r.sts.Out.Host {
		return fmt.Errorf("discovery leads elsewhere: %.80q", r.contract.Join.URL)
	}
	r.trace.step(event.Device, "", local, "discovered", "The computer knows where to register, and the audience of the token it needs.",
		message{"join_endpoint": r.contract.Join.URL, "resource": r.contract.Join.ResourceID})
	return nil
}

// joinEnterprise asks for the registration, as the computer.
func (r *registering) joinEnterprise(ctx context.Context) error {
	if r.rec.Enterprise != nil {
		return nil
	}
	token, err := r.computerToken(ctx, r.contract.Join.ResourceID)
	if err != nil {
		return err
	}
	request, transport, err := r.joinKeys(ctx)
	if err != nil {
		return err
	}
	body := drs.JoinRequest{
		CertificateRequest: request,
		TransportKey:       transport,
		TargetDomain:       r.rec.Member.Account.Host,
		DeviceType:         "Windows",
		OSVersion:          osVersion(r.in.OS),
		DeviceDisplayName:  r.rec.Name,
		JoinType:           drs.JoinHybrid,
		Attributes:         joinAttributes(),
	}
	r.askedOf(event.EnterpriseDRS, "The computer asks to be registered: certificate request of the device key, transport key.",
		message{"join_type": body.JoinType, "display_name": body.DeviceDisplayName, "os_version": body.OSVersion})
	joined, err := edrs.Join(ctx, r.http, r.contract.Join.URL, token, &body)
	if err != nil {
		return err
	}
	own, err := r.registrationOf(joined.Certificate.RawBody)
	if err != nil {
		return err
	}
	if own.DeviceID != r.rec.Member.ObjectGUID {
		return errors.New("device certificate: it is for another computer")
	}
	own.TenantID, own.STS = "", r.sts.Out.Host
	r.rec.Enterprise = own
	if err := r.save(ctx); err != nil {
		return err
	}
	failpoint(r.env, "device:joined")
	r.trace.step(event.Device, keyHolder(r.machine), local, "join_reply", "The computer keeps the certificate that came back for its device key.",
		message{"device_id": own.DeviceID, "thumbprint": own.Thumbprint})
	return nil
}

// computerToken has the computer sign in at AD FS by Kerberos, for a token to a
// resource.
func (r *registering) computerToken(ctx context.Context, resource string) (string, error) {
	t, host := r.trace, r.sts.Out.Host
	proof, err := r.computerProof(ctx, host)
	if err != nil {
		return "", err
	}
	ask := oauth.AuthorizeRequest{
		ResponseType: "code", ClientID: oauth.ClientBroker, RedirectURI: oauth.NativeRedirect(oauth.ClientBroker), Resource: resource, ClientRequestID: t.id,
	}
	t.step(event.Device, event.STS, https, "computer_token_request", "The computer signs in at AD FS by Kerberos, and asks for a token to the registration service.",
		message{"resource": resource, "client_id": ask.ClientID, "computer": r.rec.Name})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+adfs.PathAuthorize+"/?"+ask.Query().Encode(), nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", proof)
	req.Header.Set("User-Agent", adfs.AgentWindows)
	reply, err := web.Do(r.http, req)
	if err != nil {
		return "", err
	}
	if reply.Status != http.StatusFound && reply.Status != http.StatusSeeOther {
		return "", adfs.ParseError(reply.Status, reply.Body)
	}
	code, err := redirectedCode(ask.RedirectURI, reply.Header.Get("Location"))
	if err != nil {
		return "", err
	}
	token, err := redeem(ctx, r.http, host, ask, code, "")
	if err != nil {
		return "", err
	}
	t.step(event.Device, "", local, "registration_token", "The computer has a token to the registration service.", claims(token.AccessToken))
	return token.AccessToken, nil
}

// computerProof is the computer's own Kerberos ticket for AD FS, as HTTP carries it.
func (r *registering) computerProof(ctx context.Context, host string) (string, error) {
	ms, err := r.membershipOf(kerberosLane(r.trace, nil))
	if err != nil {
		return "", err
	}
	if r.rec.Member.Account.Controller, err = ms.provider.Controller(ctx); err != nil {
		return "", err
	}
	ticket, err := r.rec.Member.Account.Ticket(ctx, r.env, krb.Service("HTTP", host))
	if err != nil {
		return "", err
	}
	return negotiate(r.env, ticket)
}

// finishEnterprise reads the directory's name of the device object, as the lab's
// administrator: no step of the flow.
func (r *registering) finishEnterprise(ctx context.Context) error {
	own := r.rec.Enterprise
	id, err := r.enterpriseObject(ctx)
	if errors.Is(err, addevice.ErrNotWritten) {
		return errors.Join(fmt.Errorf("the device object is gone: %w", err), r.unregister(ctx))
	}
	if err != nil {
		return err
	}
	own.ObjectID = id
	if err := r.save(ctx); err != nil {
		return err
	}
	r.trace.step(event.Device, "", local, "registered", "The computer is registered.",
		message{"AzureAdJoined": yesNo(false), "EnterpriseJoined": yesNo(true), "DomainJoined": yesNo(true), "DeviceId": own.DeviceID, "Thumbprint": own.Thumbprint,
			"KeyProvider": providerName(r.rec.Storage)})
	return nil
}

// enterpriseObject is the objectGUID of the machine's msDS-Device, or
// addevice.ErrNotWritten.
func (m *machine) enterpriseObject(ctx context.Context) (string, error) {
	var id string
	err := m.atDirectory(ctx, func(c *adldap.Conn, device guid.GUID) error {
		if _, err := addevice.Find(c, device); err != nil {
			return err
		}
		e, err := c.Read(addevice.DN(c.Base, device), "cn")
		if err == nil {
			id = e.GUID.String()
		}
		return err
	})
	return id, err
}

// atDirectory does something with the machine's msDS-Device as the domain's
// administrator.
func (m *machine) atDirectory(ctx context.Context, do func(*adldap.Conn, guid.GUID) error) error {
	d, err := domainAt(m.desk, m.in.Domain)
	if err != nil {
		return err
	}
	device, err := guid.Parse(m.rec.Enterprise.DeviceID)
	if err != nil {
		return err
	}
	conn, release, err := providers.Share(ctx, "directory of "+string(m.in.Domain),
		func(ctx context.Context) (*adldap.Conn, error) { return administer.SignIn(ctx, m.desk, d.Out) }, (*adldap.Conn).Close)
	if err != nil {
		return err
	}
	defer release()
	return do(conn, device)
}

// changeEnterprise has the domain say of the machine's msDS-Device whether it may be
// served, as its administrator.
func (m *machine) changeEnterprise(ctx context.Context) error {
	if m.rec.Enterprise == nil {
		return nil
	}
	enabled := "FALSE"
	if m.in.EnabledInDomain {
		enabled = "TRUE"
	}
	return m.atDirectory(ctx, func(c *adldap.Conn, device guid.GUID) error {
		return c.Replace(addevice.DN(c.Base, device), adldap.Attributes{"msDS-IsEnabled": {enabled}})
	})
}

// leaveEnterprise ends the registration with AD FS: by the device's certificate, or,
// where that cannot be shown or is not taken, by the administrator. In a domain that
// is gone there is none.
func (m *machine) leaveEnterprise(ctx context.Context) error {
	if m.rec.Enterprise == nil {
		return nil
	}
	leaveErr := m.leaveByCertificate(ctx)
	if leaveErr == nil {
		return nil
	}
	err := m.atDirectory(ctx, func(c *adldap.Conn, device guid.GUID) error {
		if _, err := addevice.Find(c, device); err != nil {
			return err
		}
		m.env.Log.Warn("the device could not leave by itself; the administrator removes it", "device", m.addr, "error", leaveErr)
		return c.Delete(addevice.DN(c.Base, device))
	})
	if errors.Is(err, addevice.ErrNotWritten) || errors.Is(err, providers.ErrUnknownObject) || errors.Is(err, errNotCreated) {
		return nil
	}
	if err != nil {
		return errors.Join(leaveErr, err)
	}
	return nil
}

func (m *machine) leaveByCertificate(ctx context.Context) error {
	sts, err := m.enterpriseService()
	if err != nil {
		return err
	}
	if sts == nil {
		return errors.New("no AD FS of the domain registers devices")
	}
	client, err := m.client(ctx, true)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	return edrs.Leave(ctx, client, "https://"+sts.Out.RegistrationHost+edrs.PathDevice, m.rec.Enterprise.DeviceID)
}
