package xmltree

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// Writer builds a document of literal markup and escaped values.
type Writer struct{ strings.Builder }

// Put writes format, whose arguments are escaped.
func (w *Writer) Put(format string, values ...string) {
	escaped := make([]any, len(values))
	for i, v := range values {
		var b strings.Builder
		_ = xml.EscapeText(&b, []byte(v)) // a Builder takes all
		escaped[i] = b.String()
	}
	fmt.Fprintf(w, format, escaped...)
}
