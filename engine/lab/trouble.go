package lab

import (
	"context"
	"slices"
	"sync"
	"time"

	"hellolab/engine/network"
	"hellolab/providers"
)

// Trouble is what faults make wrong with the network and the clocks of a lab. It
// outlives the labs that are opened on one view, one after another. The zero
// value is fair weather; its methods are safe for concurrent use.
type Trouble struct {
	mu      sync.Mutex
	outages []outage
	skews   []skew
}

type outage struct {
	providers.Outage
	fault string
}

type skew struct {
	fault, disk string
	by          time.Duration
}

// Cut adds an outage that a fault made.
func (t *Trouble) Cut(fault string, o providers.Outage) {
	o.Host = network.Canonical(o.Host)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.outages = append(t.outages, outage{o, fault})
}

// Skew sets the clock of an object, and of what writes its section, ahead.
func (t *Trouble) Skew(fault, addr string, by time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.skews = append(t.skews, skew{fault, addr, by})
}

// End takes away what a fault made.
func (t *Trouble) End(fault string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.outages = slices.DeleteFunc(t.outages, func(o outage) bool { return o.fault == fault })
	t.skews = slices.DeleteFunc(t.skews, func(s skew) bool { return s.fault == fault })
}

// ahead is how far a machine's clock is before lab time.
func (t *Trouble) ahead(disk string) (by time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.skews {
		if s.disk == disk {
			by += s.by
		}
	}
	return by
}

// weather is the trouble as a lab's network sees it.
type weather struct {
	trouble *Trouble
	lab     *Lab
}

// Outages implements network.Weather.
func (w weather) Outages(host string, port int) (found []providers.Outage) {
	w.trouble.mu.Lock()
	defer w.trouble.mu.Unlock()
	for _, o := range w.trouble.outages {
		if o.Host == host && (o.Port == 0 || o.Port == port) {
			found = append(found, o.Outage)
		}
	}
	return found
}

// Pass implements network.Weather: waiting for a slow host is lab time, not the
// machine's. Where the clock cannot be moved any more, nobody waits.
func (w weather) Pass(d time.Duration) { waiting{w.lab}.Wait(d) }

// waiting is a lab as machines see it that wait.
type waiting struct{ lab *Lab }

// Wait implements providers.Waiter.
func (w waiting) Wait(d time.Duration) {
	if err := w.lab.Advance(context.Background(), d); err != nil {
		w.lab.opts.Log.Warn("nobody waits any longer", "error", err)
	}
}

// clockOf is the clock of the machine that writes a section.
func (l *Lab) clockOf(disk string) func() time.Time {
	if l.opts.Trouble == nil {
		return l.Now
	}
	return func() time.Time { return l.Now().Add(l.opts.Trouble.ahead(disk)) }
}
