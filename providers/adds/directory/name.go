package directory

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/sid"
)

// path is a distinguished name turned round, root first, with a comma after
// each part, in the form that equal names share:
//
//	dc=com,dc=contoso,cn=users,cn=alice,
//
// Scanning the tree for the keys that begin with a path gives an object and all
// that is below it, parents first.
type path string

func pathOf(dn string) (path, error) {
	d, err := ldapmsg.ParseDN(dn)
	if err != nil {
		return "", err
	}
	return pathOfDN(d), nil
}

func pathOfDN(d ldapmsg.DN) path {
	var b strings.Builder
	for _, rdn := range slices.Backward(d) {
		b.WriteString(rdn.Key())
		b.WriteByte(',')
	}
	return path(b.String())
}

// badName is the refusal of a name that cannot be read.
func badName(name string) error {
	return ldapmsg.Errorf(ldapmsg.InvalidDNSyntax, ldapmsg.ErrorNameUnparseable, "%q is not a distinguished name.", clip(name))
}

// clip shortens what a client sent for a sentence.
func clip(s string) string {
	if len(s) > 64 {
		return s[:64] + "…"
	}
	return s
}

// resolve finds the object that a name of a request names: by DN, or in one of
// the extended forms. A name of nothing is noSuchObject with the nearest
// ancestor that is there.
func (r reader) resolve(name string) (*object, error) {
	n, err := ldapmsg.ParseName(name)
	if err != nil {
		return nil, badName(name)
	}
	o, err := r.named(n)
	if errors.Is(err, errNotFound) {
		return nil, r.noSuchObject(n.DN)
	}
	return o, err
}

func (r reader) named(n ldapmsg.Name) (*object, error) {
	switch {
	case !n.GUID.IsZero():
		return r.object(n.GUID.String())
	case !n.SID.IsZero():
		return r.bySID(n.SID)
	case n.WellKnown != nil:
		return r.wellKnown(*n.WellKnown, n.DN)
	}
	return r.atPath(pathOfDN(n.DN))
}

// wellKnown finds what wellKnownObjects of an object says of a GUID (MS-ADTS
// 6.1.1.4).
func (r reader) wellKnown(id [16]byte, at ldapmsg.DN) (*object, error) {
	o, err := r.atPath(pathOfDN(at))
	if err != nil {
		return nil, err
	}
	for _, v := range o.Values["wellKnownObjects"] {
		b, err := ldapmsg.ParseDNBinary(string(v))
		if err == nil && bytes.Equal(b.Binary, id[:]) {
			return r.resolve(b.DN)
		}
	}
	return nil, errNotFound
}

// noSuchObject is the refusal of a name that nothing has.
func (r reader) noSuchObject(d ldapmsg.DN) error {
	for len(d) > 0 {
		d = d.Parent()
		if o, err := r.atPath(pathOfDN(d)); err == nil {
			return ldapmsg.NotFound(o.DN)
		}
	}
	return ldapmsg.NotFound("")
}

func (r reader) bySID(s sid.SID) (*object, error) {
	return r.indexed("objectSid", string(s.Bytes()))
}
