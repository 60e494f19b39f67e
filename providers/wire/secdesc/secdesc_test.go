package secdesc_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"testing"

	"hellolab/providers/wire/secdesc"
	"hellolab/providers/wire/sid"
)

var (
	domain = sid.New(5, 21, 10, 20, 30)
	staff  = domain.Account(1105)
	agent  = domain.Account(1200)
)

// A descriptor written down byte by byte after the tables of MS-DTYP: owner
// Administrators, one object entry that allows Enroll to Authenticated Users.
const written = "01000480" + "14000000" + "00000000" + "00000000" + "24000000" +
	"0102000000000005" + "20000000" + "20020000" +
	"04003000" + "01000000" +
	"05002800" + "00010000" + "01000000" + "68c9100efb78d21190d400c04f79dc55" + "0101000000000005" + "0b000000"

func TestWritten(t *testing.T) {
	raw, err := hex.DecodeString(written)
	if err != nil {
		t.Fatal(err)
	}
	d, err := secdesc.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	want := &secdesc.Descriptor{Owner: sid.Administrators, Entries: []secdesc.Entry{
		{Type: secdesc.AllowObject, Mask: secdesc.ControlAccess, Object: secdesc.Enroll, SID: sid.AuthenticatedUsers}}}
	if !reflect.DeepEqual(d, want) {
		t.Errorf("%+v", d)
	}
	again, err := d.Marshal()
	if err != nil || !bytes.Equal(again, raw) {
		t.Errorf("%x, %v", again, err)
	}
}

func TestAllows(t *testing.T) {
	enroll := func(e secdesc.Entry) secdesc.Entry {
		e.Mask, e.Object = secdesc.ControlAccess, secdesc.Enroll
		return e
	}
	for name, c := range map[string]struct {
		entries []secdesc.Entry
		enroll  bool
		auto    bool
	}{
		"nothing":            {},
		"the right":          {[]secdesc.Entry{enroll(secdesc.Entry{Type: secdesc.AllowObject, SID: staff})}, true, false},
		"somebody else":      {[]secdesc.Entry{enroll(secdesc.Entry{Type: secdesc.AllowObject, SID: agent})}, false, false},
		"all rights":         {[]secdesc.Entry{{Type: secdesc.Allow, Mask: secdesc.All, SID: staff}}, true, true},
		"all control rights": {[]secdesc.Entry{{Type: secdesc.AllowObject, Mask: secdesc.ControlAccess, SID: staff}}, true, true},
		"reading":            {[]secdesc.Entry{{Type: secdesc.Allow, Mask: secdesc.Read, SID: staff}}, false, false},
		"for children only":  {[]secdesc.Entry{{Type: secdesc.Allow, Flags: 0x08, Mask: secdesc.All, SID: staff}}, false, false},
		"denied before":      {[]secdesc.Entry{enroll(secdesc.Entry{Type: secdesc.DenyObject, SID: staff}), {Type: secdesc.Allow, Mask: secdesc.All, SID: staff}}, false, true},
		"everything denied":  {[]secdesc.Entry{{Type: secdesc.Deny, Mask: secdesc.All, SID: staff}, enroll(secdesc.Entry{Type: secdesc.AllowObject, SID: staff})}, false, false},
		"denied to sb. else": {[]secdesc.Entry{{Type: secdesc.Deny, Mask: secdesc.All, SID: agent}, enroll(secdesc.Entry{Type: secdesc.AllowObject, SID: staff})}, true, false},
	} {
		d := &secdesc.Descriptor{Entries: c.entries}
		who := []sid.SID{domain.Account(1104), staff}
		if got := d.Allows(secdesc.Enroll, who); got != c.enroll {
			t.Errorf("%s: Enroll %t", name, got)
		}
		if got := d.Allows(secdesc.AutoEnroll, who); got != c.auto {
			t.Errorf("%s: AutoEnroll %t", name, got)
		}
	}
}

func TestGrant(t *testing.T) {
	var d secdesc.Descriptor
	if !d.Grant(secdesc.Enroll, agent) || d.Grant(secdesc.Enroll, agent) || len(d.Entries) != 1 {
		t.Errorf("%+v", d.Entries)
	}
	d.Grant(secdesc.Enroll, staff)
	d.Withdraw(secdesc.Enroll, agent)
	if d.Allows(secdesc.Enroll, []sid.SID{agent}) || !d.Allows(secdesc.Enroll, []sid.SID{staff}) {
		t.Errorf("%+v", d.Entries)
	}
	for range 4000 {
		d.Entries = append(d.Entries, d.Entries[0])
	}
	if _, err := d.Marshal(); err == nil {
		t.Error("a list without end was written")
	}
}

func TestRefused(t *testing.T) {
	whole, err := hex.DecodeString(written)
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if _, err := secdesc.Parse(whole[:n]); !errors.Is(err, secdesc.ErrSyntax) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	for name, c := range map[string]struct {
		at    int
		value byte
	}{
		"revision": {0, 2}, "not self-relative": {3, 0}, "no list": {2, 0}, "owner in the header": {4, 8}, "owner beyond": {5, 0xff}, "owner of nothing": {21, 0},
		"list in the header": {16, 4}, "list's revision": {36, 3}, "list's size": {38, 4}, "more entries": {40, 2}, "entry's size": {46, 0}, "odd size": {46, 0x29},
		"two GUIDs said": {52, 3}, "identifier": {73, 7},
	} {
		raw := bytes.Clone(whole)
		raw[c.at] = c.value
		if _, err := secdesc.Parse(raw); !errors.Is(err, secdesc.ErrSyntax) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is read is written with the same meaning; nothing panics.
func FuzzParse(f *testing.F) {
	whole, err := hex.DecodeString(written)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	audit := bytes.Clone(whole)
	audit[44] = 0x07
	f.Add(audit)
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := secdesc.Parse(raw)
		if err != nil {
			return
		}
		b, err := d.Marshal()
		if err != nil {
			return
		}
		again, err := secdesc.Parse(b)
		if err != nil || len(again.Entries) != len(d.Entries) || again.Owner != d.Owner || again.Group != d.Group {
			t.Errorf("%+v, %v, want %+v", again, err, d)
		}
	})
}

// Generic rights count as what a directory makes of them (MS-ADTS 5.1.3.2): one that
// is denied is no gap.
func TestGenericRights(t *testing.T) {
	const genericAll, genericWrite, genericRead = 0x10000000, 0x40000000, 0x80000000
	who := []sid.SID{staff}
	for name, c := range map[string]struct {
		entries     []secdesc.Entry
		write, read bool
	}{
		"all is denied":    {[]secdesc.Entry{{Type: secdesc.Deny, Mask: genericAll, SID: staff}, {Type: secdesc.Allow, Mask: secdesc.All, SID: staff}}, false, false},
		"writing is":       {[]secdesc.Entry{{Type: secdesc.Deny, Mask: genericWrite, SID: staff}, {Type: secdesc.Allow, Mask: secdesc.All, SID: staff}}, false, true},
		"writing is given": {[]secdesc.Entry{{Type: secdesc.AllowObject, Mask: genericWrite, Object: secdesc.KeyCredentialLink, SID: staff}}, true, false},
		"reading is":       {[]secdesc.Entry{{Type: secdesc.Allow, Mask: genericRead, SID: staff}}, false, true},
	} {
		d := &secdesc.Descriptor{Entries: c.entries}
		raw, err := d.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if d, err = secdesc.Parse(raw); err != nil {
			t.Fatal(err)
		}
		if got := d.Permits(secdesc.WriteProperty, who, secdesc.KeyCredentialLink); got != c.write {
			t.Errorf("%s: writing %t", name, got)
		}
		if got := d.Permits(secdesc.ReadProperty, who, secdesc.KeyCredentialLink); got != c.read {
			t.Errorf("%s: reading %t", name, got)
		}
		if again, err := d.Marshal(); err != nil || !bytes.Equal(raw, again) {
			t.Errorf("%s: written otherwise: %v", name, err)
		}
	}
}
