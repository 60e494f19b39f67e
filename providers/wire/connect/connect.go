// Package connect is how Entra Connect is administered in a lab: HTTPS on the
// server's host, with a bearer secret. In Windows these are cmdlets of its
// module ADSync (Start-ADSyncSyncCycle, Get-ADSyncScheduler); the form is ours.
//
//	POST /cycle   Request → Report   run a cycle now, and wait for its end
//	GET  /status  → Status
//	GET  /carried → Carried  what it told the tenant last (Get-ADSyncCSObject)
//
// A cycle has parts: accounts go up, keys and devices come down. What has a
// schedule of its own is no part of a cycle unless somebody asks for it by name.
// One cycle runs at a time. Who asks while one runs waits for the next, which
// serves all who wait and ask for no more.
package connect

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"hellolab/providers"
	"hellolab/providers/wire/strict"
	"hellolab/providers/wire/web"
)

// Paths of the service.
const (
	PathCycle   = "/cycle"
	PathStatus  = "/status"
	PathCarried = "/carried"
)

// Part is what a cycle may be confined to.
type Part string

// Parts of a cycle, in the order in which they run.
const (
	Accounts        Part = "accounts"         // users, groups, computers and passwords, to the tenant
	KeyExport       Part = "key_export"       // registered Hello keys, to the domain
	DeviceWriteback Part = "device_writeback" // registered devices, to the domain
)

// Parts are all parts, in the order in which they run.
func Parts() []Part { return []Part{Accounts, KeyExport, DeviceWriteback} }

// Request asks for a cycle.
type Request struct {
	Parts   []Part `json:"parts,omitempty"`   // nothing: accounts, and what has no schedule of its own
	Reason  string `json:"reason,omitempty"`  // why, for the trace: ReasonSchedule, or a few words
	Initial bool   `json:"initial,omitempty"` // read everything anew, not only what changed
	Own     bool   `json:"own,omitempty"`     // a flow of its own in the trace, and no step of the caller's
}

// ReasonSchedule is the reason of a cycle that the time made due.
const ReasonSchedule = "schedule"

// Report is what a cycle did.
type Report struct {
	Parts    []Part    `json:"parts,omitempty"`
	Began    string    `json:"began"` // RFC 3339
	Ended    string    `json:"ended"`
	Reason   string    `json:"reason,omitempty"`
	Initial  bool      `json:"initial,omitempty"`
	Staging  bool      `json:"staging,omitempty"` // nothing was exported
	Result   Result    `json:"result"`
	Counts   Counts    `json:"counts"`
	Warnings []Problem `json:"warnings,omitempty"`
	Errors   []Problem `json:"errors,omitempty"`
}

// Result says how a cycle ended.
type Result string

const (
	Success         Result = "success"
	CompletedErrors Result = "completed_errors" // some objects were not written
	Stopped         Result = "stopped"          // a directory could not be read, or does not answer
)

// Counts are how many objects a cycle wrote.
type Counts struct {
	Users     Count `json:"users"`
	Groups    Count `json:"groups"`
	Devices   Count `json:"devices"`   // computers, to the tenant
	Passwords int   `json:"passwords"` // verifiers carried up
	Keys      Count `json:"keys"`      // values of msDS-KeyCredentialLink
	Written   Count `json:"devices_written_back"`
}

// Count is of one kind of object.
type Count struct {
	Added   int `json:"added"`
	Updated int `json:"updated"`
	Deleted int `json:"deleted"`
}

// None says whether nothing was written.
func (c Count) None() bool { return c == Count{} }

// Problem is what kept an object from being written, or was not written as the
// domain says.
type Problem struct {
	Stage    string `json:"stage"`            // "import domain", "import tenant", "export tenant", "export domain", "write back"
	Object   string `json:"object,omitempty"` // distinguished name
	Code     string `json:"code,omitempty"`   // LDAP's result code, or Graph's error code
	Sentence string `json:"sentence"`
}

func (p Problem) String() string {
	text := p.Stage
	if p.Object != "" {
		text += ", " + p.Object
	}
	text += ": " + p.Sentence
	if p.Code != "" {
		text += " (" + p.Code + ")"
	}
	return text
}

// Of returns the problems of an object, and those that are of none.
func (r *Report) Of(dn string) (out []Problem) {
	for _, list := range [][]Problem{r.Errors, r.Warnings} {
		for _, p := range list {
			if p.Object == "" || strings.EqualFold(p.Object, dn) {
				out = append(out, p)
			}
		}
	}
	return out
}

// Err is nil for a cycle that read both directories. What it could not write is
// in Errors.
func (r *Report) Err() error {
	if r.Result != Stopped {
		return nil
	}
	if len(r.Errors) == 0 {
		return fmt.Errorf("the synchronization cycle was stopped")
	}
	return fmt.Errorf("the synchronization cycle was stopped: %s", r.Errors[0])
}

// Status is how the server stands.
type Status struct {
	Staging   bool       `json:"staging"`
	Schedules []Schedule `json:"schedules"` // of all parts, in order
	Running   bool       `json:"running"`
	Last      *Report    `json:"last,omitempty"` // of whatever ran last
}

// Carried is what the server last told the tenant, in its connector space: what
// the domain says otherwise, the next cycle carries.
type Carried struct {
	// Computers is whether their accounts are enabled, by objectGUID in lower case.
	Computers map[string]bool `json:"computers"`
}

// Of returns the schedule of a part.
func (s *Status) Of(p Part) Schedule {
	for _, at := range s.Schedules {
		if at.Part == p {
			return at
		}
	}
	return Schedule{}
}

// Schedule is when a part runs.
type Schedule struct {
	Part     Part   `json:"part"`
	On       bool   `json:"on"`      // the server does it at all
	Own      bool   `json:"own"`     // apart from the cycles
	Enabled  bool   `json:"enabled"` // it runs by itself
	Interval string `json:"interval"`
	Last     string `json:"last,omitempty"`   // when it ended, RFC 3339
	Result   Result `json:"result,omitempty"` // of that
	Next     string `json:"next,omitempty"`   // when it is due
}

// Server is where Connect is administered.
type Server struct {
	Host   string
	Secret string
}

// Cycle runs a cycle.
func Cycle(ctx context.Context, env providers.Env, at Server, q Request) (*Report, error) {
	return call[Report](ctx, env, at, http.MethodPost, PathCycle, q)
}

// StatusOf asks how the server stands.
func StatusOf(ctx context.Context, env providers.Env, at Server) (*Status, error) {
	return call[Status](ctx, env, at, http.MethodGet, PathStatus, nil)
}

// CarriedBy asks what the server last told the tenant.
func CarriedBy(ctx context.Context, env providers.Env, at Server) (*Carried, error) {
	return call[Carried](ctx, env, at, http.MethodGet, PathCarried, nil)
}

// Refusal is the body of a request that was not served.
type Refusal struct {
	Error string `json:"error"`
}

func call[T any](ctx context.Context, env providers.Env, at Server, method, path string, body any) (*T, error) {
	client := web.Client(env)
	defer client.CloseIdleConnections()
	req, err := web.NewJSON(ctx, method, "https://"+at.Host+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+at.Secret)
	reply, err := web.Do(client, req)
	if err != nil {
		return nil, fmt.Errorf("entra connect at %s: %w", at.Host, err)
	}
	if reply.Status != http.StatusOK {
		var no Refusal
		if strict.Unmarshal(reply.Body, &no) != nil || no.Error == "" {
			no.Error = fmt.Sprintf("it answered %d %s", reply.Status, http.StatusText(reply.Status))
		}
		return nil, fmt.Errorf("entra connect at %s: %s", at.Host, no.Error)
	}
	var v T
	if err := strict.Unmarshal(reply.Body, &v); err != nil {
		return nil, fmt.Errorf("entra connect at %s: %w", at.Host, err)
	}
	return &v, nil
}
