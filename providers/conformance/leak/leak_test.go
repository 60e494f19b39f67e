package leak

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"testing"
)

// A secret is found behind every stack of encodings that the lab's messages have.
func TestUnfold(t *testing.T) {
	const secret = "5820391774613"
	quote := func(s string) string { b, _ := json.Marshal(map[string]any{"a": []string{s}}); return string(b) }
	std := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	raw := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	form := func(s string) string { return url.Values{"x": {"+"}, "a": {s}}.Encode() }
	for name, text := range map[string]string{
		"plain": secret, "JSON": quote(secret), "form": form(secret), "base64 in JSON": quote(std("~" + secret)),
		"token in a form":   form("e30." + raw(quote(secret)) + ".AAAA"),
		"token in a token":  "e30." + raw(quote("e30."+raw(quote(std(secret)))+".AAAA")) + ".AAAA",
		"bearer":            "Bearer e30." + raw(quote(secret)) + ".AAAA",
		"JSON, in a string": quote(quote(secret)),
	} {
		if !bytes.Contains(Unfold(text), []byte(secret)) {
			t.Errorf("%s: not found in %s", name, text)
		}
	}
}

func TestForms(t *testing.T) {
	forms := Forms("password")
	for name, want := range map[string]string{
		"SHA-1 of text in hex":   "5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8",
		"MD5 of text in hex":     "5f4dcc3b5aa765d61d8327deb882cf99",
		"MD4 of UTF-16 in HEX":   "8846F7EAEE8FB117AD06BDD830B7586C",
		"text":                   "password",
		"UTF-16":                 "p\x00a\x00s\x00s\x00w\x00o\x00r\x00d\x00",
		"SHA-256 of text in hex": "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8",
	} {
		if string(forms[name]) != want {
			t.Errorf("%s: %q", name, forms[name])
		}
	}
}
