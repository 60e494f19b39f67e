package sasl

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"hellolab/providers/wire/krb"
)

var _ ldap.GSSAPIClient = (*Client)(nil)

// serveLDAP answers SASL binds and "who am I", which is all that it takes to
// see a mechanism and its layer work.
func serveLDAP(conn net.Conn, config func(mechanism string) ServerConfig) error {
	defer conn.Close()
	var exchange *Server
	identity := "anonymous"
	for {
		p, err := ber.ReadPacket(conn)
		if err != nil {
			return err
		}
		op := p.Children[1]
		answer := func(tag ber.Tag, code int, text string, more ...*ber.Packet) {
			r := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
			r.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, code, ""))
			r.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "", ""))
			r.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, text, ""))
			for _, m := range more {
				r.AppendChild(m)
			}
			e := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
			e.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, p.Children[0].Value, ""))
			e.AppendChild(r)
			conn.Write(e.Bytes())
		}
		octets := func(tag ber.Tag, b []byte) *ber.Packet {
			return ber.NewString(ber.ClassContext, ber.TypePrimitive, tag, string(b), "")
		}
		switch op.Tag {
		case 0: // bind
			auth := op.Children[2]
			if exchange == nil {
				exchange = NewServer(config(auth.Children[0].Data.String()))
			}
			var in []byte
			if len(auth.Children) > 1 {
				in = auth.Children[1].Data.Bytes()
			}
			out, done, err := exchange.Step(in)
			switch {
			case err != nil:
				answer(1, 49, err.Error())
				return err
			case !done:
				answer(1, 14, "", octets(7, out))
				continue
			case len(out) > 0:
				answer(1, 0, "", octets(7, out))
			default:
				answer(1, 0, "")
			}
			identity = "u:" + exchange.Client().Name.String() + " none"
			if l := exchange.Layer(); l != nil {
				conn = l.Conn(conn)
				identity = "u:" + exchange.Client().Name.String() + " " + l.Kind().String()
			}
		case 2: // unbind
			return nil
		case 23: // extended: who am I
			answer(24, 0, "", octets(11, []byte(identity)))
		default:
			answer(op.Tag+1, 53, "not here")
		}
	}
}

// listen starts the server, and returns its port.
func listen(t *testing.T, l *lab) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serveLDAP(conn, func(mechanism string) ServerConfig {
				return ServerConfig{Mechanism: mechanism, Acceptor: l.accept, Layers: None | Integrity | Confidentiality}
			})
		}
	}()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}

// go-ldap binds with our client, and the layer is put around its connection.
func TestGoLDAP(t *testing.T) {
	for _, layer := range []Layers{None, Integrity, Confidentiality} {
		l := newLab(t, ldapDC)
		raw, err := net.Dial("tcp", "127.0.0.1:"+listen(t, l))
		if err != nil {
			t.Fatal(err)
		}
		wire := NewConn(raw)
		c := ldap.NewConn(wire, false)
		c.Start()
		client := NewClient(ClientConfig{Mechanism: GSSAPI, Layer: layer, Begin: l.begins(GSSAPI)})
		if err := c.GSSAPIBind(client, ldapDC.String(), ""); err != nil {
			t.Fatal(err)
		}
		if err := wire.Protect(client.Layer()); err != nil {
			t.Fatal(err)
		}
		who, err := c.WhoAmI(nil)
		if err != nil || who.AuthzID != "u:alice "+layer.String() {
			t.Errorf("%+v, %v", who, err)
		}
		c.Close()
	}
}

// OpenLDAP's client with Cyrus SASL and MIT Kerberos.
func TestOpenLDAP(t *testing.T) {
	if _, err := exec.LookPath("ldapwhoami"); err != nil {
		t.Skip("OpenLDAP's client is not here: install ldap-utils and libsasl2-modules-gssapi-mit")
	}
	l := newLab(t, krb.Service("ldap", "localhost"))
	port := listen(t, l)
	dir := t.TempDir()
	raw, err := l.cred.Ticket.Encode()
	if err != nil {
		t.Fatal(err)
	}
	cache := krb.CCache{Realm: realm, Principal: l.cred.Client, Credentials: []krb.Credential{{
		CRealm: realm, Client: l.cred.Client, SRealm: realm, Server: l.service, Key: l.cred.Session,
		AuthTime: time.Now(), StartTime: time.Now(), EndTime: time.Now().Add(time.Hour), Ticket: raw,
	}}}
	conf := "[libdefaults]\n default_realm = " + realm + "\n dns_lookup_kdc = false\n dns_canonicalize_hostname = false\n rdns = false\n[domain_realm]\n localhost = " + realm + "\n"
	for name, data := range map[string][]byte{"ccache": cache.Encode(), "krb5.conf": []byte(conf)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		mechanism, props string
		want             Layers
	}{
		{GSSAPI, "maxssf=0", None}, {GSSAPI, "minssf=1,maxssf=1", Integrity}, {GSSAPI, "minssf=56", Confidentiality}, {GSSAPI, "minssf=56,maxbufsize=1000", Confidentiality},
		// MIT's library says in the flags that it can seal whenever there is a layer.
		{GSSSPNEGO, "maxssf=0", None}, {GSSSPNEGO, "minssf=1,maxssf=1", Confidentiality}, {GSSSPNEGO, "minssf=56", Confidentiality},
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		cmd := exec.CommandContext(ctx, "ldapwhoami", "-H", "ldap://localhost:"+port, "-N", "-Q", "-Y", c.mechanism, "-O", c.props)
		cmd.Env = append(os.Environ(), "KRB5_CONFIG="+filepath.Join(dir, "krb5.conf"), "KRB5CCNAME=FILE:"+filepath.Join(dir, "ccache"), "LDAPNOINIT=1")
		out, err := cmd.CombinedOutput()
		cancel()
		if want := fmt.Sprintf("u:alice %s", c.want); err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%s, %s: %s, %v; want %s", c.mechanism, c.props, out, err, want)
		}
	}
}
