package main

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"hellolab/cmd/hellolab/internal/doctor"
	"hellolab/engine/lab"
	"hellolab/engine/serve"
	"hellolab/state"
)

// resolving bounds how long the machine may take to say where a host is.
const resolving = 2 * time.Second

// outsideOf finds what programs outside the lab will meet on this machine: it
// binds what `serve` would bind, for a moment; where a lab is served already, it
// connects.
func (s *session) outsideOf(ctx context.Context, l *lab.Lab, view state.View, served bool) (found *doctor.Outside, err error) {
	if err := l.OpenAll(ctx); err != nil {
		return nil, err
	}
	found = &doctor.Outside{}
	hosts := map[string]netip.Addr{}
	if served {
		for _, a := range l.Network().Listening() {
			at, err := l.Address(ctx, a.Host)
			if err != nil {
				return nil, err
			}
			hosts[a.Host] = at
			conn, err := (&net.Dialer{Timeout: resolving}).DialContext(ctx, "tcp", net.JoinHostPort(at.String(), strconv.Itoa(a.Port)))
			if err != nil {
				found.Moved = append(found.Moved, doctor.Endpoint{Host: a.Host, Port: a.Port, Protocol: string(serve.TCP), Err: err})
				continue
			}
			conn.Close()
		}
	} else {
		var bridge *serve.Bridge
		bridge, err = serve.Open(ctx, serve.Options{View: view, Network: l.Network(), Listen: net.Listen, ListenPacket: net.ListenPacket,
			Proxy: netip.MustParseAddrPort("127.0.0.1:0"), Log: s.log})
		if err != nil {
			return nil, err
		}
		defer closing(bridge, &err)
		for _, e := range bridge.Endpoints() {
			hosts[e.Host] = bridge.Address(e.Host)
			if e.Moved != nil {
				found.Moved = append(found.Moved, doctor.Endpoint{Host: e.Host, Port: e.Port, Protocol: string(e.Protocol), Err: e.Moved})
			}
		}
	}
	for host, at := range hosts {
		if !resolves(ctx, host, at) {
			found.Unnamed = append(found.Unnamed, host)
		}
	}
	slices.Sort(found.Unnamed)
	return found, nil
}

// resolves says whether this machine finds a host at an address. Only the hosts
// file is asked: names of a lab are nobody else's business.
func resolves(ctx context.Context, host string, at netip.Addr) bool {
	r := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }}
	ctx, cancel := context.WithTimeout(ctx, resolving)
	defer cancel()
	found, err := r.LookupNetIP(ctx, "ip", host)
	return err == nil && slices.ContainsFunc(found, func(a netip.Addr) bool { return a.Unmap() == at })
}
