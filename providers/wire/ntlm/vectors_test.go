package ntlm

import (
	"bytes"
	"encoding/hex"
	"testing"
	"time"
)

// MS-NLMP 4.2.1: what the examples share.
const (
	exampleUser     = "User"
	exampleDomain   = "Domain"
	examplePassword = "Password"
)

var exampleChallenge = [8]byte{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// exampleBlob is the temp of 4.2.4.1.3: time 0, a client challenge of aa, the
// names Domain and Server.
func exampleBlob(t testing.TB) []byte {
	blob := unhex(t, "0101000000000000"+"0000000000000000"+"aaaaaaaaaaaaaaaa"+"00000000")
	pairs := encodePairs([]pair{{avNetBIOSDomain, utf16le("Domain")}, {avNetBIOSComputer, utf16le("Server")}})
	return append(append(blob, pairs...), 0, 0, 0, 0)
}

// MS-NLMP 4.2.4: NTLM version 2.
func TestExampleOfVersion2(t *testing.T) {
	hash, err := NTHash(examplePassword)
	if err != nil {
		t.Fatal(err)
	}
	if want := unhex(t, "a4f49c406510bdcab6824ee7c30fd852"); !bytes.Equal(hash, want) { // 4.2.2.1.2
		t.Errorf("NTOWFv1 %x", hash)
	}
	if owf := mac(hash, utf16le("USERDomain")); !bytes.Equal(owf, unhex(t, "0c868a403bfd7a93a3001ef22ef02e3f")) { // 4.2.4.1.1
		t.Errorf("NTOWFv2 %x", owf)
	}
	proof, key := prove(hash, exampleUser, exampleDomain, exampleChallenge, exampleBlob(t))
	if !bytes.Equal(proof, unhex(t, "68cd0ab851e51c96aabc927bebef6a1c")) { // 4.2.4.2.2
		t.Errorf("proof %x", proof)
	}
	if !bytes.Equal(key, unhex(t, "8de40ccadbc14a82f15cb0ad0de95ca3")) { // 4.2.4.1.2
		t.Errorf("session base key %x", key)
	}
	// 4.2.4.2.3: the random session key, encrypted with it.
	a := Answer{parsed: &Authenticate{Flags: KeyExchange, Key: unhex(t, "c5dad2544fc9799094ce1ce90bc9d03e")}, exchange: &Exchange{flags: KeyExchange}, response: &response{}}
	exported, err := a.Keys(key)
	if err != nil || !bytes.Equal(exported, bytes.Repeat([]byte{0x55}, 16)) {
		t.Errorf("exported session key %x, %v", exported, err)
	}
	// The example's time is that of 1601, which is long ago.
	epoch := time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC)
	raw := append(bytes.Clone(proof), exampleBlob(t)...)
	for _, c := range []struct {
		name string
		now  time.Time
		want error
	}{
		{"then", epoch, nil},
		{"within the lifetime", epoch.Add(MaxLifetime), nil},
		{"later", epoch.Add(MaxLifetime + time.Second), ErrTime},
	} {
		if got, err := Verify(hash, exampleUser, exampleDomain, exampleChallenge, raw, c.now); err != c.want || err == nil && !bytes.Equal(got, key) {
			t.Errorf("%s: %x, %v", c.name, got, err)
		}
	}
}

// MS-NLMP 4.2.4.3: the challenge and the answer of the example.
const (
	exampleChallengeMessage = "4e544c4d53535000020000000c000c003800000033828ae20123456789abcdef" +
		"00000000000000002400240044000000" + "060070170000000f" + "530065007200760065007200" +
		"02000c0044006f006d00610069006e00" + "01000c00530065007200760065007200" + "00000000"
	exampleAnswerHeader = "4e544c4d5353500003000000180018006c00000054005400840000000c000c0048000000" +
		"0800080054000000100010005c00000010001000d8000000358288e2" + "0501280a0000000f" +
		"44006f006d00610069006e00" + "5500730065007200" + "43004f004d0050005500540045005200" +
		"86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa"
)

func TestExampleMessages(t *testing.T) {
	c, err := ParseChallenge(unhex(t, exampleChallengeMessage))
	if err != nil {
		t.Fatal(err)
	}
	if c.Target != "Server" || c.Nonce != exampleChallenge || c.Flags != 0xe28a8233 {
		t.Errorf("challenge %+v", c)
	}
	if pairs, err := parsePairs(c.Info); err != nil || len(pairs) != 2 || string(pairs[0].value) != string(utf16le("Domain")) {
		t.Errorf("target information %v, %v", pairs, err)
	}
	hash, _ := NTHash(examplePassword)
	proof, _ := prove(hash, exampleUser, exampleDomain, exampleChallenge, exampleBlob(t))
	message := append(unhex(t, exampleAnswerHeader), proof...)
	message = append(append(message, exampleBlob(t)...), unhex(t, "c5dad2544fc9799094ce1ce90bc9d03e")...)
	a, err := ParseAuthenticate(message)
	if err != nil {
		t.Fatal(err)
	}
	if a.User != exampleUser || a.Domain != exampleDomain || a.Workstation != "COMPUTER" || a.payload != 72 {
		t.Errorf("answer %+v", a)
	}
	if key, err := Verify(hash, a.User, a.Domain, exampleChallenge, a.NT, time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC)); err != nil || !bytes.Equal(key, unhex(t, "8de40ccadbc14a82f15cb0ad0de95ca3")) {
		t.Errorf("%x, %v", key, err)
	}
	// What we write of it is what we read.
	if again, err := ParseAuthenticate(a.Encode()); err != nil || again.User != a.User || !bytes.Equal(again.NT, a.NT) || !bytes.Equal(again.Key, a.Key) {
		t.Errorf("written again %+v, %v", again, err)
	}
}
