package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"hellolab/providers/wire/filetime"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/sid"
)

// ErrNoAccount is what the finders of accounts answer for a name that none has.
var ErrNoAccount = errors.New("no such account")

// Account is an account as those who authenticate it see it. It is shared:
// nobody changes one.
type Account struct {
	ID          string // objectGUID
	DN          string
	SID         sid.SID
	Name        string // sAMAccountName
	DisplayName string
	UPN         string // the attribute; empty when there is none
	Control     int64  // userAccountControl
	Primary     uint32 // relative identifier of the primary group
	Groups      []Membership
	Created     time.Time
	PasswordSet time.Time
	MustChange  time.Time // zero: never
	Expires     time.Time // zero: never
	ETypes      int64     // msDS-SupportedEncryptionTypes; 0: not said
	Number      int64     // msDS-SecondaryKrbTgtNumber: of the krbtgt of a read-only controller; else 0

	Salt           string
	Keys           []VersionedKey // the newest version first, in it the strongest first
	KeyCredentials [][]byte       // values of msDS-KeyCredentialLink
	Mappings       []string       // altSecurityIdentities
}

// Membership is a group that an account is in.
type Membership struct {
	SID   sid.SID
	Local bool // a group of the domain's own resources: it comes into no TGT
}

// VersionedKey is one key of an account.
type VersionedKey struct {
	Version int
	Key     krb.Key
}

// NTHash returns the newest NT hash, nil when there is none.
func (a *Account) NTHash() []byte {
	for _, k := range a.Keys {
		if k.Key.EType == krb.RC4 {
			return k.Key.Value
		}
	}
	return nil
}

// Client finds the account that a name of a person or computer names: an
// account name, or, as enterprise names are, a user principal name, also the
// one that every account has without being given it: name@domain.
func (d *Directory) Client(ctx context.Context, name string, enterprise bool) (*Account, error) {
	kind := "client"
	if enterprise {
		kind = "enterprise"
	}
	return d.find(ctx, kind+"/"+name, func(r reader) (*object, error) {
		if !enterprise {
			return r.accountNamed(name)
		}
		o, err := r.indexed("userPrincipalName", name)
		if !errors.Is(err, errNotFound) {
			return o, err
		}
		account, suffix, ok := strings.Cut(name, "@")
		if !ok || !strings.EqualFold(suffix, d.cfg.DNSName) && !strings.EqualFold(suffix, d.cfg.NetBIOSName) {
			return nil, errNotFound
		}
		return r.accountNamed(account)
	})
}

// accountNamed finds an account by its name; a computer's also without the
// dollar sign, as AD does.
func (r reader) accountNamed(name string) (*object, error) {
	o, err := r.indexed("sAMAccountName", name)
	if errors.Is(err, errNotFound) && !strings.HasSuffix(name, "$") {
		o, err = r.indexed("sAMAccountName", name+"$")
	}
	return o, err
}

// hostServices are the services whose names every HOST/… stands for
// (sPNMappings of the directory service, those that a lab may meet).
var hostServices = []string{"cifs", "http", "www", "dns", "wsman", "rpc", "rpcss", "spooler", "time", "termsrv", "dcom", "eventlog", "ldap", "msiserver", "netlogon", "schedule"}

// Service finds the account that a service name names: krbtgt's, one with that
// servicePrincipalName, or that of the host.
func (d *Directory) Service(ctx context.Context, parts ...string) (*Account, error) {
	return d.find(ctx, strings.Join(append([]string{"service"}, parts...), "\x00"), func(r reader) (*object, error) {
		switch {
		case len(parts) == 1:
			return r.accountNamed(parts[0])
		case len(parts) < 1:
			return nil, errNotFound
		case len(parts) == 2 && strings.EqualFold(parts[0], "krbtgt"):
			if !strings.EqualFold(parts[1], d.cfg.DNSName) && !strings.EqualFold(parts[1], d.cfg.NetBIOSName) {
				return nil, errNotFound
			}
			return r.bySID(d.sid.Account(sid.RIDKrbtgt))
		}
		o, err := r.indexed("servicePrincipalName", strings.Join(parts, "/"))
		if errors.Is(err, errNotFound) && slices.Contains(hostServices, strings.ToLower(parts[0])) {
			o, err = r.indexed("servicePrincipalName", "HOST/"+strings.Join(parts[1:], "/"))
		}
		return o, err
	})
}

// BySID finds an account by its identifier.
func (d *Directory) BySID(ctx context.Context, s sid.SID) (*Account, error) {
	return d.find(ctx, "sid/"+s.String(), func(r reader) (*object, error) { return r.bySID(s) })
}

// ByDN finds an account by a name of its object.
func (d *Directory) ByDN(ctx context.Context, name string) (*Account, error) {
	return d.find(ctx, "dn/"+name, func(r reader) (*object, error) {
		p, err := pathOf(name)
		if err != nil {
			return nil, errNotFound
		}
		return r.atPath(p)
	})
}

// find returns the account of the object that by finds. key says what by does.
func (d *Directory) find(ctx context.Context, key string, by func(reader) (*object, error)) (*Account, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	a, err := remembered(d, key, func(r reader) (*Account, error) {
		o, err := by(r)
		if err != nil {
			return nil, err
		}
		if !o.is("user") {
			return nil, errNotFound
		}
		return d.asAccount(r, o)
	})
	if errors.Is(err, errNotFound) {
		return nil, ErrNoAccount
	}
	return a, err
}

func (d *Directory) asAccount(r reader, o *object) (*Account, error) {
	a := &Account{
		ID: o.ID.String(), DN: o.DN, Name: o.first("sAMAccountName"), DisplayName: o.first("displayName"), UPN: o.first("userPrincipalName"),
		Control: o.number("userAccountControl"), Primary: uint32(o.number("primaryGroupID")), ETypes: o.number("msDS-SupportedEncryptionTypes"),
		PasswordSet: filetime.Time(uint64(o.number("pwdLastSet"))), Expires: filetime.Time(uint64(o.number("accountExpires"))),
		KeyCredentials: o.Values["msDS-KeyCredentialLink"], Number: o.number("msDS-SecondaryKrbTgtNumber"),
	}
	var err error
	if a.MustChange, err = d.mustChange(r, o); err != nil {
		return nil, fmt.Errorf("password of %s: %w", o.DN, err)
	}
	if a.SID, err = sid.Decode([]byte(o.first("objectSid"))); err != nil {
		return nil, fmt.Errorf("identifier of %s: %w", o.DN, err)
	}
	if a.Created, err = readTime(o.first("whenCreated")); err != nil {
		return nil, fmt.Errorf("creation of %s: %w", o.DN, err)
	}
	for _, v := range o.Values["altSecurityIdentities"] {
		a.Mappings = append(a.Mappings, string(v))
	}
	groups, err := d.groups(r, o)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		s, err := sid.Decode([]byte(g.first("objectSid")))
		if err != nil {
			return nil, fmt.Errorf("identifier of %s: %w", g.DN, err)
		}
		a.Groups = append(a.Groups, Membership{SID: s, Local: g.number("groupType")&groupLocal != 0})
	}
	s, err := get[secrets](r, tableSecrets, o.ID.String())
	if errors.Is(err, errNotFound) {
		return a, nil
	}
	if err != nil {
		return nil, err
	}
	a.Salt = s.Current.Salt
	for _, set := range []*keySet{&s.Current, s.Previous} {
		if set == nil {
			continue
		}
		for _, k := range set.Keys {
			a.Keys = append(a.Keys, VersionedKey{Version: set.KVNO, Key: krb.Key{EType: k.EType, Value: k.Value}})
		}
	}
	return a, nil
}

// Requester returns the account as one who asks for operations.
func (d *Directory) Requester(a *Account) *Requester {
	who := &Requester{SID: a.SID, Name: d.cfg.NetBIOSName + `\` + a.Name, Groups: []sid.SID{sid.Everyone, sid.AuthenticatedUsers}}
	for _, g := range a.Groups {
		who.Groups = append(who.Groups, g.SID)
	}
	return who
}

// CheckPassword says whether a password is the account's.
func (a *Account) CheckPassword(password string) bool {
	set := keySet{}
	for _, k := range a.Keys {
		if k.Version == a.Keys[0].Version {
			set.Keys = append(set.Keys, storedKey{k.Key.EType, k.Key.Value})
		}
	}
	return set.matches(password)
}

// Ticketed is Requester for somebody whose ticket says what it is in: those
// groups, and the local ones that they are in.
func (d *Directory) Ticketed(ctx context.Context, a *Account, in []sid.SID) (*Requester, error) {
	who := d.Requester(&Account{SID: a.SID, Name: a.Name})
	err := d.view(func(r reader) error {
		for _, s := range in {
			if s == a.SID {
				continue
			}
			who.Groups = append(who.Groups, s)
			o, err := r.bySID(s)
			if errors.Is(err, errNotFound) {
				continue // from elsewhere
			}
			if err != nil {
				return err
			}
			above, err := d.groupSIDs(r, o)
			if err != nil {
				return err
			}
			who.Groups = append(who.Groups, above...)
		}
		// A local group may hold the account itself, which no ticket says.
		o, err := r.bySID(a.SID)
		if err != nil {
			return err
		}
		direct, err := d.groups(r, o)
		if err != nil {
			return err
		}
		for _, g := range direct {
			if g.number("groupType")&groupLocal == 0 {
				continue
			}
			s, err := sid.Decode([]byte(g.first("objectSid")))
			if err != nil {
				return err
			}
			who.Groups = append(who.Groups, s)
		}
		return ctx.Err()
	})
	return who, err
}
