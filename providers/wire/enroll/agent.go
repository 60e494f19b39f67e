package enroll

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"io"

	"hellolab/providers/wire/cmc"
	"hellolab/providers/wire/cms"
)

// Agent is an enrollment agent: who signs requests for others (MS-WCCE
// 3.1.1.4.3.3.3).
type Agent struct {
	Key         crypto.Signer
	Certificate *x509.Certificate // whose purpose is Certificate Request Agent
}

// Sign makes the CMC request, a ContentInfo, by which a CA is asked for a
// certificate by a template for an account, DOMAIN\name. csr is PKCS #10, whose
// key alone counts.
func (a *Agent) Sign(rand io.Reader, account, template string, csr []byte) ([]byte, error) {
	content, err := cmc.Request{CSR: csr, Pairs: map[string]string{cmc.RequesterName: account, cmc.CertificateTemplate: template}}.Marshal()
	if err != nil {
		return nil, err
	}
	signed, err := cms.Signer{Key: a.Key, Certificates: []*x509.Certificate{a.Certificate}}.Sign(rand, cmc.PKIData, content)
	if err != nil {
		return nil, fmt.Errorf("sign for %s: %w", account, err)
	}
	return cms.ContentInfo(cms.SignedDataOID, signed), nil
}

// Submit sends a service what an agent signed. A refusal is a *wstep.Fault.
func (c *Client) Submit(ctx context.Context, s Service, request []byte) (*Issued, error) {
	return c.ask(ctx, s, request, true, "")
}
