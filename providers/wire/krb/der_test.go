package krb

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// asReq is an AS-REQ as a client sends it.
func asReq(t testing.TB, change func(*KDCReq)) []byte {
	t.Helper()
	r := &KDCReq{MsgType: MsgASReq, PAData: []PAData{{PAReqEncPARep, []byte{}}}, Body: KDCReqBody{
		Options: FlagForwardable | OptCanonicalize, Client: Principal("alice"), Realm: realm, Server: TGS(realm), Till: noon, Nonce: 4711, ETypes: []int32{AES256, AES128},
	}}
	if change != nil {
		change(r)
	}
	b, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestKDCReqRoundTrip(t *testing.T) {
	_, ticket, _ := session(t, AES256)
	b := asReq(t, func(r *KDCReq) {
		r.MsgType = MsgTGSReq
		r.Body.Client = Name{}
		r.Body.Till = at("1970-01-01T00:00:00Z")
		r.Body.Nonce = 0xffffffff
		r.Body.Tickets = []Ticket{*ticket, *ticket}
		r.Body.EncAuthData = EncryptedData{EType: AES256, KVNO: 0xffff0001, Cipher: []byte("x")}
	})
	r, err := ParseKDCReq(b)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := ticket.Encode()
	again, _ := r.Body.Tickets[1].Encode()
	if r.MsgType != MsgTGSReq || !r.Body.Client.IsZero() || !r.Body.Till.IsZero() || r.Body.Nonce != 0xffffffff || len(r.Body.Tickets) != 2 || !bytes.Equal(raw, again) || r.Body.EncAuthData.KeyVersion() != 0xffff0001 {
		t.Errorf("%+v", r.Body)
	}
}

// Faults 73 and 74 of requests as a whole.
func TestKDCReqRefusals(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*KDCReq)
		want   Code
	}{
		"no client":         {func(r *KDCReq) { r.Body.Client = Name{} }, ErrClientUnknown},
		"no server":         {func(r *KDCReq) { r.Body.Server = Name{} }, ErrServerUnknown},
		"no realm":          {func(r *KDCReq) { r.Body.Realm = "" }, ErrGeneric},
		"empty part":        {func(r *KDCReq) { r.Body.Client.Parts = []string{"a", ""} }, ErrGeneric},
		"NUL in the name":   {func(r *KDCReq) { r.Body.Client.Parts = []string{"alice\x00x"} }, ErrGeneric},
		"name of 100 parts": {func(r *KDCReq) { r.Body.Server.Parts = strings.Split(strings.Repeat("a", 100), "") }, ErrGeneric},
		"realm of 1 kB":     {func(r *KDCReq) { r.Body.Realm = strings.Repeat("R", 1000) }, ErrGeneric},
		"200 etypes":        {func(r *KDCReq) { r.Body.ETypes = make([]int32, 200) }, ErrGeneric},
		"100 padata":        {func(r *KDCReq) { r.PAData = slices.Repeat([]PAData{{PATGSReq, nil}}, 100) }, ErrFieldTooLong},
		"wrong body":        {func(r *KDCReq) { r.RawBody = []byte{0x30, 0} }, ErrGeneric},
		"wrong type":        {func(r *KDCReq) { r.MsgType = MsgAPReq }, ErrGeneric},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ParseKDCReq(asReq(t, tt.change)); code(err) != tt.want {
				t.Errorf("got %v, want %d", err, tt.want)
			}
		})
	}
	good := asReq(t, nil)
	version4 := bytes.Replace(good, []byte{0xa1, 3, 2, 1, 5}, []byte{0xa1, 3, 2, 1, 4}, 1)
	if _, err := ParseKDCReq(version4); code(err) != ErrBadVersion {
		t.Error(err)
	}
	mixed := bytes.Replace(good, []byte{0xa2, 3, 2, 1, 10}, []byte{0xa2, 3, 2, 1, 12}, 1)
	if _, err := ParseKDCReq(mixed); code(err) != ErrMsgType {
		t.Error(err)
	}
	for cut := range len(good) {
		if _, err := ParseKDCReq(good[:cut]); err == nil {
			t.Fatalf("cut at %d is read", cut)
		}
	}
	if _, err := ParseKDCReq(append(bytes.Clone(good), 0)); code(err) != ErrGeneric {
		t.Error("a trailing byte is read")
	}
	if _, err := ParseKDCReq(make([]byte, MaxMessage+1)); code(err) != ErrFieldTooLong {
		t.Error(err)
	}
}

// Fault 74: what is not in the distinguished encoding.
func TestCheck(t *testing.T) {
	for name, text := range map[string]string{
		"indefinite length":         "3080020101 0000",
		"length in too many bytes":  "308103020101",
		"length with leading zero":  "30820003020101",
		"length over the end":       "3004020101",
		"length 2^31":               "308480000000",
		"length 2^63":               "30888000000000000000",
		"length of 127 bytes":       "30ff",
		"inner over outer":          "30020205",
		"trailing byte":             "300302010100",
		"empty":                     "",
		"one byte":                  "30",
		"integer without bytes":     "0200",
		"integer not minimal":       "02020001",
		"negative not minimal":      "0202ff80",
		"boolean of two bytes":      "01020000",
		"boolean of 5":              "010105",
		"bit string without bytes":  "0300",
		"bit string of unused bits": "03020001",
		"bits set beyond the end":   "03020301",
		"bit string 9 unused":       "030209ff",
		"octet string in pieces":    "2403040101",
		"primitive sequence":        "1000",
		"end of contents":           "0000",
		"tag of two bytes":          "1f8101 00",
	} {
		b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		if name == "bit string of unused bits" {
			b[2], b[3] = 1, 1
		}
		if err := Check(b); err == nil {
			t.Errorf("%s: % x passes", name, b)
		}
	}
	for _, text := range []string{"3000", "3003020101", "02020080", "0201ff", "0101ff", "030100", "030203f8", "a0020500", "1b00"} {
		b, _ := hex.DecodeString(text)
		if err := Check(b); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Fault 75: nesting costs no memory.
func TestDepth(t *testing.T) {
	nested := func(n int) []byte { // built from inside
		b := []byte{0x05, 0x00}
		for range n {
			switch l := len(b); {
			case l < 0x80:
				b = append([]byte{0x30, byte(l)}, b...)
			case l < 0x100:
				b = append([]byte{0x30, 0x81, byte(l)}, b...)
			case l < 0x10000:
				b = append([]byte{0x30, 0x82, byte(l >> 8), byte(l)}, b...)
			default:
				b = append([]byte{0x30, 0x83, byte(l >> 16), byte(l >> 8), byte(l)}, b...)
			}
		}
		return b
	}
	if err := Check(nested(maxDepth - 1)); err != nil {
		t.Errorf("nesting that is allowed: %v", err)
	}
	for _, n := range []int{maxDepth, 1000, 20000} {
		b := nested(n)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := Check(b)
		_, err2 := ParseKDCReq(b)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, errDepth) || code(err2) != ErrGeneric {
			t.Errorf("%d deep: %v, %v", n, err, err2)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 64<<10 {
			t.Errorf("%d deep: %d bytes", n, used)
		}
	}
}

// Fault 72, as far as one frame goes.
func TestFrames(t *testing.T) {
	var wire bytes.Buffer
	big := bytes.Repeat([]byte{1}, MaxMessage)
	for _, b := range [][]byte{[]byte("x"), big} {
		if err := WriteFrame(&wire, b); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range [][]byte{[]byte("x"), big} {
		if got, err := ReadFrame(&wire); err != nil || !bytes.Equal(got, want) {
			t.Fatal(err)
		}
	}
	if _, err := ReadFrame(&wire); err != io.EOF {
		t.Error(err)
	}
	for _, head := range []string{"00000000", "80000001", "ffffffff", "00020001"} {
		b, _ := hex.DecodeString(head)
		if _, err := ReadFrame(bytes.NewReader(append(b, 1, 2, 3))); code(err) != ErrFieldTooLong {
			t.Errorf("%s: %v", head, err)
		}
	}
	if _, err := ReadFrame(bytes.NewReader([]byte{0, 0, 0, 9, 1})); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	for _, b := range [][]byte{nil, make([]byte, MaxMessage+1)} {
		if err := WriteFrame(io.Discard, b); err == nil {
			t.Errorf("%d bytes are framed", len(b))
		}
	}
}
