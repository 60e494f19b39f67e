package wstep

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Bounds of what is read.
const (
	MaxMessage    = 256 << 10 // bytes
	maxDepth      = 24
	maxElements   = 256
	maxAttributes = 16 // of one element, namespaces among them
)

// ErrXML is wrapped by every error about a message that is no envelope of ours.
var ErrXML = errors.New("malformed SOAP message")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrXML, fmt.Sprintf(format, args...))
}

// element is an XML element, read whole.
type element struct {
	name     xml.Name
	attrs    []xml.Attr
	children []*element
	text     string // its own character data; comments do not divide it
}

// parse reads one bounded document. There is no document type, no processing
// instruction but the declaration, no entity but XML's own five.
func parse(b []byte) (*element, error) {
	if len(b) > MaxMessage {
		return nil, malformed("more than %d bytes", MaxMessage)
	}
	d := xml.NewDecoder(bytes.NewReader(b))
	d.CharsetReader = func(charset string, in io.Reader) (io.Reader, error) {
		return nil, malformed("charset %.20q", charset) // UTF-8 never comes here
	}
	var root *element
	var open []*element
	count := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) && root != nil && len(open) == 0 {
			return root, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrXML, err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if count++; count > maxElements || len(open) == maxDepth || len(t.Attr) > maxAttributes || root != nil && len(open) == 0 {
				return nil, malformed("more elements, levels or attributes than are read")
			}
			e := &element{name: t.Name, attrs: t.Copy().Attr}
			if err := e.checkAttributes(); err != nil {
				return nil, err
			}
			if root == nil {
				root = e
			} else {
				parent := open[len(open)-1]
				parent.children = append(parent.children, e)
			}
			open = append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].text += string(t)
			} else if len(bytes.TrimSpace(t)) > 0 {
				return nil, malformed("text outside the envelope")
			}
		case xml.ProcInst:
			if t.Target != "xml" || root != nil {
				return nil, malformed("processing instruction")
			}
		case xml.Directive:
			return nil, malformed("document type")
		}
	}
}

// checkAttributes refuses an attribute that is there twice: two readers could
// take different ones.
func (e *element) checkAttributes() error {
	for i, a := range e.attrs {
		for _, b := range e.attrs[:i] {
			if a.Name == b.Name {
				return malformed("attribute %.40q twice", a.Name.Local)
			}
		}
	}
	return nil
}

func (e *element) is(space, local string) bool {
	return e != nil && e.name.Space == space && e.name.Local == local
}

func (e *element) attr(space, local string) string {
	for _, a := range e.attrs {
		if a.Name.Space == space && a.Name.Local == local {
			return a.Value
		}
	}
	return ""
}

// one returns the only child of that name, nil when there is none.
func (e *element) one(space, local string) (*element, error) {
	var found *element
	for _, c := range e.children {
		if !c.is(space, local) {
			continue
		}
		if found != nil {
			return nil, malformed("%s twice", local)
		}
		found = c
	}
	return found, nil
}

// word returns the text of the only child of that name without white space
// around it; "" when there is none, or it is nil.
func (e *element) word(space, local string) (string, error) {
	c, err := e.one(space, local)
	if err != nil || c == nil || c.attr(nsXSI, "nil") == "true" {
		return "", err
	}
	if len(c.children) > 0 {
		return "", malformed("elements in %s", local)
	}
	return strings.TrimSpace(c.text), nil
}
