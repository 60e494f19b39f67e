package gss

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"hellolab/providers/wire/krb"
)

// first is an initiator's first token.
func first(t testing.TB, i Exchange) []byte {
	t.Helper()
	token, _, err := i.Step(nil)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestAcceptorRefuses(t *testing.T) {
	for _, c := range []struct {
		what   string
		change func(*lab, *InitiatorConfig)
		want   error
	}{
		{"another service's key", func(l *lab, _ *InitiatorConfig) { l.key.Value = bytes.Repeat([]byte{1}, 32) }, krb.ErrBadIntegrity},
		{"ticket for another service", func(l *lab, _ *InitiatorConfig) { l.service = krb.Service("cifs", "dc1") }, krb.ErrNotUs},
		{"another client", func(_ *lab, c *InitiatorConfig) { c.Credential.Client = krb.Principal("administrator") }, krb.ErrBadMatch},
		{"another realm", func(_ *lab, c *InitiatorConfig) { c.Credential.Realm = "OTHER" }, krb.ErrBadMatch},
		{"another session key", func(_ *lab, c *InitiatorConfig) {
			c.Credential.Session = krb.Key{EType: krb.AES256, Value: make([]byte, 32)}
		}, krb.ErrBadIntegrity},
		// Fault 61: clock skew beyond 5 minutes both ways.
		{"slow clock", func(_ *lab, c *InitiatorConfig) { c.Now = c.Now.Add(-6 * time.Minute) }, krb.ErrSkew},
		{"fast clock", func(_ *lab, c *InitiatorConfig) { c.Now = c.Now.Add(6 * time.Minute) }, krb.ErrSkew},
		{"expired", func(l *lab, c *InitiatorConfig) { l.now = l.now.Add(11 * time.Hour); c.Now = l.now }, krb.ErrTicketExpired},
		{"RPC's exchange", func(_ *lab, c *InitiatorConfig) { c.Flags |= dceStyle }, krb.ErrMethod},
		{"other bindings", func(l *lab, c *InitiatorConfig) {
			l.accept.Bindings, c.Bindings = Bindings("tls-server-end-point:a"), Bindings("tls-server-end-point:b")
		}, ErrBindings},
		{"no bindings where they are demanded", func(l *lab, _ *InitiatorConfig) {
			l.accept.Bindings, l.accept.RequireBindings = Bindings("tls-server-end-point:a"), true
		}, ErrBindings},
	} {
		l := newLab(t, krb.AES256)
		config := l.initiator(all)
		c.change(l, &config)
		bare, spnego := l.accept.New(), l.accept.New()
		i := NewInitiator(config)
		out, done, err := bare.Step(first(t, i))
		if !errors.Is(err, c.want) || done || bare.Context() != nil || bare.Client() != nil {
			t.Errorf("%s: done %v, %v, want %v", c.what, done, err, c.want)
		}
		// The client learns why, where Kerberos can say it.
		if _, done, err = i.Step(out); done || krb.AsError(err).Code == krb.ErrGeneric {
			t.Errorf("%s: the client learns done %v, %v", c.what, done, err)
		}
		n := NewNegotiator(config)
		if out, done, err = spnego.Step(first(t, n)); !errors.Is(err, c.want) || done {
			t.Errorf("%s, SPNEGO: %v, want %v", c.what, err, c.want)
		}
		if _, done, err = n.Step(out); err == nil || done {
			t.Errorf("%s, SPNEGO: the client is done: %v, %v", c.what, done, err)
		}
		if _, _, err := bare.Step(out); !errors.Is(err, ErrState) {
			t.Errorf("%s: after it: %v", c.what, err)
		}
	}
}

// Fault 60: a replayed AP-REQ is refused; so is one to a full cache.
func TestReplayedToken(t *testing.T) {
	l := newLab(t, krb.AES256)
	token := first(t, NewInitiator(l.initiator(all)))
	if _, _, err := l.accept.New().Step(token); err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.accept.New().Step(token); !errors.Is(err, krb.ErrRepeat) {
		t.Errorf("again: %v", err)
	}
	l.accept.Replay = krb.NewReplayCache(0)
	if _, _, err := l.accept.New().Step(first(t, NewInitiator(l.initiator(all)))); err == nil {
		t.Error("accepted with no memory for it")
	}
}

// Fault 71: contexts under weak keys are not made.
func TestWeakKeys(t *testing.T) {
	l := newLab(t, krb.RC4)
	if _, _, err := l.accept.New().Step(first(t, NewInitiator(l.initiator(all)))); !errors.Is(err, krb.ErrETypeNoSupport) {
		t.Errorf("RC4: %v", err)
	}
	if _, _, err := NewInitiator(l.initiator(Integrity)).Step(nil); !errors.Is(err, krb.ErrETypeNoSupport) {
		t.Errorf("RC4 at the client: %v", err)
	}
}

func TestBindingsFit(t *testing.T) {
	l := newLab(t, krb.AES256)
	b := Bindings("tls-server-end-point:a")
	for _, c := range []struct {
		ours, theirs Bindings
		require      bool
	}{{b, b, true}, {b, nil, false}, {nil, b, false}} {
		l.accept.Bindings, l.accept.RequireBindings = c.ours, c.require
		config := l.initiator(all)
		config.Bindings = c.theirs
		run(t, NewInitiator(config), l.accept.New())
	}
	// RFC 5801's example of the structure would need addresses; this is the MD5
	// over four zero words, the length and the data.
	if sum := (Bindings{}).sum(); sum == [16]byte{} {
		t.Error("empty bindings look like none")
	}
}

func TestChecksumRefused(t *testing.T) {
	good := makeChecksum(all, nil)
	with := func(change func([]byte) []byte) krb.Checksum {
		return krb.Checksum{Type: checksumType, Sum: change(bytes.Clone(good.Sum))}
	}
	delegate := func(rest ...byte) krb.Checksum {
		return with(func(b []byte) []byte { b[20] |= byte(Delegate); return append(b, rest...) })
	}
	for what, c := range map[string]krb.Checksum{
		"absent":               {},
		"another type":         {Type: 16, Sum: good.Sum},
		"short":                with(func(b []byte) []byte { return b[:23] }),
		"length":               with(func(b []byte) []byte { b[0] = 15; return b }),
		"delegation, nothing":  delegate(),
		"delegation, option":   delegate(2, 0, 0, 0),
		"delegation, too long": delegate(1, 0, 5, 0, 1, 2, 3, 4),
	} {
		if _, err := readChecksum(c, nil, false); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
	// Forwarded credentials and extensions are passed over.
	if f, err := readChecksum(delegate(1, 0, 3, 0, 1, 2, 3, 9, 9), nil, false); err != nil || f != all|Delegate {
		t.Errorf("%#x, %v", f, err)
	}
}

func TestTokensRefused(t *testing.T) {
	l := newLab(t, krb.AES256)
	good := first(t, NewInitiator(l.initiator(all)))
	negotiated := first(t, NewNegotiator(l.initiator(all)))
	_, inner, err := unframe(good)
	if err != nil {
		t.Fatal(err)
	}
	ntlm := []byte{0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x02, 0x0a}
	spnego := func(members ...[]byte) []byte {
		return frame(oidSPNEGO, element(idNegInit, element(0x30, bytes.Join(members, nil))))
	}
	list := func(mechs ...[]byte) []byte { return element(0xA0, element(0x30, bytes.Join(mechs, nil))) }
	for what, token := range map[string][]byte{
		"empty":                nil,
		"one byte":             {0x60},
		"indefinite":           {0x60, 0x80, 0, 0},
		"long length":          {0x60, 0x84, 0x7f, 0xff, 0xff, 0xff},
		"cut":                  good[:len(good)-1],
		"tail":                 append(bytes.Clone(good), 0),
		"no identifier":        element(idToken, inner),
		"empty identifier":     element(idToken, []byte{6, 0, 1, 0}),
		"NTLM":                 []byte("NTLMSSP\x00\x01\x00\x00\x00"),
		"another mechanism":    frame(ntlm, inner),
		"no message":           frame(oidKerberos, nil),
		"AP-REP first":         frameKerberos(tokAPRep, inner[2:]),
		"error first":          frameKerberos(tokError, inner[2:]),
		"no AP-REQ":            frameKerberos(tokAPReq, []byte{0x6E, 0}),
		"too long":             make([]byte, maxToken+1),
		"SPNEGO cut":           negotiated[:len(negotiated)-2],
		"SPNEGO without list":  spnego(),
		"SPNEGO, empty list":   spnego(list()),
		"SPNEGO, NTLM alone":   spnego(list(ntlm)),
		"SPNEGO, many":         spnego(list(bytes.Repeat(oidKerberos, maxMechs+1))),
		"SPNEGO, list is bad":  spnego(element(0xA0, element(0x30, []byte{5, 0}))),
		"SPNEGO, token is bad": spnego(list(oidKerberos), element(0xA2, element(0x30, nil))),
		"SPNEGO, order":        spnego(element(0xA2, element(4, good)), list(oidKerberos)),
		"SPNEGO, twice":        spnego(list(oidKerberos), list(oidKerberos)),
		"SPNEGO, deep":         spnego(bytes.Repeat([]byte{0x30, 0x80}, 50000)),
		"SPNEGO, answer first": response{state: stateIncomplete, token: good}.encode(),
	} {
		a := l.accept.New()
		if _, done, err := a.Step(token); err == nil || done || a.Context() != nil {
			t.Errorf("%s: done %v, %v", what, done, err)
		}
	}
}

// What a man in the middle, or a broken acceptor, may answer.
func TestInitiatorRefuses(t *testing.T) {
	l := newLab(t, krb.AES256)
	other := newLab(t, krb.AES256)
	reply := func(l *lab, flags Flags) []byte {
		out, _, err := l.accept.New().Step(first(t, NewInitiator(l.initiator(flags))))
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	early := l.initiator(all)
	early.Now = early.Now.Add(-time.Second)
	earlier, _, err := l.accept.New().Step(first(t, NewInitiator(early)))
	if err != nil {
		t.Fatal(err)
	}
	for what, token := range map[string][]byte{
		"nothing":             nil,
		"another's AP-REP":    reply(other, all),
		"an earlier AP-REP":   earlier,
		"AP-REQ":              first(t, NewInitiator(l.initiator(all))),
		"no message":          frame(oidKerberos, []byte{2, 0}),
		"completed, no proof": response{state: stateCompleted, mech: oidKerberos}.encode(),
		"reject":              response{state: stateReject}.encode(),
		"other mechanism":     response{state: stateIncomplete, mech: oidMSKerberos, token: reply(l, all)}.encode(),
		"two answers' state":  {0xA1, 7, 0x30, 5, 0xA0, 3, 0x0A, 1, 9},
	} {
		for _, x := range []Exchange{NewInitiator(l.initiator(all)), NewNegotiator(l.initiator(all))} {
			first(t, x)
			if _, done, err := x.Step(token); err == nil || done || x.Context() != nil {
				t.Errorf("%s: done %v, %v", what, done, err)
			}
		}
	}
}

// negotiateFirst is a first token that prefers another mechanism, as Windows
// does with NTLM or NEGOEX.
func negotiateFirst(mechs ...[]byte) (token, list []byte) {
	list = element(0x30, bytes.Join(mechs, nil))
	body := append(element(0xA0, list), element(0xA2, element(4, []byte("another mechanism's token")))...)
	return frame(oidSPNEGO, element(idNegInit, element(0x30, body))), list
}

// The list is signed by both when the preferred mechanism is not the one.
func TestListIsSigned(t *testing.T) {
	ntlm := []byte{0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x02, 0x0a}
	for _, c := range []struct {
		what   string
		signed func(list []byte) []byte
		want   error
	}{
		{"as sent", func(list []byte) []byte { return list }, nil},
		{"changed on the way", func([]byte) []byte { return element(0x30, oidKerberos) }, ErrIntegrity},
		{"not at all", nil, ErrDefective},
	} {
		l := newLab(t, krb.AES256)
		a, i := l.accept.New(), NewInitiator(l.initiator(all))
		token, list := negotiateFirst(ntlm, oidMSKerberos)
		out, done, err := a.Step(token)
		r, parseErr := parseResponse(out)
		if err != nil || parseErr != nil || done || r.state != stateRequestMIC || !bytes.Equal(r.mech, oidMSKerberos) || r.token != nil {
			t.Fatalf("%+v, done %v, %v, %v", r, done, err, parseErr)
		}
		out, done, err = a.Step(response{state: stateAbsent, token: first(t, i)}.encode())
		r, parseErr = parseResponse(out)
		if err != nil || parseErr != nil || done || r.state != stateIncomplete || a.Context() != nil {
			t.Fatalf("%+v, done %v, %v, %v", r, done, err, parseErr)
		}
		if _, _, err := i.Step(r.token); err != nil {
			t.Fatal(err)
		}
		if err := i.Context().VerifyMIC(list, r.mic); err != nil {
			t.Errorf("%s: acceptor's MIC: %v", c.what, err)
		}
		last := response{state: stateCompleted}
		if c.signed != nil {
			if last.mic, err = i.Context().MIC(c.signed(list)); err != nil {
				t.Fatal(err)
			}
		}
		out, done, err = a.Step(last.encode())
		if !errors.Is(err, c.want) || done != (c.want == nil) || (a.Client() != nil) != done {
			t.Errorf("%s: done %v, %v", c.what, done, err)
		}
		if done {
			talk(t, i.Context(), a.Context())
		}
		if done && out != nil {
			t.Errorf("%s: %x after the end", c.what, out)
		}
	}
}

// Our client signs the list when it is asked to.
func TestClientSigns(t *testing.T) {
	for _, bad := range []bool{false, true} {
		l := newLab(t, krb.AES256)
		n, bare := NewNegotiator(l.initiator(all)), l.accept.New()
		_, inner, err := unframe(first(t, n))
		if err != nil {
			t.Fatal(err)
		}
		p, err := parse(inner, idNegInit)
		if err != nil {
			t.Fatal(err)
		}
		token, err := p.octets(2)
		if err != nil {
			t.Fatal(err)
		}
		rep, _, err := bare.Step(token)
		if err != nil {
			t.Fatal(err)
		}
		out, done, err := n.Step(response{state: stateRequestMIC, mech: oidKerberos, token: rep}.encode())
		if err != nil || done {
			t.Fatalf("done %v, %v", done, err)
		}
		r, err := parseResponse(out)
		if err != nil {
			t.Fatal(err)
		}
		if err := bare.Context().VerifyMIC(p[0], r.mic); err != nil {
			t.Errorf("client's MIC: %v", err)
		}
		last := response{state: stateCompleted}
		if !bad {
			if last.mic, err = bare.Context().MIC(p[0]); err != nil {
				t.Fatal(err)
			}
		}
		_, done, err = n.Step(last.encode())
		if bad && (!errors.Is(err, ErrProof) || done) || !bad && (err != nil || !done) {
			t.Errorf("bad %v: done %v, %v", bad, done, err)
		}
	}
}

func TestHTTP(t *testing.T) {
	token := make([]byte, 3000)
	rand.Read(token)
	if got, ok, err := FromHeader([]string{"Basic realm=x", strings.ToLower(Header(token)[:9]) + Header(token)[9:]}); err != nil || !ok || !bytes.Equal(got, token) {
		t.Errorf("%x, %v, %v", got, ok, err)
	}
	if got, ok, err := FromHeader([]string{Header(nil)}); err != nil || !ok || got != nil {
		t.Errorf("demand: %x, %v, %v", got, ok, err)
	}
	for _, none := range [][]string{nil, {""}, {"Bearer abc"}, {"Negotiated abc"}} {
		if _, ok, err := FromHeader(none); ok || err != nil {
			t.Errorf("%v: %v, %v", none, ok, err)
		}
	}
	for _, bad := range []string{"Negotiate ???", "Negotiate YQ", "Negotiate YR==", "Negotiate " + strings.Repeat("A", 2*maxToken)} {
		if _, ok, err := FromHeader([]string{bad}); !ok || !errors.Is(err, ErrDefective) {
			t.Errorf("%.20s: %v, %v", bad, ok, err)
		}
	}
}

func FuzzAccept(f *testing.F) {
	l := newLab(f, krb.AES128)
	f.Add(first(f, NewInitiator(l.initiator(all))))
	f.Add(first(f, NewNegotiator(l.initiator(all))))
	token, _ := negotiateFirst([]byte{6, 1, 5}, oidKerberos)
	f.Add(token)
	f.Add(response{state: stateIncomplete, mech: oidKerberos, token: []byte{1}, mic: []byte{2}}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		l.accept.Replay = krb.NewReplayCache(10)
		a := l.accept.New()
		if _, done, err := a.Step(b); err == nil && !done {
			a.Step(b)
		}
		i, n := NewInitiator(l.initiator(all)), NewNegotiator(l.initiator(all))
		first(t, i)
		first(t, n)
		i.Step(b)
		n.Step(b)
		parseResponse(b)
	})
}

func FuzzUnwrap(f *testing.F) {
	i, a := pair(f, Integrity)
	for _, seal := range []bool{false, true} {
		token, err := i.Wrap([]byte("a message"), seal)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(token)
		rotated := bytes.Clone(token)
		binary.BigEndian.PutUint16(rotated[6:], 0xFFFF)
		f.Add(rotated)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, _, err := a.Unwrap(b); err == nil && string(m) != "a message" {
			t.Errorf("%x is %q", b, m)
		}
		if err := a.VerifyMIC(nil, b); err == nil {
			t.Errorf("%x is a MIC", b)
		}
	})
}
