package state

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Fault 1: a process killed at any instant of its commits leaves every
// acknowledged commit and no half of one.
func TestFault1KilledInCommit(t *testing.T) {
	o := testOptions(t)
	acked := map[string]int{}
	r := rand.New(rand.NewPCG(1, 1))
	n := soak(t, 10)
	total := 0
	for range n {
		cmd, out := child(t, "commit", o, "")
		if got := readLine(t, out); got != "ready" {
			t.Fatal(got)
		}
		time.AfterFunc(time.Duration(r.IntN(60_000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
		for {
			line := readLine(t, out)
			var who string
			var num int
			if _, err := fmt.Sscanf(line, "ack %s %d", &who, &num); err != nil {
				if line != "" && !strings.HasPrefix("ack", line) && !strings.HasPrefix(line, "ack") {
					t.Fatal(line)
				}
				break
			}
			acked[who] = max(acked[who], num)
			total++
		}
		_ = cmd.Wait()
		s := openStore(t, o)
		must(t, s.Read(func(r Reader) error {
			last := map[string]string{}
			err := r.Scan("last", "", func(k string, v []byte) error { last[k] = string(v); return nil })
			for who, num := range acked {
				var got int
				fmt.Sscan(last[who], &got)
				if got < num {
					t.Errorf("commit %d of %s was acknowledged; the state has %d", num, who, got)
				}
			}
			for who, num := range last {
				twin, _, terr := r.Get("twin", who)
				if string(twin) != num {
					t.Errorf("half a commit of %s: %s and %s", who, num, twin)
				}
				count := 0
				serr := r.Scan("log/"+who, "", func(string, []byte) error { count++; return nil })
				if fmt.Sprint(count) != num {
					t.Errorf("%s has %d entries, not %s", who, count, num)
				}
				err = errors.Join(err, terr, serr)
			}
			return err
		}))
		must(t, s.Close())
	}
	t.Logf("%d kills, %d commits acknowledged, none lost", n, total)
	if total == 0 {
		t.Error("no commit was acknowledged before a kill")
	}
}

// Faults 1 and 2, at each named instant.
func TestFault2KilledAtFailpoints(t *testing.T) {
	for _, c := range []struct {
		at     string
		exists bool // the record is there afterwards
	}{
		{"state:before-key", false}, {"state:after-key", false},
		{"state:init-temp", false}, {"state:init-filled", false}, {"state:init-placed", false}, {"state:init-done", false},
		{"state:before-commit", false}, {"state:after-commit", true},
		{"state:backup-filled", true}, {"state:before-marker", true},
		{"state:restore-filled", true}, {"state:restore-aside", true},
	} {
		t.Run(c.at, func(t *testing.T) {
			o := testOptions(t)
			cmd, _ := child(t, "failpoint", o, c.at)
			if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
				t.Fatalf("the child ended with %v", err)
			}
			s := openStore(t, o)
			must(t, s.Read(func(r Reader) error {
				_, ok, err := r.Get("b", "k")
				if ok != c.exists {
					t.Errorf("record is there: %v", ok)
				}
				return err
			}))
			must(t, s.Commit(ctx, func(w Writer) error { return w.Put("b", "l", nil) }))
			_, err := s.Backup()
			must(t, err)
			must(t, s.Close())
			must(t, filepath.WalkDir(o.dir(), func(path string, d fs.DirEntry, err error) error {
				if strings.Contains(path, tempInfix) {
					t.Errorf("left behind: %s", path)
				}
				return err
			}))
		})
	}
}

func TestFault2KilledInInitialisation(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for range soak(t, 10) {
		o := testOptions(t)
		cmd, _ := child(t, "hold", o, "")
		// The process itself takes a few milliseconds to start.
		time.Sleep(time.Duration(r.IntN(15_000)) * time.Microsecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		s := openStore(t, o)
		must(t, s.Commit(ctx, func(w Writer) error { return w.Put("b", "k", nil) }))
		must(t, s.Close())
		must(t, openStore(t, o).Close())
	}
}

// Fault 3: what a power cut may leave between two syncs, made from copies of
// the file before and after a commit. bbolt syncs data pages before it writes
// the header, so the disk holds either any part of the new data pages under
// the old header, or all of them and the header, whole or torn.
func TestFault3PowerCut(t *testing.T) {
	o := testOptions(t)
	s := openStore(t, o)
	must(t, s.Close()) // the marker is there
	s = openStore(t, o)
	r := rand.New(rand.NewPCG(3, 3))
	old, err := os.ReadFile(o.Path)
	must(t, err)
	for round := range soak(t, 30) {
		before, after := map[string]string{}, map[string]string{}
		read := func(into *map[string]string) {
			must(t, s.Read(func(r Reader) (err error) { *into, err = dump(r); return err }))
		}
		read(&before)
		must(t, s.Commit(ctx, func(w Writer) error {
			for i := range 30 {
				if err := w.Put("b", fmt.Sprint(r.IntN(200)), make([]byte, r.IntN(1500))); err != nil {
					return err
				}
				if err := w.Delete("b", fmt.Sprint(r.IntN(200))); err != nil {
					return err
				}
				_ = i
			}
			return w.Put("b", "round", fmt.Append(nil, round))
		}))
		read(&after)
		cur, err := os.ReadFile(o.Path)
		must(t, err)

		at := func(b []byte, page int) []byte {
			if (page+1)*pageSize > len(b) {
				return make([]byte, pageSize)
			}
			return b[page*pageSize : (page+1)*pageSize]
		}
		check := func(what string, disk []byte, want map[string]string) {
			c := copyState(t, o)
			must(t, os.WriteFile(c.Path, disk, 0o600))
			if err := survives(t, c, want); err != nil || t.Failed() {
				t.Fatalf("round %d, %s: %v", round, what, err)
			}
		}
		// Data pages written in part, in old or new file size.
		size := len(cur)
		if r.IntN(2) == 0 {
			size = len(old)
		}
		disk := make([]byte, size)
		copy(disk, old)
		for p := 2; (p+1)*pageSize <= size; p++ {
			if r.IntN(2) == 0 {
				copy(disk[p*pageSize:], at(cur, p))
			}
		}
		check("data pages in part", disk, before)
		// All data pages, and the header torn at a sector of 512 bytes or inside it.
		header := 0
		if string(at(cur, 0)) == string(at(old, 0)) {
			header = 1
		}
		disk = append([]byte(nil), cur...)
		copy(disk[header*pageSize:], at(old, header))
		check("header not written", disk, before)
		copy(disk[header*pageSize:], cur[header*pageSize:header*pageSize+64+r.IntN(8)])
		check("header torn", disk, before)
		check("header written", cur, after)
		old = cur
	}
}

// A header that is torn after an unclean end is told, not only survived.
func TestTornHeaderIsTold(t *testing.T) {
	o := testOptions(t)
	sampleState(t, o)
	s := openStore(t, o)
	for range 3 {
		must(t, s.Commit(ctx, func(w Writer) error { return w.Put("b", "k", nil) }))
	}
	c := copyState(t, o) // the store is open: as a kill leaves it
	b, err := os.ReadFile(c.Path)
	must(t, err)
	m0, _ := parseMeta(b[:pageSize])
	m1, _ := parseMeta(b[pageSize:])
	newest := 0
	if m1.txid > m0.txid {
		newest = pageSize
	}
	b[newest+70] ^= 1
	must(t, os.WriteFile(c.Path, b, 0o600))
	r := openStore(t, c)
	if w := strings.Join(r.Warnings(), "\n"); !strings.Contains(w, "invalid header") {
		t.Errorf("warnings %q", w)
	}
}
