package inspect

import (
	"encoding/hex"
	"fmt"
	"strings"

	"hellolab/providers/wire/keycred"
	"hellolab/providers/wire/ldapmsg"
)

// decodeKeyCredential reads a value of msDS-KeyCredentialLink: the blob, or the
// text that LDAP writes, also as it is folded in LDIF.
func decodeKeyCredential(i *inspector, in Input) (*Node, error) {
	if text, ok := dnBinary(in.Text); ok {
		d, err := ldapmsg.ParseDNBinary(text)
		if err != nil {
			return nil, err
		}
		return i.keyCredential(d.Binary, d.DN)
	}
	return in.each(func(b []byte) (*Node, error) {
		if len(b) < 4 || string(b[:4]) != "\x00\x02\x00\x00" {
			return nil, not("it begins neither with B: nor with version 0x200")
		}
		return i.keyCredential(b, "")
	})
}

// dnBinary finds the value in what ldapsearch prints.
func dnBinary(text string) (string, bool) {
	const attribute = "msDS-KeyCredentialLink:"
	if len(text) > len(attribute) && strings.EqualFold(text[:len(attribute)], attribute) {
		text = strings.TrimSpace(text[len(attribute):])
	}
	text = strings.NewReplacer("\r\n ", "", "\n ", "").Replace(text)
	return text, strings.HasPrefix(text, "B:")
}

func (i *inspector) keyCredential(b []byte, dn string) (*Node, error) {
	k, err := keycred.Parse(b)
	if err != nil {
		return nil, err
	}
	n := &Node{Title: "Key credential, msDS-KeyCredentialLink (MS-ADTS 2.2.20)"}
	n.text("object", dn)
	switch {
	case k.ID == nil:
		n.add("key id", "(none)")
	case k.Usage == keycred.UsageFIDO:
		n.noted("key id", hex.EncodeToString(k.ID), "the credential id in the key material")
	default:
		n.noted("key id", hex.EncodeToString(k.ID), "SHA-256 of the key material")
	}
	if k.Unhashed {
		n.add("key hash", "(none)")
	} else {
		n.add("key hash", "holds")
	}
	n.noted("usage", int(k.Usage), usageNote(k.Usage))
	n.noted("source", int(k.Source), k.Source.String())
	if k.Device != nil {
		n.add("device id", k.Device.String())
	}
	if k.Custom != nil {
		n.add("custom key information", customInformation(k.Custom))
	}
	i.stamp(n, "last logon", k.LastLogon, k.Source)
	i.stamp(n, "created", k.Created, k.Source)
	if err := k.CheckTimes(i.o.Now); err != nil {
		n.add("times", "of the future: domain controllers skip this value")
	}
	n.add("key material", i.keyMaterial(&k))
	return n, nil
}

func usageNote(u keycred.Usage) string {
	switch u {
	case keycred.UsageNGC:
		return "NGC, Windows Hello for Business"
	case keycred.UsageSTK:
		return "STK, transport key of a device"
	case keycred.UsageFEK:
		return "FEK, file encryption"
	}
	return u.String()
}

func (i *inspector) stamp(n *Node, name string, s *keycred.Stamp, source keycred.Source) {
	if s == nil {
		return
	}
	if at := s.Time(source); !at.IsZero() {
		n.time(name, at, i.o.Now)
		return
	}
	n.noted(name, "never", fmt.Sprintf("0x%016x", uint64(*s)))
}

func customInformation(c keycred.Custom) Fields {
	f := Fields{}
	f.add("version", int(c[0]))
	if flags, ok := c.Flags(); ok {
		names := keycred.FlagNames(flags)
		if names == "" {
			names = "none: registered with MFA, not attested"
		}
		f.noted("flags", int(flags), names)
	}
	if v, ok := c.VolType(); ok {
		f.add("volume type", int(v))
	}
	if yes, ok := c.SupportsNotification(); ok {
		f.add("supports notification", yes)
	}
	if v, ok := c.FekKeyVersion(); ok {
		f.add("fek key version", int(v))
	}
	if s, ok := c.Strength(); ok {
		f.add("key strength", s.String())
	}
	if x := c.Extended(); x != nil {
		f.bytes("extended", x)
	}
	return f
}

// keyMaterial tells of the key. Material that cannot be read is said to be so:
// the rest of the value is worth reading.
func (i *inspector) keyMaterial(k *keycred.Key) Fields {
	f := Fields{}
	pub, err := k.PublicKey()
	if err != nil {
		f.addf("form", "(%s that cannot be read: %v)", size(k.Material), unwrapped(err))
		return f
	}
	f.noted("form", k.Form().String(), size(k.Material))
	f = append(f, publicKey(pub)...)
	if weak := keycred.Weaknesses(pub); weak != nil {
		all := make([]any, len(weak))
		for j, w := range weak {
			all[j] = string(w)
		}
		f.add("weaknesses", all)
	}
	if fido, err := k.FIDO(); err == nil {
		f.text("display name", fido.DisplayName)
		f.add("aaguid", fido.AAGUID.String())
		chain := []any{}
		for _, der := range fido.Certificates[:min(len(fido.Certificates), maxCertificates)] {
			chain = append(chain, i.bytesAs("certificate", der))
		}
		f.add("attestation certificates", chain)
	}
	return f
}

// unwrapped is the reason behind ErrMaterial, which the text around it says.
func unwrapped(err error) string {
	return strings.TrimPrefix(err.Error(), keycred.ErrMaterial.Error()+": ")
}
