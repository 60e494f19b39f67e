package kerberos

import (
	"context"
	"fmt"
	"time"

	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/krbclient"
	"hellolab/providers/wire/netlogon"
)

// forPartial is what a controller must be to exchange partial tickets: one that
// writes to the directory, and gives the keys of accounts to those who may ask
// for them ("Cloud Kerberos trust", requirements; MS-ADTS 6.3.3.2).
const forPartial = netlogon.FlagWritable | netlogon.FlagKeyList

// SignInPartial signs a user in with a partial ticket-granting ticket, which a
// tenant issued in the name of a read-only controller: the domain's KDC takes
// it, in a ticket-granting exchange, for a full one (MS-KILE 3.3.5.7.8). With it
// the provider asks for the key that NTLM needs, which the reply brings to those
// whose keys a read-only controller may have.
func (p *Provider) SignInPartial(ctx context.Context, partial *krb.Credential) (*Session, error) {
	p.need(forPartial)
	ask, err := krb.EncodeKeyListReq([]int32{krb.RC4})
	if err != nil {
		return nil, err
	}
	sending := func(body []byte) {
		note := ticketNote(partial)
		note["key_list"], note["exchange"] = true, krb.ExchangeID(body)
		p.emit("partial_tgt_sent", "The Kerberos provider sends the partial ticket-granting ticket to the controller", note)
	}
	var r *krbclient.Result
	err = p.with(ctx, PhaseExchange, 0, func(c *krbclient.Client) (err error) {
		r, err = c.TGS(ctx, partial, krbclient.TGSRequest{
			Server: krb.TGS(p.Domain.Realm), Options: asked, PAData: []krb.PAData{{Type: krb.PAKeyListReq, Value: ask}}, Sending: sending,
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	tgt := r.Credential
	s := &Session{Method: "cloud", TGT: &tgt, Since: p.Now().UTC()}
	if s.NTHash, err = ntHash(r.Part.PAData); err != nil {
		return nil, fmt.Errorf("%s: %w", PhaseExchange, err)
	}
	p.emit("tgt_cached", fmt.Sprintf("LSASS caches the full ticket-granting ticket of %s", tgt.Client), ticketNote(&tgt))
	return s, p.readPAC(ctx, s, krb.Key{})
}

// ntHash is the key of NTLM in the answer to a KERB-KEY-LIST-REQ; nil without
// one.
func ntHash(reply []krb.PAData) ([]byte, error) {
	value, ok := krb.FindPA(reply, krb.PAKeyListRep)
	if !ok {
		return nil, nil
	}
	keys, err := krb.ParseKeyListRep(value)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if k.EType == krb.RC4 {
			return k.Value, nil
		}
	}
	return nil, nil
}

// Usable reports whether a ticket can be shown at a time: it is there, and has
// not ended.
func Usable(c *krb.Credential, at time.Time) bool { return c != nil && at.Before(c.EndTime) }
