package fault

import (
	"context"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/lab"
	"hellolab/providers"
)

// breaker is what one fault breaks a lab with.
type breaker struct {
	s *Switch
	l *lab.Lab
	a *active
}

// Env implements providers.Breaker.
func (b *breaker) Env(addr string) (providers.Env, error) {
	if addr == "" {
		return b.l.Env("", &providers.Type{}, cty.NilVal), nil
	}
	rec, t, err := b.s.lookup(b.l, addr)
	if err != nil {
		return providers.Env{}, err
	}
	return b.l.Env(rec.Addr, t, rec.In), nil
}

// Hosts implements providers.Breaker.
func (b *breaker) Hosts(addr string) ([]string, error) {
	rec, t, err := b.s.lookup(b.l, addr)
	if err != nil || t.Hosts == nil {
		return nil, err
	}
	return t.Hosts(rec), nil
}

// Cut implements providers.Breaker.
func (b *breaker) Cut(o providers.Outage) {
	b.s.Trouble.Cut(b.a.Name, o)
	b.l.Network().Reset(o.Host, o.Port)
}

// Skew implements providers.Breaker.
func (b *breaker) Skew(addr string, by time.Duration) { b.s.Trouble.Skew(b.a.Name, addr, by) }

// Change implements providers.Breaker.
func (b *breaker) Change(ctx context.Context, addr string, attrs map[string]cty.Value) error {
	was, err := b.s.change(ctx, b.l, addr, attrs)
	if err != nil {
		return err
	}
	b.a.undo = append(b.a.undo, func(ctx context.Context, l *lab.Lab) error {
		if _, err := b.s.change(ctx, l, addr, was); err != nil {
			return err
		}
		return b.s.due(ctx, l, addr)
	})
	return b.s.due(ctx, b.l, addr)
}

// Due implements providers.Breaker.
func (b *breaker) Due(ctx context.Context, addr string) error { return b.s.due(ctx, b.l, addr) }
