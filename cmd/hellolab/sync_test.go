package main

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"hellolab/engine/journal"
	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/wire/connect"
	"hellolab/providers/wire/web"
)

// A place is a tenant or a domain of which nothing matters but its names.
type place struct {
	Domains []string `lab:"domains" doc:"Of a tenant."`
	DNSName string   `lab:"dns_name" doc:"Of a domain."`
	NetBIOS string   `lab:"netbios_name" doc:"Of a domain."`
}
type placeOut struct {
	ID string `lab:"id,id" doc:"Identity."`
}

func placeKind(name string) providers.Type {
	return providers.Of(providers.Kind[place, placeOut]{Name: name, Doc: "A place.",
		Create: func(_ context.Context, env providers.Env, _ place) (placeOut, error) { return placeOut{env.Addr}, nil }})
}

// connectServer is a Connect server that answers with a report, and notes what it was
// asked.
type connectServer struct {
	report connect.Report
	asked  []connect.Request
	traces []string
}

const adminSecret = "the secret of the server"

func (c *connectServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var q connect.Request
	switch {
	case r.Header.Get("Authorization") != "Bearer "+adminSecret:
		web.WriteJSON(w, http.StatusUnauthorized, connect.Refusal{Error: "No."})
	case r.Method != http.MethodPost || r.URL.Path != connect.PathCycle || web.ReadJSON(r, &q) != nil:
		web.WriteJSON(w, http.StatusNotFound, connect.Refusal{Error: "Nothing."})
	default:
		c.asked, c.traces = append(c.asked, q), append(c.traces, web.Correlation(r.Context()))
		web.WriteJSON(w, http.StatusOK, c.report)
	}
}

func (c *connectServer) kind() providers.Type {
	return providers.Of(providers.Kind[spec.Sync, spec.SyncOut]{Name: "sync", Doc: "A Connect server.", After: []string{"tenant", "domain"},
		Hosts: func(o providers.Object[spec.Sync, spec.SyncOut]) []string { return []string{o.Out.Host} },
		Create: func(_ context.Context, env providers.Env, _ spec.Sync) (spec.SyncOut, error) {
			return spec.SyncOut{Host: strings.ReplaceAll(env.Addr, "sync.", "connect-") + ".corp.test", Admin: adminSecret}, nil
		},
		Open: func(ctx context.Context, env providers.Env, o providers.Object[spec.Sync, spec.SyncOut]) (providers.Service, error) {
			cert, err := web.Certificate(ctx, env, []string{o.Out.Host})
			if err != nil {
				return nil, err
			}
			return web.Serve(ctx, env, []string{o.Out.Host}, cert, c)
		},
	})
}

// syncLab is a tenant, a domain and a Connect server between them, all of a name.
func syncLab(name string) string {
	return strings.ReplaceAll(`
tenant "NAME" { domains = ["NAME.test"] }
domain "NAME" {
  dns_name     = "ad.NAME.test"
  netbios_name = "NAME"
}
sync "NAME" {
  tenant = tenant.NAME
  domain = domain.NAME
}
`, "NAME", name)
}

func newSyncLab(t *testing.T, server *connectServer, files string) *dueLab {
	t.Helper()
	d := &dueLab{}
	at := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	d.now.Store(&at)
	log := slog.New(slog.DiscardHandler)
	sys := newSystems(log, rand.Reader)
	t.Cleanup(func() { sys.Close() })
	sys.registry = providers.NewRegistry(placeKind("tenant"), placeKind("domain"), server.kind())
	d.session = &session{in: strings.NewReader(""), out: &d.out, err: &d.err, now: func() time.Time { return *d.now.Load() },
		rand: rand.Reader, log: log, systems: sys, dir: t.TempDir()}
	d.write(t, files)
	if err := d.apply(t); err != nil {
		t.Fatalf("%v: %s", err, d.err.taken())
	}
	d.out.taken()
	return d
}

func TestSyncRunAsksTheServerAndPrintsItsReport(t *testing.T) {
	server := &connectServer{report: connect.Report{Began: "2026-03-02T09:30:00Z", Ended: "2026-03-02T09:30:01Z", Result: connect.Success,
		Counts: connect.Counts{Users: connect.Count{Added: 2}, Keys: connect.Count{Added: 1, Deleted: 3}, Passwords: 4}}}
	d := newSyncLab(t, server, syncLab("corp"))
	if err := (&syncRunCommand{initial: true}).run(t.Context(), d.session, nil); err != nil {
		t.Fatal(err)
	}
	got := d.out.taken()
	for _, want := range []string{"sync.corp ran a delta cycle: success. It ended at 2026-03-02T09:30:01Z.", "users 2 0 0 tenant", "keys 1 0 3 domain", "passwords 4 tenant"} {
		if !strings.Contains(got, want) {
			t.Errorf("printed %q, want %q in it", got, want)
		}
	}
	if len(server.asked) != 1 || !server.asked[0].Initial || server.asked[0].Reason == "" || server.traces[0] == "" {
		t.Errorf("asked %+v, traces %q", server.asked, server.traces)
	}
	if strings.Contains(got, adminSecret) {
		t.Error("the secret is printed")
	}
	// By address, as JSON; a cycle that had nothing to do.
	server.report.Counts = connect.Counts{}
	if err := (&syncRunCommand{json: true}).run(t.Context(), d.session, []string{"sync.corp"}); err != nil {
		t.Fatal(err)
	}
	if got := d.out.taken(); !strings.Contains(got, `"result": "success"`) {
		t.Errorf("printed %q", got)
	}
	if err := (&syncRunCommand{}).run(t.Context(), d.session, nil); err != nil || !strings.Contains(d.out.taken(), "There was nothing to write.") {
		t.Errorf("an idle cycle: %v", err)
	}
	if _, err := journal.Flows(d.journalDir()); err != nil {
		t.Error(err)
	}
}

func TestSyncRunTellsWhatWasNotWritten(t *testing.T) {
	server := &connectServer{report: connect.Report{Result: connect.CompletedErrors, Initial: true, Staging: true,
		Errors:   []connect.Problem{{Stage: "export domain", Object: "CN=Alice,DC=corp", Code: "insufficientAccessRights", Sentence: "Keys may not be written."}},
		Warnings: []connect.Problem{{Stage: "import domain", Sentence: "Bo has no UPN."}}}}
	d := newSyncLab(t, server, syncLab("corp"))
	err := (&syncRunCommand{}).run(t.Context(), d.session, nil)
	var code exitCode
	if !errors.As(err, &code) || code != exitError {
		t.Errorf("ended with %v", err)
	}
	got := d.out.taken()
	for _, want := range []string{"ran an initial cycle: completed with errors.", "staging mode", "Error: export domain, CN=Alice,DC=corp: Keys may not be written. (insufficientAccessRights)", "Warning: import domain: Bo has no UPN."} {
		if !strings.Contains(got, want) {
			t.Errorf("printed %q, want %q in it", got, want)
		}
	}
}

func TestSyncRunOfWhichServer(t *testing.T) {
	server := &connectServer{report: connect.Report{Result: connect.Success}}
	d := newSyncLab(t, server, syncLab("corp")+syncLab("lab"))
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "The lab has 2 Connect servers"},
		{[]string{"sync.labs"}, "sync.labs"},
		{[]string{"tenant.lab"}, "tenant.lab is not a sync"},
	} {
		if err := (&syncRunCommand{}).run(t.Context(), d.session, c.args); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v", c.args, err)
		}
	}
	if err := (&syncRunCommand{}).run(t.Context(), d.session, []string{"sync.lab"}); err != nil {
		t.Error(err)
	}
	d = newSyncLab(t, server, `tenant "t" { domains = ["t.test"] }`)
	if err := (&syncRunCommand{}).run(t.Context(), d.session, nil); err == nil || !strings.Contains(err.Error(), "has no Connect server") {
		t.Errorf("without one: %v", err)
	}
}
