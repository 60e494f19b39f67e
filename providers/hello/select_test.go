package hello

import (
	"strings"
	"testing"

	"hellolab/providers/conformance/seed"
)

// allShapes enumerates every combination of the vocabulary.
func allShapes() []Shape {
	var all []Shape
	for _, j := range JoinTypes() {
		for _, d := range Deployments() {
			for _, a := range Authentications() {
				for _, tr := range Trusts() {
					for _, del := range Deliveries(tr) {
						all = append(all, Shape{j, d, a, tr, del})
					}
				}
			}
		}
	}
	return all
}

// legal is every supported combination, written out by hand from the
// deployment page: shape -> provisioning, sign-in, domain flow.
var legal = map[Shape][3]Flow{
	{EntraJoined, CloudOnly, Managed, NoTrust, ""}:             {P1, A1, ""},
	{EntraJoined, CloudOnly, FederatedThirdParty, NoTrust, ""}: {P2, A1, ""},
	{Registered, CloudOnly, Managed, NoTrust, ""}:              {P1, A1, ""},
	{Registered, CloudOnly, FederatedThirdParty, NoTrust, ""}:  {P2, A1, ""},

	{EntraJoined, Hybrid, Managed, CloudKerberos, ""}:              {P1, A1, A2},
	{EntraJoined, Hybrid, FederatedADFS, CloudKerberos, ""}:        {P2, A1, A2},
	{EntraJoined, Hybrid, FederatedThirdParty, CloudKerberos, ""}:  {P2, A1, A2},
	{Registered, Hybrid, Managed, CloudKerberos, ""}:               {P1, A1, ""},
	{Registered, Hybrid, FederatedADFS, CloudKerberos, ""}:         {P2, A1, ""},
	{Registered, Hybrid, FederatedThirdParty, CloudKerberos, ""}:   {P2, A1, ""},
	{HybridJoined, Hybrid, Managed, CloudKerberos, ""}:             {P3, A5, ""},
	{HybridJoined, Hybrid, FederatedADFS, CloudKerberos, ""}:       {P3, A5, ""},
	{HybridJoined, Hybrid, FederatedThirdParty, CloudKerberos, ""}: {P3, A5, ""},

	{EntraJoined, Hybrid, Managed, KeyTrust, ""}:              {P1, A1, A3},
	{EntraJoined, Hybrid, FederatedADFS, KeyTrust, ""}:        {P2, A1, A3},
	{EntraJoined, Hybrid, FederatedThirdParty, KeyTrust, ""}:  {P2, A1, A3},
	{HybridJoined, Hybrid, Managed, KeyTrust, ""}:             {P4, A6, ""},
	{HybridJoined, Hybrid, FederatedADFS, KeyTrust, ""}:       {P8, A6, ""},
	{HybridJoined, Hybrid, FederatedThirdParty, KeyTrust, ""}: {P8, A6, ""},

	{HybridJoined, Hybrid, FederatedADFS, CertTrust, RegistrationAuthority}: {P5, A7, ""},
	{EntraJoined, Hybrid, FederatedADFS, CertTrust, MDMDelivery}:            {P2, A1, A4},
	{EntraJoined, Hybrid, Managed, CertTrust, MDMDelivery}:                  {P1, A1, A4}, // with a warning

	{DomainJoined, OnPremises, FederatedADFS, KeyTrust, ""}:                     {P6, A8, ""},
	{DomainJoined, OnPremises, FederatedADFS, CertTrust, RegistrationAuthority}: {P7, A8, ""},
}

func TestSelectEveryCombination(t *testing.T) {
	seed.Proves(t, "MOD-06")
	shapes := allShapes()
	if len(shapes) != 5*3*3*(3+2) {
		t.Fatalf("%d shapes", len(shapes))
	}
	found := 0
	for _, s := range shapes {
		route, refusal := Select(s)
		want, ok := legal[s]
		switch {
		case ok && refusal != nil:
			t.Errorf("%v: refused by %s", s, refusal.Rule)
		case !ok && refusal == nil:
			t.Errorf("%v: goes by %s, want a refusal", s, route.Provision)
		case ok:
			found++
			if got := [3]Flow{route.Provision, route.SignIn, route.Domain}; got != want {
				t.Errorf("%v: %v, want %v", s, got, want)
			}
			if route.Shape != s {
				t.Errorf("%v: route remembers %v", s, route.Shape)
			}
			if federated := s.Join == HybridJoined && s.Trust == CloudKerberos && s.Authentication.Federated(); route.Federated != federated {
				t.Errorf("%v: Federated is %v", s, route.Federated)
			}
			if warned := s.Trust == CertTrust && s.Authentication == Managed; (route.Warning != nil) != warned {
				t.Errorf("%v: warning %v", s, route.Warning)
			}
		default:
			complete(t, refusal)
			if refusal.Rule == "unsupported_deployment" {
				t.Errorf("%v: no row says why it is refused", s)
			}
		}
	}
	if found != len(legal) {
		t.Errorf("%d of %d supported combinations were enumerated", found, len(legal))
	}
}

func complete(t *testing.T, r *Refusal) {
	t.Helper()
	for _, sentence := range []string{r.Reason, r.Hint} {
		if !strings.HasSuffix(sentence, ".") && !strings.HasSuffix(sentence, "?") {
			t.Errorf("%s: %q is no sentence", r.Rule, sentence)
		}
	}
}

// Each unsupported line of the deployment page, by the rule that says so.
func TestSelectRefusesByRule(t *testing.T) {
	seed.Proves(t, "MOD-06")
	for _, c := range []struct {
		shape Shape
		rule  string
	}{
		{Shape{HybridJoined, Hybrid, Managed, CertTrust, RegistrationAuthority}, "certificate_needs_federation"},
		{Shape{HybridJoined, Hybrid, FederatedThirdParty, CertTrust, RegistrationAuthority}, "certificate_needs_adfs"},
		{Shape{EntraJoined, Hybrid, FederatedThirdParty, CertTrust, MDMDelivery}, "certificate_needs_adfs"},
		{Shape{EntraJoined, Hybrid, FederatedADFS, CertTrust, RegistrationAuthority}, "entra_certificate_by_ra"},
		{Shape{HybridJoined, Hybrid, FederatedADFS, CertTrust, MDMDelivery}, "hybrid_certificate_by_mdm"},
		{Shape{DomainJoined, OnPremises, FederatedADFS, CertTrust, MDMDelivery}, "on_premises_certificate_by_mdm"},
		{Shape{DomainJoined, OnPremises, FederatedADFS, CloudKerberos, NoDelivery}, "cloud_kerberos_on_premises"},
		{Shape{EntraJoined, OnPremises, FederatedADFS, KeyTrust, NoDelivery}, "on_premises_join"},
		{Shape{HybridJoined, OnPremises, FederatedADFS, CertTrust, RegistrationAuthority}, "on_premises_join"},
		{Shape{DomainJoined, OnPremises, Managed, KeyTrust, NoDelivery}, "on_premises_needs_adfs"},
		{Shape{DomainJoined, OnPremises, FederatedThirdParty, KeyTrust, NoDelivery}, "on_premises_needs_adfs"},
		{Shape{DomainJoined, Hybrid, Managed, KeyTrust, NoDelivery}, "domain_join_unregistered"},
		{Shape{DomainJoined, CloudOnly, Managed, NoTrust, NoDelivery}, "domain_join_unregistered"},
		{Shape{HybridJoined, CloudOnly, Managed, NoTrust, NoDelivery}, "hybrid_join_without_domain"},
		{Shape{EntraJoined, CloudOnly, FederatedADFS, NoTrust, NoDelivery}, "adfs_without_domain"},
		{Shape{EntraJoined, CloudOnly, Managed, KeyTrust, NoDelivery}, "trust_without_domain"},
		{Shape{EntraJoined, Hybrid, Managed, NoTrust, NoDelivery}, "domain_without_trust"},
		{Shape{Registered, Hybrid, Managed, KeyTrust, NoDelivery}, "registered_device_trust"},
		{Shape{NotJoined, CloudOnly, Managed, NoTrust, NoDelivery}, "device_not_joined"},
	} {
		if _, r := Select(c.shape); r == nil || r.Rule != c.rule {
			t.Errorf("%v: %v, want %s", c.shape, r, c.rule)
		}
	}
}

func TestSelectUnknownWords(t *testing.T) {
	seed.Proves(t, "MOD-03")
	if n := len(Deployments()); n != 3 {
		t.Errorf("%d kinds of deployment", n)
	}
	good := Shape{EntraJoined, CloudOnly, Managed, NoTrust, NoDelivery}
	for _, c := range []struct {
		change     func(*Shape)
		rule, hint string
	}{
		{func(s *Shape) { s.Deployment = "hybird" }, "unknown_deployment", `Did you mean "hybrid"?`},
		{func(s *Shape) { s.Deployment = "moon" }, "unknown_deployment", `Use one of "cloud_only", "hybrid", "on_premises".`},
		{func(s *Shape) { s.Join = "entr" }, "unknown_join", `Did you mean "entra"?`},
		{func(s *Shape) { s.Authentication = "manged" }, "unknown_authentication", `Did you mean "managed"?`},
		{func(s *Shape) { s.Trust = "cloud_kerberoes" }, "unknown_trust", `Did you mean "cloud_kerberos"?`},
		{func(s *Shape) { s.Delivery = "ra" }, "unknown_certificate_delivery", `Use one of "".`},
	} {
		s := good
		c.change(&s)
		_, r := Select(s)
		if r == nil || r.Rule != c.rule || r.Hint != c.hint {
			t.Errorf("%+v: %+v, want %s: %s", s, r, c.rule, c.hint)
		}
	}
}

// Federation is an axis of its own: with everything else equal, it moves phase
// A to the federation service and nothing else of an Entra joined device.
func TestFederationIsApartFromTrust(t *testing.T) {
	for _, trust := range []Trust{CloudKerberos, KeyTrust} {
		managed, r1 := Select(Shape{EntraJoined, Hybrid, Managed, trust, NoDelivery})
		fed, r2 := Select(Shape{EntraJoined, Hybrid, FederatedADFS, trust, NoDelivery})
		if r1 != nil || r2 != nil {
			t.Fatal(r1, r2)
		}
		if managed.SignIn != fed.SignIn || managed.Domain != fed.Domain {
			t.Errorf("%s: sign-in differs: %v, %v", trust, managed, fed)
		}
		if managed.Provision.PhaseTitle("A") == fed.Provision.PhaseTitle("A") {
			t.Errorf("%s: phase A is the same", trust)
		}
	}
}

// The trust type never changes how an Entra joined device signs in to the tenant.
func TestTrustLeavesTenantSignInAlone(t *testing.T) {
	for s := range legal {
		if s.Join != EntraJoined {
			continue
		}
		if route, _ := Select(s); route.SignIn != A1 {
			t.Errorf("%v signs in by %s", s, route.SignIn)
		}
	}
}

func TestPhases(t *testing.T) {
	count := func(flows ...Flow) (n int) {
		for _, f := range flows {
			n += len(f.Phases())
		}
		return n
	}
	// The totals of the documents' tables.
	if n := count(P1, P2, P3, P4, P5, P6, P7); n != 30 {
		t.Errorf("%d provisioning phases, the documents have 30", n)
	}
	if n := count(A1, A2, A3, A4, A5, A6, A7); n != 32 {
		t.Errorf("%d sign-in phases, the documents have 32", n)
	}
	for _, f := range Flows() {
		if f.Title() == "" {
			t.Errorf("%s has no title", f)
		}
		for i, p := range f.Phases() {
			if f != DR && f != APP && f != KS && p.Letter != string(rune('A'+i)) {
				t.Errorf("%s: phase %d has letter %q", f, i, p.Letter)
			}
			if p.Title == "" || f.PhaseTitle(p.Letter) != p.Title {
				t.Errorf("%s %s: title %q", f, p.Letter, p.Title)
			}
		}
	}
	if P1.PhaseTitle("D") != "" {
		t.Error("P1 has no phase D")
	}
	P1.Phases()[0].Title = "changed"
	if P1.PhaseTitle("A") == "changed" {
		t.Error("Phases hands out the table itself")
	}
}

func TestStages(t *testing.T) {
	seed.Proves(t, "MOD-01")
	seed.Proves(t, "MOD-02")
	order := []string{"device_registration", "provisioning", "key_synchronization", "certificate_enrollment", "authentication"}
	for shape := range legal {
		route, _ := Select(shape)
		stages := route.Stages()
		if len(stages) != len(order) {
			t.Fatalf("%v: %d stages", shape, len(stages))
		}
		for i, s := range stages {
			if s.Name != order[i] {
				t.Errorf("%v: stage %d is %s", shape, i, s.Name)
			}
			if !s.Runs && !strings.HasSuffix(s.Why, ".") {
				t.Errorf("%v: %s is skipped without a reason", shape, s.Name)
			}
			if optional := i == 2 || i == 3; !s.Runs && !optional {
				t.Errorf("%v: %s does not run", shape, s.Name)
			}
		}
		if sync := shape.Deployment == Hybrid && (shape.Trust == KeyTrust || shape.Trust == CertTrust); stages[2].Runs != sync {
			t.Errorf("%v: key synchronization runs: %v", shape, stages[2].Runs)
		}
		if cert := shape.Trust == CertTrust; stages[3].Runs != cert {
			t.Errorf("%v: certificate enrollment runs: %v", shape, stages[3].Runs)
		}
		if wait := shape.Deployment == Hybrid && shape.Trust == KeyTrust; route.WaitsForSync() != wait {
			t.Errorf("%v: waits for synchronization: %v", shape, route.WaitsForSync())
		}
	}
}
