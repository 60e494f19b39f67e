package tpm

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"hellolab/providers/windows/tpm/worker"
)

// callLimit bounds one request to a worker. The slowest command, an RSA key
// creation, takes 0.1 s at worst; what takes longer is hung.
const callLimit = 30 * time.Second

// process is one worker. It is used by one goroutine at a time.
type process struct {
	cmd    *exec.Cmd
	in     io.Closer
	w      *bufio.Writer
	r      *bufio.Reader
	stderr *tail
	dead   bool
	keys   *atomic.Int64 // RSA keys created, of the whole pool
	packer packer

	resident version   // the image whose TPM is up; zero: none
	zero     time.Time // lab time at which the TPM's own time was zero
	clock    time.Time // lab time the TPM was last moved to; zero for one just baked, which is of no time yet
	srk      *parent   // of the resident TPM, once read
	channel  *channel  // with the resident TPM, once open
}

func start(cmd *exec.Cmd, keys *atomic.Int64) (*process, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("tpm worker: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("tpm worker: %w", err)
	}
	p := &process{cmd: cmd, in: in, stderr: &tail{max: 2048}, keys: keys}
	p.w, p.r = bufio.NewWriterSize(in, worker.MaxFrame+4), bufio.NewReaderSize(out, worker.MaxFrame+4)
	cmd.Stderr = p.stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start tpm worker: %w", err)
	}
	return p, nil
}

// call sends one request. An error that is not a *refusal means the worker is gone.
func (p *process) call(op byte, payload ...[]byte) ([]byte, error) {
	if p.dead {
		return nil, errStopped
	}
	watchdog := time.AfterFunc(callLimit, func() { p.cmd.Process.Kill() })
	defer watchdog.Stop()
	err := worker.WriteFrame(p.w, op, payload...)
	if err == nil {
		var status byte
		var reply []byte
		if status, reply, err = worker.ReadFrame(p.r); err == nil {
			if status != worker.StatusDone {
				return nil, &refusal{string(reply)}
			}
			return reply, nil
		}
	}
	p.kill()
	if said := p.stderr.String(); said != "" {
		return nil, fmt.Errorf("%w: %s", errStopped, said)
	}
	return nil, fmt.Errorf("%w: %w", errStopped, err)
}

func (p *process) kill() {
	if p.dead {
		return
	}
	p.dead = true
	p.cmd.Process.Kill()
	p.in.Close()
	p.cmd.Wait()
}

// stop ends an idle worker by the end of its input.
func (p *process) stop() {
	if p.dead {
		return
	}
	p.dead = true
	p.in.Close()
	watchdog := time.AfterFunc(callLimit, func() { p.cmd.Process.Kill() })
	defer watchdog.Stop()
	p.cmd.Wait()
}

// host makes the TPM of rec the resident one and moves its time to now. A TPM
// whose clock is already past now belongs to another view of the lab: its
// image is loaded again.
func (p *process) host(rec *record, now time.Time) error {
	off := max(0, now.Sub(rec.savedAt))
	if p.resident != rec.version || now.Before(p.clock) {
		raw, err := rec.inflate()
		if err != nil {
			return err
		}
		p.forget()
		if _, err := p.call(worker.OpLoad, millis(off), raw); err != nil {
			return err
		}
		p.resident, p.zero, p.clock = rec.version, now.Add(-off), now
		return nil
	}
	if p.clock.IsZero() {
		p.zero, p.clock = now.Add(-off), now.Add(-off)
	}
	if now.Sub(p.clock) < time.Second { // the TPM's own clock ran meanwhile
		return nil
	}
	if _, err := p.call(worker.OpAdvance, millis(now.Sub(p.zero))); err != nil {
		return err
	}
	p.clock = now
	return nil
}

func (p *process) forget() { p.resident, p.srk, p.channel = version{}, nil, nil }

func millis(d time.Duration) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(d.Milliseconds()))
}

// errStopped is the root of every error of a worker that is gone.
var errStopped = errors.New("tpm worker stopped")

// refusal is a worker's answer that it could not do what was asked.
type refusal struct{ text string }

func (r *refusal) Error() string { return "tpm worker: " + r.text }

// tail keeps the last bytes written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
	max int
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if over := len(t.buf) - t.max; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.buf))
}
