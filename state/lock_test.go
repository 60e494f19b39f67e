package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestFault6SecondWriter(t *testing.T) {
	o := testOptions(t)
	cmd, out := child(t, "hold", o, "")
	if got := readLine(t, out); got != "ready" {
		t.Fatal(got)
	}
	begun := time.Now()
	_, err := Open(ctx, o)
	if d := time.Since(begun); d > 100*time.Millisecond {
		t.Errorf("refused after %v", d)
	}
	want(t, err, ErrLocked, "bo@here", `"hold"`, fmt.Sprintf("pid %d", cmd.Process.Pid), "2025-03-04T05:06:07Z")
	var locked *LockedError
	if !errors.As(err, &locked) || locked.Holder.PID != cmd.Process.Pid {
		t.Errorf("%#v", err)
	}
	_, _, err = Restore(ctx, o, "")
	want(t, err, ErrLocked)

	// Fault 7: the lock ends with its holder, whatever is left in the folder.
	waited := make(chan error, 1)
	go func() {
		w := o
		w.LockTimeout = 10 * time.Second
		s, err := Open(ctx, w)
		if err == nil {
			err = s.Close()
		}
		waited <- err
	}()
	time.Sleep(20 * time.Millisecond)
	must(t, cmd.Process.Kill())
	must(t, <-waited)
	s := openStore(t, o)
	h, err := readHolder(&o)
	must(t, err)
	if h.PID != os.Getpid() {
		t.Errorf("holder %+v", h)
	}
	_, err = Open(ctx, o)
	want(t, err, ErrLocked, "alice@here")
	must(t, s.Close())
}

func TestLockTimeout(t *testing.T) {
	o := testOptions(t)
	openStore(t, o)
	o.LockTimeout = 60 * time.Millisecond
	begun := time.Now()
	_, err := Open(ctx, o)
	want(t, err, ErrLocked)
	if d := time.Since(begun); d < o.LockTimeout || d > 2*time.Second {
		t.Errorf("waited %v", d)
	}
}

// A reader holds the file's lock for an instant; a writer waits for it.
func TestWriterWaitsForReaders(t *testing.T) {
	o := testOptions(t)
	sampleState(t, o)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				s, err := OpenRead(ctx, o)
				if err != nil {
					t.Error(err)
					return
				}
				s.Close()
			}
		})
	}
	for range 20 {
		s, err := Open(ctx, o)
		must(t, err)
		must(t, s.Commit(ctx, func(w Writer) error { _, err := BumpSerial(w); return err }))
		must(t, s.Close())
	}
	close(stop)
	wg.Wait()
}

func TestFault8ReadWhileHeld(t *testing.T) {
	o := testOptions(t)
	all := sampleState(t, o)
	s := openStore(t, o)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			if err := s.Commit(ctx, func(w Writer) error {
				return errors.Join(w.Put("twin", "a", fmt.Append(nil, n)), w.Put("twin", "b", fmt.Append(nil, n)))
			}); err != nil {
				t.Error(err)
			}
		}
	})
	for range 20 {
		begun := time.Now()
		snap, err := OpenRead(ctx, o)
		must(t, err)
		if d := time.Since(begun); d > time.Second {
			t.Errorf("answered after %v", d)
		}
		got, err := dump(snap)
		must(t, err)
		if a, b := got[recordKey("twin", "a")], got[recordKey("twin", "b")]; a != b {
			t.Errorf("a snapshot of half a commit: %s, %s", a, b)
		}
		for k, v := range all {
			if got[k] != v {
				t.Errorf("%q differs", k)
			}
		}
		if snap.Meta().Lineage != s.Meta().Lineage {
			t.Error("another lineage")
		}
		must(t, snap.Close())
	}
	close(stop)
	wg.Wait()
}

// A folder too deep for the name of a socket.
func TestControlSocketInDeepFolder(t *testing.T) {
	o := testOptions(t)
	o.Path = filepath.Join(filepath.Dir(o.Path), strings.Repeat("deep", 20), strings.Repeat("deeper", 10), "state.db")
	s := openStore(t, o)
	h, err := readHolder(&o)
	must(t, err)
	if !filepath.IsAbs(h.Socket) || len(h.Socket) > maxSocketPath {
		t.Errorf("socket %q", h.Socket)
	}
	info, err := os.Stat(filepath.Dir(h.Socket))
	must(t, err)
	if info.Mode().Perm() != 0o700 {
		t.Errorf("its folder has mode %v", info.Mode())
	}
	snap, err := OpenRead(ctx, o)
	must(t, err)
	must(t, snap.Close())
	must(t, s.Close())
	if _, err := os.Stat(filepath.Dir(h.Socket)); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the socket's folder is left behind")
	}
}

func TestHeldBy(t *testing.T) {
	o := testOptions(t)
	o.Holder.Operation, o.Holder.Commands = "serve", true
	if _, err := HeldBy(ctx, o); !errors.Is(err, ErrNoHolder) {
		t.Fatalf("without a state: %v", err)
	}
	s := openStore(t, o)
	asked := o
	asked.Holder = Holder{Operation: "env"}
	if h, err := HeldBy(ctx, asked); err != nil || h.Operation != "serve" || !h.Commands || h.PID != o.Holder.PID {
		t.Errorf("held by %+v, %v", h, err)
	}
	var locked *LockedError
	if _, err := Open(ctx, asked); !errors.As(err, &locked) || !locked.Holder.Commands {
		t.Errorf("opening says %v", err)
	}
	must(t, s.Close())
	if _, err := HeldBy(ctx, asked); !errors.Is(err, ErrNoHolder) {
		t.Errorf("after the end: %v", err)
	}
}

func TestDo(t *testing.T) {
	o := testOptions(t)
	if _, err := Do(ctx, o, nil); !errors.Is(err, ErrNoHolder) {
		t.Fatal(err)
	}
	s := openStore(t, o)
	var remote *RemoteError
	if _, err := Do(ctx, o, nil); !errors.As(err, &remote) || !strings.Contains(err.Error(), "takes no commands") {
		t.Fatal(err)
	}
	hungUp := make(chan struct{})
	s.Handle(func(ctx context.Context, request []byte) ([]byte, error) {
		switch string(request) {
		case "wait":
			<-ctx.Done()
			close(hungUp)
			return nil, ctx.Err()
		case "fail":
			return nil, errors.New("it did not work")
		case "big":
			return make([]byte, 3*maxFrame+5), nil
		case "commit":
			return []byte("done"), s.Commit(ctx, func(w Writer) error { return w.Put("b", "k", request) })
		}
		return append([]byte("re: "), request...), nil
	})
	got, err := Do(ctx, o, []byte("hello"))
	must(t, err)
	if string(got) != "re: hello" {
		t.Errorf("%q", got)
	}
	got, err = Do(ctx, o, nil)
	must(t, err)
	if string(got) != "re: " {
		t.Errorf("%q", got)
	}
	got, err = Do(ctx, o, []byte("big"))
	must(t, err)
	if len(got) != 3*maxFrame+5 {
		t.Errorf("%d bytes", len(got))
	}
	if _, err := Do(ctx, o, []byte("fail")); !errors.As(err, &remote) || remote.Message != "it did not work" {
		t.Error(err)
	}
	if _, err := Do(ctx, o, make([]byte, maxDoRequest+1)); err == nil {
		t.Error("a request of any size is sent")
	}
	_, err = Do(ctx, o, []byte("commit"))
	must(t, err)
	c, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if _, err := Do(c, o, []byte("wait")); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	<-hungUp
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			got, err := Do(ctx, o, fmt.Append(nil, i))
			if err != nil || string(got) != fmt.Sprintf("re: %d", i) {
				t.Errorf("%d: %q, %v", i, got, err)
			}
		})
	}
	wg.Wait()
}

// Close ends handlers under way; a commit they are in is finished first.
func TestCloseEndsCommands(t *testing.T) {
	o := testOptions(t)
	s := openStore(t, o)
	began := make(chan struct{})
	s.Handle(func(ctx context.Context, _ []byte) ([]byte, error) {
		close(began)
		<-ctx.Done()
		return nil, s.Commit(context.WithoutCancel(ctx), func(w Writer) error { return w.Put("b", "k", nil) })
	})
	done := make(chan error, 1)
	go func() { _, err := Do(ctx, o, nil); done <- err }()
	<-began
	must(t, s.Close())
	if err := <-done; err == nil {
		t.Error("answered after the close")
	}
	must(t, openStore(t, o).Read(func(r Reader) error {
		_, ok, err := r.Get("b", "k")
		if !ok {
			t.Error("the commit is lost")
		}
		return err
	}))
}

func TestControlBadPeers(t *testing.T) {
	o := testOptions(t)
	s := openStore(t, o)
	s.Handle(func(context.Context, []byte) ([]byte, error) { return nil, nil })
	for _, sent := range []string{"", "GET / HTTP/1.1\r\n\r\n", "HLC1d\xff\xff\xff\xff", "HLC1x\x00\x00\x00\x00", "HLC1d\x00\x00\x00\x05ab"} {
		conn, err := net.Dial("unix", o.socketPath())
		must(t, err)
		_, err = conn.Write([]byte(sent))
		must(t, err)
		must(t, conn.(*net.UnixConn).CloseWrite())
		b := make([]byte, 1)
		if n, _ := conn.Read(b); n == 1 && b[0] != frameError {
			t.Errorf("%q is answered with %q", sent, b)
		}
		conn.Close()
	}
	// Silent connections do not keep others from being served.
	for range maxPeers / 2 {
		conn, err := net.Dial("unix", o.socketPath())
		must(t, err)
		defer conn.Close()
	}
	_, err := Do(ctx, o, nil)
	must(t, err)
}

// Another user's process is turned away even when it can reach the socket.
func TestControlOtherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("becoming another user needs root")
	}
	dir := t.TempDir()
	for d := dir; d != filepath.Clean(os.TempDir()) && d != "/"; d = filepath.Dir(d) {
		must(t, os.Chmod(d, 0o755))
	}
	// The other user cannot reach this binary where it is.
	exe, err := os.Executable()
	must(t, err)
	b, err := os.ReadFile(exe)
	must(t, err)
	copied := filepath.Join(dir, "peer")
	must(t, os.WriteFile(copied, b, 0o755))
	socket := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	must(t, err)
	defer l.Close()
	must(t, os.Chmod(socket, 0o777))
	cmd := exec.Command(copied)
	cmd.Env = []string{envChild + "=peer", envPath + "=" + socket}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	must(t, cmd.Start())
	must(t, l.SetDeadline(time.Now().Add(10*time.Second)))
	conn, err := l.AcceptUnix()
	must(t, err)
	if err := samePeer(conn); err == nil || !strings.Contains(err.Error(), "65534") {
		t.Errorf("another user is let in: %v", err)
	}
	conn.Close()
	must(t, cmd.Wait())
}

func TestHolderFile(t *testing.T) {
	o := testOptions(t)
	s := openStore(t, o)
	b, err := os.ReadFile(o.holderPath())
	must(t, err)
	var h map[string]any
	must(t, json.Unmarshal(b, &h))
	if h["operation"] != "test" || h["socket"] != "control.sock" {
		t.Errorf("%s", b)
	}
	// Without it, or with nonsense in it, the lock stands.
	must(t, os.WriteFile(o.holderPath(), []byte("nonsense"), 0o600))
	_, err = Open(ctx, o)
	want(t, err, ErrLocked, "another process")
	must(t, os.Remove(o.holderPath()))
	begun := time.Now()
	_, err = OpenRead(ctx, o)
	want(t, err, ErrLocked)
	if d := time.Since(begun); d > 2*time.Second {
		t.Errorf("gave up after %v", d)
	}
	must(t, s.Close())
}
