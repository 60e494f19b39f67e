package inspect

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// vector reads recorded material that is not the project's to copy.
func vector(t testing.TB, name string, v any) {
	t.Helper()
	data, err := os.ReadFile("../../../../../shared/vectors/" + name)
	if err != nil {
		t.Skipf("vectors are not here: %v", err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

func holds(t *testing.T, got string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("%q is not in\n%s", w, got)
		}
	}
}

// TestRecordedJoin: the example of MS-DVRJ 4.1, whose request no strict reader
// takes and whose certificate has the extensions of the service on premises.
func TestRecordedJoin(t *testing.T) {
	var v struct {
		CSR         string `json:"csr_b64"`
		Transport   string `json:"transport_key_b64"`
		Hash        string `json:"transport_key_sha256_b64"`
		Certificate string `json:"device_certificate_b64"`
		Thumbprint  string `json:"published_thumbprint"`
	}
	vector(t, "ms-dvrj-example.json", &v)
	holds(t, reads(t, mustInspect(t, []byte(v.CSR), Options{})),
		"subject: CN=7E980AD9-B86D-4306-9425-9AC066FB014A (ends with a NUL", "signature: verified with its own key")
	holds(t, reads(t, mustInspect(t, []byte(v.Transport), Options{})), "key id: "+v.Hash)
	holds(t, reads(t, mustInspect(t, []byte(v.Certificate), Options{})), "Device certificate", "thumbprint: "+v.Thumbprint,
		"issuer: DC=net+DC=mim1+CN=MS-Organization-Access+OU=", "device id: 9d53c6fa-b38e-4509-8fb1-51dedb421aac", "invocation id: ", "domain id: ", "join type: 1, joined")
}

// TestRecordedHello: an assertion inside the device request that carried it.
func TestRecordedHello(t *testing.T) {
	var v struct {
		KNGC      string `json:"kngc_base64"`
		KID       string `json:"kid_base64_sha256_of_blob"`
		Assertion string `json:"assertion_jwt"`
		Outer     string `json:"outer_request_jwt"`
	}
	vector(t, "hello-key-and-assertion.json", &v)
	holds(t, reads(t, mustInspect(t, []byte(v.KNGC), Options{})), "key id: "+v.KID)
	keys, err := ParseKeys([]byte(v.KNGC))
	if err != nil {
		t.Fatal(err)
	}
	holds(t, reads(t, mustInspect(t, []byte(v.Assertion), Options{Keys: keys})), "Hello assertion", "kid: "+v.KID, "signature: verified with key "+v.KID)
	holds(t, reads(t, mustInspect(t, []byte(v.Outer), Options{Keys: keys})), "Device request for a primary refresh token", "Device certificate",
		"assertion: Hello assertion", "  signature: verified with key "+v.KID, "\n  signature: not verified: it holds with the certificate in its own header")
}

// TestRecordedSessions: requests and the cookies of both versions of the key
// derivation, verified with their session keys.
func TestRecordedSessions(t *testing.T) {
	var v struct {
		Vectors []struct {
			Step       string
			SessionKey string `json:"session_key_hex"`
			JWT        string
		}
	}
	vector(t, "session-key-kdf.json", &v)
	if len(v.Vectors) == 0 {
		t.Fatal("no vectors")
	}
	for _, vec := range v.Vectors {
		t.Run(vec.Step, func(t *testing.T) {
			key, err := ParseSessionKey([]byte(vec.SessionKey))
			if err != nil {
				t.Fatal(err)
			}
			holds(t, reads(t, mustInspect(t, []byte(vec.JWT), Options{SessionKey: key})), "refresh_token: Opaque token in the cloud's form", "signature: verified with the session key given")
			key[0] ^= 1
			holds(t, reads(t, mustInspect(t, []byte(vec.JWT), Options{SessionKey: key})), "signature: does not verify with the session key given", "claims: (not verified)")
		})
	}
}

// TestRecordedReply: a reply of the live cloud, and the session key it is
// under.
func TestRecordedReply(t *testing.T) {
	var v struct {
		PEM           string `json:"transport_private_key_pkcs1_pem"`
		SessionKeyJWE string `json:"session_key_jwe"`
		SessionKey    string `json:"session_key_hex"`
		Response      string `json:"response_jwe"`
	}
	vector(t, "prt-renewal-response-cbc.json", &v)
	key, err := hex.DecodeString(v.SessionKey)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{SessionKey: key}
	holds(t, reads(t, mustInspect(t, []byte(v.SessionKeyJWE), o)), "session_key_jwe", "session key: verified: it is the session key given")
	holds(t, reads(t, mustInspect(t, []byte(v.Response), o)), "cipher: AES-256-CBC", "content: Token response",
		"client id: 38aa3b87-a06d-4817-b275-7a316988d93b", "id_token: ID token", "signature: not verified: the token is not signed")
	holds(t, reads(t, mustInspect(t, []byte(v.Response), Options{})), "content: sealed: no session key given")
	whole, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	got := reads(t, mustInspect(t, whole, o))
	holds(t, got, "session_key_jwe: Session key", "transport_private_key_pkcs1_pem: (")
	if strings.Contains(got, v.SessionKey) || strings.Contains(got, "BEGIN") {
		t.Error("a key is shown")
	}
}
