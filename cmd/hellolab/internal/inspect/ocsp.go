package inspect

import (
	"encoding/hex"
	"errors"
	"fmt"

	"hellolab/providers/wire/ocsp"
)

// decodeOCSP reads a response of an OCSP responder, or a request to one.
func decodeOCSP(i *inspector, in Input) (*Node, error) {
	return in.each(func(b []byte) (*Node, error) {
		if head := inside(b, 0x30); len(head) < 3 || head[0] != 0x0a || head[1] != 1 { // an ENUMERATED
			r, err := ocsp.ParseRequest(b)
			if err != nil {
				return nil, not("neither an OCSP response, which begins with a status, nor a request about one certificate")
			}
			n := &Node{Title: "OCSP request (RFC 6960)"}
			n.add("serial", r.Serial.Text(16))
			if r.Nonce != nil {
				n.bytes("nonce", r.Nonce)
			}
			return n, nil
		}
		return i.ocspResponse(b)
	})
}

func (i *inspector) ocspResponse(b []byte) (*Node, error) {
	n := &Node{Title: "OCSP response (RFC 6960)"}
	r, err := ocsp.ReadResponse(b)
	var status *ocsp.StatusError
	if errors.As(err, &status) {
		n.noted("status", status.Code, status.Error())
		n.add("signature", "none: such answers are not signed")
		return n, nil
	}
	if err != nil {
		return nil, err
	}
	n.noted("status", 0, "successful")
	if r.ResponderName != nil {
		n.add("responder", nameOf(r.ResponderName))
	} else {
		n.noted("responder", hex.EncodeToString(r.ResponderKey), "SHA-1 of its key")
	}
	n.time("produced", r.ProducedAt, i.o.Now)
	if r.Nonce != nil {
		n.bytes("nonce", r.Nonce)
	}
	n.many("answers", len(r.Singles), func(k int) any { return i.single(&r.Singles[k]) })
	n.add("signature algorithm", oidText(r.Algorithm))
	certs := []any{}
	for _, c := range r.Certificates {
		certs = append(certs, i.bytesAs("certificate", c.Raw))
	}
	n.add("certificates", certs)
	n.add("signature", i.responseSignature(r))
	return n, nil
}

func (i *inspector) single(s *ocsp.Single) Fields {
	f := Fields{}
	f.add("serial", s.Serial.Text(16))
	switch s.Status {
	case ocsp.Good:
		f.add("status", "good")
	case ocsp.Revoked:
		f.add("status", "revoked")
		f.time("revoked", s.RevokedAt, i.o.Now)
		reason := fmt.Sprint(int(s.Reason))
		if s.Reason.Known() {
			reason = s.Reason.String()
		}
		f.add("reason", reason)
	default:
		f.add("status", "unknown")
	}
	f.time("this update", s.ThisUpdate, i.o.Now)
	f.when("next update", s.NextUpdate, i.o.Now)
	hash := "by a hash that is not known"
	if s.Hash != 0 {
		hash = s.Hash.String()
	}
	f.noted("issuer name hash", hex.EncodeToString(s.IssuerName), hash)
	f.noted("issuer key hash", hex.EncodeToString(s.IssuerKey), hash)
	return f
}

// responseSignature says whose key made the signature. Whether it may answer
// for the issuer is for who asks.
func (i *inspector) responseSignature(r *ocsp.Response) string {
	tried := 0
	for _, k := range i.o.Keys {
		if k.Cert == nil || !bounded(k.Public) {
			continue
		}
		if tried++; r.CheckSignature(k.Cert) == nil {
			return verdictVerified + " with " + k.ID
		}
	}
	for _, cert := range r.Certificates {
		if bounded(cert.PublicKey) && r.CheckSignature(cert) == nil {
			return i.cameAlong(cert)
		}
	}
	switch {
	case len(r.Certificates) > 0:
		return verdictWrong + " with the certificates that came along"
	case tried > 0:
		return verdictWrong + " with " + given(tried)
	}
	return verdictUnknown + ": no certificate came along, and none was given"
}
