package krb

import (
	"errors"
	"fmt"
	"time"
)

// Error is a refusal as KRB-ERROR carries it.
type Error struct {
	Code     Code
	Sentence string // what happened, for a person; e-text
	Hint     string // what to do about it; not sent
	Data     []byte // e-data: METHOD-DATA or TYPED-DATA, by the code

	// What only a parsed error holds: who refused, whom, and the server's time.
	Realm       string
	Server      Name
	ClientRealm string
	Client      Name
	Time        time.Time
}

// NewError makes a refusal. Without a format the sentence is the code's own.
func NewError(code Code, format string, args ...any) *Error {
	if format == "" {
		return &Error{Code: code, Sentence: code.Sentence()}
	}
	return &Error{Code: code, Sentence: fmt.Sprintf(format, args...)}
}

// WithData returns the error with e-data.
func (e *Error) WithData(data []byte) *Error {
	c := *e
	c.Data = data
	return &c
}

// WithHint returns the error with advice.
func (e *Error) WithHint(hint string) *Error {
	c := *e
	c.Hint = hint
	return &c
}

// Error names the code and says the sentence.
func (e *Error) Error() string {
	if e.Sentence == "" {
		return e.Code.Error()
	}
	return e.Code.Error() + ": " + e.Sentence
}

// Is makes errors.Is(err, ErrSkew) work.
func (e *Error) Is(target error) bool {
	c, ok := target.(Code)
	return ok && c == e.Code
}

// AsError finds the refusal in err; what is none becomes KRB_ERR_GENERIC, which
// tells a peer nothing of what broke.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	var c Code
	if errors.As(err, &c) {
		return NewError(c, "")
	}
	return NewError(ErrGeneric, "")
}

// malformed is the refusal of a message that cannot be read.
func malformed(what string, err error) error {
	if errors.Is(err, errSize) {
		return NewError(ErrFieldTooLong, "The %s is empty or longer than %d bytes.", what, MaxMessage)
	}
	return NewError(ErrGeneric, "The %s cannot be read: %v.", what, err)
}

// krbError is KRB-ERROR (RFC 4120 5.9.1).
type krbError struct {
	Version int       `asn1:"explicit,tag:0"`
	MsgType int       `asn1:"explicit,tag:1"`
	CTime   time.Time `asn1:"generalized,optional,explicit,tag:2"`
	CUSec   int       `asn1:"optional,explicit,tag:3"`
	STime   time.Time `asn1:"generalized,explicit,tag:4"`
	SUSec   int       `asn1:"explicit,tag:5"`
	Code    int32     `asn1:"explicit,tag:6"`
	CRealm  string    `asn1:"generalstring,optional,explicit,tag:7"`
	CName   Name      `asn1:"optional,explicit,tag:8"`
	Realm   string    `asn1:"generalstring,explicit,tag:9"`
	SName   Name      `asn1:"explicit,tag:10"`
	EText   string    `asn1:"generalstring,optional,explicit,tag:11"`
	EData   []byte    `asn1:"optional,explicit,tag:12"`
}

// Encode makes the KRB-ERROR of a server in a realm at a time. The client's
// names are sent when Client is set.
func (e *Error) Encode(realm string, server Name, now time.Time) ([]byte, error) {
	if server.IsZero() {
		server = TGS(realm)
	}
	var crealm, cname, etext, edata value
	if !e.Client.IsZero() {
		crealm, cname = text(e.ClientRealm), e.Client.der()
	}
	if e.Sentence != "" {
		etext = text(e.Sentence)
	}
	if len(e.Data) > 0 {
		edata = octets(e.Data)
	}
	return app(MsgError,
		ctx(0, integer(version)), ctx(1, integer(MsgError)), ctx(4, timestamp(now)), ctx(5, integer(int64(now.Nanosecond()/1000))),
		ctx(6, integer(int64(e.Code))), ctx(7, crealm), ctx(8, cname), ctx(9, text(realm)), ctx(10, server.der()), ctx(11, etext), ctx(12, edata),
	), nil
}

// ParseError reads a KRB-ERROR. The sentence is the server's text, or the
// code's own when there is none.
func ParseError(b []byte) (*Error, error) {
	var w krbError
	if err := unmarshal(b, &w, MsgError); err != nil {
		return nil, malformed("error message", err)
	}
	if w.Version != version || w.MsgType != MsgError || micros(w.SUSec) != nil {
		return nil, NewError(ErrMsgType, "The message is not a KRB-ERROR of version 5.")
	}
	e := &Error{
		Code: Code(w.Code), Sentence: w.EText, Data: w.EData,
		Realm: w.Realm, Server: w.SName, ClientRealm: w.CRealm, Client: w.CName,
		Time: w.STime.UTC().Add(time.Duration(w.SUSec) * time.Microsecond),
	}
	if e.Sentence == "" {
		e.Sentence = e.Code.Sentence()
	}
	return e, nil
}

// IsError reports whether b starts as a KRB-ERROR does.
func IsError(b []byte) bool { return len(b) > 0 && b[0] == 0x60|MsgError }

// IsKDCReq reports whether b starts as an AS-REQ or a TGS-REQ does.
func IsKDCReq(b []byte) bool {
	return len(b) > 0 && (b[0] == 0x60|MsgASReq || b[0] == 0x60|MsgTGSReq)
}

// IsAPReq reports whether b starts as an AP-REQ does.
func IsAPReq(b []byte) bool { return len(b) > 0 && b[0] == 0x60|MsgAPReq }
