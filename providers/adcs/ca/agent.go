package ca

import (
	"crypto/sha1"
	"crypto/x509"
	"encoding/asn1"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	tags "golang.org/x/crypto/cryptobyte/asn1"

	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/cmc"
	"hellolab/providers/wire/cms"
	"hellolab/providers/wire/sid"
)

// envelope is a request taken out of what an enrollment agent signed.
type envelope struct {
	csr   []byte
	agent *x509.Certificate // nil: there is no agent
	named string            // the template, by the agent's word; "": none
}

// OnBehalfOf says for whom a request is, DOMAIN\account, when an enrollment
// agent signed it; "" when it is a plain PKCS #10. The signature is not checked
// yet: it tells whom to look up in the directory before Issue.
func OnBehalfOf(der []byte) (string, error) {
	if !isCMS(der) {
		return "", nil
	}
	_, request, err := readEnvelope(der)
	if err != nil {
		return "", err
	}
	return request.Pairs[cmc.RequesterName], nil
}

// isCMS tells a ContentInfo from a PKCS #10: the first thing in it is an OID.
func isCMS(der []byte) bool {
	in, body := cryptobyte.String(der), cryptobyte.String(nil)
	return in.ReadASN1(&body, tags.SEQUENCE) && body.PeekASN1Tag(tags.OBJECT_IDENTIFIER)
}

// readEnvelope takes the two forms of a request for somebody else (MS-WCCE
// 3.1.1.4.3.3): a PKCS #10 that is signed as it is, with attributes that say for
// whom, and a CMC request.
func readEnvelope(der []byte) (*cms.SignedData, *cmc.Request, error) {
	signed, err := cms.ParseSignedData(der)
	if err != nil || !signed.ContentType.Equal(cmc.PKIData) && !signed.ContentType.Equal(cms.Data) {
		return nil, nil, refuse(CodeSyntax, "The request is neither PKCS #10, nor one that one agent signed, nor a CMC request.")
	}
	var request *cmc.Request
	if signed.ContentType.Equal(cms.Data) {
		request = &cmc.Request{CSR: signed.Content}
		for _, a := range signed.Attributes {
			if err == nil && a.ID.Equal(cmc.NameValuePair) {
				request.Pairs, err = cmc.ParsePairs(a.Values)
			}
		}
	} else {
		request, err = cmc.ParseRequest(signed.Content)
	}
	if err != nil {
		return nil, nil, refuse(CodeSyntax, "The CMC request cannot be read.")
	}
	if request.Pairs[cmc.RequesterName] == "" {
		return nil, nil, refuse(CodeInvalidArgument, "The CMC request does not say for whom it is.")
	}
	return signed, request, nil
}

// unwrap opens a request, and verifies that the key of the certificate in it
// signed it for requester. The certificate is checkAgent's to judge.
func unwrap(der []byte, requester *Requester) (*envelope, error) {
	if !isCMS(der) {
		return &envelope{csr: der}, nil
	}
	signed, request, err := readEnvelope(der)
	if err != nil {
		return nil, err
	}
	agent := signed.SignerCertificate()
	if agent == nil {
		return nil, refuse(CodeSignatureRejected, "The certificate of the enrollment agent is not in the request.")
	}
	if signed.Verify(agent.PublicKey, cms.Accept{}) != nil {
		return nil, refuse(CodeBadSignature, "The signature of the enrollment agent does not verify.")
	}
	if !strings.EqualFold(request.Pairs[cmc.RequesterName], requester.Name) {
		return nil, refuse(CodeBadRequestSubject, "The enrollment agent signed for somebody else.")
	}
	return &envelope{request.CSR, agent, request.Pairs[cmc.CertificateTemplate]}, nil
}

// checkAgent checks the signature requirements of a template: agent is the
// certificate whose key signed the request around the requester's, or nil.
func (c *CA) checkAgent(t *Template, agent *x509.Certificate, requester *Requester) error {
	switch {
	case agent == nil && t.Signatures == 0:
		return nil
	case agent == nil:
		return refuse(CodeSignatureRequired, "The template requires the signature of an enrollment agent.")
	case t.Signatures > 1:
		return refuse(CodeSignatureCount, "The template requires %d signatures.", t.Signatures)
	}
	purposes := t.AgentPurposes
	if len(purposes) == 0 {
		purposes = []asn1.ObjectIdentifier{adcert.EKUCertificateRequestAgent}
	}
	for _, p := range purposes {
		if !adcert.HasEKU(agent, p) {
			return refuse(CodeSignatureRejected, "The certificate that signed the request is not for enrollment agents.")
		}
	}
	now := c.env.Now()
	if agent.CheckSignatureFrom(c.cert) != nil {
		return refuse(CodeSignatureRejected, "The enrollment agent's certificate is not of this CA.")
	}
	if now.Before(agent.NotBefore) || now.After(agent.NotAfter) {
		return refuse(CodeSignatureRejected, "The enrollment agent's certificate is not in its life.")
	}
	r, err := c.Find(agent.SerialNumber)
	if err != nil || !slices.Equal(r.Certificate, agent.Raw) {
		return refuse(CodeSignatureRejected, "The enrollment agent's certificate is not in this CA's database.")
	}
	if r.Disposition == Revoked {
		return refuse(CodeSignatureRejected, "The enrollment agent's certificate is revoked.")
	}
	among := func(s sid.SID) bool { return slices.Contains(t.OnBehalfOf, s) }
	if t.OnBehalfOf != nil && !slices.ContainsFunc(requester.Identifiers(), among) {
		return refuse(CodeRestricted, "Enrollment agents may not ask for %s by this template.", requester.Name)
	}
	return nil
}

// Response is the CA's signed answer to a request in the form that clients of
// AD CS get: a full CMC response with the certificates of the chain.
func (c *CA) Response(i *Issued) ([]byte, error) {
	r := cmc.Response{Status: cmc.Pending, Text: "Taken Under Submission"}
	certificates := c.Chain() // the signer's first
	if i.Certificate != nil {
		hash := sha1.Sum(i.Certificate.Raw)
		r = cmc.Response{Status: cmc.Success, Text: "Issued", CertHash: hash[:]}
		certificates = append(certificates, i.Certificate)
	}
	content, err := r.Marshal()
	if err != nil {
		return nil, err
	}
	signer := cms.Signer{Key: c.key, Certificates: certificates, ID: cms.BySerial(c.cert)}
	signed, err := signer.Sign(c.env.Rand, cmc.PKIResponse, content)
	if err != nil {
		return nil, err
	}
	return cms.ContentInfo(cms.SignedDataOID, signed), nil
}
