package all_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/windows/winbio"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/web"
)

// TestComponents is a user's first day, and each actor of the documents that an
// Entra joined device meets is in its trace, doing what the documents give it.
func TestComponents(t *testing.T) {
	l := newLab(t)
	tap := l.listen()
	on := true
	l.Create("policy.p", spec.Policy{UsePassportForWork: &on})
	l.device("laptop")
	l.user("bo") // who did not join the device: the second factor is asked for in the window
	bo := enrollment("user.bo", laptop, "face")
	l.Create("enrollment.bo", bo)
	joined := len(l.Events())
	l.expect(windows.Request{User: "user.bo", PIN: providers.Secret(pin)}, "success")
	sid := l.sidOf(laptop, "container")

	// acts demands a lane in a flow, and one of its steps.
	acts := func(t *testing.T, flow string, actor event.Actor, step string) event.Event {
		t.Helper()
		for _, e := range slices.Backward(l.Events()) {
			if (flow == "" || e.Flow == flow) && e.Actor == actor && e.Step == step {
				return e
			}
		}
		t.Fatalf("%s: no step %s of %s\n%s", flow, step, actor, l.trace())
		return event.Event{}
	}
	t.Run("CXH", func(t *testing.T) {
		seed.Proves(t, "COMP-01", "P1")
		acts(t, "P1", event.CXH, "token_request")
		acts(t, "P1", event.CXH, "key_registration")
	})
	t.Run("WAM", func(t *testing.T) {
		seed.Proves(t, "COMP-02", "P1")
		acts(t, "P1", event.WAM, "drs_token_request")
	})
	t.Run("Winlogon", func(t *testing.T) {
		seed.Proves(t, "COMP-03", "A1")
		acts(t, "A1", event.Winlogon, "credentials_to_lsass")
		acts(t, "A1", event.Winlogon, "explorer_started")
	})
	t.Run("credential provider", func(t *testing.T) {
		seed.Proves(t, "COMP-04", "A1")
		acts(t, "A1", event.CredentialProvider, "credentials_packed")
	})
	t.Run("LSASS", func(t *testing.T) {
		seed.Proves(t, "COMP-05", "A1")
		acts(t, "A1", event.LSASS, "prt_cached")
		status, err := l.windows.Status(l.For(laptop), laptop, "user.bo")
		if cached := stored[prtState](l, laptop, "prt", sid+"|ngc"); err != nil || !status.PRT || !status.Since.Equal(cached.Obtained) || !status.Until.Equal(cached.Expires) {
			t.Errorf("status %+v, cached %s to %s, %v", status, cached.Obtained, cached.Expires, err)
		}
	})
	t.Run("Cloud AP", func(t *testing.T) {
		seed.Proves(t, "COMP-06", "A1")
		acts(t, "A1", event.CloudAP, "nonce_request")
		acts(t, "A1", event.CloudAP, "nonce_signed")
	})
	t.Run("TPM", func(t *testing.T) {
		seed.Proves(t, "COMP-09", "A1")
		if !slices.ContainsFunc(l.Events(), func(e event.Event) bool { return e.Flow == "A1" && e.Peer == event.TPM }) {
			t.Error("the TPM has no lane")
		}
		lockout, err := l.tpmOf(laptop).Lockout(t.Context())
		if err != nil || lockout.Failures != 0 || lockout.Max != 32 {
			t.Errorf("lockout counter %+v, %v", lockout, err)
		}
	})
	t.Run("key pool", func(t *testing.T) {
		seed.Proves(t, "COMP-10", "P1")
		if e := acts(t, "P1", event.KeyPool, "pool_take"); e.Message["left"] != 0 {
			t.Errorf("the pool shows its level as %v", e.Message["left"])
		}
		status, err := l.windows.Status(l.For(laptop), laptop, "")
		if err != nil || status.Pool != len(l.keysOf(laptop, "keypool")) || status.Pool != 1 || status.PoolAttested != 1 {
			t.Errorf("status %+v, %v", status, err)
		}
		if text := status.Text(); !strings.Contains(text, "                   KeyPool : 1\n") {
			t.Errorf("status does not show the pool:\n%s", text)
		}
	})
	t.Run("sensor", func(t *testing.T) {
		seed.Proves(t, "COMP-11", "A1")
		l.expect(windows.Request{User: "user.bo", Gesture: "face"}, "success")
		if !slices.ContainsFunc(l.Events()[joined:], func(e event.Event) bool { return e.Peer == event.Sensor || e.Actor == event.Sensor }) {
			t.Error("the sensor has no lane")
		}
		if d, err := winbio.Parse(l.raw(laptop, "winbio", faceDB)); err != nil || len(d.Records) != 1 || d.Records[0].SID != sid {
			t.Errorf("its database: %+v, %v", d, err)
		}
	})
	get := func(t *testing.T, url string) web.Reply {
		t.Helper()
		c := web.Client(l.For("user.bo"))
		defer c.CloseIdleConnections()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		reply, err := web.Do(c, req)
		if err != nil || reply.Status != http.StatusOK {
			t.Fatalf("%s: %d, %v", url, reply.Status, err)
		}
		return reply
	}
	t.Run("Entra ID", func(t *testing.T) {
		seed.Proves(t, "COMP-14", "A1")
		acts(t, "", event.EntraID, "prt_issued")
		var document struct {
			Issuer string `json:"issuer"`
			Keys   string `json:"jwks_uri"`
		}
		reply := get(t, "https://"+l.tenant().LoginHost+"/"+l.tenant().TenantID+"/v2.0/.well-known/openid-configuration")
		if err := reply.JSON(&document); err != nil || document.Issuer != l.tenant().Issuer || document.Keys == "" {
			t.Errorf("%+v, %v", document, err)
		}
	})
	t.Run("registration service", func(t *testing.T) {
		seed.Proves(t, "COMP-16", "DR", "P1")
		acts(t, "", event.DRS, "device_registered")
		acts(t, "", event.DRS, "key_written")
		d, err := drs.ParseDiscovery(get(t, "https://"+l.tenant().RegistrationHost+"/contoso.com/Discover?api-version=1.9").Body)
		if err != nil || d.TenantInfo.TenantID != l.tenant().TenantID {
			t.Errorf("%+v, %v", d, err)
		}
	})
	t.Run("second factor", func(t *testing.T) {
		seed.Proves(t, "COMP-17", "P1")
		acts(t, "", event.MFA, "mfa_verified")
	})
	t.Run("source of policy", func(t *testing.T) {
		seed.Proves(t, "COMP-27", "P1")
		if e := acts(t, "P1", event.MDM, "policy_applied"); e.Message["UsePassportForWork"] != true || e.Message["policy"] != "policy.p" {
			t.Errorf("policy %v", e.Message)
		}
	})

	t.Run("order of stages", func(t *testing.T) {
		seed.Proves(t, "MOD-01", "DR", "P1", "A1")
		var order []string
		for _, e := range l.Events() {
			if e.Flow != "" && (len(order) == 0 || order[len(order)-1] != e.Flow) {
				order = append(order, e.Flow)
			}
		}
		if got := strings.Join(slices.Compact(order), " "); got != "DR P1 A1" {
			t.Errorf("flows in the order %s", got)
		}
	})
	t.Run("the tenant alone", func(t *testing.T) {
		seed.Proves(t, "MOD-12", "A1")
		seed.Proves(t, "MOD-14", "A1")
		seed.Proves(t, "MOD-15", "DR", "P1")
		before := len(tap.exchanges())
		l.expect(windows.Request{User: "user.bo", PIN: providers.Secret(pin)}, "success")
		if len(tap.exchanges()) == before {
			t.Error("the sign-in asked nobody")
		}
		for _, x := range tap.exchanges() {
			if !slices.Contains([]string{l.tenant().LoginHost, l.tenant().RegistrationHost, l.tenant().GraphHost}, x.host) {
				t.Errorf("%s asked %s", x.from, x.host)
			}
			if join := strings.HasPrefix(strings.ToLower(x.request.URL.Path), "/enrollmentserver/"); join != (x.host == l.tenant().RegistrationHost && !strings.Contains(x.request.URL.Path, "Discover")) {
				t.Errorf("%s %s at %s", x.request.Method, x.request.URL.Path, x.host)
			}
		}
	})
	t.Run("kinds of TPM", func(t *testing.T) {
		seed.Proves(t, "CONST-06")
		for _, a := range l.kind("device").Schema.In.Attrs {
			if a.Name == "tpm" && !slices.Equal(a.Enum, []string{"2.0", "none"}) {
				t.Errorf("tpm takes %q", a.Enum)
			}
		}
	})
}
