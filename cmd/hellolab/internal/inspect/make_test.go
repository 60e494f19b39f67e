package inspect

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"flag"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2"

	"hellolab/providers/wire/attest"
	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/jose"
	"hellolab/providers/wire/ngc"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
)

var remake = flag.Bool("make", false, "make new material in testdata; write the golden texts anew with -update afterwards")

// now is when the material was made.
var now = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// TestMakeMaterial makes the inputs of the golden texts, with the packages
// that the lab's own systems make theirs with.
func TestMakeMaterial(t *testing.T) {
	if !*remake {
		t.Skip("only with -make")
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	key := func() *rsa.PrivateKey {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		must(err)
		return k
	}
	write := func(name, text string) {
		must(os.WriteFile(filepath.Join("testdata", name), []byte(text+"\n"), 0o644))
	}
	pemOf := func(label string, der []byte) string {
		return strings.TrimSpace(string(pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der})))
	}
	issue := func(template, parent *x509.Certificate, pub crypto.PublicKey, signer crypto.Signer) []byte {
		serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
		must(err)
		template.SerialNumber, template.NotBefore = serial, now.Add(-10*time.Minute)
		if template.NotAfter.IsZero() {
			template.NotAfter = now.AddDate(10, 0, 0)
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, signer)
		must(err)
		return der
	}
	ca := key()
	caTemplate := &x509.Certificate{Subject: pkix.Name{CommonName: "MS-Organization-Access"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	write("ca.pem", pemOf("CERTIFICATE", issue(caTemplate, caTemplate, ca.Public(), ca)))

	id := func(last byte) guid.GUID { return guid.GUID{0x10, 0x20, 15: last} }
	device, user := key(), key()
	deviceTemplate := &x509.Certificate{Subject: pkix.Name{CommonName: id(1).String()}, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		ExtraExtensions: drs.Identity{DeviceID: id(1), UserID: id(2), TenantID: id(3), Joined: true, Region: "EU"}.Extensions()}
	deviceCert := issue(deviceTemplate, caTemplate, device.Public(), ca)
	write("device.pem", pemOf("CERTIFICATE", deviceCert))

	kngc := cng.MarshalRSAPublic(&user.PublicKey)
	write("hello.cng", base64.StdEncoding.EncodeToString(kngc))
	assertion, err := ngc.SignAssertion(user, ngc.KeyID(kngc), ngc.Claims{Issuer: "alice@contoso.com", Audience: "common",
		IssuedAt: prt.Time(now.Unix()), Expires: prt.Time(now.Add(5 * time.Minute).Unix()), RequestNonce: "nonce", Scope: "openid aza ugs"})
	must(err)
	write("assertion.jwt", assertion)
	request, err := prt.SignDeviceRequest(device, deviceCert, prt.Request{ClientID: oauth.ClientCloudAP, RequestNonce: "nonce", Scope: "openid aza ugs",
		GrantType: oauth.GrantJWTBearer, Username: "alice@contoso.com", Assertion: assertion, IssuedAt: prt.Time(now.Unix())})
	must(err)
	write("device-request.jwt", request)
	request, err = prt.SignDeviceRequest(device, deviceCert, prt.Request{ClientID: oauth.ClientCloudAP, RequestNonce: "nonce", GrantType: oauth.GrantPassword,
		Username: "alice@contoso.com", Password: "Marker horse 4711"})
	must(err)
	write("password-request.jwt", request)

	session := make([]byte, prt.SessionKeySize)
	rand.Read(session)
	write("session.key", hex.EncodeToString(session))
	ctx := make([]byte, prt.ContextSize)
	rand.Read(ctx)
	tid := id(3)
	sealed := make([]byte, 300)
	rand.Read(sealed)
	token := "1.A" + base64.RawURLEncoding.EncodeToString(tid[:]) + "." + base64.RawURLEncoding.EncodeToString(sealed)
	write("prt.txt", token)
	write("refresh.txt", "0"+token[1:])
	cloud := append([]byte{1, 0xb7, 0}, make([]byte, 35)...)
	client, err := guid.Parse(oauth.ClientCloudAP)
	must(err)
	w, c := id(4).Windows(), client.Windows()
	copy(cloud[3:], w[:])
	copy(cloud[19:], c[:])
	write("cloud-token.txt", "0."+base64.RawURLEncoding.EncodeToString(cloud)+".AgABAAEAAAD--DLA3VO7QrddgJg7WevrAgDs")
	use, err := prt.SignRequest(prt.Key(session), ctx, prt.Request{GrantType: oauth.GrantRefreshToken, RefreshToken: token, ClientID: oauth.ClientBroker, Resource: oauth.ResourceGraph, RequestNonce: "nonce"})
	must(err)
	write("session-request.jwt", use)
	cookie, err := prt.SignRequest(prt.Key(session), ctx, prt.Request{RefreshToken: token, IsPrimary: "true", RequestNonce: "nonce"})
	must(err)
	write("cookie.txt", "Cookie: x-ms-RefreshTokenCredential="+cookie+"; path=/")
	access, err := jose.SignRS256(ca, jose.Header{Type: "JWT", KeyID: "k1"}, json.RawMessage(`{"aud":"https://graph.microsoft.com","scp":"User.Read","amr":["rsa","mfa"],"exp":1795780800,"name":"\u001b[31mAl\u202eice"}`))
	must(err)
	write("access.jwt", access)
	body := `{"token_type":"Bearer","expires_in":"3599","access_token":"` + access + `","refresh_token":"` + token + `","unknown":"\u0007"}`
	write("response.json", body)
	for name, enc := range map[string]prt.Encryption{"reply-cbc.jwe": prt.CBC, "reply-gcm.jwe": prt.GCM} {
		reply, err := prt.SealResponse(rand.Reader, prt.Key(session), ctx, []byte(body), enc)
		must(err)
		write(name, reply)
	}
	wrapped, err := prt.WrapSessionKey(rand.Reader, &device.PublicKey, session)
	must(err)
	write("session-key.jwe", wrapped)

	csr, err := drs.NewCSR(rand.Reader, device)
	must(err)
	write("request.pem", pemOf("CERTIFICATE REQUEST", csr))
	jwk, err := oauth.NewJWK(mustCert(t, deviceCert), "https://sts.windows.net/")
	must(err)
	jwk.KeyID = "k1"
	jwks, err := json.Marshal(oauth.JWKS{Keys: []oauth.JWK{jwk}})
	must(err)
	write("jwks.json", string(jwks))
	write("private-jwk.json", `{"kty":"oct","kid":"k2","k":"TWFya2VyIGhvcnNlIDQ3MTE"}`)
	write("openid.json", `{"issuer":"https://login.contoso-com.entra.test/x/v2.0","jwks_uri":"https://login.contoso-com.entra.test/x/discovery/v2.0/keys","token_endpoint_auth_methods_supported":["client_secret_post"]}`)
	nonce := append([]byte{3, 2}, make([]byte, 40)...)
	nonce[2+7], nonce[2+6], nonce[2+5], nonce[2+4], nonce[2+3], nonce[2+2] = 0, 0x40, 0x5e, 0xc3, 0x9a, 0x01
	write("nonce.txt", base64.RawURLEncoding.EncodeToString(nonce))

	aik, aikCA := key(), mustECDSA(t)
	aikTemplate, err := attest.AIKTemplate(attest.Simulator)
	must(err)
	aikTemplate.NotAfter = now.AddDate(5, 0, 0)
	aikCATemplate := &x509.Certificate{Subject: pkix.Name{CommonName: "hellolab AIK CA"}, IsCA: true, BasicConstraintsValid: true}
	aikCert := issue(aikTemplate, aikCATemplate, aik.Public(), aikCA)
	write("aik.pem", pemOf("CERTIFICATE", aikCert))
	ekTemplate, err := attest.EKTemplate(attest.Simulator)
	must(err)
	write("ek.pem", pemOf("CERTIFICATE", issue(ekTemplate, aikCATemplate, mustECDSA(t).Public(), aikCA)))
	nonceText := base64.RawURLEncoding.EncodeToString(nonce)
	statement := certify(t, aik, user, nonceText, nil)
	write("statement.b64", base64.StdEncoding.EncodeToString(statement))
	st, err := ngc.ParseStatement(statement)
	must(err)
	write("public.b64", base64.StdEncoding.EncodeToString(st.Public))
	register := drs.KeyRequest{PublicKey: kngc, Device: &drs.KeyDevice{DeviceID: id(1).String(), DisplayName: "laptop", OSVersion: "10.0.26100"},
		Attestation: &drs.KeyAttestation{Statement: statement, Nonce: nonceText, AIKCertificates: [][]byte{aikCert}}}
	data, err := json.Marshal(register)
	must(err)
	write("key-request.json", string(data))
	register.Attestation.Statement = certify(t, aik, user, "another nonce", func(a *tpm2.TPMTPublic) { a.ObjectAttributes.FixedTPM = false })
	register.PublicKey = cng.MarshalRSAPublic(&device.PublicKey)
	data, err = json.Marshal(register)
	must(err)
	write("key-request-wrong.json", string(data))
}

func mustCert(t *testing.T, der []byte) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func mustECDSA(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// certify is a statement as a TPM with that AIK would write it.
func certify(t *testing.T, aik, user *rsa.PrivateKey, nonce string, change func(*tpm2.TPMTPublic)) []byte {
	t.Helper()
	area := tpm2.TPMTPublic{
		Type: tpm2.TPMAlgRSA, NameAlg: tpm2.TPMAlgSHA256,
		ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true, SignEncrypt: true},
		AuthPolicy:       tpm2.TPM2BDigest{Buffer: attest.PCPPolicy().Digest},
		Parameters:       tpm2.NewTPMUPublicParms(tpm2.TPMAlgRSA, &tpm2.TPMSRSAParms{KeyBits: 2048}),
		Unique:           tpm2.NewTPMUPublicID(tpm2.TPMAlgRSA, &tpm2.TPM2BPublicKeyRSA{Buffer: user.N.Bytes()}),
	}
	if change != nil {
		change(&area)
	}
	name, err := tpm2.ObjectName(&area)
	if err != nil {
		t.Fatal(err)
	}
	said := tpm2.Marshal(tpm2.TPMSAttest{Magic: tpm2.TPMGeneratedValue, Type: tpm2.TPMSTAttestCertify, ExtraData: tpm2.TPM2BData{Buffer: attest.ExtraData(nonce)},
		ClockInfo: tpm2.TPMSClockInfo{Clock: 42_000, ResetCount: 3, RestartCount: 1, Safe: true}, FirmwareVersion: 0x20000,
		Attested: tpm2.NewTPMUAttest(tpm2.TPMSTAttestCertify, &tpm2.TPMSCertifyInfo{Name: *name})})
	digest := sha256.Sum256(said)
	sig, err := rsa.SignPKCS1v15(nil, aik, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return ngc.Statement{Attest: said, Signature: sig, Public: tpm2.Marshal(tpm2.New2B(area))}.Marshal()
}
