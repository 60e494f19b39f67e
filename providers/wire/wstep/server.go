package wstep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"hellolab/providers/wire/soap"
)

const contentType = soap.ContentType

// Enroller decides requests of somebody the server knows as an R. An error with
// a method HResult() uint32 is the CA's refusal and goes to the client with its
// sentence; of any other error the client learns nothing.
type Enroller[R any] interface {
	Enroll(ctx context.Context, who R, r *Request) (*Response, error)
	Status(ctx context.Context, who R, requestID string) (*Response, error)
}

// Server answers over HTTP.
type Server[R any] struct {
	// Authenticate says who asks. It may set headers of the reply, such as
	// WWW-Authenticate; its error is answered with 401.
	Authenticate func(reply http.Header, r *http.Request) (R, error)
	Enroller     Enroller[R]
	Fail         func(error) // is told what broke; may be nil
}

// ServeHTTP implements http.Handler.
func (s *Server[R]) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != contentType {
		http.Error(w, http.StatusText(http.StatusUnsupportedMediaType), http.StatusUnsupportedMediaType)
		return
	}
	who, err := s.Authenticate(w.Header(), r)
	if err != nil {
		http.Error(w, http.StatusText(http.StatusUnauthorized), http.StatusUnauthorized)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxMessage))
	if err != nil {
		http.Error(w, http.StatusText(http.StatusRequestEntityTooLarge), http.StatusRequestEntityTooLarge)
		return
	}
	status, answer := s.answer(r.Context(), who, body)
	w.Header().Set("Content-Type", contentType+"; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(answer) // a client that is gone is no fault of ours
}

func (s *Server[R]) answer(ctx context.Context, who R, body []byte) (int, []byte) {
	request, err := ParseRequest(body)
	if err != nil {
		return s.fault(err, "")
	}
	var response *Response
	if request.Query {
		response, err = s.Enroller.Status(ctx, who, request.RequestID)
	} else {
		response, err = s.Enroller.Enroll(ctx, who, request)
	}
	if err != nil {
		return s.fault(err, request.MessageID)
	}
	response.RelatesTo = request.MessageID
	return http.StatusOK, response.Marshal()
}

// fault turns an error into what the client may know of it.
func (s *Server[R]) fault(err error, relates string) (int, []byte) {
	var f *Fault
	var refusal interface {
		error
		HResult() uint32
	}
	switch {
	case errors.As(err, &f):
	case errors.Is(err, ErrXML):
		f = &Fault{Sender: true, Subcode: "InvalidRequest", Reason: "The message is no SOAP envelope that is read here."}
	case errors.As(err, &refusal):
		f = &Fault{Code: refusal.HResult(), InvalidRequest: true, Reason: fmt.Sprintf("Denied by the certification authority: %s", refusal.Error())}
	default:
		if s.Fail != nil {
			s.Fail(err)
		}
		f = &Fault{Subcode: "InternalServiceFault", Reason: "The server was unable to process the request because of an internal error."}
	}
	if f.RelatesTo == "" {
		f.RelatesTo = relates
	}
	if f.Sender {
		return http.StatusBadRequest, f.Marshal()
	}
	return http.StatusInternalServerError, f.Marshal()
}
