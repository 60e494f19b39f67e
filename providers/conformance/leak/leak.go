// Package leak looks for secrets in what a program said, sent or kept: for
// each form that a careless one leaves behind, under each encoding that hides
// it from a plain search.
package leak

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"
	"unicode/utf16"

	"golang.org/x/crypto/md4" //lint:ignore SA1019 an NTLM hash is what it looks for
)

// Forms are a secret as text and as UTF-16, and the plain hashes of either, in
// bytes and as hex digits, by name.
func Forms(secret string) map[string][]byte {
	var wide []byte
	for _, u := range utf16.Encode([]rune(secret)) {
		wide = binary.LittleEndian.AppendUint16(wide, u)
	}
	forms := map[string][]byte{}
	for name, text := range map[string][]byte{"text": []byte(secret), "UTF-16": wide} {
		forms[name] = text
		for hash, sum := range hashes(text) {
			forms[hash+" of "+name] = sum
			forms[hash+" of "+name+" in hex"] = []byte(hex.EncodeToString(sum))
			forms[hash+" of "+name+" in HEX"] = []byte(strings.ToUpper(hex.EncodeToString(sum)))
		}
	}
	return forms
}

func hashes(b []byte) map[string][]byte {
	one, two, four := sha1.Sum(b), sha256.Sum256(b), sha512.Sum512(b)
	five, nt := md5.Sum(b), md4.New()
	nt.Write(b)
	return map[string][]byte{"SHA-1": one[:], "SHA-256": two[:], "SHA-512": four[:], "MD5": five[:], "MD4": nt.Sum(nil)}
}

// depth bounds how many encodings may lie in each other.
const depth = 6

// Unfold returns text followed by everything that it is an encoding of: JSON
// strings, form values, and base64 of either alphabet, layer by layer.
func Unfold(text string) []byte {
	var out bytes.Buffer
	unfold(&out, text, 0)
	return out.Bytes()
}

func unfold(out *bytes.Buffer, s string, level int) {
	out.WriteString(s)
	out.WriteByte('\n')
	if level == depth || s == "" {
		return
	}
	var v any
	if json.Unmarshal([]byte(s), &v) == nil {
		values(out, v, level+1)
	}
	if form, err := url.ParseQuery(s); err == nil && strings.Contains(s, "=") {
		for _, list := range form {
			for _, v := range list {
				if v != s {
					unfold(out, v, level+1)
				}
			}
		}
	}
	for part := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == '.' || r == ' ' }) {
		for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawURLEncoding} {
			if b, err := enc.DecodeString(part); err == nil && len(b) > 3 {
				unfold(out, string(b), level+1)
			}
		}
	}
}

func values(out *bytes.Buffer, v any, level int) {
	switch v := v.(type) {
	case string:
		unfold(out, v, level)
	case []any:
		for _, e := range v {
			values(out, e, level)
		}
	case map[string]any:
		for key, e := range v {
			unfold(out, key, level)
			values(out, e, level)
		}
	}
}
