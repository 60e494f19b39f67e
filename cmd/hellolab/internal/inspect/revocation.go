package inspect

import (
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"

	"hellolab/providers/wire/crl"
	"hellolab/providers/wire/ocsp"
)

// decodeCRL reads a certificate revocation list, base or delta.
func decodeCRL(i *inspector, in Input) (*Node, error) {
	return in.each(func(b []byte) (*Node, error) {
		if !isCRL(b) {
			return nil, not("it does not begin as a revocation list does")
		}
		l, err := crl.Parse(b)
		if err != nil {
			return nil, err
		}
		return i.list(l)
	})
}

// isCRL says whether b begins as TBSCertList does: a version or none,
// algorithm, issuer, and then a time, where certificates have a sequence.
func isCRL(b []byte) bool {
	rest := inside(inside(b, 0x30), 0x30)
	if len(rest) > 3 && rest[0] == 0x02 && rest[1] == 1 {
		rest = rest[3:]
	}
	for range 2 { // algorithm, issuer
		if len(rest) < 2 || rest[0] != 0x30 {
			return false
		}
		n, at := int(rest[1]), 2
		if n >= 0x80 {
			digits := n & 0x7f
			if digits > 3 || len(rest) < 2+digits {
				return false
			}
			n = 0
			for _, c := range rest[2 : 2+digits] {
				n = n<<8 | int(c)
			}
			at += digits
		}
		rest = rest[min(at+n, len(rest)):]
	}
	return len(rest) > 0 && (rest[0] == 0x17 || rest[0] == 0x18)
}

func (i *inspector) list(l *crl.List) (*Node, error) {
	n := &Node{Title: "Certificate revocation list"}
	if l.Delta() {
		n.Title = "Certificate revocation list, delta"
	}
	n.add("issuer", nameOf(l.RawIssuer))
	if l.Number != nil {
		n.add("number", l.Number.String())
	}
	if l.Base != nil {
		n.noted("delta indicator", l.Base.String(), "number of the base list it completes")
	}
	n.time("this update", l.ThisUpdate, i.o.Now)
	n.when("next update", l.NextUpdate, i.o.Now)
	n.when("next publish", l.NextPublish, i.o.Now)
	if l.CAVersion != 0 {
		n.addf("ca version", "certificate %d, key %d", l.CAVersion&0xffff, l.CAVersion>>16)
	}
	if len(l.Freshest) > 0 {
		n.many("freshest list", len(l.Freshest), func(k int) any { return l.Freshest[k] })
	}
	raw, err := x509.ParseRevocationList(l.Raw)
	if err != nil {
		return nil, err
	}
	if len(raw.AuthorityKeyId) > 0 {
		n.add("authority key id", hex.EncodeToString(raw.AuthorityKeyId))
	}
	n.add("signature algorithm", raw.SignatureAlgorithm.String())
	entries := l.Entries()
	n.many("entries", len(entries), func(k int) any {
		f := Fields{}
		f.add("serial", entries[k].Serial.Text(16))
		f.time("revoked", entries[k].At, i.o.Now)
		f.add("reason", entries[k].Reason.String())
		return f
	})
	n.add("signature", i.listSignature(l))
	return n, nil
}

// listSignature asks the certificates given: whether a key may sign lists
// stands in its certificate.
func (i *inspector) listSignature(l *crl.List) string {
	verdict := verdictUnknown + ": no certificate given"
	for _, k := range i.o.Keys {
		if k.Cert == nil || !bounded(k.Public) {
			continue
		}
		switch err := l.VerifyFrom(k.Cert); {
		case err == nil:
			return verdictVerified + " with " + k.ID
		case errors.Is(err, crl.ErrIssuer):
			if verdict == verdictUnknown+": no certificate given" {
				verdict = verdictUnknown + ": no certificate given is its issuer's"
			}
		default:
			verdict = verdictWrong + " with " + k.ID + ": " + err.Error()
		}
	}
	return verdict
}

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
