// Package format writes configuration in its canonical style: that of
// terraform fmt, with lines ended by \n, no byte order mark, no blank lines at
// the ends of the file, and a newline at its end.
package format

import (
	"bytes"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"

	"hellolab/hcl/config"
)

// Source formats one file. A file that does not parse is returned as it is,
// with what is wrong with it. Formatting twice is formatting once.
func Source(name string, src []byte) ([]byte, hcl.Diagnostics) {
	f, diags := config.ParseFile(name, src)
	if diags.HasErrors() {
		return src, diags
	}
	text := bytes.ReplaceAll(f.Bytes, []byte("\r\n"), []byte("\n"))
	// One pass may move a comment whose column then moves another.
	for range 4 {
		next := trim(hclwrite.Format(text))
		if bytes.Equal(next, text) {
			break
		}
		text = next
	}
	return text, diags
}

// trim removes blank lines at the ends and space at the ends of lines outside
// of what hclwrite keeps verbatim, and ends the file with a newline.
func trim(b []byte) []byte {
	b = bytes.TrimRight(b, " \t\r\n")
	b = bytes.TrimLeft(b, "\n")
	if len(b) == 0 {
		return b
	}
	return append(b, '\n')
}
