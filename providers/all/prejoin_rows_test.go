package all_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"hellolab/providers/conformance"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
)

// TestPreJoinDiagnostics: a hybrid join that failed is in the log of the device
// and in its state until one succeeds.
func TestPreJoinDiagnostics(t *testing.T) {
	seed.Proves(t, "DR-24", "DR")
	l := newHybridLab(t)
	synced := conformance.Get[spec.Sync, spec.SyncOut](l.Env, "sync.hybrid").In
	scoped := synced
	scoped.Scope = []string{"CN=Users,DC=corp,DC=contoso,DC=com"} // where no computers are
	l.Update("sync.hybrid", scoped)

	_, err := l.TryCreate(t.Context(), desk, onDesk())
	if err == nil || !strings.Contains(err.Error(), "does not know the computer yet") {
		t.Fatal(err)
	}
	failed := l.find("registration_failed")
	if failed.Outcome != event.Refused || failed.Reason.Code != "0x801C03F2" {
		t.Errorf("%+v", failed)
	}
	s, err := l.windows.Status(l.For(desk), desk, "")
	if err != nil {
		t.Fatal(err)
	}
	a := s.PreJoin
	if s.Joined || !s.DomainJoined || a == nil {
		t.Fatalf("%+v", s)
	}
	if a.Type != "sync" || a.Phase != "join" || a.ClientCode != "0x801c03f2" || a.ServerCode != "DirectoryError" || a.HTTPStatus != 400 ||
		!strings.Contains(a.ServerMessage, "is not found") || a.RequestID != failed.Correlation || !a.At.Equal(l.Now()) {
		t.Errorf("%+v", a)
	}
	for _, line := range []string{"Previous Registration : " + a.At.UTC().Format("2006-01-02 15:04:05.000") + " UTC", "Registration Type : sync", "Error Phase : join", "Client ErrorCode : 0x801c03f2", "Server ErrorCode : DirectoryError", "Https Status : 400", "User Context : SYSTEM"} {
		if !strings.Contains(s.Text(), line) {
			t.Errorf("no line %q in\n%s", line, s.Text())
		}
	}
	entries := l.logged(desk)
	if last := entries[len(entries)-1]; last.ID != 304 || last.Data.Get("ExitCode") != "0x801C03F2" || last.Data.Get("ServerErrorCode") != "DirectoryError" {
		t.Errorf("%+v", last)
	}

	// Another attempt takes the place of the last.
	l.stopCloud(true)
	if _, err := l.TryCreate(t.Context(), desk, onDesk()); err == nil {
		t.Fatal("joined without a registration service")
	}
	l.stopCloud(false)
	if s, err = l.windows.Status(l.For(desk), desk, ""); err != nil || s.PreJoin == nil || s.PreJoin.Phase != "discover" || s.PreJoin.ClientCode != "0x801c0021" || s.PreJoin.ServerCode != "" {
		t.Errorf("%+v, %v", s.PreJoin, err)
	}
	if _, err := l.TryCreate(t.Context(), desk, onDesk(placed("internet"))); err == nil {
		t.Fatal("joined without a controller")
	}
	if s, err = l.windows.Status(l.For(desk), desk, ""); err != nil || s.PreJoin == nil || s.PreJoin.Phase != "pre-check" {
		t.Errorf("%+v, %v", s.PreJoin, err)
	}
	// One that was called off says nothing, and takes the place of none.
	off, callOff := context.WithCancel(t.Context())
	callOff()
	if _, err := l.TryCreate(off, desk, onDesk()); !errors.Is(err, context.Canceled) {
		t.Errorf("called off: %v", err)
	}
	if s, err = l.windows.Status(l.For(desk), desk, ""); err != nil || s.PreJoin == nil || s.PreJoin.Phase != "pre-check" {
		t.Errorf("%+v, %v", s.PreJoin, err)
	}
	// One that works leaves nothing of them.
	l.Update("sync.hybrid", synced)
	l.Create(desk, onDesk())
	if s, err = l.windows.Status(l.For(desk), desk, ""); err != nil || !s.Joined || s.PreJoin != nil || strings.Contains(s.Text(), "Previous Registration") {
		t.Errorf("%+v, %v", s.PreJoin, err)
	}
}

// TestFirstSignInOffTheNetwork provisions on a hybrid joined device from where no
// controller is in sight: by the logon that LSASS cached of the password, or not.
func TestFirstSignInOffTheNetwork(t *testing.T) {
	l := newHybridLab(t)
	l.Create(desk, onDesk())
	l.Create("policy.hello", spec.Policy{Source: "gpo", Trust: "trust.key", UsePassportForWork: new(true)})
	l.Update(desk, onDesk(placed("internet")))
	_, err := l.TryCreate(t.Context(), deskEnrolled, enrollment(alice, desk))
	if err == nil || !strings.Contains(err.Error(), "keeps no former sign-in") {
		t.Errorf("nobody ever signed in there: %v", err)
	}
	if e := l.find("cached_logon_refused"); e.Flow != "P4" || e.Phase != "" {
		t.Errorf("%+v", e)
	}
	l.Update(desk, onDesk())
	l.expect(typed(first), "success")
	l.Update(desk, onDesk(placed("internet")))
	l.Create(deskEnrolled, enrollment(alice, desk))
	s := l.story("P4")
	s.inOrder(t, "cached_logon", "first_factor", "policy_applied", "prerequisites", "cxh_launch", "drs_token", "key_id_stored")
	s.by(t, "", event.LSASS, event.Winlogon, "cached_logon")
	if s.letters() != "ABC" {
		t.Errorf("phases %s", s.letters())
	}
	l.Update(desk, onDesk())
	l.cycle()
	l.expect(byA6(), "success")
}
