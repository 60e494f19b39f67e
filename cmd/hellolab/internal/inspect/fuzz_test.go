package inspect

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/providers/entra"
)

// FuzzInspect feeds every decoder, alone and in turn: none panics, what is
// shown is clean, JSON is JSON, and what nobody knows is said by all.
func FuzzInspect(f *testing.F) {
	inputs, err := filepath.Glob("testdata/*")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range inputs {
		if strings.HasSuffix(name, ".golden") || filepath.Base(name) == "fuzz" {
			continue
		}
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		for _, b := range newInput(data).Bytes {
			f.Add(b)
		}
	}
	o := Options{Now: now, Keys: keysOf(f, "ca.pem", "hello.cng", "aik.pem", "corp-ca.pem", "alice.pem"), SessionKey: sessionKey(f), Keytab: keytabOf(f),
		Open: func(string) (*entra.TokenClaims, error) { return nil, entra.ErrToken }}
	f.Fuzz(func(t *testing.T, data []byte) {
		o := o
		for _, d := range append([]Decoder{{}}, Decoders()...) {
			o.Type = d.Name
			n, err := Inspect(data, o)
			if err != nil {
				if err.Error() == "" {
					t.Fatal("an error without words")
				}
				continue
			}
			if n.Type == "" || n.Title == "" {
				t.Fatalf("%s: a node without a name", d.Name)
			}
			clean(t, reads(t, n))
			var b bytes.Buffer
			if err := view.WriteIndentedJSON(&b, n); err != nil || !json.Valid(b.Bytes()) {
				t.Fatalf("%s: JSON: %v", d.Name, err)
			}
			clean(t, b.String())
		}
		_, _ = ParseKeys(data)
		_, _ = ParseSessionKey(data)
		_, _ = ParseKeytab(data)
	})
}
