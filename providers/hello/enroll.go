package hello

import (
	"fmt"

	"hellolab/providers/spec"
)

// FlowFor returns the route of an enrollment, or the problem that keeps it
// from having one. The zero Route without problems means that user or device
// is not part of the World, or that nobody can say who signs in the user: the tenant
// is federated and names no service, which is a problem of the tenant's own.
func (w *World) FlowFor(e *Enrollment) (Route, []Problem) {
	shape, ok := w.ShapeOf(string(e.In.User), string(e.In.Device))
	if !ok {
		return Route{}, nil
	}
	route, refusal := Select(shape)
	if refusal != nil && w.unnamedFederation(w.Users[string(e.In.User)]) {
		return Route{}, nil
	}
	if refusal != nil {
		return Route{}, []Problem{{
			Addr: e.Addr, Attribute: "device", Rule: refusal.Rule,
			Summary: "No provisioning flow",
			Detail:  refusal.Reason + " " + refusal.Hint,
		}}
	}
	if r := route.Warning; r != nil {
		return route, []Problem{{
			Addr: e.Addr, Attribute: "device", Rule: r.Rule, Warning: true,
			Summary: "Unsupported deployment",
			Detail:  r.Reason + " " + r.Hint,
		}}
	}
	return route, nil
}

// Outdated tells whether an enrollment that exists must be provisioned anew,
// and why: because what holds it is made anew, or because the flow it went
// through no longer serves the route it has now. A change of trust mostly does
// not: the key serves every trust, and only a certificate keeps its holder.
func (w *World) Outdated(e *Enrollment) (why string, outdated bool) {
	if !e.Exists() {
		return "", false
	}
	user, device := string(e.In.User), string(e.In.Device)
	if d := w.Devices[device]; d != nil {
		if !d.Exists() {
			return fmt.Sprintf("%s is made anew, and its Hello container goes with the old one.", device), true
		}
		// A registered device is another one to each tenant; what it learned is what
		// its first tenant calls it.
		own := d.In.Join != string(Registered) || w.Users[user] != nil && w.Users[user].In.Tenant == d.In.Tenant
		if own && e.Out.DeviceID != "" && d.Out.DeviceID != "" && e.Out.DeviceID != d.Out.DeviceID {
			return fmt.Sprintf("The key was registered for another device than %s is now.", device), true
		}
	}
	if u := w.Users[user]; u != nil && !u.Exists() {
		return fmt.Sprintf("%s is made anew, and the registered key goes with the old account.", user), true
	}
	route, _ := w.FlowFor(e)
	if route.Provision == "" {
		return "", false // Validate says so
	}
	return reprovision(Flow(e.Out.Flow), Trust(e.Out.Trust), route)
}

// reprovision tells whether a credential that flow made under trust must be
// made anew for a route ("Plan a Windows Hello for Business deployment";
// "Cloud Kerberos trust", migration from certificate trust):
//
//	on-premises <-> hybrid       every user provisions again
//	certificate -> cloud Kerberos  the container is deleted and provisioned again
//	key -> cloud Kerberos, certificate -> key, key -> certificate,
//	cloud Kerberos -> key        the key stays; a certificate is enrolled for it
//	managed <-> federated        nothing: sign-in proves the key to the tenant
func reprovision(flow Flow, trust Trust, now Route) (why string, outdated bool) {
	if flow == "" {
		return "", false
	}
	was, is := flow.onPremises(), now.Provision.onPremises()
	switch {
	case was && !is:
		return fmt.Sprintf("The key was registered on-premises (%s), and the deployment now uses the tenant (%s).", flow, now.Provision), true
	case is && !was:
		return fmt.Sprintf("The key was registered with the tenant (%s), and the deployment is now on-premises (%s).", flow, now.Provision), true
	case trust == CertTrust && now.Trust == CloudKerberos:
		return "There is no way from certificate trust to cloud Kerberos trust but a new container.", true
	}
	return "", false
}

func (f Flow) onPremises() bool { return f == P6 || f == P7 }

// secondFactor reports whether the user can give one.
func secondFactor(u spec.User) bool { return u.MFA != "none" && u.MFA != "" }
