package survey

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/hello/access"
	"hellolab/providers/spec"
)

// wires is a network of which a test says how a dial ends.
type wires struct {
	providers.Network
	dial func() (net.Conn, error)
}

func (w wires) Dial(context.Context, string, int) (net.Conn, error) { return w.dial() }

// A controller without a certificate hangs up, which is a fact; that nobody could
// be asked is a gap.
func TestCertificatesNobodyShows(t *testing.T) {
	hangsUp := func() (net.Conn, error) {
		ours, theirs := net.Pipe()
		return ours, theirs.Close()
	}
	called, callOff := context.WithCancel(t.Context())
	callOff()
	for name, tt := range map[string]struct {
		ctx  context.Context
		dial func() (net.Conn, error)
		gaps []string
	}{
		"hangs up":     {t.Context(), hangsUp, nil},
		"out of reach": {t.Context(), func() (net.Conn, error) { return nil, errors.New("no route") }, []string{"The certificate of dc1.corp.test could not be read: no route."}},
		"called off":   {called, hangsUp, []string{"The certificate of dc1.corp.test could not be read: context canceled."}},
	} {
		s := &survey{ctx: tt.ctx, env: providers.Env{Now: time.Now, Network: wires{dial: tt.dial}}, facts: access.NewFacts(time.Now())}
		found := s.certificates(domainObject{Out: spec.DomainOut{Hosts: []string{"dc1.corp.test"}}})
		if len(found) != 0 || !slices.Equal(s.facts.Gaps, tt.gaps) {
			t.Errorf("%s: %v, %q", name, found, s.facts.Gaps)
		}
	}
}
