package pkinit

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"testing"
	"time"
)

func seedAuthPack() []byte {
	a := AuthPack{
		PKAuthenticator: PKAuthenticator{Time: now, Nonce: 1, PAChecksum: []byte{1}, FreshnessToken: []byte{2}},
		PublicValue:     must(MODP2048.GenerateKey(rand.Reader)).Public(), KDFs: DefaultKDFs(), DHNonce: []byte{3},
	}
	return must(a.Encode())
}

func FuzzParseRequest(f *testing.F) {
	client, kdc := parties()
	for _, i := range []Initiator{{Group: P256, KDFs: DefaultKDFs(), DHNonce: true, Checksum2: crypto.SHA512}, {Trusted: []ExternalPrincipalIdentifier{must(IdentifierOf(kdc.cert))}}} {
		i.Signer = client.signer()
		f.Add(must(i.Start(rand.Reader, now, 1, body, []byte{1})).Value)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := ParsePAPKASReq(b); err == nil {
			out, err := r.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if again, err := ParsePAPKASReq(out); err != nil || !bytes.Equal(again.SignedAuthPack, r.SignedAuthPack) {
				t.Fatalf("%x became %x: %v", b, out, err)
			}
		}
		_, _ = ParseRequest(b)
	})
}

func FuzzParseAuthPack(f *testing.F) {
	f.Add(seedAuthPack())
	f.Add(must((&AuthPack{PKAuthenticator: PKAuthenticator{Time: now, PAChecksum2: &PAChecksum2{Digest: KDFSHA1}}}).Encode()))
	_, kdc := parties()
	own := map[*Group]*PrivateKey{}
	for _, g := range []*Group{MODP1024, P256} {
		own[g] = must(g.GenerateKey(rand.Reader))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := ParseAuthPack(b)
		if err != nil {
			return
		}
		_ = a.CheckBody(body)
		if a.PublicValue == nil || a.PublicValue.CheckGroup(DefaultGroups()) != nil {
			return
		}
		out, err := a.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParseAuthPack(out); err != nil || !again.Time.Equal(a.Time) || again.PublicValue.Group != a.PublicValue.Group {
			t.Fatalf("%x became %x: %v", b, out, err)
		}
		if key := own[a.PublicValue.Group]; key != nil {
			_, _, _ = AnswerDH(rand.Reader, a, DHAnswer{Signer: kdc.signer(), Key: key, KDFs: DefaultKDFs()}, exchange())
		}
	})
}

func FuzzParseReply(f *testing.F) {
	client, _ := parties()
	var attempts []*Attempt
	for _, i := range []Initiator{{Group: P256, KDFs: DefaultKDFs()}, {Decrypter: client.key}} {
		i.Signer = client.signer()
		a := must(i.Start(rand.Reader, now, 1, body, nil))
		attempts = append(attempts, a)
		value, _ := answer(f, a.Value, time.Time{}, exchange())
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := ParsePAPKASRep(b); err == nil {
			if _, err := r.Encode(); err != nil {
				t.Fatal(err)
			}
		}
		_, _ = ParseKDCDHKeyInfo(b)
		_, _ = ParseReplyKeyPack(b)
		_, _ = ParseDHParameters(b)
		_, _ = ParseIdentifiers(b)
		for _, a := range attempts {
			_, _ = a.Finish(rand.Reader, b, exchange(), trustAll)
		}
	})
}
