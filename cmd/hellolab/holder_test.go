package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"flag"
	"log/slog"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// serving is a process that serves, as those see it who send it commands.
func serving(t testing.TB) *served {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	s := &session{now: time.Now, rand: rand.Reader, log: log, systems: newSystems(log, rand.Reader)}
	t.Cleanup(func() { s.systems.Close() })
	v := &served{s: s, ctx: context.Background(), up: make(chan struct{}), vars: []variable{{"HELLOLAB_X", "it's"}}}
	close(v.up)
	return v
}

func encoded(t testing.TB, r lineRequest) []byte {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestHolderRunsWhatItTakes(t *testing.T) {
	v := serving(t)
	answer, err := v.do(t.Context(), encoded(t, lineRequest{Program: programName(), Name: "env", Args: []string{"--"}}))
	if err != nil {
		t.Fatal(err)
	}
	var r lineReply
	if err := json.Unmarshal(answer, &r); err != nil || r.Code != 0 || string(r.Stdout) != "export HELLOLAB_X='it'\\''s'\n" || len(r.Stderr) > 0 {
		t.Errorf("answered %+v, %v", r, err)
	}
	for name, c := range map[string]struct {
		request []byte
		says    string
	}{
		"nothing":          {nil, "not a command line"},
		"no JSON":          {[]byte("env"), "not a command line"},
		"too long":         {bytes.Repeat([]byte(" "), maxLine+1), "too long"},
		"another program":  {encoded(t, lineRequest{Program: "hellolab 0.0.1", Name: "env"}), "hellolab 0.0.1"},
		"too many secrets": {encoded(t, lineRequest{Program: programName(), Name: "signin", Secrets: make([][]byte, maxSecrets+1)}), "too many secrets"},
		"a long secret":    {encoded(t, lineRequest{Program: programName(), Name: "signin", Secrets: [][]byte{make([]byte, maxSecret+1)}}), "too long"},
	} {
		if _, err := v.do(t.Context(), c.request); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, c := range map[string]struct {
		r    lineRequest
		says string
	}{
		"apply":           {lineRequest{Name: "apply", Args: []string{"-auto-approve"}}, "does not run in the process that holds the state"},
		"no such command": {lineRequest{Name: "x"}, "does not run in the process that holds the state"},
		"a wrong flag":    {lineRequest{Name: "env", Args: []string{"-jsn"}}, `Did you mean "-json"?`},
		"a lost secret":   {lineRequest{Name: "signin", Args: []string{"-pin=-", "--", "user.a", "device.b"}}, "PIN did not come with the command"},
	} {
		c.r.Program = programName()
		answer, err := v.do(t.Context(), encoded(t, c.r))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var r lineReply
		if err := json.Unmarshal(answer, &r); err != nil || r.Code != exitError || !strings.Contains(strings.ToLower(string(r.Stderr)), strings.ToLower(c.says)) {
			t.Errorf("%s: %d %s, %v", name, r.Code, r.Stderr, err)
		}
	}
}

// A command that panics costs itself: here, sign-in meets a process without a lab.
func TestHolderSurvivesItsGuests(t *testing.T) {
	v := serving(t)
	const secret = "8305172946331"
	request := encoded(t, lineRequest{Program: programName(), Name: "signin", Args: []string{"-pin=-", "--", "user.a", "device.b"}, Secrets: [][]byte{[]byte(secret)}})
	if _, err := v.do(t.Context(), request); err == nil || !strings.Contains(err.Error(), "failed inside") || strings.Contains(err.Error(), secret) {
		t.Errorf("got %v", err)
	}
	if len(bytes.Trim(request, "\x00")) > 0 {
		t.Error("the request was not wiped")
	}
	if _, err := v.do(t.Context(), encoded(t, lineRequest{Program: programName(), Name: "env"})); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	// Once it is taken down it takes none, and waits for nobody who did not begin.
	v.leave(func() {})
	if _, err := v.do(t.Context(), encoded(t, lineRequest{Program: programName(), Name: "env"})); err == nil {
		t.Error("a command ran after the end")
	}
	v = serving(t)
	v.up = make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.do(ctx, encoded(t, lineRequest{Program: programName(), Name: "env"})); err == nil {
		t.Error("a command ran before everything was up")
	}
}

// A command line goes to the holder as it was meant, without secrets and
// without what the holder knows better.
func TestCommandLineWithoutSecrets(t *testing.T) {
	c := &signinCommand{}
	fs := flag.NewFlagSet("signin", flag.ContinueOnError)
	c.flags(fs)
	args := []string{"-state=x.db", "user.alice", "-pin=true", "-lock-timeout", "3s", "-to=a", "-json", "-to", "b,c", "-phrase=", "--", "-device"}
	pos, err := parseInterspersed(fs, args)
	if err != nil {
		t.Fatal(err)
	}
	l := commandLine{name: "signin", flags: fs, args: pos}
	l.keep("true", []byte("true")) // a PIN that looks like another flag's value
	want := []string{"-json=true", "-phrase=", "-pin=-", "-to=a", "-to=b,c", "--", "user.alice", "-device"}
	if got := l.rebuild(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	kept := l.secrets[0]
	if l.wipe(); len(bytes.Trim(kept, "\x00")) > 0 {
		t.Error("the secret was not wiped")
	}
	// Of a command that never goes to the holder nothing is kept.
	l = commandLine{name: "apply", flags: fs}
	if l.keep("x", []byte("x")); len(l.secrets) > 0 {
		t.Error("a secret was kept in vain")
	}
	// Asked for at the terminal: no flag, or an empty one.
	c = &signinCommand{}
	fs = flag.NewFlagSet("signin", flag.ContinueOnError)
	c.flags(fs)
	if err := fs.Parse([]string{"-password=", "-gesture="}); err != nil {
		t.Fatal(err)
	}
	l = commandLine{name: "signin", flags: fs}
	l.keep("", []byte("secret"))
	if got := l.rebuild(); !slices.Equal(got, []string{"-gesture=", "-password=-", "--"}) {
		t.Errorf("got %q", got)
	}
}

func TestNamesOfVariables(t *testing.T) {
	used := map[string]bool{}
	for _, c := range [][2]string{
		{"tenant.contoso", "HELLOLAB_TENANT_CONTOSO"},
		{`module.eu.tenant.all["con-toso.com"]`, "HELLOLAB_MODULE_EU_TENANT_ALL__CON_TOSO_COM"},
		{"tenant.con-toso", "HELLOLAB_TENANT_CON_TOSO"},
		{"tenant.con_toso", "HELLOLAB_TENANT_CON_TOSO_2"},
		{"tenant.münchen", "HELLOLAB_TENANT_M_NCHEN"},
	} {
		if got := variableName(c[0], used); got != c[1] {
			t.Errorf("%s: %s, want %s", c[0], got, c[1])
		}
	}
}

// What a value holds, a shell gets, and runs none of it.
func TestShellVariables(t *testing.T) {
	value := "a'b\"c$HOME`id`\n$(id);\\ '"
	script := string(shellVariables([]variable{{"X", value}})) + `printf %s "$X"`
	out, err := exec.Command("sh", "-c", script).Output()
	if err != nil || string(out) != value {
		t.Errorf("the shell has %q, %v", out, err)
	}
}

func FuzzHolder(f *testing.F) {
	f.Add(encoded(f, lineRequest{Program: programName(), Name: "env", Args: []string{"-json", "--"}}))
	f.Add(encoded(f, lineRequest{Program: programName(), Name: "signin", Args: []string{"--", "a"}, Secrets: [][]byte{{1}}}))
	v := serving(f)
	f.Fuzz(func(t *testing.T, request []byte) {
		answer, err := v.do(t.Context(), bytes.Clone(request))
		if (err == nil) != json.Valid(answer) {
			t.Errorf("answered %q, %v", answer, err)
		}
	})
}
