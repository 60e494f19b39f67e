package ldapmsg

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// tlv is an element with a length of Windows' four octets.
func tlv(identifier byte, contents ...[]byte) []byte {
	body := bytes.Join(contents, nil)
	n := len(body)
	return append([]byte{identifier, 0x84, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, body...)
}

func text(s string) []byte    { return tlv(tagOctetString, []byte(s)) }
func number(n ...byte) []byte { return tlv(tagInteger, n) }
func enum(n byte) []byte      { return tlv(tagEnumerated, []byte{n}) }
func boolean(b byte) []byte   { return tlv(tagBoolean, []byte{b}) }

func message(op []byte, rest ...[]byte) []byte {
	return tlv(tagSequence, append([][]byte{number(7), op}, rest...)...)
}

func searchMessage(filter []byte) []byte {
	return message(tlv(0x63, text("DC=corp"), enum(2), enum(0), number(0), number(0), boolean(0), filter, tlv(tagSequence, text("cn"))))
}

func mustDecode(t *testing.T, b []byte) *Message {
	t.Helper()
	m, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRequests(t *testing.T) {
	superior := "OU=b,DC=corp"
	for _, c := range []struct {
		name string
		op   []byte
		want Op
	}{
		{"simple", tlv(0x60, number(3), text("alice"), tlv(0x80, []byte("pw"))), &Bind{3, "alice", "", []byte("pw")}},
		{"anonymous", tlv(0x60, number(3), text(""), tlv(0x80)), &Bind{3, "", "", []byte{}}},
		{"sasl", tlv(0x60, number(3), text(""), tlv(0xa3, text("GSSAPI"), text("tok"))), &Bind{3, "", "GSSAPI", []byte("tok")}},
		{"sasl without token", tlv(0x60, number(3), text(""), tlv(0xa3, text("GSSAPI"))), &Bind{3, "", "GSSAPI", nil}},
		{"unbind", tlv(0x42), &Unbind{}},
		{"delete", tlv(0x4a, []byte("CN=a")), &Delete{"CN=a"}},
		{"abandon", tlv(0x50, []byte{1, 2}), &Abandon{258}},
		{"compare", tlv(0x6e, text("CN=a"), tlv(tagSequence, text("cn"), text("a"))), &Compare{"CN=a", "cn", []byte("a")}},
		{"rename", tlv(0x6c, text("CN=a"), text("CN=b"), boolean(0xff)), &ModifyDN{"CN=a", "CN=b", true, nil}},
		{"move", tlv(0x6c, text("CN=a"), text("CN=a"), boolean(0), tlv(0x80, []byte(superior))), &ModifyDN{"CN=a", "CN=a", false, &superior}},
		{"extended", tlv(0x77, tlv(0x80, []byte(WhoAmI))), &Extended{WhoAmI, nil}},
		{"extended with value", tlv(0x77, tlv(0x80, []byte("1.2")), tlv(0x81, []byte("v"))), &Extended{"1.2", []byte("v")}},
		{"add", tlv(0x68, text("CN=a"), tlv(tagSequence, tlv(tagSequence, text("cn"), tlv(tagSet, text("a"), text("b"))))),
			&Add{"CN=a", []Attribute{{"cn", [][]byte{[]byte("a"), []byte("b")}}}}},
		{"modify", tlv(0x66, text("CN=a"), tlv(tagSequence, tlv(tagSequence, enum(2), tlv(tagSequence, text("cn"), tlv(tagSet))))),
			&Modify{"CN=a", []Change{{ReplaceValues, Attribute{"cn", nil}}}}},
	} {
		if m := mustDecode(t, message(c.op)); m.ID != 7 || !reflect.DeepEqual(m.Op, c.want) {
			t.Errorf("%s: %d %#v", c.name, m.ID, m.Op)
		}
	}
	m := mustDecode(t, searchMessage(tlv(0x87, []byte("objectClass"))))
	want := &Search{Base: "DC=corp", Scope: WholeSubtree, Filter: Present{"objectClass"}, Attributes: []string{"cn"}}
	if !reflect.DeepEqual(m.Op, want) {
		t.Errorf("search: %#v", m.Op)
	}
}

// Fault 74, 75: what is not LDAP's BER ends the session, and costs little.
func TestMalformed(t *testing.T) {
	deep := []byte{}
	for range 20000 {
		deep = append(deep, 0xa0, 0x84, 0, 0, 0, 0)
	}
	for i := range 20000 {
		n := len(deep) - 6*(i+1)
		copy(deep[6*i+2:], []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
	}
	for name, b := range map[string][]byte{
		"empty":             {},
		"one octet":         {0x30},
		"indefinite":        {0x30, 0x80, 2, 1, 7, 0x42, 0, 0, 0},
		"five octets":       {0x30, 0x85, 0, 0, 0, 0, 5, 2, 1, 7, 0x42, 0},
		"over the end":      {0x30, 6, 2, 1, 7, 0x42, 0},
		"2^32":              {0x30, 0x84, 0xff, 0xff, 0xff, 0xff},
		"trailing":          append(message(tlv(0x42)), 0),
		"child over parent": {0x30, 5, 2, 4, 7, 0x42, 0},
		"high tag":          message([]byte{0x7f, 0x81, 0x00, 0}),
		"string in pieces":  message(tlv(0x60, number(3), tlv(0x24, text("a")), tlv(0x80))),
		"message 0":         tlv(tagSequence, number(0), tlv(0x42)),
		"negative id":       tlv(tagSequence, number(0xff), tlv(0x42)),
		"id of 33 bits":     tlv(tagSequence, number(1, 0, 0, 0, 0), tlv(0x42)),
		"id of no octet":    tlv(tagSequence, number(), tlv(0x42)),
		"a response":        message(tlv(0x61, enum(0), text(""), text(""))),
		"unknown operation": message(tlv(0x7e)),
		"after controls":    message(tlv(0x42), tlv(0xa0), text("x")),
		"abandon":           message(tlv(0x50, []byte{0xff})),
		"unbind with body":  message(tlv(0x42, []byte{1})),
		"many controls":     message(tlv(0x42), tlv(0xa0, bytes.Repeat(tlv(tagSequence, text("1.2")), maxControls+1))),
		"20,000 deep":       message(deep),
		"million elements":  message(tlv(0x68, bytes.Repeat([]byte{4, 0}, 1<<20))),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m, err := Decode(b)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %#v, %v", name, m, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
			t.Errorf("%s: took %d bytes", name, took)
		}
	}
}

// What is a request, and yet wrong, is answered by its own kind of response.
func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		frame []byte
		tag   Tag
		code  ResultCode
	}{
		"bind without authentication": {message(tlv(0x60, number(3), text(""))), TagBindResponse, ProtocolError},
		"sicily":                      {message(tlv(0x60, number(3), text(""), tlv(0x89))), TagBindResponse, AuthMethodNotSupported},
		"nameless mechanism":          {message(tlv(0x60, number(3), text(""), tlv(0xa3, text("")))), TagBindResponse, ProtocolError},
		"not UTF-8":                   {message(tlv(0x4a, []byte{0xff})), TagDeleteResponse, ProtocolError},
		"scope 3":                     {message(tlv(0x63, text(""), enum(3), enum(0), number(0), number(0), boolean(0), tlv(0x87), tlv(tagSequence))), TagSearchDone, ProtocolError},
		"negative limit":              {message(tlv(0x63, text(""), enum(0), enum(0), number(0xff), number(0), boolean(0), tlv(0x87), tlv(tagSequence))), TagSearchDone, ProtocolError},
		"change 3":                    {message(tlv(0x66, text(""), tlv(tagSequence, tlv(tagSequence, enum(3), tlv(tagSequence, text("cn"), tlv(tagSet)))))), TagModifyResponse, ProtocolError},
		"more than a compare":         {message(tlv(0x6e, text(""), tlv(tagSequence, text("cn"), text("a")), text("x"))), TagCompareResponse, ProtocolError},
		"boolean of two octets":       {message(tlv(0x6c, text(""), text(""), tlv(tagBoolean, []byte{0, 0}))), TagModifyDNResponse, ProtocolError},
		"no attribute list":           {message(tlv(0x68, text(""))), TagAddResponse, ProtocolError},
		"extended without name":       {message(tlv(0x77)), TagExtendedResponse, ProtocolError},
	} {
		r, ok := mustDecode(t, c.frame).Op.(*Refused)
		if !ok || r.Response() != c.tag || r.Err.Code != c.code {
			t.Errorf("%s: %#v", name, r)
		}
	}
}

func TestFrames(t *testing.T) {
	m := message(tlv(0x42))
	in := bufio.NewReader(iotest.OneByteReader(bytes.NewReader(append(m, m...))))
	for range 2 {
		if got, err := ReadFrame(in, len(m)); err != nil || !bytes.Equal(got, m) {
			t.Fatalf("%x, %v", got, err)
		}
	}
	if _, err := ReadFrame(in, 10); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"cut in header":  {m[:3], io.ErrUnexpectedEOF},
		"cut in body":    {m[:len(m)-1], io.ErrUnexpectedEOF},
		"one too large":  {tlv(tagSequence, make([]byte, 100)), ErrTooLarge},
		"4 GB":           {[]byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff}, ErrTooLarge},
		"HTTP":           {[]byte("GET / HTTP/1.1\r\n\r\n"), ErrMalformed},
		"indefinite":     {[]byte{0x30, 0x80}, ErrMalformed},
		"127 octets":     {[]byte{0x30, 0xff}, ErrMalformed},
		"promised 10 MB": {[]byte{0x30, 0x83, 0x9f, 0, 0}, io.ErrUnexpectedEOF},
	} {
		max := 100
		if name == "promised 10 MB" {
			max = MaxSize
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := ReadFrame(bufio.NewReader(bytes.NewReader(c.b)), max)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
			t.Errorf("%s: took %d bytes", name, took)
		}
	}
}

// go-ldap, which others wrote, reads what is written here.
func TestResponses(t *testing.T) {
	for _, r := range []*Result{
		{Tag: TagSearchDone},
		{Tag: TagBindResponse, SASLCredentials: []byte{1, 2}, Err: &Error{Code: SASLBindInProgress}},
		{Tag: TagAddResponse, Err: NotFound("DC=corp")},
		{Tag: TagSearchDone, Err: &Error{Code: Referral, Referral: []string{"ldap://a/"}}},
	} {
		op, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		b, err := Envelope(9, op, []Control{{OID: "1.2.3", Critical: true, Value: []byte("v")}})
		if err != nil {
			t.Fatal(err)
		}
		p, err := ber.DecodePacketErr(b)
		if err != nil {
			t.Fatal(err)
		}
		got := ldap.GetLDAPError(p)
		if r.Err == nil {
			if got != nil {
				t.Errorf("success: %v", got)
			}
			continue
		}
		var e *ldap.Error
		if !errors.As(got, &e) || e.ResultCode != uint16(r.Err.Code) || e.MatchedDN != r.Err.MatchedDN || e.Err.Error() != r.Err.Diagnostic {
			t.Errorf("%v became %v", r.Err, got)
		}
		if len(p.Children) != 3 || p.Children[2].Tag != 0 || len(p.Children[2].Children) != 1 {
			t.Errorf("controls of %v", r.Err)
		}
	}
	entry := &ResultEntry{"CN=a", []Attribute{{"cn", [][]byte{{0, 0xff}}}, {"sn", nil}}}
	op, err := entry.Encode()
	if err != nil {
		t.Fatal(err)
	}
	p := ber.DecodePacket(op)
	if p.Tag != 4 || p.Children[0].Value != "CN=a" || !bytes.Equal(p.Children[1].Children[0].Children[1].Children[0].ByteValue, []byte{0, 0xff}) {
		t.Errorf("entry: %x", op)
	}
}

func TestControls(t *testing.T) {
	every := func(string) bool { return true }
	paged := tlv(tagSequence, number(1, 0), text("ck"))
	flags, form := uint32(7), ExtendedDNText
	all := uint32(15)
	for _, c := range []struct {
		list []Control
		want Controls
	}{
		{[]Control{{ControlPaged, true, paged}}, Controls{Paged: &Paged{256, []byte("ck")}}},
		{[]Control{{ControlSDFlags, true, tlv(tagSequence, number(7))}, {ControlExtendedDN, false, tlv(tagSequence, number(1))}}, Controls{SDFlags: &flags, ExtendedDN: &form}},
		{[]Control{{ControlSDFlags, false, nil}}, Controls{SDFlags: &all}},
		{[]Control{{ControlSort, false, tlv(tagSequence, tlv(tagSequence, text("cn"), tlv(0x81, []byte{0xff})))}}, Controls{Sort: []SortKey{{"cn", "", true}}}},
		{[]Control{{ControlDirSync, true, tlv(tagSequence, number(0x80, 0, 0, 1), number(0), text(""))}}, Controls{DirSync: &DirSync{0x80000001, 0, []byte{}}}},
		{[]Control{{ControlDirSync, true, tlv(tagSequence, number(0, 0x80, 0, 0, 1), number(0), text(""))}}, Controls{DirSync: &DirSync{0x80000001, 0, []byte{}}}},
		{[]Control{{ControlASQ, true, tlv(tagSequence, text("member"))}, {ControlSearchOptions, true, tlv(tagSequence, number(2))}}, Controls{ASQ: "member", SearchOptions: 2}},
		{[]Control{{ControlShowDeleted, true, nil}, {ControlDomainScope, false, nil}, {ControlTreeDelete, true, nil}, {"1.2.3", false, []byte("x")}}, Controls{ShowDeleted: true, DomainScope: true, TreeDelete: true}},
	} {
		got, err := ParseControls(c.list, every)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v: %+v, %v", c.list, got, err)
		}
	}
	nothing := func(string) bool { return false }
	for name, c := range map[string]struct {
		list      []Control
		supported func(string) bool
		code      ResultCode
	}{
		"unknown":          {[]Control{{"1.2.3", true, nil}}, every, UnavailableCriticalExtension},
		"unsupported":      {[]Control{{ControlDirSync, true, []byte("junk")}}, nothing, UnavailableCriticalExtension},
		"twice":            {[]Control{{ControlShowDeleted, false, nil}, {ControlShowDeleted, false, nil}}, every, ProtocolError},
		"junk":             {[]Control{{ControlPaged, false, []byte{1, 2, 3}}}, every, ProtocolError},
		"no value":         {[]Control{{ControlPaged, false, nil}}, every, ProtocolError},
		"value of none":    {[]Control{{ControlShowDeleted, false, []byte{4, 0}}}, every, ProtocolError},
		"negative size":    {[]Control{{ControlPaged, false, tlv(tagSequence, number(0xff), text(""))}}, every, ProtocolError},
		"something behind": {[]Control{{ControlPaged, false, append(paged, 4, 0)}}, every, ProtocolError},
		"sort bomb":        {[]Control{{ControlSort, false, tlv(tagSequence, bytes.Repeat(tlv(tagSequence, text("a")), 17))}}, every, ProtocolError},
		"flags too long":   {[]Control{{ControlSDFlags, false, tlv(tagSequence, number(1, 0, 0, 0, 0))}}, every, ProtocolError},
	} {
		var e *Error
		if got, err := ParseControls(c.list, c.supported); !errors.As(err, &e) || e.Code != c.code {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if _, err := ParseControls([]Control{{ControlDirSync, false, []byte("junk")}}, nothing); err != nil {
		t.Errorf("an unsupported control that is not critical: %v", err)
	}
}

func TestDiagnostics(t *testing.T) {
	for _, c := range []struct {
		err  *Error
		want string
	}{
		{Errorf(ConstraintViolation, ErrorNameReferenceInvalid, "%q names nothing.", "CN=x"), `000020B5: AtrErr: DSID-00000000, problem 1005 (CONSTRAINT_ATT_TYPE), data 0, comment: "CN=x" names nothing.`},
		{LogonFailed(LogonWrongPassword), "80090308: LdapErr: DSID-00000000, comment: AcceptSecurityContext error, data 52e"},
		{BindRequired(), "000004DC: SvcErr: DSID-00000000, problem 5012 (DIR_ERROR), data 0, comment: In order to perform"},
		{Errorf(Other, 1, "\xff"), "00000001: LdapErr: DSID-00000000, data 0, comment: ?"},
	} {
		if !strings.HasPrefix(c.err.Diagnostic, c.want) {
			t.Errorf("%s", c.err.Diagnostic)
		}
	}
	if s := fmt.Sprint(&Error{Code: NoSuchObject, Diagnostic: "x"}); s != "noSuchObject (32): x" {
		t.Error(s)
	}
}
