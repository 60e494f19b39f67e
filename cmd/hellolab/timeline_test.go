package main

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/impact"
	"hellolab/engine/lab"
	"hellolab/providers"
	"hellolab/providers/administer"
	"hellolab/providers/hello"
	"hellolab/providers/hello/access"
	"hellolab/providers/windows"
	"hellolab/providers/windows/tpm"
	"hellolab/providers/windows/tpm/worker"
	"hellolab/providers/wire/filetime"
	"hellolab/state"
)

const agingPIN = "739146"

// agingLab is a lab in which, left alone, something of everything ends: PINs
// after 80 days, passwords after 60, KDC certificates after a year where nobody
// renews them, by key and by cloud Kerberos trust.
const agingLab = `
tenant "contoso" { domains = ["contoso.com"] }
domain "corp" {
  dns_name            = "corp.contoso.com"
  netbios_name        = "CORP"
  force_network_logon = "40d"
  password_policy { max_age = "60d" }
}
authority "issuing" {
  domain      = domain.corp
  common_name = "Contoso Issuing CA"
  template "KerberosAuthentication" { enabled = OFFERED }
}
sync "corp" {
  tenant = tenant.contoso
  domain = domain.corp
}
trust "key" {
  type   = "key"
  tenant = tenant.contoso
  domain = domain.corp
}
trust "cloud" {
  type   = "cloud_kerberos"
  tenant = tenant.contoso
  domain = domain.corp
}
user "alice" {
  upn      = "alice@contoso.com"
  tenant   = tenant.contoso
  domain   = domain.corp
  password = "Corr3ct horse battery"
}
user "bo" {
  upn      = "bo@contoso.com"
  tenant   = tenant.contoso
  domain   = domain.corp
  password = "Corr3ct horse battery"
}
device "desk" {
  join    = "hybrid"
  tenant  = tenant.contoso
  domain  = domain.corp
  network = "NETWORK"
}
device "laptop" {
  join          = "entra"
  tenant        = tenant.contoso
  joined_by     = user.alice
  trusted_roots = [authority.issuing]
}
device "tablet" {
  join      = "entra"
  tenant    = tenant.contoso
  joined_by = user.bo
}
policy "hello" {
  source                = "gpo"
  trust                 = trust.key
  use_passport_for_work = true
  pin_complexity { expiration = 80 }
  assign = [device.desk, device.laptop]
}
policy "cloud" {
  source = "mdm"
  trust  = trust.cloud
  assign = [device.tablet]
}
service "old" {
  domain = domain.corp
  kind   = "ntlm"
}
enrollment "alice_desk" {
  user   = user.alice
  device = device.desk
  pin    = "739146"
}
enrollment "alice_laptop" {
  user   = user.alice
  device = device.laptop
  pin    = "739146"
}
enrollment "bo_tablet" {
  user   = user.bo
  device = device.tablet
  pin    = "739146"
}
`

// aging is that lab in this process, at a time that stands still.
type aging struct {
	*session
	t *testing.T
}

func newAging(t *testing.T, replace ...string) *aging {
	t.Helper()
	if !worker.Available() {
		t.Skip("built without cgo: there is no TPM simulator to apply the lab with")
	}
	log := slog.New(slog.DiscardHandler)
	program, err := exec.LookPath("hellolab")
	if err != nil {
		t.Fatal(err)
	}
	random := newReady(t)
	sys := systemsWith(tpm.NewPool(tpm.Options{Command: func() *exec.Cmd { return exec.Command(program, worker.Word) }, Rand: random, Log: log, Shelf: random}))
	t.Cleanup(func() { sys.Close() })
	now := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	a := &aging{&session{in: strings.NewReader(""), out: &lockedPrint{}, err: &lockedPrint{}, now: func() time.Time { return now }, rand: random, log: log, systems: sys, dir: t.TempDir()}, t}
	a.apply(replace...)
	return a
}

func (a *aging) write(replace ...string) {
	a.t.Helper()
	files := strings.NewReplacer(append(replace, "OFFERED", "true", "NETWORK", "onsite")...).Replace(agingLab)
	if err := os.WriteFile(filepath.Join(a.dir, "main.lab.hcl"), []byte(files), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

func (a *aging) apply(replace ...string) {
	a.t.Helper()
	a.write(replace...)
	c := &applyCommand{autoApprove: true}
	c.refresh, c.parallelism = true, 2
	if err := c.run(a.t.Context(), a.session, nil); err != nil {
		a.t.Fatalf("%v\n%s", err, a.err.(*lockedPrint).taken())
	}
}

// keep does something in the lab that is kept.
func (a *aging) keep(fn func(*lab.Lab) error) {
	a.t.Helper()
	if err := a.act(a.t.Context(), &stateFlags{}, "test", fn); err != nil {
		a.t.Fatal(err)
	}
}

// later moves the lab's clock on.
func (a *aging) later(d time.Duration) {
	a.t.Helper()
	a.keep(func(l *lab.Lab) error {
		if err := l.Advance(a.t.Context(), d); err != nil {
			return err
		}
		undone, err := l.CatchUp(a.t.Context())
		if len(undone) > 0 {
			a.t.Errorf("not done: %+v", undone)
		}
		return err
	})
}

func (a *aging) timeline(ahead time.Duration) (t *view.Timeline) {
	a.t.Helper()
	err := a.glance(a.t.Context(), &stateFlags{}, func(l *lab.Lab) error {
		w, facts, err := a.signIns(a.t.Context(), l)
		if err != nil {
			return err
		}
		until := facts.Now.Add(ahead)
		t = timelineOf(w, facts, until)
		everybody := func(yield func(impact.Instant) bool) {
			for i := range instants(w, facts, until, nil) {
				i.Concerns = nil
				if !yield(i) {
					return
				}
			}
		}
		// Who is passed over as not concerned is not.
		all := impact.Follow(side{Lab: access.New(w, facts)}, facts.Now, everybody, until)
		for i := range t.Events {
			t.Events[i].Mend = ""
		}
		if !reflect.DeepEqual(all, t.Course) {
			a.t.Errorf("decided of everybody: %+v\nof whom it concerns: %+v", all, t.Course)
		}
		return nil
	})
	if err != nil {
		a.t.Fatal(err)
	}
	if len(t.Gaps) > 0 || t.Undecided > 0 {
		a.t.Errorf("gaps: %q, %d undecided", t.Gaps, t.Undecided)
	}
	return t
}

// try makes a sign-in of a row for real, at a time, in a lab that is thrown away.
// Who is asked for a new PIN gives one, unless that is what was to be seen.
func (a *aging) try(at time.Time, p impact.Pair, to, gesture string, want impact.Verdict) (v windows.Verdict) {
	a.t.Helper()
	snap, err := a.openRead(a.t.Context(), &stateFlags{})
	if err != nil {
		a.t.Fatal(err)
	}
	overlay := state.NewOverlay(snap)
	defer overlay.Close()
	l, err := a.openLab(overlay, 0, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	defer l.Close()
	if err := l.Advance(a.t.Context(), at.Sub(l.Now())); err != nil {
		a.t.Fatal(err)
	}
	if _, err := l.CatchUp(a.t.Context()); err != nil {
		a.t.Fatal(err)
	}
	rec, err := l.Objects().Lookup(p.Device)
	if err != nil {
		a.t.Fatal(err)
	}
	q := windows.Request{User: p.User, Device: p.Device, PIN: providers.Secret(agingPIN)}
	if gesture != "pin" {
		a.t.Fatalf("nobody enrolled %s", gesture)
	}
	if to != "" {
		q.To = []string{to}
	}
	for {
		if v, err = a.windows.SignIn(a.t.Context(), l.Env(rec.Addr, a.registry.Type(rec.Kind), rec.In), q); err != nil {
			a.t.Fatal(err)
		}
		if v.Code != "change_pin_prompt" || want.Action == "change_pin" || q.NewPIN != nil {
			return v
		}
		q.PIN, q.NewPIN = providers.Secret(agingPIN), providers.Secret("582914")
	}
}

// as reports whether a sign-in ended as a verdict says.
func as(p impact.Verdict, v windows.Verdict) bool {
	switch {
	case p.Action == "change_pin":
		return v.Code == "change_pin_prompt"
	case p.Works():
		return v.Code == hello.Success
	}
	return v.Code == p.Reason && v.Flow == p.Flow && v.Phase == p.Phase
}

// expect makes each sign-in of a timeline just before and just after it changes.
// told are the reasons that the timeline has to give, in order of time.
func (a *aging) expect(ahead time.Duration, told ...string) {
	a.t.Helper()
	t := a.timeline(ahead)
	var have []string
	tried := 0
	for _, e := range t.Events {
		if n := len(have); n == 0 || have[n-1] != e.After.Reason {
			have = append(have, e.After.Reason)
		}
		for _, p := range e.Pairs {
			for _, to := range e.Row.To {
				for _, g := range e.Gestures {
					for _, half := range []struct {
						at   time.Time
						want impact.Verdict
					}{{e.From.Add(-time.Second), e.Before}, {e.Through.Add(time.Second), e.After}} {
						tried++
						if v := a.try(half.at, p, to, g, half.want); !as(half.want, v) {
							a.t.Errorf("%s: %s on %s to %q: the timeline says %s %s (%s.%s), got %s (%s.%s)", half.at.Format(time.RFC3339), p.User, p.Device, to, half.want.Word, half.want.Reason, half.want.Flow, half.want.Phase, v.Code, v.Flow, v.Phase)
						}
					}
				}
			}
		}
	}
	if !slices.Equal(have, told) {
		a.t.Errorf("told %q, want %q", have, told)
	}
	a.t.Logf("%d events, %d sign-ins", len(t.Events), tried)
}

const oneDay = 24 * time.Hour

// TestTimelineIsRight: what is said to change by itself changes then, not a
// second earlier, and as it is said. Nothing is said of what renews itself.
func TestTimelineIsRight(t *testing.T) {
	a := newAging(t)
	// The next cycle carries keys; then passwords end, which NTLM and cloud
	// Kerberos heed, then PINs. KDC certificates are renewed meanwhile.
	a.expect(400*oneDay, hello.Success, "password_expired_on_prem", "change_pin_prompt")
	if r := a.timeline(400 * oneDay).Renewed; len(r) != 1 || r[0].At.Sub(a.now()) < 290*oneDay || r[0].At.Sub(a.now()) > 293*oneDay {
		t.Errorf("renewed: %+v", r)
	}
	a.later(31 * time.Minute)
	a.accountEnds("alice", 10*oneDay)
	a.expect(20*oneDay, "account_disabled_in_domain")
	a.expect(9 * oneDay)
}

// TestTimelineWithoutRenewal: where no authority offers the template, the KDC's
// certificate ends, and with it key trust.
func TestTimelineWithoutRenewal(t *testing.T) {
	a := newAging(t)
	a.later(31 * time.Minute)
	a.apply("OFFERED", "false")
	a.expect(400*oneDay, "password_expired_on_prem", "change_pin_prompt", "kdc_no_certificate")
}

// TestTimelineAway: off the domain's network the cached logon opens Windows,
// until policy asks for the network.
func TestTimelineAway(t *testing.T) {
	a := newAging(t)
	a.later(31 * time.Minute)
	a.keep(func(l *lab.Lab) error {
		rec, err := l.Objects().Lookup("device.desk")
		if err != nil {
			return err
		}
		v, err := a.windows.SignIn(a.t.Context(), l.Env(rec.Addr, a.registry.Type(rec.Kind), rec.In), windows.Request{User: "user.alice", Device: "device.desk", PIN: providers.Secret(agingPIN)})
		if v.Code != hello.Success {
			t.Errorf("got %s", v.Code)
		}
		return err
	})
	a.apply("NETWORK", "internet")
	a.expect(50*oneDay, "network_logon_forced")
}

// accountEnds sets the end of an account in the domain.
func (a *aging) accountEnds(name string, in time.Duration) {
	a.t.Helper()
	a.keep(func(l *lab.Lab) error {
		d, err := directoriesOf(l)
		if err != nil {
			return err
		}
		c, err := administer.SignIn(context.Background(), d.env, d.domains[0].Out)
		if err != nil {
			return err
		}
		defer c.Close()
		for _, u := range d.users {
			if u.Addr == "user."+name {
				at := strconv.FormatUint(filetime.From(l.Now().Add(in)), 10)
				return c.Replace(u.Out.DN, map[string][]string{"accountExpires": {at}})
			}
		}
		return nil
	})
}
