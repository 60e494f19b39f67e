package adds

import (
	"context"
	"errors"
	"sync"

	"hellolab/providers/adds/directory"
	"hellolab/providers/adds/kdc"
	"hellolab/providers/hello"
	"hellolab/providers/wire/krb"
)

// accounts gives the KDC the directory's accounts.
type accounts struct {
	dir *directory.Directory

	mu   sync.Mutex
	made map[*directory.Account]*kdc.Account // of accounts that the directory gives again: neither changes
}

// maxMade bounds the accounts that are kept as the KDC has them.
const maxMade = 1024

func (a *accounts) Client(ctx context.Context, name krb.Name) (*kdc.Account, error) {
	switch {
	case len(name.Parts) == 1:
		account, err := a.dir.Client(ctx, name.Parts[0], name.Type == krb.NTEnterprise)
		return a.as(account, err)
	case name.Type == krb.NTEnterprise:
		return nil, kdc.ErrUnknownPrincipal
	}
	account, err := a.dir.Service(ctx, name.Parts...)
	return a.as(account, err)
}

func (a *accounts) Server(ctx context.Context, name krb.Name) (*kdc.Account, error) {
	account, err := a.dir.Service(ctx, name.Parts...)
	return a.as(account, err)
}

// ReadOnly implements kdc.ReadOnlies.
func (a *accounts) ReadOnly(ctx context.Context, number uint16) (*kdc.ReadOnly, error) {
	in, err := a.dir.ReadOnly(ctx, number)
	if errors.Is(err, directory.ErrNoAccount) {
		return nil, kdc.ErrUnknownPrincipal
	}
	if err != nil {
		return nil, err
	}
	return &kdc.ReadOnly{
		Name: in.Name, UserAccountControl: uint32(in.Control), Krbtgt: a.account(in.Krbtgt), NeverReveal: in.NeverReveal, RevealOnDemand: in.RevealOnDemand,
	}, nil
}

func (a *accounts) as(in *directory.Account, err error) (*kdc.Account, error) {
	if errors.Is(err, directory.ErrNoAccount) {
		return nil, kdc.ErrUnknownPrincipal
	}
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	out, ok := a.made[in]
	if !ok {
		if len(a.made) >= maxMade || a.made == nil {
			a.made = map[*directory.Account]*kdc.Account{}
		}
		out = a.account(in)
		a.made[in] = out
	}
	return out, nil
}

func (a *accounts) account(in *directory.Account) *kdc.Account {
	out := &kdc.Account{
		SID: in.SID, SAMAccountName: in.Name, UPN: in.UPN, DisplayName: in.DisplayName, DNSDomain: a.dir.Config().DNSName,
		UserAccountControl: uint32(in.Control), SupportedETypes: uint32(in.ETypes), Salt: in.Salt, PrimaryGroup: in.Primary,
		PasswordSet: in.PasswordSet, PasswordMustChange: in.MustChange, AccountExpires: in.Expires, Created: in.Created,
		AltSecurityIdentities: in.Mappings, KeyCredentials: in.KeyCredentials, NTHash: in.NTHash(), KrbtgtNumber: uint16(in.Number),
	}
	for _, k := range in.Keys {
		out.Keys = append(out.Keys, kdc.VersionedKey{KVNO: uint32(k.Version), Key: k.Key})
	}
	domain := a.dir.SID()
	for _, g := range in.Groups {
		out.Memberships = append(out.Memberships, g.SID)
		// Groups local to a domain's resources come in at the resource.
		if !g.Local && g.SID.Domain() == domain {
			out.Groups = append(out.Groups, kdc.GroupMembership{RID: g.SID.RID()})
		}
	}
	return out
}

// keys deletes keys that have signed in, for a controller of a build that does.
type keys struct {
	dir      *directory.Directory
	computer string // the controller's name
}

// keysOf is what deletes keys at a controller; nil where they stay.
func (s *service) keysOf(computer string) kdc.Keys {
	if !hello.DeletesKeys(s.set.controllerOf(computer)) {
		return nil
	}
	return keys{s.dir, computer}
}

func (k keys) DeleteKey(ctx context.Context, account *kdc.Account, keyID []byte) error {
	own, err := k.dir.Client(ctx, k.computer+"$", false)
	if err != nil {
		return err
	}
	who, cfg := k.dir.Requester(own), k.dir.Config()
	who.From = cfg.Host(k.computer)
	return k.dir.RemoveKey(ctx, who, account.SID, keyID)
}

// passwords sets passwords for the password service.
type passwords struct{ dir *directory.Directory }

func (p passwords) SetPassword(ctx context.Context, requester, target *kdc.Account, newPassword []byte) error {
	reset := requester.SID != target.SID
	if reset {
		account, err := p.dir.BySID(ctx, requester.SID)
		if err != nil {
			return err
		}
		if !p.dir.Administers(p.dir.Requester(account)) {
			return kdc.ErrAccessDenied
		}
	}
	account, err := p.dir.BySID(ctx, target.SID)
	if err != nil {
		return err
	}
	err = p.dir.SetPassword(ctx, account.ID, string(newPassword), reset)
	var policy *directory.PolicyError
	if errors.As(err, &policy) {
		return &kdc.PolicyError{Sentence: policy.Sentence}
	}
	return err
}
