package gss

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"hellolab/providers/wire/krb"
)

const realm = "CORP.EXAMPLE"

// lab is a service with its key, and a client with a ticket for it.
type lab struct {
	key     krb.Key
	service krb.Name
	now     time.Time
	cred    Credential
	accept  *Acceptor
}

func newLab(t testing.TB, etype int32) *lab {
	t.Helper()
	random := func() krb.Key {
		k, err := krb.RandomKey(etype, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	l := &lab{key: random(), service: krb.Service("ldap", "dc1.corp.example"), now: time.Date(2026, 11, 21, 8, 30, 0, 123456789, time.UTC)}
	session := random()
	ticket, err := krb.SealTicket(l.key, 3, realm, l.service, &krb.EncTicketPart{
		Key: session, CRealm: realm, Client: krb.Principal("alice"), AuthTime: l.now, StartTime: l.now, EndTime: l.now.Add(10 * time.Hour),
		AuthData: []krb.AuthData{{Type: krb.ADIfRelevant, Data: []byte{0x30, 0}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	l.cred = Credential{Ticket: ticket, Session: session, Realm: realm, Client: krb.Principal("alice")}
	l.accept = &Acceptor{
		Key: func(t *krb.Ticket) (krb.Key, error) {
			if !t.Server.EqualFold(l.service) || t.Realm != realm {
				return krb.Key{}, krb.NewError(krb.ErrNotUs, "")
			}
			return l.key, nil
		},
		Replay: krb.NewReplayCache(100), Now: func() time.Time { return l.now }, Skew: krb.Skew, Rand: rand.Reader,
		Service: l.service, Realm: realm,
	}
	return l
}

func (l *lab) initiator(flags Flags) InitiatorConfig {
	return InitiatorConfig{Credential: l.cred, Flags: flags, Now: l.now, Rand: rand.Reader}
}

// run passes tokens until both are done, and says how many went each way.
func run(t testing.TB, i Exchange, a *Acceptance) (sent, answered int) {
	t.Helper()
	var token []byte
	var err error
	iDone, aDone := false, false
	for !iDone || !aDone {
		if token, iDone, err = i.Step(token); err != nil {
			t.Fatalf("initiator: %v", err)
		}
		if token != nil {
			sent++
		}
		if iDone && aDone {
			break
		}
		if token == nil {
			t.Fatal("the acceptor waits, and the initiator has nothing to say")
		}
		if token, aDone, err = a.Step(token); err != nil {
			t.Fatalf("acceptor: %v", err)
		}
		if token != nil {
			answered++
		} else if !iDone {
			t.Fatal("the initiator waits, and the acceptor has nothing to say")
		}
	}
	return sent, answered
}

// talk sends messages both ways.
func talk(t testing.TB, i, a *Context) {
	t.Helper()
	for n, message := range [][]byte{nil, {1}, []byte("a short message"), bytes.Repeat([]byte("0123456789"), 1000)} {
		for _, way := range []struct{ from, to *Context }{{i, a}, {a, i}} {
			for _, seal := range []bool{false, true} {
				token, err := way.from.Wrap(message, seal)
				if err != nil {
					t.Fatal(err)
				}
				if len(message) > way.from.MaxMessage(len(token), seal) || len(message) < way.from.MaxMessage(len(token), seal) {
					t.Errorf("token of %d bytes for %d, sealed %v", len(token), len(message), seal)
				}
				if seal && len(message) > 1 && bytes.Contains(token, message) {
					t.Error("the sealed message can be read")
				}
				got, sealed, err := way.to.Unwrap(token)
				if err != nil || !bytes.Equal(got, message) || sealed != seal {
					t.Fatalf("message %d: %q, sealed %v, %v", n, got, sealed, err)
				}
			}
			mic, err := way.from.MIC(message)
			if err != nil {
				t.Fatal(err)
			}
			if err := way.to.VerifyMIC(message, mic); err != nil {
				t.Errorf("MIC: %v", err)
			}
		}
	}
}

const all = Mutual | Replay | Sequence | Confidentiality | Integrity

func TestContexts(t *testing.T) {
	for _, etype := range []int32{krb.AES128, krb.AES256} {
		for _, flags := range []Flags{all, all &^ Mutual, Integrity, Mutual | Replay} {
			for name, begin := range map[string]func(InitiatorConfig) Exchange{
				"bare":   func(c InitiatorConfig) Exchange { return NewInitiator(c) },
				"SPNEGO": func(c InitiatorConfig) Exchange { return NewNegotiator(c) },
			} {
				l := newLab(t, etype)
				i, a := begin(l.initiator(flags)), l.accept.New()
				if a.Context() != nil || a.Client() != nil || i.Context() != nil {
					t.Error("a context before the exchange")
				}
				sent, answered := run(t, i, a)
				want := 0
				if flags.Has(Mutual) || name == "SPNEGO" {
					want = 1
				}
				if sent != 1 || answered != want {
					t.Errorf("%s, flags %#x: %d tokens and %d answers", name, flags, sent, answered)
				}
				talk(t, i.Context(), a.Context())
				c := a.Client()
				if c.Name.String() != "alice" || c.Realm != realm || !c.Service.Equal(l.service) || !c.Key.Equal(l.key) || len(c.Ticket.AuthData) != 1 || a.Context().Flags() != flags {
					t.Errorf("client %+v, flags %#x", c, a.Context().Flags())
				}
				if _, _, err := a.Step(nil); !errors.Is(err, ErrState) {
					t.Errorf("a token after the last: %v", err)
				}
				if _, _, err := i.Step(nil); !errors.Is(err, ErrState) {
					t.Errorf("a token after the last: %v", err)
				}
			}
		}
	}
}

// pair makes two contexts.
func pair(t testing.TB, flags Flags) (i, a *Context) {
	t.Helper()
	l := newLab(t, krb.AES256)
	x, y := NewInitiator(l.initiator(flags)), l.accept.New()
	run(t, x, y)
	return x.Context(), y.Context()
}

func TestOrder(t *testing.T) {
	wrap := func(c *Context) []byte {
		b, err := c.Wrap([]byte("m"), true)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, c := range []struct {
		name  string
		flags Flags
		order []int
		want  []error
	}{
		{"strict", Replay | Sequence, []int{0, 1, 1, 0, 3, 2, 3}, []error{nil, nil, ErrDuplicate, ErrDuplicate, ErrOrder, nil, nil}},
		{"replay", Replay, []int{1, 0, 0, 1, 99, 35, 36, 36, 34}, []error{nil, nil, ErrDuplicate, ErrDuplicate, nil, ErrOld, nil, ErrDuplicate, ErrOld}},
		{"before the first", Replay, []int{-1, 0}, []error{ErrDuplicate, nil}},
		{"none", 0, []int{1, 0, 0, 1}, []error{nil, nil, nil, nil}},
	} {
		i, a := pair(t, c.flags)
		if c.order[0] < 0 {
			i.next--
		}
		tokens := map[int][]byte{}
		for n := min(c.order[0], 0); n < 100; n++ {
			tokens[n] = wrap(i)
		}
		for k, n := range c.order {
			if _, _, err := a.Unwrap(tokens[n]); !errors.Is(err, c.want[k]) {
				t.Errorf("%s, message %d at %d: %v, want %v", c.name, n, k, err, c.want[k])
			}
		}
	}
}

func TestRotation(t *testing.T) {
	for _, seal := range []bool{false, true} {
		for _, rrc := range []int{0, 1, 12, 28, 59, 300, 65535} {
			i, a := pair(t, all)
			token, err := i.Wrap([]byte("a message"), seal)
			if err != nil {
				t.Fatal(err)
			}
			body := token[headerSize:]
			n := rrc % len(body)
			rotated := append(bytes.Clone(token[:headerSize]), append(bytes.Clone(body[len(body)-n:]), body[:len(body)-n]...)...)
			binary.BigEndian.PutUint16(rotated[6:], uint16(rrc))
			if got, _, err := a.Unwrap(rotated); err != nil || string(got) != "a message" {
				t.Errorf("sealed %v, rotated by %d: %q, %v", seal, rrc, got, err)
			}
		}
	}
}

// Filler, which we do not send, and Windows does.
func TestFiller(t *testing.T) {
	i, a := pair(t, all)
	h := i.header(wrapTag, sealed)
	binary.BigEndian.PutUint16(h[4:], 7)
	cipher, err := i.key.Encrypt(krb.UsageInitiatorSeal, append([]byte("a message.......")[:16], h...))
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := a.Unwrap(append(h, cipher...)); err != nil || string(got) != "a message" {
		t.Errorf("%q, %v", got, err)
	}
}

// Every changed byte of a message's token is seen.
func TestMessagesRefused(t *testing.T) {
	message := []byte("a message")
	for _, seal := range []bool{false, true} {
		i, a := pair(t, all)
		token, err := i.Wrap(message, seal)
		if err != nil {
			t.Fatal(err)
		}
		for n := range token {
			bad := bytes.Clone(token)
			bad[n] ^= 0x40
			if _, _, err := a.Unwrap(bad); err == nil {
				t.Errorf("sealed %v: byte %d changed, and accepted", seal, n)
			}
			if _, _, err := a.Unwrap(token[:n]); err == nil {
				t.Errorf("sealed %v: cut to %d, and accepted", seal, n)
			}
		}
		if _, _, err := i.Unwrap(token); !errors.Is(err, ErrIntegrity) {
			t.Errorf("sent back: %v", err)
		}
		other, _ := pair(t, all)
		if token, err = other.Wrap(message, seal); err != nil {
			t.Fatal(err)
		}
		if _, _, err := a.Unwrap(token); !errors.Is(err, ErrIntegrity) {
			t.Errorf("of another context: %v", err)
		}
	}
	i, a := pair(t, all)
	mic, err := i.MIC(message)
	if err != nil {
		t.Fatal(err)
	}
	for n := range mic {
		bad := bytes.Clone(mic)
		bad[n] ^= 0x40
		if err := a.VerifyMIC(message, bad); err == nil {
			t.Errorf("byte %d of a MIC changed, and accepted", n)
		}
	}
	if err := a.VerifyMIC([]byte("a massage"), mic); !errors.Is(err, ErrIntegrity) {
		t.Errorf("another message: %v", err)
	}
	if _, _, err := a.Unwrap(mic); !errors.Is(err, ErrDefective) {
		t.Errorf("a MIC as a message: %v", err)
	}
}
