//go:build cgo

package worker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/google/go-tpm-tools/simulator"

	"hellolab/providers/windows/tpm/worker/nv"
)

// Available reports whether this build can run a TPM.
func Available() bool { return true }

type sim struct{ s *simulator.Simulator }

func open() (machine, error) {
	if !nv.Present() {
		return nil, errors.New("the TPM simulator was built without reachable memory")
	}
	s, err := simulator.Get()
	if err != nil {
		return nil, fmt.Errorf("start simulator: %w", err)
	}
	return sim{s}, nil
}

func (m sim) manufacture() error {
	nv.TestsDone()
	if err := m.s.ManufactureReset(); err != nil {
		return err
	}
	nv.SkipTests()
	return nil
}

// load starts the TPM that image holds. The TPM that was there loses power
// without a shutdown, which is of no account: its last saved image is orderly.
func (m sim) load(image []byte) error {
	nv.TestsDone()
	nv.Load(image)
	if err := m.must(startupClear); err != nil {
		return err
	}
	nv.SkipTests()
	return nil
}

// save writes the orderly shutdown state and copies the memory out, so that a
// later load counts no failure for a lost power. The TPM goes on working: the
// first command that changes state clears the orderly mark in its own memory.
func (m sim) save() ([]byte, error) {
	if err := m.must(shutdownClear); err != nil {
		return nil, err
	}
	return nv.Save(), nil
}

func (m sim) timeAtLeast(ms uint64) { nv.TimeAtLeast(ms) }

func (m sim) command(cmd []byte) ([]byte, error) {
	if len(cmd) < 10 {
		return nil, errors.New("command is shorter than its header")
	}
	if _, err := m.s.Write(cmd); err != nil {
		return nil, err
	}
	rsp, err := io.ReadAll(m.s)
	if err != nil {
		return nil, err
	}
	return rsp, nil
}

func (m sim) close() error { return m.s.Close() }

// TPM2_Startup(CLEAR) and TPM2_Shutdown(CLEAR): tag TPM_ST_NO_SESSIONS, size,
// command code, TPM_SU_CLEAR (TPM 2.0 Part 3, 9.3 and 9.4).
var (
	startupClear  = []byte{0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x44, 0, 0}
	shutdownClear = []byte{0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x45, 0, 0}
)

func (m sim) must(cmd []byte) error {
	rsp, err := m.command(cmd)
	if err != nil {
		return err
	}
	if len(rsp) < 10 {
		return errors.New("response is shorter than its header")
	}
	if rc := binary.BigEndian.Uint32(rsp[6:10]); rc != 0 {
		return fmt.Errorf("TPM command %#x answers %#x", cmd[6:10], rc)
	}
	return nil
}
