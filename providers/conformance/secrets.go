package conformance

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
)

// minMarker is how long a secret must be to be searched for without finding it
// by chance.
const minMarker = 8

// checkSecrets looks for what was asked in secret, in every spelling that a
// careless line of code would leave: it may be nowhere, not in sections either,
// for a password is kept as a verifier and a PIN not at all. What an object
// learns in secret may be in its Out and in sections, which are sealed.
func checkSecrets(tb testing.TB, h Harness) {
	s := h.subject(tb)
	asked := secretsOf(tb, s.typ.Schema.In, s.config(s.In(0)))
	recs := []providers.Record{s.Create(s.addr(0), s.In(0))}
	if s.typ.Update != nil {
		asked = append(asked, secretsOf(tb, s.typ.Schema.In, s.config(s.Change(0)))...)
		recs = append(recs, s.Update(s.addr(0), s.Change(0)))
	}
	key := s.key(0)
	if s.typ.Update != nil {
		key = s.changed(0)
	}
	if key != "" {
		rec, err := s.Find(s.ctx, s.addr(0), key)
		if err != nil {
			tb.Fatal(err)
		}
		recs = append(recs, rec)
	}
	rec, err := s.Read(s.ctx, s.addr(0))
	if err != nil {
		tb.Fatal(err)
	}
	recs = append(recs, rec)

	told := map[string][]byte{"the log": []byte(s.Logged())}
	for _, e := range s.Events() {
		text, err := json.Marshal(e)
		if err != nil {
			tb.Errorf("event %s: %v", e.Step, err)
		}
		told[fmt.Sprintf("event %d (%s)", e.Seq, e.Step)] = text
	}
	kept := map[string][]byte{}
	for i, rec := range recs {
		kept[fmt.Sprintf("record %d", i)] = fmt.Appendf(nil, "%#v %#v", rec.In, rec.Out)
	}
	_ = s.store.now.Load().scan("", func(key string, value []byte) error {
		where := strings.SplitN(key, "\x00", 3)
		if len(where) == 3 { // else it is a revision
			kept[fmt.Sprintf("section %s, table %s, key %q", where[0], where[1], where[2])] = append([]byte(where[2]+" "), value...)
		}
		return nil
	})

	for _, secret := range asked {
		searchFor(tb, "a write-only value", secret, told)
		searchFor(tb, "a write-only value", secret, kept)
	}
	for _, a := range s.typ.Schema.Out {
		if v := rec.Out.GetAttr(a.Name); a.Sensitive && v.Type() == cty.String && !v.IsNull() && len(v.AsString()) >= minMarker {
			searchFor(tb, a.Name, v.AsString(), told)
		}
	}
}

// secretsOf returns the write-only values in an object of a block.
func secretsOf(tb testing.TB, b providers.Block, v cty.Value) []string {
	tb.Helper()
	var secrets []string
	for _, a := range b.Attrs {
		if !a.WriteOnly {
			continue
		}
		_ = cty.Walk(v.GetAttr(a.Name), func(_ cty.Path, leaf cty.Value) (bool, error) {
			if leaf.Type() != cty.String || leaf.IsNull() {
				return true, nil
			}
			if len(leaf.AsString()) < minMarker {
				tb.Errorf("harness: %s is too short to be searched for", a.Name)
			}
			secrets = append(secrets, leaf.AsString())
			return true, nil
		})
	}
	for i := range b.Blocks {
		n := &b.Blocks[i]
		nv := v.GetAttr(n.Name)
		for _, label := range n.Labels(nv) {
			if body := n.Body(nv, label); !body.IsNull() {
				secrets = append(secrets, secretsOf(tb, n.Block, body)...)
			}
		}
	}
	return secrets
}

func searchFor(tb testing.TB, what, secret string, places map[string][]byte) {
	tb.Helper()
	for place, content := range places {
		for spelling, text := range spellings(secret) {
			if bytes.Contains(content, text) {
				tb.Errorf("%s holds %s, as %s", place, what, spelling)
			}
		}
	}
}

func spellings(secret string) map[string][]byte {
	raw := []byte(secret)
	var wide []byte
	for _, u := range utf16.Encode([]rune(secret)) {
		wide = append(wide, byte(u), byte(u>>8))
	}
	quoted, _ := json.Marshal(secret)
	return map[string][]byte{
		"text":         raw,
		"JSON":         bytes.Trim(quoted, `"`),
		"UTF-16":       wide,
		"base64":       []byte(strings.TrimRight(base64.StdEncoding.EncodeToString(raw), "=")),
		"base64url":    []byte(base64.RawURLEncoding.EncodeToString(raw)),
		"hex":          []byte(hex.EncodeToString(raw)),
		"URL encoding": []byte(url.QueryEscape(secret)),
	}
}
