package state

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// BenchmarkCommit makes 10,000 commits of one object record each from many
// callers and reports how many a second became durable, and with how many
// fsyncs.
func BenchmarkCommit(b *testing.B) {
	const commits = 10_000
	for _, callers := range []int{1, 10, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			n := commits
			if callers == 1 {
				n = 1000
			}
			for range b.N {
				b.StopTimer()
				s := openStore(b, testOptions(b))
				b.StartTimer()
				begun := time.Now()
				var wg sync.WaitGroup
				for c := range callers {
					wg.Go(func() {
						for i := c; i < n; i += callers {
							if err := s.Commit(ctx, func(w Writer) error { return PutObject(w, benchObject(i)) }); err != nil {
								b.Error(err)
							}
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64(n)/time.Since(begun).Seconds(), "commits/s")
				b.ReportMetric(float64(2*s.Stats().Batches), "fsyncs")
			}
		})
	}
}

func benchObject(i int) Object {
	r := rand.New(rand.NewPCG(1, uint64(i)))
	fill := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	return Object{
		Addr: fmt.Sprintf(`user.all["user-%05d"]`, i), Kind: "user", ID: fmt.Sprintf("%032x", r.Uint64()),
		In: fill(250), Out: fill(250), Deps: []string{"tenant.corp", "group.staff"},
		ReadAt: map[string]uint64{"tenant.corp": 17}, Modified: testNow,
	}
}

// benchState makes a state of n objects with extra bytes each.
func benchState(b testing.TB, n, extra int) Options {
	o := testOptions(b)
	s := openStore(b, o)
	must(b, s.Commit(ctx, func(w Writer) error {
		for i := range n {
			obj := benchObject(i)
			obj.In = append(obj.In, make([]byte, extra)...)
			if err := PutObject(w, obj); err != nil {
				return err
			}
		}
		return nil
	}))
	must(b, s.Close())
	return o
}

func BenchmarkObjects10000(b *testing.B) {
	o := benchState(b, 10_000, 0)
	s := openStore(b, o)
	for b.Loop() {
		must(b, s.Read(func(r Reader) error {
			all, err := Objects(r)
			if len(all) != 10_000 {
				b.Fatal(len(all))
			}
			return err
		}))
	}
}

// BenchmarkOpen opens states of about 20 MB: of many small records and of few large ones.
func BenchmarkOpen(b *testing.B) {
	for _, c := range []struct {
		name     string
		n, extra int
	}{{"10000x2kB", 10_000, 600}, {"400x50kB", 400, 36_000}} {
		o := benchState(b, c.n, c.extra)
		size := float64(fileSize(b, o.Path)) / 1e6
		b.Run(c.name+"/write", func(b *testing.B) {
			for b.Loop() {
				s, err := Open(ctx, o)
				must(b, err)
				b.StopTimer()
				must(b, s.Close())
				b.StartTimer()
			}
			b.ReportMetric(size, "MB")
		})
		b.Run(c.name+"/read", func(b *testing.B) {
			for b.Loop() {
				s, err := OpenRead(ctx, o)
				must(b, err)
				b.StopTimer()
				must(b, s.Close())
				b.StartTimer()
			}
			b.ReportMetric(size, "MB")
		})
	}
}

// BenchmarkRead is one View.Read with one Get, as a system serving a request does.
func BenchmarkRead(b *testing.B) {
	s := openStore(b, benchState(b, 10_000, 0))
	key := benchObject(5000).Addr
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if err := s.Read(func(r Reader) error { _, _, err := r.Get(BucketObjects, key); return err }); err != nil {
				b.Error(err)
			}
		}
	})
}
