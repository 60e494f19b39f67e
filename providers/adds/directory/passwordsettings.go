package directory

import (
	"bytes"
	"math"
	"time"

	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/sid"
)

// Password Settings Objects: policies on the passwords of some accounts (MS-ADTS
// 3.1.1.4.5, msDS-ResultantPSO). One that is linked to the account itself counts
// before those of its global security groups; among several that of the lowest
// precedence, then of the smallest objectGUID, byte by byte as it is stored.
const (
	classPasswordSettings          = "msDS-PasswordSettings"
	classPasswordSettingsContainer = "msDS-PasswordSettingsContainer"

	attrPrecedence = "msDS-PasswordSettingsPrecedence"
	attrAppliesTo  = "msDS-PSOAppliesTo"
)

// hides says whether an object is not there for somebody: the default descriptor of
// the class lets administrators alone read it (AD's schema).
func (d *Directory) hides(who *Requester, o *object) bool {
	return o.is(classPasswordSettings) && !d.rights.admin(who)
}

// hidden answers for an object that is hidden as for one that is not there.
func (r reader) hidden(o *object) error {
	name, err := ldapmsg.ParseDN(o.DN)
	if err != nil {
		return err
	}
	return r.noSuchObject(name)
}

// passwordSettings is the container of the objects.
func (c *Config) passwordSettings() string {
	return "CN=Password Settings Container,CN=System," + c.DN()
}

// Bounds of what is taken from an object that an administrator wrote: history is
// what the schema allows at most of Windows' own tools.
const maxHistory = 1024

// age reads an interval in negative ticks; 0 for one that never ends.
func (o *object) age(attribute string) time.Duration {
	ticks := o.number(attribute)
	if ticks >= 0 || ticks < -math.MaxInt64/100 {
		return 0
	}
	return time.Duration(-ticks) * 100
}

func (o *object) count(attribute string) int {
	return int(min(max(o.number(attribute), 0), maxHistory))
}

// policyOf is the policy on an account's password: that of the Password Settings
// Object that applies to it, else the domain's.
func (d *Directory) policyOf(r reader, o *object) (PasswordPolicy, error) {
	s, err := d.resultant(r, o)
	if err != nil || s == nil {
		return d.Policy(), err
	}
	return PasswordPolicy{
		MinLength: s.count("msDS-MinimumPasswordLength"), History: s.count("msDS-PasswordHistoryLength"),
		Complexity: s.first("msDS-PasswordComplexityEnabled") == "TRUE", MaxAge: s.age("msDS-MaximumPasswordAge"), MinAge: s.age("msDS-MinimumPasswordAge"),
	}, nil
}

// resultant is the Password Settings Object that applies to an account; nil when
// none does. Computers have none, nor has krbtgt.
func (d *Directory) resultant(r reader, o *object) (*object, error) {
	if !o.is("user") || o.number("userAccountControl")&UACNormal == 0 || o.first("primaryGroupID") == "" {
		return nil, nil
	}
	if s, err := sid.Decode([]byte(o.first("objectSid"))); err != nil || s == d.sid.Account(sid.RIDKrbtgt) {
		return nil, err
	}
	some := false
	if err := r.Scan(tableLinks, attrAppliesTo+"/", func(string, []byte) error { some = true; return nil }); err != nil || !some {
		return nil, err
	}
	own, err := r.firstSettings(nil, o)
	if err != nil || own != nil {
		return own, err
	}
	groups, err := d.groups(r, o)
	if err != nil {
		return nil, err
	}
	var best *object
	for _, g := range groups {
		if bits := uint32(g.number("groupType")); bits&groupGlobal == 0 || bits&groupSecurity == 0 {
			continue
		}
		if best, err = r.firstSettings(best, g); err != nil {
			return nil, err
		}
	}
	return best, nil
}

// firstSettings is the one that counts of best and those that are linked to an
// object.
func (r reader) firstSettings(best, to *object) (*object, error) {
	ends, err := r.linked(tableBackLinks, attrAppliesTo, to.ID)
	if err != nil {
		return nil, err
	}
	for _, id := range ends {
		s, err := r.object(id)
		if err != nil {
			return nil, err
		}
		if s.is(classPasswordSettings) && (best == nil || s.precedes(best)) {
			best = s
		}
	}
	return best, nil
}

func (o *object) precedes(other *object) bool {
	if a, b := o.number(attrPrecedence), other.number(attrPrecedence); a != b {
		return a < b
	}
	return bytes.Compare(windowsGUID(o.ID), windowsGUID(other.ID)) < 0
}
