package state

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Tests that kill, starve or outlive a process run this binary again, with
// HELLOLAB_STATE_CHILD naming one of the roles below and the state in
// HELLOLAB_STATE_PATH.
const (
	envChild = "HELLOLAB_STATE_CHILD"
	envPath  = "HELLOLAB_STATE_PATH"
	envArg   = "HELLOLAB_STATE_ARG"
)

func TestMain(m *testing.M) {
	role := os.Getenv(envChild)
	if role == "" {
		os.Exit(m.Run())
	}
	o := Options{
		Path:   os.Getenv(envPath),
		Holder: Holder{Operation: role, User: "bo", Host: "here", PID: os.Getpid(), Since: testNow},
		Now:    time.Now,
		Writer: "hellolab child",
	}
	if err := roles[role](o, os.Getenv(envArg)); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

var roles = map[string]func(o Options, arg string) error{
	"hold":      childHold,
	"commit":    childCommit,
	"failpoint": childFailpoint,
	"small":     childSmall,
	"peer":      childPeer,
	"tight":     childTight,
}

// child starts a role; its standard output is returned.
func child(t testing.TB, role string, o Options, arg string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	exe, err := os.Executable()
	must(t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), envChild+"="+role, envPath+"="+o.Path, envArg+"="+arg)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd, bufio.NewReader(out)
}

// childHold holds the state, answers commands, and waits to be killed.
func childHold(o Options, _ string) error {
	s, err := Open(ctx, o)
	if err != nil {
		return err
	}
	s.Handle(func(_ context.Context, request []byte) ([]byte, error) {
		return []byte("did " + string(request)), nil
	})
	fmt.Println("ready")
	select {}
}

// childCommit commits from many goroutines, each putting a sequence of pairs of
// records that must only be seen together, and prints what was acknowledged.
func childCommit(o Options, _ string) error {
	s, err := Open(ctx, o)
	if err != nil {
		return err
	}
	next := map[string]int{}
	if err := s.Read(func(r Reader) error {
		return r.Scan("last", "", func(k string, v []byte) (err error) {
			next[k], err = strconv.Atoi(string(v))
			return err
		})
	}); err != nil {
		return err
	}
	fmt.Println("ready")
	var mu sync.Mutex
	for c := range 8 {
		go func() {
			who := fmt.Sprint(c)
			for n := next[who] + 1; ; n++ {
				err := s.Commit(ctx, func(w Writer) error {
					num := fmt.Append(nil, n)
					return errors.Join(
						w.Put("last", who, num),
						w.Put("twin", who, num),
						w.Put("log/"+who, fmt.Sprintf("%08d", n), make([]byte, n%3000)))
				})
				mu.Lock()
				if err != nil {
					fmt.Println("error:", err)
				} else {
					fmt.Println("ack", who, n)
				}
				mu.Unlock()
			}
		}()
	}
	select {}
}

// childFailpoint kills itself at the failpoint arg names, while it opens a
// state, commits, makes a backup and closes.
func childFailpoint(o Options, arg string) error {
	o.Failpoint = func(name string) {
		if name == arg {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	s, err := Open(ctx, o)
	if err != nil {
		return err
	}
	if err := s.Commit(ctx, func(w Writer) error { return w.Put("b", "k", []byte("v")) }); err != nil {
		return err
	}
	fmt.Println("committed")
	if _, err := s.Backup(); err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	_, _, err = Restore(ctx, o, "")
	return err
}

// childSmall commits under a file size limit until it fails, then without it.
func childSmall(o Options, _ string) error {
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		return err
	}
	s, err := Open(ctx, o)
	if err != nil {
		return err
	}
	limit := old
	limit.Cur = 3 << 20
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	n, err := fillUp(s)
	fmt.Println("failed:", err)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		return err
	}
	if err := s.Commit(ctx, func(w Writer) error { return w.Put("after", "k", nil) }); err != nil {
		return fmt.Errorf("after the limit was raised: %w", err)
	}
	fmt.Println("count", n)
	return s.Close()
}

// fillUp commits blobs until that fails; it returns how many are durable.
func fillUp(s *Store) (int, error) {
	for n := 0; ; n++ {
		err := s.Commit(ctx, func(w Writer) error { return w.Put("fill", fmt.Sprintf("%06d", n), make([]byte, 50_000)) })
		if err != nil || n > 10_000 {
			return n, err
		}
	}
}

// childPeer connects to a socket and waits to be hung up on.
func childPeer(o Options, _ string) error {
	conn, err := net.Dial("unix", o.Path)
	if err != nil {
		return err
	}
	_, _ = conn.Read(make([]byte, 1))
	return nil
}

// childTight opens the state with little address space.
func childTight(o Options, _ string) error {
	limit := syscall.Rlimit{Cur: 4 << 30, Max: 4 << 30}
	if err := syscall.Setrlimit(syscall.RLIMIT_AS, &limit); err != nil {
		return err
	}
	s, err := Open(ctx, o)
	if err != nil {
		return err
	}
	for i := range 40 {
		if err := s.Commit(ctx, func(w Writer) error { return w.Put("b", fmt.Sprint(i), make([]byte, 100_000)) }); err != nil {
			return err
		}
	}
	fmt.Println("fits")
	return s.Close()
}

func readLine(t testing.TB, r *bufio.Reader) string {
	t.Helper()
	line, err := r.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}
