package kerberos

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	stdasn1 "encoding/asn1"
	"encoding/hex"
	"fmt"
	"io"
	"math/big"
	"time"

	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/cms"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/krbclient"
	"hellolab/providers/wire/pkinit"
)

// Key is what a user proves: a key in the machine's key storage.
type Key struct {
	Signer crypto.Signer // signs SHA-256 digests
	// Certificates is an authority's certificate for the key and what leads to
	// its root; none for a key that is registered itself (key trust), around
	// which a certificate is made.
	Certificates []*x509.Certificate
	Subject      string // common name of a certificate that is made
}

// KeySubject is how Windows names the certificate around a Hello key, by what
// its certificate stores show (no document says it): the user's SID, the key's id,
// and what it is called in the container, which says whose key it was when it was
// made.
//
//	S-1-5-21-…-1104/<key>/login.windows.net/<tenant>/alice@contoso.com
func KeySubject(sid, key, name string) string { return sid + "/" + key + "/" + name }

// SelfSigned makes the certificate around a key (KEY-23). Its life has no bounds
// (RFC 5280 4.1.2.5), as whose clock is wrong is for the request's time to tell.
func SelfSigned(random io.Reader, signer crypto.Signer, subject string) (*x509.Certificate, error) {
	serial := make([]byte, 16)
	if _, err := io.ReadFull(random, serial); err != nil {
		return nil, fmt.Errorf("read random serial number: %w", err)
	}
	serial[0] = serial[0]&0x7f | 0x40 // positive, and of one length
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial), Subject: pkix.Name{CommonName: subject},
		NotBefore: time.Unix(0, 0).UTC(), NotAfter: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		KeyUsage: x509.KeyUsageDigitalSignature, UnknownExtKeyUsage: []stdasn1.ObjectIdentifier{adcert.EKUSmartCardLogon},
	}
	der, err := x509.CreateCertificate(random, template, template, signer.Public(), signer)
	if err != nil {
		return nil, fmt.Errorf("make a certificate around the key: %w", err)
	}
	return x509.ParseCertificate(der)
}

// groups are those that the client speaks, the one that it begins with first.
func groups() []*pkinit.Group {
	return []*pkinit.Group{pkinit.MODP2048, pkinit.MODP4096, pkinit.P256, pkinit.P384, pkinit.P521}
}

// proof is pre-authentication by a key.
type proof struct {
	pkinit.Preauth
	key Key
	p   *Provider
}

func (p *Provider) proof(ctx context.Context, key Key) *proof {
	x := &proof{key: key, p: p}
	x.Rand, x.Trust = p.Rand, p.trust(ctx)
	x.Group, x.KDFs, x.DHNonce, x.Checksum2 = groups()[0], []stdasn1.ObjectIdentifier{pkinit.KDFSHA256}, true, crypto.SHA256
	return x
}

// Data implements krbclient.Preauth.
func (x *proof) Data(ctx context.Context, r krbclient.Request) ([]krb.PAData, error) {
	certs := x.key.Certificates
	if certs == nil {
		own, err := SelfSigned(x.p.Rand, x.key.Signer, x.key.Subject)
		if err != nil {
			return nil, err
		}
		certs = []*x509.Certificate{own}
	}
	x.Signer = cms.Signer{Key: x.key.Signer, Certificates: certs, ID: cms.BySerial(certs[0])}
	data, err := x.Preauth.Data(ctx, r)
	if err != nil {
		return nil, err
	}
	_, fresh := krb.FindPA(r.Offered, krb.PAASFreshness)
	sum := sha256.Sum256(certs[0].RawSubjectPublicKeyInfo)
	x.p.emit("as_request", "The Kerberos provider signs the pre-authentication data with the key", map[string]any{
		"client": r.KDCReq.Body.Client.String(), "realm": r.KDCReq.Body.Realm, "subject": NameOf(certs[0].RawSubject), "issuer": NameOf(certs[0].RawIssuer),
		"key": hex.EncodeToString(sum[:]), "agreement": x.Group.Name, "fresh": fresh, "exchange": krb.ExchangeID(r.KDCReq.RawBody),
	})
	return data, nil
}
