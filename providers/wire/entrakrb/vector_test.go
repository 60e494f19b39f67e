package entrakrb

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/prt"
)

// The members that this package wrote once are read for good. They are the
// project's own: no exchange of the cloud with its keys is public.
func TestVectors(t *testing.T) {
	var v struct {
		SessionKey string `json:"session_key_hex"`
		Members    []struct {
			Name, Member string
			ClientKey    string `json:"client_key_hex"`
			TicketKey    string `json:"ticket_session_key_hex"`
			Realm        string
			Client       string
			KVNO         uint32 `json:"ticket_kvno"`
		}
	}
	data, err := os.ReadFile("testdata/members.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	key, err := hex.DecodeString(v.SessionKey)
	if err != nil || len(v.Members) != 2 {
		t.Fatal(err, len(v.Members))
	}
	for _, m := range v.Members {
		t.Run(m.Name, func(t *testing.T) {
			got, err := Open(m.Member, prt.Key(key))
			if err != nil {
				t.Fatal(err)
			}
			if h := hex.EncodeToString(got.Key.Value); h != m.ClientKey {
				t.Errorf("client key %s", h)
			}
			c, err := got.Credential()
			if err != nil {
				t.Fatal(err)
			}
			ticket, err := krb.ParseTicket(c.Ticket)
			if err != nil || ticket.EncPart.KeyVersion() != m.KVNO {
				t.Errorf("%v, %v", ticket, err)
			}
			if h := hex.EncodeToString(c.Key.Value); h != m.TicketKey || c.SRealm != m.Realm || plainName(c.Client) != m.Client {
				t.Errorf("%+v", c)
			}
			if !bytes.Contains(got.Reply, c.Ticket) {
				t.Error("the ticket is not the reply's")
			}
		})
	}
}
