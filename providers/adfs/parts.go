package adfs

import (
	"context"

	"hellolab/providers/adfs/edrs"
	"hellolab/providers/wire/adfs"
)

// parts are what AD FS has besides the token service. Each is nil where the
// service has none.
type parts struct {
	registration *edrs.Service
}

// assemble makes the parts that the settings ask for.
func (s *server) assemble() {
	if s.set.DRSHost == "" {
		return
	}
	s.registration = &edrs.Service{
		Host: s.set.Host, Directory: s.directory, Seal: s.seal, MFA: s.set.lifetimes().MFA, Now: s.env.Now, Rand: s.env.Rand, Log: s.log, Emit: s.env.Emit,
		Verify: func(_ context.Context, token, resource string) (*adfs.Claims, error) {
			return s.verify(token, resource)
		},
	}
}
