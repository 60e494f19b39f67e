package passthrough

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"hellolab/providers/wire/sid"
)

var (
	alice = sid.New(5, 21, 1, 2, 3, 1104)
	asked = Request{User: "alice", Domain: "CORP", Workstation: "PC", Challenge: [8]byte{1, 2, 3, 4, 5, 6, 7, 8}, Response: []byte("response")}
	good  = Reply{Account: &Account{SessionBase: bytes.Repeat([]byte{7}, 16), Name: "alice", Domain: "CORP", SID: alice, Groups: []sid.SID{alice.Domain().Account(513)}}}
)

func TestRoundTrip(t *testing.T) {
	b, err := asked.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseRequest(b); err != nil || !reflect.DeepEqual(*got, asked) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, r := range []Reply{good, {Status: StatusWrongPassword}} {
		b, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseReply(b); err != nil || !reflect.DeepEqual(*got, r) {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

// What says that an answer is good must say whose it is, and the other way.
func TestRefused(t *testing.T) {
	short := *good.Account
	short.SessionBase = short.SessionBase[:15]
	for name, r := range map[string]Reply{
		"success without an account":   {Status: StatusSuccess},
		"a refusal with an account":    {Status: StatusWrongPassword, Account: good.Account},
		"a session key that is short":  {Account: &short},
		"an account without identifer": {Account: &Account{SessionBase: good.Account.SessionBase}},
	} {
		b, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseReply(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	b, err := asked.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"nothing": nil, "cut": b[:len(b)-1], "more": append(bytes.Clone(b), 0), "too long": make([]byte, maxRequest+1),
		"a short challenge": bytes.Replace(b, []byte{4, 8, 1, 2, 3, 4, 5, 6, 7, 8}, []byte{4, 7, 1, 2, 3, 4, 5, 6, 7, 5}, 1),
	} {
		if got, err := ParseRequest(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestWhatClientsHear(t *testing.T) {
	for s, want := range map[Status]Status{StatusNoSuchUser: StatusLogonFailure, StatusWrongPassword: StatusLogonFailure, StatusAccountDisabled: StatusAccountDisabled} {
		if got := s.ForClient(); got != want {
			t.Errorf("%s: %s", s.Name(), got.Name())
		}
	}
	if s := Status(0xC0000022); s.Name() != "0xC0000022" || s.Sentence() == "" {
		t.Errorf("a status without a name: %q %q", s.Name(), s.Sentence())
	}
}

func FuzzParse(f *testing.F) {
	b, _ := asked.Encode()
	f.Add(b)
	b, _ = good.Encode()
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := ParseRequest(b); err == nil {
			if again, err := r.Encode(); err != nil || !bytes.Equal(again, b) {
				t.Errorf("%x became %x, %v", b, again, err)
			}
		}
		if r, err := ParseReply(b); err == nil {
			if again, err := r.Encode(); err != nil || !bytes.Equal(again, b) {
				t.Errorf("%x became %x, %v", b, again, err)
			}
		}
	})
}
