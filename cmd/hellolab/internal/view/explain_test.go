package view

import (
	"strings"
	"testing"
	"time"

	"hellolab/providers/hello/access"
	"hellolab/providers/hello/explain"
)

func TestExplanation(t *testing.T) {
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	shared := explain.Condition{Name: "hello_credential", Needs: "The user has a Hello credential on the device.", Verdict: explain.Met}
	x := explain.Explanation{
		User: "user.alice", Device: "device.\u202edesk", At: at, Applied: true, Gaps: []string{"tenant.contoso could not be read: it is down."},
		Policy: explain.Policy{Settings: []explain.Setting{
			{Name: "use_passport_for_work", Value: true, Policy: "policy.p", Level: "computer GPO", Overridden: []string{"policy.q"}, Reported: true},
			{Name: "device_unlock.group_a", Value: []string(nil), Level: "default", Default: "a page", Reported: true},
			{Name: "remote.use_remote_passport", Value: false, Level: "default", Default: "a page"},
		}, Notes: []string{"Two policies differ."}},
		Choice:       explain.Choice{Why: []string{"It is hybrid."}},
		Provisioning: explain.Provisioning{Enrolled: true, WillProvision: true, Event: 8054, DeviceEvent: 358, Checks: []explain.Condition{{Name: "IsDeviceJoined", Needs: "The device is joined.", Verdict: explain.Met}}},
		SignIns: []explain.SignIn{
			{Flow: "A6", Verdict: access.Degraded, Reason: "key_device_disabled", Phase: "G", Sentence: "The device is disabled.", Conditions: []explain.Condition{shared}},
			{To: "domain.corp", Flow: "A6", Verdict: access.Refused, Reason: "key_not_synced", Phase: "B", Sentence: "The key is not there.", Remarks: []string{"Patience."}, Conditions: []explain.Condition{shared,
				{Name: "key_in_domain", Needs: "The domain has the key.", Verdict: explain.Later, Code: "key_not_synced", Status: "0xC000038C", Why: "The next cycle writes it.", Mend: "Run a cycle.", At: at.Add(30 * time.Minute)}}},
			{To: "tenant.contoso", Flow: "A6", Verdict: access.Allowed, Reason: "success", Conditions: []explain.Condition{shared}},
		},
		Endings: []explain.Ending{{Step: "The device is disabled in the tenant.", How: "enabled_in_tenant = false", Ways: []explain.Way{{Now: access.Degraded, Next: access.Degraded}, {To: "domain.corp", Now: access.Refused, Next: access.Allowed}}}},
	}
	const want = `user.alice on device.\u202edesk, as the systems hold it, at 2026-03-02T09:00:00Z.
  Not read: tenant.contoso could not be read: it is down.

Policy in force
  SETTING                VALUE  FROM
  use_passport_for_work  true   policy.p (computer GPO), over policy.q
  device_unlock.group_a  none   default: a page
  note: Two policies differ.

Flow
  It is hybrid.

Provisioning would start (events 358, 8054)
  The user has a credential on the device and is not asked again; a new provisioning would find:
  yes     IsDeviceJoined  The device is joined.

Sign-in to Windows: degraded, key_device_disabled (A6, phase G)
  The device is disabled.
  yes     hello_credential  The user has a Hello credential on the device.

Sign-in to domain.corp: refused, key_not_synced (A6, phase B)
  The key is not there.
  It needs what is listed above, and:
  later   key_in_domain  The domain has the key.
          The next cycle writes it. That is due on 2026-03-02T09:30:00Z. (key_not_synced, 0xC000038C)
          hint: Run a cycle.
  note: Patience.

Sign-in to tenant.contoso: allowed (A6)
  It needs what is listed above.

What would end it: the same sign-ins after each step
  STEP                                   Windows   domain.corp        BY
  The device is disabled in the tenant.  degraded  refused → allowed  enabled_in_tenant = false
  An arrow leads to what follows Connect's next cycle. Sessions keep their tickets and tokens to their end.
`
	var b strings.Builder
	if err := Explanation(&b, x, ExplainOptions{}); err != nil {
		t.Fatal(err)
	}
	if b.String() != want {
		t.Errorf("%s\nwant\n%s", b.String(), want)
	}
	b.Reset()
	x.Applied = false
	if err := Explanation(&b, x, ExplainOptions{All: true, Style: Style{Color: true, Width: 60}}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"as planned", "remote.use_remote_passport", "\x1b[33mlater\x1b[0m", "The plan has a credential"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
}
