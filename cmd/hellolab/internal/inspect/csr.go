package inspect

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"strings"

	"hellolab/providers/wire/drs"
)

// decodeCSR reads a certificate request as leniently as the registration
// service does: Windows ends the subject with a NUL that no PrintableString
// may have.
func decodeCSR(_ *inspector, in Input) (*Node, error) {
	return in.each(func(b []byte) (*Node, error) {
		if len(b) < 2 || b[0] != 0x30 {
			return nil, not("it is no DER sequence")
		}
		r, err := drs.DescribeCSR(b)
		if err != nil {
			return nil, not(err.Error())
		}
		n := &Node{Title: "Certificate request, PKCS #10"}
		n.add("version", r.Version)
		subject := make([]string, len(r.Subject))
		note := ""
		for k, a := range r.Subject {
			value, terminated := strings.CutSuffix(a.Value, "\x00")
			if terminated {
				note = "ends with a NUL, as Windows writes it"
			}
			subject[k] = attributeName(a.Type) + "=" + value
		}
		n.noted("subject", orEmpty(strings.Join(subject, ", ")), note)
		n.add("public key", requestKey(r.PublicKey))
		n.noted("attributes", r.AttributeSize, "bytes")
		n.add("signature", requestSignature(b, r))
		return n, nil
	})
}

var oidSHA256WithRSA = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}

// requestSignature says whether the request proves that its sender has the key.
func requestSignature(b []byte, r *drs.RequestOutside) string {
	if !r.Algorithm.Equal(oidSHA256WithRSA) {
		return verdictUnknown + ": algorithm " + r.Algorithm.String() + " is not what devices sign with"
	}
	_, err := drs.ParseCSR(b)
	switch {
	case err == nil:
		return verdictVerified + " with its own key"
	case errors.Is(err, drs.ErrCSR):
		return verdictWrong + ": " + strings.TrimPrefix(err.Error(), drs.ErrCSR.Error()+": ")
	}
	return verdictWrong
}

func requestKey(spki []byte) any {
	pub, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return fmt.Sprintf("(no key that can be read, %s)", size(spki))
	}
	return publicKey(pub)
}

func attributeName(oid asn1.ObjectIdentifier) string {
	if name, ok := map[string]string{"2.5.4.3": "CN", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.6": "C", "0.9.2342.19200300.100.1.25": "DC"}[oid.String()]; ok {
		return name
	}
	return oid.String()
}
