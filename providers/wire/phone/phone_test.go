package phone

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
)

var secret = bytes.Repeat([]byte{7}, SecretSize)

// proofOf42 was computed by another program, Python's hmac module.
const proofOf42 = "bf1274be74e6f4c7130af97fd7c39b261a4245a0f0e51533b78dbd066728c770"

func TestProofVector(t *testing.T) {
	a := Answer{User: "u", Nonce: "n", Notification: "i", Decision: Approve, Number: 42}
	a.Sign(secret)
	if got, want := hex.EncodeToString(a.Proof), proofOf42; got != want {
		t.Errorf("proof %s, want %s", got, want)
	}
}

// A proof holds for the very call it was made for, and under its secret only.
func TestProofs(t *testing.T) {
	l := List{User: "u", Nonce: "n"}
	l.Sign(secret)
	a := Answer{User: "u", Nonce: "n", Notification: "i", Decision: Approve, Number: 42}
	a.Sign(secret)
	if !l.Verify(secret) || !a.Verify(secret) {
		t.Fatal("a good proof does not hold")
	}
	for name, change := range map[string]func(*Answer){
		"user":                    func(a *Answer) { a.User = "v" },
		"nonce":                   func(a *Answer) { a.Nonce = "m" },
		"notification":            func(a *Answer) { a.Notification = "j" },
		"decision":                func(a *Answer) { a.Decision = Deny },
		"number":                  func(a *Answer) { a.Number = 43 },
		"moved border":            func(a *Answer) { a.User, a.Nonce = "", "un" },
		"proof":                   func(a *Answer) { a.Proof = bytes.Clone(a.Proof); a.Proof[0] ^= 1 },
		"cut proof":               func(a *Answer) { a.Proof = a.Proof[:16] },
		"no proof":                func(a *Answer) { a.Proof = nil },
		"proof of the other call": func(a *Answer) { a.Proof = l.Proof },
	} {
		b := a
		if change(&b); b.Verify(secret) {
			t.Errorf("%s: the proof still holds", name)
		}
	}
	other := bytes.Repeat([]byte{8}, SecretSize)
	if l.Verify(other) || a.Verify(other) {
		t.Error("the proof holds under another secret")
	}
}

func TestParse(t *testing.T) {
	good := Answer{User: "u", Nonce: "n", Notification: "i", Decision: Approve, Number: 42}
	good.Sign(secret)
	for name, tt := range map[string]struct {
		change func(*Answer)
		ok     bool
	}{
		"good":               {func(*Answer) {}, true},
		"denial":             {func(a *Answer) { a.Decision, a.Number = Deny, 0 }, true},
		"no user":            {func(a *Answer) { a.User = "" }, false},
		"no nonce":           {func(a *Answer) { a.Nonce = "" }, false},
		"no proof":           {func(a *Answer) { a.Proof = nil }, false},
		"no notification":    {func(a *Answer) { a.Notification = "" }, false},
		"long nonce":         {func(a *Answer) { a.Nonce = strings.Repeat("n", maxMember+1) }, false},
		"other decision":     {func(a *Answer) { a.Decision = "maybe" }, false},
		"three digits":       {func(a *Answer) { a.Number = 100 }, false},
		"negative":           {func(a *Answer) { a.Number = -1 }, false},
		"denial with number": {func(a *Answer) { a.Decision = Deny }, false},
	} {
		a := good
		tt.change(&a)
		data, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseAnswer(data); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, bad := range []string{"", "{}", `{"user":"u","user":"v","nonce":"n","proof":"AA=="}`, `{"user":"u","nonce":"n","proof":"!"}`} {
		if _, err := ParseList([]byte(bad)); err == nil {
			t.Errorf("%s: accepted", bad)
		}
	}
}

func TestSecretText(t *testing.T) {
	got, err := ParseSecret(EncodeSecret(secret))
	if err != nil || !bytes.Equal(got, secret) {
		t.Errorf("%x, %v", got, err)
	}
	for _, bad := range []string{"", "short", EncodeSecret(secret) + "=", "not base64!"} {
		if _, err := ParseSecret(bad); err == nil || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"user":"u","nonce":"n","proof":"AA==","notification":"i","decision":"approve","number":42}`))
	f.Add([]byte(`{"user":"u","nonce":"n","proof":"AA=="}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if l, err := ParseList(data); err == nil && l.Verify(secret) {
			t.Fatal("a proof without the secret")
		}
		a, err := ParseAnswer(data)
		if err != nil {
			return
		}
		if a.Verify(secret) || a.Number < 0 || a.Number > MaxNumber || a.Decision != Approve && a.Decision != Deny {
			t.Fatalf("accepted %+v", a)
		}
	})
}
