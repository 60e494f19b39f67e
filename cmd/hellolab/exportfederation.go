package main

import (
	"context"

	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adfs"
)

// aboutFederation is a federation service in lab.json.
type aboutFederation struct {
	Address      string `json:"address"` // federation.sts
	Kind         string `json:"kind"`
	Issuer       string `json:"issuer"` // of access tokens and assertions
	Authority    string `json:"authority"`
	Discovery    string `json:"openid_configuration"`
	Metadata     string `json:"federation_metadata"`
	Host         string `json:"host"`
	Registration string `json:"registration_host,omitempty"`
}

// exportFederations names each federation service and its authority.
func (v *served) exportFederations(_ context.Context, e *exported) error {
	all, err := providers.ResolveAll[spec.Federation, spec.FederationOut](providers.Env{Objects: v.lab.Objects()}, "federation")
	if err != nil {
		return err
	}
	for _, f := range all {
		if f.ID == "" {
			continue
		}
		base := "https://" + f.Out.Host
		e.about.Federations = append(e.about.Federations, aboutFederation{
			Address: f.Addr, Kind: f.In.Kind, Issuer: f.Out.Issuer, Authority: adfs.Issuer(f.Out.Host), Discovery: base + adfs.PathConfiguration,
			Metadata: base + adfs.PathFederationMetadata, Host: f.Out.Host, Registration: f.Out.RegistrationHost,
		})
		name := variableName(f.Addr, e.used)
		e.set(adfs.Issuer(f.Out.Host), name+"_AUTHORITY")
		e.set(f.Out.Host, name+"_HOST")
	}
	return nil
}
