package tpm

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"github.com/google/go-tpm/legacy/tpm2"
	tpm "github.com/google/go-tpm/tpm2"

	"hellolab/providers/windows/ksp"
	"hellolab/providers/windows/tpm/worker"
)

// Baked is a TPM as a device has it after OS installation, with the keys that
// Windows makes before anyone asks for them: RSA key creation is 93 to 97
// percent of provisioning, and none of these depends on who will use the
// device. The private halves never left this one TPM, and the image is given
// to one device only.
type Baked struct {
	Image     []byte // for the device's Store
	EK        []byte // endorsement key, TPM2B_PUBLIC
	AIK       ksp.Key
	Device    ksp.Key // will sign for the device (DR-11)
	Transport ksp.Key // will open session keys (DR-12)
	User      ksp.Key // a user key for the pre-generation pool (DR-17), no authorization value yet
}

func (b *Baked) date(now time.Time) {
	rec, err := parseRecord(b.Image)
	if err != nil {
		panic("tpm: a baked image does not parse: " + err.Error()) // it was made in this process
	}
	rec.savedAt = now
	b.Image = rec.bytes()
}

// bake manufactures a TPM on w: new seeds; EK and SRK made and kept; lockout
// parameters as Windows sets them; the lockout authorization set to random
// bytes that nobody keeps, as Windows does since 1607; the keys of Baked.
func (p *Pool) bake(w *process) (*Baked, error) {
	w.forget()
	if _, err := w.call(worker.OpManufacture); err != nil {
		return nil, fmt.Errorf("manufacture TPM: %w", err)
	}
	s := &session{w: w}
	b := &Baked{}
	var err error
	if b.EK, err = s.primary(tpm.TPMRHEndorsement, tpm.ECCEKTemplate, ekHandle); err != nil {
		return nil, fmt.Errorf("endorsement key: %w", err)
	}
	if _, err = s.primary(tpm.TPMRHOwner, tpm.ECCSRKTemplate, srkHandle); err != nil {
		return nil, fmt.Errorf("storage root key: %w", err)
	}
	if err := s.installOS(p.o.Rand); err != nil {
		return nil, err
	}
	if b.AIK, err = s.createFrom(aikTemplate(), "attest", nil); err != nil {
		return nil, err
	}
	for _, k := range []struct {
		key *ksp.Key
		use ksp.Use
	}{{&b.Device, ksp.Sign}, {&b.Transport, ksp.Decrypt}, {&b.User, ksp.UserSign}} {
		if *k.key, err = s.createKey(k.use, nil); err != nil {
			return nil, err
		}
	}
	raw, err := w.call(worker.OpSave)
	if err != nil {
		return nil, fmt.Errorf("save TPM image: %w", err)
	}
	v, err := p.newVersion()
	if err != nil {
		return nil, err
	}
	rec, err := w.packer.record(v, time.Time{}, raw)
	if err != nil {
		return nil, err
	}
	b.Image = rec.bytes()
	w.resident, w.clock = v, time.Time{}
	if p.o.Shelf != nil {
		p.o.Shelf.Made(b)
	}
	return b, nil
}

// primary makes a primary key and keeps it at a persistent handle.
func (s *session) primary(hierarchy tpm.TPMHandle, tpl tpm.TPMTPublic, at tpm.TPMHandle) ([]byte, error) {
	rsp, err := tpm.CreatePrimary{PrimaryHandle: hierarchy, InPublic: tpm.New2B(tpl)}.Execute(s)
	if err != nil {
		return nil, err
	}
	defer tpm.FlushContext{FlushHandle: rsp.ObjectHandle}.Execute(s)
	_, err = tpm.EvictControl{
		Auth:             tpm.TPMRHOwner,
		ObjectHandle:     &tpm.NamedHandle{Handle: rsp.ObjectHandle, Name: rsp.Name},
		PersistentHandle: at,
	}.Execute(s)
	if err != nil {
		return nil, err
	}
	return sized(rsp.OutPublic.Bytes()), nil
}

func (s *session) installOS(rand io.Reader) error {
	rw := &stream{s: s}
	none := tpm2.AuthCommand{Session: tpm2.HandlePasswordSession, Attributes: tpm2.AttrContinueSession}
	if err := tpm2.DictionaryAttackParameters(rw, none, maxTries, recoverySeconds, lockoutSeconds); err != nil {
		return fmt.Errorf("set lockout parameters: %w", err)
	}
	forgotten := make([]byte, 32)
	if _, err := io.ReadFull(rand, forgotten); err != nil {
		return err
	}
	_, err := tpm.HierarchyChangeAuth{
		AuthHandle: tpm.AuthHandle{Handle: tpm.TPMRHLockout, Auth: tpm.PasswordAuth(nil)},
		NewAuth:    tpm.TPM2BAuth{Buffer: forgotten},
	}.Execute(s)
	clear(forgotten)
	if err != nil {
		return fmt.Errorf("set lockout authorization: %w", err)
	}
	return nil
}

// stream is a session as go-tpm's legacy package, which alone has the lockout
// commands, reads and writes a TPM.
type stream struct {
	s   *session
	rsp bytes.Buffer
}

func (r *stream) Write(cmd []byte) (int, error) {
	rsp, err := r.s.Send(cmd)
	if err != nil {
		return 0, err
	}
	r.rsp.Reset()
	r.rsp.Write(rsp)
	return len(cmd), nil
}

func (r *stream) Read(b []byte) (int, error) { return r.rsp.Read(b) }
