package all_test

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"hellolab/providers"
	"hellolab/providers/spec"
)

// BenchmarkReadAfterDirectoryWrite is what a plan does when the domain was
// written to and many keys are proven to it: it reads every enrollment again, 64
// at a time, and each asks the domain whether the key is there. One enrollment
// stands for all of them. It prints how often the plan signs in to the domain.
func BenchmarkReadAfterDirectoryWrite(b *testing.B) {
	const enrollments = 1000
	l := newHybridLab(b)
	on := true
	l.Create("policy.hello", spec.Policy{Source: "gpo", Trust: "trust.key", UsePassportForWork: &on})
	l.Create(desk, onDesk())
	l.Create(deskEnrolled, enrollment(alice, desk))
	l.cycle()
	var signIns atomic.Int64
	l.Through(func(env providers.Env) providers.Network { return counted{env.Network, &signIns} })
	for _, way := range []struct {
		name    string
		sharing func(context.Context) (context.Context, func())
	}{
		{"a sign-in each", func(ctx context.Context) (context.Context, func()) { return ctx, func() {} }},
		{"one sign-in", providers.Sharing},
	} {
		b.Run(way.name, func(b *testing.B) {
			signIns.Store(0)
			took := cost{}
			for range b.N {
				ctx, end := way.sharing(b.Context())
				stop := stopwatch(b)
				group, ctx := errgroup.WithContext(ctx)
				group.SetLimit(64)
				for range enrollments {
					group.Go(func() error {
						rec, err := l.Read(ctx, deskEnrolled)
						if err == nil && rec.Out.GetAttr("status").AsString() != "ready" {
							b.Error(rec.Out.GetAttr("status").AsString())
						}
						return err
					})
				}
				if err := group.Wait(); err != nil {
					b.Fatal(err)
				}
				took.add(stop())
				end()
			}
			took.report(b, b.N*enrollments, "reads")
			b.ReportMetric(took.wall.Seconds()/float64(b.N), "s/plan")
			b.ReportMetric(float64(signIns.Load())/float64(b.N), "sign-ins/plan")
		})
	}
}

// counted counts the connections to a directory.
type counted struct {
	providers.Network
	n *atomic.Int64
}

func (c counted) Dial(ctx context.Context, host string, port int) (net.Conn, error) {
	if port == 389 && strings.HasPrefix(host, "dc") {
		c.n.Add(1)
	}
	return c.Network.Dial(ctx, host, port)
}
