package entrakrb

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/prt"
)

const realm = "CORP.CONTOSO.COM"

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// session is a PRT's session key.
func session(b byte) prt.Deriver { return prt.Key(bytes.Repeat([]byte{b}, prt.SessionKeySize)) }

func aesKey(b byte) krb.Key { return krb.Key{EType: krb.AES256, Value: bytes.Repeat([]byte{b}, 32)} }

// partial is a ticket as the tenant makes it; change, when given, alters the
// ticket's encrypted part before.
func partial(t testing.TB, change func(*krb.EncTicketPart)) Ticket {
	t.Helper()
	part := &krb.EncTicketPart{
		Flags: krb.FlagForwardable | krb.FlagRenewable | krb.FlagInitial | krb.FlagPreAuthent, Key: aesKey(7), CRealm: realm, Client: krb.Principal("alice"),
		AuthTime: noon, StartTime: noon, EndTime: noon.Add(10 * time.Hour), RenewTill: noon.Add(7 * 24 * time.Hour),
	}
	if change != nil {
		change(part)
	}
	sealed, err := krb.SealTicket(aesKey(1), 0xfffe<<16|3, realm, krb.TGS(realm), part)
	if err != nil {
		t.Fatal(err)
	}
	ticket, err := New(sealed, part, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ticket.AccountType = 1
	return ticket
}

// A member opens with the session key that sealed it, and gives a credential
// whose ticket the server can open.
func TestRoundTrip(t *testing.T) {
	sent := partial(t, nil)
	text, err := sent.Seal(session(9), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Open(text, session(9))
	if err != nil {
		t.Fatal(err)
	}
	if !got.Key.Equal(sent.Key) || got.Realm != realm || got.Server != "krbtgt/"+realm || got.Client != "alice" || got.AccountType != 1 || !bytes.Equal(got.Reply, sent.Reply) {
		t.Errorf("%+v", got)
	}
	c, err := got.Credential()
	if err != nil {
		t.Fatal(err)
	}
	if !c.Key.Equal(aesKey(7)) || c.CRealm != realm || !c.Client.Equal(krb.Principal("alice")) || !c.Server.Equal(krb.TGS(realm)) ||
		c.EndTime != noon.Add(10*time.Hour) || c.RenewTill != noon.Add(7*24*time.Hour) || !c.Flags.Has(krb.FlagInitial) {
		t.Errorf("%+v", c)
	}
	ticket, err := krb.ParseTicket(c.Ticket)
	if err != nil {
		t.Fatal(err)
	}
	if v := ticket.EncPart.KeyVersion(); v != 0xfffe0003 {
		t.Errorf("key version %#x", v)
	}
	if part, err := ticket.Open(aesKey(1)); err != nil || !part.Key.Equal(aesKey(7)) {
		t.Errorf("%+v, %v", part, err)
	}
	if _, err := Open(text, session(8)); !errors.Is(err, prt.ErrDecrypt) {
		t.Errorf("another session key: %v", err)
	}
}

// The JSON is the clients': names, types, and nothing but these.
func TestShape(t *testing.T) {
	text, err := partial(t, nil).Seal(session(9), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	if m["keyType"] != 18.0 || m["sessionKeyType"] != 18.0 || m["error"] != nil || m["realm"] != realm || m["sn"] != "krbtgt/"+realm || m["cn"] != "alice" || len(m) != 9 {
		t.Errorf("%v", m)
	}
	// A JWE of five parts, of which the key is empty; 12 bytes of IV.
	parts := strings.Split(m["clientKey"].(string), ".")
	if len(parts) != 5 || parts[1] != "" || base64.RawURLEncoding.DecodedLen(len(parts[2])) != 12 {
		t.Errorf("%v", parts)
	}
	head, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil {
		t.Fatal(err)
	}
	var h struct{ Alg, Enc, Ctx string }
	if err := json.Unmarshal(head, &h); err != nil || h.Alg != "dir" || h.Enc != "A256GCM" {
		t.Errorf("%s, %v", head, err)
	}
	if ctx, err := base64.StdEncoding.DecodeString(h.Ctx); err != nil || len(ctx) != prt.ContextSize {
		t.Errorf("ctx %q, %v", h.Ctx, err)
	}
	// Readers of Python's pyasn1 take nothing but the distinguished encoding.
	reply, err := base64.StdEncoding.DecodeString(m["messageBuffer"].(string))
	if err != nil || krb.Check(reply) != nil || reply[0] != 0x60|krb.MsgASRep {
		t.Errorf("%v, %v", err, krb.Check(reply))
	}
}

// The cloud's own cipher is read as well: 16 bytes of IV, no tag.
func TestCBC(t *testing.T) {
	sent := partial(t, nil)
	text, err := sent.Seal(session(9), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ctx := bytes.Repeat([]byte{5}, prt.ContextSize)
	key, err := session(9)(ctx)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	iv := bytes.Repeat([]byte{6}, 16)
	plain := append(bytes.Clone(sent.Key.Value), bytes.Repeat([]byte{16}, 16)...) // PKCS #7
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(plain, plain)
	raw := base64.RawURLEncoding.EncodeToString
	jwe := raw([]byte(`{"alg":"dir","enc":"A256GCM","ctx":"`+base64.StdEncoding.EncodeToString(ctx)+`"}`)) + ".." + raw(iv) + "." + raw(plain) + "."
	got, err := Open(with(t, text, "clientKey", jwe), session(9))
	if err != nil || !got.Key.Equal(sent.Key) {
		t.Errorf("%v", err)
	}
}

// with replaces one value of a member.
func with(t testing.TB, text, name string, value any) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	m[name] = value
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRefused(t *testing.T) {
	text, err := Refuse("there is no server object")
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"clientKey":null,"keyType":0,"error":"there is no server object","messageBuffer":null,"realm":null,"sn":null,"cn":null,"sessionKeyType":0,"accountType":0}`; text != want {
		t.Errorf("%s", text)
	}
	sealed, err := partial(t, nil).Seal(session(9), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ text, reason string }{
		"as written":           {text, "there is no server object"},
		"no key and no reason": {`{"keyType":0}`, "it does not say why"},
		"a key and a reason":   {with(t, sealed, "error", "not today"), "not today"},
		"not for a terminal":   {`{"keyType":0,"error":"a\u001b[31mb"}`, "a [31mb"},
		"too long":             {`{"keyType":0,"error":"` + strings.Repeat("é", maxReason) + `"}`, strings.Repeat("é", maxReason/2)},
	} {
		var r *Refused
		if _, err := Open(c.text, session(9)); !errors.As(err, &r) || r.Reason != c.reason {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is not a member is refused before anything is derived from the session
// key.
func TestMalformed(t *testing.T) {
	text, err := partial(t, nil).Seal(session(9), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"empty": "", "not JSON": "{", "twice": `{"keyType":18,"KeyType":0}`, "too long": text + strings.Repeat(" ", maxMember),
		"another key type": with(t, text, "keyType", 17), "another session key type": with(t, text, "sessionKeyType", 23),
		"key type is text": with(t, text, "keyType", "18"), "no client key": with(t, text, "clientKey", nil), "no realm": with(t, text, "realm", nil),
		"no server": with(t, text, "sn", ""), "no client": with(t, text, "cn", nil), "no message": with(t, text, "messageBuffer", nil),
		"message is not base64": with(t, text, "messageBuffer", "!"), "message with a line end": with(t, text, "messageBuffer", "MAA=\n"),
		"message is not DER": with(t, text, "messageBuffer", "MIA="),
	} {
		_, err := Open(bad, func([]byte) ([]byte, error) { t.Errorf("%s: a key is derived", name); return nil, errors.New("no") })
		if !errors.Is(err, ErrMember) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, jwe := range map[string]string{"bare base64": base64.StdEncoding.EncodeToString(make([]byte, 32)), "changed": strings.Replace(text[strings.Index(text, "ey"):strings.Index(text, `","keyType`)], "..", "..A", 1)} {
		if _, err := Open(with(t, text, "clientKey", jwe), session(9)); !errors.Is(err, prt.ErrDecrypt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	short, err := prt.SealResponse(rand.Reader, session(9), make([]byte, prt.ContextSize), make([]byte, 16), prt.GCM)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(with(t, text, "clientKey", short), session(9)); !errors.Is(err, ErrMember) {
		t.Errorf("a client key of 16 bytes: %v", err)
	}
	broken := partial(t, nil)
	broken.Key.Value = broken.Key.Value[:16]
	if _, err := broken.Seal(session(9), rand.Reader); err == nil {
		t.Error("a client key of 16 bytes is sealed")
	}
}

// An AS-REP must be the member's: each of its names counts.
func TestCredentialRefused(t *testing.T) {
	good := partial(t, nil)
	for name, change := range map[string]func(*Ticket){
		"another client key": func(k *Ticket) { k.Key = aesKey(2) },
		"another realm":      func(k *Ticket) { k.Realm = "EAST.CONTOSO.COM" },
		"another server":     func(k *Ticket) { k.Server = "cifs/files" },
		"another client":     func(k *Ticket) { k.Client = "bob" },
		"not a reply":        func(k *Ticket) { k.Reply = []byte{0x30, 0} },
		"cut":                func(k *Ticket) { k.Reply = k.Reply[:len(k.Reply)-1] },
		"a TGS-REP": func(k *Ticket) {
			r, err := krb.ParseKDCRep(k.Reply)
			if err != nil {
				t.Fatal(err)
			}
			r.MsgType = krb.MsgTGSRep
			if k.Reply, err = r.Encode(); err != nil {
				t.Fatal(err)
			}
		},
		"another session key type": func(k *Ticket) {
			*k = partial(t, func(p *krb.EncTicketPart) { p.Key = krb.Key{EType: krb.AES128, Value: make([]byte, 16)} })
		},
	} {
		k := good
		change(&k)
		if c, err := k.Credential(); !errors.Is(err, ErrReply) {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
}
