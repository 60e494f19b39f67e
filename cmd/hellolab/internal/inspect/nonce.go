package inspect

import "hellolab/providers/entra"

// decodeNonce shows a nonce of a tenant of a lab. Those of the cloud are
// opaque.
func decodeNonce(i *inspector, in Input) (*Node, error) {
	nonce, ok := entra.ParseNonceText(in.Compact)
	if !ok {
		return nil, not("it is not 42 bytes in base64url that begin with the version")
	}
	n := &Node{Title: "Nonce of a tenant"}
	n.add("purpose", nonce.Purpose)
	n.time("made", nonce.Born, i.o.Now)
	n.add("authenticity", verdictUnknown+": only the tenant can tell that it made it")
	return n, nil
}

// nonceNote explains a nonce that stands in something else.
func (i *inspector) nonceNote(text string) string {
	nonce, ok := entra.ParseNonceText(text)
	if !ok {
		return ""
	}
	return "for " + nonce.Purpose + ", made " + relative(nonce.Born, i.o.Now)
}
