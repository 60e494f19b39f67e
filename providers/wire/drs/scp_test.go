package drs_test

import (
	"errors"
	"testing"

	"hellolab/providers/wire/drs"
)

func TestServiceConnectionPoint(t *testing.T) {
	want := drs.ServiceConnectionPoint{TenantID: "3c0f1d58-0000-4000-8000-000000000001", Domain: "contoso.com"}
	values := [][]byte{[]byte("something:else")}
	for _, k := range want.Keywords() {
		values = append(values, []byte(k))
	}
	if got, err := drs.ParseKeywords(values); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range [][][]byte{nil, values[:1], values[:2]} {
		if got, err := drs.ParseKeywords(bad); !errors.Is(err, drs.ErrServiceConnectionPoint) {
			t.Errorf("%q: %+v, %v", bad, got, err)
		}
	}
}
