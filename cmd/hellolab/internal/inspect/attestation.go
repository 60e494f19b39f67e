package inspect

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"hellolab/providers/wire/attest"
	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/ngc"
)

// evidence is what came with a statement to judge it by; its parts may be
// missing.
type evidence struct {
	aiks  []Key
	doubt string // why an AIK that came with the statement is not to be trusted
	nonce string
	key   *rsa.PublicKey
}

// decodeStatement reads an attestation statement in the layout of Microsoft's
// PCPTool (package ngc).
func decodeStatement(i *inspector, in Input) (*Node, error) {
	return in.each(func(b []byte) (*Node, error) {
		if !bytes.HasPrefix(b, []byte("KADS")) {
			return nil, not("it does not begin with KADS")
		}
		return i.statement(b, evidence{aiks: i.o.Keys})
	})
}

// Header sizes of the layout.
const (
	kadsHeader = 24
	pcpHeader  = 52
)

func (i *inspector) statement(b []byte, e evidence) (*Node, error) {
	st, err := ngc.ParseStatement(b)
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	blob := b[kadsHeader+len(st.Attest)+len(st.Signature):]
	n := &Node{Title: "Attestation of a key by its TPM (PCPTool layout)"}
	n.add("magic", "KADS")
	n.noted("platform", le.Uint32(b[4:]), "TPM 2.0")
	n.noted("header", le.Uint32(b[8:]), "bytes")
	n.noted("attestation", len(st.Attest), "bytes")
	n.noted("signature", len(st.Signature), "bytes")
	n.noted("key blob", len(blob), "bytes")

	said := Fields{}
	certified, certifyErr := attest.ParseCertified(st.Attest)
	if certifyErr == nil {
		said.noted("magic", "ff544347", "a TPM made it, if the signature holds")
		said.noted("type", "8017", "TPM2_Certify")
		said.bytes("qualified signer", certified.QualifiedSigner)
		said.noted("qualifying data", fmt.Sprintf("%x", certified.ExtraData), "SHA-256 of the nonce")
		clock := Fields{}
		clock.noted("clock", certified.Clock, "milliseconds powered")
		clock.add("reset count", certified.ResetCount)
		clock.add("restart count", certified.RestartCount)
		clock.add("safe", certified.Safe)
		said.add("clock", clock)
		said.addf("firmware", "%016x", certified.Firmware)
		said.noted("name", fmt.Sprintf("%x", certified.Name), "of the certified key")
		said.bytes("qualified name", certified.QualifiedName)
		n.add("tpms_attest", said)
	} else {
		n.add("tpms_attest", "cannot be read: "+certifyErr.Error())
	}

	key := Fields{}
	key.add("magic", "PCPM")
	key.noted("header", le.Uint32(blob[4:]), "bytes")
	key.noted("type", le.Uint32(blob[8:]), "TPM 2.0")
	key.addf("flags", "%08x", le.Uint32(blob[12:]))
	key.noted("public area", len(st.Public), "bytes")
	key.noted("private area", len(blob)-pcpHeader-len(st.Public), "bytes, with what follows it; wrapped by the TPM")
	n.add("pcp_key_blob", key)

	public, publicErr := attest.ParsePublic(st.Public)
	if publicErr == nil {
		n.add("public area", publicArea(public))
	} else {
		n.add("public area", "cannot be read: "+publicErr.Error())
	}
	n.add("checks", e.checks(st, certified, certifyErr, public, publicErr))
	return n, nil
}

// checks gives the verdicts that need no service: those of attest.Verify, by
// the same names and in the same order.
func (e evidence) checks(st *ngc.Statement, c *attest.Certified, certifyErr error, p *attest.Public, publicErr error) Fields {
	f := Fields{}
	check := func(name string, err error, holds string) {
		if err != nil {
			f.add(name, "does not hold: "+err.Error())
			return
		}
		f.add(name, holds)
	}
	check("statement", publicErr, "holds: the sizes add up")
	f.add("signature", e.signature(st))
	check("attested", certifyErr, "holds: the TPM's words, about a key")
	switch {
	case certifyErr != nil:
	case e.nonce == "":
		f.add("nonce", verdictUnknown+": the nonce did not come with it")
	case bytes.Equal(c.ExtraData, attest.ExtraData(e.nonce)):
		f.add("nonce", "holds: it is the digest of the nonce; whether that is fresh, the service knows")
	default:
		f.add("nonce", "does not hold: the statement is about another nonce")
	}
	if publicErr != nil {
		return f
	}
	if certifyErr == nil {
		if c.Names(p) {
			f.add("name", "holds: it names the public area")
		} else {
			f.add("name", "does not hold: the TPM certified another key")
		}
	}
	check("attributes", p.CheckUserKey(), "holds: born in the TPM and fixed to it, signs, wrong PINs count")
	switch k, ok := p.Key().(*rsa.PublicKey); {
	case e.key == nil:
		f.add("key", verdictUnknown+": the key that is registered did not come with it")
	case ok && k.Equal(e.key):
		f.add("key", "holds: it is the key that is registered")
	default:
		f.add("key", "does not hold: another key is registered")
	}
	return f
}

func (e evidence) signature(st *ngc.Statement) string {
	for _, k := range e.aiks {
		if bounded(k.Public) && attest.CheckSignature(k.Public, st.Attest, st.Signature) == nil {
			if e.doubt != "" {
				return verdictUnknown + ": it holds with " + k.ID + ", itself " + e.doubt
			}
			return verdictVerified + " with " + k.ID
		}
	}
	if len(e.aiks) == 0 {
		return verdictUnknown + ": no AIK given"
	}
	return verdictWrong + " with " + given(len(e.aiks))
}

func bounded(pub crypto.PublicKey) bool {
	k, isRSA := pub.(*rsa.PublicKey)
	return !isRSA || reasonable(k)
}

// decodePublic reads a TPM2B_PUBLIC by itself.
func decodePublic(_ *inspector, in Input) (*Node, error) {
	return in.each(func(b []byte) (*Node, error) {
		p, err := attest.ParsePublic(b)
		if err != nil {
			return nil, not(err.Error())
		}
		n := &Node{Title: "Public area of a TPM key, TPM2B_PUBLIC"}
		n.Fields = publicArea(p)
		return n, nil
	})
}

// publicArea spells a public area out.
func publicArea(p *attest.Public) Fields {
	f := publicKey(p.Key())
	f.add("attributes", list(p.Attributes()))
	f.text("policy", p.Policy())
	f.addf("name", "%x", p.Name())
	if is := p.Purpose(); is != "" {
		f.add("fit as", is)
	}
	return f
}

// decodeKeyRequest reads the registration of a Hello key: the statement in it
// can be judged by the nonce, the AIK certificate and the key beside it.
func decodeKeyRequest(i *inspector, in Input) (*Node, error) {
	if !strings.HasPrefix(in.Text, "{") {
		return nil, not("it does not begin with {")
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(in.Text), &members); err != nil || members["kngc"] == nil {
		return nil, not("it is no JSON object with kngc")
	}
	r, err := drs.ParseKeyRequest([]byte(in.Text))
	if err != nil {
		return nil, err
	}
	n := &Node{Title: "Registration of a Hello key (MS-KPP)"}
	n.add("kngc", i.bytesAs("cng", r.PublicKey))
	if a := r.Attestation; a != nil {
		f, err := i.keyAttestation(r)
		if err != nil {
			return nil, err
		}
		n.add("attestation", f)
	}
	if d := r.Device; d != nil {
		f := Fields{}
		f.add("device_id", d.DeviceID)
		f.add("display_name", d.DisplayName)
		f.add("os_version", d.OSVersion)
		n.add("device", f)
	}
	return n, nil
}

func (i *inspector) keyAttestation(r *drs.KeyRequest) (Fields, error) {
	a := r.Attestation
	if len(a.AIKCertificates) > maxCertificates {
		return nil, errors.New("more than 64 AIK certificates")
	}
	e := evidence{nonce: a.Nonce}
	e.key, _ = cng.ParseRSAPublic(r.PublicKey)
	chain := []any{}
	for k, der := range a.AIKCertificates {
		cert, err := CertificateKey(der, "the AIK certificate beside it")
		if err != nil {
			chain = append(chain, fmt.Sprintf("(%s that cannot be read: %v)", size(der), err))
			continue
		}
		if k == 0 {
			e.aiks = []Key{cert}
			if verdict, known := i.issuerSignature(cert.Cert); !known {
				e.doubt = strings.Replace(verdict, verdictWrong, "not verifying", 1)
			}
		}
		node := i.describe(cert.Cert)
		node.Type = "certificate"
		chain = append(chain, node)
	}
	f := Fields{}
	if node, err := i.statement(a.Statement, e); err == nil {
		node.Type = "attestation"
		f.add("statement", node)
	} else {
		f.addf("statement", "(%s that cannot be read: %v)", size(a.Statement), err)
	}
	f.add("nonce", a.Nonce)
	f[len(f)-1].Note = i.nonceNote(a.Nonce)
	f.add("aik_certificates", chain)
	return f, nil
}
