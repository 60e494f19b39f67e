package inspect

import (
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"math/big"

	"hellolab/providers/wire/cms"
	"hellolab/providers/wire/pkinit"
)

// pkASReq takes PA-PK-AS-REQ apart. With the body of its request the checksums
// are compared.
func (i *inspector) pkASReq(b, body []byte) (any, error) {
	r, err := pkinit.ParsePAPKASReq(b)
	if err != nil {
		return nil, err
	}
	f := Fields{}
	signed := i.bytesAs("cms", r.SignedAuthPack)
	f.add("signed auth pack", signed)
	if body != nil {
		if d, err := cms.ParseSignedData(r.SignedAuthPack); err == nil {
			if a, err := pkinit.ParseAuthPack(d.Content); err == nil {
				f.add("checksum of the body", holding(a.CheckBody(body), "the signature is for this request"))
			}
		}
	}
	if len(r.TrustedCertifiers) > 0 {
		f.add("trusted certifiers", identifiers(r.TrustedCertifiers))
	}
	if len(r.KDCPKID) > 0 {
		f.bytes("kdc pk id", r.KDCPKID)
	}
	return f, nil
}

func (i *inspector) pkASRep(b []byte) (any, error) {
	r, err := pkinit.ParsePAPKASRep(b)
	if err != nil {
		return nil, err
	}
	f := Fields{}
	if r.DHInfo == nil {
		f.add("mode", "RSA: the reply key is encrypted to the client's certificate")
		f.add("enc key pack", i.bytesAs("cms", r.EncKeyPack))
		return f, nil
	}
	f.add("mode", "Diffie-Hellman")
	f.add("dh signed data", i.bytesAs("cms", r.DHInfo.SignedData))
	if r.DHInfo.DHNonce != nil {
		f.bytes("server dh nonce", r.DHInfo.DHNonce)
	}
	if r.DHInfo.KDF != nil {
		f.add("kdf", oidText(r.DHInfo.KDF))
	}
	return f, nil
}

// pkinitContent decodes what a PKINIT message signs; false for other content.
func (i *inspector) pkinitContent(id asn1.ObjectIdentifier, b []byte) (any, bool) {
	var f Fields
	var err error
	switch {
	case id.Equal(pkinit.AuthDataOID):
		f, err = i.authPack(b)
	case id.Equal(pkinit.DHKeyDataOID):
		f, err = i.dhKeyInfo(b)
	case id.Equal(pkinit.RKeyDataOID):
		var p *pkinit.ReplyKeyPack
		if p, err = pkinit.ParseReplyKeyPack(b); err == nil {
			f.add("reply key", keyShape(p.Key))
			f.noted("checksum", coding(p.Checksum.Type, checksumNames), size(p.Checksum.Sum))
		}
	default:
		return nil, false
	}
	if err != nil {
		return unreadable(b, err), true
	}
	return f, true
}

func (i *inspector) authPack(b []byte) (Fields, error) {
	a, err := pkinit.ParseAuthPack(b)
	if err != nil {
		return nil, err
	}
	f := Fields{}
	f.time("time", a.Time, i.o.Now)
	f.add("nonce", uint64(a.Nonce))
	if a.PAChecksum != nil {
		f.noted("pa checksum", hex.EncodeToString(a.PAChecksum), "SHA-1 of the request's body")
	}
	if a.FreshnessToken != nil {
		f.add("freshness token", fmt.Sprintf("(%s)", size(a.FreshnessToken)))
	}
	if c := a.PAChecksum2; c != nil {
		f.noted("pa checksum 2", hex.EncodeToString(c.Sum), oidText(c.Digest))
	}
	switch v := a.PublicValue; {
	case v == nil:
		f.add("public value", "(none: RSA mode)")
	case v.Group == nil:
		f.noted("public value", size(v.Key), "of a group that is not known here")
	default:
		f.noted("public value", size(v.Key), v.Group.Name)
	}
	if len(a.CMSTypes) > 0 {
		f.add("supported cms types", oidTexts(a.CMSTypes))
	}
	if a.DHNonce != nil {
		f.bytes("client dh nonce", a.DHNonce)
	}
	if len(a.KDFs) > 0 {
		f.add("supported kdfs", oidTexts(a.KDFs))
	}
	return f, nil
}

func (i *inspector) dhKeyInfo(b []byte) (Fields, error) {
	k, err := pkinit.ParseKDCDHKeyInfo(b)
	if err != nil {
		return nil, err
	}
	f := Fields{}
	f.add("public key", size(k.PublicKey))
	f.noted("nonce", uint64(k.Nonce), "the client's")
	f.when("dh key expiration", k.Expiration, i.o.Now)
	return f, nil
}

// identifiers lists names of certificates.
func identifiers(ids []pkinit.ExternalPrincipalIdentifier) []any {
	out := []any{}
	for _, id := range ids[:min(len(ids), maxListed)] {
		f := Fields{}
		if id.SubjectName != nil {
			f.add("subject", nameOf(id.SubjectName))
		}
		if id.IssuerAndSerialNumber != nil {
			var v struct {
				Issuer asn1.RawValue
				Serial *big.Int
			}
			if rest, err := asn1.Unmarshal(id.IssuerAndSerialNumber, &v); err != nil || len(rest) > 0 {
				f.add("issuer", "(cannot be read)")
			} else {
				f.add("issuer", nameOf(v.Issuer.FullBytes))
				f.add("serial", v.Serial.Text(16))
			}
		}
		if id.SubjectKeyIdentifier != nil {
			var ski []byte
			if rest, err := asn1.Unmarshal(id.SubjectKeyIdentifier, &ski); err != nil || len(rest) > 0 {
				f.add("subject key id", "(cannot be read)")
			} else {
				f.add("subject key id", hex.EncodeToString(ski))
			}
		}
		out = append(out, f)
	}
	return out
}

// oidNames are object identifiers of these messages.
var oidNames = map[string]string{
	"1.2.840.113549.1.7.1": "data", "1.2.840.113549.1.7.2": "signedData", "1.2.840.113549.1.7.3": "envelopedData",
	"1.3.6.1.5.2.3.1": "id-pkinit-authData", "1.3.6.1.5.2.3.2": "id-pkinit-DHKeyData", "1.3.6.1.5.2.3.3": "id-pkinit-rkeyData",
	"1.3.6.1.5.2.3.6.1": "id-pkinit-kdf-ah-sha1", "1.3.6.1.5.2.3.6.2": "id-pkinit-kdf-ah-sha256", "1.3.6.1.5.2.3.6.3": "id-pkinit-kdf-ah-sha512", "1.3.6.1.5.2.3.6.4": "id-pkinit-kdf-ah-sha384",
	"1.3.6.1.5.5.7.12.2": "PKIData (CMC)", "1.3.6.1.5.5.7.12.3": "PKIResponse (CMC)",
	"1.2.840.113549.3.7": "des-ede3-cbc", "2.16.840.1.101.3.4.1.2": "aes128-cbc", "2.16.840.1.101.3.4.1.42": "aes256-cbc", "1.2.840.113549.3.2": "rc2-cbc",
	"1.2.840.113549.1.1.1": "rsaEncryption", "1.2.840.113549.1.1.4": "md5WithRSA", "1.2.840.113549.1.1.5": "sha1WithRSA", "1.2.840.113549.1.1.10": "RSASSA-PSS",
	"1.2.840.113549.1.1.11": "sha256WithRSA", "1.2.840.113549.1.1.12": "sha384WithRSA", "1.2.840.113549.1.1.13": "sha512WithRSA",
	"1.2.840.10045.4.1": "ecdsa-with-SHA1", "1.2.840.10045.4.3.2": "ecdsa-with-SHA256", "1.2.840.10045.4.3.3": "ecdsa-with-SHA384", "1.2.840.10045.4.3.4": "ecdsa-with-SHA512",
	"1.3.14.3.2.26": "SHA-1", "2.16.840.1.101.3.4.2.1": "SHA-256", "2.16.840.1.101.3.4.2.2": "SHA-384", "2.16.840.1.101.3.4.2.3": "SHA-512", "1.2.840.113549.2.5": "MD5",
	"1.2.840.113549.1.9.3": "contentType", "1.2.840.113549.1.9.4": "messageDigest", "1.2.840.113549.1.9.5": "signingTime", "1.2.840.113549.1.9.15": "smimeCapabilities",
	"1.2.840.113549.1.9.16.2.47": "signingCertificateV2", "1.3.6.1.4.1.311.13.2.1": "enrollmentNameValuePair",
	"1.3.6.1.5.5.2": "SPNEGO", "1.2.840.113554.1.2.2": "Kerberos", "1.2.840.48018.1.2.2": "Kerberos, as Windows writes it", "1.3.6.1.4.1.311.2.2.10": "NTLM",
	"1.3.6.1.4.1.311.2.2.30": "NegoEx", "1.2.840.113554.1.2.2.3": "Kerberos, user to user", "1.3.6.1.5.2.5": "IAKERB",
}

// oidText is an identifier's name with its digits.
func oidText(id asn1.ObjectIdentifier) string { return dottedText(id.String()) }

func dottedText(id string) string {
	if name, ok := oidNames[id]; ok {
		return name + " (" + id + ")"
	}
	return id
}

func oidTexts(ids []asn1.ObjectIdentifier) []any {
	out := []any{}
	for _, id := range ids[:min(len(ids), maxListed)] {
		out = append(out, oidText(id))
	}
	return out
}
