package locate

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"hellolab/providers/wire/netlogon"
)

func TestName(t *testing.T) {
	for _, c := range []struct {
		q    Query
		site string
		want string
	}{
		{Query{Domain: "corp.example"}, "", "_ldap._tcp.dc._msdcs.corp.example"},
		{Query{Domain: "corp.example", Want: netlogon.FlagKeyList}, "Berlin", "_ldap._tcp.Berlin._sites.dc._msdcs.corp.example"},
		{Query{Domain: "emea.corp.example", Forest: "corp.example", Want: netlogon.FlagGC}, "", "_ldap._tcp.gc._msdcs.corp.example"},
		{Query{Domain: "corp.example", Want: netlogon.FlagGC}, "Berlin", "_ldap._tcp.Berlin._sites.gc._msdcs.corp.example"},
		{Query{Domain: "corp.example", Want: netlogon.FlagPDC | netlogon.FlagWritable}, "Berlin", "_ldap._tcp.pdc._msdcs.corp.example"},
	} {
		if got := Name(c.q, c.site); got != c.want {
			t.Errorf("%+v in %q: %s, want %s", c.q, c.site, got, c.want)
		}
	}
}

func answer(host string, flags netlogon.Flags) Controller {
	return Controller{Host: host, Ping: netlogon.Response{Opcode: netlogon.OpResponse, Flags: flags, Domain: "corp.example"}}
}

func TestChoose(t *testing.T) {
	near, write, keys := netlogon.FlagClosest, netlogon.FlagWritable, netlogon.FlagKeyList
	unknown := answer("unknown", near|write)
	unknown.Ping.Opcode = netlogon.OpUserUnknown
	other := answer("other", near|write|keys)
	other.Ping.Domain = "other.example"
	for name, c := range map[string]struct {
		q       Query
		answers []Controller
		want    string
	}{
		"none":               {Query{}, nil, ""},
		"the first":          {Query{}, []Controller{answer("a", 0), answer("b", write)}, "a"},
		"the closest":        {Query{}, []Controller{answer("a", write), answer("b", near), answer("c", near)}, "b"},
		"the writable":       {Query{Want: write}, []Controller{answer("a", near), answer("b", write)}, "b"},
		"closest, writable":  {Query{Want: write}, []Controller{answer("a", near), answer("b", write), answer("c", near|write)}, "c"},
		"key list":           {Query{Want: write | keys}, []Controller{answer("a", near|write), answer("b", keys), answer("c", write|keys)}, "c"},
		"nobody":             {Query{Want: keys}, []Controller{answer("a", near|write)}, ""},
		"who knows the user": {Query{User: "alice"}, []Controller{unknown, answer("b", 0)}, "b"},
		"without a user":     {Query{}, []Controller{unknown, answer("b", 0)}, "unknown"},
		"of the domain":      {Query{}, []Controller{other, answer("b", 0)}, "b"},
	} {
		c.q.Domain = "CORP.example."
		best, ok := Choose(c.q, c.answers)
		if best.Host != c.want || ok != (c.want != "") {
			t.Errorf("%s: %q, %v", name, best.Host, ok)
		}
	}
	why := Misfit(Query{Domain: "corp.example", Want: keys | write | netlogon.FlagDS8}, &netlogon.Response{Domain: "corp.example"})
	if why != "is not writable, answering key list requests, of flags 0x4000" {
		t.Errorf("%s", why)
	}
}

func TestOrder(t *testing.T) {
	records := []Record{{Host: "last", Priority: 20, Weight: 900}, {Host: "light", Priority: 10, Weight: 0}, {Host: "heavy", Priority: 10, Weight: 100}, {Host: "first", Priority: 0}}
	random := rand.NewChaCha8([32]byte{1})
	heavy := 0
	for range 1000 {
		got := Order(records, random)
		if len(got) != 4 || got[0].Host != "first" || got[3].Host != "last" {
			t.Fatalf("%v", got)
		}
		if got[1].Host == "heavy" {
			heavy++
		}
	}
	if heavy < 950 || heavy == 1000 {
		t.Errorf("the heavy one came first %d times of 1000", heavy)
	}
	got := Order(records, io.MultiReader(bytes.NewReader(nil)))
	if len(got) != 4 || got[1].Host != "light" || records[0].Host != "last" {
		t.Errorf("without randomness: %v, of %v", got, records)
	}
	if len(Order(nil, random)) != 0 {
		t.Error("no records have an order")
	}
}

func TestErrorsTellWhy(t *testing.T) {
	s := search{query: Query{Domain: "corp.example", Want: netlogon.FlagKeyList}, answers: []Controller{answer("dc1.corp.example", 0)}}
	_, err := s.result(t.Context())
	if !errors.Is(err, ErrNoneFits) || !strings.Contains(err.Error(), "dc1.corp.example is not answering key list requests") {
		t.Error(err)
	}
}
