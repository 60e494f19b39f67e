package pkinit

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"hellolab/providers/wire/cms"
	"hellolab/providers/wire/krb"
)

const recordings = "../../../../shared/vectors/pkinit/"

func certificate(t testing.TB, name string) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(must(os.ReadFile(recordings + "pki/" + name + ".pem")))
	return must(x509.ParseCertificate(block.Bytes))
}

func privateKey(t testing.TB, name string) *rsa.PrivateKey {
	t.Helper()
	block, _ := pem.Decode(must(os.ReadFile(recordings + "pki/" + name + ".key")))
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key
	}
	return must(x509.ParsePKCS8PrivateKey(block.Bytes)).(*rsa.PrivateKey)
}

// recording is one exchange: the request with PKINIT and its reply.
func recording(t testing.TB, dir string) (*krb.KDCReq, *krb.KDCRep) {
	t.Helper()
	requests := must(filepath.Glob(recordings + dir + "/*-req-app10.der"))
	replies := must(filepath.Glob(recordings + dir + "/*-rep-app11.der"))
	if len(requests) == 0 || len(replies) == 0 {
		t.Skip("recorded exchanges are not here")
	}
	req := must(krb.ParseKDCReq(must(os.ReadFile(requests[len(requests)-1]))))
	return req, must(krb.ParseKDCRep(must(os.ReadFile(replies[0]))))
}

// What MIT's kinit 1.20.1 and Heimdal's kinit 7.8.0 sent, and what they took
// from a KDC.
func TestRecordedExchanges(t *testing.T) {
	for dir, c := range map[string]struct {
		client    string // whose certificate signed
		sent      bool   // the certificate came along
		group     *Group
		digest    crypto.Hash
		kdfs      int
		nonce     int
		freshness bool
	}{
		"mit-dh14-certtrust":         {"alice", true, MODP2048, crypto.SHA256, 3, 0, true},
		"mit-dh14-selfsigned-nocert": {"selfs", false, MODP2048, crypto.SHA256, 3, 0, true},
		"mit-rsa":                    {"alice", true, nil, crypto.SHA256, 0, 0, true},
		"heimdal-dh2-selfsigned":     {"selfs", true, MODP1024, crypto.SHA512, 0, 40, false},
		"heimdal-rsa-certtrust":      {"alice", true, nil, crypto.SHA512, 0, 0, false},
	} {
		t.Run(dir, func(t *testing.T) {
			req, rep := recording(t, dir)
			value, ok := krb.FindPA(req.PAData, krb.PAPKASReq)
			if !ok {
				t.Fatal("no PA-PK-AS-REQ")
			}
			r, err := ParseRequest(value)
			if err != nil {
				t.Fatal(err)
			}
			client := certificate(t, c.client)
			if err := r.Signed.Verify(client.PublicKey, cms.Accept{}); err != nil {
				t.Error(err)
			}
			if err := r.Signed.Verify(certificate(t, "kdc").PublicKey, cms.Accept{}); err == nil {
				t.Error("somebody else's key verifies")
			}
			if cert := r.Signed.SignerCertificate(); (cert != nil) != c.sent || cert != nil && !cert.Equal(client) {
				t.Errorf("certificate sent: %v", cert != nil)
			}
			a := r.AuthPack
			if err := a.CheckBody(req.RawBody); err != nil {
				t.Error(err)
			}
			if a.Nonce != req.Body.Nonce || a.Time.Format(time.DateOnly) != "2026-11-21" || r.Signed.Digest != c.digest ||
				len(a.KDFs) != c.kdfs && c.group != nil || len(a.DHNonce) != c.nonce && c.group != nil || (a.FreshnessToken != nil) != c.freshness ||
				len(r.TrustedCertifiers) == 0 || len(a.CMSTypes) == 0 {
				t.Errorf("%+v", a)
			}
			if (a.PublicValue != nil) != (c.group != nil) || a.PublicValue != nil && a.PublicValue.Group != c.group {
				t.Errorf("group %+v", a.PublicValue)
			}
			if out := must(r.PAPKASReq.Encode()); !bytes.Equal(out, value) {
				t.Error("a second encoding of PA-PK-AS-REQ differs")
			}
			if a.PublicValue != nil && len(a.CMSTypes) == 1 { // Heimdal's have parameters
				if out := must(a.Encode()); !bytes.Equal(out, r.Signed.Content) {
					t.Errorf("a second encoding of AuthPack differs:\n%x\n%x", out, r.Signed.Content)
				}
			}
			checkReply(t, req, rep, a, c.group)
		})
	}
}

// checkReply opens the reply: down to the AS-REP's encrypted part where the
// client's key is enough (RSA), else as far as the signature.
func checkReply(t *testing.T, req *krb.KDCReq, rep *krb.KDCRep, a *AuthPack, group *Group) {
	t.Helper()
	value, ok := krb.FindPA(rep.PAData, krb.PAPKASRep)
	if !ok {
		t.Fatal("no PA-PK-AS-REP")
	}
	r := must(ParsePAPKASRep(value))
	if out := must(r.Encode()); !bytes.Equal(out, value) {
		t.Error("a second encoding of PA-PK-AS-REP differs")
	}
	trust := func(cert *x509.Certificate, _ []*x509.Certificate) error {
		_, err := cert.Verify(x509.VerifyOptions{Roots: roots(t), CurrentTime: a.Time, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
		return err
	}
	if group != nil {
		content, err := openSigned(r.DHInfo.SignedData, DHKeyDataOID, trust)
		if err != nil {
			t.Fatal(err)
		}
		info := must(ParseKDCDHKeyInfo(content))
		own := must(group.GenerateKey(rand.Reader))
		if _, err := own.Shared(info.PublicKey); err != nil || info.Nonce != a.Nonce {
			t.Errorf("%+v, %v", info, err)
		}
		return
	}
	attempt := Attempt{from: Initiator{Signer: cms.Signer{Certificates: []*x509.Certificate{certificate(t, "alice")}}, Decrypter: privateKey(t, "alice")}, pack: *a}
	key, err := attempt.Finish(rand.Reader, value, ExchangeOf(req, rep.EncPart.EType), trust)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := key.Open(krb.UsageASRep, rep.EncPart)
	if err != nil {
		t.Fatal(err)
	}
	part := must(krb.ParseEncKDCRepPart(plain))
	if part.Nonce != req.Body.Nonce {
		t.Errorf("the opened reply is to %d, not %d", part.Nonce, req.Body.Nonce)
	}
}

func roots(t testing.TB) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(certificate(t, "ca"))
	return pool
}
