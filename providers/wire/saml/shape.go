package saml

import (
	"encoding/xml"
	"slices"

	"hellolab/providers/wire/xmltree"
)

// Algorithms, the only ones.
const (
	algorithmExclusive = "http://www.w3.org/2001/10/xml-exc-c14n#"
	algorithmEnveloped = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
	algorithmRSA       = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
	algorithmSHA256    = "http://www.w3.org/2001/04/xmlenc#sha256"
)

func name(local string) xml.Name { return xml.Name{Space: nsSignature, Local: local} }

// checkShape takes a signature of exactly one form, over the element with that
// id:
//
//	Signature
//	  SignedInfo
//	    CanonicalizationMethod exclusive
//	    SignatureMethod        RSA with SHA-256
//	    Reference URI="#id"
//	      Transforms           enveloped signature, exclusive
//	      DigestMethod         SHA-256
//	      DigestValue
//	  SignatureValue
//	  KeyInfo
func checkShape(signature *xmltree.Element, id string) error {
	if !children(signature, "SignedInfo", "SignatureValue", "KeyInfo") {
		return refuse(Unsigned, "the signature has another form than is taken")
	}
	info := signature.Children[0]
	if !children(info, "CanonicalizationMethod", "SignatureMethod", "Reference") ||
		!algorithm(info.Children[0], algorithmExclusive) || !algorithm(info.Children[1], algorithmRSA) {
		return refuse(Unsigned, "the signature is not exclusive canonicalization, RSA and SHA-256 over one reference")
	}
	reference := info.Children[2]
	if !children(reference, "Transforms", "DigestMethod", "DigestValue") || !algorithm(reference.Children[1], algorithmSHA256) {
		return refuse(Unsigned, "the digest is not SHA-256")
	}
	transforms := reference.Children[0]
	if !children(transforms, "Transform", "Transform") ||
		!algorithm(transforms.Children[0], algorithmEnveloped) || !algorithm(transforms.Children[1], algorithmExclusive) {
		return refuse(Unsigned, "the transforms are not those of an enveloped signature")
	}
	if uri := reference.Attr("", "URI"); uri != "#"+id {
		return refuse(Unsigned, "the signature is over %.80q, not over the assertion", uri)
	}
	return nil
}

// children says whether an element has exactly these children.
func children(e *xmltree.Element, names ...string) bool {
	return slices.EqualFunc(e.Children, names, func(c *xmltree.Element, local string) bool { return c.Is(nsSignature, local) })
}

// algorithm says whether a method is that algorithm, without parameters.
func algorithm(e *xmltree.Element, uri string) bool {
	return e.Attr("", "Algorithm") == uri && len(e.Children) == 0
}
