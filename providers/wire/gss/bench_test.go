package gss

import (
	"testing"

	"hellolab/providers/wire/krb"
)

func BenchmarkSealed(b *testing.B) {
	i, a := pair(b, all)
	message := make([]byte, 1000)
	for b.Loop() {
		token, err := i.Wrap(message, true)
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := a.Unwrap(token); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkContext(b *testing.B) {
	l := newLab(b, krb.AES256)
	l.accept.Replay = krb.NewReplayCache(1 << 20)
	for b.Loop() {
		run(b, NewNegotiator(l.initiator(all)), l.accept.New())
	}
}
