package ca

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hellolab/providers"
	"hellolab/providers/wire/crl"
)

// storedLists are the newest lists in the section.
type storedLists struct {
	Number    int64     `json:"number"` // of the newest list; base and delta lists count together
	Base      []byte    `json:"base"`
	Delta     []byte    `json:"delta,omitempty"`
	NextBase  time.Time `json:"next_base"`
	NextDelta time.Time `json:"next_delta,omitzero"`
}

// published are the newest lists, read.
type published struct {
	stored storedLists
	base   *crl.List
	delta  *crl.List // nil: none
}

// ErrNoList is what an authority with manual publication answers before its
// first list.
var ErrNoList = errors.New("no revocation list is published yet")

// Publish makes a new base list and, where they are wanted, a new delta list
// with the same number.
func (c *CA) Publish(ctx context.Context) error {
	c.publishing.Lock()
	defer c.publishing.Unlock()
	return c.publish(ctx, true)
}

// PublishDelta makes a new delta list.
func (c *CA) PublishDelta(ctx context.Context) error {
	if c.Config().Lists.DeltaPeriod < 0 {
		return errors.New("this authority publishes no delta lists")
	}
	c.publishing.Lock()
	defer c.publishing.Unlock()
	return c.publish(ctx, false)
}

// Lists returns the newest lists in DER; delta is nil where there is none. What
// is due is published first, unless publication is manual.
func (c *CA) Lists(ctx context.Context) (base, delta []byte, err error) {
	p, err := c.current(ctx)
	if err != nil {
		return nil, nil, err
	}
	return p.stored.Base, p.stored.Delta, nil
}

// NextPublication says when the next list is due; zero with manual publication.
func (c *CA) NextPublication(ctx context.Context) (time.Time, error) {
	p, err := c.current(ctx)
	if err != nil || c.Config().Lists.Manual {
		return time.Time{}, err
	}
	if d := p.stored.NextDelta; !d.IsZero() && d.Before(p.stored.NextBase) {
		return d, nil
	}
	return p.stored.NextBase, nil
}

// current returns the newest lists, after publishing what is due.
func (c *CA) current(ctx context.Context) (*published, error) {
	c.publishing.Lock()
	defer c.publishing.Unlock()
	if err := c.read(); err != nil {
		return nil, err
	}
	now, manual := c.env.Now(), c.Config().Lists.Manual
	var err error
	switch {
	case manual && c.lists == nil:
		return nil, ErrNoList
	case manual:
	case c.lists == nil, !now.Before(c.lists.stored.NextBase):
		err = c.publish(ctx, true)
	case !c.lists.stored.NextDelta.IsZero() && !now.Before(c.lists.stored.NextDelta):
		err = c.publish(ctx, false)
	}
	return c.lists, err
}

// read loads the newest lists, unless it has them: another CA of the section may
// have published, as an administrator's does while the server's answers.
func (c *CA) read() error {
	if c.lists != nil {
		var newest int64
		err := c.env.Section.View(func(r providers.Reader) (err error) {
			newest, err = counter(r, keyList)
			return err
		})
		if err != nil || newest <= c.lists.stored.Number {
			return err
		}
	}
	var s storedLists
	err := c.env.Section.View(func(r providers.Reader) error { return get(r, tableCA, keyLists, &s) })
	if errors.Is(err, errNone) {
		return nil
	}
	if err != nil {
		return err
	}
	c.lists, err = s.parse()
	return err
}

func (s storedLists) parse() (*published, error) {
	p := &published{stored: s}
	var err error
	if p.base, err = crl.Parse(s.Base); err != nil {
		return nil, fmt.Errorf("stored base list: %w", err)
	}
	if s.Delta != nil {
		if p.delta, err = crl.Parse(s.Delta); err != nil {
			return nil, fmt.Errorf("stored delta list: %w", err)
		}
	}
	return p, nil
}

// publish makes lists and commits them before anybody sees them.
func (c *CA) publish(ctx context.Context, base bool) error {
	if err := c.read(); err != nil {
		return err
	}
	var since time.Time // certificates that ended before the last base list are dropped
	s := storedLists{Number: 1}
	if c.lists != nil {
		since, s = c.lists.base.ThisUpdate, c.lists.stored
		s.Number++
	} else {
		base = true
	}
	var entries []crl.Entry
	err := c.env.Section.View(func(r providers.Reader) (err error) {
		entries, err = revoked(r, since)
		return err
	})
	if err != nil {
		return err
	}
	config, now := c.Config(), c.env.Now()
	l := config.Lists
	template := crl.Template{Number: s.Number, ThisUpdate: now.Add(-backdate)}
	if base {
		s.NextBase = now.Add(l.Period)
		list := template
		list.Entries, list.NextPublish, list.NextUpdate = entries, s.NextBase, s.NextBase.Add(l.Overlap)
		if l.DeltaPeriod > 0 {
			list.Freshest = config.listAddresses(true)
		}
		if s.Base, err = crl.Create(c.env.Rand, list, c.cert, c.key); err != nil {
			return err
		}
	}
	s.Delta, s.NextDelta = nil, time.Time{}
	if l.DeltaPeriod > 0 {
		old, err := crl.Parse(s.Base)
		if err != nil {
			return err
		}
		s.NextDelta = now.Add(l.DeltaPeriod)
		list := template
		list.Base, list.Entries, list.NextPublish, list.NextUpdate = old.Number.Int64(), difference(old, entries, now), s.NextDelta, s.NextDelta.Add(l.DeltaOverlap)
		if s.Delta, err = crl.Create(c.env.Rand, list, c.cert, c.key); err != nil {
			return err
		}
	}
	p, err := s.parse()
	if err != nil {
		return err
	}
	err = c.env.Section.Record(ctx, func(w providers.Writer) error {
		if base { // what the list no longer has does not count against its bound
			if err := put(w, tableCounters, keyRevoked, len(entries)); err != nil {
				return err
			}
		}
		return errors.Join(put(w, tableCA, keyLists, s), put(w, tableCounters, keyList, s.Number))
	})
	if err != nil {
		return err
	}
	c.lists = p
	if c.env.Published != nil {
		next := s.NextBase
		if !s.NextDelta.IsZero() && s.NextDelta.Before(next) {
			next = s.NextDelta
		}
		c.env.Published(Publication{Base: base, Number: s.Number, Revoked: len(entries), Next: next})
	}
	return nil
}

// difference is what a delta list adds to base: certificates that base lacks or
// gives another reason for, and those no longer revoked.
func difference(base *crl.List, entries []crl.Entry, now time.Time) []crl.Entry {
	var out []crl.Entry
	stands := make(map[string]bool, len(entries))
	for _, e := range entries {
		stands[serialKey(e.Serial)] = true
		if old, ok := base.Find(e.Serial); !ok || old.Reason != e.Reason {
			out = append(out, e)
		}
	}
	for _, e := range base.Entries() {
		if e.Reason == crl.CertificateHold && !stands[serialKey(e.Serial)] {
			out = append(out, crl.Entry{Serial: e.Serial, At: now.UTC().Truncate(time.Second), Reason: crl.RemoveFromCRL})
		}
	}
	return out
}
