// Package inspect takes apart what crosses the lab's wires (tokens,
// certificates, keys, attestations) and tells a person what is in it, offline.
//
// A decoder turns bytes into a tree of titled fields; rendering is apart.
// Decoders stand in one table, in the order in which they are asked: a new
// format is a file with a decoder and a row of the table. A decoder that does
// not know an input says why, and when none does, the user reads all reasons.
//
// Nothing that is read is trusted. Sizes, depth and the number of things
// inside things are bounded; what was verified, and with what, is said of
// each, and so is what was not. No secret is in a tree: private keys, session
// keys and passwords are named and counted, never held.
package inspect

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"hellolab/providers/entra"
	"hellolab/providers/wire/krb"
)

// Bounds of what is read.
const (
	MaxInput = 4 << 20 // bytes of the input

	maxDepth  = 6   // things inside things
	maxInside = 512 // things inside, all together
)

// Options are what the user knows besides the input.
type Options struct {
	Now        time.Time // what "ago" counts from
	Type       string    // name of the one decoder to ask; "" asks all
	Keys       []Key     // verify signatures
	SessionKey []byte    // 32 bytes: verifies requests and opens replies; nil for none

	// Keytab opens tickets, and what else Kerberos encrypts with long-term keys.
	Keytab []krb.KeytabEntry

	// Open opens a sealed token with the key of its tenant; nil when there is
	// no lab to ask. entra.ErrToken when no tenant of the lab sealed it.
	Open func(text string) (*entra.TokenClaims, error)
}

// Decoder is one format.
type Decoder struct {
	Name string // as -type takes it
	What string // for the list of formats
	Sign string // what it is recognised by, in Markdown

	inside bool // looked for in members of JSON and claims of tokens, too
	decode func(*inspector, Input) (*Node, error)
}

// Decoders returns the table, in the order of asking: from formats that say
// what they are to those that are recognised by a length alone.
func Decoders() []Decoder {
	return []Decoder{
		{"pem", "PEM: certificates, requests and keys", "`-----BEGIN`", true, decodePEM},
		{"keyrequest", "registration of a Hello key", "JSON with `kngc`", false, decodeKeyRequest},
		{"jwks", "JSON Web Keys, one or a set", "JSON with `kty` or `keys`", false, decodeJWKS},
		{"json", "JSON with tokens or keys in it", "`{` or `[`", false, decodeJSON},
		{"saml", "assertion of SAML 1.1, alone or in a WS-Trust reply", "`Assertion` with an `AssertionID`", true, decodeSAML},
		{"jwt", "signed token: JWT, Hello assertion, device or session request", "three parts, a header with `alg`", true, decodeJWT},
		{"jwe", "encrypted message: session_key_jwe or a sealed reply", "five parts, a header with `enc`", true, decodeJWE},
		{"token", "opaque token: PRT or refresh token", "a version, a hint, a sealed rest", true, decodeToken},
		{"attestation", "attestation of a key (PCPTool)", "`KADS`", true, decodeStatement},
		{"keycredential", "key credential of a directory, msDS-KeyCredentialLink", "`B:` before a DN, or version 0x200", true, decodeKeyCredential},
		{"cng", "public key as CNG writes it", "`RSA1`", true, decodeCNG},
		{"keytab", "keytab", "`05 02`", false, decodeKeytab},
		{"kerberos", "Kerberos message: AS, TGS, AP, KRB-PRIV, KRB-ERROR, passwords", "application tag and version 5", true, decodeKerberos},
		{"ticket", "Kerberos ticket", "application tag 1 and version 5", true, decodeTicket},
		{"gss", "GSS-API token: SPNEGO, Kerberos, messages", "application tag 0, `05 04` or `04 04` and a filler", true, decodeGSS},
		{"ccache", "credential cache", "`05 04`", false, decodeCCache},
		{"pac", "privilege attribute certificate, PAC", "list of buffers, version 0", true, decodePAC},
		{"cms", "signed or encrypted message, CMS: PKINIT, enrollment", "DER, SignedData or EnvelopedData", true, decodeCMS},
		{"crl", "certificate revocation list, base or delta", "DER, a list", true, decodeCRL},
		{"ocsp", "OCSP response or request", "DER, a status", true, decodeOCSP},
		{"certificate", "X.509 certificate or several", "DER, a certificate", true, decodeCertificates},
		{"csr", "certificate request, PKCS #10", "DER, a request", true, decodeCSR},
		{"key", "key: PKIX, PKCS #1 or PKCS #8", "DER, a key", true, decodeKey},
		{"public", "public area of a TPM key", "TPM2B_PUBLIC", true, decodePublic},
		{"nonce", "nonce of a tenant", "42 bytes, version 3", false, decodeNonce},
	}
}

// Inspect decodes an input. The error is an *Unrecognized when no decoder that
// was asked knows it.
func Inspect(data []byte, o Options) (*Node, error) {
	if len(data) > MaxInput {
		return nil, fmt.Errorf("the input has more than %d bytes", MaxInput)
	}
	table := Decoders()
	if o.Type != "" {
		if table = only(o.Type); table == nil {
			return nil, fmt.Errorf("there is no format %q", o.Type)
		}
	}
	i := &inspector{o: o}
	return i.find(newInput(data), table)
}

// inspector is one inspection.
type inspector struct {
	o      Options
	depth  int
	inside int
}

// Unrecognized says what was tried on an input, and why each said no.
type Unrecognized struct {
	Tried []Attempt
}

// Attempt is one decoder's answer. Broken says that the input has the
// decoder's sign but does not hold what the sign promises.
type Attempt struct {
	Name, Reason string
	Broken       bool
}

func (u *Unrecognized) Error() string {
	for _, a := range u.Tried {
		if a.Broken {
			return fmt.Sprintf("malformed %s: %s", a.Name, a.Reason)
		}
	}
	return "no known format"
}

// not is a decoder's "this is none of mine".
type not string

func (n not) Error() string { return string(n) }

// find asks decoders in turn.
func (i *inspector) find(in Input, table []Decoder) (*Node, error) {
	u := &Unrecognized{}
	for _, d := range table {
		node, err := d.decode(i, in)
		if err == nil {
			if node.Type == "" {
				node.Type = d.Name
			}
			return node, nil
		}
		var n not
		u.Tried = append(u.Tried, Attempt{d.Name, err.Error(), !errors.As(err, &n)})
	}
	return nil, u
}

// within decodes what stands inside something else, or returns nil: most texts
// are just that.
func (i *inspector) within(text string) *Node {
	const shortest = 40 // no format that is looked for is shorter
	if len(text) < shortest || strings.HasPrefix(text, "http") || i.depth >= maxDepth || i.inside >= maxInside {
		return nil
	}
	var table []Decoder
	for _, d := range Decoders() {
		if d.inside {
			table = append(table, d)
		}
	}
	return i.below(func() (*Node, error) { return i.find(newInput([]byte(text)), table) })
}

// bytesAs decodes bytes that are known to be of a format, or says why they are
// not.
func (i *inspector) bytesAs(format string, b []byte) any {
	node, err := i.find(Input{Raw: b, Bytes: [][]byte{b}}, only(format))
	if err != nil {
		var u *Unrecognized
		if errors.As(err, &u) && len(u.Tried) == 1 {
			err = errors.New(u.Tried[0].Reason)
		}
		return fmt.Sprintf("(%s that cannot be read: %v)", size(b), err)
	}
	return node
}

// only is the table of one decoder.
func only(name string) []Decoder {
	for _, d := range Decoders() {
		if d.Name == name {
			return []Decoder{d}
		}
	}
	return nil
}

// below decodes one level down; nil when there is nothing or no room for it.
func (i *inspector) below(decode func() (*Node, error)) *Node {
	if i.depth >= maxDepth || i.inside >= maxInside {
		return nil
	}
	i.depth++
	i.inside++
	defer func() { i.depth-- }()
	node, err := decode()
	if err != nil {
		i.inside-- // nothing was there
		return nil
	}
	return node
}
