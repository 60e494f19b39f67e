package kdc

import (
	"context"
	"crypto/rand"
	"encoding/asn1"
	"testing"

	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/cms"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/pkinit"
)

// FuzzPKINIT gives the KDC a PA-PK-AS-REQ as it is, and the same bytes as an
// AuthPack with a right signature, so that what comes after the signature is
// reached, too.
func FuzzPKINIT(f *testing.F) {
	l := newKeyLab(f, func(c *PKINITConfig) { c.Policy.KeylessCMS = true })
	l.register(f, "alice", &helloKey().PublicKey, true, true)
	signer := user(labPKI().root, ecKey(), aliceUPN, smartCard, adcert.SIDExtension(domainSID.Account(1104))).signer()
	a := pkinit.AuthPack{PKAuthenticator: pkinit.PKAuthenticator{Time: l.now, Nonce: 1, PAChecksum: make([]byte, 20), FreshnessToken: l.pk.tokens.issue(l.now)},
		PublicValue: p256().Public(), KDFs: pkinit.DefaultKDFs(), DHNonce: []byte{1}, CMSTypes: []asn1.ObjectIdentifier{cms.AES256CBC}}
	f.Add(must(a.Encode()))
	message := cms.ContentInfo(cms.SignedDataOID, must(signer.Sign(rand.Reader, pkinit.AuthDataOID, must(a.Encode()))))
	f.Add(must((&pkinit.PAPKASReq{SignedAuthPack: message}).Encode()))
	f.Fuzz(func(t *testing.T, b []byte) {
		l.forget()
		signed := cms.ContentInfo(cms.SignedDataOID, must(signer.Sign(rand.Reader, pkinit.AuthDataOID, b)))
		for _, value := range [][]byte{b, must((&pkinit.PAPKASReq{SignedAuthPack: signed}).Encode())} {
			answer := l.Handle(context.Background(), l.message(t, request{raw: value}))
			if krb.IsError(answer) {
				if e := must(krb.ParseError(answer)); e.Code == krb.ErrGeneric {
					t.Fatalf("something broke: %+v", l.last())
				}
			} else if _, err := krb.ParseKDCRep(answer); err != nil {
				t.Fatal(err)
			}
		}
	})
}
