package inspect

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hellolab/providers/wire/krb"
)

func keytabOf(t testing.TB) []krb.KeytabEntry {
	t.Helper()
	entries, err := ParseKeytab(read(t, "domain.keytab"))
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// keyMaterial are the keys in the material of the domain, as a text could show
// them.
func keyMaterial(t testing.TB) (secrets []string) {
	t.Helper()
	cache, err := krb.ParseCCache(read(t, "alice.ccache"))
	if err != nil {
		t.Fatal(err)
	}
	var keys []krb.Key
	for _, c := range cache.Credentials {
		keys = append(keys, c.Key)
	}
	for _, e := range keytabOf(t) {
		keys = append(keys, e.Key)
	}
	for _, k := range keys {
		// Without the last bytes, whose base64 hangs on what follows.
		secrets = append(secrets, hex.EncodeToString(k.Value), strings.ToUpper(hex.EncodeToString(k.Value)), base64.StdEncoding.EncodeToString(k.Value[:15]))
	}
	return append(secrets, strings.Repeat("42", 16)) // the NT hash in the PAC
}

// TestGoldenDomain: what people read of what a domain and its CA make.
func TestGoldenDomain(t *testing.T) {
	for _, c := range []struct {
		golden, input, format string
		keytab                bool
		keys                  []string
	}{
		{"keytab", "domain.keytab", "keytab", false, nil},
		{"ccache", "alice.ccache", "ccache", false, nil},
		{"ccache-opened", "alice.ccache", "ccache", true, nil},
		{"tgt", "tgt.der", "ticket", true, nil},
		{"pac", "pac.bin", "pac", false, nil},
		{"pac-verified", "pac.bin", "pac", true, nil},
		{"as-req-password", "as-req-password.b64", "kerberos", true, nil},
		{"as-rep-password", "as-rep-password.der", "kerberos", true, nil},
		{"preauth-required", "preauth-required.hex", "kerberos", false, nil},
		{"dh-refused", "dh-refused.der", "kerberos", false, nil},
		{"as-req-dh", "as-req-dh.der", "kerberos", false, []string{"corp-ca.pem"}},
		{"as-rep-dh", "as-rep-dh.der", "kerberos", false, []string{"ca.pem"}},
		{"as-req-rsa", "as-req-rsa.der", "kerberos", false, []string{"alice.pem"}},
		{"as-rep-rsa", "as-rep-rsa.der", "kerberos", false, nil},
		{"tgs-req", "tgs-req.der", "kerberos", true, nil},
		{"spnego", "spnego.txt", "gss", true, nil},
		{"spnego-answer", "spnego-answer.bin", "gss", false, nil},
		{"wrap", "wrap.bin", "gss", false, nil},
		{"kpasswd", "kpasswd.bin", "kerberos", true, nil},
		{"reply-key-pack", "reply-key-pack.pem", "cms", false, nil},
		{"alice", "alice.pem", "certificate", false, []string{"corp-ca.pem"}},
		{"corp-crl", "corp.crl", "crl", false, []string{"corp-ca.pem"}},
		{"corp-delta", "corp-delta.pem", "crl", false, []string{"ca.pem"}},
		{"ocsp", "ocsp.der", "ocsp", false, []string{"corp-ca.pem"}},
		{"ocsp-request", "ocsp-request.der", "ocsp", false, nil},
	} {
		t.Run(c.golden, func(t *testing.T) {
			o := Options{Keys: keysOf(t, c.keys...)}
			if c.keytab {
				o.Keytab = keytabOf(t)
			}
			golden(t, c.golden, c.input, c.format, o, keyMaterial(t)...)
		})
	}
}

// TestDomainForms: the same in each form: binary, text, as TCP frames it, in
// PEM, and inside JSON.
func TestDomainForms(t *testing.T) {
	for _, c := range []struct{ input, format, want string }{
		{"tgs-req.der", "kerberos", "TGS-REQ"}, {"tgt.der", "ticket", "krbtgt/CORP.EXAMPLE"}, {"alice.ccache", "ccache", "alice@CORP.EXAMPLE"},
		{"domain.keytab", "keytab", "fingerprint"}, {"pac.bin", "pac", "logon info"}, {"corp.crl", "crl", "number: 7"}, {"ocsp.der", "ocsp", "revoked"},
		{"spnego-answer.bin", "gss", "accept-completed"},
	} {
		raw := read(t, c.input)
		for form, data := range map[string][]byte{
			"binary": raw, "base64": []byte(base64.StdEncoding.EncodeToString(raw)), "base64url": []byte(base64.RawURLEncoding.EncodeToString(raw)),
			"hexadecimal": []byte(hex.EncodeToString(raw)), "wrapped": []byte(strings.ReplaceAll(fmt.Sprintf("% x", raw), " ", "\n")),
		} {
			n := mustInspect(t, data, Options{})
			if n.Type != c.format || !strings.Contains(reads(t, n), c.want) {
				t.Errorf("%s, %s: a %s", c.input, form, n.Type)
			}
		}
		if forced := mustInspect(t, raw, Options{Type: c.format}); forced.Type != c.format {
			t.Errorf("%s: forced to be a %s", c.input, forced.Type)
		}
	}
	request := read(t, "tgs-req.der")
	if n := mustInspect(t, append(binary.BigEndian.AppendUint32(nil, uint32(len(request))), request...), Options{}); n.Type != "kerberos" {
		t.Errorf("framed: a %s", n.Type)
	}
	reply := base64.StdEncoding.EncodeToString(read(t, "as-rep-password.der"))
	holds(t, reads(t, mustInspect(t, []byte(`{"messageBuffer":"`+reply+`"}`), Options{})), "messageBuffer: Kerberos AS-REP")
}

// TestDomainDefects: what has a format's sign and does not hold it is malformed,
// and says why; cut anywhere, nothing is taken for a whole.
func TestDomainDefects(t *testing.T) {
	for _, c := range []struct{ input, format string }{
		{"tgs-req.der", "kerberos"}, {"as-rep-dh.der", "kerberos"}, {"dh-refused.der", "kerberos"}, {"tgt.der", "ticket"}, {"pac.bin", "pac"}, {"corp.crl", "crl"}, {"ocsp.der", "ocsp"},
	} {
		raw := read(t, c.input)
		_, err := Inspect(raw[:len(raw)/2], Options{Now: now})
		if err == nil || !strings.HasPrefix(err.Error(), "malformed "+c.format+": ") {
			t.Errorf("half of %s: %v", c.input, err)
		}
	}
	for name, input := range map[string]string{"keytab": "0502000000", "ccache": "050400", "cms": "300f06092a864886f70d010702a0023000", "other cms": "300f06092a864886f70d010706a0023000"} {
		want := name[strings.LastIndex(name, " ")+1:]
		if _, err := Inspect([]byte(input), Options{Now: now}); err == nil || !strings.HasPrefix(err.Error(), "malformed "+want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"tgs-req.der", "domain.keytab"} {
		if entries, err := ParseKeytab(read(t, name)[:100]); err == nil {
			t.Errorf("%s is a keytab of %d keys", name, len(entries))
		}
	}
}

// TestKeytabOpens: another key opens nothing, and a changed PAC is told.
func TestKeytabOpens(t *testing.T) {
	entries := keytabOf(t)
	other := entries[1]
	var err error
	if other.Key, err = krb.RandomKey(krb.AES256, rand.Reader); err != nil {
		t.Fatal(err)
	}
	holds(t, reads(t, mustInspect(t, read(t, "tgt.der"), Options{Keytab: []krb.KeytabEntry{other}})), "content: sealed: no key given opens it")
	changed := bytes.Replace(read(t, "pac.bin"), []byte("C\x00O\x00R\x00P"), []byte("K\x00O\x00R\x00P"), 1)
	got := reads(t, mustInspect(t, changed, Options{Keytab: entries[:1]}))
	holds(t, got, "domain: KORP", "server signature: does not verify with the key given", "kdc signature: verified with the key of krbtgt/CORP.EXAMPLE")
	if fingerprint(entries[0].Key) == fingerprint(other.Key) || fingerprint(entries[0].Key) != fingerprint(keytabOf(t)[0].Key) {
		t.Error("fingerprints do not compare keys")
	}
}

// TestDomainVerdicts: signatures follow the keys given.
func TestDomainVerdicts(t *testing.T) {
	for _, c := range []struct {
		input string
		keys  []string
		want  string
	}{
		{"corp.crl", nil, "signature: not verified: no certificate given"},
		{"corp.crl", []string{"ca.pem"}, "signature: not verified: no certificate given is its issuer's"},
		{"corp.crl", []string{"corp-ca.pem", "ca.pem"}, "signature: verified with the certificate "},
		{"ocsp.der", []string{"corp-ca.pem"}, "signature: verified with the certificate "},
		{"ocsp.der", []string{"ca.pem"}, "signature: not verified: it holds with the certificate that came along, itself "},
		{"as-req-dh.der", []string{"alice.pem"}, "signature: verified with the certificate "},
		{"as-req-dh.der", []string{"corp-ca.pem"}, "signature: verified with the certificate that came along, itself verified"},
		{"as-req-dh.der", nil, "signature: not verified: it holds with the certificate that came along, itself not verified: no key given"},
	} {
		holds(t, reads(t, mustInspect(t, read(t, c.input), Options{Keys: keysOf(t, c.keys...)})), c.want)
	}
}

// TestManyCredentials: a list is shown as far as its bound, and counted.
func TestManyCredentials(t *testing.T) {
	cache, err := krb.ParseCCache(read(t, "alice.ccache"))
	if err != nil {
		t.Fatal(err)
	}
	for range maxListed {
		cache.Credentials = append(cache.Credentials, cache.Credentials[0])
	}
	got := reads(t, mustInspect(t, cache.Encode(), Options{}))
	holds(t, got, fmt.Sprintf("the first %d of %d", maxListed, maxListed+2))
	if n := strings.Count(got, "- server: "); n != maxListed {
		t.Errorf("%d are shown", n)
	}
}

// TestRecordedPKINIT: the exchanges of MIT's and Heimdal's kinit.
func TestRecordedPKINIT(t *testing.T) {
	const dir = "../../../../../shared/vectors/pkinit"
	ca, err := os.ReadFile(filepath.Join(dir, "pki", "ca.pem"))
	if err != nil {
		t.Skipf("vectors are not here: %v", err)
	}
	keys, err := ParseKeys(ca)
	if err != nil {
		t.Fatal(err)
	}
	certified := "signature: verified with the certificate that came along, itself verified with "
	for name, want := range map[string][]string{
		"mit-dh14-certtrust/001-req-app10.der": {"type: 150 (PA-AS-FRESHNESS)", "client: alice@CORP.EXAMPLE"},
		"mit-dh14-certtrust/002-rep-app30.der": {"code: 25 (KDC_ERR_PREAUTH_REQUIRED)", "type: 16 (PA-PK-AS-REQ)"},
		"mit-dh14-certtrust/003-req-app10.der": {"(MODP group 14 (2048 bits))", "freshness token: (40 bytes)", "checksum of the body: holds", certified,
			"alternative names: Kerberos principal alice@CORP.EXAMPLE", "- subject: CN=Lab Root CA"},
		"mit-dh14-certtrust/004-rep-app11.der":         {"mode: Diffie-Hellman", "kdf: id-pkinit-kdf-ah-sha256", certified},
		"mit-dh14-selfsigned-nocert/007-req-app10.der": {"certificates: []", "with the key given, and the signer's certificate did not come along"},
		"mit-rsa/011-req-app10.der":                    {"public value: (none: RSA mode)", "checksum of the body: holds"},
		"mit-rsa/012-rep-app11.der":                    {"mode: RSA", "cipher: des-ede3-cbc"},
		"heimdal-dh2-selfsigned/013-req-app10.der":     {"(MODP group 2 (1024 bits))", "subject key id: ", "client dh nonce: ", "itself not verified: self-signed"},
		"heimdal-dh2-selfsigned/014-rep-app11.der":     {"mode: Diffie-Hellman", certified},
		"heimdal-rsa-certtrust/015-req-app10.der":      {"digest: SHA-512", "type: 132 (PA-PK-AS-09-BINDING)", certified},
		"heimdal-rsa-certtrust/016-rep-app11.der":      {"cipher: aes256-cbc"},
	} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Errorf("a part of the records is missing: %v", err)
			continue
		}
		n := mustInspect(t, data, Options{Keys: keys})
		got := reads(t, n)
		clean(t, got)
		if n.Type != "kerberos" {
			t.Errorf("%s is a %s", name, n.Type)
		}
		t.Log(name)
		holds(t, got, want...)
		if strings.Contains(got, "cannot be read") {
			t.Errorf("%s: a part cannot be read:\n%s", name, got)
		}
	}
}

// TestRecordedPAC: a PAC of Windows, with the keys that signed it.
func TestRecordedPAC(t *testing.T) {
	var v struct {
		PAC       string
		ServerKey struct{ Hex string } `json:"server_key"`
		KDCKey    struct{ Hex string } `json:"kdc_key"`
	}
	vector(t, "pac_w2003_rc4.json", &v)
	key := func(text string, name krb.Name) krb.KeytabEntry {
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return krb.KeytabEntry{Realm: "R", Name: name, Key: krb.Key{EType: krb.RC4, Value: b}}
	}
	o := Options{Keytab: []krb.KeytabEntry{key(v.ServerKey.Hex, krb.Principal("server")), key(v.KDCKey.Hex, krb.TGS("R"))}}
	got := reads(t, mustInspect(t, []byte(v.PAC), o))
	holds(t, got, "account: W2003FINAL$", "server signature: verified with the key of server@R", "kdc signature: verified with the key of krbtgt/R@R", "name: w2003final$")
	clean(t, got, v.ServerKey.Hex, v.KDCKey.Hex)
}
