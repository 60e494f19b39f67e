package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/lab"
	"hellolab/providers"
	"hellolab/providers/adcs"
	"hellolab/providers/adcs/ca"
	"hellolab/providers/event"
	"hellolab/providers/wire/crl"
	"hellolab/providers/wire/guid"
)

// revokeCertificateCommand takes a certificate back at the authority that issued
// it, as the authority's administrator does.
type revokeCertificateCommand struct {
	rehearsal
	reason      string
	publish     bool
	list        bool
	json        bool
	autoApprove bool
}

func (c *revokeCertificateCommand) flags(fs *flag.FlagSet) {
	c.rehearsal.flags(fs)
	fs.StringVar(&c.reason, "reason", crl.KeyCompromise.String(), "`REASON` that the revocation list gives, by its name in RFC 5280: "+reasons())
	fs.BoolVar(&c.publish, "publish", false, "publish a revocation list at once")
	fs.BoolVar(&c.list, "list", false, "revoke nothing: list the certificates that the authorities issued")
	fs.BoolVar(&c.json, "json", false, "print JSON; sign-ins that change are not shown")
	fs.BoolVar(&c.autoApprove, "auto-approve", false, "do not ask")
}

// reasons are those that a certificate can be revoked for.
func reasons() string {
	var names []string
	for r := crl.Unspecified; r <= crl.AACompromise; r++ {
		if r.Known() && r != crl.RemoveFromCRL {
			names = append(names, r.String())
		}
	}
	return strings.Join(names, ", ")
}

func (c *revokeCertificateCommand) run(ctx context.Context, s *session, args []string) error {
	if c.list {
		if len(args) > 0 {
			return mistake("Leave one out.", "-list takes no THUMBPRINT")
		}
		return s.look(ctx, &c.stateFlags, func(l *lab.Lab) error { return c.writeAll(s, l) })
	}
	why, ok := crl.ParseReason(c.reason)
	digits := strings.ToUpper(strings.NewReplacer(":", "", " ", "").Replace(strings.Join(args, "")))
	switch {
	case len(args) != 1:
		return mistake("Usage: hellolab revoke certificate THUMBPRINT. `hellolab revoke certificate -list` lists them.", "A certificate is needed")
	case !ok || why == crl.RemoveFromCRL:
		return mistake("Use one of "+reasons()+".", "Certificates are not revoked for %s", view.Quote(c.reason))
	case strings.Trim(digits, "0123456789ABCDEF") != "":
		return mistake("It is the SHA-1 of a certificate, or its serial number, in hexadecimal. `hellolab revoke certificate -list` lists them.", "%s is not a thumbprint", view.Quote(args[0]))
	case len(digits) < shortest:
		return mistake("Give at least 8 digits.", "%s is too short to tell certificates apart", view.Quote(args[0]))
	case !c.autoApprove && c.json:
		return mistake("Add -auto-approve.", "With -json nobody can be asked")
	}
	if !c.json {
		if err := c.preview(ctx, s, digits, why); err != nil {
			return err
		}
	}
	return s.act(ctx, &c.stateFlags, "revoke certificate", func(l *lab.Lab) error {
		done, err := c.revoke(ctx, s, l, digits, why, c.publish)
		if err != nil {
			return err
		}
		if c.json {
			return view.WriteIndentedJSON(s.out, done)
		}
		s.printf("Revoked: the certificate %s of %s, which %s issued. %s\n", done.Thumbprint, view.Escape(done.Requester), done.Authority, done.told())
		return nil
	})
}

// preview shows which sign-ins change and the certificate, and asks.
func (c *revokeCertificateCommand) preview(ctx context.Context, s *session, digits string, why crl.Reason) error {
	err := c.show(ctx, s, func(l *lab.Lab) (bool, error) {
		_, err := c.revoke(ctx, s, l, digits, why, true) // as it is once everybody has the list
		return err == nil, err
	})
	if err == nil && !c.publish && c.impact != impactNone {
		s.printf("That is once a revocation list says so, and nobody keeps an older one.\n\n")
	}
	if err != nil || c.autoApprove {
		return err
	}
	return s.glance(ctx, &c.stateFlags, func(l *lab.Lab) error {
		f, err := certificateNamed(s, l, digits)
		if err != nil {
			return err
		}
		if err := writeCertificates(s, []certificate{f}, l.Now()); err != nil {
			return err
		}
		w := revocation{Published: c.publish}
		if err := w.when(ctx, l.Now(), f.env); err != nil {
			return err
		}
		if err := s.confirm(ctx, "Revoke this certificate?", w.told(), "Nothing was revoked; add -auto-approve."); err != nil {
			return err
		}
		c.autoApprove = true
		return s.line.flags.Set("auto-approve", "true") // also where another process does it
	})
}

// revocation is what became of it, as JSON.
type revocation struct {
	certificate
	Published bool `json:"published"`
	// ListedFrom is when a list says so; nil: when somebody publishes one.
	ListedFrom *time.Time `json:"listed_from,omitempty"`
	// RefusedBy is when the last list or OCSP answer ends that does not.
	RefusedBy *time.Time `json:"refused_by,omitempty"`
}

// when reads the window from the lists that are out. A list that somebody
// holds from before is good until it ends, whatever is published meanwhile.
func (r *revocation) when(ctx context.Context, now time.Time, env providers.Env) error {
	lists, err := adcs.ListsOf(ctx, env)
	if err != nil {
		return err
	}
	if r.Published {
		lists.Next = now
	}
	moment := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		t = t.UTC().Truncate(time.Second)
		return &t
	}
	r.ListedFrom, r.RefusedBy = moment(lists.Next), moment(lists.Until)
	return nil
}

// told says from when it counts.
func (r *revocation) told() string {
	var b strings.Builder
	switch {
	case r.Published:
		b.WriteString("It counts from now on: a list that says so is published.")
	case r.ListedFrom != nil:
		fmt.Fprintf(&b, "It counts once a list says so: the next is due on %s; -publish publishes one at once.", r.ListedFrom.Format(time.RFC3339))
	default:
		b.WriteString("It counts once a list says so, and none is published by itself: -publish does that.")
	}
	if r.RefusedBy != nil && (r.Published || r.ListedFrom != nil) {
		fmt.Fprintf(&b, " Who keeps an older list or OCSP answer may take the certificate until %s.", r.RefusedBy.Format(time.RFC3339))
	}
	return b.String()
}

// revoke does it, and records it as a flow of its own. Of a certificate that is
// revoked already, what is left to do is to publish it.
func (c *revokeCertificateCommand) revoke(ctx context.Context, s *session, l *lab.Lab, digits string, why crl.Reason, publish bool) (*revocation, error) {
	f, err := certificateNamed(s, l, digits)
	if err != nil {
		return nil, err
	}
	done := &revocation{certificate: f, Published: publish}
	if err := done.when(ctx, l.Now(), f.env); err != nil {
		return nil, err
	}
	if f.RevokedAt == nil || f.Reason == crl.CertificateHold.String() || !c.publish {
		if err := takeBack(ctx, s, f, why); err != nil {
			return nil, err
		}
		at := l.Now().UTC().Truncate(time.Second)
		done.Reason, done.RevokedAt = why.String(), &at
	}
	if publish {
		if err := adcs.Publish(ctx, f.env); err != nil {
			return nil, fmt.Errorf("%s has revoked it, and publishes no list: %w", f.Authority, err)
		}
	}
	return done, nil
}

func takeBack(ctx context.Context, s *session, f certificate, why crl.Reason) error {
	serial, ok := new(big.Int).SetString(f.Serial, 16)
	if !ok {
		return fmt.Errorf("serial number of %s cannot be read", f.Thumbprint)
	}
	id, err := guid.New(s.rand)
	if err != nil {
		return err
	}
	var refused *ca.Error
	switch err := adcs.Revoke(ctx, f.env, serial, why); {
	case errors.As(err, &refused):
		return mistake(refused.Sentence+" -publish publishes a list.", "%s does not revoke %s: %s", f.Authority, f.Thumbprint, refused.Code)
	case err != nil:
		return fmt.Errorf("%s: %w", f.Authority, err)
	}
	f.env.Emit.Emit(event.Event{
		At: f.env.Now(), Correlation: id.String(), Flow: "revoke", Actor: event.Authority, Step: "certificate_revoked",
		Text:    "The authority's administrator revokes a certificate of " + f.Requester + ".",
		Message: map[string]any{"authority": f.Authority, "serial": f.Serial, "template": f.Template, "reason": why.String()},
	})
	return nil
}

// certificateNamed looks for the one certificate that is meant.
func certificateNamed(s *session, l *lab.Lab, digits string) (certificate, error) {
	all, err := certificates(s, l)
	if err != nil {
		return certificate{}, err
	}
	var found []certificate
	for _, f := range all {
		if f.Thumbprint == digits || f.Serial == digits {
			return f, nil
		}
		if strings.HasPrefix(f.Thumbprint, digits) || strings.HasPrefix(f.Serial, digits) {
			found = append(found, f)
		}
	}
	const list = "`hellolab revoke certificate -list` lists all."
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return certificate{}, mistake("Give more digits. There are:\n"+someOf(found)+list, "%d certificates begin with %s", len(found), digits)
	case len(all) == 0:
		return certificate{}, mistake("Authorities issue them, to controllers for one.", "No authority of the lab has issued a certificate")
	}
	slices.SortStableFunc(all, func(a, b certificate) int { return cmp.Compare(a.distance(digits), b.distance(digits)) })
	return certificate{}, mistake("The nearest are:\n"+someOf(all)+list, "No authority of the lab has issued a certificate %s", digits)
}
