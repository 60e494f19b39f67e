package kdc

import (
	"errors"
	"strings"
	"time"

	"hellolab/providers/wire/filetime"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/pac"
	"hellolab/providers/wire/sid"
)

// newPAC says who the client is, for a ticket of an AS exchange made now. A
// client that wants none gets one here all the same, marked so, and none in
// its tickets for services (MS-KILE 3.3.5.6.3.1 with KB5008380).
func (k *KDC) newPAC(a *ASExchange, client krb.Name, proof *Proof) (*pac.PAC, error) {
	attributes := pac.PACGivenImplicitly
	if value, ok := krb.FindPA(a.Request.PAData, krb.PAPACRequest); ok {
		include, err := krb.ParsePACRequest(value)
		if err != nil {
			return nil, krb.NewError(krb.ErrGeneric, "The PA-PAC-REQUEST cannot be read.")
		}
		if attributes = 0; include {
			attributes = pac.PACRequested
		}
	}
	p := k.accountPAC(a.Account)
	p.ClientInfo = &pac.ClientInfo{ClientID: filetime.From(a.Now.Truncate(time.Second)), Name: clientText(client)}
	p.Attributes = &pac.Attributes{Flags: attributes}
	if proof.PAC != nil {
		if err := proof.PAC(p); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// clientText is a client's name as CLIENT_INFO has it: without escapes.
func clientText(name krb.Name) string { return strings.Join(name.Parts, "/") }

// accountPAC is what the directory says of an account.
func (k *KDC) accountPAC(a *Account) *pac.PAC {
	l := pac.NewLogonInfo()
	l.EffectiveName, l.FullName = a.SAMAccountName, a.DisplayName
	l.UserID, l.PrimaryGroupID = a.SID.RID(), a.PrimaryGroup
	l.LogonServer, l.LogonDomainName, l.LogonDomainID = k.LogonServer, k.NetBIOS, k.DomainSID
	l.UserAccountControl, l.LogonCount = pac.AccountControl(a.UserAccountControl), a.LogonCount
	if !a.PasswordSet.IsZero() {
		l.PasswordLastSet = filetime.From(a.PasswordSet)
		l.PasswordCanChange = l.PasswordLastSet
	}
	if !a.PasswordMustChange.IsZero() && !a.has(PasswordNeverExpires) {
		l.PasswordMustChange = filetime.From(a.PasswordMustChange)
	}
	for _, g := range a.Groups {
		attributes := g.Attributes
		if attributes == 0 {
			attributes = pac.GroupAttributes
		}
		l.Groups = append(l.Groups, pac.Group{RID: g.RID, Attributes: attributes})
	}
	for _, s := range append([]sid.SID{sid.AuthorityAsserted}, a.ExtraSIDs...) {
		l.ExtraSIDs = append(l.ExtraSIDs, pac.SIDAndAttributes{SID: s, Attributes: pac.GroupAttributes})
	}
	names := &pac.UPNDNSInfo{UPN: a.UPN, DNSDomain: k.Realm, SAMAccountName: a.SAMAccountName, SID: a.SID}
	if names.UPN == "" {
		names.UPN, names.Flags = a.SAMAccountName+"@"+a.DNSDomain, pac.UPNConstructed
	}
	return &pac.PAC{LogonInfo: l, UPNDNSInfo: names, Requestor: a.SID}
}

// withPAC signs content for the ticket and puts it in. Tickets for krbtgt and
// kadmin have neither ticket nor full signature.
func (k *KDC) withPAC(part *krb.EncTicketPart, content *pac.PAC, server, kdc krb.Key, name krb.Name) (*krb.EncTicketPart, error) {
	s := pac.Signing{Server: server, KDC: kdc}
	if k.isTGS(name) || name.IsChangePassword() {
		signed, err := content.Sign(s)
		if err != nil {
			return nil, err
		}
		return part.WithPAC(signed)
	}
	blank, err := part.WithPAC(pac.Placeholder())
	if err != nil {
		return nil, err
	}
	if s.TicketPart, err = blank.Encode(); err != nil {
		return nil, err
	}
	signed, err := content.Sign(s)
	if err != nil {
		return nil, err
	}
	return part.WithPAC(signed)
}

// openPAC believes the PAC of a ticket-granting ticket, or says why not: faults
// 69 and 70. by is whose key the ticket opened with.
func (k *KDC) openPAC(part *krb.EncTicketPart, by issuer) (*pac.PAC, error) {
	raw, ok := part.PAC()
	if !ok {
		return nil, krb.NewError(krb.ErrTGTRevoked, "The ticket-granting ticket has no PAC.")
	}
	p, err := pac.Parse(raw)
	if err != nil {
		return nil, krb.NewError(krb.ErrModified, "The PAC of the ticket cannot be read.")
	}
	err = p.Verify(pac.Ticket{Client: clientText(part.Client), AuthTime: part.AuthTime, Server: by.key, KDC: by.key, RODC: by.number, TGT: true})
	switch {
	case err == nil:
		return p, nil
	case errors.Is(err, pac.ErrMissing), errors.Is(err, pac.ErrRequestor):
		return nil, krb.NewError(krb.ErrTGTRevoked, "The ticket-granting ticket is not accepted: %v.", err)
	case errors.Is(err, pac.ErrClient), errors.Is(err, pac.ErrAuthTime):
		return nil, krb.NewError(krb.ErrBadMatch, "The ticket-granting ticket is not accepted: %v.", err)
	}
	return nil, krb.NewError(krb.ErrModified, "The ticket-granting ticket is not accepted: %v.", err)
}
