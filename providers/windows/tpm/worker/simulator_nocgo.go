//go:build !cgo

package worker

// Available reports whether this build can run a TPM.
func Available() bool { return false }

func open() (machine, error) { return nil, ErrNoSimulator }
