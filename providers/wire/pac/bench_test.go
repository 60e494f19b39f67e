package pac

import (
	"testing"

	"hellolab/providers/wire/krb"
)

func BenchmarkSign(b *testing.B) {
	p := alice()
	s := Signing{Server: key(krb.AES256, 1), KDC: key(krb.AES256, 2), TicketPart: make([]byte, 1000)}
	for b.Loop() {
		sign(b, p, s)
	}
}

func BenchmarkVerify(b *testing.B) {
	raw, ticket := service(b, alice())
	for b.Loop() {
		if err := parse(b, raw).Verify(ticket); err != nil {
			b.Fatal(err)
		}
	}
}
