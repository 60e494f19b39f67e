// Package xmltree reads an XML document that a peer sent into a tree, and
// writes documents of literal markup and escaped values.
//
// Reading is bounded in bytes, depth, elements and attributes. There is no
// document type, no processing instruction but the declaration, no entity but
// XML's own five, no charset but UTF-8, and no attribute twice: two readers of
// one document see the same things.
//
// Source: Extensible Markup Language (XML) 1.0; Namespaces in XML 1.0.
package xmltree

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Limits bound what is read of one document.
type Limits struct {
	Bytes      int
	Depth      int // levels of elements
	Elements   int
	Attributes int // of one element, namespaces among them
	NoComments bool
}

// ErrXML is wrapped by every error of this package.
var ErrXML = errors.New("malformed XML")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrXML, fmt.Sprintf(format, args...))
}

// NamespaceXSI is that of xsi:nil and xsi:type.
const NamespaceXSI = "http://www.w3.org/2001/XMLSchema-instance"

// Element is an XML element, read whole.
type Element struct {
	Name     xml.Name // its Space is the namespace
	Attrs    []xml.Attr
	Children []*Element
	Text     string // its own character data; comments do not divide it
	Raw      []byte // as it stands in the document
}

// reader is a document on the way in.
type reader struct {
	limits Limits
	data   []byte
	root   *Element
	open   []*Element
	starts []int64  // offsets of the open elements
	texts  [][]byte // their character data
	count  int
}

// Parse reads one document.
func Parse(b []byte, limits Limits) (*Element, error) {
	if len(b) > limits.Bytes {
		return nil, malformed("more than %d bytes", limits.Bytes)
	}
	d := xml.NewDecoder(bytes.NewReader(b))
	d.CharsetReader = func(charset string, in io.Reader) (io.Reader, error) {
		return nil, malformed("charset %.20q", charset) // UTF-8 never comes here
	}
	r := &reader{limits: limits, data: b}
	for {
		at := d.InputOffset()
		token, err := d.Token()
		if errors.Is(err, io.EOF) && r.root != nil && len(r.open) == 0 {
			return r.root, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrXML, err)
		}
		if err := r.take(token, at, d.InputOffset()); err != nil {
			return nil, err
		}
	}
}

// take adds what stands between two offsets.
func (r *reader) take(token xml.Token, from, to int64) error {
	switch t := token.(type) {
	case xml.StartElement:
		return r.start(t, from)
	case xml.EndElement:
		last := len(r.open) - 1
		e := r.open[last]
		e.Text, e.Raw = string(r.texts[last]), r.data[r.starts[last]:to]
		r.open, r.starts, r.texts = r.open[:last], r.starts[:last], r.texts[:last]
	case xml.CharData:
		if last := len(r.open) - 1; last >= 0 {
			r.texts[last] = append(r.texts[last], t...)
		} else if len(bytes.TrimSpace(t)) > 0 {
			return malformed("text outside the document's element")
		}
	case xml.Comment:
		if r.limits.NoComments {
			return malformed("comment")
		}
	case xml.ProcInst:
		if t.Target != "xml" || r.root != nil || from != 0 {
			return malformed("processing instruction")
		}
	case xml.Directive:
		return malformed("document type")
	}
	return nil
}

func (r *reader) start(t xml.StartElement, at int64) error {
	if r.count++; r.count > r.limits.Elements || len(r.open) == r.limits.Depth || len(t.Attr) > r.limits.Attributes || r.root != nil && len(r.open) == 0 {
		return malformed("more elements, levels or attributes than are read")
	}
	e := &Element{Name: t.Name, Attrs: t.Copy().Attr}
	if err := e.checkAttributes(); err != nil {
		return err
	}
	if r.root == nil {
		r.root = e
	} else {
		parent := r.open[len(r.open)-1]
		parent.Children = append(parent.Children, e)
	}
	r.open, r.starts, r.texts = append(r.open, e), append(r.starts, at), append(r.texts, nil)
	return nil
}

// checkAttributes refuses an attribute that is there twice: two readers could
// take different ones.
func (e *Element) checkAttributes() error {
	for i, a := range e.Attrs {
		for _, b := range e.Attrs[:i] {
			if a.Name == b.Name {
				return malformed("attribute %.40q twice", a.Name.Local)
			}
		}
	}
	return nil
}

// Is says whether the element has that name; a nil one has none.
func (e *Element) Is(space, local string) bool {
	return e != nil && e.Name.Space == space && e.Name.Local == local
}

// Attr returns an attribute's value; "" when it is absent.
func (e *Element) Attr(space, local string) string {
	for _, a := range e.Attrs {
		if a.Name.Space == space && a.Name.Local == local {
			return a.Value
		}
	}
	return ""
}

// One returns the only child of that name, nil when there is none.
func (e *Element) One(space, local string) (*Element, error) {
	var found *Element
	for _, c := range e.Children {
		if !c.Is(space, local) {
			continue
		}
		if found != nil {
			return nil, malformed("%s twice", local)
		}
		found = c
	}
	return found, nil
}

// Path follows One; nil when a child is absent.
func (e *Element) Path(names ...xml.Name) (*Element, error) {
	for _, n := range names {
		c, err := e.One(n.Space, n.Local)
		if err != nil || c == nil {
			return nil, err
		}
		e = c
	}
	return e, nil
}

// Word returns the text of the only child of that name without white space
// around it; "" when there is none, or it is nil.
func (e *Element) Word(space, local string) (string, error) {
	c, err := e.One(space, local)
	if err != nil || c == nil || c.Attr(NamespaceXSI, "nil") == "true" {
		return "", err
	}
	return c.Value()
}

// Value returns the element's text without white space around it. An element
// with others in it has none.
func (e *Element) Value() (string, error) {
	if len(e.Children) > 0 {
		return "", malformed("elements in %s", e.Name.Local)
	}
	return strings.TrimSpace(e.Text), nil
}

// All calls visit with the element and all below it.
func (e *Element) All(visit func(*Element)) {
	visit(e)
	for _, c := range e.Children {
		c.All(visit)
	}
}
