// Package explain tells of one user on one device what is decided about them
// and why: the policy in force with each value's origin, the flows, whether
// Windows offers Hello, how sign-ins end and what each needs, and what an
// administrator's steps against the credential would end.
//
// It decides nothing by itself. Policy, flow and prerequisites are package
// hello's, verdicts package access's; this package puts reasons beside them. A
// sign-in's conditions are in the order in which the systems check them, so that
// the first that is not met is the verdict's reason; a test holds the two
// against each other.
package explain

import (
	"strings"
	"time"

	"hellolab/providers/hello"
	"hellolab/providers/hello/access"
)

// Held is what the systems hold of a lab and of the pair, or would hold once a
// plan is applied.
type Held struct {
	Applied bool          // the systems hold it; else it is planned
	Lab     *access.Facts // of the whole lab, at the time that is explained
	Launch  hello.Facts   // what the device checks before it offers Hello
}

// Request is what to explain. To narrows the sign-ins to one target: a tenant, an
// application, a domain or a service of one; "" is Windows, the user's tenant
// and the user's domain.
type Request struct {
	User, Device, To string
}

// Explanation is the answer. Its JSON form is documented in docs/cli.md.
type Explanation struct {
	User         string       `json:"user"`
	Device       string       `json:"device"`
	At           time.Time    `json:"at"`      // lab time that it holds for
	Applied      bool         `json:"applied"` // true: as the systems are; false: as planned
	Policy       Policy       `json:"policy"`
	Choice       Choice       `json:"choice"`
	Provisioning Provisioning `json:"provisioning"`
	SignIns      []SignIn     `json:"sign_ins"`
	Endings      []Ending     `json:"endings,omitempty"` // of a credential that exists
	Gaps         []string     `json:"gaps,omitempty"`    // what could not be read, as sentences
}

// Provisioning is whether Windows would offer Hello to the user.
type Provisioning struct {
	Enrolled      bool        `json:"enrolled"` // the user has a credential here, and is not asked again
	WillProvision bool        `json:"will_provision"`
	Event         int         `json:"event,omitempty"`        // HelloForBusiness: 8054, 7054
	DeviceEvent   int         `json:"device_event,omitempty"` // User Device Registration: 358, 360, 361, 362
	Checks        []Condition `json:"checks"`                 // dsregcmd's, in the order of the log
	Deployment    []Condition `json:"deployment"`             // what the flow needs besides
}

// SignIn is one sign-in by the Hello key, with the PIN.
type SignIn struct {
	To         string      `json:"to"` // "" is Windows itself, "unlock" the user's session, where it unlocks otherwise than a sign-in ends
	Flow       string      `json:"flow,omitempty"`
	Verdict    access.Word `json:"verdict"`
	Reason     string      `json:"reason"` // code of a reason; "success"
	Sentence   string      `json:"sentence,omitempty"`
	Phase      string      `json:"phase,omitempty"`
	Conditions []Condition `json:"conditions"`
	Remarks    []string    `json:"remarks,omitempty"` // what one may expect to count, and does not
}

// Verdict is what becomes of a condition.
type Verdict string

// Verdicts.
const (
	Met     Verdict = "met"
	NotMet  Verdict = "not_met"
	Partly  Verdict = "partly" // with some controllers of the domain, not with others
	Later   Verdict = "later"  // by itself: At says when, if that is known
	Asks    Verdict = "asks"   // Windows asks for it at the sign-in
	Unknown Verdict = "unknown"
)

// Condition is one thing that is needed.
type Condition struct {
	Name    string    `json:"name"`  // of dsregcmd, or a word of ours in snake case
	Needs   string    `json:"needs"` // what is needed, a full sentence
	Verdict Verdict   `json:"verdict"`
	Code    string    `json:"code,omitempty"`   // of the reason, when it is not met
	Status  string    `json:"status,omitempty"` // what the protocol or Windows says
	Why     string    `json:"why,omitempty"`    // what stands behind the verdict, a full sentence
	Mend    string    `json:"mend,omitempty"`   // what would have to change
	At      time.Time `json:"at,omitzero"`
	Event   int       `json:"event,omitempty"` // HelloForBusiness
}

// explaining is one Explanation in the making.
type explaining struct {
	Request
	world  *hello.World
	held   Held
	lab    *access.Lab
	u      *hello.User
	d      *hello.Device
	policy hello.InForce
	shape  hello.Shape
	route  hello.Route
	no     *hello.Refusal // why there is no route
	unread bool           // what the device keeps could not be read

	machine    *access.Machine
	credential *access.Credential // empty when the device keeps none
	account    *access.Account
}

// Explain explains a user on a device; both must be in the World.
func Explain(w *hello.World, held Held, r Request) Explanation {
	e := of(w, held, r)
	out := Explanation{
		User: r.User, Device: r.Device, At: held.Lab.Now, Applied: held.Applied,
		Policy: e.policyInForce(), Choice: e.choice(), Provisioning: e.provisioning(), Gaps: held.Lab.Gaps,
	}
	for _, to := range e.targets() {
		out.SignIns = append(out.SignIns, e.signIn(to))
	}
	if e.lab.Unlocks(r.User, r.Device, hello.FactorPIN) {
		out.SignIns = append(out.SignIns, e.signIn(access.ToUnlock))
	}
	out.Endings = e.endings()
	return out
}

// of gathers what is known of the pair.
func of(w *hello.World, held Held, r Request) *explaining {
	e := &explaining{Request: r, world: w, held: held, lab: access.New(w, held.Lab), u: w.Users[r.User], d: w.Devices[r.Device],
		machine: held.Lab.Machines[r.Device], account: held.Lab.Accounts[r.User]}
	e.policy = w.InForce(r.User, r.Device)
	e.shape, _ = w.ShapeOf(r.User, r.Device)
	e.route, e.no = hello.Select(e.shape)
	e.route.Shape = e.shape
	if e.machine == nil {
		e.machine, e.unread = &access.Machine{}, true
	}
	if e.account == nil {
		e.account = &access.Account{}
	}
	if e.credential = e.machine.Credentials[r.User]; e.credential == nil {
		e.credential = &access.Credential{}
	}
	return e
}

// targets are where sign-ins are explained to.
func (e *explaining) targets() []string {
	if e.To != "" {
		return []string{"", e.To}
	}
	to := []string{""}
	for _, home := range []string{string(e.u.In.Tenant), string(e.u.In.Domain)} {
		if home != "" {
			to = append(to, home)
		}
	}
	return to
}

// condition is one that holds, or that fails for the reason of a code.
func condition(name, needs string, ok bool, code string) Condition {
	c := Condition{Name: name, Needs: needs, Verdict: Met}
	if !ok {
		c = failed(c, code)
	}
	return c
}

// failed turns a condition into one that is not met.
func failed(c Condition, code string) Condition {
	c.Verdict, c.Code = NotMet, code
	if r, ok := hello.ReasonFor(code); ok {
		c.Status, c.Why, c.Mend = r.Status, r.Sentence, r.Hint
	}
	return c
}

// provisioning is what Windows checks before it offers Hello, as if the user had
// no credential yet, and what the flow needs further on.
func (e *explaining) provisioning() Provisioning {
	facts := e.held.Launch
	p := Provisioning{Enrolled: facts.HasKey || e.credential.KeyID != ""}
	facts.HasKey = false
	launch := hello.Prerequisites(e.route, e.policy, facts)
	p.WillProvision, p.Event, p.DeviceEvent = launch.WillProvision && e.no == nil, launch.Event, launch.DeviceEvent
	if e.no != nil {
		p.Checks = append(p.Checks, Condition{Name: "Deployment", Needs: "The deployment is one that Windows Hello for Business has.", Verdict: NotMet, Code: e.no.Rule, Why: e.no.Reason, Mend: e.no.Hint})
	}
	for _, c := range launch.Checks {
		out := Condition{Name: c.Name, Needs: checkNeeds[c.Name], Verdict: Met, Event: c.Event}
		if !c.OK {
			out = failed(out, c.Code)
		}
		out.Why = strings.TrimSpace(out.Why + e.because(c.Name))
		p.Checks = append(p.Checks, out)
	}
	if e.no == nil {
		p.Deployment = e.deployment()
	}
	return p
}

// checkNeeds says what dsregcmd's checks ask for.
var checkNeeds = map[string]string{
	"IsDeviceJoined":         "The device is joined, or registered.",
	"IsUserAzureAD":          "The user signed in with an account of the device's tenant, and has a primary refresh token.",
	"WorkplaceJoined":        "The work account on the device has a primary refresh token.",
	"DomainAccount":          "The user has an account in the device's domain.",
	"DeviceEligible":         "The device has the hardware that policy asks for.",
	"PolicyEnabled":          "Policy turns Windows Hello for Business on.",
	"PostLogonEnabled":       "Policy lets provisioning start after sign-in.",
	"SessionIsNotRemote":     "The user is at the device, not connected by Remote Desktop.",
	"MdmCertificateReady":    "Device management has a sign-in certificate profile for the user.",
	"LogonCertTemplateReady": "The sign-in certificate's template can be enrolled.",
	"AdfsRaIsReady":          "The certificate registration authority of AD FS answers.",
	"AdfsRefreshToken":       "The user has a token of the federation service (enterprise primary refresh token).",
	"OnPremTGT":              "The user has a cloud Kerberos ticket for the domain.",
}

// because names the policy behind a check of a setting.
func (e *explaining) because(check string) string {
	var o hello.Origin
	switch check {
	case "DeviceEligible":
		o = e.policy.RequireSecurityDevice.Origin
	case "PolicyEnabled":
		o = e.policy.UsePassportForWork.Origin
	case "PostLogonEnabled":
		o = e.policy.DisablePostLogonProvisioning.Origin
	default:
		return ""
	}
	return " By " + origin(o) + "."
}
