package ca_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"math/big"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/adcs/ca"
	"hellolab/providers/wire/ocsp"
)

func BenchmarkIssue(b *testing.B) {
	l := newLab(b, config())
	request := ca.Request{Requester: alice(), Template: ca.User, CSR: csr(b, rsaKey(b), x509.CertificateRequest{})}
	for b.Loop() {
		if _, err := l.Issue(ctx, request); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPublish makes lists of that many certificates.
func BenchmarkPublish(b *testing.B) {
	for _, n := range []int{10, 1000, 50_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			l := newLab(b, config())
			l.fill(b, n)
			for b.Loop() {
				if err := l.Publish(ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// fill puts revocations into the section as Revoke does.
func (l *lab) fill(tb testing.TB, n int) {
	tb.Helper()
	err := l.env.Section.Update(context.Background(), func(w providers.Writer) error {
		base := new(big.Int).Lsh(big.NewInt(0x52), 144)
		for i := range n {
			serial := new(big.Int).Add(base, big.NewInt(int64(i)))
			value := fmt.Appendf(nil, `{"at":%q,"reason":4,"not_after":%q}`, l.clock().Format(time.RFC3339), l.clock().AddDate(1, 0, 0).Format(time.RFC3339))
			if err := w.Put("revoked", fmt.Sprintf("%x", serial), value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
}

func BenchmarkAnswer(b *testing.B) {
	l := newLab(b, config())
	request, err := ocsp.NewRequest(l.issue(alice(), ca.User), l.Certificate(), nil)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := l.Answer(ctx, request); err != nil {
			b.Fatal(err)
		}
	}
}
