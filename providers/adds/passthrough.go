package adds

import (
	"context"
	"errors"
	"slices"
	"strings"

	"hellolab/providers"
	"hellolab/providers/adds/directory"
	"hellolab/providers/adds/ldapd"
	"hellolab/providers/event"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/ntlm"
	"hellolab/providers/wire/ntlm/passthrough"
	"hellolab/providers/wire/sid"
)

// verifier verifies NTLM answers for the domain's computers (package
// passthrough).
type verifier struct {
	env providers.Env
	dir *directory.Directory
}

// serve answers one extended operation. It is for computers of the domain that
// are signed in on an encrypted connection: the answer holds a session key.
func (v *verifier) serve(ctx context.Context, r *ldapd.Request, value []byte) ([]byte, error) {
	id, ok := r.Session.Identity.(*identity)
	if !ok {
		return nil, ldapmsg.BindRequired()
	}
	if !r.Session.Confidential {
		return nil, ldapmsg.Errorf(ldapmsg.ConfidentialityRequired, ldapmsg.ErrorConfidentialityRequired, "NTLM is verified on an encrypted connection only.")
	}
	server, err := v.dir.BySID(ctx, id.who.SID)
	if err != nil && !errors.Is(err, directory.ErrNoAccount) {
		return nil, err
	}
	if err != nil || server.Control&(directory.UACWorkstation|directory.UACServer) == 0 || server.Control&directory.UACDisabled != 0 {
		return nil, ldapmsg.Errorf(ldapmsg.InsufficientAccessRights, ldapmsg.ErrorInsufficientAccessRights, "NTLM is verified for computers of the domain only.")
	}
	q, err := passthrough.ParseRequest(value)
	if err != nil {
		return nil, ldapmsg.Errorf(ldapmsg.ProtocolError, ldapmsg.ErrorProtocolError, "The value is no request of pass-through authentication.")
	}
	reply, err := v.verify(ctx, q)
	if err != nil {
		return nil, err
	}
	v.tell(q, server, reply)
	return reply.Encode()
}

// verify decides in this order: the name, the answer, and then what else keeps
// the account out, which only who knows the password learns.
func (v *verifier) verify(ctx context.Context, q *passthrough.Request) (*passthrough.Reply, error) {
	account, err := v.named(ctx, q)
	if errors.Is(err, directory.ErrNoAccount) {
		return refused(passthrough.StatusNoSuchUser)
	}
	if err != nil {
		return nil, err
	}
	hash := account.NTHash()
	if hash == nil {
		return refused(passthrough.StatusWrongPassword)
	}
	key, err := ntlm.Verify(hash, q.User, q.Domain, q.Challenge, q.Response, v.env.Now())
	switch {
	case errors.Is(err, ntlm.ErrTime):
		return refused(passthrough.StatusTimeDifference)
	case err != nil:
		return refused(passthrough.StatusWrongPassword)
	}
	if reason := barred(account, v.env, true); reason != 0 {
		return refused(barredStatus[reason])
	}
	domain := v.dir.SID()
	a := &passthrough.Account{SessionBase: key, Name: account.Name, Domain: v.dir.Config().NetBIOSName, SID: account.SID}
	for _, g := range account.Groups {
		if g.SID == domain.Account(sid.RIDProtectedUsers) {
			return refused(passthrough.StatusAccountRestriction)
		}
		if !g.Local { // as in a ticket: those come in at the resource
			a.Groups = append(a.Groups, g.SID)
		}
	}
	return &passthrough.Reply{Account: a}, nil
}

func refused(s passthrough.Status) (*passthrough.Reply, error) {
	return &passthrough.Reply{Status: s}, nil
}

// barredStatus says what barred says in the words of NTLM.
var barredStatus = map[uint32]passthrough.Status{
	ldapmsg.LogonDisabled:           passthrough.StatusAccountDisabled,
	ldapmsg.LogonAccountExpired:     passthrough.StatusAccountExpired,
	ldapmsg.LogonAccountRestriction: passthrough.StatusAccountRestriction,
	ldapmsg.LogonMustChange:         passthrough.StatusPasswordMustChange,
	ldapmsg.LogonPasswordExpired:    passthrough.StatusPasswordExpired,
}

// named finds the account that a client means: without a domain, or with this
// one's, an account name or a user principal name.
func (v *verifier) named(ctx context.Context, q *passthrough.Request) (*directory.Account, error) {
	cfg := v.dir.Config()
	if q.User == "" || !slices.ContainsFunc([]string{"", cfg.NetBIOSName, cfg.DNSName}, func(d string) bool { return strings.EqualFold(d, q.Domain) }) {
		return nil, directory.ErrNoAccount
	}
	return v.dir.Client(ctx, q.User, strings.Contains(q.User, "@"))
}

func (v *verifier) tell(q *passthrough.Request, server *directory.Account, r *passthrough.Reply) {
	e := event.Event{
		At: v.env.Now(), Actor: event.ActiveDirectory, Peer: event.Service, Protocol: "NTLM", Step: "ntlm_verified",
		Text:    "The domain verifies the NTLM answer of " + called(q) + " for " + server.Name + ".",
		Message: map[string]any{"user": q.User, "domain": q.Domain, "workstation": q.Workstation, "server": server.Name, "status": r.Status.String(), "response_bytes": len(q.Response)},
	}
	if r.Account == nil {
		e.Step, e.Outcome = "ntlm_refused", event.Refused
		e.Text = "The domain refuses the NTLM answer of " + called(q) + " for " + server.Name + ": " + r.Status.Sentence()
		e.Reason = &event.Reason{Code: r.Status.String(), Name: r.Status.Name(), Sentence: r.Status.Sentence(), Hint: r.Status.Hint()}
	} else {
		e.Message["account"], e.Message["sid"], e.Message["groups"] = r.Account.Name, r.Account.SID.String(), len(r.Account.Groups)
	}
	v.env.Emit.Emit(e)
}

// called is a name as the client gave it.
func called(q *passthrough.Request) string {
	if q.Domain == "" {
		return q.User
	}
	return q.Domain + `\` + q.User
}
