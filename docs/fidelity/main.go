// Command fidelity writes docs/fidelity.md: for each statement of the
// documents that the lab implements, the flows and tests that prove it, and
// what about the proof is simulated. Run it from the root of the module:
//
//	go run ./docs/fidelity          write the page
//	go run ./docs/fidelity -check   fail when the page is out of date
//
// Inputs, tab separated with a header line:
//
//	rows.tsv       id, statement, open      what must hold; what of it no test shows yet
//	simulated.tsv  id, thing, how, source, rows   what stands in for something real, and how it differs
//	readings.tsv   the same columns: what was chosen where documents disagree or are silent
//
// and every call of seed.Proves in the module's tests. A tie to a row that does
// not exist is an error, and so is a tie that cannot be read off the source.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
)

const page = "docs/fidelity.md"

func main() {
	check := flag.Bool("check", false, "fail when "+page+" is out of date instead of writing it")
	flag.Parse()
	if err := run(os.DirFS("."), *check, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "fidelity: %v\n", err)
		os.Exit(1)
	}
}

func run(root fs.FS, check bool, out io.Writer) error {
	want, summary, err := generate(root)
	if err != nil {
		return err
	}
	if check {
		have, err := fs.ReadFile(root, page)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if !bytes.Equal(have, want) {
			return fmt.Errorf("%s is out of date; run `make fidelity` and commit it", page)
		}
	} else if err := os.WriteFile(page, want, 0o644); err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, summary)
	return err
}

// generate reads the inputs under root and returns the page.
func generate(root fs.FS) (md []byte, summary string, err error) {
	b, err := load(root)
	if err != nil {
		return nil, "", err
	}
	ties, err := scan(root)
	if err != nil {
		return nil, "", err
	}
	if err := b.tie(ties); err != nil {
		return nil, "", err
	}
	return b.render(), b.summary(), nil
}
