// Package tpm is the platform key storage provider of a Windows device: one
// TPM 2.0 per device, the Microsoft reference code, run in worker processes
// (package worker). It implements ksp.Provider and what only a TPM does:
// certifying keys, activating credentials, counting wrong PINs.
//
// A TPM is its memory image. The image lives in the device's Store; a worker
// holds it only while it is used. Every command that changes the memory, a
// wrong authorization above all, is followed by a save before its answer is
// given: a crash can repeat a try but never forget one.
//
// Keys are made by the templates of keys.go; EK, SRK and the container's
// authentication key are P-256 (1 ms to make, RSA 26 ms), the keys that others
// see (AIK, device, transport, user) RSA-2048, as Windows has them.
//
// Sources: TCG TPM 2.0 Library; TCG EK Credential Profile (handles,
// templates); Microsoft, "TPM fundamentals" (lockout: 32 tries, one forgotten
// each 10 minutes).
package tpm

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/google/go-tpm/tpm2"

	"hellolab/providers/windows/ksp"
	"hellolab/providers/windows/tpm/worker"
)

// Store keeps the image of one TPM.
type Store interface {
	LoadImage() (image []byte, err error) // nil: no TPM was installed
	// SaveImage returns when the image is durable.
	SaveImage(ctx context.Context, image []byte) error
}

// ErrNoImage is what a TPM answers whose store is empty.
var ErrNoImage = errors.New("the device has no TPM image")

// TPM is the TPM of one device. Its methods are safe for concurrent use.
type TPM struct {
	pool   *Pool
	device string
	store  Store
	now    func() time.Time
}

// TPM returns the TPM of device whose image store keeps. now is lab time; the
// TPM's own clock follows it.
func (p *Pool) TPM(device string, store Store, now func() time.Time) *TPM {
	return &TPM{pool: p, device: device, store: store, now: now}
}

// Storage implements ksp.Provider.
func (t *TPM) Storage() ksp.Storage { return ksp.TPM }

// run gives fn the TPM for a batch of commands. No other batch runs on this
// TPM meanwhile, so fn must not wait for anything but the TPM.
func (t *TPM) run(ctx context.Context, fn func(*session) error) error {
	unlock, err := t.pool.lock(ctx, t.device)
	if err != nil {
		return err
	}
	defer unlock()
	image, err := t.store.LoadImage()
	if err != nil {
		return fmt.Errorf("%s: read TPM image: %w", t.device, err)
	}
	if image == nil {
		return fmt.Errorf("%s: %w", t.device, ErrNoImage)
	}
	rec, err := parseRecord(image)
	if err != nil {
		return fmt.Errorf("%s: %w", t.device, err)
	}
	w, err := t.pool.acquire(ctx, rec.version)
	if err != nil {
		return fmt.Errorf("%s: %w", t.device, err)
	}
	defer t.pool.release(w)
	now := t.now()
	if err := w.host(rec, now); err != nil {
		return t.broken(w, err)
	}
	s := &session{w: w}
	answer := fn(s)
	if errors.Is(answer, errStopped) {
		return t.broken(w, answer)
	}
	if !s.dirty {
		return answer
	}
	if err := t.save(ctx, w, now); err != nil {
		return t.broken(w, err)
	}
	return answer
}

func (t *TPM) save(ctx context.Context, w *process, now time.Time) error {
	raw, err := w.call(worker.OpSave)
	if err != nil {
		return err
	}
	v, err := t.pool.newVersion()
	if err != nil {
		return err
	}
	rec, err := w.packer.record(v, now, raw)
	if err != nil {
		return err
	}
	// The save must not be given up half-way: a wrong PIN counts, whoever stopped waiting.
	if err := t.store.SaveImage(context.WithoutCancel(ctx), rec.bytes()); err != nil {
		return fmt.Errorf("save TPM image: %w", err)
	}
	// The TPM time of the save is now, in both the image and the worker.
	w.resident = v
	return nil
}

// broken drops what the worker holds: the last saved image stands.
func (t *TPM) broken(w *process, err error) error {
	w.forget()
	return fmt.Errorf("the TPM of %s: %w", t.device, err)
}

// session is a batch of commands on a hosted TPM. It implements transport.TPM.
type session struct {
	w     *process
	dirty bool
}

// Send implements go-tpm's transport.
func (s *session) Send(cmd []byte) ([]byte, error) {
	rsp, err := s.w.call(worker.OpCommand, cmd)
	if err != nil {
		return nil, err
	}
	if len(cmd) < 10 || len(rsp) < 10 {
		return nil, errors.New("TPM header is short")
	}
	code := tpm2.TPMCC(binary.BigEndian.Uint32(cmd[6:]))
	rc := binary.BigEndian.Uint32(rsp[6:])
	s.dirty = s.dirty || changesMemory(code, rc)
	return rsp, nil
}

// changesMemory reports whether a command with this outcome left a trace in
// the non-volatile memory that must outlive a crash. Commands not known to
// leave none count as leaving one.
func changesMemory(code tpm2.TPMCC, rc uint32) bool {
	if tpm2.TPMRC(rc).Is(tpm2.TPMRCAuthFail) {
		return true // the failure counter moved; TPM_RC_BAD_AUTH, of unguarded objects, counts nothing
	}
	if rc != 0 {
		return false
	}
	switch code {
	case tpm2.TPMCCCreate, tpm2.TPMCCCreatePrimary, tpm2.TPMCCLoad, tpm2.TPMCCLoadExternal, tpm2.TPMCCReadPublic,
		tpm2.TPMCCFlushContext, tpm2.TPMCCStartAuthSession, tpm2.TPMCCUnseal, tpm2.TPMCCSign, tpm2.TPMCCRSADecrypt,
		tpm2.TPMCCECDHZGen, tpm2.TPMCCHMAC, tpm2.TPMCCCertify, tpm2.TPMCCActivateCredential, tpm2.TPMCCObjectChangeAuth,
		tpm2.TPMCCGetCapability, tpm2.TPMCCGetRandom, tpm2.TPMCCPolicySecret, tpm2.TPMCCPolicyOR,
		tpm2.TPMCCPolicyCommandCode, tpm2.TPMCCPolicyAuthValue, tpm2.TPMCCPolicyGetDigest:
		return false
	}
	return true
}

// translate makes ksp's errors of the TPM's.
func translate(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, tpm2.TPMRCLockout):
		return fmt.Errorf("%w: %w", ksp.ErrLockedOut, err)
	case errors.Is(err, tpm2.TPMRCAuthFail), errors.Is(err, tpm2.TPMRCBadAuth):
		return fmt.Errorf("%w: %w", ksp.ErrWrongAuth, err)
	case errors.Is(err, tpm2.TPMRCIntegrity):
		return fmt.Errorf("%w: %w", ksp.ErrForeignKey, err)
	default:
		return err
	}
}
