package wstep

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"hellolab/providers/wire/soap"
	"hellolab/providers/wire/xmltree"
)

const (
	maxWord    = 256 // bytes of ids and texts that are kept
	maxContext = 16  // items
)

// ParseRequest reads a request. What a client did wrong is a *Fault that tells
// it so; what is no SOAP at all is ErrXML.
func ParseRequest(b []byte) (*Request, error) {
	m, err := read(b)
	if err != nil {
		return nil, err
	}
	r := &Request{MessageID: m.MessageID}
	sender := func(subcode, reason string) error {
		return &Fault{RelatesTo: r.MessageID, Sender: true, Subcode: subcode, Reason: reason}
	}
	if m.Action != actionRequest {
		return nil, sender("ActionNotSupported", "This service takes requests for security tokens only.")
	}
	if !m.Content.Is(nsWST, "RequestSecurityToken") {
		return nil, sender("InvalidRequest", "The body of the message holds no request for a security token.")
	}
	return r, r.read(m.Content, sender)
}

// read reads a message. Who asks is the transport's to say, so nothing of
// WS-Security is understood here.
func read(b []byte) (*soap.Message, error) {
	m, err := soap.Read(b)
	var f *soap.Fault
	if errors.As(err, &f) {
		return nil, &Fault{RelatesTo: f.RelatesTo, Sender: true, Subcode: f.Subcode.Local, Reason: f.Reason}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrXML, err)
	}
	for _, h := range m.Header.Children {
		if must := h.Attr(soap.Namespace, "mustUnderstand"); h.Is(nsWSSE, "Security") && (must == "1" || must == "true") {
			return nil, &Fault{RelatesTo: m.MessageID, Sender: true, Subcode: "MustUnderstand", Reason: "A header of the message is not understood here."}
		}
	}
	return m, nil
}

func (r *Request) read(e *xmltree.Element, sender func(subcode, reason string) error) error {
	kind, err := e.Word(nsWST, "RequestType")
	if err != nil {
		return err
	}
	tokenType, err := e.Word(nsWST, "TokenType")
	if err != nil {
		return err
	}
	if tokenType != "" && tokenType != tokenX509 {
		return sender("InvalidRequest", "Only X.509 certificates are issued here.")
	}
	if r.RequestID, err = e.Word(nsWSTEP, "RequestID"); err != nil {
		return err
	}
	r.RequestID = strings.TrimRight(r.RequestID, "\x00")
	if r.Context, err = readContext(e); err != nil {
		return err
	}
	switch kind {
	case typeQuery:
		if r.Query = true; r.RequestID == "" || len(r.RequestID) > maxWord {
			return sender("InvalidRequest", "The message does not say which request it asks after.")
		}
		return nil
	case typeIssue:
		r.RequestID = "" // of no meaning here
	default:
		return sender("InvalidRequest", "The type of the request is not one that is answered here.")
	}
	t, value, err := readToken(e)
	if err != nil {
		return err
	}
	if len(t) == 0 {
		return sender("InvalidRequest", "The message holds no certificate request.")
	}
	r.Token, r.CMS = t, value == valuePKCS7
	return nil
}

// readToken returns the BinarySecurityToken below e; nil when there is none.
func readToken(e *xmltree.Element) (der []byte, valueType string, err error) {
	t, err := e.One(nsWSSE, "BinarySecurityToken")
	if err != nil || t == nil || t.Attr(xmltree.NamespaceXSI, "nil") == "true" {
		return nil, "", err
	}
	if len(t.Children) > 0 || !strings.EqualFold(t.Attr("", "EncodingType"), base64Type) {
		return nil, "", malformed("token that is not base64")
	}
	der, err = decodeBase64(t.Text)
	return der, t.Attr("", "ValueType"), err
}

func readContext(e *xmltree.Element) (map[string]string, error) {
	c, err := e.One(nsAuth, "AdditionalContext")
	if err != nil || c == nil {
		return nil, err
	}
	if len(c.Children) > maxContext {
		return nil, malformed("more than %d context items", maxContext)
	}
	items := map[string]string{}
	for _, item := range c.Children {
		name := item.Attr("", "Name")
		value, err := item.Word(nsAuth, "Value")
		if err != nil {
			return nil, err
		}
		if _, twice := items[name]; twice || !item.Is(nsAuth, "ContextItem") || name == "" || len(name) > maxWord || len(value) > maxWord {
			return nil, malformed("context item")
		}
		items[name] = value
	}
	return items, nil
}

// ParseResponse reads the answer to a request: a *Response, or a *Fault as the
// error.
func ParseResponse(b []byte) (*Response, error) {
	m, err := read(b)
	if err != nil {
		return nil, err
	}
	r, content := &Response{RelatesTo: m.RelatesTo}, m.Content
	if f, err := m.Fault(); f != nil || err != nil {
		return nil, readFault(f, content, err)
	}
	if !content.Is(nsWST, "RequestSecurityTokenResponseCollection") {
		return nil, malformed("the body holds no response")
	}
	e, err := content.One(nsWST, "RequestSecurityTokenResponse")
	if err != nil {
		return nil, err
	}
	if e == nil || len(content.Children) != 1 {
		return nil, malformed("not one response")
	}
	if r.Disposition, err = e.Word(nsWSTEP, "DispositionMessage"); err != nil {
		return nil, err
	}
	if r.RequestID, err = e.Word(nsWSTEP, "RequestID"); err != nil {
		return nil, err
	}
	if r.CMC, _, err = readToken(e); err != nil {
		return nil, err
	}
	requested, err := e.One(nsWST, "RequestedSecurityToken")
	if err != nil || requested == nil {
		return r, err
	}
	der, value, err := readToken(requested)
	if err != nil {
		return nil, err
	}
	if der != nil && value != tokenX509 {
		return nil, malformed("the token is no certificate")
	}
	r.Certificate = der
	reference, err := requested.One(nsWSSE, "SecurityTokenReference")
	if err != nil || reference == nil {
		return r, err
	}
	at, err := reference.One(nsWSSE, "Reference")
	if err == nil && at != nil {
		r.Reference = at.Attr("", "URI")
	}
	return r, err
}

// readFault returns what a message says that is a fault.
func readFault(said *soap.Fault, e *xmltree.Element, err error) error {
	if err != nil {
		return fmt.Errorf("%w: %w", ErrXML, err)
	}
	f := &Fault{RelatesTo: said.RelatesTo, Sender: said.Sender, Subcode: said.Subcode.Local, Reason: said.Reason}
	detail, err := e.One(soap.Namespace, "Detail")
	if err != nil || detail == nil {
		return orFault(err, f)
	}
	d, err := detail.One(nsWSTEP, "CertificateEnrollmentWSDetail")
	if err != nil || d == nil {
		return orFault(err, f)
	}
	return orFault(f.readDetail(d), f)
}

func (f *Fault) readDetail(d *xmltree.Element) error {
	number, err := d.Word(nsWSTEP, "ErrorCode")
	if err != nil {
		return err
	}
	if number != "" {
		n, err := strconv.ParseInt(number, 10, 32)
		if err != nil {
			return malformed("error code")
		}
		f.Code = uint32(n)
	}
	invalid, err := d.Word(nsWSTEP, "InvalidRequest")
	if err != nil {
		return err
	}
	f.InvalidRequest = invalid == "true" || invalid == "1"
	f.RequestID, err = d.Word(nsWSTEP, "RequestID")
	return err
}

func orFault(err error, f *Fault) error {
	if err != nil {
		return err
	}
	return f
}
