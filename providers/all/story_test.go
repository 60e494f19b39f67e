package all_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"hellolab/engine/journal"
	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/windows/container"
	"hellolab/providers/wire/jose"
	"hellolab/providers/wire/ngc"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
)

// story is the events of one run of a flow, the services' too, in phases as
// `trace` shows them.
type story struct {
	t      testing.TB
	events []event.Event
}

// story returns the latest run of a flow.
func (l *lab) story(flow string) story {
	l.t.Helper()
	var placed []event.Event
	placer, id := journal.NewPlacer(), ""
	for _, e := range l.Events() {
		placer.Place(e, func(e event.Event) { placed = append(placed, e) })
		if e.Flow == flow {
			id = e.Correlation
		}
	}
	s := story{t: l.t}
	for _, e := range placed {
		if e.Correlation == id {
			s.events = append(s.events, e)
		}
	}
	if len(s.events) == 0 {
		l.t.Fatalf("no run of %s", flow)
	}
	return s
}

func (s story) index(step string) int {
	return slices.IndexFunc(s.events, func(e event.Event) bool { return e.Step == step })
}

func (s story) has(step string) bool { return s.index(step) >= 0 }

// at returns the first event of a step.
func (s story) at(t testing.TB, step string) event.Event {
	t.Helper()
	i := s.index(step)
	if i < 0 {
		t.Fatalf("no step %q in\n%s", step, s)
	}
	return s.events[i]
}

// inOrder checks that steps happened in this order, others between them or not.
func (s story) inOrder(t testing.TB, steps ...string) {
	t.Helper()
	rest := steps
	for _, e := range s.events {
		if len(rest) > 0 && e.Step == rest[0] {
			rest = rest[1:]
		}
	}
	if len(rest) > 0 {
		t.Errorf("step %q did not happen where it should in\n%s", rest[0], s)
	}
}

// by checks who did a step, and to whom, and in which phase.
func (s story) by(t testing.TB, phase string, actor, peer event.Actor, step string) {
	t.Helper()
	if e := s.at(t, step); e.Phase != phase || e.Actor != actor || e.Peer != peer || e.Outcome != event.Done {
		t.Errorf("%s: phase %q, %s → %s, outcome %q; want phase %q, %s → %s", step, e.Phase, e.Actor, e.Peer, e.Outcome, phase, actor, peer)
	}
}

// begunByDevice checks that whatever services did has its place: the flow, and
// each of its phases, begins with a step of the device, and every event is
// under the flow's name.
func (s story) begunByDevice(t testing.TB) {
	t.Helper()
	last := "none"
	for _, e := range s.events {
		if e.Flow != s.events[0].Flow || e.Flow == "" {
			t.Errorf("%s is in flow %q", e.Step, e.Flow)
		}
		if e.Phase != last && service(e.Actor) {
			t.Errorf("phase %q begins with %s of %s", e.Phase, e.Step, e.Actor)
		}
		last = e.Phase
	}
	// What one reply is about is told once: two events in a row that say the
	// same are the service's and the client's.
	for i, e := range s.events[1:] {
		if e.Text == s.events[i].Text && e.Actor != s.events[i].Actor {
			t.Errorf("%s and %s say the same", s.events[i].Step, e.Step)
		}
	}
}

// phase is the part of the story with a letter.
func (s story) phase(letter string) story {
	part := story{t: s.t}
	for _, e := range s.events {
		if e.Phase == letter {
			part.events = append(part.events, e)
		}
	}
	return part
}

// letters are the phases in the order they come, each once a stretch.
func (s story) letters() string {
	var b strings.Builder
	last := ""
	for _, e := range s.events {
		if e.Phase != last {
			b.WriteString(e.Phase)
			last = e.Phase
		}
	}
	return b.String()
}

// steps are "phase:step" of the events that actors on the device wrote.
func (s story) steps() []string {
	var names []string
	for _, e := range s.events {
		if !service(e.Actor) {
			names = append(names, e.Phase+":"+e.Step)
		}
	}
	return names
}

func (s story) String() string {
	var b strings.Builder
	for _, e := range s.events {
		b.WriteString(e.Flow + "/" + e.Phase + " " + string(e.Actor) + " → " + string(e.Peer) + " " + e.Step + "\n")
	}
	return b.String()
}

// service says whether an actor stands in the tenant.
func service(a event.Actor) bool {
	return slices.Contains([]event.Actor{event.EntraID, event.EntraKerberos, event.DRS, event.MFA, event.ThirdPartyMFA, event.Graph, event.Application, event.STS, event.IdentityProvider, event.MFAAdapter, event.EnterpriseDRS, event.CRA}, a)
}

// texts are strings of a message's list, whatever its type.
func texts(v any) []string {
	data, err := json.Marshal(v)
	var list []string
	if err != nil || json.Unmarshal(data, &list) != nil {
		return nil
	}
	return list
}

// signedRequest is a signed request to the token service, taken apart.
type signedRequest struct {
	exchange
	token  *jose.Token
	claims prt.Request
}

// signedRequests are those among exchanges, in their order.
func signedRequests(t testing.TB, all []exchange) (found []signedRequest) {
	t.Helper()
	for _, x := range all {
		text := x.form().Get("request")
		if text == "" || !strings.HasSuffix(x.request.URL.Path, "/oauth2/token") {
			continue
		}
		r := signedRequest{exchange: x}
		var err error
		if r.token, err = jose.Parse(text); err == nil {
			err = r.token.Claims(&r.claims)
		}
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, r)
	}
	return found
}

// byDevice says whether the device key signed the request: it is for a primary
// refresh token.
func (r signedRequest) byDevice() bool { return len(r.token.Header.X5C) > 0 }

// refusal is the token service's code, 0 when it gave what was asked for.
func (x exchange) refusal() oauth.Code {
	if x.status == 200 {
		return 0
	}
	var refusal *oauth.Error
	if errors.As(oauth.ParseError(x.status, x.reply), &refusal) {
		return refusal.Code
	}
	return -1
}

// gaveToken says whether the reply is an access token, sealed or not.
func (x exchange) gaveToken() bool {
	if x.status != 200 || x.form().Get("grant_type") == oauth.GrantServerChallenge {
		return false
	}
	var r oauth.TokenResponse
	return x.header.Get("Content-Type") == "application/jose; charset=utf-8" || json.Unmarshal(x.reply, &r) == nil && r.AccessToken != ""
}

// hosts are those that were dialed.
func hosts(all []exchange) (names []string) {
	for _, x := range all {
		if !slices.Contains(names, x.host) {
			names = append(names, x.host)
		}
	}
	slices.Sort(names)
	return names
}

// containerOf is a user's container on a device, as the device keeps it.
func (l *lab) containerOf(device, user string) *container.Container {
	l.t.Helper()
	return stored[*container.Container](l, device, "container", l.sid(user))
}

// nothingMade checks that a provisioning that came to nothing left nothing:
// no container, no key taken from the pool, no key in the directory.
func (l *lab) nothingMade(t testing.TB, device, user string) {
	t.Helper()
	if keys := l.keysOf(device, "container"); slices.Contains(keys, l.sid(user)) {
		t.Error("there is a container")
	}
	if keys := l.keysOf(device, "enrollment"); slices.Contains(keys, l.sid(user)) {
		t.Error("the device remembers an enrollment")
	}
	if n := len(l.keysOf(device, "keypool")); n != 1 {
		t.Errorf("%d keys in the pool", n)
	}
	if n := len(l.helloKeys(user)); n != 0 {
		t.Errorf("%d keys in the directory", n)
	}
	s := l.story("P1")
	for _, step := range []string{"container_created", "protector_created", "pool_take", "key_registration"} {
		if s.has(step) {
			t.Errorf("%s happened", step)
		}
	}
}

// drop empties a table of a device.
func (l *lab) drop(device, table string) {
	l.t.Helper()
	keys := l.keysOf(device, table)
	err := l.For(device).Section.Record(l.t.Context(), func(w providers.Writer) (err error) {
		for _, key := range keys {
			err = errors.Join(err, w.Delete(table, key))
		}
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
}

// assertionOf is the Hello assertion of the latest sign-in on the wire.
func assertionOf(t testing.TB, all []exchange) *ngc.Assertion {
	t.Helper()
	for _, r := range slices.Backward(signedRequests(t, all)) {
		if r.claims.Assertion == "" {
			continue
		}
		a, err := ngc.ParseAssertion(r.claims.Assertion)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	t.Fatal("no assertion on the wire")
	return nil
}

// TestStoryOfRegistration: registration has no letters, and still begins on
// the device.
func TestStoryOfRegistration(t *testing.T) {
	l := newLab(t)
	l.device("laptop")
	s := l.story("DR")
	s.begunByDevice(t)
	if s.events[0].Step != "discover" || s.has("admin_token_issued") {
		t.Errorf("not the device's story alone:\n%s", s)
	}
}
