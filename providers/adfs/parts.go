package adfs

import (
	"context"

	"hellolab/providers/adfs/edrs"
	"hellolab/providers/adfs/prt"
	"hellolab/providers/wire/adfs"
)

// parts are what AD FS has besides the token service. Each is nil where the
// service has none.
type parts struct {
	registration *edrs.Service
	primary      *prt.Service
}

// assemble makes the parts that the settings ask for.
func (s *server) assemble() {
	if !s.set.adfs() {
		return
	}
	life := s.set.lifetimes()
	s.primary = &prt.Service{
		Host: s.set.Host, Directory: s.directory, Seal: s.seal, Accounts: forPRT{s}, Tokens: forPRT{s}, Once: s.useOnce,
		NonceLife: life.Nonce, Life: life.PRT, Now: s.env.Now, Rand: s.env.Rand, Emit: s.env.Emit,
	}
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
