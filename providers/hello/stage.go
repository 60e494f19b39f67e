package hello

import "fmt"

// Stage is one of the five stages of a deployment, in the order of time.
type Stage struct {
	Name string // "device_registration", …
	Flow Flow   // the flow that performs it; "" for synchronization and enrollment, which are phases of others
	Runs bool
	Why  string // one sentence, for a stage that does not run or that nobody waits for
}

// Stages are the five stages of a route: registration, provisioning, key
// synchronization, certificate enrollment, authentication. The middle two run
// in some deployments only; a stage that does not run says why.
func (r Route) Stages() []Stage {
	stages := []Stage{
		{Name: "device_registration", Flow: DR, Runs: true},
		{Name: "provisioning", Flow: r.Provision, Runs: true},
		r.keySynchronization(),
		r.certificateEnrollment(),
		{Name: "authentication", Flow: r.SignIn, Runs: true},
	}
	return stages
}

// Stages are those of an enrollment, with the flows that an Entra joined device
// reaches the domain by, and that key synchronization belongs to. None where the
// enrollment has no flow: Validate says why.
func (w *World) Stages(e *Enrollment) []Stage {
	route, _ := w.FlowFor(e)
	if route.Provision == "" {
		return nil
	}
	stages := route.Stages()
	for i := range stages {
		switch s := &stages[i]; s.Name {
		case "key_synchronization":
			s.Flow = route.SyncFlow()
		case "authentication":
			if route.Domain != "" && route.Domain != route.SignIn {
				s.Flow += ", " + route.Domain
			}
		}
	}
	return stages
}

// WaitsForSync reports whether the key is of no use to the domain before
// Connect has copied it there.
func (r Route) WaitsForSync() bool {
	return r.Deployment == Hybrid && r.Trust == KeyTrust
}

// SyncFlow is the flow that key synchronization belongs to where a route has it:
// the provisioning flow, on a computer of the domain, or the one by which an
// Entra joined device reaches the domain. "" where there is none.
func (r Route) SyncFlow() Flow {
	switch {
	case !r.keySynchronization().Runs:
		return ""
	case r.Domain != "":
		return r.Domain
	}
	return r.Provision
}

// Handover is what another object carries on of an enrollment once that is made.
// It orders nothing: the cycle that does it comes when it comes.
type Handover struct {
	To    string // address
	Stage string // name, as of Stages
	Flow  Flow   // that it belongs to
	Waits bool   // the enrollment is of no use to the domain before
	Text  string // one sentence
}

// Handovers are those of an enrollment: to the sync that carries its key. One
// whose key no domain uses has none (KS-01).
func (w *World) Handovers(e *Enrollment) []Handover {
	route, _ := w.FlowFor(e)
	u := w.Users[string(e.In.User)]
	flow := route.SyncFlow()
	if flow == "" || u == nil {
		return nil
	}
	s := w.SyncBetween(u.In.Tenant, u.In.Domain)
	if s == nil {
		return nil // Validate says so
	}
	h := Handover{To: s.Addr, Stage: route.keySynchronization().Name, Flow: flow, Waits: route.WaitsForSync()}
	h.Text = fmt.Sprintf("%s: %s copies its key to %s, and nobody waits for that.", flow, s.Addr, u.In.Domain)
	if h.Waits {
		h.Text = fmt.Sprintf("%s: %s writes its key to %s %s; until then the domain refuses it.", flow, s.Addr, u.In.Domain, whenKeysAre(s))
	}
	return []Handover{h}
}

// whenKeysAre says when a sync writes keys.
func whenKeysAre(s *Sync) string {
	switch {
	case !s.In.KeyExport && s.Knows("key_export"):
		return "once key_export is on"
	case s.In.Staging:
		return "once it is not in staging mode"
	case KeysPaused(s.In) != "" && s.Knows("enabled", "key_export_schedule"):
		return "when somebody runs it"
	}
	return "on a later cycle"
}

func (r Route) keySynchronization() Stage {
	s := Stage{Name: "key_synchronization"}
	switch {
	case r.Deployment == CloudOnly:
		s.Why = "There is no domain to copy the key to."
	case r.Deployment == OnPremises:
		s.Why = "AD FS writes the key to the domain itself."
	case r.Trust == CloudKerberos:
		s.Why = "Cloud Kerberos trust does not use the key in the domain."
	case r.Trust == CertTrust:
		s.Runs = true
		s.Why = "Connect copies the key, but the certificate works without it."
	default:
		s.Runs = true
	}
	return s
}

func (r Route) certificateEnrollment() Stage {
	s := Stage{Name: "certificate_enrollment"}
	switch {
	case r.Trust != CertTrust && r.Deployment == CloudOnly:
		s.Why = "There is no domain that asks for a certificate."
	case r.Trust != CertTrust:
		s.Why = "Only certificate trust enrolls a sign-in certificate."
	case r.Delivery == MDMDelivery:
		s.Runs = true
		s.Why = "Device management delivers the certificate after provisioning."
	default:
		s.Runs = true
	}
	return s
}
