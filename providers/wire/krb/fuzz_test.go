package krb

import (
	"bytes"
	"testing"
	"time"
)

// A request that is read can be written again and is then read the same; its
// raw parts are of the message.
func FuzzKDCReq(f *testing.F) {
	for _, b := range recorded(f) {
		f.Add(b)
	}
	f.Add(asReq(f, nil))
	f.Add(asReq(f, func(r *KDCReq) { r.MsgType = MsgTGSReq; r.Body.Client = Name{} }))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseKDCReq(b)
		if err != nil {
			if AsError(err).Code == 0 {
				t.Fatal("no code")
			}
			return
		}
		if !bytes.Contains(b, r.RawBody) || len(r.Body.Client.Parts) > maxParts {
			t.Fatal("raw body")
		}
		for _, p := range r.PAData {
			_, _ = ParseEncryptedData(p.Value)
			_, _ = ParsePACRequest(p.Value)
			_, _ = ParsePACOptions(p.Value)
			_, _ = ParseKeyListReq(p.Value)
			_, _ = ParseAPReq(p.Value)
		}
		again := &KDCReq{MsgType: r.MsgType, PAData: r.PAData, Body: r.Body}
		out, err := again.Encode()
		if err != nil {
			return // years beyond 9999 and the like
		}
		if _, err := ParseKDCReq(out); err != nil {
			t.Fatalf("the second encoding is refused: %v", err)
		}
	})
}

func FuzzAPReq(f *testing.F) {
	service := Key{AES256, make([]byte, 32)}
	part := &EncTicketPart{Key: service, CRealm: realm, Client: Principal("alice"), AuthTime: noon, EndTime: noon.Add(time.Hour)}
	ticket, err := SealTicket(service, 1, realm, Service("ldap", "dc"), part)
	if err != nil {
		f.Fatal(err)
	}
	b, err := NewAPReq(0, ticket, service, UsageAPReqAuth, &Authenticator{CRealm: realm, Client: Principal("alice"), Time: noon})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:len(b)-30])
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseAPReq(b)
		if err != nil {
			return
		}
		_, auth, err := r.Accept(Acceptor{Key: func(*Ticket) (Key, error) { return service, nil }, Usage: UsageAPReqAuth, Now: noon, Skew: Skew})
		if err == nil && !auth.Client.Equal(Principal("alice")) {
			t.Fatalf("a forged authenticator of %v", auth.Client)
		}
	})
}

// What decrypts to anything at all must not hurt, either.
func FuzzInside(f *testing.F) {
	part := &EncTicketPart{Key: Key{AES256, make([]byte, 32)}, CRealm: realm, Client: Principal("alice"), AuthTime: noon, EndTime: noon}
	with, err := part.WithPAC([]byte("pac"))
	if err != nil {
		f.Fatal(err)
	}
	b, err := with.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	rep := EncKDCRepPart{Key: part.Key, LastReqs: []LastReq{{0, noon}}, AuthTime: noon, EndTime: noon, Realm: realm, Server: TGS(realm)}
	for _, msg := range []int{MsgASRep, MsgTGSRep} {
		if b, err = rep.Encode(msg); err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	k := Key{AES256, make([]byte, 32)}
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := ParseEncTicketPart(b); err == nil {
			_, _ = p.PAC()
			_ = p.Valid(noon, Skew)
			if _, err := p.WithPAC([]byte{0}); err != nil {
				t.Fatal(err)
			}
		}
		_, _ = ParseEncKDCRepPart(b)
		_, _ = ParseError(b)
		_, _ = ParseKDCRep(b)
		_, _ = ParseAPRep(b, k, noon)
		_, _ = ParsePriv(b, k)
		_, _ = ParseChangePasswdData(b)
		_, _ = ParsePasswordMessage(b)
		_, _ = ParseMethodData(b)
		_, _ = ParseTypedData(b)
		_, _ = ParseETypeInfo2(b)
		_, _ = k.Decrypt(1, b)
		for _, tag := range []int{tagAuthenticator, tagEncAPRepPart, tagEncKrbPrivPart} {
			_ = unmarshal(b, &authenticator{}, tag)
			_ = unmarshal(b, &encAPRepPart{}, tag)
			_ = unmarshal(b, &encKrbPrivPart{}, tag)
		}
	})
}

func FuzzCCache(f *testing.F) {
	f.Add(cache(f).Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseCCache(b)
		if err != nil {
			return
		}
		if _, err := ParseCCache(c.Encode()); err != nil {
			t.Fatal(err)
		}
	})
}
