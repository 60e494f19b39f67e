package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hellolab/engine/serve"
	"hellolab/providers"
)

// A mirror answers datagrams with the address that the lab has for its host,
// and streams likewise.
type mirror struct {
	Host string `lab:"host,required" doc:"Host."`
}

func mirrorKind() providers.Type {
	return providers.Of(providers.Kind[mirror, renewalOut]{
		Name: "mirror", Doc: "A mirror.",
		Key:   func(in mirror) string { return in.Host },
		Hosts: func(o providers.Object[mirror, renewalOut]) []string { return []string{o.In.Host} },
		Create: func(_ context.Context, _ providers.Env, in mirror) (renewalOut, error) {
			return renewalOut{ID: in.Host}, nil
		},
		Open: func(ctx context.Context, env providers.Env, o providers.Object[mirror, renewalOut]) (providers.Service, error) {
			l, err := env.Network.Listen(o.In.Host, 88)
			if err != nil {
				return nil, err
			}
			p, err := env.Network.ListenPacket(o.In.Host, 88)
			if err != nil {
				return nil, errors.Join(err, l.Close())
			}
			only, err := env.Network.ListenPacket(o.In.Host, 389)
			if err != nil {
				return nil, errors.Join(err, l.Close(), p.Close())
			}
			for _, s := range []net.PacketConn{p, only} {
				go func() {
					for {
						_, from, err := s.ReadFrom(nil)
						if err != nil {
							return
						}
						a, err := env.Address(ctx, o.In.Host)
						if err != nil {
							a = netip.Addr{}
						}
						s.WriteTo([]byte(a.String()), from)
					}
				}()
			}
			return mirrorService{l, p, only}, nil
		},
	})
}

type mirrorService struct {
	l    net.Listener
	p, o net.PacketConn
}

func (m mirrorService) Close() error { return errors.Join(m.l.Close(), m.p.Close(), m.o.Close()) }

func TestServeListsAndCarriesDatagrams(t *testing.T) {
	d := newDueLab(t, `mirror "m" { host = "dc.corp.test" }`)
	shipped := newSystems(d.log, d.rand)
	defer shipped.Close()
	types := []providers.Type{mirrorKind()}
	for _, name := range shipped.registry.Names() {
		types = append(types, *shipped.registry.Type(name))
	}
	d.registry = providers.NewRegistry(types...)
	if err := d.apply(t); err != nil {
		t.Fatalf("%v: %s", err, d.err.taken())
	}
	folder := t.TempDir()
	f := &serveFlags{clock: "lab", hosts: "lab", proxy: "127.0.0.1:0", export: folder}
	err := d.serve(t.Context(), f, "serve", func(v *served) error {
		ends := v.bridge.Endpoints()
		if len(ends) != 3 || ends[0].Listen != ends[1].Listen || ends[1].Protocol != serve.UDP || ends[2].Port != 389 || ends[2].Protocol != serve.UDP {
			t.Fatalf("endpoints %+v", ends)
		}
		for _, e := range ends[1:] {
			c, err := net.Dial("udp", e.Listen.String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(10 * time.Second))
			if _, err := c.Write([]byte("who am I?")); err != nil {
				t.Fatal(err)
			}
			p := make([]byte, 100)
			n, err := c.Read(p)
			if got := string(p[:n]); err != nil || got != v.bridge.Address("dc.corp.test").String() || got != e.Listen.Addr().String() {
				t.Errorf("the lab says %q, %v; it is at %v", got, err, e.Listen)
			}
		}
		var b bytes.Buffer
		if err := v.tell(&b); err != nil {
			t.Error(err)
		}
		for _, want := range []string{" 88/tcp ", " 88/udp ", " 389/udp "} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("printed without %q:\n%s", want, &b)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%v: %s", err, d.err.taken())
	}
	data, err := os.ReadFile(filepath.Join(folder, fileLab))
	if err != nil {
		t.Fatal(err)
	}
	var lab struct{ Hosts []aboutHost }
	if err := json.Unmarshal(data, &lab); err != nil || len(lab.Hosts) != 1 || len(lab.Hosts[0].Ports) != 3 {
		t.Fatalf("exported %s, %v", data, err)
	}
	for i, want := range []string{"88/tcp", "88/udp", "389/udp"} {
		p := lab.Hosts[0].Ports[i]
		if got := fmt.Sprintf("%d/%s", p.Port, p.Protocol); got != want || !p.Bound.IsValid() {
			t.Errorf("port %s at %v, want %s", got, p.Bound, want)
		}
	}
	hosts, err := os.ReadFile(filepath.Join(folder, fileHosts))
	if err != nil || strings.Count(string(hosts), " dc.corp.test\n") != 1 {
		t.Errorf("hosts file %s, %v", hosts, err)
	}
}
