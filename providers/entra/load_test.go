package entra

import (
	"fmt"
	"sync"
	"testing"

	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/oauth"
)

// Fault 98: many sign-ins at once, and no lost update of a multi-valued key.
func TestParallelSignIns(t *testing.T) {
	b := newBench(t, attestation(attestOff))
	d, user := b.enrolled()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := b.hello(d, user); err != nil {
				t.Error(err)
			}
		})
	}
	g, err := graph.Post[graph.Group](t.Context(), b.admin, graph.Group{DisplayName: "Staff"}, "groups")
	b.must(err)
	for n := range 20 {
		wg.Go(func() {
			u, err := graph.Post[graph.User](t.Context(), b.admin, graph.User{UserPrincipalName: fmt.Sprintf("u%d@contoso.com", n)}, "users")
			if err == nil {
				err = b.admin.AddMember(t.Context(), g.ID, u.ID)
			}
			if err == nil {
				err = b.admin.AddMember(t.Context(), g.ID, b.lookup(aliceUPN).ID)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	n := 0
	for _, err := range graph.List[graph.DirectoryObject](t.Context(), b.admin, "", "groups", g.ID, "members") {
		b.must(err)
		n++
	}
	if n != 21 {
		t.Errorf("%d members, want 21", n)
	}
	if keys := b.lookup(aliceUPN).HelloKeys; len(keys) != 1 {
		t.Errorf("%d keys", len(keys))
	}
}

// BenchmarkHelloSignIn is nonce and PRT over TLS, with the client's two RSA
// signatures and one decryption.
func BenchmarkHelloSignIn(b *testing.B) {
	bench := newBench(b, attestation(attestOff))
	d, user := bench.enrolled()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := bench.hello(d, user); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sign-ins/s")
}

func BenchmarkPasswordSignIn(b *testing.B) {
	bench := newBench(b)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := bench.token(oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: oauth.ClientBroker, Resource: oauth.ResourceGraph,
				Username: aliceUPN, Password: password}); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sign-ins/s")
}
