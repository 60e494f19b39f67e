package windows

import (
	"testing"

	"hellolab/providers"
	"hellolab/providers/hello"
)

// nothing is a lab whose domains cannot be asked.
type nothing struct{}

func (nothing) Lookup(string) (providers.Record, error) {
	return providers.Record{}, providers.ErrUnknownObject
}
func (nothing) List(string) ([]providers.Record, error) { return nil, nil }

func TestStatusOfAnEnrollmentWithoutTheDomain(t *testing.T) {
	for _, c := range []struct {
		trust      hello.Trust
		domain     providers.Ref
		last, want string
	}{
		{hello.NoTrust, "", "", statusReady},
		{hello.NoTrust, "domain.corp", statusWaiting, statusReady},
		{hello.KeyTrust, "", "", statusReady},
		{hello.KeyTrust, "domain.corp", "", statusWaiting},
		{hello.KeyTrust, "domain.corp", statusWaiting, statusWaiting},
		{hello.KeyTrust, "domain.corp", statusReady, statusReady},
	} {
		e := &enrolling{machine: &machine{desk: providers.Env{Objects: nothing{}}}, user: person{addr: "user.alice", domain: c.domain}}
		if got := e.status(t.Context(), enrollmentRecord{Trust: string(c.trust), KeyID: "k"}, c.last); got != c.want {
			t.Errorf("%s towards %q, last %q: %q, want %q", c.trust, c.domain, c.last, got, c.want)
		}
	}
}
