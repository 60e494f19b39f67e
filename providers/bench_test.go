package providers_test

import (
	"testing"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/spec"
)

func BenchmarkUser(b *testing.B) {
	s := schemaOf[spec.User, spec.UserOut]()
	written := cty.ObjectVal(map[string]cty.Value{
		"upn": cty.StringVal("alice@contoso.com"), "tenant": cty.StringVal("tenant.contoso"), "password": cty.StringVal("correct horse"),
	})
	in, err := s.Complete(written)
	if err != nil {
		b.Fatal(err)
	}
	user, err := providers.Decode[spec.User](in)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("complete and check", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			v, err := s.Complete(written)
			if err != nil || s.CheckValue(v) != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := providers.Decode[spec.User](in); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := providers.Encode(&user, providers.KeepZero); err != nil {
				b.Fatal(err)
			}
		}
	})
}
