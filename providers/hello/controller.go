package hello

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"hellolab/providers/spec"
)

// Controllers are a domain's controllers by name, as declared, else one with
// the defaults, named dc1. Writable ones come first, else names come in order;
// the first holds the roles of which a domain has one.
func Controllers(d spec.Domain) (names []string, by map[string]spec.Controller) {
	by = map[string]spec.Controller{}
	for name, c := range d.Controllers {
		by[name] = *c
	}
	if len(by) == 0 {
		by["dc1"] = spec.Controller{OS: "windows-server-2022", Site: "Default-First-Site-Name"}
	}
	for name := range by {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if ro := ReadOnly(by[a]); ro != ReadOnly(by[b]) {
			if ro {
				return 1
			}
			return -1
		}
		return strings.Compare(a, b)
	})
	return names, by
}

// ReadOnly says whether a controller is a read-only one.
func ReadOnly(c spec.Controller) bool { return c.Writable != nil && !*c.Writable }

// builds are the releases of spec.Controller.OS by their build's number.
var builds = map[string]int{"windows-server-2016": 14393, "windows-server-2019": 17763, "windows-server-2022": 20348, "windows-server-2025": 26100}

// keyListSince is the revision from which a release knows cloud Kerberos trust:
// KB4534307 and KB4534321, both of 23 January 2020 (Microsoft, "Cloud Kerberos
// trust deployment guide" for the updates, "Windows update history" for their
// builds). Later releases always have.
var keyListSince = map[int]int{14393: 3474, 17763: 1012}

// BuildOf is a controller's build: as declared, else with every update of its
// release.
func BuildOf(c spec.Controller) Build {
	if b, ok := ParseBuild(c.Build); ok {
		return b
	}
	return Build{builds[c.OS], math.MaxUint16}
}

// KeyList says whether a controller's Windows knows cloud Kerberos trust and
// KERB-KEY-LIST, and it is one to ask for it: a writable one. It is what the
// controller tells those who look for one (DS_KEY_LIST_SUPPORT).
func KeyList(c spec.Controller) bool { return !TooOld(c) && !ReadOnly(c) }

// TooOld says whether a controller's Windows is older than cloud Kerberos trust.
func TooOld(c spec.Controller) bool {
	b := BuildOf(c)
	return b.Revision < keyListSince[b.Number]
}

// MisnamesKeys says whether a controller takes a sign-in by a registered key for one
// in another account's name: Windows Server 2019 before 17763.316 does (Microsoft,
// "Windows Hello for Business known deployment issues").
func MisnamesKeys(c spec.Controller) bool {
	b := BuildOf(c)
	return b.Number == builds["windows-server-2019"] && b.Revision < namesKeys
}

// deleting are the revisions of a release, first and last, that delete the key that has
// signed in, and that of the update that ends it (Microsoft, "Windows Hello for Business
// known deployment issues").
var deleting = map[int]struct{ first, last, mended int }{14393: {3930, 4048, 4104}, 17763: {1457, 1613, 1637}}

// namesKeys is the first revision of Windows Server 2019 that takes a registered key
// for its own account's.
const namesKeys = 316

// DeletesKeys says whether a controller removes a registered key from
// msDS-KeyCredentialLink of its account once it has signed in. A read-only one writes
// nothing.
func DeletesKeys(c spec.Controller) bool {
	b := BuildOf(c)
	of, ok := deleting[b.Number]
	return ok && b.Revision >= of.first && b.Revision <= of.last && !ReadOnly(c)
}

// ofKeys warns of the controllers of a key trust whose Windows deals with registered
// keys wrongly, by the build that mends it.
func (v *validation) ofKeys(t *DeclaredTrust) {
	d := v.Domains[string(t.In.Domain)]
	if d == nil || !d.Knows("controller") {
		return
	}
	names, by := Controllers(d.In)
	for _, name := range names {
		c := by[name]
		b := BuildOf(c)
		switch {
		case DeletesKeys(c):
			mended := Build{b.Number, deleting[b.Number].mended}
			v.once("deletes "+d.Addr+" "+name, d.Addr, "controller", "controller_deletes_keys", "Controller that deletes keys",
				"Controller %s of %s has build %s, which deletes a registered key from its account once it has signed in there: by %s, each key signs in once, and again only when it has been written there anew, in a hybrid deployment by the next cycle of Connect (0xC000038C until then). Set its build to %q or newer.", name, d.Addr, b, t.Addr, mended)
		case MisnamesKeys(c):
			v.once("misnames "+d.Addr+" "+name, d.Addr, "controller", "controller_misnames_keys", "Controller that takes keys for another's",
				"Controller %s of %s has build %s, which takes a sign-in by a registered key for one in another account's name, and refuses it: those by %s that meet it fail. Set its build to %q or newer.", name, d.Addr, b, t.Addr, Build{b.Number, namesKeys})
		}
	}
}

// Offers says whether a controller has an encryption type: "aes256", "aes128" or
// "rc4". Without a list it has the two of AES.
func Offers(c spec.Controller, etype string) bool {
	if len(c.ETypes) == 0 {
		return etype == "aes256" || etype == "aes128"
	}
	return slices.Contains(c.ETypes, etype)
}

// ExchangesPartial says why a controller does not exchange the partial
// ticket-granting tickets of cloud Kerberos trust, "" when it does: the end of a
// sentence about it.
func ExchangesPartial(c spec.Controller) string {
	switch {
	case ReadOnly(c):
		return "is read-only"
	case TooOld(c):
		return fmt.Sprintf("is of build %s, older than cloud Kerberos trust", BuildOf(c))
	case !Offers(c, "aes256"):
		return "does not take AES256"
	}
	return ""
}

func (v *validation) controllers(addr string, d *Domain) {
	if !d.Knows("controller") {
		return
	}
	names, by := Controllers(d.In)
	for _, name := range names {
		c := by[name]
		if !netBIOSName(name) {
			v.problem(addr, "controller", "controller_name_malformed", "Not a computer name", "%q is not a computer name: 1 to 15 letters, digits and hyphens, such as \"dc1\".", name)
		}
		if b, ok := ParseBuild(c.Build); c.Build != "" && (!ok || b.Number != builds[c.OS]) {
			v.problem(addr, "controller", "controller_build_malformed", "Not a build of the release", "Controller %s has build %q, and builds of %s are %d with a revision, such as \"%d.1012\".", name, c.Build, c.OS, builds[c.OS], builds[c.OS])
		}
		if !Offers(c, "aes256") && !Offers(c, "aes128") {
			v.problem(addr, "controller", "controller_without_aes", "Controller without AES", "Controller %s takes no encryption type but RC4, which the domain's own services do not speak. Add \"aes256\" or \"aes128\" to its etypes.", name)
		}
	}
	if ReadOnly(by[names[0]]) {
		v.problem(addr, "controller", "no_writable_controller", "No writable controller", "All controllers of %s are read-only, and a domain is written at one that is not. Declare one with writable = true.", addr)
	}
}
