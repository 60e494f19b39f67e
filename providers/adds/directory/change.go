package directory

import (
	"bytes"
	"errors"
	"maps"
	"slices"

	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/ldapmsg"
)

// clone copies an object so that the copy can be changed.
func (o *object) clone() *object {
	c := *o
	c.Classes = slices.Clone(o.Classes)
	c.Values = maps.Clone(o.Values)
	c.Targets = maps.Clone(o.Targets)
	return &c
}

// attribute finds what a description names and refuses what no client may
// write. An option is refused, but for ";binary" of octets, which says nothing.
func (d *Directory) attribute(description string) (*Attribute, error) {
	name, option, has := bytes.Cut([]byte(description), []byte(";"))
	a := d.schema.Attribute(string(name))
	if a == nil || has && !(bytes.EqualFold(option, []byte("binary")) && a.Syntax == Octets) {
		return nil, ldapmsg.Errorf(ldapmsg.NoSuchAttribute, ldapmsg.ErrorAttributeTypeUndefined, "The schema has no attribute %q.", clip(description))
	}
	if a.has(system | constructed | backLink) {
		return nil, ldapmsg.Errorf(ldapmsg.ConstraintViolation, ldapmsg.ErrorConstraintViolation, "%s is written by the directory itself.", a.Name)
	}
	return a, nil
}

// value is one value being written.
type value struct {
	stored []byte    // what is kept
	normal []byte    // what equal values share
	target guid.GUID // of a link: the object it refers to
}

// parse checks values of an attribute.
func (w writer) parse(a *Attribute, values [][]byte) ([]value, error) {
	out := make([]value, 0, len(values))
	for _, v := range values {
		p, err := w.parseOne(a, v)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(out, func(o value) bool { return bytes.Equal(o.normal, p.normal) }) {
			return nil, valueExists(a)
		}
		out = append(out, p)
	}
	if a.has(single) && len(out) > 1 {
		return nil, ldapmsg.Errorf(ldapmsg.ConstraintViolation, ldapmsg.ErrorConstraintViolation, "%s holds one value.", a.Name)
	}
	return out, nil
}

func valueExists(a *Attribute) error {
	return ldapmsg.Errorf(ldapmsg.AttributeOrValueExists, ldapmsg.ErrorAttributeOrValueExists, "%s has this value already.", a.Name)
}

func (w writer) parseOne(a *Attribute, v []byte) (value, error) {
	bad := func() (value, error) {
		return value{}, ldapmsg.Errorf(ldapmsg.InvalidAttributeSyntax, ldapmsg.ErrorInvalidAttributeSyntax, "A value of %s has another syntax than the attribute.", a.Name)
	}
	if !a.has(link) {
		normal, err := a.Syntax.normal(v)
		if err != nil {
			return bad()
		}
		return value{stored: a.Syntax.stored(v, normal), normal: normal}, nil
	}
	name, blob := string(v), []byte(nil)
	if a.Syntax == DNBinary {
		b, err := ldapmsg.ParseDNBinary(name)
		if err != nil {
			return bad()
		}
		name, blob = b.DN, b.Binary
	}
	n, err := ldapmsg.ParseName(name)
	if err != nil {
		return bad()
	}
	far, err := w.named(n)
	if errors.Is(err, errNotFound) {
		return value{}, ldapmsg.Errorf(ldapmsg.ConstraintViolation, ldapmsg.ErrorNameReferenceInvalid, "A value of %s names no object.", a.Name)
	}
	if err != nil {
		return value{}, err
	}
	return value{stored: blob, normal: append(slices.Clone(far.ID[:]), blob...), target: far.ID}, nil
}

// held returns the values that an object has of an attribute, in the form of
// parse.
func (w writer) held(o *object, a *Attribute) ([]value, error) {
	var out []value
	if a.has(link) && a.Syntax == DN {
		ends, err := w.linked(tableLinks, a.Name, o.ID)
		if err != nil {
			return nil, err
		}
		for _, end := range ends {
			id, err := guid.Parse(end)
			if err != nil {
				return nil, err
			}
			out = append(out, value{normal: id[:], target: id})
		}
		return out, nil
	}
	for i, v := range o.Values[a.Name] {
		if a.has(link) {
			id, err := guid.Parse(o.Targets[a.Name][i])
			if err != nil {
				return nil, err
			}
			out = append(out, value{stored: v, normal: append(slices.Clone(id[:]), v...), target: id})
			continue
		}
		normal, err := a.Syntax.normal(v)
		if err != nil {
			return nil, err
		}
		out = append(out, value{stored: v, normal: normal})
	}
	return out, nil
}

// hold makes values those of an object, and the links what they say. was is
// what held returned.
func (w writer) hold(o *object, a *Attribute, was, now []value) error {
	if a.has(link) {
		for _, v := range was {
			if !slices.ContainsFunc(now, func(n value) bool { return n.target == v.target }) {
				if err := w.unlink(a.Name, o.ID, v.target); err != nil {
					return err
				}
			}
		}
		for _, v := range now {
			if !slices.ContainsFunc(was, func(n value) bool { return n.target == v.target }) {
				if err := w.link(a.Name, o.ID, v.target); err != nil {
					return err
				}
			}
		}
		if a.Syntax == DN {
			return nil
		}
	}
	if len(now) == 0 {
		delete(o.Values, a.Name)
		delete(o.Targets, a.Name)
		return nil
	}
	list := make([][]byte, len(now))
	targets := make([]string, len(now))
	for i, v := range now {
		list[i], targets[i] = v.stored, v.target.String()
	}
	o.Values[a.Name] = list
	if a.has(link) {
		if o.Targets == nil {
			o.Targets = map[string][]string{}
		}
		o.Targets[a.Name] = targets
	}
	return nil
}

// apply does one change to the values of an attribute. permissive lets what is
// there be added and what is not be deleted (MS-ADTS 3.1.1.3.4.1.8).
func apply(a *Attribute, kind ldapmsg.ChangeKind, was, given []value, permissive bool) ([]value, error) {
	same := func(v value) func(value) bool { return func(o value) bool { return bytes.Equal(o.normal, v.normal) } }
	switch kind {
	case ldapmsg.ReplaceValues:
		return given, nil
	case ldapmsg.AddValues:
		now := slices.Clone(was)
		for _, v := range given {
			if slices.ContainsFunc(was, same(v)) {
				if !permissive {
					return nil, valueExists(a)
				}
				continue
			}
			now = append(now, v)
		}
		if a.has(single) && len(now) > 1 {
			return nil, ldapmsg.Errorf(ldapmsg.AttributeOrValueExists, ldapmsg.ErrorAttributeOrValueExists, "%s holds one value, and has one.", a.Name)
		}
		return now, nil
	}
	missing := func() error {
		return ldapmsg.Errorf(ldapmsg.NoSuchAttribute, ldapmsg.ErrorNoAttributeOrValue, "%s has no such value.", a.Name)
	}
	if len(given) == 0 {
		if len(was) == 0 && !permissive {
			return nil, missing()
		}
		return nil, nil
	}
	now := slices.Clone(was)
	for _, v := range given {
		i := slices.IndexFunc(now, same(v))
		if i < 0 {
			if !permissive {
				return nil, missing()
			}
			continue
		}
		now = slices.Delete(now, i, i+1)
	}
	return now, nil
}
