package pkinit

import (
	"crypto/sha1"
	"crypto/subtle"
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

// CheckBody checks the checksums over the KDC-REQ-BODY as it was sent. Errors
// are *krb.Error: 79 when paChecksum is missing, 41 when one of the two is
// wrong, 80 when the digest of paChecksum2 is not known.
func (p *PKAuthenticator) CheckBody(body []byte) error {
	if p.PAChecksum == nil {
		return krb.NewError(krb.ErrPAChecksumMissing, "")
	}
	sum := sha1.Sum(body)
	if subtle.ConstantTimeCompare(sum[:], p.PAChecksum) != 1 {
		return krb.NewError(krb.ErrModified, "The checksum in the signed request is not that of the request.")
	}
	if p.PAChecksum2 == nil {
		return nil
	}
	hash, err := cms.HashOf(p.PAChecksum2.Digest)
	if err != nil {
		return krb.NewError(krb.ErrSignedDataDigestNotAccepted, "The digest %s of the request's second checksum is not known.", p.PAChecksum2.Digest)
	}
	h := hash.New()
	h.Write(body)
	if subtle.ConstantTimeCompare(h.Sum(nil), p.PAChecksum2.Sum) != 1 {
		return krb.NewError(krb.ErrModified, "The second checksum in the signed request is not that of the request.")
	}
	return nil
}

// CheckGroup checks that the client's key is of an accepted group. The error is
// 65 with the accepted groups as e-data, from which a client picks another.
func (v *PublicValue) CheckGroup(accepted []*Group) error {
	if v.Group != nil && slices.Contains(accepted, v.Group) {
		return nil
	}
	name := "The group"
	if v.Group != nil {
		name = v.Group.Name
	}
	return groupError(accepted, name+" is not accepted for a key agreement here.")
}

func groupError(accepted []*Group, sentence string) error {
	value, err := EncodeDHParameters(accepted)
	if err != nil {
		return err
	}
	data, err := krb.EncodeTypedData([]krb.TypedData{{Type: krb.TDDHParameters, Value: value}})
	if err != nil {
		return err
	}
	return krb.NewError(krb.ErrDHParametersNotAccepted, "%s", sentence).WithData(data)
}

// DHAnswer is what a KDC decides about a key agreement.
type DHAnswer struct {
	Signer cms.Signer                 // with the KDC's certificate
	Key    *PrivateKey                // of the client's group
	KDFs   []stdasn1.ObjectIdentifier // in the KDC's order of preference

	// A key that serves several requests comes with the time until which it
	// does, and the reply with a fresh nonce of the KDC's (RFC 4556 3.2.3.1);
	// it may only serve clients that sent a nonce.
	Reused time.Time
}

// AnswerDH makes the PA-PK-AS-REP of the Diffie-Hellman mode and the reply key.
// Errors that concern the client are *krb.Error: 65 for its key, 100 when it
// listed functions and none is known, 14 for the encryption type.
func AnswerDH(rand io.Reader, a *AuthPack, d DHAnswer, x Exchange) ([]byte, krb.Key, error) {
	z, err := d.Key.Shared(a.PublicValue.Key)
	if errors.Is(err, ErrPublicKey) {
		return nil, krb.Key{}, groupError([]*Group{d.Key.group}, "The client's public key is not acceptable in its group.")
	} else if err != nil {
		return nil, krb.Key{}, err
	}
	info := DHRepInfo{}
	if len(a.KDFs) > 0 {
		i := slices.IndexFunc(d.KDFs, func(id stdasn1.ObjectIdentifier) bool { return slices.ContainsFunc(a.KDFs, id.Equal) })
		if i < 0 {
			return nil, krb.Key{}, krb.NewError(krb.ErrNoAcceptableKDF, "")
		}
		info.KDF = d.KDFs[i]
	}
	signed := KDCDHKeyInfo{PublicKey: d.Key.public, Nonce: a.Nonce}
	if !d.Reused.IsZero() {
		if len(a.DHNonce) == 0 {
			return nil, krb.Key{}, errors.New("a key may not be reused for a client without a nonce")
		}
		signed.Expiration, info.DHNonce = d.Reused, make([]byte, 32)
		if _, err := io.ReadFull(rand, info.DHNonce); err != nil {
			return nil, krb.Key{}, fmt.Errorf("read random nonce: %w", err)
		}
	}
	content, err := signed.Encode()
	if err != nil {
		return nil, krb.Key{}, err
	}
	message, err := d.Signer.Sign(rand, DHKeyDataOID, content)
	if err != nil {
		return nil, krb.Key{}, err
	}
	info.SignedData = cms.ContentInfo(cms.SignedDataOID, message)
	value, err := (&PAPKASRep{DHInfo: &info}).Encode()
	if err != nil {
		return nil, krb.Key{}, err
	}
	key, err := agreedKey(info, z, a.DHNonce, x, value)
	return value, key, err
}

// agreedKey makes the reply key from the secret, in the way that info says.
func agreedKey(info DHRepInfo, z, clientNonce []byte, x Exchange, value []byte) (krb.Key, error) {
	if info.KDF != nil {
		return DeriveKey(info.KDF, z, x, value)
	}
	return OctetString2Key(x.EType, z, clientNonce, info.DHNonce)
}

// AnswerRSA makes the PA-PK-AS-REP of the RSA mode, a fresh reply key signed by
// the KDC and encrypted to the client's certificate, and the reply key. The
// cipher is AES when the client lists it, else triple DES, which all have to
// know. A client that lists no types at all gets the inner message in a
// ContentInfo, as Windows gives it. Errors that concern the client are
// *krb.Error: 81 when its key cannot receive, 14 for the encryption type.
func AnswerRSA(rand io.Reader, a *AuthPack, signer cms.Signer, client *x509.Certificate, x Exchange) ([]byte, krb.Key, error) {
	key, err := krb.RandomKey(x.EType, rand)
	if err != nil {
		return nil, krb.Key{}, err
	}
	sum, err := key.Checksum(krb.UsageTGSReqChecksum, x.ASReq)
	if err != nil {
		return nil, krb.Key{}, err
	}
	content, err := (&ReplyKeyPack{Key: key, Checksum: sum}).Encode()
	if err != nil {
		return nil, krb.Key{}, err
	}
	message, err := signer.Sign(rand, RKeyDataOID, content)
	if err != nil {
		return nil, krb.Key{}, err
	}
	if len(a.CMSTypes) == 0 {
		message = cms.ContentInfo(cms.SignedDataOID, message)
	}
	cipher := cms.DESEDE3CBC
	for _, id := range []stdasn1.ObjectIdentifier{cms.AES256CBC, cms.AES128CBC} {
		if slices.ContainsFunc(a.CMSTypes, id.Equal) {
			cipher = id
			break
		}
	}
	sealed, err := cms.Envelope(rand, client, cms.SignedDataOID, message, cipher)
	if errors.Is(err, cms.ErrUnsupported) {
		return nil, krb.Key{}, krb.NewError(krb.ErrPublicKeyEncryptionUnsupported, "The key of the client's certificate cannot receive a reply key; use Diffie-Hellman.")
	} else if err != nil {
		return nil, krb.Key{}, err
	}
	value, err := (&PAPKASRep{EncKeyPack: cms.ContentInfo(cms.EnvelopedOID, sealed)}).Encode()
	return value, key, err
}
