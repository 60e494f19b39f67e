package ca

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"hellolab/providers/wire/ocsp"
)

// Handler is the authority's web server over plain HTTP: its lists and
// certificate under /CertEnroll/, and OCSP at /ocsp (POST, and GET with the
// request in the path, RFC 6960 A.1). fail, if there is one, is told what broke.
//
// It is no http.ServeMux: that one would "clean" a path of base64.
func (c *CA) Handler(fail func(error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		kind, body, err := c.serve(w, r)
		var status httpStatus
		switch {
		case err == nil:
			w.Header().Set("Content-Type", kind)
			if r.Method != http.MethodHead {
				_, _ = w.Write(body) // a client that is gone is no fault of ours
			}
		case errors.As(err, &status):
			http.Error(w, http.StatusText(int(status)), int(status))
		default:
			if fail != nil {
				fail(err)
			}
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		}
	})
}

// httpStatus is a refusal.
type httpStatus int

func (s httpStatus) Error() string { return http.StatusText(int(s)) }

func (c *CA) serve(w http.ResponseWriter, r *http.Request) (kind string, body []byte, err error) {
	path := r.URL.EscapedPath()
	if path == pathOCSP || strings.HasPrefix(path, pathOCSP+"/") {
		request, err := ocspRequest(w, r, strings.TrimPrefix(path, pathOCSP))
		if err != nil {
			return "", nil, err
		}
		body, err = c.Answer(r.Context(), request)
		return ocsp.TypeResponse, body, err
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return "", nil, httpStatus(http.StatusMethodNotAllowed)
	}
	file, ok := strings.CutPrefix(r.URL.Path, PathLists)
	config := c.Config()
	switch {
	case ok && strings.EqualFold(file, config.certificateFile()):
		return "application/x-x509-ca-cert", c.cert.Raw, nil
	case ok && (strings.EqualFold(file, config.baseFile()) || strings.EqualFold(file, config.deltaFile())):
		base, delta, err := c.Lists(r.Context())
		if strings.EqualFold(file, config.deltaFile()) {
			base = delta
		}
		if err == nil && base == nil {
			err = httpStatus(http.StatusNotFound)
		}
		return "application/pkix-crl", base, err
	}
	return "", nil, httpStatus(http.StatusNotFound)
}

// ocspRequest reads the request from the body, or from what follows the path.
func ocspRequest(w http.ResponseWriter, r *http.Request, rest string) ([]byte, error) {
	switch r.Method {
	case http.MethodPost:
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, ocsp.MaxRequest))
		if err != nil {
			return nil, httpStatus(http.StatusRequestEntityTooLarge)
		}
		return body, nil
	case http.MethodGet:
		text, err := url.PathUnescape(strings.TrimPrefix(rest, "/"))
		if err != nil || len(text) > 2*ocsp.MaxRequest {
			return nil, httpStatus(http.StatusBadRequest)
		}
		request, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, httpStatus(http.StatusBadRequest)
		}
		return request, nil
	}
	return nil, httpStatus(http.StatusMethodNotAllowed)
}
