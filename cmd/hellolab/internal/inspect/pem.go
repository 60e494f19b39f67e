package inspect

import (
	"encoding/pem"
	"errors"
	"strings"
)

// maxBlocks bounds the blocks of one PEM text.
const maxBlocks = 64

// blocks are the decoders of PEM blocks (RFC 7468), by the block's label.
var blocks = map[string]string{
	"CERTIFICATE":             "certificate",
	"X509 CERTIFICATE":        "certificate",
	"CERTIFICATE REQUEST":     "csr",
	"NEW CERTIFICATE REQUEST": "csr",
	"X509 CRL":                "crl",
	"CMS":                     "cms",
	"PKCS7":                   "cms",
	"PUBLIC KEY":              "key",
	"RSA PUBLIC KEY":          "key",
	"PRIVATE KEY":             "key",
	"RSA PRIVATE KEY":         "key",
	"EC PRIVATE KEY":          "key",
}

// decodePEM decodes block by block. Text between blocks is skipped.
func decodePEM(i *inspector, in Input) (*Node, error) {
	if !strings.Contains(in.Text, "-----BEGIN ") {
		return nil, not("it has no -----BEGIN")
	}
	var nodes []any
	for rest := []byte(in.Text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if len(nodes) == maxBlocks {
			return nil, errors.New("it has more than 64 blocks")
		}
		nodes = append(nodes, i.block(block))
	}
	if len(nodes) == 0 {
		return nil, errors.New("no block of it is whole")
	}
	if n, ok := nodes[0].(*Node); ok && len(nodes) == 1 {
		n.Fields = append(Fields{{Name: "form", Value: "PEM"}}, n.Fields...)
		return n, nil
	}
	n := &Node{Title: "PEM file"}
	n.add("blocks", nodes)
	return n, nil
}

// block decodes one block, or names it.
func (i *inspector) block(b *pem.Block) any {
	if format, ok := blocks[b.Type]; ok {
		return i.bytesAs(format, b.Bytes)
	}
	if strings.Contains(b.Type, "PRIVATE") {
		return b.Type + " (not shown)"
	}
	return b.Type + ", " + size(b.Bytes)
}
