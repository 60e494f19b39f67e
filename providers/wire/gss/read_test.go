package gss

import (
	"slices"
	"testing"

	"hellolab/providers/wire/krb"
)

// TestReadToken: each token of a negotiation, and of the messages after it, is
// seen from outside as what it is.
func TestReadToken(t *testing.T) {
	l := newLab(t, krb.AES256)
	i, a := NewNegotiator(l.initiator(Mutual|Integrity|Confidentiality)), l.accept.New()
	first, _, err := i.Step(nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadToken(first)
	if err != nil || got.Mechanism != "1.3.6.1.5.5.2" || got.Negotiation.Answer || !slices.Contains(got.Negotiation.Mechanisms, "1.2.840.113554.1.2.2") {
		t.Fatalf("%+v, %v", got, err)
	}
	inner, err := ReadToken(got.Negotiation.Token)
	if err != nil || inner.ID != TokenAPReq {
		t.Fatalf("%+v, %v", inner, err)
	}
	if _, err := krb.ParseAPReq(inner.Message); err != nil {
		t.Error(err)
	}
	answer, _, err := a.Step(first)
	if err != nil {
		t.Fatal(err)
	}
	got, err = ReadToken(answer)
	if err != nil || !got.Negotiation.Answer || got.Negotiation.State != "accept-completed" {
		t.Fatalf("%+v, %v", got, err)
	}
	if inner, err = ReadToken(got.Negotiation.Token); err != nil || inner.ID != TokenAPRep {
		t.Errorf("%+v, %v", inner, err)
	}
	for _, b := range [][]byte{first, answer} {
		for cut := range b {
			if _, err := ReadToken(b[:cut]); err == nil || Framed(b[:cut]) {
				t.Fatalf("cut at %d is read", cut)
			}
		}
		if !Framed(b) {
			t.Error("is no token")
		}
	}
	if _, _, err := i.Step(answer); err != nil {
		t.Fatal(err)
	}
	sealedToken, err := i.Context().Wrap([]byte("hello"), true)
	if err != nil {
		t.Fatal(err)
	}
	mic, err := a.Context().MIC([]byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := ReadSealing(sealedToken); !ok || s.MIC || !s.Sealed || s.Acceptor || s.Length != len(sealedToken)-headerSize {
		t.Errorf("%+v", s)
	}
	if s, ok := ReadSealing(mic); !ok || !s.MIC || !s.Acceptor || s.Length != sumSize {
		t.Errorf("%+v", s)
	}
	mic[5] = 0
	for _, b := range [][]byte{mic, mic[:3], nil, first} {
		if s, ok := ReadSealing(b); ok {
			t.Errorf("%.8x is %+v", b, s)
		}
	}
}

func FuzzReadToken(f *testing.F) {
	l := newLab(f, krb.AES256)
	i, a := NewNegotiator(l.initiator(Mutual)), l.accept.New()
	first, _, err := i.Step(nil)
	if err != nil {
		f.Fatal(err)
	}
	answer, _, err := a.Step(first)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(first)
	f.Add(answer)
	f.Add([]byte("\x05\x04\x02\xff\x00\x00\x00\x1c01234567"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := ReadToken(b); err == nil && got.Negotiation == nil && got.Mechanism == "" {
			t.Fatal("a token of nothing")
		}
		ReadSealing(b)
	})
}
