package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkFirstSignIn is a new user's first minute: an example into an empty
// folder, applied from nothing, and a sign-in, each a process of its own. The
// promise is under 3 s on 2 cores, with nothing made beforehand.
func BenchmarkFirstSignIn(b *testing.B) {
	for b.Loop() {
		dir := filepath.Join(b.TempDir(), "lab")
		began := time.Now()
		for _, args := range [][]string{
			{"init", "-example", "entra-joined", dir},
			{"-chdir=" + dir, "apply", "-auto-approve"},
			{"-chdir=" + dir, "signin", "user.alice", "device.laptop", "-gesture=face"},
		} {
			cmd := hellolab(b, ".", nil, args...)
			if out, err := cmd.CombinedOutput(); err != nil {
				b.Fatalf("%v: %v\n%s", args, err, out)
			}
		}
		b.ReportMetric(time.Since(began).Seconds(), "s/first-sign-in")
	}
}

// BenchmarkLargeLab is 10,000 value blocks as a user meets them, a process a
// command: the promises are under 2 s and 400 MB for each plan, under 5 s for
// the durable apply. The shapes are those of engine/apply's benchmark, which
// measures growth.
func BenchmarkLargeLab(b *testing.B) {
	const n = 10000
	var graph, chain strings.Builder
	for i := range n {
		fmt.Fprintf(&graph, "value \"v%d\" {\n  input = { n = %d, a = %s, b = %s }\n}\n", i, i, ref(i, i/2), ref(i, i/3))
		fmt.Fprintf(&chain, "value \"v%d\" { input = %s }\n", i, ref(i, i-1))
	}
	for _, shape := range []struct{ name, lab string }{
		{"graph", graph.String()},
		{"chain", chain.String()},
		{"for_each", fmt.Sprintf("value \"v\" {\n  for_each = { for i in range(%d) : \"k${i}\" => i }\n  input = each.value\n}\n", n)},
	} {
		b.Run(shape.name, func(b *testing.B) {
			for b.Loop() {
				dir := b.TempDir()
				if err := os.WriteFile(filepath.Join(dir, "main.lab.hcl"), []byte(shape.lab), 0o600); err != nil {
					b.Fatal(err)
				}
				for _, phase := range []struct {
					name string
					args []string
				}{
					{"plan", []string{"plan"}},
					{"apply", []string{"apply", "-auto-approve"}},
					{"replan", []string{"plan", "-detailed-exitcode"}},
				} {
					began := time.Now()
					cmd := hellolab(b, dir, nil, phase.args...)
					if err := cmd.Run(); err != nil {
						b.Fatalf("%s: %v", phase.name, err)
					}
					b.ReportMetric(time.Since(began).Seconds(), "s/"+phase.name)
					b.ReportMetric(float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)/1024, "MB/"+phase.name)
				}
			}
		})
	}
}

// ref refers to an earlier block, where there is one.
func ref(i, to int) string {
	if i == 0 {
		return "0"
	}
	return fmt.Sprintf("value.v%d.id", to)
}
