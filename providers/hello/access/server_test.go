package access_test

import (
	"testing"

	"hellolab/providers/hello/access"
	"hellolab/providers/spec"
)

// byCloud makes the lab's trust one by cloud Kerberos; key is its announced key.
func byCloud(key int) func(objects) {
	return func(o objects) {
		on := true
		delete(o, "trust.key")
		o["trust.cloud"] = spec.Trust{Type: spec.TrustCloudKerberos, Tenant: tenant, Domain: corp, KeyVersion: key}
		o["policy.hello"] = spec.Policy{Source: "gpo", Trust: "trust.cloud", UsePassportForWork: &on}
	}
}

// What was done to the server object behind the trust's back decides, and what
// makes or changes the trust mends it.
func TestServerObject(t *testing.T) {
	for code, phase := range map[string]string{"success": "", "no_cloud_tgt": "E", "cloud_kerberos_unknown": "E", "cloud_kerberos_key_differs": "E"} {
		t.Run(code, func(t *testing.T) {
			f := held()
			if code != "success" {
				f.Servers["trust.cloud"] = code
			}
			if v := decide(t, declared(byCloud(1)), f, desk, ""); v.Reason != code || v.Flow != "A5" || v.Phase != phase {
				t.Errorf("%+v", v)
			}
			same := world(t, declared(byCloud(1)))
			if got := access.Planned(f, same, same).Servers["trust.cloud"]; code != "success" && got != code {
				t.Errorf("a plan that leaves the trust alone: %q", got)
			}
			was, made := world(t, declared(byCloud(0))), world(t, declared(byCloud(1)), "trust.cloud")
			for name, then := range map[string]*access.Facts{"changed": access.Planned(f, was, same), "made anew": access.Planned(f, same, made)} {
				if v := access.Decide(same, then, access.Request{User: alice, Device: desk}); v.Reason != "success" {
					t.Errorf("%s: %+v", name, v)
				}
			}
			if (f.Servers["trust.cloud"] == "") != (code == "success") {
				t.Error("the facts themselves were changed")
			}
		})
	}
}

// Where one of two controllers takes no AES256, chance decides, and no certificate is
// at fault. D8.
func TestControllersDifferInAES(t *testing.T) {
	o := declared(byCloud(1), func(o objects) {
		d := o[corp].(spec.Domain)
		d.Controllers = map[string]*spec.Controller{"dc1": {OS: "windows-server-2022", ETypes: []string{"aes128"}}, "dc2": {OS: "windows-server-2022"}}
		o[corp] = d
	})
	for device, flow := range map[string]string{desk: "A5", laptop: "A2"} {
		if v := decide(t, o, held(), device, corp); v.Word != access.Degraded || v.Reason != "domain_refused" || v.Rule != "D8" || v.Flow != flow {
			t.Errorf("%s: %+v", device, v)
		}
	}
}
