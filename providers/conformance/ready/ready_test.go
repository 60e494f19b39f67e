package ready

import (
	"sync"
	"testing"
)

// TestLoans: labs side by side never have the same thing, a lab never one twice,
// and what was returned is lent again.
func TestLoans(t *testing.T) {
	var shelf Shelf[string, *int]
	var mu sync.Mutex
	made := 0
	lab := func() {
		l := shelf.Lend()
		own := map[*int]bool{}
		for range 10 {
			v, ok := l.Take("key")
			if !ok {
				v = new(int)
				mu.Lock()
				made++
				mu.Unlock()
				l.Made("key", v)
			}
			if own[v] {
				t.Error("the same thing twice")
			}
			own[v] = true
			if *v++; *v != 1 {
				t.Error("two labs have one thing")
			}
		}
		for v := range own {
			*v = 0
		}
		l.Return()
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				lab()
			}
		})
	}
	wg.Wait()
	if made > 40 {
		t.Errorf("%d were made for four labs at a time with 10 each", made)
	}
	if _, ok := shelf.Lend().Take("other"); ok {
		t.Error("one of a kind that nobody made")
	}
	late := shelf.Lend()
	late.Return()
	late.Made("late", new(int))
	if _, ok := shelf.Lend().Take("late"); ok {
		t.Error("a lab that had ended gave something back")
	}
}
