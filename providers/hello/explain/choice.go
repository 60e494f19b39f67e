package explain

import (
	"fmt"

	"hellolab/providers/hello"
)

// Choice is which flows the user and the device go through, and why.
type Choice struct {
	Join           string   `json:"join"`
	Deployment     string   `json:"deployment"`
	Authentication string   `json:"authentication"`
	Trust          string   `json:"trust"`
	Delivery       string   `json:"certificate_delivery,omitempty"`
	Tokens         string   `json:"token_service,omitempty"`        // who signs the user in: a tenant, or a federation service
	Registration   string   `json:"registration_service,omitempty"` // whose: a tenant's, or on-premises that of AD FS
	Provision      string   `json:"provisioning,omitempty"`         // P1…P8
	SignIn         string   `json:"sign_in,omitempty"`              // A1…A8, at the lock screen
	Domain         string   `json:"domain,omitempty"`               // A2, A3, A4, at the first use of the domain
	Why            []string `json:"why"`                            // one sentence for each axis, then for each flow
	Refused        string   `json:"refused,omitempty"`              // why there is no flow
	Mend           string   `json:"mend,omitempty"`
}

func (e *explaining) choice() Choice {
	s := e.shape
	c := Choice{
		Join: string(s.Join), Deployment: string(s.Deployment), Authentication: string(s.Authentication), Trust: string(s.Trust), Delivery: string(s.Delivery),
		Tokens: e.world.TokenServiceOf(e.u), Registration: e.world.RegistersAt(e.d),
		Provision: string(e.route.Provision), SignIn: string(e.route.SignIn), Domain: string(e.route.Domain),
	}
	say := func(format string, args ...any) { c.Why = append(c.Why, fmt.Sprintf(format, args...)) }
	say("%s has join = %q: %s.", e.Device, s.Join, joins[s.Join])
	say("The deployment is %s: %s.", deployments[s.Deployment], e.homes())
	switch {
	case e.u.In.Tenant != "" && s.Authentication.Federated() && c.Tokens != "":
		say("%s has its users' first factor checked by %s: it is federated with %s.", e.u.In.Tenant, authentications[s.Authentication], c.Tokens)
	case e.u.In.Tenant != "":
		say("%s has its users' first factor checked by %s.", e.u.In.Tenant, authentications[s.Authentication])
	case c.Tokens != "":
		say("%s signs the user in, and registers devices and keys: there is no tenant.", c.Tokens)
	}
	if s.Trust != hello.NoTrust {
		proof := e.policy.Proof()
		say("Towards the domain %s, by %s.", trusts[proof.Value], origin(proof.Origin))
	}
	if e.no != nil {
		c.Refused, c.Mend = e.no.Reason, e.no.Hint
		return c
	}
	say("So Hello is provisioned by flow %s (%s)%s.", e.route.Provision, e.route.Provision.Title(), also(e.route.Federated, ", whose tokens pass the federation service"))
	switch flow := e.route.Provision; {
	case e.world.AlwaysPrompts(flow, e.User, e.Device):
		say("Phase A asks for the second factor however lately one was given.")
	case flow.PromptsByDefault():
		say("Phase A takes a second factor that is still current, as the trust says (accept_recent_mfa); by itself it always asks.")
	}
	if s.Delivery == hello.RegistrationAuthority {
		say("The registration authority of AD FS delivers the sign-in certificate while the flow runs.")
	} else if s.Delivery == hello.MDMDelivery {
		say("Device management delivers the sign-in certificate after the flow.")
	}
	say("It signs in to Windows by flow %s (%s).", e.route.SignIn, e.route.SignIn.Title())
	if e.route.Domain != "" {
		say("The first use of the domain is flow %s (%s).", e.route.Domain, e.route.Domain.Title())
	}
	if w := e.route.Warning; w != nil {
		say("%s %s", w.Reason, w.Hint)
	}
	return c
}

func also(yes bool, text string) string {
	if yes {
		return text
	}
	return ""
}

// homes says where the accounts are that make the deployment what it is.
func (e *explaining) homes() string {
	u, d := e.u.In, e.d.In
	switch {
	case u.Tenant != "" && u.Domain != "":
		return fmt.Sprintf("%s has accounts in %s and %s", e.User, u.Tenant, u.Domain)
	case u.Tenant == "" && u.Domain != "":
		return fmt.Sprintf("%s has an account in %s alone", e.User, u.Domain)
	case e.shape.Deployment == hello.Hybrid && d.Domain != "":
		return fmt.Sprintf("%s is a member of %s", e.Device, d.Domain)
	case e.shape.Deployment == hello.Hybrid:
		return fmt.Sprintf("a trust leads from %s to a domain that is synchronized to it", u.Tenant)
	case u.Tenant != "":
		return fmt.Sprintf("%s has an account in %s alone", e.User, u.Tenant)
	}
	return fmt.Sprintf("%s has an account nowhere", e.User)
}

var joins = map[hello.JoinType]string{
	hello.EntraJoined:  "its account is in the tenant",
	hello.HybridJoined: "it is a member of the domain, and registered with the tenant",
	hello.DomainJoined: "it is a member of the domain, and unknown to any tenant",
	hello.Registered:   "it is a personal device with work accounts added",
	hello.NotJoined:    "no directory knows it",
}

var deployments = map[hello.Deployment]string{hello.CloudOnly: "cloud-only", hello.Hybrid: "hybrid", hello.OnPremises: "on-premises"}

var authentications = map[hello.Authentication]string{
	hello.Managed: "the tenant itself (managed)", hello.FederatedADFS: "AD FS (federated)", hello.FederatedThirdParty: "another federation service (federated)",
}

var trusts = map[hello.Trust]string{
	hello.KeyTrust:      "the key itself is proven (key trust)",
	hello.CloudKerberos: "a ticket of the tenant is exchanged (cloud Kerberos trust)",
	hello.CertTrust:     "a certificate is proven (certificate trust)",
}
