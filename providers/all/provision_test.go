package all_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/ngc"
)

// byPassword is a sign-in with a password.
func byPassword(p string) windows.Request { return windows.Request{Password: providers.Secret(p)} }

func TestProvisionP1(t *testing.T) {
	l := newLab(t)
	device := l.device("laptop")
	out := l.enroll("face")
	if out.Flow != "P1" || out.KeyStorage != "tpm" || out.Trust != "none" || out.Status != "ready" || out.DeviceID != device.DeviceID {
		t.Errorf("learned %+v", out)
	}
	for _, row := range []string{
		"PRE-07", "PRE-09", "PRE-10", "PA-01", "PA-02", "PA-03", "PB-01", "PB-02", "PB-03", "PB-06", "PB-07", "PB-08", "PB-09", "PB-10", "PB-12",
		"PC-01", "PC-02", "PC-07", "PC-08", "PC-09", "PC-10", "PC-12", "P1-01", "P1-02", "P1-03", "P1-04",
	} {
		seed.Proves(t, row, "P1")
	}
	for _, row := range []string{"DR-17", "DR-19", "DR-22", "CT-04", "CT-20", "CT-33", "COMP-01", "COMP-02", "COMP-10", "COMP-11", "COMP-14", "COMP-16",
		"KEY-04", "KEY-05", "KEY-06", "KEY-08", "KEY-09", "KEY-10"} {
		seed.Proves(t, row)
	}
	l.inOrder("registered", "first_factor", "policy_applied", "cxh_launch",
		"token_request", "drs_token_request", "drs_token",
		"sensor_check", "biometrics_chosen", "biometric_enrolled", "pin_confirmed", "protector_created", "authentication_key_created",
		"container_created", "pool_take", "user_key_bound", "attestation", "key_registration", "key_id", "key_id_stored", "exit", "pool_refill")

	// Phases in their order, and none after C.
	var phases []string
	for _, s := range l.steps("P1") {
		if p, _, _ := strings.Cut(s, ":"); len(phases) == 0 || phases[len(phases)-1] != p {
			phases = append(phases, p)
		}
	}
	if got := strings.Join(phases, ""); got != "ABC" {
		t.Errorf("phases %q\n%s", phases, l.trace())
	}
	for _, e := range l.Events() {
		if a := string(e.Actor); strings.Contains(a, "AD FS") || strings.Contains(a, "Directory") {
			t.Errorf("actor %s in a cloud-only lab", a)
		}
	}
	take := l.find("pool_take")
	if take.Actor != event.KeyPool || take.Message["pregenerated"] != true || take.Message["key_id"] != out.KeyID {
		t.Errorf("pool: %+v", take)
	}

	keys := l.helloKeys("alice")
	if len(keys) != 1 {
		t.Fatalf("%d keys in the directory", len(keys))
	}
	k := keys[0]
	if k.KeyIdentifier != out.KeyID || k.DeviceID != device.DeviceID || k.Usage != "NGC" || k.AttestationLevel != "attested" {
		t.Errorf("directory entry %+v", k)
	}
	if k.ID != l.find("key_id").Message["entry"] {
		t.Errorf("entry %s, told %v", k.ID, l.find("key_id").Message["entry"])
	}
	if _, err := cng.ParseRSAPublic(k.KeyMaterial); err != nil || ngc.KeyID(k.KeyMaterial) != out.KeyID {
		t.Errorf("key material: %v", err)
	}
	seed.Proves(t, "PC-14", "P1")
}

// TestFreshSecondFactor is the boundary of the ten minutes: the second factor
// given when the device was joined is good, and then no longer.
func TestFreshSecondFactor(t *testing.T) {
	for wait, prompts := range map[time.Duration]bool{
		9*time.Minute + 59*time.Second: false,
		10*time.Minute + time.Second:   true,
	} {
		t.Run(wait.String(), func(t *testing.T) {
			seed.Proves(t, "PA-07", "P1")
			seed.Proves(t, "CONST-01")
			l := newLab(t)
			l.device("laptop")
			before := count(l, "mfa_prompt")
			l.Advance(wait)
			l.enroll()
			if got := count(l, "mfa_prompt") > before; got != prompts {
				t.Errorf("prompted: %v\n%s", got, l.trace())
			}
		})
	}
}

func count(l *lab, step string) (n int) {
	for _, e := range l.Events() {
		if e.Step == step {
			n++
		}
	}
	return n
}

// TestSecondUserIsPrompted: a user who did not join the device comes with a
// password, and the tenant demands the second factor in the window.
func TestSecondUserIsPrompted(t *testing.T) {
	l := newLab(t)
	for _, row := range []string{"PA-04", "PA-05", "PA-06", "PA-11", "PA-12", "PA-13"} {
		seed.Proves(t, row, "P1")
	}
	l.device("laptop")
	l.user("bo")
	l.Create("enrollment.bo", enrollment("user.bo", laptop))
	l.inOrder("first_factor", "drs_token_request", "mfa_demanded", "mfa_window", "mfa_challenge", "mfa_prompt", "mfa_done", "drs_token", "key_id")
	token := l.find("drs_token").Message
	amr, _ := token["amr"].([]any)
	if len(amr) == 0 || amr[0] != "pwd" || !slices.Contains(amr, any("ngcmfa")) || !slices.Contains(amr, any("mfa")) {
		t.Errorf("amr %v", amr)
	}
	if token["deviceid"] == nil && token["aud"] != "urn:ms-drs:enterpriseregistration.windows.net" {
		t.Errorf("token %v", token)
	}
	if prompt := l.find("mfa_prompt"); prompt.Actor != event.CXH {
		t.Errorf("%s shows the prompt", prompt.Actor)
	}
}

// TestNoSecondFactor: a user who has none ends with nothing made.
func TestNoSecondFactor(t *testing.T) {
	l := newLab(t)
	seed.Proves(t, "PA-14", "P1")
	l.device("laptop")
	l.Create("user.mo", l.With("user", spec.User{UPN: "mo@contoso.com", Tenant: "tenant.contoso", Password: providers.Secret(password)}, "mfa", cty.StringVal("none")))
	_, err := l.TryCreate(t.Context(), "enrollment.mo", enrollment("user.mo", laptop))
	if err == nil {
		t.Fatal("provisioned without a second factor")
	}
	for _, step := range []string{"drs_token", "pool_take", "container_created", "key_registration"} {
		for _, e := range l.Events() {
			if e.Step == step && e.User == "user.mo" {
				t.Errorf("step %s happened", step)
			}
		}
	}
	if n := len(l.helloKeys("mo")); n != 0 {
		t.Errorf("%d keys", n)
	}
	l.expect(windows.Request{User: "user.mo", PIN: providers.Secret(pin)}, "no_hello_credential")
}

func TestPrerequisites(t *testing.T) {
	no, yes := false, true
	for _, c := range []struct {
		name, row, want string
		device          func(*spec.Device)
		policy          *spec.Policy
	}{
		{"no TPM where one is required", "PRE-01", "TPM", func(d *spec.Device) { d.TPM = "none" }, &spec.Policy{RequireSecurityDevice: &yes}},
		{"policy off", "PRE-04", "Policy does not enable", nil, &spec.Policy{UsePassportForWork: &no}},
		{"remote desktop", "PRE-05", "Remote Desktop", func(d *spec.Device) { d.Session = "remote" }, nil},
		{"post-logon off", "PRE-06", "after sign-in", nil, &spec.Policy{DisablePostLogonProvisioning: &yes}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t)
			seed.Proves(t, c.row, "P1")
			seed.Proves(t, "PRE-08", "P1")
			change := c.device
			if change == nil {
				change = func(*spec.Device) {}
			}
			l.device("laptop", change)
			if c.policy != nil {
				l.Create("policy.p", *c.policy)
			}
			_, err := l.TryCreate(t.Context(), enrolled, enrollment(alice, laptop))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want %q", err, c.want)
			}
			for _, step := range []string{"cxh_launch", "token_request", "pool_take", "container_created"} {
				if l.has(step) {
					t.Errorf("%s happened", step)
				}
			}
		})
	}
}

// TestForeignAccount: an account of another tenant is a local one to this device.
func TestForeignAccount(t *testing.T) {
	l := newLab(t)
	seed.Proves(t, "PRE-03", "P1")
	l.device("laptop")
	l.Create("tenant.fabrikam", spec.Tenant{Domains: []string{"fabrikam.com"}})
	l.Create("user.eve", spec.User{UPN: "eve@fabrikam.com", Tenant: "tenant.fabrikam", Password: providers.Secret(password)})
	_, err := l.TryCreate(t.Context(), "enrollment.eve", enrollment("user.eve", laptop))
	if err == nil || !strings.Contains(err.Error(), "work account") {
		t.Fatalf("provisioning: %v", err)
	}
	if l.has("cxh_launch") {
		t.Error("the application was launched")
	}
}

// TestPINRules: a PIN that policy does not want ends the flow with nothing made.
func TestPINRules(t *testing.T) {
	l := newLab(t)
	six := 6
	l.device("laptop")
	l.Create("policy.p", spec.Policy{PINComplexity: &spec.PINComplexity{MinimumPINLength: &six}})
	for bad, want := range map[string]string{"1872": "shorter", "123456": "simple"} {
		e := enrollment(alice, laptop)
		e.PIN = providers.Secret(bad)
		_, err := l.TryCreate(t.Context(), enrolled, e)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		if err != nil && strings.Contains(err.Error(), bad) {
			t.Errorf("the error shows the PIN: %v", err)
		}
	}
	if l.has("pool_take") || l.has("container_created") || len(l.helloKeys("alice")) != 0 {
		t.Errorf("something was made\n%s", l.trace())
	}
	l.enroll()
	l.expect(byPIN(pin), "success")
}

func TestDeleteRemovesTheKey(t *testing.T) {
	l := newLab(t)
	l.device("laptop")
	l.enroll()
	l.device("desk")
	l.Create("enrollment.desk", enrollment(alice, "device.desk"))
	seed.Proves(t, "PC-07", "P1")
	if n := len(l.helloKeys("alice")); n != 2 {
		t.Fatalf("%d keys", n)
	}
	l.Delete(enrolled)
	if keys := l.helloKeys("alice"); len(keys) != 1 || keys[0].DeviceID == "" {
		t.Fatalf("%d keys left", len(keys))
	}
	l.expect(byPIN(pin), "no_hello_credential")
	l.expect(windows.Request{Device: "device.desk", PIN: providers.Secret(pin)}, "success")
}

// TestKeyDeletedInTheDirectory: the other half gone, the credential is gone.
func TestKeyDeletedInTheDirectory(t *testing.T) {
	l := newLab(t)
	l.device("laptop")
	l.enroll()
	keys := l.helloKeys("alice")
	err := l.directory().Delete(t.Context(), "users", "alice@contoso.com", "authentication", "windowsHelloForBusinessMethods", keys[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	l.expect(byPIN(pin), "key_not_found")
	if _, err := l.Read(t.Context(), enrolled); !errors.Is(err, providers.ErrGone) {
		t.Errorf("read: %v", err)
	}
	l.enroll() // made anew, though the device remembers the old one
	l.expect(byPIN(pin), "success")
	if n := len(l.helloKeys("alice")); n != 1 {
		t.Errorf("%d keys", n)
	}
}

// TestDeviceDeletedInTheDirectory: what is made anew begins from nothing.
func TestDeviceDeletedInTheDirectory(t *testing.T) {
	l := newLab(t)
	was := l.device("laptop")
	l.enroll()
	if err := l.directory().Delete(t.Context(), "devices", was.ObjectID); err != nil {
		t.Fatal(err)
	}
	if v := l.signIn(byPIN(pin)); v.Code == "success" {
		t.Error("signed in from a device that is gone")
	}
	if _, err := l.Read(t.Context(), laptop); !errors.Is(err, providers.ErrGone) {
		t.Fatalf("read: %v", err)
	}
	is := l.device("laptop")
	if is.DeviceID == was.DeviceID || is.EKHash != was.EKHash {
		t.Errorf("device was %+v, is %+v", was, is)
	}
	if _, err := l.Read(t.Context(), enrolled); !errors.Is(err, providers.ErrGone) {
		t.Errorf("read of the enrollment: %v", err)
	}
	l.enroll()
	l.expect(byPIN(pin), "success")
}

func TestSensors(t *testing.T) {
	l := newLab(t)
	seed.Proves(t, "PB-01", "P1")
	seed.Proves(t, "PB-02", "P1")
	no := false
	l.device("laptop", func(d *spec.Device) { d.Biometrics = nil })
	if _, err := l.TryCreate(t.Context(), enrolled, enrollment(alice, laptop, "face")); err == nil || !strings.Contains(err.Error(), "face") {
		t.Errorf("a gesture without a sensor: %v", err)
	}
	l.enroll()
	if n := l.find("sensor_check").Message["sensors"]; n != 0 {
		t.Errorf("sensors found: %v", n)
	}
	if l.has("biometrics_skipped") {
		t.Error("the choice was offered without a sensor")
	}
	l.device("desk")
	l.Create("enrollment.desk", enrollment(alice, "device.desk"))
	if !l.has("biometrics_skipped") {
		t.Error("the choice was not offered")
	}
	l.expect(windows.Request{Device: "device.desk", PIN: providers.Secret(pin)}, "success")
	l.Advance(time.Minute) // the authenticator app shows a new code
	l.device("tablet")
	l.Create("enrollment.tablet", enrollment(alice, "device.tablet", "face"))
	l.expect(windows.Request{Device: "device.tablet", Gesture: "face"}, "success")
	l.Create("policy.p", spec.Policy{Biometrics: &spec.Biometrics{UseBiometrics: &no}})
	l.expect(windows.Request{Device: "device.tablet", Gesture: "face"}, "biometrics_disabled")
	l.expect(windows.Request{Device: "device.tablet", PIN: providers.Secret(pin)}, "success")
}

// TestManyEnrollments is a day's work: users and devices side by side.
func TestManyEnrollments(t *testing.T) {
	l := newLab(t)
	const n = 6
	for i := range n {
		l.user(fmt.Sprintf("u%d", i))
	}
	errs := make(chan error, n)
	for i := range n {
		go func() {
			device, user := fmt.Sprintf("device.d%d", i), fmt.Sprintf("user.u%d", i)
			_, err := l.TryCreate(t.Context(), device, spec.Device{Join: "entra", Tenant: "tenant.contoso", JoinedBy: providers.Ref(user)})
			if err == nil {
				_, err = l.TryCreate(t.Context(), fmt.Sprintf("enrollment.e%d", i), enrollment(user, device))
			}
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		l.expect(windows.Request{User: fmt.Sprintf("user.u%d", i), Device: fmt.Sprintf("device.d%d", i), PIN: providers.Secret(pin)}, "success")
	}
}
