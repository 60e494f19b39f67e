package attest

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"slices"
	"testing"

	"github.com/google/go-tpm/tpm2"
)

func TestParseCertified(t *testing.T) {
	b := newBench(t, nil)
	b.attest.ClockInfo = tpm2.TPMSClockInfo{Clock: 42, ResetCount: 3, RestartCount: 1, Safe: true}
	b.attest.FirmwareVersion = 7
	said := tpm2.Marshal(b.attest)
	c, err := ParseCertified(said)
	if err != nil {
		t.Fatal(err)
	}
	p, err := ParsePublic(b.public)
	if err != nil {
		t.Fatal(err)
	}
	if c.Clock != 42 || c.ResetCount != 3 || c.RestartCount != 1 || !c.Safe || c.Firmware != 7 || !bytes.Equal(c.ExtraData, ExtraData(b.nonce)) || !c.Names(p) {
		t.Errorf("read %+v", c)
	}
	other, err := ParsePublic(userArea(&b.aik.PublicKey, nil))
	if err != nil {
		t.Fatal(err)
	}
	if c.Names(other) {
		t.Error("it names another key")
	}
	for name, bad := range map[string][]byte{"empty": nil, "cut": said[:len(said)-1], "trailing": append(bytes.Clone(said), 0), "not a TPM's": append([]byte{0}, said[1:]...)} {
		if _, err := ParseCertified(bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestPublicInWords(t *testing.T) {
	b := newBench(t, nil)
	for name, c := range map[string]struct {
		change          func(*tpm2.TPMTPublic)
		attributes      []string
		policy, purpose string
	}{
		"user key": {nil, []string{"fixedTPM", "fixedParent", "sensitiveDataOrigin", "userWithAuth", "sign"},
			"Platform Crypto Provider (PIN; certification without it)", "user key"},
		"can leave": {func(a *tpm2.TPMTPublic) { a.ObjectAttributes.FixedTPM, a.ObjectAttributes.NoDA = false, true },
			[]string{"fixedParent", "sensitiveDataOrigin", "userWithAuth", "noDA", "sign"}, "Platform Crypto Provider (PIN; certification without it)", ""},
		"AIK": {func(a *tpm2.TPMTPublic) { a.ObjectAttributes.Restricted, a.AuthPolicy.Buffer = true, nil },
			[]string{"fixedTPM", "fixedParent", "sensitiveDataOrigin", "userWithAuth", "restricted", "sign"}, "", "attestation identity key"},
		"another policy": {func(a *tpm2.TPMTPublic) { a.AuthPolicy.Buffer = bytes.Repeat([]byte{7}, 32) },
			[]string{"fixedTPM", "fixedParent", "sensitiveDataOrigin", "userWithAuth", "sign"}, hex.EncodeToString(bytes.Repeat([]byte{7}, 32)), ""},
	} {
		p, err := ParsePublic(userArea(&b.user.PublicKey, c.change))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(p.Attributes(), c.attributes) || p.Policy() != c.policy || p.Purpose() != c.purpose {
			t.Errorf("%s: %v, %q, %q", name, p.Attributes(), p.Policy(), p.Purpose())
		}
	}
}

// TestParseTPM: the module's name, each attribute in a relative name of its own
// as here, or all in one as vendors write it.
func TestParseTPM(t *testing.T) {
	a := newAuthority(t)
	key := benchKeys()[0].Public()
	ours, err := x509.ParseCertificate(aikCertificate(t, a, key))
	if err != nil {
		t.Fatal(err)
	}
	if tpm, ok := ParseTPM(ours); !ok || tpm != Simulator {
		t.Errorf("read %+v, %v", tpm, ok)
	}
	name, err := asn1.Marshal(pkix.RDNSequence{{
		{Type: oidTPMManufacturer, Value: "id:49465800"}, {Type: oidTPMModel, Value: "SLB 9670"}, {Type: oidTPMVersion, Value: "id:0700"}, {Type: oidTPMModel, Value: 7},
	}})
	if err != nil {
		t.Fatal(err)
	}
	san := func(names ...asn1.RawValue) *x509.Certificate {
		value, err := asn1.Marshal(names)
		if err != nil {
			t.Fatal(err)
		}
		return &x509.Certificate{Extensions: []pkix.Extension{{Id: oidSubjectAltName, Value: value}}}
	}
	directory := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 4, IsCompound: true, Bytes: name}
	dns := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte("x.test")}
	if tpm, ok := ParseTPM(san(dns, directory)); !ok || tpm != (TPM{"id:49465800", "SLB 9670", "id:0700"}) {
		t.Errorf("read %+v, %v", tpm, ok)
	}
	broken := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 4, IsCompound: true, Bytes: []byte{0x30, 0x05}}
	for name, cert := range map[string]*x509.Certificate{"none": a.cert, "DNS alone": san(dns), "broken": san(broken),
		"no names": {Extensions: []pkix.Extension{{Id: oidSubjectAltName, Value: []byte{4}}}}} {
		if tpm, ok := ParseTPM(cert); ok {
			t.Errorf("%s: read %+v", name, tpm)
		}
	}
}
