package adds

import (
	"context"
	"errors"

	"hellolab/providers"
	"hellolab/providers/adds/directory"
	"hellolab/providers/adds/ldapd"
	"hellolab/providers/event"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/replication"
)

// replicator answers who may replicate the domain's secrets (package
// replication).
type replicator struct {
	env providers.Env
	dir *directory.Directory
}

// serve answers one extended operation.
func (p *replicator) serve(_ context.Context, r *ldapd.Request, value []byte) ([]byte, error) {
	who := requester(r.Session)
	if who.Anonymous() {
		return nil, ldapmsg.BindRequired()
	}
	id, err := replication.ParseRequest(value)
	if err != nil {
		return nil, ldapmsg.Errorf(ldapmsg.ProtocolError, ldapmsg.ErrorProtocolError, "The value is no request of replication.")
	}
	hash, version, err := p.dir.Replicate(who, id)
	e := event.Event{
		At: p.env.Now(), Actor: event.ActiveDirectory, Protocol: "LDAP", Step: "secret_replicated", Text: "The domain hands " + who.Name + " the NT hash of a password.",
		Message: map[string]any{"object_guid": id.String(), "requester": who.Name, "from": who.From, "key_version": version},
	}
	var refusal *ldapmsg.Error
	if errors.As(err, &refusal) {
		e.Step, e.Outcome, e.Text = "secret_refused", event.Refused, "The domain does not hand "+who.Name+" the NT hash of a password."
		e.Reason = &event.Reason{Code: refusal.Code.String(), Sentence: refusal.Error(), Hint: "Let the account replicate secrets: make it a member of Replicator."}
	}
	p.env.Emit.Emit(e)
	if err != nil {
		return nil, err
	}
	return replication.Reply{Version: version, Hash: hash}.Encode()
}
