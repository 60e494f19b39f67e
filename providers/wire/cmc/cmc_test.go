package cmc_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"hellolab/providers/wire/cmc"
)

// What a Windows CA wrote (MS-WSTEP 4.1.1.2).
const recorded = "306d30673021020101" + "06082b06010505070701" + "31123010" + "020100" + "3003020101" + "0c06497373756564" +
	"3042020102" + "060a2b060104018237" + "0a0a01" + "3131302f" + "020100" + "3003020101" + "312530230609" + "2b060104018237151131160414" +
	"58acd78e7e61b11ad73b2c6b41badca9100faf8e" + "3000" + "3000"

func TestRecordedResponse(t *testing.T) {
	der, err := hex.DecodeString(recorded)
	if err != nil {
		t.Fatal(err)
	}
	r, err := cmc.ParseResponse(der)
	if err != nil || r.Status != cmc.Success || r.Text != "Issued" || hex.EncodeToString(r.CertHash) != "58acd78e7e61b11ad73b2c6b41badca9100faf8e" {
		t.Fatalf("%+v, %v", r, err)
	}
	again, err := r.Marshal()
	if err != nil || !bytes.Equal(again, der) {
		t.Errorf("written as %x, %v", again, err)
	}
}

var request = cmc.Request{CSR: []byte{0x30, 3, 2, 1, 0}, Pairs: map[string]string{cmc.RequesterName: `CORP\a&b=c é`, cmc.CertificateTemplate: "WHFBAuthentication"}}

func TestRequest(t *testing.T) {
	for _, want := range []cmc.Request{request, {CSR: request.CSR}} {
		der, err := want.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := cmc.ParseRequest(der); err != nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("%+v, %v", got, err)
		}
	}
	pending := cmc.Response{Status: cmc.Pending}
	der, err := pending.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := cmc.ParseResponse(der); err != nil || !reflect.DeepEqual(*got, pending) {
		t.Errorf("%+v, %v", got, err)
	}
}

// Faults 74 and 75: what is not DER of this form, and what is too much.
func TestRefused(t *testing.T) {
	good, err := request.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	twice := cmc.Request{CSR: append(bytes.Clone(request.CSR), request.CSR...)}
	two, err := twice.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	long := cmc.Request{CSR: request.CSR, Pairs: map[string]string{"x": strings.Repeat("y", 8<<10)}}
	longer, err := long.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	pairs := func(text string) []byte { // in the place of pairs of that length
		r := cmc.Request{CSR: request.CSR, Pairs: map[string]string{strings.Repeat("p", len(text)-2): "q"}}
		der, err := r.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Replace(der, []byte(strings.Repeat("p", len(text)-2)+"=q"), []byte(text), 1)
	}
	if got, err := cmc.ParseRequest(pairs("A=b&c=d&")); err != nil || !reflect.DeepEqual(got.Pairs, map[string]string{"a": "b", "c": "d"}) {
		t.Errorf("%+v, %v", got, err)
	}
	for name, der := range map[string][]byte{
		"empty": nil, "cut": good[:len(good)-1], "trailing": append(bytes.Clone(good), 0), "huge": make([]byte, 1<<20), "two requests": two, "long pairs": longer,
		"indefinite": {0x30, 0x80, 0, 0}, "deep": bytes.Repeat([]byte{0x30, 0x80}, 4000), "pair twice": pairs("name=b&Name=c"), "bad escape": pairs("name=%zz"), "no pair": pairs("name&x=y"),
		"no UTF-8": pairs("name=%ff"),
	} {
		if got, err := cmc.ParseRequest(der); !errors.Is(err, cmc.ErrSyntax) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if got, err := cmc.ParseResponse([]byte{0x30, 6, 0x30, 0, 0x30, 0, 0x30, 0}); !errors.Is(err, cmc.ErrSyntax) {
		t.Errorf("no status: %+v, %v", got, err)
	}
}

func FuzzParse(f *testing.F) {
	der, err := request.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	response, err := hex.DecodeString(recorded)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	f.Add(response)
	f.Fuzz(func(t *testing.T, der []byte) {
		if r, err := cmc.ParseRequest(der); err == nil {
			again, err := r.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			if got, err := cmc.ParseRequest(again); err != nil || len(got.Pairs) != len(r.Pairs) || !bytes.Equal(got.CSR, r.CSR) {
				t.Errorf("%+v became %+v, %v", r, got, err)
			}
		}
		if r, err := cmc.ParseResponse(der); err == nil {
			if _, err := r.Marshal(); err != nil {
				t.Error(err)
			}
		}
	})
}
