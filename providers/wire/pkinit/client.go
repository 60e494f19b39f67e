package pkinit

import (
	"crypto"
	"crypto/sha1"
	"crypto/x509"
	stdasn1 "encoding/asn1"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"hellolab/providers/wire/cms"
	"hellolab/providers/wire/krb"
)

// Initiator is how a client signs in. Signer's first certificate is the
// client's own.
type Initiator struct {
	Signer    cms.Signer
	Group     *Group           // nil: the RSA mode
	Decrypter crypto.Decrypter // RSA mode: the key of the client's certificate

	KDFs      []stdasn1.ObjectIdentifier    // none: the derivation of RFC 4556
	DHNonce   bool                          // send one, so that the KDC may reuse its key
	CMSTypes  []stdasn1.ObjectIdentifier    // ciphers, for the RSA mode
	Checksum2 crypto.Hash                   // 0: no paChecksum2
	Trusted   []ExternalPrincipalIdentifier // the CAs that the client trusts; may be none
}

// Attempt is one request on its way. Value is its PA-PK-AS-REQ.
type Attempt struct {
	Value []byte

	from Initiator
	key  *PrivateKey
	pack AuthPack
}

// Start makes the PA-PK-AS-REQ for a request whose KDC-REQ-BODY is body. nonce
// is the body's. A freshness token is what the KDC sent; nil when it sent none.
func (i Initiator) Start(rand io.Reader, now time.Time, nonce uint32, body, freshness []byte) (*Attempt, error) {
	sum := sha1.Sum(body)
	t := &Attempt{from: i, pack: AuthPack{
		PKAuthenticator: PKAuthenticator{Time: now, Nonce: nonce, PAChecksum: sum[:], FreshnessToken: freshness},
		CMSTypes:        i.CMSTypes,
	}}
	if i.Checksum2 != 0 {
		h := i.Checksum2.New()
		h.Write(body)
		t.pack.PAChecksum2 = &PAChecksum2{Digest: cms.DigestOID(i.Checksum2), Sum: h.Sum(nil)}
	}
	if i.Group != nil {
		var err error
		if t.key, err = i.Group.GenerateKey(rand); err != nil {
			return nil, err
		}
		t.pack.PublicValue, t.pack.KDFs = t.key.Public(), i.KDFs
		if i.DHNonce {
			t.pack.DHNonce = make([]byte, 32)
			if _, err := io.ReadFull(rand, t.pack.DHNonce); err != nil {
				return nil, fmt.Errorf("read random nonce: %w", err)
			}
		}
	}
	content, err := t.pack.Encode()
	if err != nil {
		return nil, err
	}
	message, err := i.Signer.Sign(rand, AuthDataOID, content)
	if err != nil {
		return nil, err
	}
	t.Value, err = (&PAPKASReq{SignedAuthPack: cms.ContentInfo(cms.SignedDataOID, message), TrustedCertifiers: i.Trusted}).Encode()
	return t, err
}

// Renegotiate returns the initiator with the first group of the KDC's that it
// also speaks, by the e-data of error 65.
func (i Initiator) Renegotiate(data []byte, speaks []*Group) (Initiator, error) {
	list, err := krb.ParseTypedData(data)
	if err != nil {
		return i, err
	}
	for _, d := range list {
		if d.Type != krb.TDDHParameters {
			continue
		}
		offered, err := ParseDHParameters(d.Value)
		if err != nil {
			return i, err
		}
		for _, g := range offered {
			if g != i.Group && slices.Contains(speaks, g) {
				i.Group = g
				return i, nil
			}
		}
	}
	return i, errors.New("the KDC accepts no group that this client speaks")
}

// Trust decides whether the holder of a certificate is the KDC. others came
// with it, and may help to build its chain.
type Trust func(kdc *x509.Certificate, others []*x509.Certificate) error

// Errors of Finish, beside those of the structures. A client reports the first
// as KDC_NOT_TRUSTED (63).
var (
	ErrNoCertificate = errors.New("the KDC sent no certificate for its signature")
	ErrNonce         = errors.New("the KDC's reply is to another request")
	ErrWeakened      = errors.New("the KDC's reply is not of the kind that was asked for")
)

// Finish opens the value of PA-PK-AS-REP and makes the reply key. trust is
// asked before anything of the reply is used; x.EType is that of the encrypted
// part of the AS-REP. Signatures with SHA-1 are not accepted.
func (t *Attempt) Finish(rand io.Reader, value []byte, x Exchange, trust Trust) (krb.Key, error) {
	rep, err := ParsePAPKASRep(value)
	if err != nil {
		return krb.Key{}, err
	}
	if (rep.DHInfo != nil) != (t.key != nil) {
		return krb.Key{}, ErrWeakened
	}
	if rep.DHInfo == nil {
		return t.finishRSA(rand, rep.EncKeyPack, x, trust)
	}
	if kdf := rep.DHInfo.KDF; kdf != nil && !slices.ContainsFunc(t.pack.KDFs, kdf.Equal) {
		return krb.Key{}, fmt.Errorf("%w: key derivation function %s", ErrWeakened, kdf)
	}
	content, err := openSigned(rep.DHInfo.SignedData, DHKeyDataOID, trust)
	if err != nil {
		return krb.Key{}, err
	}
	info, err := ParseKDCDHKeyInfo(content)
	if err != nil {
		return krb.Key{}, err
	}
	if info.Nonce != t.pack.Nonce {
		return krb.Key{}, ErrNonce
	}
	z, err := t.key.Shared(info.PublicKey)
	if err != nil {
		return krb.Key{}, err
	}
	return agreedKey(*rep.DHInfo, z, t.pack.DHNonce, x, value)
}

func (t *Attempt) finishRSA(rand io.Reader, pack []byte, x Exchange, trust Trust) (krb.Key, error) {
	sealed, err := cms.ParseEnvelopedData(pack)
	if err != nil {
		return krb.Key{}, err
	}
	if t.from.Decrypter == nil || len(t.from.Signer.Certificates) == 0 {
		return krb.Key{}, errors.New("RSA mode without a key that decrypts and its certificate")
	}
	message, err := sealed.Open(rand, t.from.Decrypter, t.from.Signer.Certificates[0])
	if err != nil {
		return krb.Key{}, err
	}
	content, err := openSigned(message, RKeyDataOID, trust)
	if err != nil {
		return krb.Key{}, err
	}
	p, err := ParseReplyKeyPack(content)
	if err != nil {
		return krb.Key{}, err
	}
	if p.Key.EType != x.EType || !p.Key.VerifyChecksum(krb.UsageTGSReqChecksum, x.ASReq, p.Checksum) {
		return krb.Key{}, ErrNonce
	}
	return p.Key, nil
}

// openSigned returns the content of a KDC's signed message.
func openSigned(der []byte, contentType stdasn1.ObjectIdentifier, trust Trust) ([]byte, error) {
	d, err := cms.ParseSignedData(der)
	if err != nil {
		return nil, err
	}
	if !d.ContentType.Equal(contentType) {
		return nil, malformed("content type of the KDC's message")
	}
	cert := d.SignerCertificate()
	if cert == nil {
		return nil, ErrNoCertificate
	}
	if err := trust(cert, d.Certificates); err != nil {
		return nil, err
	}
	if err := d.Verify(cert.PublicKey, cms.Accept{}); err != nil {
		return nil, err
	}
	return d.Content, nil
}
