package adcs

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"hellolab/providers"
	"hellolab/providers/adcs/ca"
	"hellolab/providers/spec"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/sid"
)

// templates are those that the authority issues.
func (s *settings) templates() ([]ca.Template, error) {
	domain, err := sid.Parse(s.Domain)
	if err != nil {
		return nil, err
	}
	forest, err := guid.Parse(s.Forest)
	if err != nil {
		return nil, err
	}
	granted, err := s.grants()
	if err != nil {
		return nil, err
	}
	restricted, err := identifiers(s.For)
	if err != nil {
		return nil, err
	}
	all := ca.Builtin(domain, forest)
	if own, err := sid.Parse(s.SID); err == nil { // before it has joined, it has none
		for i := range all {
			if slices.Contains(deviceTemplates, all[i].Name) {
				all[i].Enroll = append(all[i].Enroll, own)
			}
		}
	}
	for name, change := range s.In.Templates {
		i := slices.IndexFunc(all, func(t ca.Template) bool { return strings.EqualFold(t.Name, name) })
		if i < 0 {
			return nil, fmt.Errorf("there is no certificate template %q; there are %s", name, strings.Join(templateNames(), ", "))
		}
		t := &all[i]
		t.Enroll, t.OnBehalfOf = append(t.Enroll, granted[t.Name]...), restricted[t.Name]
		t.Names = named(named(t.Names, ca.SubjectRequireDirectoryPath, change.Subject), ca.AltRequireUPN, change.UPN)
		switch {
		case change.SID == nil:
		case *change.SID:
			t.Enrollment &^= ca.NoSecurityExtension
		default:
			t.Enrollment |= ca.NoSecurityExtension
		}
		if !change.Enabled {
			all = slices.Delete(all, i, i+1)
		}
	}
	return all, nil
}

// deviceTemplates are those that the SCEP service asks for, with the authority's
// own account.
var deviceTemplates = []string{ca.HelloDevice, ca.VPNUser, ca.RemoteDesktopUser}

// named sets a flag of names, or takes it off; nil leaves it.
func named(names, flag ca.NameFlag, wanted *bool) ca.NameFlag {
	switch {
	case wanted == nil:
		return names
	case *wanted:
		return names | flag
	}
	return names &^ flag
}

// grants are who may enroll besides, by the name of the template.
type grants map[string][]sid.SID

// grants are those that the declaration gives.
func (s *settings) grants() (grants, error) { return identifiers(s.Enroll) }

func identifiers(texts map[string][]string) (map[string][]sid.SID, error) {
	out := map[string][]sid.SID{}
	for name, texts := range texts {
		out[name] = []sid.SID{}
		for _, text := range texts {
			id, err := sid.Parse(text)
			if err != nil {
				return nil, fmt.Errorf("rights of template %s: %w", name, err)
			}
			out[name] = append(out[name], id)
		}
	}
	return out, nil
}

// accountsOf resolves whom changed templates name in one of their lists, by the
// templates' own names. A list that is there and empty names nobody; one that is
// absent is not in the map.
func accountsOf(env providers.Env, in spec.Authority, list func(*spec.AuthorityTemplate) []providers.Ref) (map[string][]string, error) {
	out := map[string][]string{}
	for name, change := range in.Templates {
		if i := slices.IndexFunc(templateNames(), func(n string) bool { return strings.EqualFold(n, name) }); i >= 0 {
			name = templateNames()[i]
		}
		named := list(change)
		if named != nil {
			out[name] = []string{}
		}
		for _, ref := range named {
			id, err := identifierOf(env, ref)
			if err != nil {
				return nil, fmt.Errorf("template %s: %s: %w", name, ref, err)
			}
			out[name] = append(out[name], id)
		}
	}
	return out, nil
}

func identifierOf(env providers.Env, ref providers.Ref) (string, error) {
	rec, err := env.Objects.Lookup(string(ref))
	if err != nil {
		return "", err
	}
	var id string
	if rec.Kind == "group" {
		g, err := providers.Resolve[spec.Group, spec.GroupOut](env, ref)
		if err != nil {
			return "", err
		}
		id = g.Out.SID
	} else {
		u, err := providers.Resolve[spec.User, spec.UserOut](env, ref)
		if err != nil {
			return "", err
		}
		id = u.Out.SID
	}
	if id == "" {
		return "", errors.New("it has no identifier in the domain")
	}
	return id, nil
}

func templateNames() []string {
	var names []string
	for _, t := range ca.Builtin(sid.Administrators, guid.GUID{}) {
		names = append(names, t.Name)
	}
	return names
}
