package pac

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/providers/wire/filetime"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/sid"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// key makes a key of ever the same bytes.
func key(etype int32, fill byte) krb.Key {
	return krb.Key{EType: etype, Value: bytes.Repeat([]byte{fill}, krb.KeySize(etype))}
}

var (
	authTime = time.Date(2026, 11, 21, 8, 30, 0, 0, time.UTC)
	domain   = sid.New(5, 21, 1004336348, 1177238915, 682003330)
)

// alice is a PAC with everything a ticket-granting ticket may have.
func alice() *PAC {
	l := NewLogonInfo()
	l.LogonTime = filetime.From(authTime)
	l.PasswordLastSet = filetime.From(authTime.AddDate(0, -1, 0))
	l.EffectiveName, l.FullName = "alice", "Alice Ångström 🔑"
	l.LogonCount, l.UserID, l.PrimaryGroupID = 7, 1104, sid.RIDDomainUsers
	l.Groups = []Group{{sid.RIDDomainUsers, GroupAttributes}, {1201, GroupAttributes}, {1202, GroupAttributes}}
	l.UserFlags = LogonExtraSIDs | LogonResourceGroups
	l.LogonServer, l.LogonDomainName, l.LogonDomainID = "DC1", "CORP", domain
	l.UserAccountControl = AccountControl(0x200)
	l.ExtraSIDs = []SIDAndAttributes{{sid.AuthorityAsserted, GroupAttributes}, {sid.KeyTrust, GroupAttributes}}
	l.ResourceDomain = sid.New(5, 21, 9, 8, 7)
	l.ResourceGroups = []Group{{1300, GroupAttributes | ResourceGroup}}
	return &PAC{
		LogonInfo:  l,
		ClientInfo: &ClientInfo{filetime.From(authTime), "alice"},
		UPNDNSInfo: &UPNDNSInfo{UPN: "alice@corp.example", DNSDomain: "CORP.EXAMPLE", Flags: UPNExtended, SAMAccountName: "alice", SID: domain.Account(1104)},
		Attributes: &Attributes{PACRequested},
		Requestor:  domain.Account(1104),
		Others:     []Buffer{{TypeClientClaims, []byte{}}, {4711, []byte("kept")}},
	}
}

func sign(t testing.TB, p *PAC, s Signing) []byte {
	t.Helper()
	b, err := p.Sign(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parse(t testing.TB, b []byte) *PAC {
	t.Helper()
	p, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

type recorded struct {
	PAC       string
	ServerKey struct {
		EType int32
		Hex   string
	} `json:"server_key"`
	KDCKey struct {
		EType int32
		Hex   string
	} `json:"kdc_key"`
	AuthTime int64
	Client   string
}

func TestRecorded(t *testing.T) {
	data, err := os.ReadFile("../../../../shared/vectors/pac_w2003_rc4.json")
	if err != nil {
		t.Skipf("vectors are not here: %v", err)
	}
	var v recorded
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	raw := unhex(t, v.PAC)
	server := krb.Key{EType: v.ServerKey.EType, Value: unhex(t, v.ServerKey.Hex)}
	kdc := krb.Key{EType: v.KDCKey.EType, Value: unhex(t, v.KDCKey.Hex)}
	client, _, _ := strings.Cut(v.Client, "@")

	p := parse(t, raw)
	ticket := Ticket{Client: client, AuthTime: time.Unix(v.AuthTime, 0), Server: server}
	if err := p.Verify(ticket); err != nil {
		t.Error(err)
	}
	if err := p.VerifyKDC(kdc); err != nil {
		t.Error(err)
	}
	l := p.LogonInfo
	if l.EffectiveName != "W2003FINAL$" || l.LogonServer != "W2003FINAL" || l.LogonDomainName != "WIN2K3THINK" || l.UserID != 1005 ||
		l.PrimaryGroupID != sid.RIDDomainControllers || l.LogonDomainID.String() != "S-1-5-21-3048156945-3961193616-3706469200" ||
		!slices.Equal(l.Groups, []Group{{516, 7}}) || l.LogoffTime != filetime.Never || l.UserAccountControl != AccountControl(532480) || l.LogonCount != 101 ||
		len(l.ExtraSIDs) != 1 || l.ExtraSIDs[0].SID.String() != "S-1-5-9" {
		t.Errorf("read as %+v", l)
	}
	// Signing again gives the very bytes.
	if again := sign(t, p, Signing{Server: server, KDC: kdc}); !bytes.Equal(again, raw) {
		t.Errorf("became\n%x, want\n%x", again, raw)
	}
	// The recorded one has no signatures that came later.
	ticket.KDC = kdc
	if err := p.Verify(ticket); !errors.Is(err, ErrMissing) {
		t.Errorf("without a ticket signature: %v", err)
	}
}

func TestRoundTrip(t *testing.T) {
	for _, etype := range []int32{krb.AES128, krb.AES256, krb.RC4} {
		for _, rodc := range []uint16{0, 4711} {
			s := Signing{Server: key(etype, 1), KDC: key(krb.AES256, 2), RODC: rodc, TicketPart: []byte("ticket")}
			raw := sign(t, alice(), s)
			if again := sign(t, alice(), s); !bytes.Equal(raw, again) {
				t.Error("one PAC, two encodings")
			}
			p := parse(t, raw)
			want := alice()
			if !reflect.DeepEqual(p.LogonInfo, want.LogonInfo) || !reflect.DeepEqual(p.UPNDNSInfo, want.UPNDNSInfo) || *p.ClientInfo != *want.ClientInfo ||
				*p.Attributes != *want.Attributes || p.Requestor != want.Requestor || !reflect.DeepEqual(p.Others, want.Others) {
				t.Errorf("read as %+v", p)
			}
			if p.RODC() != rodc {
				t.Errorf("read-only DC %d, want %d", p.RODC(), rodc)
			}
			ticket := Ticket{Client: "alice", AuthTime: authTime, Server: s.Server, KDC: s.KDC, RODC: rodc, TicketPart: s.TicketPart}
			if err := p.Verify(ticket); err != nil {
				t.Errorf("etype %d: %v", etype, err)
			}
			ticket.RODC++
			if err := p.Verify(ticket); !errors.Is(err, ErrRODC) {
				t.Errorf("another read-only DC: %v", err)
			}
			if again := sign(t, p, s); !bytes.Equal(raw, again) {
				t.Error("what was read is written otherwise")
			}
		}
	}
}

func TestSIDs(t *testing.T) {
	var got []string
	for _, s := range alice().LogonInfo.SIDs() {
		got = append(got, s.String())
	}
	d := domain.String()
	want := []string{d + "-1104", d + "-513", d + "-1201", d + "-1202", "S-1-18-1", "S-1-18-4", "S-1-5-21-9-8-7-1300"}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if s := (&LogonInfo{Groups: []Group{{1, 7}}}).SIDs(); len(s) != 0 {
		t.Errorf("without a domain: %v", s)
	}
}

func TestAccountControl(t *testing.T) {
	for ldap, sam := range map[uint32]uint32{0x200: 0x10, 0x202: 0x11, 0x1000: 0x80, 532480: 0x2100, 0x40200: 0x1010, 83890176: 0x140080} {
		if got := AccountControl(ldap); got != sam {
			t.Errorf("%#x became %#x, want %#x", ldap, got, sam)
		}
	}
}

func TestBounds(t *testing.T) {
	long := alice()
	long.LogonInfo.FullName = strings.Repeat("x", 40000)
	many := alice()
	for range 20000 {
		many.LogonInfo.Groups = append(many.LogonInfo.Groups, Group{1, 7})
	}
	name := alice()
	name.ClientInfo.Name = strings.Repeat("x", 33000)
	upn := alice()
	upn.UPNDNSInfo.UPN = strings.Repeat("x", 32760)
	for what, p := range map[string]*PAC{"long name": long, "many groups": many, "long client": name, "long UPN": upn} {
		if _, err := p.Sign(Signing{Server: key(krb.AES256, 1), KDC: key(krb.AES256, 2)}); !errors.Is(err, ErrSize) {
			t.Errorf("%s: %v", what, err)
		}
	}
	twice := alice()
	twice.Others = append(twice.Others, Buffer{TypeLogonInfo, nil})
	if _, err := twice.Sign(Signing{Server: key(krb.AES256, 1), KDC: key(krb.AES256, 2)}); err == nil {
		t.Error("a second LOGON_INFO was written")
	}
	if _, err := alice().Sign(Signing{Server: krb.Key{EType: 3, Value: make([]byte, 8)}, KDC: key(krb.AES256, 2)}); !errors.Is(err, ErrAlgorithm) {
		t.Errorf("DES: %v", err)
	}
	if _, err := Parse(make([]byte, maxSize+1)); !errors.Is(err, ErrSize) {
		t.Errorf("too big: %v", err)
	}
}
