package ocsp

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"testing"
	"time"

	"hellolab/providers/wire/crl"
)

// TestReadResponse: what is said without knowing who asked, and by whom it is
// signed.
func TestReadResponse(t *testing.T) {
	ca := authority(t, "ca")
	cert := leaf(t, ca, 77)
	r := ask(t, cert, ca, []byte("0123456789abcdef"))
	for _, want := range []Answer{
		{Status: Good, ProducedAt: now, ThisUpdate: now, NextUpdate: now.Add(time.Hour), Nonce: r.Nonce},
		{Status: Revoked, RevokedAt: now.Add(-time.Minute), Reason: crl.KeyCompromise, ProducedAt: now, ThisUpdate: now},
		{Status: Unknown, ProducedAt: now, ThisUpdate: now},
	} {
		der := sign(t, want, r, ca)
		got, err := ReadResponse(der)
		if err != nil || len(got.Singles) != 1 || len(got.Certificates) != 1 {
			t.Fatalf("%+v, %v", got, err)
		}
		s := got.Singles[0]
		if s.Status != want.Status || s.Reason != want.Reason || !s.RevokedAt.Equal(want.RevokedAt) || !got.ProducedAt.Equal(want.ProducedAt) ||
			!s.ThisUpdate.Equal(want.ThisUpdate) || !s.NextUpdate.Equal(want.NextUpdate) || !bytes.Equal(got.Nonce, want.Nonce) ||
			s.Serial.Int64() != 77 || s.Hash != crypto.SHA1 || !bytes.Equal(got.ResponderName, ca.cert.RawSubject) {
			t.Errorf("read %+v, want %+v", got, want)
		}
		if err := got.CheckSignature(ca.cert); err != nil {
			t.Error(err)
		}
		if err := got.CheckSignature(authority(t, "ca").cert); !errors.Is(err, ErrSignature) {
			t.Errorf("another key: %v", err)
		}
		got.Algorithm = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}
		if err := got.CheckSignature(ca.cert); !errors.Is(err, ErrSignature) {
			t.Errorf("SHA-1: %v", err)
		}
		if _, err := ReadResponse(der[:len(der)-1]); !errors.Is(err, ErrResponse) {
			t.Errorf("cut: %v", err)
		}
	}
	var status *StatusError
	if _, err := ReadResponse(Unsigned(TryLater)); !errors.As(err, &status) || status.Code != TryLater {
		t.Errorf("unsigned: %v", err)
	}
}

// TestReadResponderByKey: RFC 6960 4.2.1 has responders that name their key.
func TestReadResponderByKey(t *testing.T) {
	ca := authority(t, "ca")
	basic, data, err := open(sign(t, Answer{ProducedAt: now, ThisUpdate: now}, ask(t, ca, ca, nil), ca))
	if err != nil {
		t.Fatal(err)
	}
	build := func(id asn1.RawValue) []byte {
		data.Responder = id
		raw, err := asn1.Marshal(data)
		if err != nil {
			t.Fatal(err)
		}
		basic.Data = asn1.RawValue{FullBytes: raw}
		inner, err := asn1.Marshal(basic)
		if err != nil {
			t.Fatal(err)
		}
		der, err := asn1.Marshal(responseASN1{Bytes: responseBytes{oidBasic, inner}})
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	key := append([]byte{4, 20}, make([]byte, 20)...)
	got, err := ReadResponse(build(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 2, IsCompound: true, Bytes: key}))
	if err != nil || len(got.ResponderKey) != 20 || got.ResponderName != nil {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := ReadResponse(build(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 3, IsCompound: true, Bytes: key})); !errors.Is(err, ErrResponse) {
		t.Errorf("neither by name nor by key: %v", err)
	}
}

func FuzzReadResponse(f *testing.F) {
	ca := authority(f, "ca")
	f.Add(sign(f, Answer{Status: Revoked, RevokedAt: now, ProducedAt: now, ThisUpdate: now}, ask(f, ca, ca, []byte("0123456789abcdef")), ca))
	f.Add(Unsigned(Unauthorized))
	other := &x509.Certificate{PublicKey: ca.cert.PublicKey}
	f.Fuzz(func(_ *testing.T, b []byte) {
		if r, err := ReadResponse(b); err == nil {
			_ = r.CheckSignature(other)
		}
	})
}
