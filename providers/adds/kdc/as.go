package kdc

import (
	"context"
	"errors"
	"fmt"

	"hellolab/providers/wire/krb"
)

// notInAS are options that only a ticket-granting ticket can ask for.
const notInAS = krb.FlagForwarded | krb.FlagProxy | krb.OptRenew | krb.OptValidate | krb.OptEncTktInSkey | krb.OptConstrained

// as answers an AS-REQ (RFC 4120 3.1.3, MS-KILE 3.3.5.6).
func (x *exchange) as(ctx context.Context, req *krb.KDCReq) ([]byte, error) {
	k, body := x.kdc, &req.Body
	if body.Options&notInAS != 0 {
		return nil, krb.NewError(krb.ErrBadOption, "")
	}
	account, err := k.Directory.Client(ctx, body.Client)
	if errors.Is(err, ErrUnknownPrincipal) {
		return nil, krb.NewError(krb.ErrClientUnknown, "The domain has no client %s.", body.Client)
	} else if err != nil {
		return nil, fmt.Errorf("look up the client: %w", err)
	}
	if err := account.usable(x.now); err != nil {
		return nil, err
	}
	server, err := x.findServer(ctx, body.Server)
	if err != nil {
		return nil, err
	}
	a := &ASExchange{Request: req, Account: account, Now: x.now, ETypes: k.allowed(body.ETypes), Realm: k.Realm}
	if len(a.ETypes) == 0 {
		return nil, krb.NewError(krb.ErrETypeNoSupport, "")
	}
	proof, err := x.prove(ctx, a)
	if err != nil {
		return nil, err
	}
	x.tell("method", proof.Method)
	if err := x.passwordCounts(account, proof, body.Server); err != nil {
		return nil, err
	}
	if proof.ReplayID != nil {
		seen, err := x.Seen(proof.ReplayID, x.now, proof.ReplayUntil)
		if err != nil {
			return nil, err
		}
		if seen {
			return nil, krb.NewError(krb.ErrRepeat, "")
		}
	}
	reply, err := x.asReply(ctx, a, server, proof)
	if err == nil && proof.KeyID != nil {
		x.proven = &provenKey{account, proof.KeyID}
	}
	return reply, err
}

// prove finds the pre-authentication that the request uses and checks it.
func (x *exchange) prove(ctx context.Context, a *ASExchange) (*Proof, error) {
	for _, p := range x.kdc.preauth {
		value, ok := krb.FindPA(a.Request.PAData, p.Type())
		if !ok {
			continue
		}
		a.note = map[string]any{}
		proof, err := p.Verify(ctx, a, value)
		for name, v := range a.note {
			x.tell(name, v)
		}
		var e *krb.Error
		if errors.As(err, &e) && e.Code == krb.ErrPreauthFailed && e.Data == nil {
			data, offerErr := x.methods(ctx, a)
			return nil, errors.Join(offerErr, e.WithData(data))
		}
		if err == nil {
			for name, v := range proof.Note {
				x.tell(name, v)
			}
		}
		return proof, err
	}
	if _, ok := krb.FindPA(a.Request.PAData, krb.PAPKASReq); ok { // fault 67
		return nil, krb.NewError(krb.ErrPADataTypeNoSupport, "This KDC has no certificate and cannot check one.").WithHint("Give the domain controller a certificate with the purpose KDC Authentication.")
	}
	if a.Account.has(PreauthNotRequired) {
		for _, etype := range a.ETypes {
			if key, ok := a.Account.key(etype); ok {
				proof, err := passwordProof(a.Account, key)
				if err == nil {
					proof.Method = "none"
				}
				return proof, err
			}
		}
		return nil, krb.NewError(krb.ErrETypeNoSupport, "")
	}
	data, err := x.methods(ctx, a)
	if err != nil {
		return nil, err
	}
	if data == nil {
		return nil, krb.NewError(krb.ErrETypeNoSupport, "The account %s has no key of an encryption type that was offered.", a.Account.SAMAccountName)
	}
	x.quiet = "The KDC asks " + x.client.String() + " for pre-authentication."
	return nil, krb.NewError(krb.ErrPreauthRequired, "").WithData(data)
}

// methods is METHOD-DATA: what the account may pre-authenticate with, the
// built-in way first; nil when there is nothing.
func (x *exchange) methods(ctx context.Context, a *ASExchange) ([]byte, error) {
	var list []krb.PAData
	for i := len(x.kdc.preauth) - 1; i >= 0; i-- {
		offer, err := x.kdc.preauth[i].Offer(ctx, a)
		if err != nil {
			return nil, err
		}
		list = append(list, offer...)
	}
	if list == nil {
		return nil, nil
	}
	return krb.EncodeMethodData(list)
}

// passwordCounts refuses a right password that is not enough. Only who knew it
// is told so.
func (x *exchange) passwordCounts(a *Account, proof *Proof, server krb.Name) error {
	if !proof.Password {
		return nil
	}
	if a.has(SmartCardRequired) {
		return krb.NewError(krb.ErrPolicy, "The account %s must sign in with a smart card or with Windows Hello for Business.", a.SAMAccountName)
	}
	if a.passwordExpired(x.now) && !server.IsChangePassword() {
		return krb.NewError(krb.ErrKeyExpired, "The password of %s has expired.", a.SAMAccountName).WithHint("Change the password.")
	}
	return nil
}

// asReply issues the ticket and encrypts the reply to the client.
func (x *exchange) asReply(ctx context.Context, a *ASExchange, server *Account, proof *Proof) ([]byte, error) {
	k, body := x.kdc, &a.Request.Body
	times, flags, err := k.asTimes(body, x.now)
	if err != nil {
		return nil, err
	}
	flags |= krb.FlagInitial
	if proof.Method != "none" {
		flags |= krb.FlagPreAuthent
	}
	if proof.Hardware {
		flags |= krb.FlagHWAuthent
	}
	if !a.Account.has(NotDelegated) {
		flags |= body.Options & (krb.FlagForwardable | krb.FlagProxiable)
	}
	session, err := k.sessionKey(body.ETypes, server)
	if err != nil {
		return nil, err
	}
	client := body.Client
	if body.Options.Has(krb.OptCanonicalize) {
		client = krb.Principal(a.Account.SAMAccountName)
	}
	// Tickets are not bound to addresses, as Active Directory's are not.
	t := &issue{
		account: server, name: x.serverName(body), session: session,
		part: krb.EncTicketPart{Flags: flags, Key: session, CRealm: k.Realm, Client: client, AuthTime: x.now, StartTime: x.now, EndTime: times.end, RenewTill: times.renew},
	}
	var extra []krb.PAData
	if _, ok := krb.FindPA(a.Request.PAData, krb.PAReqEncPARep); ok {
		sum, err := krb.EncPARep(proof.ReplyKey, a.Request.Raw)
		if err != nil {
			return nil, err
		}
		t.part.Flags |= krb.FlagEncPARep
		extra = append(extra, sum)
	}
	content, err := k.newPAC(a, client, proof)
	if err != nil {
		return nil, err
	}
	ticket, err := x.seal(ctx, t, content)
	if err != nil {
		return nil, err
	}
	part := t.replyPart(body.Nonce, append(extra, supportedETypes(k, server)), k.Realm)
	if !a.Account.PasswordMustChange.IsZero() && !a.Account.has(PasswordNeverExpires) {
		part.KeyExpiration = a.Account.PasswordMustChange
	}
	plain, err := part.Encode(krb.MsgASRep)
	if err != nil {
		return nil, err
	}
	sealed, err := proof.ReplyKey.Seal(krb.UsageASRep, proof.KVNO, plain)
	if err != nil {
		return nil, err
	}
	x.issuing(a.Account, t)
	rep := krb.KDCRep{MsgType: krb.MsgASRep, PAData: proof.PAData, CRealm: k.Realm, Client: client, Ticket: *ticket, EncPart: sealed}
	return rep.Encode()
}
