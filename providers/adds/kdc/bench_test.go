package kdc

import (
	"syscall"
	"testing"
	"time"

	"hellolab/providers/wire/krb"
)

// Requests are made outside the measured time, as many as are needed: each
// is answered once only.

func BenchmarkASPassword(b *testing.B) {
	l := newLab(b, nil)
	l.Events = nil
	requests := make([][]byte, b.N)
	for i := range requests {
		requests[i] = asReq(b, l, func(r *krb.KDCReq, _ krb.Key) {
			pac, _ := krb.EncodePACRequest(true)
			r.PAData = append(r.PAData, krb.PAData{Type: krb.PAReqEncPARep}, krb.PAData{Type: krb.PAPACRequest, Value: pac})
			r.Body.Options = krb.FlagForwardable | krb.FlagRenewable | krb.OptCanonicalize
		})
	}
	run(b, l, requests)
}

func BenchmarkTGS(b *testing.B) {
	l := newLab(b, nil)
	l.Events = nil
	tgt := l.tgt(b, nil)
	subkey, err := krb.RandomKey(krb.AES256, newRand())
	if err != nil {
		b.Fatal(err)
	}
	requests := make([][]byte, b.N)
	for i := range requests {
		q := newTGSReq(l, tgt)
		q.auth.Subkey, q.body.Options = subkey, krb.FlagForwardable|krb.OptCanonicalize
		requests[i] = q.encode(b)
	}
	run(b, l, requests)
}

func run(b *testing.B, l *lab, requests [][]byte) {
	b.ReportAllocs()
	b.ResetTimer()
	before := processor(b)
	for i, r := range requests {
		if i%100000 == 99999 { // the memory of replays is bounded
			b.StopTimer()
			l.replays = krb.NewReplayCache(1 << 19)
			b.StartTimer()
		}
		if out := l.Handle(b.Context(), r); krb.IsError(out) {
			e, _ := krb.ParseError(out)
			b.Fatal(e, time.Duration(i))
		}
	}
	b.ReportMetric(float64((processor(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
}

// processor is the processor time that this process has taken: what is steady
// on a machine that does other work, too.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
