package sasl

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"hellolab/providers/wire/gss"
	"hellolab/providers/wire/krb"
)

const realm = "CORP.EXAMPLE"

// lab is a service and a client with a ticket for it.
type lab struct {
	service krb.Name
	key     krb.Key
	cred    gss.Credential
	accept  *gss.Acceptor
	begins  func(mechanism string) func(string, gss.Flags) (gss.Exchange, error)
}

func newLab(t testing.TB, service krb.Name) *lab {
	t.Helper()
	random := func() krb.Key {
		k, err := krb.RandomKey(krb.AES256, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	l := &lab{service: service, key: random()}
	session, now := random(), time.Now()
	ticket, err := krb.SealTicket(l.key, 3, realm, service, &krb.EncTicketPart{
		Key: session, CRealm: realm, Client: krb.Principal("alice"), AuthTime: now, StartTime: now, EndTime: now.Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	l.cred = gss.Credential{Ticket: ticket, Session: session, Realm: realm, Client: krb.Principal("alice")}
	l.accept = &gss.Acceptor{
		Key:    func(*krb.Ticket) (krb.Key, error) { return l.key, nil },
		Replay: krb.NewReplayCache(100), Now: time.Now, Skew: krb.Skew, Rand: rand.Reader, Service: service, Realm: realm,
	}
	l.begins = func(mechanism string) func(string, gss.Flags) (gss.Exchange, error) {
		return func(target string, flags gss.Flags) (gss.Exchange, error) {
			if target != service.String() {
				return nil, errors.New("no ticket for " + target)
			}
			c := gss.InitiatorConfig{Credential: l.cred, Flags: flags, Now: time.Now(), Rand: rand.Reader}
			if mechanism == GSSSPNEGO {
				return gss.NewNegotiator(c), nil
			}
			return gss.NewInitiator(c), nil
		}
	}
	return l
}

var ldapDC = krb.Service("ldap", "dc1.corp.example")

// negotiate runs an exchange to its end or the first mistake.
func negotiate(c *Client, s *Server) error {
	var token []byte
	var cDone, sDone bool
	var err error
	for range 10 {
		if !cDone {
			if token, cDone, err = c.Step(ldapDC.String(), token); err != nil {
				return err
			}
		}
		if sDone {
			return nil
		}
		if token, sDone, err = s.Step(token); err != nil {
			return err
		}
		if sDone && cDone && len(token) == 0 {
			return nil
		}
	}
	return errors.New("no end")
}

func TestMechanisms(t *testing.T) {
	for _, mechanism := range []string{GSSAPI, GSSSPNEGO} {
		for _, layer := range []Layers{None, Integrity, Confidentiality} {
			l := newLab(t, ldapDC)
			c := NewClient(ClientConfig{Mechanism: mechanism, Layer: layer, Begin: l.begins(mechanism)})
			s := NewServer(ServerConfig{Mechanism: mechanism, Acceptor: l.accept, Layers: None | Integrity | Confidentiality})
			if s.Client() != nil {
				t.Error("a client before the exchange")
			}
			if err := negotiate(c, s); err != nil {
				t.Errorf("%s, %s: %v", mechanism, layer, err)
				continue
			}
			if s.Client().Name.String() != "alice" || s.AuthzID() != "" {
				t.Errorf("client %+v", s.Client())
			}
			if layer == None {
				if c.Layer() != nil || s.Layer() != nil {
					t.Error("a layer that was not asked for")
				}
				continue
			}
			if c.Layer().Kind() != layer || s.Layer().Kind() != layer {
				t.Errorf("%s: layers %s and %s", layer, c.Layer().Kind(), s.Layer().Kind())
			}
			exchangeData(t, c.Layer(), s.Layer())
		}
	}
}

// tap keeps what goes over a connection.
type tap struct {
	net.Conn
	seen bytes.Buffer
}

func (t *tap) Write(b []byte) (int, error) { t.seen.Write(b); return t.Conn.Write(b) }

func exchangeData(t *testing.T, cl, sl *Layer) {
	t.Helper()
	a, b := net.Pipe()
	wire := &tap{Conn: a}
	client, server := cl.Conn(wire), sl.Conn(b)
	defer client.Close()
	defer server.Close()
	big := bytes.Repeat([]byte("a secret text. "), 20000) // more than a few frames
	go client.Write(big)
	got := make([]byte, len(big))
	if _, err := io.ReadFull(server, got); err != nil || !bytes.Equal(got, big) {
		t.Fatalf("%s: %v", cl.Kind(), err)
	}
	if seen := bytes.Contains(wire.seen.Bytes(), []byte("a secret text. ")); seen != (cl.Kind() == Integrity) {
		t.Errorf("%s: the text can be read: %v", cl.Kind(), seen)
	}
	go server.Write([]byte("answer"))
	if _, err := io.ReadFull(client, got[:6]); err != nil || string(got[:6]) != "answer" {
		t.Errorf("answer %q, %v", got[:6], err)
	}
}

func TestLayersRefused(t *testing.T) {
	for _, mechanism := range []string{GSSAPI, GSSSPNEGO} {
		for _, c := range []struct{ want, offered Layers }{
			{Confidentiality, None}, {Integrity, None | Confidentiality}, {None, Integrity | Confidentiality}, {None | Integrity, None | Integrity}, {0, None}, {8, 8},
		} {
			l := newLab(t, ldapDC)
			client := NewClient(ClientConfig{Mechanism: mechanism, Layer: c.want, Begin: l.begins(mechanism)})
			server := NewServer(ServerConfig{Mechanism: mechanism, Acceptor: l.accept, Layers: c.offered})
			if err := negotiate(client, server); !errors.Is(err, ErrLayer) {
				t.Errorf("%s: %s of %s: %v", mechanism, c.want, c.offered, err)
			}
			if server.Client() != nil && mechanism == GSSAPI || server.Layer() != nil {
				t.Errorf("%s: %s of %s: authenticated", mechanism, c.want, c.offered)
			}
		}
	}
}

// A client that says something else than it should.
func TestServerRefuses(t *testing.T) {
	for what, c := range map[string]struct {
		message func(*gss.Context) ([]byte, error)
		want    error
	}{
		"two layers":       {func(c *gss.Context) ([]byte, error) { return c.Wrap([]byte{6, 0, 64, 0}, false) }, ErrLayer},
		"layer not there":  {func(c *gss.Context) ([]byte, error) { return c.Wrap([]byte{4, 0, 64, 0}, false) }, ErrLayer},
		"no layer":         {func(c *gss.Context) ([]byte, error) { return c.Wrap([]byte{0, 0, 64, 0}, false) }, ErrLayer},
		"short":            {func(c *gss.Context) ([]byte, error) { return c.Wrap([]byte{1, 0, 0}, false) }, ErrDefective},
		"long identity":    {func(c *gss.Context) ([]byte, error) { return c.Wrap(make([]byte, 2000), false) }, ErrDefective},
		"no room":          {func(c *gss.Context) ([]byte, error) { return c.Wrap([]byte{2, 0, 0, 28}, false) }, ErrDefective},
		"not wrapped":      {func(*gss.Context) ([]byte, error) { return []byte{1, 0, 0, 0}, nil }, gss.ErrDefective},
		"nothing":          {func(*gss.Context) ([]byte, error) { return nil, nil }, gss.ErrDefective},
		"twice is the end": {nil, ErrState},
	} {
		l := newLab(t, ldapDC)
		client := NewClient(ClientConfig{Layer: Integrity, Begin: l.begins(GSSAPI)})
		server := NewServer(ServerConfig{Acceptor: l.accept, Layers: None | Integrity})
		first, _, err := client.InitSecContext(ldapDC.String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		reply, _, err := server.Step(first)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := client.InitSecContext(ldapDC.String(), reply); err != nil {
			t.Fatal(err)
		}
		if _, _, err := server.Step(nil); err != nil {
			t.Fatal(err)
		}
		var message []byte
		if c.message != nil {
			if message, err = c.message(client.exchange.Context()); err != nil {
				t.Fatal(err)
			}
			_, _, err = server.Step(message)
		} else {
			server.Step([]byte("x"))
			_, _, err = server.Step(nil)
		}
		if !errors.Is(err, c.want) || server.Client() != nil || server.Layer() != nil {
			t.Errorf("%s: %v, want %v", what, err, c.want)
		}
	}
}
