package address

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"hellolab/state"
)

func emptyView() state.View {
	return state.NewOverlay(state.Empty(state.Meta{Lineage: "test"}))
}

func TestAddressesAreForLife(t *testing.T) {
	view := emptyView()
	get := func(hosts ...string) map[string]netip.Addr {
		t.Helper()
		a, err := Assign(t.Context(), view, hosts...)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	first := get("login.a.test")["login.a.test"]
	if got := get("x.test", "LOGIN.A.TEST", "b.test"); got["login.a.test"] != first || len(got) != 3 {
		t.Errorf("got %v, want %v kept", got, first)
	}
	if other, err := Assign(t.Context(), emptyView(), "login.a.test"); err != nil || other["login.a.test"] != first {
		t.Errorf("another lab has %v, want %v: it follows from the name", other, first)
	}
	// The address of a name that another host got before goes to neither twice.
	view = emptyView()
	err := view.Commit(t.Context(), func(w state.Writer) error {
		return w.Put(state.BucketLab, keyHosts+"early.test", []byte(first.String()))
	})
	if err != nil {
		t.Fatal(err)
	}
	moved := get("login.a.test")["login.a.test"]
	if moved == first || get("login.a.test")["login.a.test"] != moved || get("early.test")["early.test"] != first {
		t.Errorf("the address %v was given twice", first)
	}
	// 20,000 hosts, none sharing, none where systems live.
	many := make([]string, 20_000)
	for i := range many {
		many[i] = fmt.Sprintf("host%d.test", i)
	}
	seen := map[netip.Addr]string{}
	for host, a := range get(many...) {
		b := a.As4()
		if other, shared := seen[a]; shared || b[0] != 127 || b[1] == 0 || b[1] == 255 || b[3] == 0 || b[3] == 255 {
			t.Fatalf("%s has %v, and so has %q", host, a, other)
		}
		seen[a] = host
	}
	if a, b := nth(0), nth(pool-1); a != netip.MustParseAddr("127.1.0.1") || b != netip.MustParseAddr("127.254.255.254") {
		t.Errorf("the pool is %v to %v", a, b)
	}
}

func TestADamagedAddressIsToldOf(t *testing.T) {
	for _, bad := range []string{"", "10.0.0.1", "localhost"} {
		view := emptyView()
		err := view.Commit(t.Context(), func(w state.Writer) error { return w.Put(state.BucketLab, keyHosts+"a.test", []byte(bad)) })
		if err != nil {
			t.Fatal(err)
		}
		for _, asked := range []string{"a.test", "b.test"} {
			if _, err := Assign(t.Context(), view, asked); err == nil || !strings.Contains(err.Error(), `"a.test"`) {
				t.Errorf("%q, asked for %s: %v", bad, asked, err)
			}
		}
	}
}
