package keycred

import (
	"errors"
	"testing"
)

// TestSelfWrite: fault 85, what a computer may write to itself and nobody else.
func TestSelfWrite(t *testing.T) {
	own := ForComputer(product(), made)
	value := func(change func(k *Key)) [][]byte {
		k := own
		change(&k)
		return [][]byte{marshal(t, k)}
	}
	good := value(func(*Key) {})
	s := StampOf(made, SourceAD)
	entra := value(func(k *Key) { k.Source = SourceAzureAD })
	allowed := SelfWrite{Computer: true, Right: true, Self: true}
	with := func(change func(w *SelfWrite)) SelfWrite {
		w := allowed
		w.Add = good
		change(&w)
		return w
	}
	for name, c := range map[string]struct {
		w  SelfWrite
		ok bool
	}{
		"its own":                    {with(func(*SelfWrite) {}), true},
		"without a hash":             {with(func(w *SelfWrite) { w.Add = value(func(k *Key) { k.Unhashed = true }) }), true},
		"deletion":                   {with(func(w *SelfWrite) { w.Add = nil }), true},
		"deletion with a value left": {with(func(w *SelfWrite) { w.Add, w.Existing = nil, 3 }), true},
		"deletion by another":        {with(func(w *SelfWrite) { w.Add, w.Self = nil, false }), true},
		"deletion without the right": {with(func(w *SelfWrite) { w.Add, w.Right = nil, false }), false},
		"of a user":                  {with(func(w *SelfWrite) { w.Computer = false }), false},
		"without the right":          {with(func(w *SelfWrite) { w.Right = false }), false},
		"by another":                 {with(func(w *SelfWrite) { w.Self = false }), false},
		"with a value there":         {with(func(w *SelfWrite) { w.Existing = 1 }), false},
		"two at once":                {with(func(w *SelfWrite) { w.Add = append(value(func(*Key) {}), good...) }), false},
		"from Entra ID":              {with(func(w *SelfWrite) { w.Add = entra }), false},
		"without a source":           {with(func(w *SelfWrite) { w.Add = value(func(k *Key) { k.noSource = true }) }), false},
		"with custom information":    {with(func(w *SelfWrite) { w.Add = value(func(k *Key) { k.Custom = Custom{1, 0} }) }), false},
		"with a last logon":          {with(func(w *SelfWrite) { w.Add = value(func(k *Key) { k.LastLogon = &s }) }), false},
		"of another usage":           {with(func(w *SelfWrite) { w.Add = value(func(k *Key) { k.Usage = UsageSTK }) }), false},
		"without an id":              {with(func(w *SelfWrite) { w.Add = value(func(k *Key) { k.ID = nil }) }), false},
		"malformed":                  {with(func(w *SelfWrite) { w.Add = [][]byte{good[0][:50]} }), false},
	} {
		err := c.w.Check()
		if (err == nil) != c.ok || err != nil && !errors.Is(err, ErrSelfWrite) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
