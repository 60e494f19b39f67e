package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"

	"hellolab/providers/wire/strict"
)

// ErrContentType is a body whose Content-Type is not JSON.
var ErrContentType = errors.New("content type is not JSON")

// ReadJSON decodes a request's body into v by the rules of package strict:
// bounded in size and depth, no member twice, nothing after the end. The error
// wraps ErrContentType, ErrTooLarge or strict.ErrJSON; Status turns it into a
// status code.
func ReadJSON(r *http.Request, v any) error {
	if !isJSON(r.Header) {
		return fmt.Errorf("%w: %.64q", ErrContentType, r.Header.Get("Content-Type"))
	}
	body, err := readAll(r.Body, strict.MaxBytes)
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return fmt.Errorf("%w: more than %d bytes", ErrTooLarge, tooLarge.Limit)
	}
	if err != nil {
		return err
	}
	return strict.Unmarshal(body, v)
}

// Status returns the status code that answers an error of ReadJSON.
func Status(err error) int {
	switch {
	case errors.Is(err, ErrContentType):
		return http.StatusUnsupportedMediaType
	case errors.Is(err, ErrTooLarge):
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusBadRequest
}

// JSON decodes the reply's body into v, by the rules of ReadJSON.
func (r Reply) JSON(v any) error {
	if !isJSON(r.Header) {
		return fmt.Errorf("%w: %.64q", ErrContentType, r.Header.Get("Content-Type"))
	}
	return strict.Unmarshal(r.Body, v)
}

// isJSON takes application/json and the +json types, with any parameters.
func isJSON(h http.Header) bool {
	media, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && (media == "application/json" || strings.HasSuffix(media, "+json"))
}

// WriteJSON sends v as the whole reply. Replies hold tokens and directory
// data, so none may be cached unless the handler said how before.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	body, err := encode(v)
	if err != nil {
		// The reply is the server's own value: that it cannot be written is a
		// mistake of the program, contained as a panic of the handler is.
		panic(fmt.Errorf("encode reply: %w", err))
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that went away is no error of the handler
}

// NewJSON returns a request with v as its body; a nil v means no body.
func NewJSON(ctx context.Context, method, url string, v any) (*http.Request, error) {
	var body []byte
	if v != nil {
		var err error
		if body, err = encode(v); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	if v != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// encode writes JSON without escaping for HTML: nothing here is a page.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
