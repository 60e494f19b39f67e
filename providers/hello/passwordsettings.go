package hello

import (
	"cmp"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/spec"
)

// policyOf are password settings as a domain's own policy is.
func policyOf(s spec.PasswordSettings) spec.PasswordPolicy {
	return spec.PasswordPolicy{MinLength: s.MinLength, Complexity: s.Complexity, History: s.History, MaxAge: s.MaxAge, MinAge: s.MinAge}
}

// usualPolicy is that of a domain without the block: Windows Server's default.
func usualPolicy() spec.PasswordPolicy {
	const day = 24 * time.Hour
	return spec.PasswordPolicy{MinLength: 7, Complexity: true, History: 24, MaxAge: 42 * day, MinAge: day}
}

// PasswordPolicyOf is the policy on a user's password in the domain, and the
// address of who has it: of the password_settings that count, else of the domain.
// The address is "" for a user without a domain.
//
// Settings that name the user count before those of groups; among several those of
// the lowest precedence, then of the smallest GUID (MS-ADTS 3.1.1.4.5,
// msDS-ResultantPSO). Who is not made yet has none, and comes last by address.
func (w *World) PasswordPolicyOf(user string) (p spec.PasswordPolicy, by string) {
	u := w.Users[user]
	if u == nil || u.In.Domain == "" {
		return p, ""
	}
	if s := w.settingsOf(user, u.In.Domain); s != nil {
		return policyOf(s.In), s.Addr
	}
	d := w.Domains[string(u.In.Domain)]
	if d == nil || d.In.PasswordPolicy == nil {
		return usualPolicy(), string(u.In.Domain)
	}
	return *d.In.PasswordPolicy, d.Addr
}

func (w *World) settingsOf(user string, domain providers.Ref) *PasswordSettings {
	if len(w.Settings) == 0 {
		return nil
	}
	groups := w.GroupsOf(user)
	var own, ofGroups []*PasswordSettings
	for _, addr := range sortedKeys(w.Settings) {
		s := w.Settings[addr]
		if s.In.Domain != domain {
			continue
		}
		switch {
		case slices.Contains(s.In.AppliesTo, providers.Ref(user)):
			own = append(own, s)
		case slices.ContainsFunc(s.In.AppliesTo, func(to providers.Ref) bool { return slices.Contains(groups, string(to)) && w.globalGroup(string(to)) }):
			ofGroups = append(ofGroups, s)
		}
	}
	for _, all := range [][]*PasswordSettings{own, ofGroups} {
		if len(all) > 0 {
			return slices.MinFunc(all, before)
		}
	}
	return nil
}

func before(a, b *PasswordSettings) int {
	if c := cmp.Compare(a.In.Precedence, b.In.Precedence); c != 0 {
		return c
	}
	x, y := stored(a.ID), stored(b.ID)
	switch {
	case x != "" && y != "":
		return strings.Compare(x, y)
	case x != "":
		return -1
	case y != "":
		return 1
	}
	return strings.Compare(a.Addr, b.Addr)
}

// stored is a GUID in hexadecimal digits as a directory stores it: its first three
// fields little-endian (MS-DTYP 2.3.4.2). "" of what is none.
func stored(id string) string {
	digits := strings.ToLower(strings.ReplaceAll(id, "-", ""))
	raw, err := hex.DecodeString(digits)
	if err != nil || len(raw) != 16 {
		return ""
	}
	for _, field := range [][]byte{raw[:4], raw[4:6], raw[6:8]} {
		slices.Reverse(field)
	}
	return hex.EncodeToString(raw)
}

// notGlobal are the groups of spec.Group.WellKnown that are universal, or of the
// domain's own resources: no password settings come by them.
var notGlobal = []string{"enterprise_admins", "enterprise_key_admins", "cert_publishers", "allowed_rodc_replication", "denied_rodc_replication"}

func (w *World) globalGroup(addr string) bool {
	g := w.Groups[addr]
	return g != nil && g.In.Domain != "" && !slices.Contains(notGlobal, g.In.WellKnown)
}

func (v *validation) passwordSettings() {
	names, places := map[string]string{}, map[string]string{}
	for _, addr := range sortedKeys(v.Settings) {
		s := v.Settings[addr]
		v.passwordRules(addr, "", policyOf(s.In), s.Knows)
		if s.In.Precedence < 1 && s.Knows("precedence") {
			v.problem(addr, "precedence", "precedence_range", "Out of range", "precedence is %d, and the least is 1.", s.In.Precedence)
		}
		if s.Knows("name", "domain") {
			name := s.In.Name
			if name == "" {
				name = addr[strings.LastIndex(addr, ".")+1:]
			}
			key := string(s.In.Domain) + "/" + strings.ToLower(name)
			if other, taken := names[key]; taken {
				v.problem(addr, "name", "settings_name_taken", "Name of other settings", "%s has the name %q already. Set name.", other, name)
			}
			names[key] = addr
			if strings.TrimSpace(name) == "" || len(name) > 64 {
				v.problem(addr, "name", "settings_name_malformed", "Not a name", "The name of password settings has 1 to 64 bytes.")
			}
		}
		if s.Knows("precedence", "domain") {
			key := string(s.In.Domain) + "/" + strconv.Itoa(s.In.Precedence)
			if other, taken := places[key]; taken {
				v.warn(addr, "precedence", "precedence_twice", "Precedence twice", "%s has the precedence %d, too. Where both are for a user, the smaller GUID decides, which nobody chose. Give each its own.", other, s.In.Precedence)
			}
			places[key] = addr
		}
		if !s.Knows("applies_to", "domain") {
			continue
		}
		for _, ref := range s.In.AppliesTo {
			if homes := v.homesOf(string(ref)); len(homes) > 0 && !slices.Contains(homes, string(s.In.Domain)) {
				v.problem(addr, "applies_to", "settings_elsewhere", "Account of another directory", "%s lives in %s, and the settings are for accounts of %s. Name one of those.", ref, strings.Join(homes, " and "), s.In.Domain)
			} else if g := v.Groups[string(ref)]; g != nil && g.Knows("well_known") && !v.globalGroup(string(ref)) {
				v.warn(addr, "applies_to", "settings_not_global", "Settings without effect", "%s is no global group, and password settings come by global groups alone. Name another group, or users.", ref)
			}
		}
	}
}
