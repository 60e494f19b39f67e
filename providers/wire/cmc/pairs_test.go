package cmc_test

import (
	"errors"
	"maps"
	"testing"

	"hellolab/providers/wire/cmc"
)

func TestPairs(t *testing.T) {
	want := map[string]string{cmc.RequesterName: `CORP\Zoë`, cmc.CertificateTemplate: "WHFBAuthentication"}
	der, err := cmc.MarshalPairs(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := cmc.ParsePairs(der)
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	for n := range der {
		if _, err := cmc.ParsePairs(der[:n]); !errors.Is(err, cmc.ErrSyntax) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	twice, err := cmc.MarshalPairs(map[string]string{"A": "1", "a": "2"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cmc.ParsePairs(twice); !errors.Is(err, cmc.ErrSyntax) {
		t.Errorf("a name twice: %v", err)
	}
}

func FuzzPairs(f *testing.F) {
	der, err := cmc.MarshalPairs(map[string]string{cmc.RequesterName: `CORP\alice`})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	f.Fuzz(func(t *testing.T, der []byte) {
		if _, err := cmc.ParsePairs(der); err != nil && !errors.Is(err, cmc.ErrSyntax) {
			t.Error(err)
		}
	})
}
