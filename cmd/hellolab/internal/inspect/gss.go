package inspect

import (
	"bytes"
	"fmt"

	"hellolab/providers/wire/gss"
)

// decodeGSS reads tokens of GSS-API: bare Kerberos, SPNEGO, and the heads of
// signed and sealed messages.
func decodeGSS(i *inspector, in Input) (*Node, error) {
	return in.each(func(b []byte) (*Node, error) {
		if s, ok := gss.ReadSealing(b); ok {
			return sealing(s), nil
		}
		if len(b) == 0 || b[0] != 0x60 && b[0] != 0xa1 || !gss.Framed(b) {
			return nil, not("no token of GSS-API")
		}
		return i.gssToken(b)
	})
}

func sealing(s gss.Sealing) *Node {
	n := &Node{Title: "GSS-API message, Wrap token (RFC 4121 4.2.6)"}
	if s.MIC {
		n.Title = "GSS-API signature, MIC token (RFC 4121 4.2.6)"
	}
	from := "initiator"
	if s.Acceptor {
		from = "acceptor"
	}
	n.add("from", from)
	n.add("sealed", s.Sealed)
	n.add("acceptor's subkey", s.Subkey)
	n.add("sequence number", s.Sequence)
	n.noted("length", s.Length, "bytes behind the head")
	return n
}

func (i *inspector) gssToken(b []byte) (*Node, error) {
	t, err := gss.ReadToken(b)
	if err != nil {
		return nil, err
	}
	n := &Node{Type: "gss", Title: "GSS-API token"}
	if t.Mechanism != "" {
		n.add("mechanism", dottedText(t.Mechanism))
	}
	switch {
	case t.Negotiation != nil:
		n.Title = "GSS-API token, SPNEGO (RFC 4178)"
		i.negotiation(n, t.Negotiation)
	case t.ID == gss.TokenAPReq || t.ID == gss.TokenAPRep || t.ID == gss.TokenError:
		n.Title = "GSS-API token, Kerberos (RFC 4121)"
		n.add("message", i.messageIn(t.Message))
	case t.Message != nil:
		n.addf("message", "(token %04x, %s)", t.ID, size(t.Message))
	}
	return n, nil
}

func (i *inspector) negotiation(n *Node, g *gss.Negotiation) {
	kind := "offer, NegTokenInit"
	if g.Answer {
		kind = "answer, NegTokenResp"
	}
	n.add("kind", kind)
	if g.State != "" {
		n.add("state", g.State)
	}
	if len(g.Mechanisms) > 0 {
		mechanisms := make([]any, len(g.Mechanisms))
		for k, m := range g.Mechanisms {
			mechanisms[k] = dottedText(m)
		}
		n.add("mechanisms", mechanisms)
	}
	if g.Token != nil {
		n.add("token", i.mechanismToken(g.Token))
	}
	if g.MIC != nil {
		n.add("mechanism list mic", fmt.Sprintf("(%s)", size(g.MIC)))
	}
}

// mechanismToken decodes the token inside a negotiation, which may be one, too.
func (i *inspector) mechanismToken(b []byte) any {
	if bytes.HasPrefix(b, []byte("NTLMSSP\x00")) {
		return fmt.Sprintf("NTLM (%s)", size(b))
	}
	if len(b) > 0 && messageTitles[b[0]] != "" && isVersion5(b) {
		return i.messageIn(b)
	}
	if node := i.below(func() (*Node, error) { return i.gssToken(b) }); node != nil {
		return node
	}
	return fmt.Sprintf("(%s)", size(b))
}
