package wstrust

import (
	"errors"
	"time"

	"hellolab/providers/wire/saml"
	"hellolab/providers/wire/soap"
	"hellolab/providers/wire/xmltree"
)

const (
	passwordText = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText"
	maxWord      = 2048 // bytes of a name, password or address
)

// ParseRequest reads a request. What a client did wrong is a *soap.Fault that
// tells it so; what is no message at all wraps soap.ErrMessage.
func ParseRequest(b []byte) (*Request, error) {
	m, err := soap.Read(b)
	if err != nil {
		return nil, err
	}
	r := &Request{MessageID: m.MessageID, To: m.To}
	for _, v := range []Version{Trust13, Trust2005} {
		if m.Action == v.Action() && m.Content.Is(v.Namespace(), "RequestSecurityToken") {
			r.Version = v
		}
	}
	if r.Version == 0 {
		return nil, r.NewFault(InvalidRequest, "This service takes requests for security tokens only.")
	}
	if err := r.readSecurity(m.Header); err != nil {
		return nil, r.NewFault(InvalidSecurity, "The security header of the message is not one that is read here.")
	}
	if err := r.readBody(m.Content); err != nil {
		var f *soap.Fault
		if errors.As(err, &f) {
			return nil, err
		}
		return nil, r.NewFault(InvalidRequest, "The request for a security token is malformed.")
	}
	return r, nil
}

// readSecurity takes a timestamp and a user name. Clients that are known by
// their transport send empty ones.
func (r *Request) readSecurity(header *xmltree.Element) error {
	security, err := header.One(soap.Security, "Security")
	if err != nil || security == nil {
		return err
	}
	if r.Created, r.Expires, err = readLife(security, soap.Utility, "Timestamp"); err != nil {
		return err
	}
	token, err := security.One(soap.Security, "UsernameToken")
	if err != nil || token == nil {
		return err
	}
	if r.Username, err = token.Word(soap.Security, "Username"); err != nil || len(r.Username) > maxWord {
		return malformed("user name")
	}
	password, err := token.One(soap.Security, "Password")
	if err != nil || password == nil {
		return err
	}
	if kind := password.Attr("", "Type"); kind != "" && kind != passwordText || len(password.Children) > 0 || len(password.Text) > maxWord {
		return malformed("password")
	}
	r.Password = password.Text // white space is part of it
	return nil
}

// readLife reads Created and Expires below the child of that name; zero times
// when it or they are absent or empty.
func readLife(e *xmltree.Element, space, local string) (created, expires time.Time, err error) {
	life, err := e.One(space, local)
	if err != nil || life == nil {
		return created, expires, err
	}
	for _, bound := range []struct {
		local string
		to    *time.Time
	}{{"Created", &created}, {"Expires", &expires}} {
		text, err := life.Word(soap.Utility, bound.local)
		if err != nil {
			return created, expires, err
		}
		if text == "" {
			continue
		}
		if *bound.to, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return created, expires, malformed("time")
		}
		*bound.to = bound.to.UTC()
	}
	return created, expires, nil
}

func (r *Request) readBody(e *xmltree.Element) error {
	ns := r.Version.Namespace()
	kind, err := e.Word(ns, "RequestType")
	if err != nil {
		return err
	}
	if kind != ns+"/Issue" {
		return r.NewFault(InvalidRequest, "This service issues security tokens; it does nothing else with them.")
	}
	if r.TokenType, err = e.Word(ns, "TokenType"); err != nil {
		return err
	}
	switch r.TokenType {
	case "", TokenSAML11, "http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLV1.1":
	default:
		return r.NewFault(InvalidRequest, "This service issues SAML 1.1 assertions only.")
	}
	keyType, err := e.Word(ns, "KeyType")
	if err != nil {
		return err
	}
	if keyType != "" && keyType != r.Version.keyType() {
		return r.NewFault(InvalidRequest, "This service issues tokens without keys only.")
	}
	r.AppliesTo, err = readAppliesTo(e)
	return err
}

func readAppliesTo(e *xmltree.Element) (string, error) {
	applies, err := e.One(nsPolicy, "AppliesTo")
	if err != nil || applies == nil {
		return "", err
	}
	reference, err := applies.One(soap.Addressing, "EndpointReference")
	if err != nil || reference == nil {
		return "", err
	}
	realm, err := reference.Word(soap.Addressing, "Address")
	if err == nil && len(realm) > maxWord {
		err = malformed("address")
	}
	return realm, err
}

// ParseResponse reads the answer to a request: a *Response, or a *soap.Fault as
// the error.
func ParseResponse(b []byte) (*Response, error) {
	m, err := soap.Read(b)
	if err != nil {
		return nil, err
	}
	if f, err := m.Fault(); f != nil || err != nil {
		if f != nil {
			return nil, f
		}
		return nil, err
	}
	e, version := m.Content, Trust2005
	if e.Is(Trust13.Namespace(), "RequestSecurityTokenResponseCollection") {
		version = Trust13
		if len(e.Children) != 1 {
			return nil, malformed("not one response")
		}
		e = e.Children[0]
	}
	r, err := readResponse(e, version)
	if err != nil {
		return nil, err
	}
	r.RelatesTo = m.RelatesTo
	return r, nil
}

// MaxResult bounds a wresult that is read, in bytes.
const MaxResult = 128 << 10

// ParseResult reads the wresult of a passive sign-in.
func ParseResult(b []byte) (*Response, error) {
	e, err := xmltree.Parse(b, xmltree.Limits{Bytes: MaxResult, Depth: 20, Elements: 512, Attributes: 24})
	if err != nil {
		return nil, malformed("%v", err)
	}
	version := Trust2005
	if e.Is(Trust13.Namespace(), "RequestSecurityTokenResponseCollection") && len(e.Children) == 1 {
		version, e = Trust13, e.Children[0]
	}
	return readResponse(e, version)
}

func readResponse(e *xmltree.Element, version Version) (*Response, error) {
	ns := version.Namespace()
	if !e.Is(ns, "RequestSecurityTokenResponse") {
		return nil, malformed("the message holds no response")
	}
	r := &Response{Version: version}
	var err error
	if r.Created, r.Expires, err = readLife(e, ns, "Lifetime"); err != nil {
		return nil, err
	}
	if r.AppliesTo, err = readAppliesTo(e); err != nil {
		return nil, err
	}
	token, err := e.One(ns, "RequestedSecurityToken")
	if err != nil {
		return nil, err
	}
	if token == nil || len(token.Children) != 1 || !token.Children[0].Is(saml.Namespace, "Assertion") {
		return nil, malformed("the response does not hold one SAML 1.1 assertion")
	}
	r.Assertion = token.Children[0].Raw
	return r, nil
}
