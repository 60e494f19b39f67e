// Package adldap administers an Active Directory domain as any tool does: by
// LDAP, signed in with Kerberos, under a layer that encrypts (so passwords may
// be set without a certificate in the domain). It is a thin end of go-ldap over
// the lab's network; what a domain refuses comes back as an *Error whose text
// is a sentence.
//
// Sources: MS-ADTS 5.1.1.1, RFC 4752.
package adldap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"hellolab/providers"
	"hellolab/providers/wire/gss"
	"hellolab/providers/wire/gss/sasl"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/krbclient"
	"hellolab/providers/wire/ldapmsg"
)

// Ports of a domain controller.
const (
	portLDAP     = 389
	portKerberos = 88
)

// timeout bounds one request.
const timeout = 30 * time.Second

// Domain is where to sign in, and as whom.
type Domain struct {
	Realm    string
	Host     string // of a controller
	BaseDN   string
	Account  string // account name
	Password string
	Proof    krbclient.Preauth // instead of a password; nil: Password
}

// atATime is how many operations a connection asks for at a time; others wait. A
// controller answers busy to more than MaxActiveQueries of a connection, which is
// 20 (MS-ADTS 3.1.1.3.4.6).
const atATime = 16

// Conn is a connection that is signed in, for any number of goroutines. Close
// ends it.
type Conn struct {
	ldap  *ldap.Conn
	Base  string // distinguished name of the domain
	now   func() time.Time
	turns chan struct{}
}

// turn waits for one; done ends it.
func (c *Conn) turn() (done func()) {
	c.turns <- struct{}{}
	return func() { <-c.turns }
}

// SignIn dials a controller and signs in.
func SignIn(ctx context.Context, env providers.Env, d Domain) (*Conn, error) {
	proof := d.Proof
	if proof == nil {
		proof = krbclient.Password(d.Password)
	}
	session, err := Ticket(ctx, env, d.Realm, d.Host, krb.Principal(d.Account), proof, krb.Service("ldap", d.Host))
	if err != nil {
		return nil, err
	}
	raw, err := env.Network.Dial(ctx, d.Host, portLDAP)
	if err != nil {
		return nil, err
	}
	secure := sasl.NewConn(raw)
	l := ldap.NewConn(secure, false)
	l.SetTimeout(timeout)
	l.Start()
	client := sasl.NewClient(sasl.ClientConfig{Mechanism: sasl.GSSAPI, Layer: sasl.Confidentiality, Begin: func(_ string, flags gss.Flags) (gss.Exchange, error) {
		return gss.NewInitiator(gss.InitiatorConfig{Credential: session, Flags: flags, Now: env.Now(), Rand: env.Rand}), nil
	}})
	if err := l.GSSAPIBind(client, "ldap/"+d.Host, ""); err != nil {
		l.Close()
		return nil, fmt.Errorf("sign in to %s: %w", d.Host, explain(err))
	}
	if err := secure.Protect(client.Layer()); err != nil {
		l.Close()
		return nil, err
	}
	return &Conn{ldap: l, Base: d.BaseDN, now: env.Now, turns: make(chan struct{}, atATime)}, nil
}

// Ticket signs a client in with the KDC of a controller and obtains a ticket
// for a service.
func Ticket(ctx context.Context, env providers.Env, realm, controller string, client krb.Name, proof krbclient.Preauth, service krb.Name) (gss.Credential, error) {
	kdc := &krbclient.Client{Realm: realm, Now: env.Now, Rand: env.Rand, Dial: func(ctx context.Context, _ string) (net.Conn, error) {
		return env.Network.Dial(ctx, controller, portKerberos)
	}}
	tgt, err := kdc.AS(ctx, krbclient.ASRequest{Client: client}, proof)
	if err != nil {
		return gss.Credential{}, fmt.Errorf("sign in to %s: %w", realm, err)
	}
	r, err := kdc.TGS(ctx, &tgt.Credential, krbclient.TGSRequest{Server: service})
	if err != nil {
		return gss.Credential{}, fmt.Errorf("ticket for %s: %w", service, err)
	}
	return gss.Credential{Ticket: &r.Reply.Ticket, Session: r.Credential.Key, Realm: r.Credential.CRealm, Client: r.Credential.Client}, nil
}

// Close ends the connection.
func (c *Conn) Close() { c.ldap.Close() }

// Error is what the domain refused.
type Error struct {
	Code     uint16 // LDAP's result code
	Sentence string
}

func (e *Error) Error() string { return fmt.Sprintf("%s (LDAP result %d)", e.Sentence, e.Code) }

// explain makes an error of go-ldap one of this package. AD's own words come
// before "comment:".
func explain(err error) error {
	var e *ldap.Error
	if !errors.As(err, &e) || e.ResultCode >= ldap.ErrorNetwork {
		return err
	}
	text := ldap.LDAPResultCodeMap[e.ResultCode]
	if e.Err != nil {
		text = e.Err.Error()
	}
	if _, comment, ok := strings.Cut(text, "comment: "); ok {
		text = comment
	}
	return &Error{Code: e.ResultCode, Sentence: strings.TrimRight(text, "\x00")}
}

// IsCode says whether an error is a result of the domain with this code.
func IsCode(err error, code ldapmsg.ResultCode) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == uint16(code)
}

// ByGUID is the name of an object by its objectGUID, whatever its DN is.
func ByGUID(id string) string { return "<GUID=" + id + ">" }

// Entry is an object as it was read.
type Entry struct {
	DN   string
	GUID guid.GUID

	entry *ldap.Entry
}

// Text returns the first value of an attribute, "" when there is none.
func (e *Entry) Text(attribute string) string { return e.entry.GetEqualFoldAttributeValue(attribute) }

// Bytes returns the first value of an attribute, nil when there is none.
func (e *Entry) Bytes(attribute string) []byte {
	if v := e.entry.GetEqualFoldRawAttributeValues(attribute); len(v) > 0 {
		return v[0]
	}
	return nil
}

// Values returns the values of an attribute.
func (e *Entry) Values(attribute string) [][]byte {
	return e.entry.GetEqualFoldRawAttributeValues(attribute)
}

// Read returns an object by name, with these attributes. An object that is not
// there is an *Error of code noSuchObject.
func (c *Conn) Read(name string, attributes ...string) (*Entry, error) {
	found, err := c.search(name, ldap.ScopeBaseObject, ldapmsg.Present{Attribute: "objectClass"}, attributes)
	if err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, &Error{Code: uint16(ldapmsg.NoSuchObject), Sentence: "There is no object " + name + "."}
	}
	return found[0], nil
}

// First returns an object of the domain that a filter holds for, or an *Error
// of code noSuchObject.
func (c *Conn) First(filter ldapmsg.Filter, attributes ...string) (*Entry, error) {
	found, err := c.search(c.Base, ldap.ScopeWholeSubtree, filter, attributes)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, &Error{Code: uint16(ldapmsg.NoSuchObject), Sentence: "No object is " + filter.String() + "."}
	}
	return found[0], nil
}

// Children returns the objects right below a name.
func (c *Conn) Children(base string, attributes ...string) ([]*Entry, error) {
	return c.search(base, ldap.ScopeSingleLevel, ldapmsg.Present{Attribute: "objectClass"}, attributes)
}

// List returns all objects below a name that a filter holds for.
func (c *Conn) List(base string, filter ldapmsg.Filter, attributes ...string) ([]*Entry, error) {
	return c.search(base, ldap.ScopeWholeSubtree, filter, attributes)
}

// pageSize is how many entries are asked for at once.
const pageSize = 500

func (c *Conn) search(base string, scope int, filter ldapmsg.Filter, attributes []string) ([]*Entry, error) {
	// Names in values come with their GUIDs, so that they can be told apart.
	extended := ldap.NewControlString(ldapmsg.ControlExtendedDN, true, "")
	r := ldap.NewSearchRequest(base, scope, ldap.NeverDerefAliases, 0, 0, false, filter.String(), append([]string{"objectGUID"}, attributes...), []ldap.Control{extended})
	defer c.turn()()
	res, err := c.ldap.SearchWithPaging(r, pageSize)
	if err != nil {
		return nil, explain(err)
	}
	out := make([]*Entry, 0, len(res.Entries))
	for _, e := range res.Entries {
		entry := &Entry{entry: e}
		if entry.DN, entry.GUID, err = SplitName(e.DN); err != nil {
			return nil, err
		}
		out = append(out, entry)
	}
	return out, nil
}

// SplitName reads a name in the extended form, as values of names come; a plain
// one, as values of names with binary have it, is returned as it is.
func SplitName(text string) (dn string, id guid.GUID, err error) {
	n, err := ldapmsg.ParseName(text)
	if err != nil {
		return "", guid.GUID{}, err
	}
	if i := strings.LastIndex(text, ">;"); i >= 0 {
		text = text[i+len(">;"):]
	}
	return text, n.GUID, nil
}

// Extended asks for an extended operation, and returns the value of its answer.
func (c *Conn) Extended(oid string, value []byte) ([]byte, error) {
	r := ldap.NewExtendedRequest(oid, ber.NewString(ber.ClassContext, ber.TypePrimitive, 1, string(value), "requestValue"))
	defer c.turn()()
	res, err := c.ldap.Extended(r)
	if err != nil {
		return nil, explain(err)
	}
	if res.Value == nil {
		return nil, nil
	}
	return res.Value.Data.Bytes(), nil
}

// RootDSE returns attributes of the controller's root DSE, which has no name.
func (c *Conn) RootDSE(attributes ...string) (*Entry, error) {
	r := ldap.NewSearchRequest("", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, ldapmsg.Present{Attribute: "objectClass"}.String(), attributes, nil)
	defer c.turn()()
	res, err := c.ldap.Search(r)
	if err != nil {
		return nil, explain(err)
	}
	if len(res.Entries) != 1 {
		return nil, &Error{Code: uint16(ldapmsg.NoSuchObject), Sentence: "The controller has no root DSE."}
	}
	return &Entry{entry: res.Entries[0]}, nil
}
