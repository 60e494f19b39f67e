package wstep

import (
	"strconv"
	"strings"
)

const (
	maxWord    = 256 // bytes of ids and texts that are kept
	maxContext = 16  // items
)

// open reads an envelope and returns its header (nil: none) and the one element
// of its body.
func open(b []byte) (header, content *element, err error) {
	root, err := parse(b)
	if err != nil {
		return nil, nil, err
	}
	if !root.is(nsSOAP, "Envelope") {
		return nil, nil, malformed("not a SOAP 1.2 envelope")
	}
	if header, err = root.one(nsSOAP, "Header"); err != nil {
		return nil, nil, err
	}
	body, err := root.one(nsSOAP, "Body")
	if err != nil {
		return nil, nil, err
	}
	if body == nil || len(body.children) != 1 {
		return nil, nil, malformed("not one element in the body")
	}
	if header == nil {
		header = &element{}
	}
	return header, body.children[0], nil
}

// understood are headers that this package acts on.
var understood = map[string]bool{"Action": true, "To": true, "MessageID": true, "ReplyTo": true, "RelatesTo": true}

// ParseRequest reads a request. What a client did wrong is a *Fault that tells
// it so; what is no SOAP at all is ErrXML.
func ParseRequest(b []byte) (*Request, error) {
	header, content, err := open(b)
	if err != nil {
		return nil, err
	}
	r := &Request{}
	if r.MessageID, err = header.word(nsWSA, "MessageID"); err != nil {
		return nil, err
	}
	if len(r.MessageID) > maxWord {
		return nil, malformed("long message id")
	}
	sender := func(subcode, reason string) error {
		return &Fault{RelatesTo: r.MessageID, Sender: true, Subcode: subcode, Reason: reason}
	}
	for _, h := range header.children {
		if must := h.attr(nsSOAP, "mustUnderstand"); (must == "1" || must == "true") && (h.name.Space != nsWSA || !understood[h.name.Local]) {
			return nil, sender("MustUnderstand", "A header of the message is not understood here.")
		}
	}
	action, err := header.word(nsWSA, "Action")
	if err != nil {
		return nil, err
	}
	if action != actionRequest {
		return nil, sender("ActionNotSupported", "This service takes requests for security tokens only.")
	}
	if !content.is(nsWST, "RequestSecurityToken") {
		return nil, sender("InvalidRequest", "The body of the message holds no request for a security token.")
	}
	return r, r.read(content, sender)
}

func (r *Request) read(e *element, sender func(subcode, reason string) error) error {
	kind, err := e.word(nsWST, "RequestType")
	if err != nil {
		return err
	}
	tokenType, err := e.word(nsWST, "TokenType")
	if err != nil {
		return err
	}
	if tokenType != "" && tokenType != tokenX509 {
		return sender("InvalidRequest", "Only X.509 certificates are issued here.")
	}
	if r.RequestID, err = e.word(nsWSTEP, "RequestID"); err != nil {
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
func readToken(e *element) (der []byte, valueType string, err error) {
	t, err := e.one(nsWSSE, "BinarySecurityToken")
	if err != nil || t == nil || t.attr(nsXSI, "nil") == "true" {
		return nil, "", err
	}
	if len(t.children) > 0 || !strings.EqualFold(t.attr("", "EncodingType"), base64Type) {
		return nil, "", malformed("token that is not base64")
	}
	der, err = decodeBase64(t.text)
	return der, t.attr("", "ValueType"), err
}

func readContext(e *element) (map[string]string, error) {
	c, err := e.one(nsAuth, "AdditionalContext")
	if err != nil || c == nil {
		return nil, err
	}
	if len(c.children) > maxContext {
		return nil, malformed("more than %d context items", maxContext)
	}
	items := map[string]string{}
	for _, item := range c.children {
		name := item.attr("", "Name")
		value, err := item.word(nsAuth, "Value")
		if err != nil {
			return nil, err
		}
		if _, twice := items[name]; twice || !item.is(nsAuth, "ContextItem") || name == "" || len(name) > maxWord || len(value) > maxWord {
			return nil, malformed("context item")
		}
		items[name] = value
	}
	return items, nil
}

// ParseResponse reads the answer to a request: a *Response, or a *Fault as the
// error.
func ParseResponse(b []byte) (*Response, error) {
	header, content, err := open(b)
	if err != nil {
		return nil, err
	}
	r := &Response{}
	if r.RelatesTo, err = header.word(nsWSA, "RelatesTo"); err != nil {
		return nil, err
	}
	if content.is(nsSOAP, "Fault") {
		return nil, readFault(content, r.RelatesTo)
	}
	if !content.is(nsWST, "RequestSecurityTokenResponseCollection") {
		return nil, malformed("the body holds no response")
	}
	e, err := content.one(nsWST, "RequestSecurityTokenResponse")
	if err != nil {
		return nil, err
	}
	if e == nil || len(content.children) != 1 {
		return nil, malformed("not one response")
	}
	if r.Disposition, err = e.word(nsWSTEP, "DispositionMessage"); err != nil {
		return nil, err
	}
	if r.RequestID, err = e.word(nsWSTEP, "RequestID"); err != nil {
		return nil, err
	}
	if r.CMC, _, err = readToken(e); err != nil {
		return nil, err
	}
	requested, err := e.one(nsWST, "RequestedSecurityToken")
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
	reference, err := requested.one(nsWSSE, "SecurityTokenReference")
	if err != nil || reference == nil {
		return r, err
	}
	at, err := reference.one(nsWSSE, "Reference")
	if err == nil && at != nil {
		r.Reference = at.attr("", "URI")
	}
	return r, err
}

func readFault(e *element, relates string) error {
	f := &Fault{RelatesTo: relates}
	code, err := e.one(nsSOAP, "Code")
	if err != nil {
		return err
	}
	if code == nil {
		return malformed("fault without a code")
	}
	value, err := code.word(nsSOAP, "Value")
	if err != nil {
		return err
	}
	f.Sender = strings.HasSuffix(value, ":Sender")
	if sub, err := code.one(nsSOAP, "Subcode"); err == nil && sub != nil {
		if value, err = sub.word(nsSOAP, "Value"); err != nil {
			return err
		}
		f.Subcode = value[strings.LastIndexByte(value, ':')+1:]
	}
	if reason, err := e.one(nsSOAP, "Reason"); err != nil {
		return err
	} else if reason != nil && len(reason.children) > 0 { // one text a language
		f.Reason = strings.TrimSpace(reason.children[0].text)
	}
	detail, err := e.one(nsSOAP, "Detail")
	if err != nil || detail == nil {
		return orFault(err, f)
	}
	d, err := detail.one(nsWSTEP, "CertificateEnrollmentWSDetail")
	if err != nil || d == nil {
		return orFault(err, f)
	}
	return orFault(f.readDetail(d), f)
}

func (f *Fault) readDetail(d *element) error {
	number, err := d.word(nsWSTEP, "ErrorCode")
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
	invalid, err := d.word(nsWSTEP, "InvalidRequest")
	if err != nil {
		return err
	}
	f.InvalidRequest = invalid == "true" || invalid == "1"
	f.RequestID, err = d.word(nsWSTEP, "RequestID")
	return err
}

func orFault(err error, f *Fault) error {
	if err != nil {
		return err
	}
	return f
}
