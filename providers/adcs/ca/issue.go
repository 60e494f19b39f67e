package ca

import (
	"context"
	"crypto/x509"
	"encoding/binary"
	"io"
	"math/big"
	"time"

	"hellolab/providers"
)

// Request asks for one certificate.
type Request struct {
	Requester Requester // whom the certificate is for
	// CSR is PKCS #10 in DER, or a CMC request around one that an enrollment
	// agent signed for Requester.Name (OnBehalfOf).
	CSR      []byte
	Template string // name; "": the request says
	// May says whether Requester has the right Enroll on a template, as the
	// directory has it; nil: Template.May does.
	May func(context.Context, *Template) (bool, error)
}

// may says whether the requester may enroll by a template.
func (r *Request) may(ctx context.Context, t *Template) (bool, error) {
	if r.May == nil {
		return t.May(r.Requester.Identifiers()), nil
	}
	return r.May(ctx, t)
}

// Issued is the answer to a request.
type Issued struct {
	RequestID   int
	Disposition Disposition       // DispositionIssued or UnderSubmission
	Certificate *x509.Certificate // nil while it is pending
}

// Issue answers a request by its template. Names, purposes and extensions that
// the request asks for are not read. Errors that the requester may see are *Error.
//
// What one request costs durable state is two commits: the serial number before
// the certificate is signed, the certificate before it leaves.
func (c *CA) Issue(ctx context.Context, r Request) (*Issued, error) {
	opened, err := unwrap(r.CSR, &r.Requester)
	if err != nil {
		return nil, err
	}
	request, err := parseRequest(opened.csr)
	if err != nil {
		return nil, err
	}
	t, err := c.template(request, r.Template, opened.named)
	if err != nil {
		return nil, err
	}
	may, err := r.may(ctx, t)
	if err != nil {
		return nil, err
	}
	if !may {
		return nil, refuse(CodeTemplateDenied, "The permissions on the certificate template do not allow the current user to enroll for this type of certificate.")
	}
	if err := c.checkAgent(t, opened.agent, &r.Requester); err != nil {
		return nil, err
	}
	if err := checkKey(request.PublicKey, t.MinimumKey, t.Elliptic); err != nil {
		return nil, err
	}
	cert, err := c.certificate(t, &r.Requester, request.PublicKey)
	if err != nil {
		return nil, err
	}
	about := row{Template: t.Name, Requester: r.Requester.Name, SID: r.Requester.SID.String()}
	if t.Enrollment&PendAllRequests != 0 {
		about.CSR, about.Names = opened.csr, &r.Requester
		return c.pend(ctx, about)
	}
	return c.issue(ctx, cert, request.PublicKey, about, t.Validity)
}

// issue gives a certificate its number and life, signs it and records it.
func (c *CA) issue(ctx context.Context, cert *x509.Certificate, pub any, about row, life time.Duration) (*Issued, error) {
	var err error
	if cert.NotBefore, cert.NotAfter, err = c.lifetime(life); err != nil {
		return nil, err
	}
	var random [8]byte
	if _, err := io.ReadFull(c.env.Rand, random[:]); err != nil {
		return nil, err
	}
	if about.ID == 0 {
		about.Submitted = c.env.Now()
	}
	was := about.Disposition
	err = c.env.Section.Record(ctx, func(w providers.Writer) error {
		if about.ID == 0 {
			id, err := next(w, keyRequest)
			if err != nil {
				return err
			}
			about.ID = int(id)
		} else { // it was pending: somebody else may have decided it meanwhile
			var now row
			if err := get(w, tableRequests, requestKey(about.ID), &now); err != nil {
				return err
			}
			if now.Disposition != was {
				return refuse(CodeBadRequestStatus, "Request %d is not pending.", about.ID)
			}
		}
		cert.SerialNumber = c.serial(about.ID, random)
		about.Disposition, about.Serial = active, serialKey(cert.SerialNumber)
		if err := put(w, tableSerials, about.Serial, about.ID); err != nil {
			return err
		}
		return put(w, tableRequests, requestKey(about.ID), about)
	})
	if err != nil {
		return nil, err
	}
	issued, err := sign(c.env, cert, c.cert, pub, c.key)
	if err != nil {
		return nil, err
	}
	about.Disposition, about.Certificate, about.NotAfter, about.Resolved = DispositionIssued, issued.Raw, issued.NotAfter, c.env.Now()
	about.CSR, about.Names = nil, nil
	err = c.env.Section.Record(ctx, func(w providers.Writer) error { return put(w, tableRequests, requestKey(about.ID), about) })
	if err != nil {
		return nil, err
	}
	return &Issued{RequestID: about.ID, Disposition: DispositionIssued, Certificate: issued}, nil
}

// serial builds a serial number as AD CS does, 19 bytes:
//
//	 0  u8   of the authority, 0x10 to 0x7f
//	 1  u32  request number
//	 5  8    random
//	13  u16  index of the authority's key, 0
//	15  u32  request number
//
// The request number alone makes it unique.
func (c *CA) serial(id int, random [8]byte) *big.Int {
	b := make([]byte, 0, 19)
	b = append(b, c.cert.SubjectKeyId[0]&0x6f|0x10)
	b = binary.BigEndian.AppendUint32(b, uint32(id))
	b = append(b, random[:]...)
	b = append(b, 0, 0)
	return new(big.Int).SetBytes(binary.BigEndian.AppendUint32(b, uint32(id)))
}

// pend records a request that an administrator decides.
func (c *CA) pend(ctx context.Context, about row) (*Issued, error) {
	about.Submitted, about.Disposition = c.env.Now(), UnderSubmission
	err := c.env.Section.Record(ctx, func(w providers.Writer) error {
		id, err := next(w, keyRequest)
		if err != nil {
			return err
		}
		about.ID = int(id)
		return put(w, tableRequests, requestKey(about.ID), about)
	})
	if err != nil {
		return nil, err
	}
	return &Issued{RequestID: about.ID, Disposition: UnderSubmission}, nil
}

// Resubmit issues a pending request: the administrator's yes.
func (c *CA) Resubmit(ctx context.Context, id int) (*Issued, error) {
	about, err := c.pending(id)
	if err != nil {
		return nil, err
	}
	request, err := parseRequest(about.CSR)
	if err != nil {
		return nil, err
	}
	t, err := c.template(request, about.Template)
	if err != nil {
		return nil, err
	}
	cert, err := c.certificate(t, about.Names, request.PublicKey)
	if err != nil {
		return nil, err
	}
	return c.issue(ctx, cert, request.PublicKey, *about, t.Validity)
}

// Deny refuses a pending request: the administrator's no.
func (c *CA) Deny(ctx context.Context, id int) error {
	about, err := c.pending(id)
	if err != nil {
		return err
	}
	return c.env.Section.Record(ctx, func(w providers.Writer) error {
		var now row
		if err := get(w, tableRequests, requestKey(id), &now); err != nil {
			return err
		}
		if now.Disposition != about.Disposition {
			return refuse(CodeBadRequestStatus, "Request %d is not pending.", id)
		}
		now.Disposition, now.Resolved, now.CSR, now.Names = Denied, c.env.Now(), nil, nil
		return put(w, tableRequests, requestKey(id), now)
	})
}

// Retrieve answers somebody who asks for an earlier request of theirs.
func (c *CA) Retrieve(id int, requester *Requester) (*Issued, error) {
	about, err := c.row(id)
	switch {
	case err != nil:
		return nil, err
	case about.SID != requester.SID.String():
		return nil, refuse(CodeAccessDenied, "The request was made by somebody else.")
	case about.Disposition == UnderSubmission:
		return &Issued{RequestID: id, Disposition: UnderSubmission}, nil
	case about.Disposition == Denied:
		return nil, refuse(CodeDeniedByAdmin, "The request was denied by a certificate manager or CA administrator.")
	case about.Disposition == active:
		return nil, refuse(CodeBadRequestStatus, "The request was interrupted.")
	}
	cert, err := x509.ParseCertificate(about.Certificate)
	if err != nil {
		return nil, err
	}
	return &Issued{RequestID: id, Disposition: DispositionIssued, Certificate: cert}, nil
}
