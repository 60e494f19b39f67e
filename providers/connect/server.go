package connect

import (
	"context"
	"crypto/subtle"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/wire/connect"
	"hellolab/providers/wire/web"
)

// server is one Entra Connect answering.
type server struct {
	env  providers.Env
	turn chan struct{} // holds one token: who has it runs a cycle

	mu      sync.Mutex
	begun   uint64 // cycles that began
	running bool
	last    *connect.Report // of the last cycle that began
}

func open(ctx context.Context, env providers.Env, o object) (providers.Service, error) {
	if _, err := loadSettings(env); err != nil {
		return nil, err
	}
	hosts := []string{o.Out.Host}
	cert, err := web.Certificate(ctx, env, hosts)
	if err != nil {
		return nil, err
	}
	s := &server{env: env, turn: make(chan struct{}, 1)}
	return web.Serve(ctx, env, hosts, cert, s)
}

// ServeHTTP answers the server's administrator.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	set, err := loadSettings(s.env)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare([]byte(text), []byte(set.Secret)) != 1 {
		refuse(w, http.StatusUnauthorized, "Its administrator proves itself by a secret, which this request does not bring.")
		return
	}
	switch {
	case r.URL.Path == connect.PathCycle && r.Method == http.MethodPost:
		var q connect.Request
		if err := web.ReadJSON(r, &q); err != nil {
			refuse(w, web.Status(err), "The request is not a JSON object that asks for a cycle.")
			return
		}
		if why := refusal(set.In, q.Parts); why != "" {
			refuse(w, http.StatusBadRequest, why)
			return
		}
		report, err := s.cycle(r.Context(), q)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		web.WriteJSON(w, http.StatusOK, report)
	case r.URL.Path == connect.PathStatus && r.Method == http.MethodGet:
		at, err := loadSchedule(s.env)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		s.mu.Lock()
		running := s.running
		s.mu.Unlock()
		web.WriteJSON(w, http.StatusOK, connect.Status{Staging: set.In.Staging, Schedules: at.schedules(set.In), Running: running, Last: at.Last})
	case r.URL.Path == connect.PathCarried && r.Method == http.MethodGet:
		said, err := carried(s.env)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		web.WriteJSON(w, http.StatusOK, said)
	default:
		refuse(w, http.StatusNotFound, "There is nothing at this path.")
	}
}

// carried is what the tenant was told last.
func carried(env providers.Env) (connect.Carried, error) {
	out := connect.Carried{Computers: map[string]bool{}}
	err := env.Section.View(func(r providers.Reader) error {
		list, err := all[joined](r, tableJoined)
		for id, j := range list {
			if j.Collection == devices && j.ID != "" && j.Sent != nil {
				out.Computers[strings.ToLower(id)] = j.Sent.Enabled
			}
		}
		return err
	})
	return out, err
}

// refusal is why a cycle cannot be confined to parts: there is no such part, or
// the server does none of them.
func refusal(in spec.Sync, asked []connect.Part) string {
	for _, p := range asked {
		if !slices.Contains(connect.Parts(), p) {
			return fmt.Sprintf("A cycle has no part %q: name one of %q.", p, connect.Parts())
		}
	}
	if len(asked) > 0 && len(parts(in, asked)) == 0 {
		return fmt.Sprintf("There is nothing to run: %s is off.", asked[0])
	}
	return ""
}

func refuse(w http.ResponseWriter, status int, sentence string) {
	web.WriteJSON(w, status, connect.Refusal{Error: sentence})
}

func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if s.env.Log != nil {
		s.env.Log.ErrorContext(r.Context(), "entra connect failed", "error", err, "correlation", web.Correlation(r.Context()))
	}
	refuse(w, http.StatusInternalServerError, "The cycle could not be run; the log has the cause.")
}

// serves says whether the last cycle did all that a request asks for.
func (s *server) serves(q connect.Request) bool {
	set, err := loadSettings(s.env)
	if err != nil || s.last.Result == connect.Stopped || q.Initial && !s.last.Initial {
		return false
	}
	for _, p := range parts(set.In, q.Parts) {
		if !slices.Contains(s.last.Parts, p) {
			return false
		}
	}
	return true
}

// cycle runs a cycle when it is its turn. A cycle that began after the request
// came serves it, too: it has read everything that was so by then.
func (s *server) cycle(ctx context.Context, q connect.Request) (*connect.Report, error) {
	s.mu.Lock()
	came := s.begun
	s.mu.Unlock()
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("another cycle is running: %w", ctx.Err())
	}
	defer func() { <-s.turn }()
	s.mu.Lock()
	if s.begun > came && s.last != nil && s.serves(q) {
		defer s.mu.Unlock()
		return s.last, nil
	}
	s.begun++
	s.running, s.last = true, nil
	s.mu.Unlock()
	report, err := run(ctx, s.env, q)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running, s.last = false, report
	return report, err
}
