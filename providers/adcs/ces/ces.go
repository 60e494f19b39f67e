// Package ces is the certificate enrollment service in front of an authority
// (AD CS' Certificate Enrollment Web Service): it turns WS-Trust requests of
// authenticated clients into requests to the CA. It looks up in the directory
// whom an enrollment agent asks for, by a function.
//
// Source: MS-WSTEP 3.1.4.2, MS-WCCE 3.1.1.4.3.3 (enroll on behalf of).
package ces

import (
	"context"
	"strconv"

	"hellolab/providers/adcs/ca"
	"hellolab/providers/wire/wstep"
)

// Path is where the service of an authority answers over HTTPS to clients that
// authenticate with Kerberos.
func Path(c *ca.CA) string { return "/" + c.Config().FileName() + "_CES_Kerberos/service.svc/CES" }

// Service implements wstep.Enroller over an authority. Clients are known as
// what the directory says of them.
type Service struct {
	CA *ca.CA
	// Lookup returns what the directory says of an account, DOMAIN\name. An
	// account that is not there is an error with an HRESULT (NoSuchAccount).
	Lookup func(ctx context.Context, account string) (*ca.Requester, error)
	// May says whether an account has the right Enroll on a template, as the
	// directory has it; nil: the template itself says.
	May func(ctx context.Context, who *ca.Requester, t *ca.Template) (bool, error)
	URL string // the service's own, for answers to pending requests
}

// NoSuchAccount is a Lookup's answer for an account that the directory does not have.
func NoSuchAccount(account string) error {
	return &ca.Error{Code: ca.CodeBadRequestSubject, Sentence: "The directory has no account " + strconv.Quote(account) + "."}
}

var _ wstep.Enroller[ca.Requester] = (*Service)(nil)

// Enroll implements wstep.Enroller.
func (s *Service) Enroll(ctx context.Context, who ca.Requester, r *wstep.Request) (*wstep.Response, error) {
	account, err := ca.OnBehalfOf(r.Token)
	if err != nil {
		return nil, err
	}
	if account != "" {
		target, err := s.Lookup(ctx, account)
		if err != nil {
			return nil, err
		}
		who = *target
	}
	request := ca.Request{Requester: who, CSR: r.Token, Template: r.Context[wstep.ContextTemplate]}
	if s.May != nil {
		request.May = func(ctx context.Context, t *ca.Template) (bool, error) { return s.May(ctx, &who, t) }
	}
	issued, err := s.CA.Issue(ctx, request)
	if err != nil {
		return nil, err
	}
	return s.response(issued)
}

// Status implements wstep.Enroller.
func (s *Service) Status(_ context.Context, who ca.Requester, requestID string) (*wstep.Response, error) {
	id, err := strconv.ParseUint(requestID, 10, 31)
	if err != nil {
		return nil, &ca.Error{Code: ca.CodePropertyEmpty, Sentence: "There is no such request."}
	}
	issued, err := s.CA.Retrieve(int(id), &who)
	if err != nil {
		return nil, err
	}
	return s.response(issued)
}

func (s *Service) response(issued *ca.Issued) (*wstep.Response, error) {
	full, err := s.CA.Response(issued)
	if err != nil {
		return nil, err
	}
	r := &wstep.Response{Disposition: "Taken Under Submission", CMC: full, RequestID: strconv.Itoa(issued.RequestID), Reference: s.URL}
	if issued.Certificate != nil {
		r.Disposition, r.Certificate, r.Reference = "Issued", issued.Certificate.Raw, ""
	}
	return r, nil
}
