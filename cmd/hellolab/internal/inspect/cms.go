package inspect

import (
	"bytes"
	"encoding/asn1"
	"encoding/hex"

	"hellolab/providers/wire/cmc"
	"hellolab/providers/wire/cms"
)

// contents are what CMS messages of this project's world hold.
var contents = map[string]string{
	"1.2.840.113549.1.7.1": "data",
	"1.2.840.113549.1.7.2": "signed data",
	"1.3.6.1.5.2.3.1":      "PKINIT: a client's AuthPack",
	"1.3.6.1.5.2.3.2":      "PKINIT: the KDC's Diffie-Hellman key",
	"1.3.6.1.5.2.3.3":      "PKINIT: a reply key",
	"1.3.6.1.5.5.7.12.2":   "CMC: a full request",
	"1.3.6.1.5.5.7.12.3":   "CMC: a full response",
}

var ciphers = map[string]string{
	"1.2.840.113549.3.7":      "3DES-CBC",
	"2.16.840.1.101.3.4.1.2":  "AES-128-CBC",
	"2.16.840.1.101.3.4.1.42": "AES-256-CBC",
}

// known writes an identifier with its name, if it has one.
func known(names map[string]string, id asn1.ObjectIdentifier) (value, note string) {
	return id.String(), names[id.String()]
}

// decodeCMS reads a signed or an encrypted message, in a ContentInfo or bare.
func decodeCMS(i *inspector, in Input) (*Node, error) {
	return in.each(func(b []byte) (*Node, error) {
		if len(b) < 2 || b[0] != 0x30 {
			return nil, not("it is no DER sequence")
		}
		signed, err := cms.ParseSignedData(b)
		if err == nil {
			return i.signedMessage(signed), nil
		}
		if sealed, err := cms.ParseEnvelopedData(b); err == nil {
			return encryptedMessage(sealed), nil
		}
		return nil, not(err.Error())
	})
}

func (i *inspector) signedMessage(d *cms.SignedData) *Node {
	n := &Node{Title: "Signed message (CMS)"}
	value, note := known(contents, d.ContentType)
	n.noted("content type", value, note)
	i.content(n, d)
	identifier(n, "signer", d.Signer)
	n.add("digest", d.Digest.String())
	n.add("signature", i.messageSignature(d))
	var certs []any
	for _, c := range d.Certificates {
		if len(c.Raw) > maxCertificate {
			certs = append(certs, "("+errLong.Error()+")")
			continue
		}
		node := i.describe(c)
		node.Type = "certificate"
		certs = append(certs, node)
	}
	if len(certs) > 0 {
		n.add("certificates", certs)
	}
	return n
}

// content tells of what was signed.
func (i *inspector) content(n *Node, d *cms.SignedData) {
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
	n.add("content", size(d.Content))
}

func identifier(n *Node, name string, id cms.Identifier) {
	if id.Serial == nil {
		n.noted(name, hex.EncodeToString(id.SubjectKeyID), "subject key identifier")
		return
	}
	n.noted(name, nameOf(id.Issuer)+", "+id.Serial.Text(16), "issuer and serial number")
}

// messageSignature verifies with the certificate that was sent along, else with
// the keys that were given. Whose that certificate is, is told with it.
func (i *inspector) messageSignature(d *cms.SignedData) string {
	if c := d.SignerCertificate(); c != nil {
		if d.Verify(c.PublicKey, cms.Accept{}) != nil {
			return verdictWrong + " with the certificate that is in the message"
		}
		for _, k := range i.o.Keys {
			if k.Cert != nil && bytes.Equal(k.Cert.Raw, c.Raw) {
				return verdictVerified + " with " + k.ID
			}
		}
		return verdictVerified + " with the certificate that is in the message"
	}
	for _, k := range i.o.Keys {
		if d.Verify(k.Public, cms.Accept{}) == nil {
			return verdictVerified + " with " + k.ID
		}
	}
	if len(i.o.Keys) > 0 {
		return verdictWrong + " with " + given(len(i.o.Keys))
	}
	return verdictUnknown + ": no key given, and no certificate of the signer in the message"
}

func encryptedMessage(e *cms.EnvelopedData) *Node {
	n := &Node{Title: "Encrypted message (CMS)"}
	value, note := known(contents, e.ContentType)
	n.noted("content type", value, note)
	value, note = known(ciphers, e.Cipher)
	n.noted("cipher", value, note)
	for _, r := range e.Recipients {
		identifier(n, "recipient", r.ID)
	}
	return n
}
