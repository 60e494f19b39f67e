package keycred

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math/big"
	"slices"
	"testing"
	"time"

	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/guid"
)

var (
	device = guid.GUID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	made   = time.Date(2026, 11, 27, 8, 0, 0, 123456700, time.UTC)
)

// product is a public key of the right size; nobody holds its factors.
func product() *rsa.PublicKey {
	n := new(big.Int).Lsh(big.NewInt(1), 2047)
	n.Add(n, big.NewInt(12345))
	for {
		if factor, roca := residues(n); !factor && !roca {
			return &rsa.PublicKey{N: n, E: 65537}
		}
		n.Add(n, big.NewInt(2))
	}
}

func userKey() Key {
	return FromEntra(UserKey{Public: product(), Device: device, Created: made, MFA: true})
}

func marshal(t testing.TB, k Key) []byte {
	t.Helper()
	b, err := k.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type entry struct {
	id    byte
	value []byte
}

// blob writes entries as they come; an entry 2 of no value gets the hash of
// what follows.
func blob(entries ...entry) []byte {
	var b []byte
	for _, e := range slices.Backward(entries) {
		if e.id == idKeyHash && e.value == nil {
			sum := sha256.Sum256(b)
			e.value = sum[:]
		}
		head := append(binary.LittleEndian.AppendUint16(nil, uint16(len(e.value))), e.id)
		b = slices.Concat(head, e.value, b)
	}
	return append(binary.LittleEndian.AppendUint32(nil, version), b...)
}

// TestDefects: fault 86, each defect by an error of its own.
func TestDefects(t *testing.T) {
	m := cng.MarshalRSAPublic(product())
	sum := sha256.Sum256(m)
	id, hash, material := entry{idKeyID, sum[:]}, entry{idKeyHash, nil}, entry{idMaterial, m}
	usage, source, stamp := entry{idUsage, []byte{1}}, entry{idSource, []byte{0}}, entry{idCreated, make([]byte, 8)}
	good := blob(id, hash, material, usage, source, stamp)
	change := func(at int, to byte) []byte {
		b := bytes.Clone(good)
		b[at] = to
		return b
	}
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"good":                    {good, nil},
		"least":                   {blob(material, usage), nil},
		"nothing":                 {nil, ErrTruncated},
		"half a version":          {good[:3], ErrTruncated},
		"version 0":               {change(1, 0), ErrVersion},
		"version 0x300":           {change(1, 3), ErrVersion},
		"version only":            {good[:4], ErrMissing},
		"cut in a value":          {good[:len(good)-1], ErrTruncated},
		"cut in a head":           {append(bytes.Clone(good), 1, 0), ErrTruncated},
		"length over the end":     {blob(material, usage)[:20], ErrTruncated},
		"identifier 0":            {blob(entry{0, []byte{1}}, material, usage), ErrIdentifier},
		"identifier 10":           {blob(material, usage, entry{10, []byte{1}}), ErrIdentifier},
		"identifier 255":          {blob(material, usage, entry{255, []byte{1}}), ErrIdentifier},
		"material twice":          {blob(material, material, usage), ErrDuplicate},
		"material twice, apart":   {blob(material, usage, material), ErrDuplicate},
		"usage before material":   {blob(usage, material), ErrOrder},
		"hash before id":          {blob(hash, id, material, usage), ErrOrder},
		"no material":             {blob(usage), ErrMissing},
		"no usage":                {blob(material), ErrMissing},
		"empty material":          {blob(entry{idMaterial, nil}, usage), ErrLength},
		"usage of two bytes":      {blob(material, entry{idUsage, []byte{1, 0}}), ErrLength},
		"source of two bytes":     {blob(material, usage, entry{idSource, []byte{0, 0}}), ErrLength},
		"device of 15 bytes":      {blob(material, usage, entry{idDevice, make([]byte, 15)}), ErrLength},
		"custom of no byte":       {blob(material, usage, entry{idCustom, []byte{}}), ErrLength},
		"custom of version 2":     {blob(material, usage, entry{idCustom, []byte{2, 0}}), ErrCustom},
		"creation of 4 bytes":     {blob(material, usage, entry{idCreated, make([]byte, 4)}), ErrLength},
		"last logon of 9 bytes":   {blob(material, usage, entry{idLastLogon, make([]byte, 9)}), ErrLength},
		"hash of 31 bytes":        {blob(entry{idKeyHash, make([]byte, 31)}, material, usage), ErrLength},
		"wrong hash":              {change(4+3+32+3, good[4+3+32+3]^1), ErrKeyHash},
		"changed after the hash":  {change(len(good)-1, 1), ErrKeyHash},
		"wrong id":                {change(4+3, good[4+3]^1), ErrKeyID},
		"short id":                {blob(entry{idKeyID, sum[:16]}, material, usage), ErrKeyID},
		"id of the wrong usage":   {blob(id, material, entry{idUsage, []byte{byte(UsageFIDO)}}), ErrKeyID},
		"source 2":                {blob(material, usage, entry{idSource, []byte{2}}), ErrSource},
		"more than 64 KiB":        {blob(entry{idMaterial, make([]byte, 65535)}, usage), ErrSize},
		"a megabyte (fault 83)":   {make([]byte, 1<<20), ErrSize},
		"unknown usage is passed": {blob(material, entry{idUsage, []byte{9}}), nil},
	} {
		k, err := Parse(c.b)
		if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if err != nil && !errors.Is(err, ErrBlob) {
			t.Errorf("%s: %v is no ErrBlob", name, err)
		}
		if err == nil && !bytes.Equal(marshal(t, k), c.b) {
			t.Errorf("%s: another value when written again", name)
		}
	}
}

// TestUsable: fault 86, a bad value is skipped with a warning and the others
// still work.
func TestUsable(t *testing.T) {
	good := userKey()
	future := FromEntra(UserKey{Public: product(), Created: made.Add(time.Hour)})
	used := userKey()
	s := StampOf(made.Add(time.Hour), SourceAzureAD)
	used.LastLogon = &s
	transport := New(good.Material, UsageSTK, SourceAD)
	broken := marshal(t, good)
	broken[60] ^= 1
	values := [][]byte{nil, marshal(t, good), broken, marshal(t, future), marshal(t, used), marshal(t, transport),
		marshal(t, New([]byte("nothing known"), UsageNGC, SourceAD)), marshal(t, good)}
	keys, skipped := Usable(values, made.Add(-time.Minute)) // clocks may differ by five
	if len(keys) != 2 || !bytes.Equal(keys[0].ID, good.ID) || !bytes.Equal(keys[1].ID, good.ID) {
		t.Errorf("%d keys are usable, want 2", len(keys))
	}
	want := map[int]error{0: ErrTruncated, 2: ErrKeyHash, 3: ErrFuture, 4: ErrFuture, 6: ErrMaterial}
	if len(skipped) != len(want) {
		t.Errorf("skipped: %v", skipped)
	}
	for _, s := range skipped {
		if !errors.Is(s, want[s.Index]) {
			t.Errorf("%v, want %v", s, want[s.Index])
		}
	}
}

func TestMarshalRefusesWhatNoEntryHolds(t *testing.T) {
	for _, n := range []int{65535, 65536, 1 << 20} {
		k := New(make([]byte, n), UsageNGC, SourceAD)
		if _, err := k.Marshal(); !errors.Is(err, ErrSize) {
			t.Errorf("%d bytes of material: %v", n, err)
		}
	}
	k := userKey()
	k.ID = make([]byte, 70000)
	if _, err := k.Marshal(); !errors.Is(err, ErrSize) {
		t.Errorf("an id of 70000 bytes: %v", err)
	}
}

// TestCustomPrefixes: a writer may stop after any byte.
func TestCustomPrefixes(t *testing.T) {
	whole := Custom{1, 2, 3, 1, 5, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xa0, 0xff}
	for n := 1; n <= len(whole); n++ {
		k := userKey()
		k.Custom = whole[:n]
		k, err := Parse(marshal(t, k))
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		flags, hasFlags := k.Custom.Flags()
		volume, hasVolume := k.Custom.VolType()
		notify, hasNotify := k.Custom.SupportsNotification()
		fek, hasFek := k.Custom.FekKeyVersion()
		strength, hasStrength := k.Custom.Strength()
		if hasFlags != (n > 1) || hasVolume != (n > 2) || hasNotify != (n > 3) || hasFek != (n > 4) || hasStrength != (n > 5) ||
			hasFlags && flags != 2 || hasVolume && volume != 3 || hasNotify && !notify || hasFek && fek != 5 || hasStrength && strength != StrengthNormal {
			t.Errorf("%d bytes: %x", n, []byte(k.Custom))
		}
		if len(k.Custom.Extended()) != max(0, n-16) || k.MFA() || k.Attested() {
			t.Errorf("%d bytes: extended %x", n, k.Custom.Extended())
		}
	}
}

func TestStamps(t *testing.T) {
	for _, s := range []Source{SourceAD, SourceAzureAD} {
		if got := StampOf(made, s).Time(s); !got.Equal(made) {
			t.Errorf("from %v: %s became %s", s, made, got)
		}
		if got := StampOf(time.Time{}, s).Time(s); !got.IsZero() {
			t.Errorf("from %v: no time became %s", s, got)
		}
		if got := StampOf(time.Date(40000, 1, 1, 0, 0, 0, 0, time.UTC), s); got.Time(s).Before(made) && !got.Time(s).IsZero() {
			t.Errorf("from %v: the far future became %s", s, got.Time(s))
		}
		for _, n := range []Stamp{0, 1, 1<<63 - 1, 1 << 63, 1<<64 - 1, neverLoggedOn} {
			if at := n.Time(s); at.Year() > 30828 {
				t.Errorf("from %v: %x is %s", s, uint64(n), at)
			}
		}
	}
	if !neverLoggedOn.Time(SourceAzureAD).IsZero() {
		t.Error("never logged on is a time")
	}
}

func FuzzParse(f *testing.F) {
	k := userKey()
	b, err := k.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	if c := ForComputer(product(), made); true {
		b, _ = c.Marshal()
		f.Add(b)
	}
	f.Add(blob(entry{idMaterial, []byte(`{"version":1,"authData":"AAAA","x5c":[],"displayName":"x"}`)}, entry{idUsage, []byte{7}}))
	f.Add(blob(entry{idMaterial, pcp(t20(65537))}, entry{idUsage, []byte{1}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		Usable([][]byte{b}, made)
		_ = SelfWrite{Computer: true, Right: true, Self: true, Add: [][]byte{b}}.Check()
		// The material alone, too: no hash guards it.
		for _, usage := range []Usage{UsageNGC, UsageFIDO} {
			m := Key{Material: b, Usage: usage}
			if pub, err := m.PublicKey(); err == nil {
				Weaknesses(pub)
				if _, err := m.SubjectPublicKeyInfo(); err != nil {
					t.Fatalf("a key that was read cannot be written: %v", err)
				}
			}
		}
		k, err := Parse(b)
		if err != nil {
			return
		}
		if again, err := k.Marshal(); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("written again it is %x, %v", again, err)
		}
		_ = k.CheckTimes(made)
		_ = FlagNames(0xff)
	})
}
