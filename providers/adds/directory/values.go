package directory

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"hellolab/providers/wire/filetime"
	"hellolab/providers/wire/ldapmsg"
)

// values returns what an object holds of an attribute, as LDAP shows it. No
// value is a secret.
func (d *Directory) values(r reader, o *object, a *Attribute) ([][]byte, error) {
	switch {
	case a.has(secret):
		return nil, nil
	case a.has(constructed):
		return d.constructed(r, o, a)
	case a.has(backLink):
		return r.names(tableBackLinks, forward[strings.ToLower(a.Name)], o)
	case a.has(link) && a.Syntax == DNBinary:
		return r.binaryLinks(o, a)
	case a.has(link):
		return r.names(tableLinks, a.Name, o)
	case a.Name == "objectClass":
		return texts(o.Classes...), nil
	case a.Name == "distinguishedName":
		return texts(o.DN), nil
	case a.Name == attrDescriptor:
		return d.shownDescriptor(r, o)
	}
	return o.Values[a.Name], nil
}

func texts(values ...string) [][]byte {
	out := make([][]byte, len(values))
	for i, v := range values {
		out[i] = []byte(v)
	}
	return out
}

// names returns the distinguished names at the far ends of links.
func (r reader) names(table, attribute string, o *object) ([][]byte, error) {
	ends, err := r.linked(table, attribute, o.ID)
	if err != nil {
		return nil, err
	}
	out := make([][]byte, 0, len(ends))
	for _, id := range ends {
		far, err := r.object(id)
		if err != nil {
			return nil, fmt.Errorf("%s of %s: %w", attribute, o.DN, err)
		}
		out = append(out, []byte(far.DN))
	}
	return out, nil
}

// binaryLinks writes values of DN-Binary: the object that each refers to may
// have been renamed since.
func (r reader) binaryLinks(o *object, a *Attribute) ([][]byte, error) {
	var out [][]byte
	for i, blob := range o.Values[a.Name] {
		far, err := r.object(o.Targets[a.Name][i])
		if err != nil {
			return nil, fmt.Errorf("%s of %s: %w", a.Name, o.DN, err)
		}
		out = append(out, []byte(ldapmsg.DNBinary{Binary: blob, DN: far.DN}.String()))
	}
	return out, nil
}

// constructed computes an attribute (MS-ADTS 3.1.1.4.5).
func (d *Directory) constructed(r reader, o *object, a *Attribute) ([][]byte, error) {
	switch a.Name {
	case "canonicalName":
		return texts(canonicalName(o.DN)), nil
	case "tokenGroups":
		groups, err := d.groupSIDs(r, o)
		if err != nil {
			return nil, err
		}
		out := make([][]byte, len(groups))
		for i, g := range groups {
			out[i] = g.Bytes()
		}
		return out, nil
	}
	if !o.is("user") && !o.is("group") {
		return nil, nil
	}
	switch a.Name {
	case "msDS-PrincipalName":
		return texts(d.cfg.NetBIOSName + `\` + o.first("sAMAccountName")), nil
	case "msDS-isRODC":
		return boolean(o.number("primaryGroupID") == 521), nil
	}
	if !o.is("user") {
		return nil, nil
	}
	switch a.Name {
	case "msDS-KeyVersionNumber":
		s, err := get[secrets](r, tableSecrets, o.ID.String())
		if errors.Is(err, errNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return texts(strconv.Itoa(s.Current.KVNO)), nil
	case "msDS-User-Account-Control-Computed":
		bits := 0
		expired, err := d.passwordExpired(r, o)
		if err != nil {
			return nil, err
		}
		if expired {
			bits = UACPasswordExpired
		}
		return texts(strconv.Itoa(bits)), nil
	case "msDS-UserPasswordExpiryTimeComputed":
		at, err := d.passwordExpiry(r, o)
		return texts(strconv.FormatUint(at, 10)), err
	case "msDS-ResultantPSO":
		s, err := d.resultant(r, o)
		if err != nil || s == nil {
			return nil, err
		}
		return texts(s.DN), nil
	}
	return nil, nil
}

func boolean(b bool) [][]byte {
	if b {
		return texts("TRUE")
	}
	return texts("FALSE")
}

// canonicalName writes a name as corp.example/Users/alice.
func canonicalName(dn string) string {
	d, err := ldapmsg.ParseDN(dn)
	if err != nil {
		return ""
	}
	var labels, rest []string
	for _, rdn := range d {
		if strings.EqualFold(rdn[0].Type, "dc") {
			labels = append(labels, rdn[0].Value)
		} else {
			rest = append([]string{strings.ReplaceAll(rdn[0].Value, "/", `\/`)}, rest...)
		}
	}
	return strings.Join(labels, ".") + "/" + strings.Join(rest, "/")
}

// passwordExpiry returns when an account's password expires, as ticks: Never
// when it does not, 0 when it must be changed (MS-ADTS 3.1.1.4.5, of
// msDS-UserPasswordExpiryTimeComputed).
func (d *Directory) passwordExpiry(r reader, o *object) (uint64, error) {
	set := uint64(o.number("pwdLastSet"))
	uac := o.number("userAccountControl")
	switch {
	case uac&(UACDontExpirePassword|UACSmartCardRequired|UACWorkstation|UACServer) != 0:
		return filetime.Never, nil
	case set == 0:
		return 0, nil
	}
	policy, err := d.policyOf(r, o)
	if err != nil || policy.MaxAge == 0 {
		return filetime.Never, err
	}
	return filetime.From(filetime.Time(set).Add(policy.MaxAge)), nil
}

func (d *Directory) passwordExpired(r reader, o *object) (bool, error) {
	at, err := d.passwordExpiry(r, o)
	return at != filetime.Never && !d.now().Before(filetime.Time(at)), err
}

// mustChange returns when an account's password expires: the zero time when it
// does not, an instant long ago when it must be changed now.
func (d *Directory) mustChange(r reader, o *object) (time.Time, error) {
	switch at, err := d.passwordExpiry(r, o); at {
	case filetime.Never:
		return time.Time{}, err
	case 0:
		return filetime.Time(1), err
	default:
		return filetime.Time(at), err
	}
}
