package main

import (
	"path/filepath"
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
