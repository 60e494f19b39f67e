package kdc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"hellolab/providers/wire/filetime"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/pac"
	"hellolab/providers/wire/sid"
)

// A read-only domain controller issues ticket-granting tickets under a key of
// its own, which the domain knows as that of the account krbtgt_NUMBER. Entra ID
// holds such a key without being a controller: with cloud Kerberos trust it gives
// people a partial ticket-granting ticket, which says who they are and no more.
// A writable controller exchanges it for a full one (MS-KILE 3.3.5.7, after
// MS-DRSR's read-only controllers; what is checked was learned from Samba's KDC):
//
//   - the upper half of the ticket's key version is the number, the lower half the
//     version of that account's key;
//   - the PAC must be signed with that key, and is believed in nothing but whom it
//     is about, and whether it was asked for: everything else is put together anew
//     from the directory;
//   - the account must be one that the controller may be told the secrets of.
//
// Who may ask with such a ticket may ask for the account's keys, too.

// ReadOnlies knows the read-only controllers of the domain.
type ReadOnlies interface {
	// ReadOnly finds the one whose krbtgt has a number. It answers
	// ErrUnknownPrincipal when no account has the number.
	ReadOnly(ctx context.Context, number uint16) (*ReadOnly, error)
}

// ReadOnly is a read-only controller as the KDC needs it.
type ReadOnly struct {
	Name               string // sAMAccountName of its computer; empty: krbtgt has no computer
	UserAccountControl uint32 // of its computer
	Krbtgt             *Account
	NeverReveal        []sid.SID // msDS-NeverRevealGroup: accounts and groups
	RevealOnDemand     []sid.SID // msDS-RevealOnDemandGroup
}

// issuer is whose key a ticket-granting ticket is under.
type issuer struct {
	key    krb.Key
	number uint16    // of a read-only controller; 0: the domain's own
	rodc   *ReadOnly // nil with number 0
	kvno   uint32    // of the key
	former bool      // the key is not the newest
}

// partialKey is the key that a ticket of a read-only controller says it is under.
func (x *exchange) partialKey(ctx context.Context, t *krb.Ticket) (issuer, error) {
	k, kvno := x.kdc, t.EncPart.KeyVersion()
	by := issuer{number: uint16(kvno >> 16)}
	x.tell("rodc_number", by.number)
	if err := k.exchanges(); err != nil {
		return by, err
	}
	unknown := krb.NewError(krb.ErrServerUnknown, "The domain has no read-only domain controller of number %d.", by.number).
		WithHint("The object AzureADKerberos was deleted, or the ticket is of another tenant's: compare its number with the one in the tenant.")
	if k.ReadOnlies == nil {
		return by, unknown
	}
	var err error
	by.rodc, err = k.ReadOnlies.ReadOnly(ctx, by.number)
	if errors.Is(err, ErrUnknownPrincipal) {
		return by, unknown
	} else if err != nil {
		return by, fmt.Errorf("look up the read-only controller %d: %w", by.number, err)
	}
	x.tell("rodc", by.rodc.Name)
	if t.EncPart.EType != krb.AES256 {
		return by, krb.NewError(krb.ErrETypeNoSupport, "A partial ticket-granting ticket is encrypted with AES256, and this one is of encryption type %d.", t.EncPart.EType)
	}
	krbtgt := by.rodc.Krbtgt
	i := slices.IndexFunc(krbtgt.Keys, func(have VersionedKey) bool {
		// Version 0 is no version: the newest key is meant.
		return have.Key.EType == krb.AES256 && (kvno&0xffff == 0 || have.KVNO&0xffff == kvno&0xffff)
	})
	if i < 0 {
		return by, krb.NewError(krb.ErrBadKeyVersion, "The ticket is under version %d of the key of %s, which the domain does not have.", kvno&0xffff, krbtgt.SAMAccountName).
			WithHint(differ)
	}
	by.key, by.kvno = krbtgt.Keys[i].Key, krbtgt.Keys[i].KVNO
	by.former = by.kvno != krbtgt.Keys[0].KVNO
	if _, err := t.Open(by.key); err != nil {
		return by, krb.NewError(krb.ErrBadIntegrity, "The ticket does not open with the key of %s.", krbtgt.SAMAccountName).WithHint(differ)
	}
	return by, nil
}

// differ is what to do about a key that is not the one of the ticket.
const differ = "The domain and the tenant hold different keys: rotate the key, which gives both the same."

// exchanges says why this controller does not exchange tickets of read-only ones.
func (k *KDC) exchanges() error {
	switch {
	case k.Policy.ReadOnly:
		return krb.NewError(krb.ErrServiceUnavailable, "%s is a read-only domain controller: only a writable one exchanges a partial ticket-granting ticket.", k.LogonServer).
			WithHint("A writable controller must be within reach.")
	case k.Policy.TooOld != "":
		return krb.NewError(krb.ErrServiceUnavailable, "%s runs %s, which does not know cloud Kerberos trust.", k.LogonServer, k.Policy.TooOld).
			WithHint("Windows Server 2016 needs KB4534307, Windows Server 2019 KB4534321; later ones know it.")
	case !k.speaks(krb.AES256):
		return krb.NewError(krb.ErrETypeNoSupport, "%s does not take AES256, which a partial ticket-granting ticket is encrypted with.", k.LogonServer).
			WithHint("Allow aes256 among the controller's encryption types.")
	}
	return nil
}

// openPartial is openPAC and the look-up of the client for a ticket of a
// read-only controller: it says whom the ticket is about and makes the PAC that
// the domain itself would give. Fault 69.
func (x *exchange) openPartial(ctx context.Context, g *tgsExchange, by issuer) error {
	k, part := x.kdc, g.tgt
	if !k.isRealm(part.CRealm) {
		return krb.NewError(krb.ErrTGTRevoked, "The partial ticket-granting ticket is of a client of %s.", part.CRealm)
	}
	var told *pac.PAC
	if _, ok := part.PAC(); ok || !k.Policy.AllowBarePartial {
		var err error
		if told, err = k.openPAC(part, by); err != nil {
			return err
		}
	}
	if by.rodc.UserAccountControl&PartialSecrets == 0 {
		return krb.NewError(krb.ErrPolicy, "The account of number %d belongs to no read-only domain controller: no computer with the mark PARTIAL_SECRETS_ACCOUNT is linked to it.", by.number).
			WithHint("Make the object AzureADKerberos anew.")
	}
	if err := x.formerKey(part, by); err != nil {
		return err
	}
	account, err := k.Directory.Client(ctx, part.Client)
	if errors.Is(err, ErrUnknownPrincipal) {
		return krb.NewError(krb.ErrClientUnknown, "The domain has no account %s, whom the partial ticket-granting ticket is about.", part.Client)
	} else if err != nil {
		return fmt.Errorf("look up the client: %w", err)
	}
	if told != nil && told.Requestor != account.SID {
		return krb.NewError(krb.ErrTGTRevoked, "The partial ticket-granting ticket is about %s, and the account %s is %s.", told.Requestor, part.Client, account.SID).
			WithHint("The account was made anew in the domain, and the tenant still knows the former one: run a synchronization cycle.")
	}
	g.account = account
	if err := account.usable(x.now); err != nil {
		return err
	}
	if account.passwordExpired(x.now) {
		return krb.NewError(krb.ErrKeyExpired, "The password of %s has expired.", account.SAMAccountName).WithHint("Change the password.")
	}
	if err := by.rodc.reveals(account); err != nil {
		return err
	}
	g.pac = k.accountPAC(account)
	g.pac.ClientInfo = &pac.ClientInfo{ClientID: filetime.From(part.AuthTime), Name: clientText(part.Client)}
	g.pac.Attributes = &pac.Attributes{Flags: pac.PACGivenImplicitly}
	if told != nil && told.Attributes != nil {
		g.pac.Attributes = told.Attributes
	}
	g.partial = true
	k.confine(g, x.now)
	return nil
}

// formerKey lets a ticket that was issued before the key was changed live out its
// life, and no other be under the former key.
func (x *exchange) formerKey(part *krb.EncTicketPart, by issuer) error {
	changed := by.rodc.Krbtgt.PasswordSet
	if !by.former || !part.AuthTime.After(changed) && x.now.Before(changed.Add(x.kdc.Policy.TicketLife)) {
		return nil
	}
	return krb.NewError(krb.ErrBadKeyVersion, "The ticket is under version %d of the key of %s, which was changed to version %d at %s.",
		by.kvno, by.rodc.Krbtgt.SAMAccountName, by.rodc.Krbtgt.Keys[0].KVNO, changed.UTC().Format(time.RFC3339)).
		WithHint(differ)
}

// confine holds what a read-only controller says of a ticket to what this KDC
// would have said.
func (k *KDC) confine(g *tgsExchange, now time.Time) {
	part := *g.tgt
	if g.account.has(NotDelegated) {
		part.Flags &^= krb.FlagForwardable | krb.FlagProxiable
	}
	if limit := now.Add(k.Policy.RenewLife); part.RenewTill.After(limit) {
		part.RenewTill = limit
	}
	g.tgt = &part
}

// reveals says whether the secrets of an account may be known to the controller:
// what it must never know wins over what it may.
func (r *ReadOnly) reveals(a *Account) error {
	is := func(list []sid.SID) bool {
		return slices.ContainsFunc(list, func(s sid.SID) bool { return s == a.SID || slices.Contains(a.Memberships, s) })
	}
	refuse := func(why string) error {
		return krb.NewError(krb.ErrTGTRevoked, "The account %s gets no ticket on a partial one of %s: %s.", a.SAMAccountName, r.Name, why)
	}
	switch {
	case a.SID.RID() == sid.RIDKrbtgt || a.KrbtgtNumber != 0:
		return refuse("it is a ticket-granting service's own")
	case a.has(InterdomainTrust):
		return refuse("it is another domain's")
	case is(r.NeverReveal):
		return refuse("it is, or a group that it is in, among those whose secrets the controller must never know (msDS-NeverRevealGroup)")
	case !is(r.RevealOnDemand):
		return refuse("neither it nor a group that it is in is among those whose secrets the controller may know (msDS-RevealOnDemandGroup)")
	}
	return nil
}

// keyList answers a KERB-KEY-LIST-REQ: the newest key of each encryption type that
// was asked for and that the account has. It answers nothing to who shows a
// ticket of the domain's own, or asks for a ticket to another service.
func (x *exchange) keyList(g *tgsExchange) ([]krb.PAData, error) {
	value, asked := krb.FindPA(g.req.PAData, krb.PAKeyListReq)
	if !asked || !g.partial || !x.kdc.isTGS(g.req.Body.Server) {
		return nil, nil
	}
	etypes, err := krb.ParseKeyListReq(value)
	if err != nil {
		return nil, krb.NewError(krb.ErrGeneric, "The KERB-KEY-LIST-REQ cannot be read.")
	}
	var keys []krb.Key
	var given []int32
	for _, e := range etypes {
		if key, ok := g.account.key(e); ok && !slices.Contains(given, e) {
			keys, given = append(keys, key.Key), append(given, e)
		}
	}
	x.tell("key_list", given)
	if keys == nil {
		return nil, nil
	}
	value, err = krb.EncodeKeyListRep(keys)
	return []krb.PAData{{Type: krb.PAKeyListRep, Value: value}}, err
}

// exchanged tells what a ticket of a read-only controller was good for.
func (x *exchange) exchanged(g *tgsExchange) {
	x.tell("partial", true)
	if !x.kdc.isTGS(g.req.Body.Server) {
		return
	}
	x.text = "The KDC verifies the partial ticket-granting ticket of " + x.client.String() + " and issues a full one."
	if _, listed := x.note["key_list"]; listed {
		x.text += " It tells the account's keys, as was asked."
	}
}
