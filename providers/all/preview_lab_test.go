package all_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	vocabulary "hellolab/providers/hello"
	"hellolab/providers/hello/access"
	"hellolab/providers/spec"
	"hellolab/providers/survey"
	"hellolab/providers/windows"
)

// previewLab is a hybrid lab with something of everything that sign-ins lead to:
// alice, bo and carl, who is in the tenant alone, on an Entra joined laptop and
// a hybrid joined desk.
type previewLab struct{ *lab }

const previewPassword = "First.pa55word"

// planOrder is the order in which an apply goes through the kinds.
var planOrder = []string{"domain", "authority", "federation", "tenant", "sync", "trust", "group", "user", "password_settings", "device", "policy", "application", "service", "enrollment", "certificate"}

func newPreviewLab(t testing.TB, by ...providers.Ref) *previewLab {
	trust := providers.Ref("trust.key")
	if len(by) > 0 {
		trust = by[0]
	}
	l := &previewLab{newHybridLab(t)}
	l.Create("user.bo", spec.User{UPN: "bo@contoso.com", Tenant: "tenant.contoso", Domain: corp, Password: providers.Secret(previewPassword)})
	l.Create("user.carl", spec.User{UPN: "carl@contoso.com", Tenant: "tenant.contoso", Password: providers.Secret(previewPassword), MFA: "totp"})
	l.Create("group.staff", spec.Group{Domain: corp, Members: []providers.Ref{alice, "user.bo"}})
	l.device("laptop", func(d *spec.Device) { d.TrustedRoots = []providers.Ref{"authority.issuing"} })
	l.Create(desk, spec.Device{Join: "hybrid", Tenant: "tenant.contoso", Domain: corp, Biometrics: []string{"face"}})
	on := true
	l.Create("group.admins", spec.Group{Domain: corp, WellKnown: "domain_admins"})
	l.Create("trust.cloud", spec.Trust{Type: spec.TrustCloudKerberos, Tenant: "tenant.contoso", Domain: corp})
	l.Create("policy.hello", spec.Policy{Source: "gpo", Trust: trust, UsePassportForWork: &on})
	l.Create("policy.pin", spec.Policy{PINComplexity: &spec.PINComplexity{MinimumPINLength: ptr(4)}, Biometrics: &spec.Biometrics{UseBiometrics: &on}})
	l.Create("application.open", spec.Application{Tenant: "tenant.contoso"})
	l.Create("application.strict", spec.Application{Tenant: "tenant.contoso", Require: &spec.ApplicationRequire{MFA: true, JoinedDevice: true}})
	l.Create("service.web", spec.Service{Domain: corp, Kind: spec.ServiceKerberos, Authorize: []providers.Ref{"group.staff"}})
	l.Create("service.old", spec.Service{Domain: corp, Kind: spec.ServiceNTLM})
	l.Create("enrollment.alice_laptop", enrollment(alice, laptop, "face"))
	l.Create("enrollment.carl_laptop", enrollment("user.carl", laptop))
	l.Create("enrollment.alice_desk", enrollment(alice, desk, "face"))
	return l
}

// records are the lab's objects as they are.
func (l *previewLab) records() []providers.Record {
	l.t.Helper()
	var all []providers.Record
	for _, kind := range planOrder {
		list, err := l.For("").Objects.List(kind)
		if err != nil {
			l.t.Fatal(err)
		}
		all = append(all, list...)
	}
	// What an apply did not make is not there.
	return slices.DeleteFunc(all, func(r providers.Record) bool { return r.ID == "" })
}

func (l *previewLab) world(records []providers.Record) *vocabulary.World {
	l.t.Helper()
	w, err := vocabulary.NewWorld(records)
	if err != nil {
		l.t.Fatal(err)
	}
	return w
}

func (l *previewLab) facts() *access.Facts {
	l.t.Helper()
	f, err := survey.Read(l.t.Context(), l.For, l.windows)
	if err != nil {
		l.t.Fatal(err)
	}
	if len(f.Gaps) > 0 {
		l.t.Fatalf("the survey has gaps: %q", f.Gaps)
	}
	return f
}

// signIns are every sign-in that there is.
func signIns(w *vocabulary.World) (all []access.Request) {
	var to []string
	for _, m := range []map[string]bool{keysOf(w.Tenants), keysOf(w.Applications), keysOf(w.Domains), keysOf(w.Services)} {
		for addr := range m {
			to = append(to, addr)
		}
	}
	slices.Sort(to)
	for _, user := range []string{alice, "user.bo", "user.carl"} {
		for _, device := range []string{laptop, desk} {
			for _, gesture := range []string{"pin", "face", access.ByPassword} {
				for _, t := range append([]string{""}, to...) {
					all = append(all, access.Request{User: user, Device: device, To: t, Gesture: gesture})
				}
			}
		}
	}
	return all
}

func keysOf[V any](m map[string]V) map[string]bool {
	out := map[string]bool{}
	for k := range m {
		out[k] = true
	}
	return out
}

// try makes a sign-in for real.
func (l *previewLab) try(r access.Request) windows.Verdict {
	l.t.Helper()
	q := windows.Request{User: r.User, Device: r.Device}
	switch r.Gesture {
	case access.ByPassword:
		q.Password = providers.Secret(l.passwordOf(r.User))
	case "pin", "":
		q.PIN = providers.Secret(pin)
	default:
		q.Gesture = r.Gesture
	}
	l.addFactor(r, &q)
	switch r.To {
	case "":
	case access.ToUnlock:
		q.Unlock = true
		if err := l.windows.Lock(l.t.Context(), l.For(r.Device), r.User, r.Device); err != nil {
			l.t.Fatalf("%+v: %v", r, err)
		}
	default:
		q.To = []string{r.To}
	}
	v, err := l.windows.SignIn(l.t.Context(), l.For(r.Device), q)
	if err != nil {
		l.t.Errorf("%+v: %v", r, err)
	}
	return v
}

// addFactor has the user show another factor, where policy demands one that is
// not there, and the user has it.
func (l *previewLab) addFactor(r access.Request, q *windows.Request) {
	w := l.world(l.records())
	policy := w.InForce(r.User, r.Device)
	shown := []string{r.Gesture}
	if w.SignalHolds(policy, r.User, r.Device) {
		shown = append(shown, vocabulary.FactorSignal)
	}
	if r.Gesture == access.ByPassword || !policy.MultiFactorUnlock() || policy.Unlocks(shown...) {
		return
	}
	switch face := l.canShow(policy, r); {
	case r.Gesture != "pin" && policy.Unlocks(append(shown, "pin")...):
		q.PIN = providers.Secret(pin)
	case r.Gesture == "pin" && face && policy.Unlocks(append(shown, "face")...):
		q.Gesture = "face"
	}
}

// canShow reports whether a user can show the device their face.
func (l *previewLab) canShow(policy vocabulary.InForce, r access.Request) bool {
	m := l.facts().Machines[r.Device]
	if m == nil || m.Credentials[r.User] == nil {
		return false
	}
	held := m.Credentials[r.User]
	_, refused := policy.ForSignIn(l.world(l.records()).Devices[r.Device].In, "face", slices.Contains(held.Gestures, "face"), held.Sensed["face"])
	return refused == ""
}

func (l *previewLab) passwordOf(user string) string { return previewPassword }

// agrees says how a verdict and what happened differ; "" when they agree.
func agrees(p access.Verdict, v windows.Verdict) string {
	switch {
	case p.NewPIN && v.Code == "change_pin_prompt" && v.Phase == "A":
		return ""
	case p.NewPIN:
	case p.Word.Works() && v.Code == vocabulary.Success:
		return ""
	case slices.Contains(p.Or, access.End{Reason: v.Code, Phase: v.Phase}) && v.Flow == p.Flow:
		return "" // chance
	case slices.Contains(p.Or, access.End{}):
		return "" // a controller may have lists yet, and nobody sees which
	case p.Word == access.Refused && v.Code == p.Reason && v.Phase == p.Phase && v.Flow == p.Flow:
		return ""
	}
	why := ""
	if v.Reason != nil {
		why = v.Reason.Sentence
	}
	return fmt.Sprintf("predicted %s %s (%s.%s), got %s (%s.%s) %s", p.Word, p.Reason, p.Flow, p.Phase, v.Code, v.Flow, v.Phase, why)
}

// edit is one change of a plan.
type edit struct {
	addr string
	to   cty.Value            // of an update
	make any                  // of a creation
	gone bool                 // of a deletion
	anew bool                 // of an update that replaces the object, and what rests on it
	set  map[string]cty.Value // of an update: what it sets
}

func (e edit) String() string {
	switch {
	case e.gone:
		return "delete " + e.addr
	case e.make != nil:
		return "create " + e.addr
	case e.anew:
		return "replace " + e.addr
	}
	return "update " + e.addr
}

// with is a record's configuration with some attributes set.
func with(rec providers.Record, set map[string]cty.Value) cty.Value {
	attrs := rec.In.AsValueMap()
	for name, v := range set {
		attrs[name] = v
	}
	return cty.ObjectVal(attrs)
}

// planned is the records once edits are applied.
func (l *previewLab) planned(records []providers.Record, edits []edit) []providers.Record {
	l.t.Helper()
	out := slices.Clone(records)
	for _, e := range edits {
		i := slices.IndexFunc(out, func(r providers.Record) bool { return r.Addr == e.addr })
		switch {
		case e.gone:
			out = slices.Delete(out, i, i+1)
		case e.make != nil:
			t := l.kind(e.addr[:slices.Index([]byte(e.addr), '.')])
			v, err := providers.Encode(e.make, providers.OmitZero)
			if err == nil {
				v, err = t.Schema.Complete(v)
			}
			if err != nil {
				l.t.Fatal(err)
			}
			out = append(out, providers.Record{Addr: e.addr, Kind: t.Name, In: v, Out: cty.NullVal(t.Schema.OutType)})
		case e.anew:
			for _, n := range append(l.restOn(out, e.addr), i) {
				out[n].ID, out[n].Out = "", cty.NullVal(l.kind(out[n].Kind).Schema.OutType)
				if n != i {
					out[n].In = asAsked(out[n].In)
				}
			}
			out[i].In = e.to
		default:
			out[i].In = e.to
		}
	}
	return out
}

// apply does edits as an apply does, kind by kind: what goes first goes from the
// last kind on. Then it does what is due.
func (l *previewLab) apply(edits []edit, ahead time.Duration) {
	l.t.Helper()
	edits = l.taken(edits)
	for _, kind := range slices.Backward(planOrder) {
		for _, e := range edits {
			if e.gone && kindOf(e.addr) == kind {
				l.Delete(e.addr)
			}
		}
	}
	for _, kind := range planOrder {
		for _, e := range edits {
			switch {
			case e.gone || kindOf(e.addr) != kind:
			case e.make != nil:
				if _, err := l.TryCreate(l.t.Context(), e.addr, e.make); err != nil {
					if kind != "enrollment" && kind != "certificate" {
						l.t.Fatal(err)
					}
					code := ""
					if why := new(windows.Refusal); errors.As(err, &why) {
						code = why.Reason.Code
					}
					l.t.Logf("%s: %s: %v", e, code, err)
				}
			case !l.changes(e): // a plan has no step for it
			default:
				l.Update(e.addr, e.to)
			}
		}
	}
	l.due()
	if ahead > 0 {
		l.Advance(ahead)
		l.due()
	}
}

// possible are edits without those that end an apply: of people of whom Connect
// carries nothing, for they are not in its scope, of those who get another name and of
// computers also while it is staging, or of one that is to join where no controller is.
func (l *previewLab) possible(edits []edit) []edit {
	l.t.Helper()
	var scope []string
	away, staging := false, false
	for _, rec := range l.planned(l.records(), edits) {
		if at := rec.In; rec.Addr == desk && !at.GetAttr("network").IsNull() {
			away = at.GetAttr("network").AsString() != "onsite"
		} else if rec.Addr == "sync.hybrid" {
			staging = at.GetAttr("staging").RawEquals(cty.True)
			if at.GetAttr("scope").IsNull() {
				continue
			}
			for _, v := range at.GetAttr("scope").AsValueSlice() {
				scope = append(scope, v.AsString())
			}
		}
	}
	unjoinable := l.unjoinable(edits)
	return slices.DeleteFunc(edits, func(e edit) bool {
		return (e.addr == alice || e.addr == "user.bo") && !vocabulary.InScope(scope, "CN=alice,CN=Users,DC=corp,DC=contoso,DC=com") ||
			staging && renames(e) || e.anew && (unjoinable || away || staging || !vocabulary.InScope(scope, "CN=anew,CN=Computers,DC=corp,DC=contoso,DC=com"))
	})
}

// renames reports whether an edit gives somebody of both directories another name,
// for which an apply waits in vain while Connect is staging.
func renames(e edit) bool {
	return e.set["upn"] != cty.NilVal && (e.addr == alice || e.addr == "user.bo")
}

// unjoinable reports whether no computer can join by what AD FS says of it: it is
// down, or signs by a certificate that the tenant does not know.
func (l *previewLab) unjoinable(edits []edit) bool {
	l.t.Helper()
	if !l.has(adfs) || !l.has(tenantAddr) {
		return false
	}
	for _, rec := range l.planned(l.records(), edits) {
		if rec.Addr == adfs && rec.In.GetAttr("enabled").RawEquals(cty.False) {
			return true
		}
	}
	held := l.facts().Tenants[tenantAddr]
	return held != nil && held.Stale || slices.ContainsFunc(edits, func(e edit) bool { return e.set != nil && e.set["signing_version"] != cty.NilVal })
}

// restOn are the enrollments on a device, by their places among the records.
func (l *previewLab) restOn(records []providers.Record, device string) (at []int) {
	for i, r := range records {
		if r.Kind == "enrollment" && r.In.GetAttr("device").AsString() == device {
			at = append(at, i)
		}
	}
	return at
}

// taken are edits as an apply takes them: what is replaced goes first, with what
// rests on it, and is made again.
func (l *previewLab) taken(edits []edit) (out []edit) {
	l.t.Helper()
	gone := map[string]bool{}
	for _, e := range edits {
		gone[e.addr] = e.gone
	}
	for _, e := range edits {
		if !e.anew {
			out = append(out, e)
			continue
		}
		records := l.records()
		for _, i := range l.restOn(records, e.addr) {
			addr := records[i].Addr
			if gone[addr] {
				continue
			}
			out = append(out, edit{addr: addr, gone: true}, edit{addr: addr, make: asAsked(records[i].In)})
		}
		out = append(out, edit{addr: e.addr, gone: true}, edit{addr: e.addr, make: e.to})
	}
	return out
}

// asAsked is an enrollment's configuration, with the PIN that no record keeps.
func asAsked(in cty.Value) cty.Value {
	all := in.AsValueMap()
	all["pin"] = cty.StringVal(pin)
	return cty.ObjectVal(all)
}

// changes reports whether an update would change anything.
func (l *previewLab) changes(e edit) bool {
	return !slices.ContainsFunc(l.records(), func(r providers.Record) bool { return r.Addr == e.addr && r.In.RawEquals(e.to) })
}

func kindOf(addr string) string { return addr[:slices.Index([]byte(addr), '.')] }

// has reports whether the lab has an object.
func (l *previewLab) has(addr string) bool {
	return slices.ContainsFunc(l.records(), func(r providers.Record) bool { return r.Addr == addr })
}

// due does what lab time has made due, as an apply does at its end.
func (l *previewLab) due() {
	l.t.Helper()
	for _, addr := range []string{corp, "authority.issuing", corp, adfs, "sync.hybrid"} {
		if !l.has(addr) {
			continue
		}
		if err := l.Due(l.t.Context(), addr); err != nil {
			l.t.Fatal(err)
		}
	}
	if l.has(tenantAddr) {
		if err := l.Due(l.t.Context(), tenantAddr); err != nil {
			l.t.Logf("%s: %v", tenantAddr, err) // a warning: what it read last stays
		}
	}
}
