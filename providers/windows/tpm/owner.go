package tpm

import (
	"context"
	"errors"
	"fmt"
	"io"

	tpm "github.com/google/go-tpm/tpm2"

	"hellolab/providers/windows/ksp"
)

// Clear does what "Clear TPM" in the firmware's menu does (TPM2_Clear under the
// platform's authorization), and then what Windows does at the next start: it
// makes the endorsement and storage root keys anew. The storage hierarchy has a
// new seed, so that no key and nothing sealed from before is of use any more; the
// endorsement key comes out the same.
func (t *TPM) Clear(ctx context.Context) error {
	return t.run(ctx, func(s *session) error {
		_, err := tpm.Clear{AuthHandle: tpm.AuthHandle{Handle: tpm.TPMRHPlatform, Auth: tpm.PasswordAuth(nil)}}.Execute(s)
		if err != nil {
			return fmt.Errorf("clear: %w", err)
		}
		s.w.srk = nil
		if _, err := s.primary(tpm.TPMRHEndorsement, tpm.ECCEKTemplate, ekHandle); err != nil {
			return fmt.Errorf("endorsement key: %w", err)
		}
		if _, err := s.primary(tpm.TPMRHOwner, tpm.ECCSRKTemplate, srkHandle); err != nil {
			return fmt.Errorf("storage root key: %w", err)
		}
		return s.installOS(t.pool.o.Rand)
	})
}

// LockOut guesses at something sealed of its own until the TPM is locked, as
// guesses at PINs would.
func (t *TPM) LockOut(ctx context.Context) error {
	secret := make([]byte, 32)
	if _, err := io.ReadFull(t.pool.o.Rand, secret); err != nil {
		return err
	}
	sealed, err := t.Seal(ctx, secret, secret)
	if err != nil {
		return err
	}
	for range maxTries + 1 {
		switch _, err := t.Unseal(ctx, sealed, secret[1:]); {
		case errors.Is(err, ksp.ErrLockedOut):
			return nil
		case !errors.Is(err, ksp.ErrWrongAuth):
			return fmt.Errorf("guess: %w", err)
		}
	}
	return errors.New("the TPM takes more guesses than it should")
}
