package drs

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"math/big"
	"testing"
	"time"

	"hellolab/providers/wire/sid"
)

func TestClientIdentity(t *testing.T) {
	own := key(t)
	computer, err := sid.Parse("S-1-5-21-1-2-3-1104")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 2, 9, 0, 5, 7, time.FixedZone("", 3600))
	c, err := SignIdentity(rand.Reader, own, computer, at)
	if err != nil {
		t.Fatal(err)
	}
	if c.Type != "sha256signed" || c.Sid != "S-1-5-21-1-2-3-1104.2026-03-02 08:00:05Z" || len(c.SignedBlob) != 256 {
		t.Errorf("%+v", c)
	}
	id, when, err := c.Parse()
	if err != nil || id != computer || !when.Equal(at.Truncate(time.Second)) {
		t.Errorf("%s at %s, %v", id, when, err)
	}
	if err := c.Verify(&own.PublicKey); err != nil {
		t.Error(err)
	}
	// The work of a huge key is not begun: its owner alone put it into the directory.
	huge := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 1<<18, 1), E: 1<<31 - 1}
	if err := (ClientIdentity{Sid: c.Sid, SignedBlob: make([]byte, huge.Size())}).Verify(huge); !errors.Is(err, ErrIdentity) || errors.Is(err, rsa.ErrVerification) {
		t.Errorf("a huge key: %v", err)
	}
	for name, change := range map[string]func(*ClientIdentity){
		"another computer": func(c *ClientIdentity) { c.Sid = "S-1-5-21-1-2-3-1105" + c.Sid[19:] },
		"another time":     func(c *ClientIdentity) { c.Sid = c.Sid[:len(c.Sid)-2] + "6Z" },
		"another blob":     func(c *ClientIdentity) { c.SignedBlob[9] ^= 1 },
		"no blob":          func(c *ClientIdentity) { c.SignedBlob = nil },
	} {
		bad := c
		bad.SignedBlob = append([]byte{}, c.SignedBlob...)
		change(&bad)
		if err := bad.Verify(&own.PublicKey); !errors.Is(err, ErrIdentity) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, text := range []string{"", ".", "S-1-5-21-1-2-3-1104", "S-1-5-21-1-2-3-1104.", "S-1-5-21-1-2-3-1104.2026-03-02T09:00:00Z", "S-1-5-21-1-2-3-1104.2026-03-02 09:00:00",
		"x.2026-03-02 09:00:00Z", "S-1-5-21-1-2-3-1104.2026-13-02 09:00:00Z"} {
		if _, _, err := (ClientIdentity{Type: IdentitySigned, Sid: text}).Parse(); !errors.Is(err, ErrIdentity) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, _, err := (ClientIdentity{Type: "none", Sid: c.Sid}).Parse(); !errors.Is(err, ErrIdentity) {
		t.Errorf("another type: %v", err)
	}
}

// The members are those that public clients send (ROADtools, deviceauth.py).
func TestHybridRequestNames(t *testing.T) {
	raw, err := json.Marshal(HybridRequest{ServerAdJoinData: ServerAdJoinData{SourceDomainController: "dc"}, JoinType: JoinHybrid})
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	data := m["ServerAdJoinData"].(map[string]any)
	for _, name := range []string{"TransportKey", "TargetDomain", "DeviceType", "OSVersion", "DeviceDisplayName", "SourceDomainController", "TargetDomainId", "ClientIdentity"} {
		if _, ok := data[name]; !ok {
			t.Errorf("no %s", name)
		}
	}
	if m["JoinType"] != float64(6) || m["CertificateRequest"] == nil {
		t.Errorf("%v", m)
	}
}
