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
	all := ca.Builtin(domain, forest)
	for name, change := range s.In.Templates {
		i := slices.IndexFunc(all, func(t ca.Template) bool { return strings.EqualFold(t.Name, name) })
		if i < 0 {
			return nil, fmt.Errorf("there is no certificate template %q; there are %s", name, templateNames(all))
		}
		all[i].Enroll = append(all[i].Enroll, granted[name]...)
		if !change.Enabled {
			all = slices.Delete(all, i, i+1)
		}
	}
	return all, nil
}

// grants are who may enroll besides, by the name of the template.
type grants map[string][]sid.SID

// grants are those that the declaration gives.
func (s *settings) grants() (grants, error) {
	out := grants{}
	for name, texts := range s.Enroll {
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

// enrollees resolves who may enroll by changed templates.
func enrollees(env providers.Env, in spec.Authority) (map[string][]string, error) {
	out := map[string][]string{}
	for name, change := range in.Templates {
		for _, ref := range change.Enroll {
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

func templateNames(list []ca.Template) string {
	names := make([]string, len(list))
	for i, t := range list {
		names[i] = t.Name
	}
	return strings.Join(names, ", ")
}
