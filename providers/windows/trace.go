package windows

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/web"
)

// message is the decoded content of a step, without secrets.
type message = map[string]any

// Protocols of steps.
const (
	https = "HTTPS"
	tpm20 = "TPM 2.0"
	local = "local"
)

// trace writes the events of one run of a flow. It is used by one goroutine.
type trace struct {
	sink         event.Sink
	env          providers.Env
	flow         hello.Flow
	phase        string
	user, device string
	id           string // correlation
	refusing     bool   // the last event was a refusal or a failure

	// letters are what the flow calls phases that it shares with another, by the
	// other's letters.
	letters map[string]string

	// peers are phases that begin at a service that is about to be asked, by the
	// steps there (event.Event.Letters).
	peers map[string]string

	// broker puts Cloud AP's and LSASS's steps into Web Account Manager's lane:
	// its plug-in holds the primary refresh token where nobody logs on to Windows
	// with the account (Microsoft, "Understanding Primary Refresh Token").
	broker bool
}

// newTrace begins a run of a flow. The returned context carries the run's
// correlation id, which every request of it sends.
func newTrace(ctx context.Context, env providers.Env, flow hello.Flow, user, device string) (*trace, context.Context, error) {
	id, err := guid.New(env.Rand)
	if err != nil {
		return nil, nil, err
	}
	t := &trace{env: env, sink: env.Emit, flow: flow, user: user, device: device, id: id.String()}
	return t, web.WithCorrelation(ctx, t.id), nil
}

// in enters a lettered phase.
func (t *trace) in(letter string) {
	if its := t.letters[letter]; its != "" {
		letter = its
	}
	t.phase = letter
}

// step says what one actor did, to itself when peer is empty.
func (t *trace) step(actor, peer event.Actor, protocol, name, text string, m message) {
	t.write(actor, peer, protocol, name, text, m, event.Done, nil)
}

// skip says that the flow has no such step here, and why.
func (t *trace) skip(actor event.Actor, name, text, code string) {
	t.write(actor, "", local, name, text, nil, event.Skipped, &event.Reason{Code: code, Sentence: text})
}

// refused says that a party said no, or that a step broke.
func (t *trace) refused(actor, peer event.Actor, protocol, name, text string, err error) {
	r := reasonOf(err)
	outcome := event.Refused
	if errors.Is(err, context.Canceled) || r.Code == codeInternal {
		outcome = event.Failed
	}
	shown := r.Event()
	t.write(actor, peer, protocol, name, text, nil, outcome, &shown)
}

// exchange is step with a name that the peer knows the exchange by, too.
func (t *trace) exchange(actor, peer event.Actor, protocol, name, text string, m message, id string) {
	t.refusing = false
	e := t.event(actor, peer, protocol, name, text, m)
	e.Exchange = id
	t.sink.Emit(e)
}

func (t *trace) event(actor, peer event.Actor, protocol, name, text string, m message) event.Event {
	if t.flow == hello.P8 && t.phase != "" {
		text, m = inferred(t.phase, text, m)
	}
	return event.Event{
		At: t.env.Now(), Correlation: t.id, Flow: string(t.flow), Phase: t.phase, Actor: actor, Peer: peer, Protocol: protocol,
		Step: name, Text: text, User: t.user, Device: t.device, Message: m, Letters: t.peers,
	}
}

// inferred labels a step of the flow that no document draws: phase A is P2's, the
// others are P1's.
func inferred(phase, text string, m message) (string, message) {
	from := "P1"
	if phase == "A" {
		from = "P2"
	}
	labelled := message{"inferred": from}
	for name, v := range m {
		labelled[name] = v
	}
	return strings.TrimSuffix(text, ".") + " (inferred from " + from + ").", labelled
}

func (t *trace) write(actor, peer event.Actor, protocol, name, text string, m message, o event.Outcome, r *event.Reason) {
	t.refusing = o == event.Refused || o == event.Failed
	if t.broker {
		actor, peer, text = brokered(actor, peer, text)
	}
	e := t.event(actor, peer, protocol, name, text, m)
	e.Outcome, e.Reason = o, r
	t.sink.Emit(e)
}

func brokered(actor, peer event.Actor, text string) (event.Actor, event.Actor, string) {
	lane := func(a event.Actor) event.Actor {
		if a == event.CloudAP || a == event.LSASS {
			return event.WAM
		}
		return a
	}
	if actor, peer = lane(actor), lane(peer); peer == actor {
		peer = ""
	}
	return actor, peer, strings.NewReplacer("Cloud AP", "Web Account Manager", "LSASS", "Web Account Manager").Replace(text)
}

// failpoint names an instant at which a crash must do no harm.
func failpoint(env providers.Env, format string, args ...any) {
	if env.Failpoint != nil {
		env.Failpoint(fmt.Sprintf(format, args...))
	}
}
