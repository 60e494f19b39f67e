package inspect

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"time"

	"hellolab/providers/wire/cmc"
	"hellolab/providers/wire/cms"
)

// pkcs7 begins the identifiers of CMS's content types, in DER.
var pkcs7 = []byte{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07}

// decodeCMS reads a message in a ContentInfo, as files have it, and a bare
// SignedData or EnvelopedData.
func decodeCMS(i *inspector, in Input) (*Node, error) {
	return in.each(func(b []byte) (*Node, error) {
		head := inside(b, 0x30)
		switch {
		case len(head) > len(pkcs7) && bytes.HasPrefix(head, pkcs7):
			switch head[len(pkcs7)] {
			case 2:
				return i.signedData(b)
			case 3:
				return envelopedData(b)
			}
			return nil, fmt.Errorf("content of type 1.2.840.113549.1.7.%d", head[len(pkcs7)])
		case len(head) > 4 && head[0] == 0x02 && head[1] == 1 && head[3] == 0x31: // version, SET OF
			if n, err := i.signedData(b); err == nil {
				return n, nil
			}
			if n, err := envelopedData(b); err == nil {
				return n, nil
			}
		}
		return nil, not("no ContentInfo of PKCS #7, and neither of its messages bare")
	})
}

func (i *inspector) signedData(b []byte) (*Node, error) {
	d, err := cms.ParseSignedData(b)
	if err != nil {
		return nil, err
	}
	n := &Node{Title: "Signed message, CMS SignedData (RFC 5652)"}
	n.add("content type", oidText(d.ContentType))
	i.content(n, d)
	n.add("signer", identifier(d.Signer))
	n.add("digest", d.Digest.String())
	n.add("signature algorithm", oidText(d.SignatureID()))
	attrs := []any{}
	for _, a := range d.Attributes {
		attrs = append(attrs, i.attribute(a))
	}
	n.add("signed attributes", attrs)
	certs := []any{}
	for _, c := range d.Certificates {
		certs = append(certs, i.bytesAs("certificate", c.Raw))
	}
	n.add("certificates", certs)
	n.add("signature", i.cmsSignature(d))
	return n, nil
}

// content tells of what was signed.
func (i *inspector) content(n *Node, d *cms.SignedData) {
	if content, ok := i.pkinitContent(d.ContentType, d.Content); ok {
		n.add("content", content)
		return
	}
	if d.ContentType.Equal(cmc.PKIData) {
		if r, err := cmc.ParseRequest(d.Content); err == nil {
			n.text("on behalf of", r.Pairs[cmc.RequesterName])
			n.text("template", r.Pairs[cmc.CertificateTemplate])
			n.add("request", i.bytesAs("csr", r.CSR))
			return
		}
	}
	if d.ContentType.Equal(cmc.PKIResponse) {
		if r, err := cmc.ParseResponse(d.Content); err == nil {
			n.noted("status", int(r.Status), r.Text)
			if r.CertHash != nil {
				n.noted("certificate", hex.EncodeToString(r.CertHash), "SHA-1 of the one that was issued")
			}
			return
		}
	}
	n.addf("content", "(%s)", size(d.Content))
}

func identifier(id cms.Identifier) Fields {
	f := Fields{}
	if id.Issuer != nil {
		f.add("issuer", nameOf(id.Issuer))
		if id.Serial != nil {
			f.add("serial", id.Serial.Text(16))
		}
	}
	if id.SubjectKeyID != nil {
		f.add("subject key id", hex.EncodeToString(id.SubjectKeyID))
	}
	return f
}

// attribute shows the values that are known by their attribute.
func (i *inspector) attribute(a cms.Attribute) Fields {
	f := Fields{}
	f.add("type", oidText(a.ID))
	var oids []asn1.ObjectIdentifier
	var digests [][]byte
	var times []time.Time
	read := func(v any) bool {
		rest, err := asn1.UnmarshalWithParams(a.Values, v, "set")
		return err == nil && len(rest) == 0
	}
	switch a.ID.String() {
	case "1.2.840.113549.1.9.3":
		if read(&oids) && len(oids) == 1 {
			f.add("value", oidText(oids[0]))
			return f
		}
	case "1.2.840.113549.1.9.4":
		if read(&digests) && len(digests) == 1 {
			f.add("value", hex.EncodeToString(digests[0]))
			return f
		}
	case "1.2.840.113549.1.9.5":
		if read(&times) && len(times) == 1 {
			f.time("value", times[0], i.o.Now)
			return f
		}
	}
	f.addf("value", "(%s)", size(a.Values))
	return f
}

// cmsSignature says who signed: a key that was given, or only the certificate
// that came along.
func (i *inspector) cmsSignature(d *cms.SignedData) string {
	accept := cms.Accept{SHA1: true} // old messages are read, too
	tried := 0
	for _, k := range i.o.Keys {
		if tried++; bounded(k.Public) && d.Verify(k.Public, accept) == nil {
			return verdictVerified + " with " + k.ID
		}
	}
	cert := d.SignerCertificate()
	if cert == nil {
		if tried > 0 {
			return verdictWrong + " with " + given(tried) + ", and the signer's certificate did not come along"
		}
		return verdictUnknown + ": the signer's certificate did not come along, and no key was given"
	}
	if err := d.Verify(cert.PublicKey, accept); err != nil {
		return verdictWrong + " with the certificate that came along: " + err.Error()
	}
	return i.cameAlong(cert)
}

// cameAlong is the verdict on a signature that holds with a certificate that
// came with it.
func (i *inspector) cameAlong(cert *x509.Certificate) string {
	verdict, known := i.issuerSignature(cert)
	if known {
		return verdictVerified + " with the certificate that came along, itself " + verdict
	}
	return verdictUnknown + ": it holds with the certificate that came along, itself " + verdict
}

func envelopedData(b []byte) (*Node, error) {
	e, err := cms.ParseEnvelopedData(b)
	if err != nil {
		return nil, err
	}
	n := &Node{Title: "Encrypted message, CMS EnvelopedData (RFC 5652)"}
	n.add("content type", oidText(e.ContentType))
	n.add("cipher", oidText(e.Cipher))
	n.noted("ciphertext", e.Size(), "bytes")
	recipients := []any{}
	for _, r := range e.Recipients {
		recipients = append(recipients, identifier(r.ID))
	}
	n.add("recipients", recipients)
	return n, nil
}
