package kdc

import (
	"context"
	"crypto/rand"
	"syscall"
	"testing"
	"time"

	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/cms"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/pkinit"
)

// benchmark measures what the KDC spends on an AS exchange, with an RSA-2048
// key on both sides and a PAC in the ticket. The client's work does not count.
// On a busy machine the processor's time (cpu-ms/op) is the steadier figure.
func benchmark(b *testing.B, change func(*pkinit.AuthPack), policy func(*PKINITConfig), signer cms.Signer) {
	l := newKeyLab(b, policy)
	l.register(b, "alice", &helloKey().PublicKey, true, true)
	r := request{signer: signer, pack: change}
	if e := l.send(b, r); e != nil {
		b.Fatal(e)
	}
	messages := make([][]byte, 128)
	var spent, since time.Duration
	n := 0
	for ; b.Loop(); n++ {
		if n%len(messages) == 0 {
			b.StopTimer()
			spent += cpu() - since
			l.forget()
			for i := range messages {
				messages[i] = l.message(b, r)
			}
			since = cpu()
			if n == 0 {
				spent = 0
			}
			b.StartTimer()
		}
		if answer := l.Handle(context.Background(), messages[n%len(messages)]); krb.IsError(answer) {
			b.Fatal(krb.ParseError(answer))
		}
	}
	b.ReportMetric(float64((spent+cpu()-since).Microseconds())/1000/float64(n), "cpu-ms/op")
}

// cpu is the processor's time that this process has had.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func dh(g *pkinit.Group, nonce []byte) func(*pkinit.AuthPack) {
	key := must(g.GenerateKey(rand.Reader))
	return func(a *pkinit.AuthPack) {
		a.PublicValue, a.KDFs, a.DHNonce = key.Public(), pkinit.DefaultKDFs(), nonce
	}
}

func certified() cms.Signer {
	return user(labPKI().root, helloKey(), aliceUPN, smartCard, adcert.SIDExtension(domainSID.Account(1104))).signer()
}

// Promise: at most 1.9 ms of CPU, of which the signature takes 0.7 to 1.3.
func BenchmarkASPKINITDH(b *testing.B) {
	benchmark(b, dh(pkinit.MODP2048, nil), nil, certified())
}

func BenchmarkASPKINITDHReused(b *testing.B) {
	benchmark(b, dh(pkinit.MODP2048, []byte("nonce")), func(c *PKINITConfig) { c.Policy.ReuseKey = time.Hour }, certified())
}

func BenchmarkASPKINITKeyTrust(b *testing.B) {
	benchmark(b, dh(pkinit.MODP2048, nil), nil, certify(pair{}, helloKey(), nil).signer())
}

func BenchmarkASPKINITP256(b *testing.B) {
	benchmark(b, dh(pkinit.P256, nil), nil, certified())
}

func BenchmarkASPKINITRSA(b *testing.B) {
	benchmark(b, func(a *pkinit.AuthPack) { a.PublicValue = nil }, nil, certified())
}
