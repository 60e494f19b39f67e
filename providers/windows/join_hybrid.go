package windows

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/windows/domainjoin"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/connect"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/sid"
	"hellolab/providers/wire/web"
)

// joinDomain makes the device a computer of its domain and, where it is hybrid
// joined, has it registered with the tenant (flow DR of a managed domain;
// Microsoft, "How it works: device registration"): the computer writes a
// self-signed certificate of its device key to its own object, Connect carries
// the object up, and the computer completes the registration with a proof by
// that key. In a tenant that is federated with the domain's AD FS it registers
// through that (join_federated.go); without a tenant, with AD FS's own service
// (join_enterprise.go).
func (m *machine) joinDomain(ctx context.Context) error {
	hybrid := m.in.Join == string(hello.HybridJoined)
	t, ctx, err := newTrace(ctx, m.env, hello.DR, "", m.addr)
	if err != nil {
		return err
	}
	r := &registering{machine: m, trace: t}
	steps := []joinStep{{"", r.enterDomain}}
	if hybrid {
		if r.tenant, err = tenantOf(m.env, m.in.Tenant); err != nil {
			return err
		}
		if err := m.settle(ctx, r.tenant); err != nil {
			return fmt.Errorf("%s: what an earlier join left: %w", m.addr, err)
		}
		if r.sts, err = m.federatedWith(); err != nil {
			return err
		}
		steps = append(steps, joinStep{phaseDiscover, r.findTenant}, joinStep{phaseDiscover, r.discover})
		if r.sts != nil {
			steps = append(steps, joinStep{phaseJoin, r.joinFederated})
		} else {
			steps = append(steps, joinStep{phaseJoin, r.publish}, joinStep{phaseJoin, r.synchronize}, joinStep{phaseJoin, r.complete})
		}
		steps = append(steps, joinStep{phasePostJoin, r.certifyIdentityKey}, joinStep{phasePostJoin, r.attestPool}, joinStep{phasePostJoin, r.finish}, joinStep{phasePostJoin, r.writeBack})
	}
	sts, err := m.enterpriseService()
	if err != nil {
		return err
	}
	if sts != nil {
		steps = append(steps, r.enterpriseSteps(sts)...)
	}
	if m.registered() {
		return nil
	}
	if r.http, err = m.client(ctx, false); err != nil {
		return err
	}
	for _, step := range steps {
		if err := step.do(ctx); err != nil {
			t.refused(event.Device, "", local, "registration_failed", "The device is not joined.", err)
			err = fmt.Errorf("%s: join: %w", m.addr, err)
			if a := attemptOf(step.phase, t.id, err, m.env.Now()); a != nil {
				err = errors.Join(err, m.keepAttempt(ctx, a))
			}
			return err
		}
	}
	return m.keepAttempt(ctx, nil)
}

// findTenant reads the forest's service connection point, as the computer.
func (r *registering) findTenant(ctx context.Context) error {
	conn, err := r.directory(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	e, err := conn.Read(drs.ServiceConnectionPointDN(r.rec.Member.Account.Base), "keywords")
	if adldap.IsCode(err, ldapmsg.NoSuchObject) {
		return refuse("connection_point_missing", err)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errNoPoint, err)
	}
	if r.point, err = drs.ParseKeywords(e.Values("keywords")); err != nil {
		return err
	}
	if r.point.TenantID != r.tenant.TenantID {
		return fmt.Errorf("the domain's service connection point leads to the tenant %s, the device is declared in %s", r.point.TenantID, r.in.Tenant)
	}
	r.trace.step(event.Device, event.ActiveDirectory, "LDAP", "tenant_found", "The computer reads the service connection point: it knows which tenant to register with.",
		message{"azureADId": r.point.TenantID, "azureADName": r.point.Domain})
	return nil
}

// directory signs the computer in to the directory.
func (r *registering) directory(ctx context.Context) (*adldap.Conn, error) {
	ms, err := r.membershipOf(kerberosLane(r.trace, nil))
	if err != nil {
		return nil, err
	}
	return r.rec.Member.Directory(ctx, r.env, ms.provider)
}

// publish writes the certificate of the device key to the computer's object, as
// the computer.
func (r *registering) publish(ctx context.Context) error {
	if r.rec.Registration != nil {
		return nil
	}
	key, err := r.deviceSigner(ctx)
	if err != nil {
		return err
	}
	der, err := domainjoin.NewCertificate(r.env.Rand, key, r.rec.Member.ObjectGUID, r.env.Now())
	if err != nil {
		return fmt.Errorf("certificate of the device key: %w", err)
	}
	conn, err := r.directory(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := r.rec.Member.Publish(conn, der); err != nil {
		return fmt.Errorf("write userCertificate: %w", err)
	}
	r.trace.step(event.Device, event.ActiveDirectory, "LDAP", "certificate_published",
		"The computer writes a self-signed certificate of its device key to its own object.",
		message{"attribute": "userCertificate", "thumbprint": drs.Thumbprint(der), "device_key": poolKey(r.rec.DeviceKey)})
	return nil
}

// synchronize has Connect carry the computer up now. In the field the device
// waits for the next cycle, and tries again when somebody signs in.
func (r *registering) synchronize(ctx context.Context) error {
	if r.rec.Registration != nil {
		return nil
	}
	server, err := syncBetween(r.desk, r.in.Tenant, r.in.Domain)
	if err != nil {
		return err
	}
	report, err := connect.Cycle(ctx, r.desk, connect.Server{Host: server.Out.Host, Secret: server.Out.Admin},
		connect.Request{Reason: "hybrid join of " + r.rec.Name})
	if err == nil {
		err = report.Err()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", server.Addr, err)
	}
	return nil
}

// complete asks for the computer's registration, with a proof by the key of the
// certificate that Connect carried up.
func (r *registering) complete(ctx context.Context) error {
	if r.rec.Registration != nil {
		return nil
	}
	request, transport, err := r.joinKeys(ctx)
	if err != nil {
		return err
	}
	identity, err := r.signIdentity(ctx)
	if err != nil {
		return err
	}
	body := drs.HybridRequest{
		CertificateRequest: request,
		ServerAdJoinData: drs.ServerAdJoinData{
			TransportKey: transport, TargetDomain: r.point.Domain, DeviceType: "Windows", OSVersion: osVersion(r.in.OS),
			DeviceDisplayName: r.rec.Name, SourceDomainController: r.rec.Member.Account.Controller,
			TargetDomainID: r.tenant.TenantID, ClientIdentity: identity,
		},
		JoinType:   drs.JoinHybrid,
		Attributes: joinAttributes(),
	}
	r.asked("The computer asks for its registration to be completed, with a proof by the key of its certificate.",
		message{"join_type": body.JoinType, "device_id": r.rec.Member.ObjectGUID, "identity": identity.Sid})
	target := "https://" + r.tenant.RegistrationHost + drs.PathDevice + url.PathEscape(r.rec.Member.ObjectGUID) + "?api-version=2.0"
	req, err := web.NewJSON(ctx, http.MethodPut, target, body)
	if err != nil {
		return err
	}
	joined, err := replyOf(r.http, req, drs.ParseJoinReply)
	if drs.HasSubcode(err, "error_missing_device") {
		return refuse("device_not_synced", err)
	}
	if err != nil {
		return err
	}
	return r.accept(ctx, joined, func(providers.Writer) error { return nil })
}

// signIdentity is the computer's proof.
func (r *registering) signIdentity(ctx context.Context) (drs.ClientIdentity, error) {
	key, err := r.deviceSigner(ctx)
	if err != nil {
		return drs.ClientIdentity{}, err
	}
	computer, err := sid.Parse(r.rec.Member.SID)
	if err != nil {
		return drs.ClientIdentity{}, err
	}
	return drs.SignIdentity(r.env.Rand, key, computer, r.env.Now())
}

type syncObject = providers.Object[spec.Sync, spec.SyncOut]

// syncBetween is the server that synchronizes a domain to a tenant.
func syncBetween(env providers.Env, tenant, domain providers.Ref) (syncObject, error) {
	all, err := providers.ResolveAll[spec.Sync, spec.SyncOut](env, "sync")
	if err != nil {
		return syncObject{}, err
	}
	for _, s := range all {
		if s.In.Tenant == tenant && s.In.Domain == domain && s.Out.Host != "" {
			return s, nil
		}
	}
	return syncObject{}, fmt.Errorf("no Connect server synchronizes %s to %s yet: declare a sync", domain, tenant)
}
