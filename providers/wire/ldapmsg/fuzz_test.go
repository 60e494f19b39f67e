package ldapmsg

import (
	"bufio"
	"bytes"
	"reflect"
	"testing"

	"github.com/go-ldap/ldap/v3"
)

func FuzzMessage(f *testing.F) {
	f.Add(message(tlv(0x60, number(3), text("alice"), tlv(0x80, []byte("pw")))))
	f.Add(message(tlv(0x60, number(3), text(""), tlv(0xa3, text("GSSAPI"), text("tok")))))
	f.Add(message(tlv(0x66, text("CN=a"), tlv(tagSequence, tlv(tagSequence, enum(2), tlv(tagSequence, text("cn"), tlv(tagSet, text("v"))))))))
	f.Add(message(tlv(0x6c, text("CN=a"), text("CN=a"), boolean(0), tlv(0x80, []byte("DC=b")))))
	f.Add(message(tlv(0x77, tlv(0x80, []byte(WhoAmI))), tlv(0xa0, tlv(tagSequence, text(ControlPaged), boolean(0xff), text("0\x05\x02\x01\x01\x04\x00")))))
	for _, text := range filterTexts {
		if p, err := ldap.CompileFilter(text); err == nil {
			f.Add(searchMessage(p.Bytes()))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		frame, err := ReadFrame(bufio.NewReader(bytes.NewReader(b)), 1<<16)
		if err != nil {
			return
		}
		m, err := Decode(frame)
		if err != nil {
			return
		}
		_, _ = ParseControls(m.Controls, func(string) bool { return true })
		s, ok := m.Op.(*Search)
		if !ok {
			return
		}
		// The text of a filter says the same, unless a name is none.
		if again, err := ParseFilter(s.Filter.String()); err == nil && again.String() != s.Filter.String() {
			t.Errorf("%s became %s", s.Filter, again)
		}
	})
}

func FuzzFilter(f *testing.F) {
	for _, text := range filterTexts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := ParseFilter(text)
		if err != nil {
			return
		}
		if again, err := ParseFilter(filter.String()); err != nil || !reflect.DeepEqual(again, filter) {
			t.Errorf("%q: %s became %#v, %v", text, filter, again, err)
		}
	})
}

func FuzzDN(f *testing.F) {
	for _, text := range []string{"", "CN=a,DC=b", `CN="a, b"+SN=\20c\20,DC=d`, "CN=#0402616C", `CN=x\0ADEL:1`, "<GUID=0403020106050807090a0b0c0d0e0f10>;CN=a",
		"<WKGUID=01020304050607080102030405060708,DC=b>", "B:6:0A0bFF:CN=a", "CN=İßΣς"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = ParseName(text)
		if v, err := ParseDNBinary(text); err == nil {
			if again, err := ParseDNBinary(v.String()); err != nil || !reflect.DeepEqual(again, v) {
				t.Errorf("%q: %s became %+v, %v", text, v, again, err)
			}
		}
		dn, err := ParseDN(text)
		if err != nil {
			return
		}
		again, err := ParseDN(dn.String())
		if err != nil || !reflect.DeepEqual(again, dn) {
			t.Errorf("%q: %s became %#v, %v", text, dn, again, err)
		}
		// A key is a name with the same key, unless nothing but spaces is in it.
		if key, err := ParseDN(dn.Key()); err == nil && key.Key() != dn.Key() {
			t.Errorf("%q: key %q became %q", text, dn.Key(), key.Key())
		}
	})
}
