package gss

import (
	"testing"

	"github.com/jcmturner/gokrb5/v8/gssapi"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/spnego"
	"github.com/jcmturner/gokrb5/v8/types"
)

// gokrb5's tokens of messages, signed only, in both directions; it knows no
// acceptor's subkey.
func TestGokrb5(t *testing.T) {
	i, a := pair(t, all&^Mutual)
	key := types.EncryptionKey{KeyType: i.key.EType, KeyValue: i.key.Value}
	message := []byte("a message")

	token, err := i.Wrap(message, false)
	if err != nil {
		t.Fatal(err)
	}
	var w gssapi.WrapToken
	if err := w.Unmarshal(token, false); err != nil {
		t.Fatal(err)
	}
	if ok, err := w.Verify(key, keyusage.GSSAPI_INITIATOR_SEAL); !ok || err != nil || string(w.Payload) != "a message" {
		t.Errorf("gokrb5 reads %q, %v, %v", w.Payload, ok, err)
	}
	if token, err = a.Wrap(message, false); err != nil {
		t.Fatal(err)
	}
	if err := w.Unmarshal(token, true); err != nil {
		t.Fatal(err)
	}
	if ok, err := w.Verify(key, keyusage.GSSAPI_ACCEPTOR_SEAL); !ok || err != nil {
		t.Errorf("gokrb5 reads %q, %v, %v", w.Payload, ok, err)
	}

	theirs := gssapi.WrapToken{EC: sumSize, SndSeqNum: i.next - 1, Payload: message}
	if err := theirs.SetCheckSum(key, keyusage.GSSAPI_INITIATOR_SEAL); err != nil {
		t.Fatal(err)
	}
	if token, err = theirs.Marshal(); err != nil {
		t.Fatal(err)
	}
	if got, sealed, err := a.Unwrap(token); err != nil || sealed || string(got) != "a message" {
		t.Errorf("gokrb5 wrote %q, sealed %v, %v", got, sealed, err)
	}
	mic := gssapi.MICToken{SndSeqNum: i.next, Payload: message}
	if err := mic.SetChecksum(key, keyusage.GSSAPI_INITIATOR_SIGN); err != nil {
		t.Fatal(err)
	}
	if token, err = mic.Marshal(); err != nil {
		t.Fatal(err)
	}
	if err := a.VerifyMIC(message, token); err != nil {
		t.Errorf("gokrb5's MIC: %v", err)
	}
}

// gokrb5 reads our first tokens.
func TestGokrb5ReadsTokens(t *testing.T) {
	l := newLab(t, 18)
	var bare spnego.KRB5Token
	if err := bare.Unmarshal(first(t, NewInitiator(l.initiator(all)))); err != nil || !bare.IsAPReq() || bare.APReq.Ticket.Realm != realm {
		t.Errorf("%+v, %v", bare.APReq, err)
	}
	var s spnego.SPNEGOToken
	if err := s.Unmarshal(first(t, NewNegotiator(l.initiator(all)))); err != nil || !s.Init || len(s.NegTokenInit.MechTypes) != 1 || len(s.NegTokenInit.MechTokenBytes) == 0 {
		t.Errorf("%+v, %v", s, err)
	}
}
