package wstep

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

type refusal uint32

func (r refusal) Error() string   { return fmt.Sprintf("refused %d", uint32(r)) }
func (r refusal) HResult() uint32 { return uint32(r) }

// desk is an Enroller that says who asked for what.
type desk struct{}

func (desk) Enroll(_ context.Context, who string, r *Request) (*Response, error) {
	switch string(r.Token) {
	case "deny":
		return nil, fmt.Errorf("wrapped: %w", refusal(0x80094012))
	case "break":
		return nil, errors.New("secret of the inside")
	case "pend":
		return &Response{Disposition: "Taken Under Submission", RequestID: "9", CMC: []byte("x"), Reference: "https://ca"}, nil
	}
	return &Response{Disposition: "Issued", Certificate: []byte(who + " " + r.Context[ContextTemplate]), CMC: []byte("x"), RequestID: "1"}, nil
}

func (desk) Status(_ context.Context, who, id string) (*Response, error) {
	return &Response{Disposition: "Issued", Certificate: []byte(who + " " + id), CMC: []byte("x"), RequestID: id}, nil
}

func TestOverHTTP(t *testing.T) {
	var broken error
	server := httptest.NewServer(&Server[string]{
		Authenticate: func(reply http.Header, r *http.Request) (string, error) {
			user, _, ok := r.BasicAuth()
			if !ok {
				reply.Set("WWW-Authenticate", "Negotiate")
				return "", errors.New("who is it?")
			}
			return user, nil
		},
		Enroller: desk{},
		Fail:     func(err error) { broken = err },
	})
	t.Cleanup(server.Close)
	known := &Client{HTTP: server.Client(), URL: strings.Replace(server.URL, "://", "://alice:x@", 1), Rand: rand.Reader}
	ctx := context.Background()
	if r, err := known.Enroll(ctx, []byte("give"), false, "User"); err != nil || string(r.Certificate) != "alice User" {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := known.Enroll(ctx, []byte("pend"), true, ""); err != nil || !r.Pending() || r.RequestID != "9" {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := known.Status(ctx, "9"); err != nil || string(r.Certificate) != "alice 9" {
		t.Errorf("%+v, %v", r, err)
	}
	var f *Fault
	if r, err := known.Enroll(ctx, []byte("deny"), false, ""); !errors.As(err, &f) || f.Code != 0x80094012 || !f.InvalidRequest || f.Sender {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := known.Enroll(ctx, []byte("break"), false, ""); !errors.As(err, &f) || f.Code != 0 || strings.Contains(f.Reason, "secret") || broken == nil {
		t.Errorf("%+v, %v, %v", r, err, broken)
	}
	if r, err := known.Enroll(ctx, nil, false, ""); !errors.As(err, &f) || !f.Sender {
		t.Errorf("%+v, %v", r, err)
	}
	stranger := &Client{HTTP: server.Client(), URL: server.URL, Rand: rand.Reader}
	if r, err := stranger.Enroll(ctx, []byte("give"), false, ""); !errors.Is(err, ErrAuthentication) {
		t.Errorf("%+v, %v", r, err)
	}
	for name, c := range map[string]struct {
		method, kind, body string
		want               int
	}{
		"GET":      {"GET", contentType, "", http.StatusMethodNotAllowed},
		"form":     {"POST", "application/x-www-form-urlencoded", "", http.StatusUnsupportedMediaType},
		"SOAP 1.1": {"POST", "text/xml", "", http.StatusUnsupportedMediaType},
		"large":    {"POST", contentType, strings.Repeat("x", MaxMessage+1), http.StatusRequestEntityTooLarge},
		"no XML":   {"POST", contentType, "x", http.StatusBadRequest},
	} {
		r, err := http.NewRequest(c.method, known.URL, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", c.kind)
		reply, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		reply.Body.Close()
		if reply.StatusCode != c.want {
			t.Errorf("%s: %s", name, reply.Status)
		}
	}
}

// A server that answers something else is not believed.
func TestClientRefuses(t *testing.T) {
	var answer func(w http.ResponseWriter)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w) }))
	t.Cleanup(server.Close)
	client := &Client{HTTP: server.Client(), URL: server.URL, Rand: rand.Reader}
	for name, f := range map[string]func(w http.ResponseWriter){
		"page": func(w http.ResponseWriter) { io.WriteString(w, "<html>") },
		"another's answer": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", contentType)
			w.Write((&Response{RelatesTo: messageID, Certificate: []byte("x"), CMC: []byte("y")}).Marshal())
		},
		"endless": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", contentType)
			w.Write(make([]byte, 4*maxResponse))
		},
	} {
		answer = f
		if r, err := client.Enroll(context.Background(), []byte("x"), false, ""); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
