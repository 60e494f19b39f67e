package inspect

import (
	"fmt"
	"time"

	"hellolab/providers/wire/crl"
)

// decodeCRL reads a revocation list, base or delta.
func decodeCRL(i *inspector, in Input) (*Node, error) {
	return in.each(func(b []byte) (*Node, error) {
		if !isCRL(b) {
			return nil, not("it does not begin as a revocation list does")
		}
		l, err := crl.Parse(b)
		if err != nil {
			return nil, err
		}
		return i.list(l), nil
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

func (i *inspector) list(l *crl.List) *Node {
	n := &Node{Title: "Certificate revocation list"}
	if l.Delta() {
		n.Title = "Certificate revocation list, delta"
	}
	n.add("issuer", nameOf(l.RawIssuer))
	if l.Number != nil {
		n.add("number", l.Number.String())
	}
	if l.Delta() {
		n.noted("completes", l.Base.String(), "the base list of this number and later ones")
	}
	n.time("this update", l.ThisUpdate, i.o.Now)
	if l.NextUpdate.IsZero() {
		n.add("next update", "(not said: no use to a client)")
	} else {
		n.time("next update", l.NextUpdate, i.o.Now)
	}
	if !l.NextPublish.IsZero() {
		n.time("next publish", l.NextPublish, i.o.Now)
	}
	n.add("in its life", !i.o.Now.Before(l.ThisUpdate) && i.o.Now.Before(l.NextUpdate))
	n.noted("CA version", fmt.Sprintf("%d.%d", l.CAVersion&0xffff, l.CAVersion>>16), "certificate index, key index")
	if len(l.Freshest) > 0 {
		n.add("newest delta list", list(l.Freshest))
	}
	entries := l.Entries()
	n.add("certificates", len(entries))
	var shown []string
	for _, e := range entries[:min(len(entries), maxListed)] {
		shown = append(shown, fmt.Sprintf("%s since %s (%s)", e.Serial.Text(16), e.At.UTC().Format(time.RFC3339), e.Reason))
	}
	if len(entries) > maxListed {
		shown = append(shown, fmt.Sprintf("and %d more", len(entries)-maxListed))
	}
	if len(shown) > 0 {
		n.add("revoked", list(shown))
	}
	n.add("signature", i.listSignature(l))
	return n
}

// listSignature says whether a certificate that was given is the issuer's.
func (i *inspector) listSignature(l *crl.List) string {
	tried := 0
	for _, k := range i.o.Keys {
		switch {
		case k.Cert == nil || string(k.Cert.RawSubject) != string(l.RawIssuer):
		case l.VerifyFrom(k.Cert) == nil:
			return verdictVerified + " with " + k.ID
		default:
			tried++
		}
	}
	switch {
	case tried > 0:
		return verdictWrong + " with " + given(tried)
	case len(i.o.Keys) > 0:
		return verdictUnknown + ": no certificate given is its issuer's"
	}
	return verdictUnknown + ": no certificate given"
}
