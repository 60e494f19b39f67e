package pac

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	gokrb5 "github.com/jcmturner/gokrb5/v8/pac"
	"github.com/jcmturner/gokrb5/v8/types"

	"hellolab/providers/wire/krb"
)

// gokrb5's own reader, of which we share no code, reads what we write.
func TestGokrb5Reads(t *testing.T) {
	for _, etype := range []int32{krb.AES128, krb.AES256} {
		server := key(etype, 1)
		raw := sign(t, alice(), Signing{Server: server, KDC: key(krb.AES256, 2), TicketPart: []byte("ticket")})
		var p gokrb5.PACType
		if err := p.Unmarshal(raw); err != nil {
			t.Fatal(err)
		}
		if err := p.ProcessPACInfoBuffers(types.EncryptionKey{KeyType: etype, KeyValue: server.Value}, nil); err != nil {
			t.Fatal(err)
		}
		got := p.KerbValidationInfo.GetGroupMembershipSIDs()
		var want []string
		for _, s := range alice().LogonInfo.SIDs()[1:] {
			want = append(want, s.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("groups %v, want %v", got, want)
		}
		l := p.KerbValidationInfo
		if l.EffectiveName.Value != "alice" || l.LogonServer.Value != "DC1" || l.LogonDomainName.Value != "CORP" || l.UserID != 1104 ||
			!l.LogOnTime.Time().Equal(authTime) || l.LogonDomainID.String() != domain.String() {
			t.Errorf("read as %+v", l)
		}
		if p.ClientInfo.Name != "alice" || !p.ClientInfo.ClientID.Time().Equal(authTime) || p.UPNDNSInfo.UPN != "alice@corp.example" || p.UPNDNSInfo.DNSDomain != "CORP.EXAMPLE" {
			t.Errorf("read as %+v, %+v", p.ClientInfo, p.UPNDNSInfo)
		}
	}
}

// credentialData is PAC_CREDENTIAL_DATA with an NT hash of 16 times 0x42, as
// Samba 4.17's NDR writer makes it.
const credentialData = "01100800cccccccc60000000000000000000020001000000" +
	"01000000080008000400020028000000080002000400000000000000040000004e0054004c004d00" +
	"28000000000000000200000000000000000000000000000000000000" + "42424242424242424242424242424242" + "00000000"

func TestCredentials(t *testing.T) {
	reply := key(krb.AES256, 5)
	hash := bytes.Repeat([]byte{0x42}, 16)
	ntlm, err := NTLM(hash)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := SealCredentials(reply, []SupplementalCredential{ntlm})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := reply.Decrypt(keyusage.KERB_NON_KERB_SALT, sealed.Cipher)
	if err != nil || !bytes.Equal(plain, unhex(t, credentialData)) {
		t.Errorf("wrote %x, %v", plain, err)
	}

	p := alice()
	p.Credentials = sealed
	k := key(krb.AES256, 3)
	list, err := parse(t, sign(t, p, Signing{Server: k, KDC: k})).Credentials.Open(reply)
	if err != nil || len(list) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	if got, err := list[0].NTHash(); err != nil || !bytes.Equal(got, hash) {
		t.Errorf("NT hash %x, %v", got, err)
	}

	if _, err := sealed.Open(key(krb.AES256, 6)); !errors.Is(err, krb.ErrDecrypt) {
		t.Errorf("another key: %v", err)
	}
	if _, err := sealed.Open(key(krb.AES128, 5)); err == nil {
		t.Error("opened with another type of key")
	}
	if _, err := NTLM(hash[:15]); err == nil {
		t.Error("an NT hash of 15 bytes")
	}
	for _, c := range []SupplementalCredential{{"Kerberos", ntlm.Data}, {"NTLM", ntlm.Data[:39]}, {"NTLM", make([]byte, 40)}} {
		if _, err := c.NTHash(); err == nil {
			t.Errorf("NT hash of %+v", c)
		}
	}
	for at, v := range map[int]uint32{20: 2, 24: 0xFF, 28: 0x00080007, 32: 0, 36: 41, 40: 0, 48: 1, 64: 7} {
		b := unhex(t, credentialData)
		binary.LittleEndian.PutUint32(b[at:], v)
		cipher, err := reply.Encrypt(krb.UsagePACCredential, b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (&Credentials{krb.AES256, cipher}).Open(reply); err == nil {
			t.Errorf("opened with %#x at %d", v, at)
		}
	}
}

// A ticket with its PAC, as a KDC makes it and checks it.
func TestInTicket(t *testing.T) {
	server, kdc := key(krb.AES128, 1), key(krb.AES256, 2)
	bare, err := (krb.EncTicketPart{
		Key: key(krb.AES256, 4), CRealm: "CORP.EXAMPLE", Client: krb.Principal("alice"), AuthTime: authTime, EndTime: authTime.Add(time.Hour),
	}).WithPAC(Placeholder())
	if err != nil {
		t.Fatal(err)
	}
	signed, err := bare.Encode()
	if err != nil {
		t.Fatal(err)
	}
	full, err := bare.WithPAC(sign(t, alice(), Signing{Server: server, KDC: kdc, TicketPart: signed}))
	if err != nil {
		t.Fatal(err)
	}
	verify := func(part *krb.EncTicketPart) error {
		raw, ok := part.PAC()
		if !ok {
			t.Fatal("no PAC")
		}
		bare, err := part.WithPAC(Placeholder())
		if err != nil {
			t.Fatal(err)
		}
		signed, err := bare.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return parse(t, raw).Verify(Ticket{Client: part.Client.String(), AuthTime: part.AuthTime, Server: server, KDC: kdc, TicketPart: signed})
	}
	if err := verify(full); err != nil {
		t.Error(err)
	}
	// Fault 70: the ticket around a PAC is changed by who can decrypt it.
	later := *full
	later.EndTime = later.EndTime.Add(time.Hour)
	if err := verify(&later); !errors.Is(err, ErrTicketSignature) {
		t.Errorf("longer validity: %v", err)
	}
	other := *full
	other.Key = key(krb.AES256, 5)
	if err := verify(&other); !errors.Is(err, ErrTicketSignature) {
		t.Errorf("another session key: %v", err)
	}
}
