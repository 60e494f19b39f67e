package all_test

import (
	"flag"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"hellolab/providers"
	"hellolab/providers/all"
	"hellolab/providers/conformance"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/windows/tpm"
	"hellolab/providers/windows/tpm/tpmtest"
	"hellolab/providers/wire/guid"
)

// TestMain lets garbage lie longer than the program does, but for a benchmark:
// a tenth of what the tests cost was to collect it.
func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.bench").Value.String() == "" {
		debug.SetGCPercent(400)
	}
	tpmtest.Main(m)
}

const (
	password = "correct horse battery staple"
	pin      = "187246"
	alice    = "user.alice"
	laptop   = "device.laptop"
	enrolled = "enrollment.alice_laptop"
)

// lab is an Entra joined lab in memory with all kinds.
type lab struct {
	*conformance.Env
	t       testing.TB
	windows *windows.Windows
	pool    *tpm.Pool
	types   []providers.Type
}

// kind returns a kind for calls that Env does not make.
func (l *lab) kind(name string) *providers.Type {
	for i := range l.types {
		if l.types[i].Name == name {
			return &l.types[i]
		}
	}
	l.t.Fatalf("no kind %q", name)
	return nil
}

// newLab has a tenant and alice, who has an authenticator app.
func newLab(t testing.TB) *lab {
	t.Helper()
	tpmtest.NeedsSimulator(t)
	return newLabOf(t, "required")
}

// newLabOf is newLab with a tenant that treats attestation as given, for
// builds without a TPM simulator, too.
func newLabOf(t testing.TB, attestation string) *lab {
	t.Helper()
	return newLabOn(t, tpmtest.NewLabPool(t, 0), attestation)
}

// newLabOn is newLabOf with devices that run on pool.
func newLabOn(t testing.TB, pool *tpm.Pool, attestation string) *lab {
	t.Helper()
	w := windows.New(pool)
	types := all.Types(all.Deps{Windows: w})
	l := &lab{conformance.NewEnv(t, types...), t, w, pool, types}
	l.Create("tenant.contoso", spec.Tenant{Domains: []string{"contoso.com"}, Attestation: attestation})
	l.user("alice")
	return l
}

func (l *lab) user(name string) {
	l.t.Helper()
	l.Create("user."+name, spec.User{UPN: name + "@contoso.com", Tenant: "tenant.contoso", Password: providers.Secret(password)})
}

// device makes an Entra joined device that alice joins.
func (l *lab) device(name string, change ...func(*spec.Device)) spec.DeviceOut {
	l.t.Helper()
	d := spec.Device{Join: "entra", Tenant: "tenant.contoso", JoinedBy: alice, Biometrics: []string{"face", "fingerprint"}}
	for _, c := range change {
		c(&d)
	}
	l.Create("device."+name, d)
	return conformance.Get[spec.Device, spec.DeviceOut](l.Env, "device."+name).Out
}

func enrollment(user, device string, gestures ...string) spec.Enrollment {
	return spec.Enrollment{User: providers.Ref(user), Device: providers.Ref(device), PIN: providers.Secret(pin), Gestures: gestures}
}

// enroll provisions alice on the laptop.
func (l *lab) enroll(gestures ...string) spec.EnrollmentOut {
	l.t.Helper()
	l.Create(enrolled, enrollment(alice, laptop, gestures...))
	return conformance.Get[spec.Enrollment, spec.EnrollmentOut](l.Env, enrolled).Out
}

// signIn tries one sign-in; user and device default to alice and the laptop.
func (l *lab) signIn(r windows.Request) windows.Verdict {
	l.t.Helper()
	if r.User == "" && r.Device != phonepc { // that one has an owner who is no user
		r.User = alice
	}
	if r.Device == "" {
		r.Device = laptop
	}
	v, err := l.windows.SignIn(l.t.Context(), l.For(r.Device), r)
	if err != nil {
		l.t.Fatalf("sign-in: %v", err)
	}
	return v
}

func (l *lab) expect(r windows.Request, code string) windows.Verdict {
	l.t.Helper()
	v := l.signIn(r)
	if v.Code != code {
		l.t.Fatalf("sign-in ended with %s (%+v), want %s", v.Code, v.Reason, code)
	}
	return v
}

// byPIN is a sign-in with a PIN.
func byPIN(p string) windows.Request { return windows.Request{PIN: providers.Secret(p)} }

// find returns the last event of a step, and fails the test when there is none.
func (l *lab) find(step string) event.Event {
	l.t.Helper()
	all := l.Events()
	for _, e := range slices.Backward(all) {
		if e.Step == step {
			return e
		}
	}
	l.t.Fatalf("no step %q in\n%s", step, l.trace())
	return event.Event{}
}

func (l *lab) has(step string) bool {
	return slices.ContainsFunc(l.Events(), func(e event.Event) bool { return e.Step == step })
}

// inOrder checks that steps happened in this order, others between them or not.
func (l *lab) inOrder(steps ...string) {
	l.t.Helper()
	rest := steps
	for _, e := range l.Events() {
		if len(rest) > 0 && e.Step == rest[0] {
			rest = rest[1:]
		}
	}
	if len(rest) > 0 {
		l.t.Errorf("step %q did not happen where it should\n%s", rest[0], l.trace())
	}
}

// trace shows the events, for failures.
func (l *lab) trace() string {
	var b strings.Builder
	for _, e := range l.Events() {
		b.WriteString(e.Flow + "/" + e.Phase + " " + string(e.Actor) + " → " + string(e.Peer) + " " + e.Step)
		if e.Reason != nil {
			b.WriteString(" [" + e.Reason.Code + ": " + e.Reason.Sentence + "]")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// sid is how devices know a user, by the name of the block.
func (l *lab) sid(user string) string {
	l.t.Helper()
	id, err := guid.Parse(conformance.Get[spec.User, spec.UserOut](l.Env, "user."+user).Out.ObjectID)
	if err != nil {
		l.t.Fatal(err)
	}
	return id.SID()
}
