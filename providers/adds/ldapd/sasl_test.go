package ldapd

import (
	"bytes"
	"context"
	"net"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"

	"hellolab/providers/wire/ldapmsg"
)

// rot is a SASL mechanism of two messages: "begin", then "with layer" or
// "without". Its layer turns every octet by one.
type rot struct{ begun bool }

func (r *rot) Step(_ context.Context, token []byte) ([]byte, *Login, error) {
	switch {
	case !r.begun && string(token) == "begin":
		r.begun = true
		return []byte("go on"), nil, nil
	case !r.begun:
		return nil, nil, ldapmsg.LogonFailed(ldapmsg.LogonWrongPassword)
	case string(token) == "panic":
		panic("marker-secret")
	case string(token) == "forever":
		return nil, nil, nil
	case string(token) == "nobody":
		return nil, &Login{}, nil
	case string(token) == "with layer":
		return []byte("done"), &Login{Identity: user("bo"), Layer: func(c net.Conn) net.Conn { return &turned{c} }, Confidential: true}, nil
	case string(token) == "without":
		return nil, &Login{Identity: user("bo")}, nil
	}
	return nil, nil, ldapmsg.LogonFailed(ldapmsg.LogonWrongPassword)
}

type turned struct{ net.Conn }

func turn(b []byte, by byte) []byte {
	out := bytes.Clone(b)
	for i := range out {
		out[i] += by
	}
	return out
}

func (t *turned) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	copy(b, turn(b[:n], 255))
	return n, err
}

func (t *turned) Write(b []byte) (int, error) { return t.Conn.Write(turn(b, 1)) }

// raw is a client that says what it likes.
type raw struct {
	net.Conn
	t testing.TB
}

func (l *lab) raw(t testing.TB) *raw {
	t.Helper()
	c, err := net.Dial("tcp", l.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &raw{c, t}
}

func (r *raw) send(b ...[]byte) {
	r.t.Helper()
	if _, err := r.Write(bytes.Join(b, nil)); err != nil {
		r.t.Log(err) // the server may have closed; what it answers counts
	}
}

// answer reads a message: its id, tag and code, and the packet.
func (r *raw) answer() (id int64, tag ber.Tag, code ldapmsg.ResultCode, p *ber.Packet) {
	r.t.Helper()
	p, err := ber.ReadPacket(r.Conn)
	if err != nil {
		return -1, 0, 0, nil
	}
	result, _ := p.Children[1].Children[0].Value.(int64)
	return p.Children[0].Value.(int64), p.Children[1].Tag, ldapmsg.ResultCode(result), p
}

// expect reads a message and compares id and code.
func (r *raw) expect(id int64, code ldapmsg.ResultCode) *ber.Packet {
	r.t.Helper()
	gotID, _, got, p := r.answer()
	if gotID != id || got != code {
		r.t.Fatalf("message %d: %s, want message %d: %s", gotID, got, id, code)
	}
	return p
}

// gone reads until the server has closed.
func (r *raw) gone() {
	r.t.Helper()
	for {
		if _, err := ber.ReadPacket(r.Conn); err != nil {
			return
		}
	}
}

func packet(id int64, op *ber.Packet) []byte {
	p := ber.NewSequence("")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	p.AppendChild(op)
	return p.Bytes()
}

func octets(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}

func operation(tag ldapmsg.Tag, parts ...*ber.Packet) *ber.Packet {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ber.Tag(tag), nil, "")
	for _, p := range parts {
		op.AppendChild(p)
	}
	return op
}

func saslBind(id int64, mechanism, token string) []byte {
	auth := ber.Encode(ber.ClassContext, ber.TypeConstructed, 3, nil, "")
	auth.AppendChild(octets(mechanism))
	auth.AppendChild(octets(token))
	return packet(id, operation(ldapmsg.TagBindRequest, ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, 3, ""), octets(""), auth))
}

func simpleBind(id int64, name, password string) []byte {
	auth := ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, password, "")
	return packet(id, operation(ldapmsg.TagBindRequest, ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, 3, ""), octets(name), auth))
}

func extendedRequest(id int64, oid string) []byte {
	return packet(id, operation(ldapmsg.TagExtendedRequest, ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, oid, "")))
}

func whoAmI(id int64) []byte { return extendedRequest(id, ldapmsg.WhoAmI) }

// identity asks who the client is.
func (r *raw) identity(id int64) string {
	r.t.Helper()
	r.send(whoAmI(id))
	p := r.expect(id, ldapmsg.Success)
	return p.Children[1].Children[len(p.Children[1].Children)-1].Data.String()
}

func TestSASL(t *testing.T) {
	l := serve(t, nil)
	c := l.raw(t)
	c.send(saslBind(1, "EXTERNAL-TEST", "begin"))
	p := c.expect(1, ldapmsg.SASLBindInProgress)
	if got := p.Children[1].Children[3]; got.Tag != 7 || got.Data.String() != "go on" {
		t.Errorf("challenge %v", got)
	}
	c.send(saslBind(2, "EXTERNAL-TEST", "without"))
	c.expect(2, ldapmsg.Success)
	if who := c.identity(3); who != `u:CORP\bo` {
		t.Error(who)
	}
	// While the next exchange goes on, nobody is bound; another request ends it.
	c.send(saslBind(4, "EXTERNAL-TEST", "begin"))
	c.expect(4, ldapmsg.SASLBindInProgress)
	if who := c.identity(5); who != "" {
		t.Error(who)
	}
	for i, token := range []string{"without", "nobody", "panic"} {
		id := int64(10 * (i + 1))
		want := ldapmsg.OperationsError
		if token == "without" { // the exchange was ended above
			want = ldapmsg.InvalidCredentials
		} else {
			c.send(saslBind(id, "EXTERNAL-TEST", "begin"))
			c.expect(id, ldapmsg.SASLBindInProgress)
		}
		c.send(saslBind(id+1, "EXTERNAL-TEST", token))
		c.expect(id+1, want)
	}
	// An exchange that does not end.
	c.send(saslBind(50, "EXTERNAL-TEST", "begin"))
	c.expect(50, ldapmsg.SASLBindInProgress)
	for i := range int64(maxSASLSteps - 1) {
		c.send(saslBind(51+i, "EXTERNAL-TEST", "forever"))
		c.expect(51+i, ldapmsg.SASLBindInProgress)
	}
	c.send(saslBind(70, "EXTERNAL-TEST", "forever"))
	c.expect(70, ldapmsg.ProtocolError)
	// Another mechanism begins anew.
	c.send(saslBind(71, "EXTERNAL-TEST", "begin"))
	c.expect(71, ldapmsg.SASLBindInProgress)
	c.send(saslBind(72, "GSSAPI", "without"))
	c.expect(72, ldapmsg.InvalidCredentials)
}

func TestSecurityLayer(t *testing.T) {
	l := serve(t, func(c *Config) { c.RequireSigning = true })
	c := l.raw(t)
	c.send(saslBind(1, "GSSAPI", "begin"))
	c.expect(1, ldapmsg.SASLBindInProgress)
	c.send(saslBind(2, "GSSAPI", "without"))
	c.expect(2, ldapmsg.StrongerAuthRequired)
	c.send(saslBind(3, "GSSAPI", "begin"))
	c.expect(3, ldapmsg.SASLBindInProgress)
	c.send(saslBind(4, "GSSAPI", "with layer"))
	c.expect(4, ldapmsg.Success) // still in the clear
	last := l.seen()[len(l.seen())-1]
	if s := last.Session; s.Identity != user("bo") || !s.Signed || !s.Confidential || s.TLS != nil {
		t.Errorf("%+v", s)
	}
	c.Conn = &turned{c.Conn}
	if who := c.identity(5); who != `u:CORP\bo` {
		t.Error(who)
	}
	c.send(simpleBind(6, aliceDN, alicePassword))
	c.expect(6, ldapmsg.UnwillingToPerform)
	c.send(extendedRequest(7, ldapmsg.StartTLS))
	c.expect(7, ldapmsg.OperationsError)

	// What is sent behind the last message, and so without protection, ends it.
	d := l.raw(t)
	d.send(saslBind(1, "GSSAPI", "begin"))
	d.expect(1, ldapmsg.SASLBindInProgress)
	d.send(saslBind(2, "GSSAPI", "with layer"), whoAmI(3))
	d.expect(0, ldapmsg.ProtocolError)
	d.gone()
}
