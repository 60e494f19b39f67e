package entra

import (
	"errors"
	"slices"
	"strings"

	"hellolab/providers"
	"hellolab/providers/wire/graph"
)

// forceDeleteDomain answers POST /domains/{name}/forceDelete: the domain goes, and
// accounts whose names end in it are renamed to the tenant's first, which stays
// (Graph v1.0, domain: forceDelete). Whoever goes on by the former name is unknown.
func (s *server) forceDeleteDomain(q graphRequest, domain string) error {
	in, err := readGraph[graph.ForceDelete](q)
	if err != nil {
		return err
	}
	if in.DisableUsers {
		return graphBad("'disableUserAccounts' is not supported here: disable the users.")
	}
	renamed, left := 0, []string(nil)
	err = s.env.Section.Update(q.Context(), func(w providers.Writer) error {
		cfg, err := get[config](w, tableTenant, keyConfig)
		if err != nil {
			return err
		}
		at := slices.Index(cfg.Domains, domain)
		if at < 1 {
			return graphBad("The initial domain of a tenant cannot be deleted.")
		}
		var ids []string
		if err := w.Scan(tableUPN, "", func(upn string, id []byte) error {
			if strings.HasSuffix(upn, "@"+domain) {
				ids = append(ids, string(id))
			}
			return nil
		}); err != nil {
			return err
		}
		for _, id := range ids {
			was, err := get[user](w, tableUsers, id)
			if err != nil {
				return err
			}
			now := *was
			local, _, _ := strings.Cut(was.UPN, "@")
			now.UPN = local + "@" + cfg.Domains[0]
			if _, err := userByUPN(w, now.UPN); !errors.Is(err, errNotFound) {
				if err != nil {
					return err
				}
				return graphBad("'%s' cannot be renamed: another object has the name '%s'.", was.UPN, now.UPN)
			}
			if err := putUser(w, was, &now); err != nil {
				return err
			}
		}
		renamed = len(ids)
		cfg.Domains, cfg.Written = slices.Delete(cfg.Domains, at, at+1), slices.DeleteFunc(cfg.Written, func(d string) bool { return strings.EqualFold(d, domain) })
		left = cfg.Domains
		return put(w, tableTenant, keyConfig, cfg)
	})
	if err != nil {
		return err
	}
	s.domains.Store(&left)
	s.changed(q, "domain_deleted", "The administrator deletes a domain of the tenant by force; accounts with names of it are renamed to the first.", map[string]any{"domain": domain, "renamed": renamed})
	return nil
}
