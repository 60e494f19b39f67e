package directory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/sid"
)

// Options are what a directory works with. All but Emit are required.
type Options struct {
	Section providers.Section
	Now     func() time.Time
	Rand    io.Reader
	Emit    event.Sink // is told of every change to a key credential
}

// Directory is a domain's. It is safe for concurrent use.
type Directory struct {
	Options
	schema *Schema
	cfg    Config
	sid    sid.SID
	rights rights

	aggregate path // of the subschema entry, which is computed
	policy    atomic.Pointer[PasswordPolicy]
	memory    memory
}

// ErrNone is what Load answers for a section without a directory.
var ErrNone = errors.New("the section holds no directory")

// Load opens the directory of a section.
func Load(o Options) (*Directory, error) {
	var cfg *Config
	err := o.Section.View(func(r providers.Reader) (err error) {
		cfg, err = get[Config](r, tableDirectory, keyConfig)
		return err
	})
	if errors.Is(err, errNotFound) {
		return nil, ErrNone
	}
	if err != nil {
		return nil, err
	}
	d, err := with(o, *cfg)
	if err != nil {
		return nil, err
	}
	return d, d.view(d.readPolicy)
}

func with(o Options, cfg Config) (*Directory, error) {
	d := &Directory{Options: o, schema: NewSchema(), cfg: cfg}
	var err error
	if d.sid, err = sid.Parse(cfg.SID); err != nil {
		return nil, fmt.Errorf("identifier of the domain: %w", err)
	}
	if d.cfg.GUID, err = guid.Parse(cfg.GUIDText); err != nil {
		return nil, fmt.Errorf("GUID of the domain: %w", err)
	}
	d.rights = rights{domain: d.sid}
	d.aggregate, err = pathOf("CN=Aggregate," + cfg.schemaDN())
	d.policy.Store(&cfg.Policy)
	return d, err
}

// Config returns the domain.
func (d *Directory) Config() Config { return d.cfg }

// SID returns the domain's identifier.
func (d *Directory) SID() sid.SID { return d.sid }

func (d *Directory) now() time.Time { return d.Now().UTC() }

func (d *Directory) view(fn func(reader) error) error {
	return d.Section.View(func(r providers.Reader) error { return fn(reader{r, d.schema}) })
}

// update makes one change, whole or not at all. Everything that writes to the
// directory's tables goes through here, and leaves a new mark.
func (d *Directory) update(ctx context.Context, fn func(writer) error) error {
	return d.Section.Update(ctx, func(w providers.Writer) error {
		c := &changing{Writer: w}
		if err := fn(writer{reader{c, d.schema}, c}); err != nil || !c.any {
			return err
		}
		return c.draw(d.Rand)
	})
}

// touch stamps an object that is about to be stored.
func (d *Directory) touch(w writer, o *object) error {
	usn, err := w.next(keyUSN)
	if err != nil {
		return err
	}
	now := formatTime(d.now())
	if o.first("whenCreated") == "" {
		o.set("whenCreated", now)
		o.setNumber("uSNCreated", int64(usn))
	}
	o.set("whenChanged", now)
	o.setNumber("uSNChanged", int64(usn))
	return nil
}

// HighestUSN returns the last update sequence number.
func (d *Directory) HighestUSN() (n uint64, err error) {
	err = d.view(func(r reader) error {
		data, _, err := r.Get(tableDirectory, keyUSN)
		if err != nil {
			return err
		}
		_, err = fmt.Sscan(string(data), &n)
		return err
	})
	return n, err
}

// Refusals that several operations share.
func accessDenied(format string, args ...any) error {
	return ldapmsg.Errorf(ldapmsg.InsufficientAccessRights, ldapmsg.ErrorInsufficientAccessRights, format, args...)
}

func notUnique(a *Attribute) error {
	win32 := uint32(ldapmsg.ErrorConstraintViolation)
	code := ldapmsg.ConstraintViolation
	switch a.Name {
	case "servicePrincipalName":
		win32 = ldapmsg.ErrorSPNNotUnique
	case "userPrincipalName":
		win32 = ldapmsg.ErrorUPNNotUnique
	case "sAMAccountName":
		win32, code = ldapmsg.ErrorUserExists, ldapmsg.EntryAlreadyExists
	}
	return ldapmsg.Errorf(code, win32, "Another object has this value of %s.", a.Name)
}
