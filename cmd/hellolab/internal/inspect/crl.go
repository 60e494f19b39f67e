package inspect

import (
	"fmt"
	"time"

	"hellolab/providers/wire/crl"
)

// maxEntries bounds the certificates of a list that are shown; their number is
// always told.
const maxEntries = 64

// decodeCRL reads a revocation list, base or delta.
func decodeCRL(i *inspector, in Input) (*Node, error) {
	return in.each(func(b []byte) (*Node, error) {
		if len(b) < 2 || b[0] != 0x30 {
			return nil, not("it is no DER sequence")
		}
		l, err := crl.Parse(b)
		if err != nil {
			return nil, not(err.Error())
		}
		return i.list(l), nil
	})
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
	for _, e := range entries[:min(len(entries), maxEntries)] {
		shown = append(shown, fmt.Sprintf("%s since %s (%s)", e.Serial.Text(16), e.At.UTC().Format(time.RFC3339), e.Reason))
	}
	if len(entries) > maxEntries {
		shown = append(shown, fmt.Sprintf("and %d more", len(entries)-maxEntries))
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
