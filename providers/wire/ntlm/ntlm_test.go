package ntlm

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	ntlmssp "github.com/Azure/go-ntlmssp"
)

var now = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func testServer(at time.Time) *Server {
	return &Server{NetBIOSDomain: "CORP", DNSDomain: "corp.contoso.com", NetBIOSComputer: "WEB", DNSComputer: "web.corp.contoso.com",
		Now: func() time.Time { return at }, Rand: rand.Reader}
}

func testClient(t testing.TB, password string) *Client {
	t.Helper()
	hash, err := NTHash(password)
	if err != nil {
		t.Fatal(err)
	}
	return &Client{User: "Alice", Domain: "CORP", Workstation: "PC", NTHash: hash, Target: "HTTP/web.corp.contoso.com", Now: now, Rand: rand.Reader}
}

// verify is what a domain does.
func verify(t testing.TB, a *Answer, password string, at time.Time) ([]byte, error) {
	t.Helper()
	hash, err := NTHash(password)
	if err != nil {
		t.Fatal(err)
	}
	base, err := Verify(hash, a.User, a.Domain, a.Challenge, a.Response, at)
	if err != nil {
		return nil, err
	}
	return a.Keys(base)
}

func TestExchange(t *testing.T) {
	c := testClient(t, "Pa$$w0rd")
	e, challenge, err := testServer(now).Begin(c.Begin())
	if err != nil {
		t.Fatal(err)
	}
	message, key, err := c.Answer(challenge)
	if err != nil {
		t.Fatal(err)
	}
	a, err := e.Answer(message)
	if err != nil {
		t.Fatal(err)
	}
	if a.User != "Alice" || a.Domain != "CORP" || a.Workstation != "PC" || !a.response.mic() {
		t.Errorf("answer %+v", a)
	}
	if got, err := verify(t, a, "Pa$$w0rd", now); err != nil || !bytes.Equal(got, key) {
		t.Errorf("session key %x, want %x: %v", got, key, err)
	}
	if _, err := verify(t, a, "pa$$w0rd", now); !errors.Is(err, ErrProof) {
		t.Errorf("another password: %v", err)
	}
	if _, err := e.Answer(message); !errors.Is(err, ErrMessage) {
		t.Errorf("a second answer: %v", err)
	}
	// To another challenge the same answer proves nothing.
	other, _, err := testServer(now).Begin(c.negotiate)
	if err != nil {
		t.Fatal(err)
	}
	if a, err = other.Answer(message); err != nil {
		t.Fatal(err)
	}
	if _, err := verify(t, a, "Pa$$w0rd", now); !errors.Is(err, ErrProof) {
		t.Errorf("a replayed answer: %v", err)
	}
}

// Whatever is changed in one of the three messages shows.
func TestChangedMessages(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(negotiate, challenge, message []byte)
		want   error
	}{
		{"options taken from the first", func(n, _, _ []byte) { n[15] &^= byte(Bits128 >> 24) }, ErrIntegrity},
		{"the target's name", func(_, c, _ []byte) { c[56] ^= 1 }, ErrIntegrity},
		{"the workstation", func(_, _, m []byte) { at := bytes.Index(m, utf16le("PC")); m[at] = 'Q' }, ErrIntegrity},
		{"the session key", func(_, _, m []byte) { m[len(m)-1] ^= 1 }, ErrIntegrity},
		{"the integrity code", func(_, _, m []byte) { m[atMIC] ^= 1 }, ErrIntegrity},
		{"the flag of the integrity code", func(_, _, m []byte) {
			at := bytes.Index(m, []byte{avFlags, 0, 4, 0, flagMIC, 0, 0, 0})
			m[at+4] = 0
		}, ErrProof},
		{"the user", func(_, _, m []byte) { at := bytes.Index(m, utf16le("Alice")); m[at] = 'B' }, ErrProof},
		{"the client's challenge", func(_, _, m []byte) {
			at := bytes.Index(m, []byte{1, 1, 0, 0, 0, 0, 0, 0})
			m[at+16] ^= 1
		}, ErrProof},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := testClient(t, "Pa$$w0rd")
			e, challenge, err := testServer(now).Begin(client.Begin())
			if err != nil {
				t.Fatal(err)
			}
			message, _, err := client.Answer(challenge)
			if err != nil {
				t.Fatal(err)
			}
			c.change(e.negotiate, e.challenge, message)
			a, err := e.Answer(message)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := verify(t, a, "Pa$$w0rd", now); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	_, challenge, err := testServer(now).Begin(Negotiate{Flags: Unicode}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	nonce := [8]byte(challenge[24:])
	hash, _ := NTHash("Pa$$w0rd")
	_, blobbed := prove(hash, "Alice", "CORP", nonce, nil)
	for _, c := range []struct {
		name string
		a    Authenticate
		want error
	}{
		{"LM alone", Authenticate{Flags: Unicode, User: "Alice", LM: make([]byte, 24)}, ErrVersion},
		{"NTLM version 1", Authenticate{Flags: Unicode, User: "Alice", LM: make([]byte, 24), NT: make([]byte, 24)}, ErrVersion},
		{"its session security", Authenticate{Flags: Unicode | ExtendedSecurity, User: "Alice", LM: append(make([]byte, 7), append([]byte{1}, make([]byte, 16)...)...), NT: make([]byte, 24)}, ErrVersion},
		{"anonymous", Authenticate{Flags: Unicode, LM: []byte{0}}, ErrAnonymous},
		{"anonymous by flag", Authenticate{Flags: Unicode | Anonymous, User: "Alice", NT: make([]byte, 64)}, ErrAnonymous},
		{"another character set", Authenticate{Flags: OEM, User: "Alice", NT: make([]byte, 64)}, ErrFlags},
		{"a response without target information", Authenticate{Flags: Unicode, User: "Alice", NT: append(blobbed, 1, 1)}, ErrMessage},
		{"a response of another version", Authenticate{Flags: Unicode, User: "Alice", NT: append(make([]byte, 16), append([]byte{2, 1}, make([]byte, 40)...)...)}, ErrMessage},
		{"a control character", Authenticate{Flags: Unicode, User: "Al\nice", NT: make([]byte, 64)}, ErrMessage},
	} {
		e, _, err := testServer(now).Begin(Negotiate{Flags: Unicode}.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if a, err := e.Answer(c.a.Encode()); !errors.Is(err, c.want) {
			t.Errorf("%s: %+v, %v; want %v", c.name, a, err, c.want)
		}
	}
	if _, _, err := testServer(now).Begin(Negotiate{Flags: NTLM}.Encode()); !errors.Is(err, ErrFlags) {
		t.Errorf("no character set: %v", err)
	}
	if _, err := Verify(hash, "Alice", "CORP", nonce, make([]byte, 24), now); !errors.Is(err, ErrVersion) {
		t.Errorf("version 1 at the domain: %v", err)
	}
}

// An answer says that it has an integrity code, and has no room for it.
func TestMissingIntegrityCode(t *testing.T) {
	e, _, err := testServer(now).Begin(Negotiate{Flags: Unicode}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	hash, _ := NTHash("Pa$$w0rd")
	blob := append([]byte{1, 1, 0, 0, 0, 0, 0, 0}, make([]byte, 20)...)
	copy(blob[8:], present(t))
	blob = append(blob, encodePairs([]pair{{avFlags, []byte{flagMIC, 0, 0, 0}}})...)
	proof, _ := prove(hash, "Alice", "CORP", e.nonce, blob)
	a, err := e.Answer((&Authenticate{Flags: Unicode, User: "Alice", Domain: "CORP", NT: append(proof, blob...)}).Encode())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify(t, a, "Pa$$w0rd", now); !errors.Is(err, ErrMessage) {
		t.Errorf("%v", err)
	}
}

// present is the present as a response has it.
func present(t testing.TB) []byte {
	t.Helper()
	_, challenge, err := testServer(now).Begin(Negotiate{Flags: Unicode}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseChallenge(challenge)
	if err != nil {
		t.Fatal(err)
	}
	pairs, err := parsePairs(c.Info)
	if err != nil {
		t.Fatal(err)
	}
	return find(pairs, avTimestamp, 8)
}

// A client that is not ours answers our challenges.
func TestAzuresClient(t *testing.T) {
	for _, user := range []string{`CORP\Alice`, "alice@contoso.com"} {
		first, err := ntlmssp.NewNegotiateMessage("CORP", "PC")
		if err != nil {
			t.Fatal(err)
		}
		// It refuses the exchange of keys, which a server offers to those who ask.
		flags := Flags(binary.LittleEndian.Uint32(first[12:])) &^ KeyExchange
		binary.LittleEndian.PutUint32(first[12:], uint32(flags))
		e, challenge, err := testServer(now).Begin(first)
		if err != nil {
			t.Fatal(err)
		}
		message, err := ntlmssp.NewAuthenticateMessage(challenge, user, "Pa$$w0rd", nil)
		if err != nil {
			t.Fatal(err)
		}
		a, err := e.Answer(message)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := verify(t, a, "Pa$$w0rd", now); err != nil {
			t.Errorf("%s: %v", user, err)
		}
		if _, err := verify(t, a, "wrong", now); !errors.Is(err, ErrProof) {
			t.Errorf("%s, wrong password: %v", user, err)
		}
		if _, err := verify(t, a, "Pa$$w0rd", now.Add(MaxLifetime+time.Minute)); !errors.Is(err, ErrTime) {
			t.Errorf("%s, later: %v", user, err)
		}
	}
}

func TestHeaders(t *testing.T) {
	for _, c := range []struct {
		values []string
		want   string
		ok     bool
		err    error
	}{
		{nil, "", false, nil},
		{[]string{"Negotiate YQ=="}, "", false, nil},
		{[]string{"NTLM"}, "", true, nil},
		{[]string{"Basic eDp5", "ntlm  YWJj"}, "abc", true, nil},
		{[]string{"NTLM YWJ"}, "", true, ErrMessage},
		{[]string{"NTLM " + strings.Repeat("AAAA", maxMessage)}, "", true, ErrMessage},
	} {
		got, ok, err := FromHeader(c.values)
		if string(got) != c.want || ok != c.ok || !errors.Is(err, c.err) {
			t.Errorf("%.60q: %q, %v, %v", c.values, got, ok, err)
		}
	}
	if got, _, err := FromHeader([]string{Header([]byte("abc"))}); err != nil || string(got) != "abc" {
		t.Errorf("%q, %v", got, err)
	}
}

func FuzzAnswer(f *testing.F) {
	c := testClient(f, "Pa$$w0rd")
	first := c.Begin()
	_, challenge, err := testServer(now).Begin(first)
	if err != nil {
		f.Fatal(err)
	}
	message, _, err := c.Answer(challenge)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(first, message)
	f.Add(Negotiate{Flags: OEM}.Encode(), (&Authenticate{Flags: OEM, User: "a", NT: make([]byte, 64)}).Encode())
	f.Fuzz(func(t *testing.T, first, message []byte) {
		e, _, err := testServer(now).Begin(first)
		if err != nil {
			return
		}
		a, err := e.Answer(message)
		if err != nil {
			return
		}
		// Nobody who does not know the hash gets past it.
		if _, err := Verify(make([]byte, 16), a.User, a.Domain, a.Challenge, a.Response, now); err == nil {
			t.Error("proved")
		}
		_, _ = a.Keys(make([]byte, 16))
	})
}

func FuzzChallenge(f *testing.F) {
	c := testClient(f, "Pa$$w0rd")
	_, challenge, err := testServer(now).Begin(c.Begin())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(challenge)
	f.Add(unhex(f, exampleChallengeMessage))
	f.Fuzz(func(t *testing.T, challenge []byte) {
		message, _, err := c.Answer(challenge)
		if err != nil {
			return
		}
		if _, err := ParseAuthenticate(message); err != nil && len(message) <= maxMessage {
			t.Errorf("our own answer: %v", err)
		}
	})
}
