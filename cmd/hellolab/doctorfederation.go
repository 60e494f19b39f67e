package main

import (
	"context"

	"hellolab/cmd/hellolab/internal/doctor"
	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adfs"
)

// federations asks the federation services how they stand.
func federations(ctx context.Context, env providers.Env) ([]doctor.Federation, error) {
	all, err := providers.ResolveAll[spec.Federation, spec.FederationOut](env, "federation")
	if err != nil {
		return nil, err
	}
	var out []doctor.Federation
	for _, o := range all {
		if o.ID == "" {
			continue
		}
		f := doctor.Federation{Addr: o.Addr, Stopped: !o.In.Enabled, Registers: o.In.Kind == spec.FederationADFS && o.In.Authority != "" && o.In.RegistrationAuthority}
		if f.Status, err = (adfs.Admin{Host: o.Out.Host, Secret: o.Out.AdminSecret}).Status(ctx, env); err != nil {
			f.Trouble = err.Error()
		}
		out = append(out, f)
	}
	return out, nil
}
