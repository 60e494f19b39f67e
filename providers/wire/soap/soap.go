// Package soap is SOAP 1.2 messages with WS-Addressing headers, as Windows'
// services speak them over HTTPS: a message of one body element, and faults.
//
// Reading is bounded (package xmltree); headers that must be understood and
// are not known here are refused.
//
// Source: SOAP 1.2 part 1; WS-Addressing 1.0.
package soap

import (
	"encoding/xml"
	"errors"
	"fmt"
	"strings"

	"hellolab/providers/wire/xmltree"
)

// Namespaces.
const (
	Namespace  = "http://www.w3.org/2003/05/soap-envelope"
	Addressing = "http://www.w3.org/2005/08/addressing"
	Security   = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
	Utility    = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"

	Anonymous = Addressing + "/anonymous"
	// ContentType is that of messages; they are UTF-8.
	ContentType = "application/soap+xml"
)

// MaxMessage bounds a message that is read, in bytes.
const MaxMessage = 256 << 10

var limits = xmltree.Limits{Bytes: MaxMessage, Depth: 24, Elements: 512, Attributes: 24}

const maxWord = 2048 // bytes of ids and addresses that are kept

// ErrMessage is wrapped by every error about bytes that are no message.
var ErrMessage = errors.New("malformed SOAP message")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMessage, fmt.Sprintf(format, args...))
}

// Message is one that was read.
type Message struct {
	Action, MessageID, RelatesTo, To string
	Header                           *xmltree.Element // without children when the message has none
	Content                          *xmltree.Element // the one element of its body
}

// Read reads a message. Of headers that must be understood it knows
// WS-Addressing's and WS-Security's, whose content it leaves to the caller; any
// other is a *Fault that tells the sender so.
func Read(b []byte) (*Message, error) {
	root, err := xmltree.Parse(b, limits)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	if !root.Is(Namespace, "Envelope") {
		return nil, malformed("not a SOAP 1.2 envelope")
	}
	body, err := root.One(Namespace, "Body")
	if err != nil || body == nil || len(body.Children) != 1 {
		return nil, malformed("not one element in the body")
	}
	m := &Message{Content: body.Children[0]}
	if m.Header, err = root.One(Namespace, "Header"); err != nil {
		return nil, malformed("two headers")
	}
	if m.Header == nil {
		m.Header = &xmltree.Element{}
	}
	return m, m.readHeader()
}

func (m *Message) readHeader() error {
	for _, h := range []struct {
		local string
		to    *string
	}{{"Action", &m.Action}, {"MessageID", &m.MessageID}, {"RelatesTo", &m.RelatesTo}, {"To", &m.To}} {
		text, err := m.Header.Word(Addressing, h.local)
		if err != nil || len(text) > maxWord {
			return malformed("header %s", h.local)
		}
		*h.to = text
	}
	for _, h := range m.Header.Children {
		must := h.Attr(Namespace, "mustUnderstand")
		if (must == "1" || must == "true") && !understood(h.Name) {
			return &Fault{RelatesTo: m.MessageID, Sender: true, Subcode: xml.Name{Local: "MustUnderstand"}, Reason: "A header of the message is not understood here."}
		}
	}
	return nil
}

// understood says whether a header is one that this package or its callers act on.
func understood(name xml.Name) bool {
	switch name.Local {
	case "Action", "To", "MessageID", "ReplyTo", "RelatesTo":
		return name.Space == Addressing
	case "Security":
		return name.Space == Security
	}
	return false
}

// Write encodes a message; header adds to the header, body writes the body's element.
func Write(action string, header, body func(*xmltree.Writer)) []byte {
	w := &xmltree.Writer{}
	w.Put(`<s:Envelope xmlns:s="%s" xmlns:a="%s" xmlns:u="%s"><s:Header><a:Action s:mustUnderstand="1">%s</a:Action>`, Namespace, Addressing, Utility, action)
	if header != nil {
		header(w)
	}
	w.WriteString(`</s:Header><s:Body>`)
	body(w)
	w.WriteString(`</s:Body></s:Envelope>`)
	return []byte(w.String())
}

// PutRelatesTo writes the header that names the message that is answered.
func PutRelatesTo(w *xmltree.Writer, id string) {
	if id != "" {
		w.Put(`<a:RelatesTo>%s</a:RelatesTo>`, id)
	}
}

// Fault is a refusal.
type Fault struct {
	RelatesTo string
	Sender    bool     // the message is at fault; else the receiver could not or would not
	Subcode   xml.Name // why, for programs
	Reason    string   // why, for people
}

func (f *Fault) Error() string {
	if f.Subcode.Local == "" {
		return "the service answers: " + f.Reason
	}
	return fmt.Sprintf("the service answers %s: %s", f.Subcode.Local, f.Reason)
}

// Marshal encodes the fault as a message of that action.
func (f *Fault) Marshal(action string) []byte {
	return Write(action, func(w *xmltree.Writer) { PutRelatesTo(w, f.RelatesTo) }, func(w *xmltree.Writer) {
		side := "s:Receiver"
		if f.Sender {
			side = "s:Sender"
		}
		w.Put(`<s:Fault><s:Code><s:Value>%s</s:Value>`, side)
		if f.Subcode.Local != "" {
			w.Put(`<s:Subcode><s:Value xmlns:d="%s">d:%s</s:Value></s:Subcode>`, f.Subcode.Space, f.Subcode.Local)
		}
		w.Put(`</s:Code><s:Reason><s:Text xml:lang="en-US">%s</s:Text></s:Reason></s:Fault>`, f.Reason)
	})
}

// Fault returns the refusal that the message is; nil when it is none. The
// subcode has no namespace: its prefix is not resolved.
func (m *Message) Fault() (*Fault, error) {
	if !m.Content.Is(Namespace, "Fault") {
		return nil, nil
	}
	f := &Fault{RelatesTo: m.RelatesTo}
	code, err := m.Content.One(Namespace, "Code")
	if err != nil || code == nil {
		return nil, malformed("fault without a code")
	}
	value, err := code.Word(Namespace, "Value")
	if err != nil {
		return nil, malformed("fault without a code")
	}
	f.Sender = strings.HasSuffix(value, ":Sender")
	if sub, err := code.One(Namespace, "Subcode"); err == nil && sub != nil {
		if value, err = sub.Word(Namespace, "Value"); err != nil {
			return nil, malformed("fault's subcode")
		}
		f.Subcode.Local = value[strings.LastIndexByte(value, ':')+1:]
	}
	reason, err := m.Content.One(Namespace, "Reason")
	if err == nil && reason != nil && len(reason.Children) > 0 { // one text a language
		f.Reason = strings.TrimSpace(reason.Children[0].Text)
	}
	return f, nil
}
