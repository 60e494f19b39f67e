package scep

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"

	"hellolab/providers/wire/cms"
)

// Request is what a device asks for. Nothing in it is believed but that whoever
// sent it knows the challenge and has the key.
type Request struct {
	CSR       []byte // PKCS #10, not verified
	Challenge string // "": none
}

// RA is the registration authority: the certificate that devices encrypt to, and
// which signs what they get.
type RA struct {
	Key   *rsa.PrivateKey
	Chain []*x509.Certificate // its certificate first, those above it after
}

// Server answers. It is an http.Handler for one path.
type Server struct {
	RA func() (*RA, error)
	// Issue answers a request with a chain, the certificate first. A *Refusal is
	// sent to the device, and every other error to Fail.
	Issue func(context.Context, *Request) ([]*x509.Certificate, error)
	Rand  io.Reader
	Fail  func(error)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	operation := r.URL.Query().Get("operation")
	if operation == opCapabilities && r.Method == http.MethodGet {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, strings.Join(capabilities, "\n")+"\n")
		return
	}
	ra, err := s.RA()
	if err != nil {
		s.broken(w, err)
		return
	}
	switch {
	case operation == opCertificates && r.Method == http.MethodGet:
		w.Header().Set("Content-Type", typeCertificates)
		_, _ = w.Write(cms.CertsOnly(ra.Chain))
	case operation == opMessage && (r.Method == http.MethodPost || r.Method == http.MethodGet):
		message, err := messageOf(r)
		if err != nil {
			http.Error(w, "The message is too long, or cannot be read.", http.StatusBadRequest)
			return
		}
		answer, err := s.answer(r.Context(), ra, message)
		if errors.Is(err, ErrSyntax) {
			http.Error(w, "The message is not one of SCEP.", http.StatusBadRequest)
			return
		}
		if err != nil {
			s.broken(w, err)
			return
		}
		w.Header().Set("Content-Type", typeMessage)
		_, _ = w.Write(answer)
	default:
		http.Error(w, "There is no such operation.", http.StatusBadRequest)
	}
}

func (s *Server) broken(w http.ResponseWriter, err error) {
	s.Fail(err)
	http.Error(w, "The service failed.", http.StatusInternalServerError)
}

// messageOf is the message of a request: the body, or in the query in base64.
func messageOf(r *http.Request) ([]byte, error) {
	if r.Method == http.MethodGet {
		text := r.URL.Query().Get("message")
		if len(text) > 2*cms.MaxSize {
			return nil, syntax("too long")
		}
		return base64.StdEncoding.DecodeString(text)
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, cms.MaxSize+1))
	if err == nil && len(b) > cms.MaxSize {
		err = syntax("too long")
	}
	return b, err
}

// answer serves one message. A message that nobody can be answered, because it
// does not say who asks, is ErrSyntax.
func (s *Server) answer(ctx context.Context, ra *RA, message []byte) ([]byte, error) {
	signed, err := cms.ParseSignedData(message)
	if err != nil {
		return nil, errors.Join(ErrSyntax, err)
	}
	device := signed.SignerCertificate()
	if device == nil {
		return nil, syntax("the signer's certificate is not in it")
	}
	asked, err := read(signed.Attributes)
	if err != nil {
		return nil, err
	}
	chain, err := s.serve(ctx, ra, signed, device, asked)
	a := about{kind: certRep, transaction: asked.transaction, recipient: asked.sender, status: success}
	var refusal *Refusal
	switch {
	case errors.As(err, &refusal):
		a.status, a.fail, a.text = failure, refusal.Info, clip(refusal.Text)
	case err != nil:
		return nil, err
	}
	var content []byte
	if a.status == success {
		if content, err = cms.Envelope(s.Rand, device, cms.Data, cms.CertsOnly(chain), cipherAES128); err != nil {
			return nil, err
		}
		content = cms.ContentInfo(cms.EnvelopedOID, content)
	}
	return sign(s.Rand, cms.Signer{Key: ra.Key, Certificates: ra.Chain[:1]}, a, content)
}

func clip(text string) string {
	if len(text) > maxText {
		return strings.ToValidUTF8(text[:maxText], "")
	}
	return text
}

// sign draws a nonce for a message, and signs it.
func sign(rand io.Reader, signer cms.Signer, a about, content []byte) ([]byte, error) {
	nonce := make([]byte, nonceSize)
	if _, err := io.ReadFull(rand, nonce); err != nil {
		return nil, err
	}
	a.sender = string(nonce)
	signer.Attributes = a.attributes()
	der, err := signer.Sign(rand, cms.Data, content)
	if err != nil {
		return nil, err
	}
	return cms.ContentInfo(cms.SignedDataOID, der), nil
}

func (s *Server) serve(ctx context.Context, ra *RA, signed *cms.SignedData, device *x509.Certificate, asked *about) ([]*x509.Certificate, error) {
	switch err := signed.Verify(device.PublicKey, cms.Accept{}); {
	case errors.Is(err, cms.ErrDigest), errors.Is(err, cms.ErrUnsupported):
		return nil, &Refusal{BadAlgorithm, ""}
	case err != nil:
		return nil, &Refusal{BadMessage, "The message's signature does not verify."}
	}
	if asked.kind != pkcsReq {
		return nil, &Refusal{BadRequest, "Only PKCSReq is answered here."}
	}
	if pub, ok := device.PublicKey.(*rsa.PublicKey); !ok || pub.N.BitLen() < 2048 || pub.N.BitLen() > 4096 {
		return nil, &Refusal{BadAlgorithm, "The answer cannot be encrypted to the signer's key."}
	}
	sealed, err := cms.ParseEnvelopedData(signed.Content)
	if err != nil {
		return nil, &Refusal{BadMessage, "The envelope cannot be read."}
	}
	if !strong(sealed) {
		return nil, &Refusal{BadAlgorithm, "The envelope is not encrypted with AES."}
	}
	csr, err := sealed.Open(s.Rand, ra.Key, ra.Chain[0])
	challenge := ""
	if err == nil {
		challenge, err = challengeOf(csr)
	}
	if err != nil { // one answer: which of the two it is would tell of the key
		return nil, &Refusal{BadMessage, "The envelope does not open to a certificate request."}
	}
	return s.Issue(ctx, &Request{CSR: csr, Challenge: challenge})
}
