package adds

import (
	"errors"
	"testing"

	"hellolab/providers/adds/directory"
	"hellolab/providers/adds/ldapd"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/secdesc"
	"hellolab/providers/wire/sid"
)

// A search has of a security descriptor what it asks for; no flag is as all of them
// (MS-ADTS 3.1.1.3.4.1.11).
func TestDescriptorParts(t *testing.T) {
	whole := secdesc.Descriptor{Owner: sid.Administrators, Group: sid.LocalSystem, Entries: []secdesc.Entry{{Type: secdesc.Allow, Mask: secdesc.Read, SID: sid.Everyone}}}
	for flags, want := range map[uint32]secdesc.Descriptor{
		0: whole, 15: whole, 7: whole,
		4: {Entries: whole.Entries},
		5: {Owner: whole.Owner, Entries: whole.Entries},
		6: {Group: whole.Group, Entries: whole.Entries},
	} {
		raw, err := whole.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		e := directory.Entry{Attributes: []directory.Shown{{Name: "cn", Values: [][]byte{[]byte("x")}}, {Name: "nTSecurityDescriptor", Values: [][]byte{raw}}}}
		if err := descriptorParts(e, flags); err != nil {
			t.Fatalf("%d: %v", flags, err)
		}
		got, err := secdesc.Parse(e.Attributes[1].Values[0])
		if err != nil || got.Owner != want.Owner || got.Group != want.Group || len(got.Entries) != 1 || string(e.Attributes[0].Values[0]) != "x" {
			t.Errorf("flags %d: %+v, %v", flags, got, err)
		}
	}
}

// A write that is to leave the list as it is does not change it by the list that the
// value has all the same.
func TestDescriptorWriteWithoutList(t *testing.T) {
	list := []ldapmsg.Change{{Kind: ldapmsg.ReplaceValues, Attribute: ldapmsg.Attribute{Description: "ntsecuritydescriptor", Values: [][]byte{{1}}}}}
	for flags, refused := range map[uint32]bool{1: true, 2: true, 3: true, 8: true, 4: false, 7: false, 15: false, 0: false} {
		err := writesList(&ldapd.Request{Controls: ldapmsg.Controls{SDFlags: &flags}}, list)
		var e *ldapmsg.Error
		if errors.As(err, &e) != refused || refused && e.Code != ldapmsg.UnwillingToPerform {
			t.Errorf("flags %d: %v", flags, err)
		}
	}
	if err := writesList(&ldapd.Request{}, list); err != nil {
		t.Errorf("without the control: %v", err)
	}
	owner := uint32(1)
	if err := writesList(&ldapd.Request{Controls: ldapmsg.Controls{SDFlags: &owner}}, []ldapmsg.Change{{Attribute: ldapmsg.Attribute{Description: "description"}}}); err != nil {
		t.Errorf("another attribute: %v", err)
	}
}
