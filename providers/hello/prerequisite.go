package hello

import "hellolab/providers/event"

// Facts is what a device knows, beside policy and declarations, when it checks
// whether to start provisioning.
type Facts struct {
	Joined      bool // the device holds a registration of its join type
	WorkAccount bool // the user signed in with an account of the identity provider, not a local one
	PRT         bool // and the sign-in brought a primary refresh token
	TPM         bool // the device has a TPM that works
	Remote      bool // the session comes by Remote Desktop
	HasKey      bool // the user's container on this device is provisioned already

	// Asked only where the route needs them.
	DomainAccount         bool // the account is one of the domain that the device is joined to
	EnterprisePRT         bool // a token of the federation service
	RegistrationAuthority bool // its certificate enrollment endpoint answers
	Template              bool // the sign-in certificate template can be enrolled
	MDMCertificate        bool // device management has a sign-in certificate profile for the user
	CloudTGT              bool // the primary refresh token came with a partial ticket
}

// Check is one prerequisite, as `dsregcmd /status` and the HelloForBusiness
// log report it.
type Check struct {
	Name   string // field of the "Ngc Prerequisite Check" section; DomainAccount is ours: dsregcmd has none, for Windows takes no other sign-in
	OK     bool
	Code   string       // of the Reason in this package's table
	Event  int          // HelloForBusiness event logged for this outcome: 82xx or 72xx, 0 when there is none
	Reason event.Reason // why not; zero when OK
	Later  bool         // provisioning goes on without it
}

// Launch is the outcome of the prerequisite check.
type Launch struct {
	Checks        []Check // in the order of the log; empty when HasKey
	HasKey        bool    // nothing to do: the user is provisioned on this device
	WillProvision bool
	Event         int // HelloForBusiness: 8054 will provision, 7054 will not
	DeviceEvent   int // User Device Registration: 358 will launch, 360, 361 or 362 will not
}

// Failed returns the reasons of the checks that failed: why provisioning does not
// start, or what it starts without.
func (l Launch) Failed() []event.Reason {
	var why []event.Reason
	for _, c := range l.Checks {
		if !c.OK {
			why = append(why, c.Reason)
		}
	}
	return why
}

// Prerequisites decides whether Windows starts provisioning for a user after
// sign-in. All checks are made and reported, whether or not an earlier one
// failed. Names and events are those of Microsoft's dsregcmd and
// HelloForBusiness references; a user who has a key is not asked again.
func Prerequisites(route Route, policy InForce, facts Facts) Launch {
	if facts.HasKey {
		return Launch{HasKey: true}
	}
	l := Launch{WillProvision: true, Event: 8054, DeviceEvent: 358}
	add := func(name string, ok bool, okEvent, failEvent int, code string) {
		c := Check{Name: name, OK: ok, Event: okEvent}
		if !ok {
			c.Event, c.Code, c.Reason = failEvent, code, mustReason(code)
			l.WillProvision = false
		}
		l.Checks = append(l.Checks, c)
	}

	cloud := route.Deployment != OnPremises
	add("IsDeviceJoined", facts.Joined, 8200, 7200, "device_not_joined")
	switch {
	case !cloud:
		add("DomainAccount", facts.WorkAccount, 0, 0, "not_work_account")
	case route.Join == Registered:
		add("WorkplaceJoined", facts.WorkAccount && facts.PRT, 8211, 7211, accountReason(facts))
	default:
		add("IsUserAzureAD", facts.WorkAccount && facts.PRT, 8201, 7201, accountReason(facts))
	}
	if cloud && route.Join == HybridJoined {
		add("DomainAccount", facts.DomainAccount, 0, 0, "not_domain_account")
	}
	add("DeviceEligible", facts.TPM || !policy.RequireSecurityDevice.Value, 8202, 7202, "tpm_missing")
	add("PolicyEnabled", policy.UsePassportForWork.Value, 8203, 7203, "policy_disabled")
	add("PostLogonEnabled", !policy.DisablePostLogonProvisioning.Value, 8204, 7204, "post_logon_disabled")
	add("SessionIsNotRemote", !facts.Remote, 8210, 7210, "remote_session")

	notLaunched := 360
	switch {
	case route.Trust == CertTrust && route.Delivery == MDMDelivery:
		// The certificate comes later, by itself. Without a profile the log says so,
		// and the key is provisioned, which key trust would take (seed 003, comments).
		notLaunched = 361
		will := l.WillProvision
		add("MdmCertificateReady", facts.MDMCertificate, 8209, 7209, "certificate_payload_missing")
		l.WillProvision, l.Checks[len(l.Checks)-1].Later = will, true
	case route.Trust == CertTrust:
		notLaunched = 362
		add("LogonCertTemplateReady", facts.Template, 8205, 7205, "template_not_ready")
		add("AdfsRaIsReady", facts.RegistrationAuthority, 8206, 7206, "registration_authority_not_ready")
		add("AdfsRefreshToken", facts.EnterprisePRT, 0, 0, "no_enterprise_prt")
	case route.Trust == CloudKerberos && route.Join == HybridJoined:
		// Entra joined devices are not asked: without the ticket they still
		// provision and sign in, and lack only the domain.
		add("OnPremTGT", facts.CloudTGT, 5205, 5205, "no_cloud_tgt")
	}
	if !l.WillProvision {
		l.Event, l.DeviceEvent = 7054, notLaunched
	}
	return l
}

func accountReason(f Facts) string {
	if !f.WorkAccount {
		return "not_work_account"
	}
	return "no_prt"
}

// Planned is the facts that hold once the declarations are applied: what the
// user signs in to for the first time. A member of a domain asks a controller
// before the tenant, so there the token follows on a domain sign-in only.
func (w *World) Planned(user, device string) Facts {
	d, u := w.Devices[device], w.Users[user]
	if d == nil || u == nil {
		return Facts{}
	}
	work := u.In.Tenant == d.In.Tenant || !u.Knows("tenant") || !d.Knows("tenant")
	if d.In.Join == string(Registered) {
		work = d.HasWorkAccount(user) || !d.Knows("work_accounts")
	}
	member := member(d)
	inDomain := member && (u.In.Domain == d.In.Domain && d.In.Domain != "" || !u.Knows("domain") || !d.Knows("domain"))
	_, away := Network(d.In.Network).Away()
	reached := !d.Knows("network") || !away
	if member {
		if d.In.Join == string(DomainJoined) {
			work = inDomain
		}
		reached = inDomain && u.In.EnabledInDomain && d.In.EnabledInDomain && (atController(d) || !d.Knows("network"))
	}
	f := Facts{
		Joined:        d.In.Join != string(NotJoined),
		WorkAccount:   work,
		PRT:           work && reached && d.In.Join != string(DomainJoined) && u.In.EnabledInTenant && d.In.EnabledInTenant,
		TPM:           d.In.TPM != "none",
		Remote:        d.In.Session == "remote",
		DomainAccount: inDomain,
		CloudTGT:      w.partialTickets(u),
	}
	if d.In.Join == string(DomainJoined) {
		sts := w.FederationOn(d.In.Domain)
		f.Joined = w.RegistersAt(d) != "" || sts != nil && !sts.Knows("device_registration") || !d.Knows("domain")
	}
	w.planCertificates(&f, u, d)
	return f
}
