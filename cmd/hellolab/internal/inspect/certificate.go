package inspect

import (
	"bytes"
	"cmp"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"hellolab/providers/wire/attest"
	"hellolab/providers/wire/drs"
)

const (
	maxCertificates = 64       // of a chain
	maxCertificate  = 64 << 10 // bytes of one
)

var errLong = errors.New("the certificate is longer than 64 KiB")

// decodeCertificates reads one certificate in DER, or several behind each
// other.
func decodeCertificates(i *inspector, in Input) (*Node, error) {
	return in.each(func(b []byte) (*Node, error) {
		if len(b) < 2 || b[0] != 0x30 {
			return nil, not("it is no DER sequence")
		}
		certs, err := x509.ParseCertificates(b)
		switch {
		case err != nil:
			return nil, not("no certificate: " + err.Error())
		case len(certs) > maxCertificates:
			return nil, errors.New("more than 64 certificates")
		case slices.ContainsFunc(certs, func(c *x509.Certificate) bool { return len(c.Raw) > maxCertificate }):
			return nil, errLong
		case len(certs) == 1:
			return i.describe(certs[0]), nil
		}
		n := &Node{Title: "Certificates"}
		chain := make([]any, len(certs))
		for k, c := range certs {
			node := i.describe(c)
			node.Type = "certificate"
			chain[k] = node
		}
		n.add("certificates", chain)
		return n, nil
	})
}

// describe tells of a certificate: whose it is, for what, until when, and
// whether its issuer is known.
func (i *inspector) describe(cert *x509.Certificate) *Node {
	n := &Node{Title: "X.509 certificate"}
	tpm, hasTPM := attest.ParseTPM(cert)
	device := deviceExtensions(cert)
	usages := usagesOf(cert)
	joined := strings.Join(usages, ", ")
	switch {
	case len(device) > 0:
		n.Title = "Device certificate (MS-DVRJ 3.1.5.1.1.3)"
	case strings.Contains(joined, nameAIK):
		n.Title = "AIK certificate"
	case strings.Contains(joined, nameEK):
		n.Title = "EK certificate"
	case cert.IsCA:
		n.Title = "Certificate of an authority"
	}
	n.add("subject", nameOf(cert.RawSubject))
	n.add("issuer", nameOf(cert.RawIssuer))
	n.add("serial", cert.SerialNumber.Text(16))
	n.time("not before", cert.NotBefore, i.o.Now)
	n.time("not after", cert.NotAfter, i.o.Now)
	n.add("in its life", !i.o.Now.Before(cert.NotBefore) && !i.o.Now.After(cert.NotAfter))
	n.add("public key", publicKey(cert.PublicKey))
	n.add("signature algorithm", cert.SignatureAlgorithm.String())
	n.noted("thumbprint", drs.Thumbprint(cert.Raw), "SHA-1")
	sum := sha256.Sum256(cert.Raw)
	n.add("sha-256", hex.EncodeToString(sum[:]))
	n.text("key usage", keyUsages(cert.KeyUsage))
	if len(usages) > 0 {
		n.add("extended key usage", list(usages))
	}
	if cert.BasicConstraintsValid {
		n.add("authority", cert.IsCA)
	}
	if names := alternativeNames(cert); len(names) > 0 {
		n.add("alternative names", list(names))
	}
	enterprise(n, cert)
	if len(device) > 0 {
		n.add("device", device)
	}
	if hasTPM {
		f := Fields{}
		f.text("manufacturer", tpm.Manufacturer)
		if vendor, err := hex.DecodeString(strings.TrimPrefix(tpm.Manufacturer, "id:")); err == nil && len(vendor) == 4 && len(f) > 0 {
			f[0].Note = strings.TrimRight(string(vendor), "\x00 ")
		}
		f.text("model", tpm.Model)
		f.text("version", tpm.Version)
		n.add("tpm", f)
	}
	if other := otherExtensions(cert); len(other) > 0 {
		n.add("other extensions", list(other))
	}
	verdict, _ := i.issuerSignature(cert)
	n.add("issuer signature", verdict)
	return n
}

func list(s []string) []any {
	out := make([]any, len(s))
	for k := range s {
		out[k] = s[k]
	}
	return out
}

// nameOf writes a name in its own order: relative names apart by commas, the
// attributes of one by "+".
func nameOf(raw []byte) string {
	var rdns pkix.RDNSequence
	if _, err := asn1.Unmarshal(raw, &rdns); err != nil {
		return "(cannot be read)"
	}
	var names []string
	for _, rdn := range rdns {
		var parts []string
		for _, a := range rdn {
			parts = append(parts, attributeName(a.Type)+"="+fmt.Sprint(a.Value))
		}
		names = append(names, strings.Join(parts, "+"))
	}
	return orEmpty(strings.Join(names, ", "))
}

func orEmpty(name string) string { return cmp.Or(name, "(empty)") }

func deviceExtensions(cert *x509.Certificate) Fields {
	f := Fields{}
	for _, ext := range cert.Extensions {
		name, value, ok := drs.DescribeExtension(ext)
		switch _, twice := f.find(name); {
		case !ok || twice:
		case value == "":
			f.noted(name, hex.EncodeToString(ext.Value), "not in the form of this extension")
		default:
			f.add(name, value)
		}
	}
	return f
}

// issuerSignature says who signed a certificate, as far as the keys given
// tell, and whether that is one of them. Life, usages and revocation are other
// questions.
func (i *inspector) issuerSignature(cert *x509.Certificate) (verdict string, known bool) {
	tried := 0
	for _, k := range i.o.Keys {
		switch {
		case k.Cert != nil && bytes.Equal(k.Cert.Raw, cert.Raw):
			return verdictVerified + ": it is the certificate given", true
		case k.Cert != nil && !bytes.Equal(k.Cert.RawSubject, cert.RawIssuer):
		case signed(cert, k.Public):
			return verdictVerified + " with " + k.ID, true
		default:
			tried++
		}
	}
	switch {
	case bytes.Equal(cert.RawIssuer, cert.RawSubject) && signed(cert, cert.PublicKey):
		return verdictUnknown + ": self-signed", false
	case tried > 0:
		return verdictWrong + " with " + given(tried), false
	case len(i.o.Keys) > 0:
		return verdictUnknown + ": no key given is its issuer's", false
	}
	return verdictUnknown + ": no key given", false
}

// signed says whether a key signed a certificate. Unlike CheckSignatureFrom it
// does not ask whether the key's own certificate allowed that.
func signed(cert *x509.Certificate, key any) bool {
	parent := &x509.Certificate{PublicKey: key}
	switch k := key.(type) {
	case *rsa.PublicKey:
		if !reasonable(k) {
			return false
		}
		parent.PublicKeyAlgorithm = x509.RSA
	case *ecdsa.PublicKey:
		parent.PublicKeyAlgorithm = x509.ECDSA
	case ed25519.PublicKey:
		parent.PublicKeyAlgorithm = x509.Ed25519
	default:
		return false
	}
	return parent.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) == nil
}
