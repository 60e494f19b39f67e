package main

import (
	"fmt"
	"os"

	"hellolab/providers/windows/tpm/worker"
)

// tpmWorker serves the TPMs of simulated devices when args say that this
// process was started for that; it reports whether it did, and the exit code.
func tpmWorker(args []string) (code int, ok bool) {
	if len(args) != 1 || args[0] != worker.Word {
		return 0, false
	}
	if err := worker.Main(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitError, true
	}
	return exitOK, true
}
