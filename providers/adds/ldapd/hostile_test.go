package ldapd

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
	"go.uber.org/goleak"

	"hellolab/providers/wire/ldapmsg"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func search(id int64, filter string) []byte {
	f, err := ldap.CompileFilter(filter)
	if err != nil {
		panic(err)
	}
	integer := func(tag ber.Tag, n int64) *ber.Packet {
		return ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, tag, n, "")
	}
	return packet(id, operation(ldapmsg.TagSearchRequest, octets(base), integer(ber.TagEnumerated, 2), integer(ber.TagEnumerated, 0),
		integer(ber.TagInteger, 0), integer(ber.TagInteger, 0), ber.NewLDAPBoolean(ber.ClassUniversal, ber.TypePrimitive, ber.TagBoolean, false, ""), f, ber.NewSequence("")))
}

// works says that somebody else is still served.
func (l *lab) works(t testing.TB) {
	t.Helper()
	if r, err := l.dial(t, true).Search(find("(cn=alice)")); err != nil || len(r.Entries) != 1 {
		t.Errorf("others are not served: %v, %v", r, err)
	}
}

// What is not LDAP gets a notice of disconnection, and the connection ends.
func TestNotices(t *testing.T) {
	l := serve(t, nil)
	for name, b := range map[string][]byte{
		"HTTP":           []byte("GET / HTTP/1.1\r\nHost: dc1\r\n\r\n"),
		"indefinite":     {0x30, 0x80},
		"response":       packet(1, operation(ldapmsg.TagSearchDone)),
		"message 0":      packet(0, operation(ldapmsg.TagExtendedRequest)),
		"4 GB":           {0x30, 0x84, 0xff, 0xff, 0xff, 0xff},
		"anonymous 1 MB": {0x30, 0x83, 0x10, 0, 0},
	} {
		c := l.raw(t)
		c.send(b)
		p := c.expect(0, ldapmsg.ProtocolError)
		if op := p.Children[1]; op.Tag != ber.Tag(ldapmsg.TagExtendedResponse) || op.Children[len(op.Children)-1].Data.String() != ldapmsg.NoticeOfDisconnection {
			t.Errorf("%s: no notice of disconnection", name)
		}
		c.gone()
	}
	// Fault 82: a bomb that is a request is refused, and the session goes on.
	c := l.raw(t)
	c.send(search(1, "(|"+strings.Repeat("(a=b)", 5000)+")"))
	c.expect(1, ldapmsg.AdminLimitExceeded)
	c.send(simpleBind(2, aliceDN, alicePassword), nil)
	c.expect(2, ldapmsg.Success)
	c.send(search(3, "(cn="+strings.Repeat("v", 1<<20)+")"))
	c.expect(3, ldapmsg.AdminLimitExceeded)
	if who := c.identity(4); who != `u:CORP\alice` {
		t.Error(who)
	}
	l.works(t)
}

// Nothing written in the clear may read as if it had come under TLS.
func TestStartTLSInjection(t *testing.T) {
	l := serve(t, nil)
	c := l.raw(t)
	c.send(extendedRequest(1, ldapmsg.StartTLS), simpleBind(2, aliceDN, alicePassword))
	c.expect(0, ldapmsg.ProtocolError)
	c.gone()
	// A client that says nothing sensible after StartTLS.
	d := l.raw(t)
	d.send(extendedRequest(1, ldapmsg.StartTLS))
	d.expect(1, ldapmsg.Success)
	d.send([]byte("no handshake at all"))
	d.gone()
}

// Fault 97: clients that send slowly, not at all, or do not read.
func TestSlowClients(t *testing.T) {
	l := serve(t, func(c *Config) {
		c.Limits.FirstTime, c.Limits.IdleTime = 500*time.Millisecond, time.Second
		c.Limits.MessageTime, c.Limits.WriteTime = 500*time.Millisecond, 500*time.Millisecond
	})
	l.addMany(1000)
	var wait sync.WaitGroup
	for name, f := range map[string]func(c *raw){
		"silent": func(c *raw) {},
		"slow": func(c *raw) {
			for _, b := range simpleBind(1, aliceDN, alicePassword) {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		},
		"idle": func(c *raw) { c.identity(1) },
		"no handshake": func(c *raw) {
			c.send(extendedRequest(1, ldapmsg.StartTLS))
			c.expect(1, ldapmsg.Success)
		},
	} {
		c := l.raw(t)
		wait.Go(func() {
			begin := time.Now()
			f(c)
			c.gone()
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("%s: cut after %s", name, took)
			}
		})
	}
	for _, addr := range []string{l.tls} {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		wait.Go(func() {
			defer c.Close()
			if _, err := io.Copy(io.Discard, c); err != nil && !errors.Is(err, net.ErrClosed) {
				t.Logf("TLS, silent: %v", err)
			}
		})
	}
	wait.Wait()

	// One that asks and asks and never reads. The server's writes stall.
	c := l.raw(t)
	c.send(simpleBind(1, aliceDN, alicePassword))
	c.expect(1, ldapmsg.Success)
	for i := int64(2); ; i++ {
		if _, err := c.Write(search(i, "(cn=*)")); err != nil {
			break
		}
	}
	// An honest client may be slow, too, on a busy machine.
	for try := 1; ; try++ {
		r, err := l.dial(t, false).Search(ldap.NewSearchRequest("", ldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", nil, nil))
		if err == nil && len(r.Entries) == 1 {
			return
		}
		if try == 20 {
			t.Fatalf("others are not served: %v", err)
		}
	}
}

// Many idle connections: who was quiet for longest makes room, and those who
// are bound stay.
func TestConnectionFlood(t *testing.T) {
	l := serve(t, func(c *Config) { c.Limits.Connections = 50 })
	bound := l.dial(t, true)
	for range 500 {
		c, err := net.Dial("tcp", l.addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
	}
	l.works(t)
	if who, err := bound.WhoAmI(nil); err != nil || who.AuthzID != `u:CORP\alice` {
		t.Errorf("the one who was bound: %v, %v", who, err)
	}
	l.server.mu.Lock()
	defer l.server.mu.Unlock()
	if n := len(l.server.conns); n > 50 {
		t.Errorf("%d connections", n)
	}
}

// blocking makes the backend wait until it is told to stop; at says that one waits.
func blocking(l *lab) (at chan struct{}) {
	at = make(chan struct{}, 1000)
	l.onEvery(func(ctx context.Context, r *Request) error {
		at <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	})
	return at
}

func TestOperationsOfAConnection(t *testing.T) {
	l := serve(t, func(c *Config) { c.Limits.Operations = 3 })
	c := l.raw(t)
	c.send(simpleBind(1, aliceDN, alicePassword))
	c.expect(1, ldapmsg.Success)
	at := blocking(l)
	for i := range int64(3) {
		c.send(search(10+i, "(cn=*)"))
		<-at
	}
	c.send(search(13, "(cn=*)"))
	c.expect(13, ldapmsg.Busy)
	// Abandoned: no answer, and room for another.
	c.send(packet(20, abandon(10)), packet(21, abandon(99)))
	for {
		c.send(search(14, "(cn=*)"))
		select {
		case <-at:
		default:
			if id, _, code, _ := c.peekBusy(); id == 14 && code == ldapmsg.Busy {
				continue
			}
		}
		break
	}
	// StartTLS waits for nobody, and a message id at work is not used again.
	c.send(extendedRequest(30, ldapmsg.StartTLS))
	c.expect(30, ldapmsg.OperationsError)
	c.send(search(11, "(cn=*)"))
	c.expect(0, ldapmsg.ProtocolError)
	c.gone()
}

// peekBusy reads an answer that is due at once.
func (r *raw) peekBusy() (int64, ber.Tag, ldapmsg.ResultCode, *ber.Packet) {
	_ = r.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	defer func() { _ = r.SetReadDeadline(time.Time{}) }()
	return r.answer()
}

func abandon(id byte) *ber.Packet {
	p := ber.Encode(ber.ClassApplication, ber.TypePrimitive, ber.Tag(ldapmsg.TagAbandonRequest), nil, "")
	p.Data.WriteByte(0)
	p.Data.WriteByte(id)
	return p
}

// A bind gives up what is at work before.
func TestBindGivesUp(t *testing.T) {
	l := serve(t, nil)
	c := l.raw(t)
	c.send(simpleBind(1, aliceDN, alicePassword))
	c.expect(1, ldapmsg.Success)
	at := blocking(l)
	c.send(search(2, "(cn=*)"))
	<-at
	c.send(simpleBind(3, aliceDN, alicePassword))
	c.expect(3, ldapmsg.Success) // and nothing for 2
}

func TestTimeLimits(t *testing.T) {
	l := serve(t, func(c *Config) { c.Limits.QueryTime = 2500 * time.Millisecond })
	c := l.dial(t, true)
	blocking(l)
	request := find("(cn=*)")
	request.TimeLimit = 1
	begin := time.Now()
	_, err := c.Search(request)
	code(t, err, ldapmsg.TimeLimitExceeded)
	if took := time.Since(begin); took < 900*time.Millisecond || took > 2400*time.Millisecond {
		t.Errorf("the client's second took %s", took)
	}
	code(t, c.Del(ldap.NewDelRequest(aliceDN, nil)), ldapmsg.TimeLimitExceeded)
}

// Memory for results is bounded for all clients together.
func TestResultMemory(t *testing.T) {
	l := serve(t, func(c *Config) { c.Limits.ResultBytes, c.Limits.PagedResults = 200<<10, 100 })
	l.addMany(5000)
	c := l.dial(t, true)
	_, err := c.SearchWithPaging(find("(cn=*)"), 100)
	code(t, err, ldapmsg.AdminLimitExceeded)
	// What one client leaves waiting another cannot use, until it goes.
	waiting := l.dial(t, true)
	request := find("(cn=user000*)")
	request.Controls = []ldap.Control{ldap.NewControlPaging(10)}
	for range 20 {
		if _, err = waiting.Search(request); err != nil {
			break
		}
	}
	code(t, err, ldapmsg.AdminLimitExceeded)
	waiting.Close()
	for i := 0; l.server.bytes.Load() != 0; i++ {
		if i == 1000 {
			t.Fatalf("%d bytes are still taken", l.server.bytes.Load())
		}
		time.Sleep(time.Millisecond)
	}
	l.works(t)
}

// Errors and panics of the backend cost their own operation an answer; their
// text stays here.
func TestBrokenBackend(t *testing.T) {
	var log bytes.Buffer
	l := serve(t, func(c *Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	c := l.dial(t, true)
	for _, f := range []func(){func() { panic("marker-secret") }, func() { var none []int; none[len(l.addr)] = 1 }} {
		l.onEvery(func(context.Context, *Request) error { f(); return nil })
		_, err := c.Search(find("(cn=*)"))
		code(t, err, ldapmsg.OperationsError)
		if strings.Contains(err.Error(), "marker") {
			t.Error(err)
		}
	}
	l.onEvery(func(context.Context, *Request) error { return errors.New("disk: sector 7") })
	_, err := c.Search(find("(cn=*)"))
	code(t, err, ldapmsg.OperationsError)
	if strings.Contains(err.Error(), "sector") {
		t.Error(err)
	}
	l.onEvery(nil)
	l.works(t)
	if text := log.String(); strings.Contains(text, "marker-secret") || !strings.Contains(text, "index out of range") || !strings.Contains(text, "sector 7") {
		t.Errorf("log: %s", text)
	}
}

// Many clients at once, some of whom leave in the middle.
func TestManyClients(t *testing.T) {
	l := serve(t, nil)
	l.addMany(300)
	var wait sync.WaitGroup
	for i := range 30 {
		wait.Go(func() {
			c, err := ldap.DialURL("ldap://" + l.addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			if i%2 == 0 {
				err = c.StartTLS(&tls.Config{RootCAs: l.roots, ServerName: "localhost"})
			}
			if err = errors.Join(err, c.Bind(aliceDN, alicePassword)); err != nil {
				t.Error(err)
				return
			}
			for n := range 5 {
				r, err := c.SearchWithPaging(find("(cn=user0*)", "cn"), uint32(50+n))
				if err != nil || len(r.Entries) != 300 {
					t.Errorf("%v", err)
				}
			}
		})
		wait.Go(func() {
			c, err := net.Dial("tcp", l.addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			_, _ = c.Write(append(simpleBind(1, aliceDN, alicePassword), search(2, "(cn=*)")...))
		})
	}
	wait.Wait()
}

// A server that is closed gives everything up.
func TestClose(t *testing.T) {
	l := serve(t, nil)
	c := l.dial(t, true)
	at := blocking(l)
	failed := make(chan error)
	go func() { _, err := c.Search(find("(cn=*)")); failed <- err }()
	<-at
	if err := l.server.Close(); err != nil {
		t.Error(err)
	}
	if err := <-failed; err == nil {
		t.Error("a search of a closed server succeeded")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.server.Serve(listener, Endpoint{}); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}
