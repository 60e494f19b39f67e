package keycred

import (
	"bytes"
	"errors"
	"strings"
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

// TestDNBinary: fault 83.
func TestDNBinary(t *testing.T) {
	for _, text := range []string{"B:4:BEEF:CN=a,DC=b", "B:0::", "B:2:FF:CN=a:b,DC=c"} {
		d, err := ParseDNBinary(text)
		if err != nil || d.String() != text {
			t.Errorf("%s became %s, %v", text, d, err)
		}
	}
	if d, err := ParseDNBinary("B:4:beef:CN=a"); err != nil || !bytes.Equal(d.Value, []byte{0xbe, 0xef}) || d.DN != "CN=a" {
		t.Errorf("%v, %v", d, err)
	}
	for _, text := range []string{
		"", "B", "B:", "B:4", "B:4:", "B:4:BEEF", "b:4:BEEF:CN=a", "S:4:BEEF:CN=a", "B:3:BEE:CN=a", "B:6:BEEF:CN=a", "B:2:BEEF:CN=a",
		"B:+4:BEEF:CN=a", "B:04:BEEF:CN=a", "B:-4:BEEF:CN=a", "B:4 :BEEF:CN=a", "B:4:BEEG:CN=a", "B::BEEF:CN=a", "B:99999999999999999999:BEEF:CN=a",
		"B:4294967296:BEEF:CN=a", "B:131074:" + strings.Repeat("A", 131074) + ":CN=a", "B:2:FF:" + strings.Repeat("A", maxDN+1),
	} {
		if d, err := ParseDNBinary(text); !errors.Is(err, ErrDNBinary) {
			t.Errorf("%.40q is %.40v, %v", text, d, err)
		}
	}
}
