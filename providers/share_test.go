package providers

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

func TestShare(t *testing.T) {
	var opens, closes atomic.Int32
	open := func(context.Context) (int32, error) { return opens.Add(1), nil }
	shut := func(int32) { closes.Add(1) }
	use := func(ctx context.Context, name string) int32 {
		v, release, err := Share(ctx, name, open, shut)
		if err != nil {
			t.Error(err)
		}
		release()
		return v
	}
	// By itself each caller has its own.
	use(t.Context(), "a")
	use(t.Context(), "a")
	if opens.Load() != 2 || closes.Load() != 2 {
		t.Fatalf("%d opened, %d closed", opens.Load(), closes.Load())
	}
	ctx, end := Sharing(t.Context())
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() { use(ctx, "a") })
	}
	wg.Wait()
	if a, b := use(ctx, "a"), use(ctx, "b"); opens.Load() != 4 || closes.Load() != 2 || a == b {
		t.Errorf("%d opened, %d closed, %d and %d", opens.Load(), closes.Load(), a, b)
	}
	end()
	end()
	if closes.Load() != 4 {
		t.Errorf("%d closed", closes.Load())
	}
}

func TestShareFailure(t *testing.T) {
	ctx, end := Sharing(t.Context())
	defer end()
	tried := 0
	fail := func(ctx context.Context) (int, error) {
		tried++
		return 0, errors.Join(errors.New("no line of sight"), ctx.Err())
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	for _, ctx := range []context.Context{canceled, ctx, ctx, ctx} {
		if _, release, err := Share(ctx, "a", fail, func(int) { t.Error("closed") }); err == nil {
			t.Error("no error")
		} else {
			release()
		}
	}
	if tried != 2 { // once by who was canceled, and once for all
		t.Errorf("tried %d times", tried)
	}
}
