package access

import (
	"slices"
	"time"

	"hellolab/providers"
	"hellolab/providers/hello"
)

// ByPassword is the gesture of a sign-in with the password.
const ByPassword = "password"

// Request is a sign-in. Targets are addresses of the tenant, its applications,
// domains and their services; "" is Windows itself, ToUnlock the user's session on
// the device, which is locked.
type Request struct {
	User    string
	Device  string
	To      string
	Gesture string // "face", "fingerprint", ByPassword; "" or "pin" is the PIN
}

// Decide says how one sign-in ends. For many, New is quicker.
func Decide(w *hello.World, f *Facts, r Request) Verdict { return New(w, f).Decide(r) }

// Lab is a lab as declared and as its systems are. It is for one goroutine: it
// remembers what it worked out for the last user and device.
type Lab struct {
	world *hello.World
	facts *Facts
	last  *pair
	dcs   map[string]controllers // of each domain that was asked for
}

// New returns a Lab of w and f, which it does not change.
func New(w *hello.World, f *Facts) *Lab {
	return &Lab{world: w, facts: f, dcs: map[string]controllers{}}
}

// pair is a user at a device, with what is in force there.
type pair struct {
	*Lab
	user, device string
	u            *hello.User
	d            *hello.Device
	machine      *Machine
	credential   *Credential // empty when the device keeps none
	account      *Account
	route        hello.Route
	policy       hello.InForce
	unsupported  *hello.Refusal
}

func (l *Lab) pair(user, device string) *pair {
	if p := l.last; p != nil && p.user == user && p.device == device {
		return p
	}
	p := &pair{Lab: l, user: user, device: device, u: l.world.Users[user], d: l.world.Devices[device], machine: l.facts.Machines[device], account: l.facts.Accounts[user]}
	if p.u != nil && p.d != nil {
		p.policy = l.world.InForce(user, device)
		shape, _ := l.world.ShapeOf(user, device)
		p.route, p.unsupported = hello.Select(shape)
		p.route.Shape = shape
	}
	if p.account == nil {
		p.account = &Account{}
	}
	if p.machine != nil {
		p.credential = p.machine.Credentials[user]
	}
	if p.credential == nil {
		p.credential = &Credential{}
	}
	l.last = p
	return p
}

// signingIn is one sign-in on its way.
type signingIn struct {
	*pair
	Request
	to    target
	ended time.Time        // when what is over ended: a certificate, a password
	asked *UserCertificate // that is shown to the domain, instead of the one to sign in with
	typed bool             // the PIN opened the container
	open  bool             // the session in Windows opened
	apart string           // code for which the session has no token of the tenant's; "" when it has
	weak  bool             // a controller does not take AES256
	or    []End            // other ends, by chance

	unlock bool // of a session, not a sign-in

	proven []string // controllers that give a ticket for the key
}

// target is where a sign-in is to lead: one of them, or none for Windows.
type target struct {
	tenant      bool
	application *hello.Application
	domain      string // address; of a service, its domain
	service     *hello.Service
}

// Decide says how a sign-in ends.
func (l *Lab) Decide(r Request) Verdict {
	s := &signingIn{pair: l.pair(r.User, r.Device), Request: r}
	var there bool
	if s.to, there = s.target(); !there || s.u == nil || s.d == nil {
		return Verdict{Word: None, Reason: "no_hello_credential", Confidence: Documented}
	}
	if s.unlock = s.To == ToUnlock; s.unlock {
		s.To = ""
	}
	if s.machine == nil {
		return Verdict{Word: Unknown, Reason: "internal_error", Sentence: "What the device holds could not be read.", Confidence: Ours}
	}
	v := s.flow()
	v.Or = slices.DeleteFunc(s.or, func(e End) bool { return v.Word == Refused && e == End{v.Reason, v.Phase} })
	s.remarks(&v)
	s.unlockRemarks(&v)
	return v
}

// target finds what the request names; ok is false when there is no such thing
// for this user.
func (s *signingIn) target() (t target, ok bool) {
	w := s.world
	switch {
	case s.To == "":
		return t, true
	case s.To == ToUnlock:
		return t, s.u != nil && s.d != nil && (s.machine == nil || s.locked())
	case w.Tenants[s.To] != nil:
		return target{tenant: true}, s.u != nil && string(s.tenant()) == s.To
	case w.Applications[s.To] != nil:
		a := w.Applications[s.To]
		return target{application: a}, s.u != nil && a.In.Tenant == s.tenant()
	case w.Domains[s.To] != nil:
		return target{domain: s.To}, true
	case w.Services[s.To] != nil:
		service := w.Services[s.To]
		return target{domain: string(service.In.Domain), service: service}, true
	}
	return t, false
}

// tenant is the one that a sign-in on the device is to: of a personal device,
// the work account's; joined to nothing, whichever the user is in.
func (s *signingIn) tenant() providers.Ref {
	if s.d == nil || s.d.In.Join == string(hello.NotJoined) || s.d.In.Join == string(hello.Registered) && s.d.HasWorkAccount(s.user) {
		return s.u.In.Tenant
	}
	return s.d.In.Tenant
}

// byKey reports whether the sign-in is by the Hello key.
func (s *signingIn) byKey() bool { return s.Gesture != ByPassword }

// flow chooses as the device does.
func (s *signingIn) flow() Verdict {
	join := hello.JoinType(s.d.In.Join)
	switch {
	case join == hello.NotJoined && !s.byKey() && s.to.application != nil:
		return s.withoutToken()
	case join == hello.NotJoined, join == hello.DomainJoined && s.machine.Enterprise == "":
		return s.refuse(hello.A1, "A", "device_not_joined")
	case join == hello.Registered && !s.d.HasWorkAccount(s.user):
		return s.refuse(hello.A1, "A", "not_work_account")
	case s.unsupported != nil:
		v := s.refuse("", "", "unsupported_deployment")
		v.Sentence = s.unsupported.Reason
		return v
	}
	switch flow := s.route.SignIn; {
	case flow == hello.A1:
		return s.a1()
	case flow == hello.A5 && !s.byKey(): // a password is proven to a controller first
		return s.a6(hello.A6)
	case flow == hello.A6, flow == hello.A7:
		return s.a6(flow)
	case flow == hello.A8:
		return s.a8()
	case flow == hello.A5:
		return s.a5()
	}
	return Verdict{Word: Unknown, Flow: string(s.route.SignIn), Reason: "internal_error", Confidence: Ours,
		Sentence: "The preview does not decide flow " + string(s.route.SignIn) + " (" + s.route.SignIn.Title() + ")."}
}

// release is phase A: the gesture opens the container. ok is false when it is
// refused.
func (s *signingIn) release(flow hello.Flow) (v Verdict, ok bool) {
	c, g := s.credential, s.Gesture
	if g == "" {
		g = hello.FactorPIN
	}
	if !s.byKey() {
		return v, true
	}
	if c.KeyID == "" {
		return s.refuse(flow, "A", "no_hello_credential"), false
	}
	if g != hello.FactorPIN {
		if code := s.sensorRefused(g); code != "" {
			return s.refuse(flow, "A", code), false
		}
	}
	presented, enough := s.factors(g)
	if slices.Contains(presented, hello.FactorPIN) {
		if c.Barred != "" {
			return s.refuse(flow, "A", c.Barred), false
		}
		s.typed = true
	}
	if !enough {
		return s.refuse(flow, "A", "unlock_factor_missing"), false
	}
	return v, true
}

// conclude is success, or the refusal of a code.
func (s *signingIn) conclude(flow hello.Flow, letter, code string) Verdict {
	switch code {
	case "":
		return success(string(flow))
	case mixed:
		v := success(string(flow))
		v.Word, v.Reason, v.When, v.Action = Degraded, s.or[0].Reason, NextTGT, AdminFix
		if v.Rule = outcomes[v.Reason].rule; v.Reason == "domain_refused" {
			v.Rule = "D8" // in AES256
		}
		v.Sentence = "The controllers of the domain differ: it works with some of them."
		return v
	}
	return s.refuse(flow, letter, code)
}

// inside reports whether the device is on the domain's network.
func (s *signingIn) inside(tunnel bool) bool {
	switch s.d.In.Network {
	case "", string(hello.OnSite):
		return true
	case string(hello.VPN):
		return tunnel
	}
	return false
}

func (s *signingIn) vpn() bool { return s.d.In.Network == string(hello.VPN) }
