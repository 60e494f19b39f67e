package main

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf16"

	"hellolab/providers/conformance/browser"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/sas"
)

// A computer that is none of the lab's enrolls a sign-in certificate: it registers
// with the Enterprise Device Registration Service, obtains an enterprise PRT,
// registers a key that it made itself and has it certified. Its protocols are
// written here once more, from their documents, and the certificate is used by
// MIT's kinit.

const outsideEnrollment = `
variable "password" {
  type      = string
  sensitive = true
}

domain "corp" {
  dns_name     = "corp.fabrikam.com"
  netbios_name = "CORP"
}

authority "root" {
  domain      = domain.corp
  common_name = "Contoso Root CA"
  ntauth      = false
}

authority "issuing" {
  domain      = domain.corp
  common_name = "Contoso Issuing CA"
  parent      = authority.root
}

federation "sts" {
  domain    = domain.corp
  authority = authority.issuing
}

user "all" {
  for_each = toset(["alice", "carla"])
  upn      = "${each.key}@contoso.com"
  domain   = domain.corp
  password = var.password
}

group "admins" {
  domain     = domain.corp
  well_known = "domain_admins"
  members    = [user.all["carla"]]
}

output "totp_secret" {
  value     = user.all["alice"].totp_secret
  sensitive = true
}
`

// Names from the documents.
const (
	enterpriseHost     = "enterpriseregistration.corp.fabrikam.com"
	clientCloudAP      = "38aa3b87-a06d-4817-b275-7a316988d93b"
	clientBroker       = "29d9ed98-a469-4536-ade2-f981bc1d605e"
	clientProvisioning = "dd762716-544d-4aeb-a526-687b73838a22"
	grantJWT           = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	resourceEDRS       = "urn:ms-drs:" + outsideSTS
)

// kiosk is the computer.
type kiosk struct {
	*outside
	corp                   *corp
	device, transport, key *rsa.PrivateKey // the last is the user's
	certificate            []byte          // of the device
	prt                    string
	session                []byte
}

func TestOutsideEnrollment(t *testing.T) {
	seed.Proves(t, "CE-03")
	c := serveDomain(t, outsideEnrollment)
	k := &kiosk{outside: &outside{dir: c.dir}, corp: c}
	out, err := hellolab(t, c.dir, []string{"HELLOLAB_VAR_password=" + domainPassword}, "output", "-raw", "totp_secret").Output()
	k.must(t, err)
	k.secret, err = sas.ParseTOTPSecret(strings.TrimSpace(string(out)))
	k.must(t, err)
	k.connect(t, c.lab)
	for _, key := range []**rsa.PrivateKey{&k.device, &k.transport, &k.key} {
		*key, err = rsa.GenerateKey(rand.Reader, 2048)
		k.must(t, err)
	}
	k.join(t)
	k.register(t)
	k.obtainPRT(t)
	k.provision(t)
	k.certify(t)
	k.signIn(t)
}

func (k *kiosk) must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ask sends a request and reads the answer.
func (k *kiosk) ask(t *testing.T, method, target, contentType, bearer string, body []byte) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, bytes.NewReader(body))
	k.must(t, err)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Content-Type", contentType)
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := k.http.Do(req)
	k.must(t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	k.must(t, err)
	return resp.StatusCode, answer
}

// does asks, and demands an object in JSON.
func (k *kiosk) does(t *testing.T, target, contentType, bearer string, body []byte) (answer map[string]any) {
	t.Helper()
	status, raw := k.ask(t, http.MethodPost, target, contentType, bearer, body)
	if status != http.StatusOK || json.Unmarshal(raw, &answer) != nil {
		t.Fatalf("%s: %d %s", target, status, raw)
	}
	return answer
}

const formType = "application/x-www-form-urlencoded"

func (k *kiosk) token(t *testing.T, form url.Values) map[string]any {
	t.Helper()
	return k.does(t, "https://"+outsideSTS+"/adfs/oauth2/token/", formType, "", []byte(form.Encode()))
}

// redeem redeems the code of a redirect.
func (k *kiosk) redeem(t *testing.T, client, location string) string {
	t.Helper()
	u, err := url.Parse(location)
	if err != nil || u.Query().Get("code") == "" {
		t.Fatalf("no code in %q, %v", location, err)
	}
	answer := k.token(t, url.Values{"grant_type": {"authorization_code"}, "client_id": {client}, "redirect_uri": {redirectOf(client)}, "code": {u.Query().Get("code")}})
	return answer["access_token"].(string)
}

func redirectOf(client string) string { return "ms-appx-web://Microsoft.AAD.BrokerPlugin/" + client }

func authorize(client string, more ...string) string {
	q := url.Values{"response_type": {"code"}, "client_id": {client}, "redirect_uri": {redirectOf(client)}, "resource": {resourceEDRS}}
	for i := 0; i < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	return "https://" + outsideSTS + "/adfs/oauth2/authorize/?" + q.Encode()
}

// join gives the computer an account, as an administrator does who joins one, and
// signs it in.
func (k *kiosk) join(t *testing.T) {
	const secret = "Kiosk.secret of 30 characters!"
	quoted := make([]byte, 0, 80)
	for _, u := range utf16.Encode([]rune(`"` + secret + `"`)) {
		quoted = binary.LittleEndian.AppendUint16(quoted, u)
	}
	k.corp.does(t, nil, "carla", typed(domainPassword), "kinit", "carla")
	account := fmt.Sprintf("dn: CN=KIOSK,CN=Computers,%s\nobjectClass: computer\nsAMAccountName: KIOSK$\nuserAccountControl: 4096\ndNSHostName: kiosk.corp.fabrikam.com\nservicePrincipalName: HOST/kiosk.corp.fabrikam.com\nmsDS-SupportedEncryptionTypes: 24\nunicodePwd:: %s\n",
		domainBase, base64.StdEncoding.EncodeToString(quoted))
	k.corp.does(t, nil, "carla", account, "ldapadd", "-Q", "-Y", "GSSAPI", "-H", k.corp.url(t, "dc1.corp.fabrikam.com"))
	k.corp.does(t, nil, "kiosk", typed(secret), "kinit", "KIOSK$")
}

var locationIn = regexp.MustCompile(`(?im)^location: (\S+)`)

// register registers the computer (MS-DVRD, MS-DVRJ): discovery, a token by its
// ticket, and the request.
func (k *kiosk) register(t *testing.T) {
	status, raw := k.ask(t, http.MethodGet, "https://"+enterpriseHost+"/EnrollmentServer/contract?api-version=1.2", "", "", nil)
	var contract struct{ DeviceJoinService, KeyProvisioningService map[string]string }
	if status != http.StatusOK || json.Unmarshal(raw, &contract) != nil || contract.DeviceJoinService["JoinResourceId"] != resourceEDRS {
		t.Fatalf("contract: %d %s", status, raw)
	}
	answer := k.corp.does(t, nil, "kiosk", "", "curl", "-sS", "-o", "/dev/null", "-D", "-", "-A", "MSAuthHost/1.0/In-Domain", "--negotiate", "-u", ":", authorize(clientBroker))
	found := locationIn.FindAllStringSubmatch(answer, -1)
	if found == nil {
		t.Fatalf("the computer is not signed in:\n%s", answer)
	}
	token := k.redeem(t, clientBroker, found[len(found)-1][1])
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "7E980AD9-B86D-4306-9425-9AC066FB014A"}}, k.device)
	k.must(t, err)
	body, err := json.Marshal(map[string]any{"CertificateRequest": map[string]string{"Type": "pkcs10", "Data": base64.StdEncoding.EncodeToString(csr)},
		"TransportKey": base64.StdEncoding.EncodeToString(keyBlob(&k.transport.PublicKey)), "TargetDomain": outsideSTS, "DeviceType": "Windows", "OSVersion": "Windows 10", "DeviceDisplayName": "KIOSK", "JoinType": 6})
	k.must(t, err)
	joined := k.does(t, contract.DeviceJoinService["JoinEndpoint"]+"?api-version=1.0", "application/json", token, body)
	k.certificate, err = base64.StdEncoding.DecodeString(joined["Certificate"].(map[string]any)["RawBody"].(string))
	k.must(t, err)
	k.corp.does(t, says("msDS-IsEnabled: TRUE", "msDS-DeviceTrustType: 2", "displayName: KIOSK"), "carla", "", "ldapsearch", "-Q", "-LLL", "-Y", "GSSAPI", "-H", k.corp.url(t, "dc1.corp.fabrikam.com"), "(objectClass=msDS-Device)")
}

// keyBlob is BCRYPT_RSAKEY_BLOB.
func keyBlob(pub *rsa.PublicKey) []byte {
	b := []byte("RSA1")
	for _, n := range []uint32{2048, 3, 256, 0, 0} {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return append(append(b, 1, 0, 1), pub.N.FillBytes(make([]byte, 256))...)
}

// jws signs claims (RFC 7515).
func (k *kiosk) jws(t *testing.T, header, claims map[string]any, sign func(input []byte) ([]byte, error)) string {
	t.Helper()
	var parts []string
	for _, part := range []map[string]any{header, claims} {
		raw, err := json.Marshal(part)
		k.must(t, err)
		parts = append(parts, base64.RawURLEncoding.EncodeToString(raw))
	}
	input := strings.Join(parts, ".")
	signature, err := sign([]byte(input))
	k.must(t, err)
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func (k *kiosk) byDevice(t *testing.T, claims map[string]any) string {
	t.Helper()
	claims["request_nonce"] = k.token(t, url.Values{"grant_type": {"srv_challenge"}})["Nonce"]
	return k.jws(t, map[string]any{"alg": "RS256", "typ": "JWT", "x5c": []string{base64.StdEncoding.EncodeToString(k.certificate)}}, claims, func(input []byte) ([]byte, error) {
		sum := sha256.Sum256(input)
		return rsa.SignPKCS1v15(rand.Reader, k.device, crypto.SHA256, sum[:])
	})
}

// obtainPRT signs alice in with her password on the registered device (MS-OAPXBC
// 3.2.5.1.2).
func (k *kiosk) obtainPRT(t *testing.T) {
	request := k.byDevice(t, map[string]any{"client_id": clientCloudAP, "scope": "aza openid", "grant_type": "password", "username": "alice@contoso.com", "password": domainPassword})
	answer := k.token(t, url.Values{"grant_type": {grantJWT}, "request": {request}})
	if answer["token_type"] != "pop" || answer["refresh_token_expires_in"] != float64(604800) {
		t.Errorf("%v", answer)
	}
	k.prt = answer["refresh_token"].(string)
	wrapped, err := base64.RawURLEncoding.DecodeString(strings.Split(answer["session_key_jwe"].(string), ".")[1])
	k.must(t, err)
	k.session, err = rsa.DecryptOAEP(sha1.New(), nil, k.transport, wrapped, nil)
	k.must(t, err)
}

// once adds a header to the first request.
type once struct {
	next   http.RoundTripper
	header http.Header
}

func (o *once) RoundTrip(r *http.Request) (*http.Response, error) {
	if o.header != nil {
		r = r.Clone(r.Context())
		maps.Copy(r.Header, o.header)
		o.header = nil
	}
	return o.next.RoundTrip(r)
}

// provision registers the user's key (MS-KPP), with a token that alice gives a
// second factor for, on this device.
func (k *kiosk) provision(t *testing.T) {
	credential := k.byDevice(t, map[string]any{"grant_type": "device_auth", "iss": "aad:brokerplugin"})
	window := *k.http
	window.Transport = &once{k.http.Transport, http.Header{"X-Ms-Devicecredential": {credential}}}
	p := browser.Person{HTTP: &window, Press: map[string]string{adfs.FieldAnswer: adfs.AnswerContinue}, Type: map[string]func() string{
		adfs.FieldUserName: func() string { return "alice@contoso.com" }, adfs.FieldPassword: func() string { return domainPassword }, adfs.FieldCode: k.code,
	}}
	page, err := p.Visit(t.Context(), authorize(clientProvisioning, "amr_values", "ngcmfa"))
	if err != nil || page.Refusal != "" {
		t.Fatalf("%v, %+v", err, page)
	}
	token := k.redeem(t, clientProvisioning, page.URL.String())
	body, err := json.Marshal(map[string]string{"kngc": base64.StdEncoding.EncodeToString(keyBlob(&k.key.PublicKey))})
	k.must(t, err)
	answer := k.does(t, "https://"+enterpriseHost+"/EnrollmentServer/key/?api-version=1.0", "application/json", token, body)
	if answer["upn"] != "alice@contoso.com" || answer["kid"] == "" || answer["pctx"] == "" {
		t.Errorf("%v", answer)
	}
	sum := sha256.Sum256(keyBlob(&k.key.PublicKey))
	k.corp.does(t, says("msDS-KeyCredentialLink: B:", strings.ToUpper(hex.EncodeToString(sum[:]))), "carla", "", "ldapsearch", "-Q", "-LLL", "-o", "ldif_wrap=no", "-Y", "GSSAPI",
		"-H", k.corp.url(t, "dc1.corp.fabrikam.com"), "(sAMAccountName=alice)", "msDS-KeyCredentialLink")
}

// derive is SP 800-108 in counter mode, one block (MS-OAPXBC 3.1.5.1.3.3).
func (k *kiosk) derive(context []byte) []byte {
	mac := hmac.New(sha256.New, k.session)
	mac.Write([]byte{0, 0, 0, 1})
	mac.Write([]byte("AzureAD-SecureConversation\x00"))
	mac.Write(context)
	mac.Write([]byte{0, 0, 1, 0})
	return mac.Sum(nil)
}

// exchange asks for a certificate of a key with the PRT (MS-OAPXBC 3.2.5.1.4).
func (k *kiosk) exchange(t *testing.T, key *rsa.PrivateKey) (int, []byte) {
	t.Helper()
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "Administrator"}}, key)
	k.must(t, err)
	context := make([]byte, 24)
	_, _ = rand.Read(context) // never fails
	request := k.jws(t, map[string]any{"alg": "HS256", "ctx": base64.StdEncoding.EncodeToString(context)}, map[string]any{
		"client_id": clientProvisioning, "scope": "aza openid winhello_cert", "resource": "urn:microsoft:winhello:cert:prov:server", "cert_token_use": "winhello_cert",
		"csr_type": "http://schemas.microsoft.com/windows/pki/2009/01/enrollment#PKCS10", "csr": base64.StdEncoding.EncodeToString(csr), "grant_type": "refresh_token", "refresh_token": k.prt,
		"request_nonce": k.token(t, url.Values{"grant_type": {"srv_challenge"}})["Nonce"],
	}, func(input []byte) ([]byte, error) {
		mac := hmac.New(sha256.New, k.derive(context))
		mac.Write(input)
		return mac.Sum(nil), nil
	})
	return k.ask(t, http.MethodPost, "https://"+outsideSTS+"/adfs/oauth2/token", formType, "", []byte(url.Values{"grant_type": {grantJWT}, "request": {request}}.Encode()))
}

// open opens a reply (RFC 7516, "dir" with A256GCM).
func (k *kiosk) open(t *testing.T, text string) (answer map[string]any) {
	t.Helper()
	parts := strings.Split(text, ".")
	if len(parts) != 5 {
		t.Fatalf("no JWE: %.200s", text)
	}
	var raw [5][]byte
	for i, p := range parts {
		var err error
		raw[i], err = base64.RawURLEncoding.DecodeString(p)
		k.must(t, err)
	}
	var header struct{ Alg, Enc, Ctx, Kid string }
	k.must(t, json.Unmarshal(raw[0], &header))
	if header.Alg != "dir" || header.Enc != "A256GCM" || header.Kid != "session" || len(raw[1]) != 0 {
		t.Errorf("header %s", raw[0])
	}
	context, err := base64.StdEncoding.DecodeString(header.Ctx)
	k.must(t, err)
	block, err := aes.NewCipher(k.derive(context))
	k.must(t, err)
	gcm, err := cipher.NewGCM(block)
	k.must(t, err)
	plain, err := gcm.Open(nil, raw[2], append(raw[3], raw[4]...), []byte(parts[0]))
	k.must(t, err)
	k.must(t, json.Unmarshal(plain, &answer))
	return answer
}

// certify has the registered key certified. One that is not registered is not.
func (k *kiosk) certify(t *testing.T) {
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	k.must(t, err)
	if status, body := k.exchange(t, stranger); status != http.StatusBadRequest || !strings.Contains(string(body), "invalid_request") || !strings.Contains(string(body), "MSIS9711") {
		t.Errorf("another key: %d %s", status, body)
	}
	k.exchanged(t, "alice")
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k.key)
	k.must(t, err)
	k.corp.write(t, "alice.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})))
}

// exchanged has the registered key certified, to NAME.pem, which is the DER that
// is returned.
func (k *kiosk) exchanged(t *testing.T, name string) (der []byte) {
	t.Helper()
	status, body := k.exchange(t, k.key)
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	answer := k.open(t, string(body))
	if answer["token_type"] != "bearer" || answer["scope"] == "" || answer["id_token"] == "" || answer["refresh_token"] == "" {
		t.Errorf("%v", answer)
	}
	message, err := base64.StdEncoding.DecodeString(answer["x5c"].(string))
	k.must(t, err)
	k.corp.write(t, "answer.p7", string(message))
	k.corp.does(t, nil, "", "", "openssl", "pkcs7", "-inform", "DER", "-in", "answer.p7", "-print_certs", "-out", "answer.pem")
	text, err := os.ReadFile(filepath.Join(k.corp.home, "answer.pem"))
	k.must(t, err)
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		k.must(t, err)
		if k.key.PublicKey.Equal(cert.PublicKey) {
			k.corp.write(t, name+".pem", string(pem.EncodeToMemory(block)))
			der = block.Bytes
		}
	}
	return der
}

// signIn uses the certificate: OpenSSL verifies it, and MIT's kinit signs in with
// it, until it is revoked and the list published.
func (k *kiosk) signIn(t *testing.T) {
	c, about := k.corp, k.corp.lab.Domains[0]
	c.does(t, says("OK"), "", "", "openssl", "verify", "-CAfile", about.Roots, "-untrusted", about.Intermediates, "-x509_strict", "alice.pem")
	c.does(t, says("Microsoft Smartcard Login", "TLS Web Client Authentication", "alice@contoso.com", "CN = alice", "1.3.6.1.4.1.311.25.2"), "", "", "openssl", "x509", "-in", "alice.pem", "-noout", "-text")
	identity := "X509_user_identity=FILE:alice.pem,alice.key"
	c.does(t, nil, "hello", "", "kinit", "-X", identity, "alice")
	c.does(t, says(`u:CORP\alice`), "hello", "", "ldapwhoami", "-Q", "-Y", "GSSAPI", "-H", c.url(t, "dc1.corp.fabrikam.com"))
	c.fails(t, "Client name mismatch", "no", "", "kinit", "-X", identity, "carla")

	// Whoever keeps an answer from before may take a certificate until that ends:
	// another certificate of the key is revoked before anybody asks about it.
	sum := sha1.Sum(k.exchanged(t, "taken"))
	if out, err := hellolab(t, c.dir, []string{"HELLOLAB_VAR_password=" + domainPassword}, "revoke", "certificate", "-publish", "-auto-approve", hex.EncodeToString(sum[:])).CombinedOutput(); err != nil {
		t.Fatalf("revoke: %v\n%s", err, out)
	}
	c.fails(t, "evoked", "no", "", "kinit", "-X", "X509_user_identity=FILE:taken.pem,alice.key", "alice")
	c.does(t, nil, "hello", "", "kinit", "-X", identity, "alice")
}
