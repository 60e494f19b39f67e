package kerberos

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/krbclient"
	"hellolab/providers/wire/pac"
)

// readPAC obtains a ticket of the user to itself, under the session key of the
// ticket-granting ticket (user to user), and reads its PAC: who the user is,
// and with the reply key of the AS exchange what a sign-in with a public key
// brings for NTLM (MS-PAC 2.6).
func (p *Provider) readPAC(ctx context.Context, s *Session, reply krb.Key) error {
	own, err := krb.ParseTicket(s.TGT.Ticket)
	if err != nil {
		return err
	}
	r, err := p.tgs(ctx, s, krbclient.TGSRequest{Server: krb.Principal(s.TGT.Client.Parts...), Options: krb.OptEncTktInSkey, Tickets: []krb.Ticket{*own}})
	if err != nil {
		return err
	}
	content, err := logonPAC(s.TGT.Key, r)
	if err != nil {
		return fmt.Errorf("%s: PAC of the logon: %w", PhaseTGS, err)
	}
	s.Account, s.SID = content.LogonInfo.EffectiveName, content.LogonInfo.User().String()
	for _, id := range content.LogonInfo.SIDs() {
		s.Groups = append(s.Groups, id.String())
	}
	note := map[string]any{"account": s.Account, "sid": s.SID, "groups": len(s.Groups), "nt_hash": s.NTHash != nil}
	if content.Credentials != nil {
		list, err := content.Credentials.Open(reply)
		if err != nil {
			return fmt.Errorf("%s: credentials in the PAC of the logon: %w", PhaseTGS, err)
		}
		for _, c := range list {
			if !strings.EqualFold(c.Package, "NTLM") {
				continue
			}
			if s.NTHash, err = c.NTHash(); err != nil {
				return fmt.Errorf("%s: credentials in the PAC of the logon: %w", PhaseTGS, err)
			}
			note["nt_hash"] = true
		}
	}
	p.emit("logon_pac", fmt.Sprintf("LSASS reads who %s is from a ticket of the user to itself", s.Account), note)
	return nil
}

// logonPAC opens and verifies the PAC of a user-to-user ticket.
func logonPAC(key krb.Key, r *krbclient.Result) (*pac.PAC, error) {
	part, err := r.Reply.Ticket.Open(key)
	if err != nil {
		return nil, err
	}
	raw, ok := part.PAC()
	if !ok {
		return nil, pac.ErrMissing
	}
	content, err := pac.Parse(raw)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(content.VerifyServer(key), content.VerifyClient(strings.Join(part.Client.Parts, "/"), part.AuthTime)); err != nil {
		return nil, err
	}
	if content.LogonInfo == nil {
		return nil, pac.ErrMissing
	}
	return content, nil
}
