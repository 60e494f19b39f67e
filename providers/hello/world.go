package hello

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/spec"
)

// World is a lab as declared: everything the decisions of this package look
// at. Secrets are not part of it; what they imply is (Enrollment.PIN). A World
// is not changed after NewWorld and may be shared.
type World struct {
	Tenants      map[string]*Tenant
	Domains      map[string]*Domain
	Authorities  map[string]*Authority
	Users        map[string]*User
	Groups       map[string]*Group
	Devices      map[string]*Device
	Policies     map[string]*Policy
	Enrollments  map[string]*Enrollment
	Applications map[string]*Application
	Services     map[string]*Service
	Syncs        map[string]*Sync
	Trusts       map[string]*DeclaredTrust
	Federations  map[string]*Federation
	Certificates map[string]*Certificate
	Settings     map[string]*PasswordSettings

	memberOf map[string][]string      // user, device or group -> groups it is directly in
	on       map[string][]*Enrollment // device -> enrollments, in address order
}

// Declared is one object of a World, keyed by address there. ID is "" before
// the object exists.
type Declared[In, Out any] struct {
	providers.Object[In, Out]
	unknown map[string]bool // attributes of In that are not known yet; In holds their zero value
}

// Exists reports whether the lab holds the object already.
func (d *Declared[In, Out]) Exists() bool { return d.ID != "" }

// Knows reports whether every one of the attributes is known. At plan an
// attribute may wait for another object.
func (d *Declared[In, Out]) Knows(attributes ...string) bool {
	for _, a := range attributes {
		if d.unknown[a] {
			return false
		}
	}
	return true
}

type (
	Tenant      = Declared[spec.Tenant, spec.TenantOut]
	Domain      = Declared[spec.Domain, spec.DomainOut]
	Authority   = Declared[spec.Authority, spec.AuthorityOut]
	Group       = Declared[spec.Group, spec.GroupOut]
	Policy      = Declared[spec.Policy, spec.PolicyOut]
	Application = Declared[spec.Application, spec.ApplicationOut]
	Service     = Declared[spec.Service, spec.ServiceOut]
	Sync        = Declared[spec.Sync, spec.SyncOut]
	Federation  = Declared[spec.Federation, spec.FederationOut]
	Certificate = Declared[spec.Certificate, spec.CertificateOut]

	// PasswordSettings is a policy on the passwords of some accounts.
	PasswordSettings = Declared[spec.PasswordSettings, spec.PasswordSettingsOut]

	// DeclaredTrust is a block of kind trust. Trust is the vocabulary's word for
	// what it declares.
	DeclaredTrust = Declared[spec.Trust, spec.TrustOut]
)

// User is a declared user. In.Password is always nil.
type User struct {
	Declared[spec.User, spec.UserOut]
	HasPassword bool // one is given, or the account exists and keeps the one it has
}

// Device is a declared device. In.UnlockPIN is always nil.
type Device struct {
	Declared[spec.Device, spec.DeviceOut]
	UnlockPIN *PINShape // nil when there is none, or it is not known here
	enrolled  []*Policy // tenant-wide policies that it got when it was enrolled
}

// HasWorkAccount reports whether a user's account is added to a registered
// device.
func (d *Device) HasWorkAccount(user string) bool {
	return slices.Contains(d.In.WorkAccounts, providers.Ref(user))
}

// atController reports whether a device reaches the controllers of a domain
// before anybody signed in. A device without a network position is on site.
func atController(d *Device) bool {
	return d.In.Network == "" || d.In.Network == string(OnSite)
}

// UnlockAccount is whose sign-in unlocks a device: as declared, else by its
// join type.
func UnlockAccount(d spec.Device) string {
	switch {
	case d.UnlockAccount != "":
		return d.UnlockAccount
	case d.Join == string(Registered):
		return spec.UnlockMicrosoft
	case d.Join == string(NotJoined):
		return spec.UnlockLocal
	default:
		return spec.UnlockWork
	}
}

// Enrollment is a declared enrollment. In.PIN is always nil.
type Enrollment struct {
	Declared[spec.Enrollment, spec.EnrollmentOut]
	PIN *PINShape // nil when the PIN is not known here
}

// NewWorld builds a World of records, as the planner or Objects hold them;
// records of other kinds are passed over. An attribute that is unknown counts
// as zero, and Knows tells. A record without ID stands for an object that is
// still to be made, or made anew.
func NewWorld(records []providers.Record) (*World, error) {
	w := &World{
		Tenants:      map[string]*Tenant{},
		Domains:      map[string]*Domain{},
		Authorities:  map[string]*Authority{},
		Users:        map[string]*User{},
		Groups:       map[string]*Group{},
		Devices:      map[string]*Device{},
		Policies:     map[string]*Policy{},
		Enrollments:  map[string]*Enrollment{},
		Applications: map[string]*Application{},
		Services:     map[string]*Service{},
		Syncs:        map[string]*Sync{},
		Trusts:       map[string]*DeclaredTrust{},
		Federations:  map[string]*Federation{},
		Certificates: map[string]*Certificate{},
		Settings:     map[string]*PasswordSettings{},
		memberOf:     map[string][]string{},
		on:           map[string][]*Enrollment{},
	}
	for _, rec := range records {
		if err := w.add(rec); err != nil {
			return nil, err
		}
	}
	w.index()
	return w, nil
}

// Around builds the World that bears on one user on one device: both, their
// tenants and domains, and every policy, group, trust and sync. It is what a
// device asks for, without the cost of the whole lab. Without a trust no sync
// bears on them.
func Around(objects providers.Objects, user, device string) (*World, error) {
	var records []providers.Record
	seen := map[string]bool{}
	add := func(addr string) (providers.Record, error) {
		if addr == "" || seen[addr] {
			return providers.Record{}, nil
		}
		seen[addr] = true
		rec, err := objects.Lookup(addr)
		if err != nil {
			return rec, err
		}
		records = append(records, rec)
		return rec, nil
	}
	for _, addr := range []string{user, device} {
		rec, err := add(addr)
		if err != nil {
			return nil, err
		}
		for _, home := range []string{"tenant", "domain"} {
			at, err := add(attribute(rec, home))
			if err != nil {
				return nil, err
			}
			if _, err := add(attribute(at, "federation")); err != nil {
				return nil, err
			}
		}
	}
	for _, kind := range []string{"group", "policy", "federation", "trust", "sync"} {
		all, err := objects.List(kind)
		if err != nil {
			return nil, err
		}
		if kind == "trust" && len(all) == 0 {
			break
		}
		records = append(records, all...)
	}
	return NewWorld(records)
}

// attribute reads a string attribute of what was asked; "" when it is absent,
// null or unknown.
func attribute(rec providers.Record, name string) string {
	if rec.In.IsNull() || !rec.In.IsKnown() || !rec.In.Type().IsObjectType() || !rec.In.Type().HasAttribute(name) {
		return ""
	}
	v := rec.In.GetAttr(name)
	if v.IsNull() || !v.IsKnown() || v.Type() != cty.String {
		return ""
	}
	return v.AsString()
}

func (w *World) add(rec providers.Record) (err error) {
	switch rec.Kind {
	case "tenant":
		w.Tenants[rec.Addr], err = declared[spec.Tenant, spec.TenantOut](rec)
	case "domain":
		w.Domains[rec.Addr], err = declared[spec.Domain, spec.DomainOut](rec)
	case "authority":
		w.Authorities[rec.Addr], err = declared[spec.Authority, spec.AuthorityOut](rec)
	case "group":
		w.Groups[rec.Addr], err = declared[spec.Group, spec.GroupOut](rec)
	case "device":
		w.Devices[rec.Addr], err = deviceOf(rec)
	case "policy":
		w.Policies[rec.Addr], err = declared[spec.Policy, spec.PolicyOut](rec)
	case "application":
		w.Applications[rec.Addr], err = declared[spec.Application, spec.ApplicationOut](rec)
	case "service":
		w.Services[rec.Addr], err = declared[spec.Service, spec.ServiceOut](rec)
	case "sync":
		w.Syncs[rec.Addr], err = declared[spec.Sync, spec.SyncOut](rec)
	case "trust":
		w.Trusts[rec.Addr], err = declared[spec.Trust, spec.TrustOut](rec)
	case "federation":
		w.Federations[rec.Addr], err = declared[spec.Federation, spec.FederationOut](rec)
	case "certificate":
		w.Certificates[rec.Addr], err = declared[spec.Certificate, spec.CertificateOut](rec)
	case "password_settings":
		w.Settings[rec.Addr], err = declared[spec.PasswordSettings, spec.PasswordSettingsOut](rec)
	case "user":
		var d *Declared[spec.User, spec.UserOut]
		if d, err = declared[spec.User, spec.UserOut](rec); err != nil {
			return err
		}
		has := len(d.In.Password) > 0 || !d.Knows("password") || d.Exists()
		d.In.Password.Wipe()
		d.In.Password = nil
		w.Users[rec.Addr] = &User{*d, has}
	case "enrollment":
		w.Enrollments[rec.Addr], err = enrollmentOf(rec)
	}
	return err
}

func deviceOf(rec providers.Record) (*Device, error) {
	d, err := declared[spec.Device, spec.DeviceOut](rec)
	if err != nil {
		return nil, err
	}
	dev := &Device{Declared: *d, UnlockPIN: takePIN(&d.In.UnlockPIN)}
	dev.In.UnlockPIN = nil
	if dev.enrolled, err = enrolledPolicies(d.Out.TenantWide); err != nil {
		return nil, fmt.Errorf("%s: tenant-wide policy: %w", rec.Addr, err)
	}
	return dev, nil
}

// takePIN replaces a PIN by its shape.
func takePIN(pin *providers.Secret) *PINShape {
	if *pin == nil {
		return nil
	}
	shape := ShapeOfPIN(*pin)
	pin.Wipe()
	return &shape
}

func enrollmentOf(rec providers.Record) (*Enrollment, error) {
	d, err := declared[spec.Enrollment, spec.EnrollmentOut](rec)
	if err != nil {
		return nil, err
	}
	e := &Enrollment{Declared: *d, PIN: takePIN(&d.In.PIN)}
	e.In.PIN = nil
	return e, nil
}

func declared[In, Out any](rec providers.Record) (*Declared[In, Out], error) {
	d := &Declared[In, Out]{Object: providers.Object[In, Out]{Addr: rec.Addr, ID: rec.ID}}
	if rec.In.IsNull() {
		return nil, fmt.Errorf("%s: nothing was asked", rec.Addr)
	}
	var err error
	if d.In, err = providers.Decode[In](rec.In); err != nil {
		return nil, fmt.Errorf("%s: what was asked: %w", rec.Addr, err)
	}
	if !rec.Out.IsNull() && rec.Out.IsKnown() {
		if d.Out, err = providers.Decode[Out](rec.Out); err != nil {
			return nil, fmt.Errorf("%s: what was learned: %w", rec.Addr, err)
		}
	}
	d.unknown = unknownIn(rec.In)
	return d, nil
}

// unknownIn returns the dotted paths of the attributes of an object that are
// not wholly known, blocks included under their own name; nil when none is.
func unknownIn(v cty.Value) map[string]bool {
	if v.IsWhollyKnown() {
		return nil
	}
	found := map[string]bool{}
	var walk func(prefix string, v cty.Value)
	walk = func(prefix string, v cty.Value) {
		if v.IsWhollyKnown() {
			return
		}
		if prefix != "" {
			found[prefix] = true
			prefix += "."
		}
		if v.IsKnown() && !v.IsNull() && v.Type().IsObjectType() {
			for name, attr := range v.AsValueMap() {
				walk(prefix+name, attr)
			}
		}
	}
	walk("", v)
	return found
}

// index gathers memberships, which either side may declare.
func (w *World) index() {
	join := func(member, group providers.Ref) {
		m := string(member)
		if !slices.Contains(w.memberOf[m], string(group)) {
			w.memberOf[m] = append(w.memberOf[m], string(group))
		}
	}
	for addr, g := range w.Groups {
		for _, m := range g.In.Members {
			join(m, providers.Ref(addr))
		}
	}
	for addr, u := range w.Users {
		for _, g := range u.In.Groups {
			join(providers.Ref(addr), g)
		}
	}
	for _, groups := range w.memberOf {
		slices.Sort(groups)
	}
	for _, addr := range sortedKeys(w.Enrollments) {
		e := w.Enrollments[addr]
		w.on[string(e.In.Device)] = append(w.on[string(e.In.Device)], e)
	}
}

// GroupsOf returns the groups that an object is in, directly or through other
// groups, sorted. Groups that contain each other do no harm.
func (w *World) GroupsOf(addr string) []string {
	in := map[string]bool{}
	for queue := slices.Clone(w.memberOf[addr]); len(queue) > 0; {
		g := queue[0]
		queue = queue[1:]
		if !in[g] {
			in[g] = true
			queue = append(queue, w.memberOf[g]...)
		}
	}
	return slices.Sorted(maps.Keys(in))
}

// EnrollmentsOn returns the enrollments on a device, in address order. The
// slice is not the caller's to change.
func (w *World) EnrollmentsOn(device string) []*Enrollment { return w.on[device] }

// Joiner returns the user who joins a device: the one its block names, else
// the first enrolled on it, by address. ok is false when there is none (R14).
func (w *World) Joiner(device string) (user string, ok bool) {
	d := w.Devices[device]
	switch {
	case d == nil:
		return "", false
	case d.In.JoinedBy != "":
		return string(d.In.JoinedBy), true
	case len(w.on[device]) > 0:
		return string(w.on[device][0].In.User), true
	}
	return "", false
}

// JoinerOf is World.Joiner without a World: it reads no more of the objects
// than it must. The user is "" when nobody joins the device.
func JoinerOf(objects providers.Objects, device string) (user string, err error) {
	rec, err := objects.Lookup(device)
	if err != nil {
		return "", err
	}
	if by := attribute(rec, "joined_by"); by != "" {
		return by, nil
	}
	enrollments, err := objects.List("enrollment") // in address order
	if err != nil {
		return "", err
	}
	for _, rec := range enrollments {
		if attribute(rec, "device") == device {
			return attribute(rec, "user"), nil
		}
	}
	return "", nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// domainOf returns the part of a user name after the last @, in lower case.
func domainOf(upn string) string {
	if i := strings.LastIndexByte(upn, '@'); i >= 0 {
		return strings.ToLower(upn[i+1:])
	}
	return ""
}
