package krb

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// recorded are the messages that MIT's and Heimdal's clients and a KDC exchanged.
func recorded(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("../../../../shared/vectors/pkinit/*/*-app*.der")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, f := range files {
		if out[filepath.Base(f)], err = os.ReadFile(f); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestRecordedMessages(t *testing.T) {
	messages := recorded(t)
	if len(messages) == 0 {
		t.Skip("vectors are not here")
	}
	kinds := map[string]int{}
	for name, b := range messages {
		t.Run(name, func(t *testing.T) {
			if err := Check(b); err != nil {
				t.Fatal(err)
			}
			kind := strings.TrimSuffix(name[strings.Index(name, "app"):], ".der")
			kinds[kind]++
			switch kind {
			case "app10":
				r, err := ParseKDCReq(b)
				if err != nil {
					t.Fatal(err)
				}
				if r.MsgType != MsgASReq || r.Body.Client.String() != "alice" || r.Body.Realm != "CORP.EXAMPLE" || r.Body.ETypes[0] != AES256 || r.Body.Nonce == 0 || r.Body.Till.IsZero() {
					t.Errorf("%+v", r.Body)
				}
				if realm, ok := r.Body.Server.IsTGS(); !ok || realm != "CORP.EXAMPLE" {
					t.Errorf("server %v", r.Body.Server)
				}
				if !bytes.Contains(b, r.RawBody) || len(r.RawBody) < 50 {
					t.Error("the raw body is not a part of the message")
				}
				again := &KDCReq{MsgType: r.MsgType, PAData: r.PAData, Body: r.Body}
				if out, err := again.Encode(); err != nil || !bytes.Equal(out, b) || !bytes.Equal(again.RawBody, r.RawBody) {
					t.Errorf("a second encoding differs: %v\n%x\n%x", err, out, b)
				}
			case "app11":
				r, err := ParseKDCRep(b)
				if err != nil {
					t.Fatal(err)
				}
				if r.CRealm != "CORP.EXAMPLE" || r.Client.String() != "alice" || r.EncPart.EType != AES256 {
					t.Errorf("%+v", r)
				}
				if _, ok := FindPA(r.PAData, PAPKASRep); !ok {
					t.Error("no PA-PK-AS-REP")
				}
				if out, err := r.Encode(); err != nil || !bytes.Equal(out, b) {
					t.Errorf("a second encoding differs: %v", err)
				}
			case "app30":
				e, err := ParseError(b)
				if err != nil {
					t.Fatal(err)
				}
				if e.Code != ErrPreauthRequired {
					t.Fatal(e)
				}
				list, err := ParseMethodData(e.Data)
				if err != nil {
					t.Fatal(err)
				}
				if _, ok := FindPA(list, PAPKASReq); !ok {
					t.Errorf("%+v", list)
				}
				if _, err := ParseKDCRep(b); AsError(err).Code != ErrPreauthRequired {
					t.Errorf("as a reply: %v", err)
				}
			}
		})
	}
	if kinds["app10"] != 8 || kinds["app11"] != 5 || kinds["app30"] != 3 {
		t.Errorf("recorded messages: %v", kinds)
	}
}
