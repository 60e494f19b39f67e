package edrs

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// Reading and writing the object is tested where a domain is.
func TestIssuerValue(t *testing.T) {
	at := time.Date(2026, 3, 2, 9, 0, 0, 100, time.UTC)
	raw := IssuerValue{at, []byte("a:b")}.Encode()
	if !strings.HasPrefix(string(raw), "639080388000000001:") {
		t.Errorf("%s", raw)
	}
	v, err := ParseIssuerValue(raw)
	if err != nil || !v.Made.Equal(at) || string(v.Sealed) != "a:b" {
		t.Errorf("%+v, %v", v, err)
	}
	for _, bad := range []string{"", ":", "x:y", "-1:y", "12", strings.Repeat("9", 40) + ":", strings.Repeat("0", 25) + ":"} {
		if v, err := ParseIssuerValue([]byte(bad)); err == nil {
			t.Errorf("%q is %+v", bad, v)
		}
	}
	cert, key, err := UnpackIssuer(PackIssuer([]byte("cert"), []byte("key")))
	if err != nil || string(cert) != "cert" || string(key) != "key" {
		t.Errorf("%q, %q, %v", cert, key, err)
	}
	for _, bad := range [][]byte{nil, {0, 0, 0}, {0, 0, 0, 1}, bytes.Repeat([]byte{255}, 9)} {
		if _, _, err := UnpackIssuer(bad); err == nil {
			t.Errorf("%x was unpacked", bad)
		}
	}
}

func FuzzIssuerValue(f *testing.F) {
	f.Add(IssuerValue{time.Unix(0, 0), PackIssuer([]byte("cert"), []byte("key"))}.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := ParseIssuerValue(b); err == nil {
			_, _, _ = UnpackIssuer(v.Sealed)
		}
	})
}
