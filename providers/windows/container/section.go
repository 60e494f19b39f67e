package container

import (
	"context"
	"crypto"
	"crypto/sha256"
	"fmt"
	"slices"

	"hellolab/providers/windows/ksp"
)

// Consumer is the identity provider of Microsoft accounts. Organisations'
// providers go by tenant id.
const Consumer = "login.live.com"

// Section is what the code of one identity provider has of a released
// container: personal and work accounts share the container, and "all keys are
// separated by identity providers' domains" (seed 004). A section lists and uses
// its own provider's keys alone, and the provider is part of what a key's
// authorization value is made of: a key that is relabelled does not open.
type Section struct {
	r        *Released
	provider string
}

// Section returns the part of the container that belongs to an identity provider.
func (r *Released) Section(provider string) *Section { return &Section{r, provider} }

// Keys lists the provider's keys.
func (s *Section) Keys() []UserKey { return s.r.c.keysOf(s.provider) }

// Adopt binds a key without authorization value, fresh from the pool, to the
// container. registered is the identity provider that the device is registered
// with, for the account at hand: a container holds an organisation's keys only
// where the device is known to it.
func (s *Section) Adopt(ctx context.Context, k UserKey, registered string) (UserKey, error) {
	if k.Provider = s.provider; k.Provider != registered {
		return UserKey{}, fmt.Errorf("%w: %s", ErrOtherTenant, k.Provider)
	}
	auth, err := s.r.userAuth(ctx, k)
	if err != nil {
		return UserKey{}, err
	}
	defer clear(auth)
	if k.Key, err = s.r.provider.ChangeAuth(ctx, k.Key, nil, auth); err != nil {
		return UserKey{}, fmt.Errorf("bind user key: %w", err)
	}
	s.r.c.UserKeys = append(s.r.c.UserKeys, k)
	return k, nil
}

// Signer is the provider's user id key kid, to sign with while the container
// is released.
func (s *Section) Signer(ctx context.Context, kid string) (crypto.Signer, error) {
	for _, k := range s.Keys() {
		if k.ID != kid {
			continue
		}
		pub, err := k.Key.RSA()
		if err != nil {
			return nil, err
		}
		return ksp.SignerFunc(pub, func(pad ksp.Padding, digest [sha256.Size]byte) ([]byte, error) {
			auth, err := s.r.userAuth(ctx, k)
			if err != nil {
				return nil, err
			}
			defer clear(auth)
			sig, err := s.r.provider.SignSHA256(ctx, k.Key, auth, pad, digest)
			return sig, mismatch(err)
		}), nil
	}
	return nil, fmt.Errorf("%w: %s", ErrNoKey, kid)
}

// Providers are the identity providers that have keys in the container, in the
// order in which they came.
func (c *Container) Providers() []string {
	var all []string
	for _, k := range c.UserKeys {
		if !slices.Contains(all, k.Provider) {
			all = append(all, k.Provider)
		}
	}
	return all
}

// keysOf are the keys of one identity provider.
func (c *Container) keysOf(provider string) []UserKey {
	var own []UserKey
	for _, k := range c.UserKeys {
		if k.Provider == provider {
			own = append(own, k)
		}
	}
	return own
}
