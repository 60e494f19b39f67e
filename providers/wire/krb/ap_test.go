package krb

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

var noon = at("2026-11-21T12:00:00Z")

// session is a ticket that alice holds for a service.
func session(t testing.TB, etype int32) (service Key, ticket *Ticket, part *EncTicketPart) {
	t.Helper()
	service = key(t, etype)
	part = &EncTicketPart{
		Key: key(t, etype), CRealm: realm, Client: Principal("alice"), Transited: Transited{Contents: []byte{}}, AuthTime: noon.Add(-time.Hour), StartTime: noon.Add(-time.Minute), EndTime: noon.Add(time.Hour),
	}
	ticket, err := SealTicket(service, 1, realm, Service("ldap", "dc.corp.example"), part)
	if err != nil {
		t.Fatal(err)
	}
	return service, ticket, part
}

func TestAPExchange(t *testing.T) {
	for _, etype := range []int32{AES128, AES256, RC4} {
		service, ticket, part := session(t, etype)
		auth := &Authenticator{
			CRealm: realm, Client: Principal("alice"), Checksum: Checksum{0x8003, []byte("gss")}, Time: noon.Add(4711 * time.Microsecond),
			Subkey: key(t, etype), SeqNumber: 0xfffffff0,
		}
		b, err := NewAPReq(APMutualRequired, ticket, part.Key, UsageAPReqAuth, auth)
		if err != nil {
			t.Fatal(err)
		}
		req, err := ParseAPReq(b)
		if err != nil || req.Options != APMutualRequired {
			t.Fatalf("%+v, %v", req, err)
		}
		accept := Acceptor{Key: func(*Ticket) (Key, error) { return service, nil }, Usage: UsageAPReqAuth, Now: noon, Skew: Skew, Replay: NewReplayCache(10)}
		gotPart, gotAuth, err := req.Accept(accept)
		if err != nil || !reflect.DeepEqual(gotPart, part) || !reflect.DeepEqual(gotAuth, auth) {
			t.Fatalf("%v\n%+v\n%+v", err, gotPart, gotAuth)
		}
		if _, _, err := req.Accept(accept); code(err) != ErrRepeat { // fault 60
			t.Errorf("replay: %v", err)
		}

		rep, err := APRep{Time: auth.Time, Subkey: key(t, etype), SeqNumber: 77}.Encode(part.Key)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseAPRep(rep, part.Key, auth.Time); err != nil || got.SeqNumber != 77 || got.Subkey.IsZero() {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := ParseAPRep(rep, part.Key, auth.Time.Add(time.Microsecond)); code(err) != ErrMutualFailed {
			t.Errorf("answer to another: %v", err)
		}
		if _, err := ParseAPRep(rep, key(t, etype), auth.Time); code(err) != ErrBadIntegrity {
			t.Errorf("of another key: %v", err)
		}
	}
}

func TestAPReqRefusals(t *testing.T) {
	service, ticket, part := session(t, AES256)
	foreign, _, _ := session(t, AES256)
	good := Authenticator{CRealm: realm, Client: Principal("alice"), Time: noon}
	for name, tt := range map[string]struct {
		change func(*Authenticator)
		usage  uint32
		key    Key
		now    time.Time
		want   Code
	}{
		"good":                  {want: 0},
		"another's ticket":      {key: foreign, want: ErrBadIntegrity},
		"another usage":         {usage: UsageTGSReqAuth, want: ErrBadIntegrity},
		"another client":        {change: func(a *Authenticator) { a.Client = Principal("bob") }, want: ErrBadMatch},
		"another realm":         {change: func(a *Authenticator) { a.CRealm = "OTHER" }, want: ErrBadMatch},
		"its realm typed small": {change: func(a *Authenticator) { a.CRealm = strings.ToLower(realm) }, want: 0},
		"clock behind":          {change: func(a *Authenticator) { a.Time = noon.Add(-301 * time.Second) }, want: ErrSkew}, // fault 61
		"clock ahead":           {change: func(a *Authenticator) { a.Time = noon.Add(301 * time.Second) }, want: ErrSkew},
		"clock barely behind":   {change: func(a *Authenticator) { a.Time = noon.Add(-299 * time.Second) }, want: 0},
		"ticket expired":        {change: func(a *Authenticator) { a.Time = noon.Add(2 * time.Hour) }, now: noon.Add(2 * time.Hour), want: ErrTicketExpired},
		"ticket not yet valid":  {change: func(a *Authenticator) { a.Time = noon.Add(-2 * time.Hour) }, now: noon.Add(-2 * time.Hour), want: ErrTicketNotYetValid},
		"subkey of wrong size":  {change: func(a *Authenticator) { a.Subkey = Key{AES256, []byte("short")} }, want: ErrETypeNoSupport},
		"subkey of a weak type": {change: func(a *Authenticator) { a.Subkey = Key{3, make([]byte, 8)} }, want: ErrETypeNoSupport}, // fault 71
	} {
		t.Run(name, func(t *testing.T) {
			a := good
			if tt.change != nil {
				tt.change(&a)
			}
			if tt.usage == 0 {
				tt.usage = UsageAPReqAuth
			}
			if tt.key.IsZero() {
				tt.key = service
			}
			if tt.now.IsZero() {
				tt.now = noon
			}
			b, err := NewAPReq(0, ticket, part.Key, tt.usage, &a)
			if err != nil {
				t.Fatal(err)
			}
			req, err := ParseAPReq(b)
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = req.Accept(Acceptor{Key: func(*Ticket) (Key, error) { return tt.key, nil }, Usage: UsageAPReqAuth, Now: tt.now, Skew: Skew})
			if code(err) != tt.want {
				t.Errorf("got %v, want code %d", err, tt.want)
			}
		})
	}
}

func TestReplayCache(t *testing.T) {
	c := NewReplayCache(3)
	see := func(what string, now time.Time) (bool, error) { return c.Seen([]byte(what), now, noon.Add(Skew)) }
	for i := range 3 {
		if seen, err := see(fmt.Sprint(i), noon); seen || err != nil {
			t.Fatal(seen, err)
		}
	}
	if seen, err := see("1", noon.Add(Skew)); !seen || err != nil {
		t.Error("forgotten early")
	}
	if _, err := see("3", noon); code(err) != ErrServiceUnavailable {
		t.Errorf("full: %v", err)
	}
	c.Forget([]byte("0"), noon.Add(Skew))
	c.Forget([]byte("9"), noon.Add(Skew)) // never seen
	if seen, err := see("3", noon); seen || err != nil {
		t.Errorf("after one was taken back: %v", err)
	}
	if _, err := see("0", noon); code(err) != ErrServiceUnavailable {
		t.Errorf("full again: %v", err)
	}
	later := noon.Add(Skew + time.Minute)
	if seen, err := c.Seen([]byte("1"), later, later.Add(Skew)); seen || err != nil || c.n != 1 {
		t.Errorf("not forgotten: %v %v %d", seen, err, c.n)
	}
}

func TestPasswordMessages(t *testing.T) {
	k := key(t, AES256)
	data := ChangePasswdData{NewPassword: []byte("n3w"), Target: Principal("bob"), TargetRealm: realm}
	inner, err := data.Encode()
	if err != nil {
		t.Fatal(err)
	}
	priv := Priv{Data: inner, Time: noon.Add(time.Microsecond), SeqNumber: 9, Sender: Address(netip.MustParseAddr("::1"))}
	sealed, err := priv.Encode(k)
	if err != nil {
		t.Fatal(err)
	}
	b, err := (&PasswordMessage{PasswordSet, []byte("ap"), sealed}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	m, err := ParsePasswordMessage(b)
	if err != nil || m.Version != PasswordSet || string(m.AP) != "ap" {
		t.Fatalf("%+v, %v", m, err)
	}
	got, err := ParsePriv(m.Priv, k)
	if err != nil || !reflect.DeepEqual(*got, priv) {
		t.Fatalf("%+v, %v", got, err)
	}
	if c, err := ParseChangePasswdData(got.Data); err != nil || !reflect.DeepEqual(c, data) {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := ParsePriv(m.Priv, key(t, AES256)); code(err) != ErrBadIntegrity {
		t.Error(err)
	}
	for cut := range len(b) {
		if _, err := ParsePasswordMessage(b[:cut]); err == nil {
			t.Fatalf("cut at %d is read", cut)
		}
	}
	if c, text, err := ParsePasswordResult(PasswordResult(PasswordSoftError, "too short")); c != PasswordSoftError || text != "too short" || err != nil {
		t.Error(c, text, err)
	}
}
