package main

import (
	"context"
	"net"
	"net/url"
	"strconv"

	"hellolab/engine/serve"
	"hellolab/providers"
	"hellolab/providers/spec"
)

// aboutService is a member server in lab.json.
type aboutService struct {
	Address string `json:"address"` // service.intranet
	Domain  string `json:"domain"`
	Kind    string `json:"kind"`
	URL     string `json:"url"` // with the port where it is bound, if that is not its own
	SPN     string `json:"spn"`
}

// exportServices names the member servers of domains. They answer plain HTTP,
// which the proxy does not carry.
func (v *served) exportServices(_ context.Context, e *exported) error {
	services, err := providers.ResolveAll[spec.Service, spec.ServiceOut](providers.Env{Objects: v.lab.Objects()}, "service")
	if err != nil {
		return err
	}
	for _, s := range services {
		if s.ID == "" {
			continue
		}
		at, err := v.outsideURL(s.Out.URL)
		if err != nil {
			return err
		}
		e.about.Services = append(e.about.Services, aboutService{Address: s.Addr, Domain: string(s.In.Domain), Kind: s.In.Kind, URL: at, SPN: s.Out.SPN})
		e.set(at, variableName(s.Addr, e.used)+"_URL")
	}
	return nil
}

// outsideURL is a URL of the lab with the port that this machine has for it.
func (v *served) outsideURL(inside string) (string, error) {
	u, err := url.Parse(inside)
	if err != nil {
		return "", err
	}
	port := 80
	if u.Scheme == "https" {
		port = 443
	}
	if u.Port() != "" {
		if port, err = strconv.Atoi(u.Port()); err != nil {
			return "", err
		}
	}
	for _, at := range v.bridge.Endpoints() {
		if at.Host == u.Hostname() && at.Port == port && at.Protocol == serve.TCP && at.Moved != nil {
			u.Host = net.JoinHostPort(u.Hostname(), strconv.Itoa(int(at.Listen.Port())))
		}
	}
	return u.String(), nil
}
