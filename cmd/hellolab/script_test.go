package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"hellolab/state"
)

var update = flag.Bool("update", false, "rewrite the golden text in testdata/script")

func TestMain(m *testing.M) {
	testscript.Main(withReady{m}, map[string]func(){"hellolab": func() {
		s := process()
		s.rand = readyOf(os.Getenv)
		s.failpoint = failpoint(os.Getenv("HELLOLAB_TEST_AT"), os.Getenv("HELLOLAB_TEST_DO"))
		os.Exit(start(s, os.Args[1:]))
	}, "bench-kdc": func() {
		if err := benchKDC(os.Args[1], os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(exitError)
		}
	}})
}

// failpoint returns what to do at the instant called at ("*" is every one):
// "kill" ends the process as kill -9 does, "kill:N" at the N-th such instant;
// "interrupt" and "interrupt twice" are what a person does with Ctrl-C;
// "wait:FILE" makes FILE.waiting and waits for FILE; "record:FILE" writes the
// names of the instants as they come.
func failpoint(at, do string) func(string) {
	if at == "" {
		return nil
	}
	if file, record := strings.CutPrefix(do, "record:"); record {
		f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			panic(err)
		}
		return func(name string) { fmt.Fprintln(f, name) }
	}
	var passed atomic.Int64
	nth := int64(1)
	if n, ok := strings.CutPrefix(do, "kill:"); ok {
		var err error
		if nth, err = strconv.ParseInt(n, 10, 64); err != nil {
			panic(err)
		}
		do = "kill"
	}
	var once sync.Once
	return func(name string) {
		if (at != "*" && name != at) || passed.Add(1) < nth {
			return
		}
		once.Do(func() {
			self, _ := os.FindProcess(os.Getpid())
			switch file, wait := strings.CutPrefix(do, "wait:"); {
			case wait:
				if err := os.WriteFile(file+".waiting", nil, 0o600); err != nil {
					panic(err)
				}
				for !exists(file) {
					time.Sleep(5 * time.Millisecond)
				}
			case do == "kill":
				self.Signal(syscall.SIGKILL)
				select {}
			default:
				self.Signal(os.Interrupt)
				time.Sleep(200 * time.Millisecond)
				if do == "interrupt twice" {
					self.Signal(os.Interrupt)
					select {}
				}
			}
		})
	}
}

// TestScript runs the contract of the command line: one behaviour a file.
func TestScript(t *testing.T) {
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	language, err := filepath.Abs(examplesDir)
	if err != nil {
		t.Fatal(err)
	}
	material, err := filepath.Abs("internal/inspect/testdata")
	if err != nil {
		t.Fatal(err)
	}
	commands := map[string]func(*testscript.TestScript, bool, []string){
		"exits":  exits,
		"within": within,
		"cheap":  cheap,
		"edit":   edit,
		"repeat": repeat,
		"flip":   flip,
		"cut":    cut,
		"garble": garble,

		"extract": extract,
		"ahead":   ahead,

		"write":   write,
		"waitfor": waitfor,
		"mode":    mode,
	}
	maps.Copy(commands, domainCommands())
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("EXAMPLES", examples)
			e.Setenv("LANGUAGE", language)
			e.Setenv("MATERIAL", material)
			e.Setenv("NO_COLOR", "1")
			e.Setenv(readyVar, os.Getenv(readyVar))
			e.Setenv(takenVar, takenBy(t, filepath.Base(e.WorkDir)))
			// The rights of everyone else, also where tests run as root.
			if os.Getuid() == 0 {
				e.Setenv("PLAIN_USER", "setpriv --bounding-set=-dac_override,-dac_read_search --")
			}
			return nil
		},
		Cmds: commands,
		Condition: func(cond string) (bool, error) {
			if cond == "root" {
				return os.Getuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
	})
}

// exits CODE COMMAND ARGS... runs a command and demands its exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARGS...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("%s ended with exit code %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// within DURATION COMMAND ARGS... runs a command that must end, well or badly,
// in that time.
func within(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: [!] within DURATION COMMAND [ARGS...]")
	}
	limit, err := time.ParseDuration(args[0])
	ts.Check(err)
	began := time.Now()
	err = ts.Exec(args[1], args[2:]...)
	if took := time.Since(began); took > limit {
		ts.Fatalf("took %v, more than %v", took, limit)
	}
	if (err != nil) != neg {
		ts.Fatalf("%s: unexpected result: %v", strings.Join(args[1:], " "), err)
	}
}

// What an input made to hurt may cost: the figures of the issue, in processor
// time, which does not depend on what else the machine is doing.
const (
	cheapTime   = 2 * time.Second
	cheapMemory = 256 << 10 // KiB
	cheapWait   = time.Minute
)

// cheap COMMAND ARGS... runs a command that must end, well or with exit code 1,
// within bounds of processor time and memory. Its output is in out.txt and err.txt.
func cheap(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 1 {
		ts.Fatalf("usage: [!] cheap COMMAND [ARGS...]")
	}
	ctx, cancel := context.WithTimeout(context.Background(), cheapWait)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "NO_COLOR=1", "HOME="+ts.Getenv("HOME"))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	ts.Check(os.WriteFile(ts.MkAbs("out.txt"), stdout.Bytes(), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("err.txt"), stderr.Bytes(), 0o600))
	used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	peak := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
	ts.Logf("%v of processor time, %d KiB", used, peak)
	if used > cheapTime || peak > cheapMemory {
		ts.Fatalf("took %v of processor time and %d KiB, more than %v and %d KiB", used, peak, cheapTime, cheapMemory)
	}
	if (err != nil) != neg || neg && cmd.ProcessState.ExitCode() != 1 {
		ts.Fatalf("%s: unexpected result: %v\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
}

// edit FILE OLD NEW replaces text in a file; OLD must be there.
func edit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: edit FILE OLD NEW")
	}
	name := ts.MkAbs(args[0])
	data, err := os.ReadFile(name)
	ts.Check(err)
	if !strings.Contains(string(data), args[1]) {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(name, []byte(strings.ReplaceAll(string(data), args[1], args[2])), 0o644))
}

// repeat FILE BEFORE TEXT COUNT AFTER writes BEFORE, COUNT times TEXT, AFTER.
func repeat(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 5 {
		ts.Fatalf("usage: repeat FILE BEFORE TEXT COUNT AFTER")
	}
	n, err := strconv.Atoi(args[3])
	ts.Check(err)
	text := args[1] + strings.Repeat(args[2], n) + args[4] + "\n"
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o644))
}

// flip FILE OFFSET inverts one byte; a negative offset counts from the end.
func flip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: flip FILE OFFSET")
	}
	name := ts.MkAbs(args[0])
	data, err := os.ReadFile(name)
	ts.Check(err)
	at, err := strconv.Atoi(args[1])
	ts.Check(err)
	if at < 0 {
		at += len(data)
	}
	data[at] ^= 0xFF
	ts.Check(os.WriteFile(name, data, 0o600))
}

// waitfor FILE waits until a file is there.
func waitfor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitfor FILE")
	}
	for deadline := time.Now().Add(20 * time.Second); !exists(ts.MkAbs(args[0])); {
		if time.Now().After(deadline) {
			ts.Fatalf("%s did not appear", args[0])
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// extract VAR FILE REGEXP sets a variable to what the first group of REGEXP
// matches in FILE.
func extract(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: extract VAR FILE REGEXP")
	}
	re, err := regexp.Compile(args[2])
	ts.Check(err)
	m := re.FindStringSubmatch(ts.ReadFile(args[1]))
	if len(m) < 2 {
		ts.Fatalf("%s does not match %s", args[1], args[2])
	}
	ts.Setenv(args[0], m[1])
}

// ahead DURATION sets how far the clock of the lab here is ahead of the machine's.
func ahead(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: ahead DURATION")
	}
	d, err := time.ParseDuration(args[0])
	ts.Check(err)
	ctx := context.Background()
	store, err := state.Open(ctx, state.Options{Path: ts.MkAbs(filepath.Join(labFolder, "state.db")), Now: time.Now, Writer: programName()})
	ts.Check(err)
	ts.Check(store.Commit(ctx, func(w state.Writer) error { return state.SetClockOffset(w, d) }))
	ts.Check(store.Close())
}

// mode PERM FILE demands a file's permissions.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode PERM FILE")
	}
	want, err := strconv.ParseUint(args[0], 8, 32)
	ts.Check(err)
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := info.Mode().Perm(); got != os.FileMode(want) {
		ts.Fatalf("%s has mode %04o, want %04o", args[1], got, want)
	}
}

// garble FILE TEXT flips one bit behind each place where a file holds TEXT.
func garble(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: garble FILE TEXT")
	}
	name := ts.MkAbs(args[0])
	data, err := os.ReadFile(name)
	ts.Check(err)
	if !bytes.Contains(data, []byte(args[1])) {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	const behind = 20
	for at := 0; ; {
		i := bytes.Index(data[at:], []byte(args[1]))
		if i < 0 {
			break
		}
		at += i + len(args[1]) + behind
		data[at] ^= 1
	}
	ts.Check(os.WriteFile(name, data, 0o600))
}

// write FILE TEXT writes a file of any bytes, with the escapes of Go in TEXT.
func write(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: write FILE TEXT")
	}
	text, err := strconv.Unquote(`"` + strings.ReplaceAll(args[1], `"`, `\"`) + `"`)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o644))
}

// cut FILE SIZE shortens a file, to SIZE bytes or, with a "%", a part of it.
func cut(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: cut FILE SIZE")
	}
	digits, percent := strings.CutSuffix(args[1], "%")
	size, err := strconv.ParseInt(digits, 10, 64)
	ts.Check(err)
	if percent {
		info, err := os.Stat(ts.MkAbs(args[0]))
		ts.Check(err)
		size = info.Size() * size / 100
	}
	ts.Check(os.Truncate(ts.MkAbs(args[0]), size))
}
