package edrs_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"hellolab/providers/adfs/edrs"
	"hellolab/providers/adfs/farmtest"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/wire/addevice"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/drs"
	wire "hellolab/providers/wire/edrs"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/keycred"
	"hellolab/providers/wire/ldapmsg"
)

const mfaWindow = 10 * time.Minute

// lab is the service in a domain. Its tokens are the JSON of their claims.
type lab struct {
	*farmtest.Lab
	service *edrs.Service
}

func newLab(t *testing.T) *lab {
	l := &lab{Lab: farmtest.New(t)}
	env := l.Service()
	l.service = &edrs.Service{Host: farmtest.Host, Directory: l.Directory, Seal: l.Seal, MFA: mfaWindow, Now: l.Now, Rand: rand.Reader, Emit: env.Emit, Log: env.Log,
		Verify: func(_ context.Context, token, resource string) (*adfs.Claims, error) {
			raw, err := base64.RawURLEncoding.DecodeString(token)
			var c adfs.Claims
			if err != nil || json.Unmarshal(raw, &c) != nil || c.Audience != resource {
				return nil, adfs.NewError(adfs.InvalidToken, "", "The access token is not valid.")
			}
			return &c, nil
		}}
	return l
}

func token(c adfs.Claims) string {
	c.Audience = "urn:ms-drs:" + farmtest.Host
	raw, _ := json.Marshal(c)
	return base64.RawURLEncoding.EncodeToString(raw)
}

// ask sends a request; a certificate is presented where there is one.
func (l *lab) ask(method, path, bearer string, body any, certificate ...*x509.Certificate) (int, http.Header, []byte) {
	l.TB.Helper()
	raw, err := json.Marshal(body)
	l.Must(err)
	r := httptest.NewRequest(method, "https://"+wire.Host(farmtest.DNSName)+path, strings.NewReader(string(raw)))
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	r.Header.Set("client-request-id", "c-1")
	r.Header.Set("return-client-request-id", "true")
	r.TLS = &tls.ConnectionState{PeerCertificates: certificate}
	w := httptest.NewRecorder()
	l.service.ServeHTTP(w, r.WithContext(l.TB.Context()))
	reply, err := io.ReadAll(w.Result().Body)
	l.Must(err)
	return w.Code, w.Header(), reply
}

func TestContract(t *testing.T) {
	seed.Proves(t, "COMP-19")
	l := newLab(t)
	get := func(version string, accept ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "https://h/EnrollmentServer/Contract?api-version="+version, nil)
		r.Header["Accept"] = accept
		w := httptest.NewRecorder()
		l.service.ServeHTTP(w, r)
		return w
	}
	for name, c := range map[string]struct {
		accept []string
		first  string
	}{"by default": {nil, "<"}, "XML": {[]string{"application/xml"}, "<"}, "JSON": {[]string{"application/json"}, "{"}} {
		w := get("1.2", c.accept...)
		got, err := wire.ParseContract(w.Body.Bytes())
		if err != nil || w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), c.first) {
			t.Fatalf("%s: %d, %v: %s", name, w.Code, err, w.Body)
		}
		if got.Key.URL != "https://"+farmtest.Host+"/EnrollmentServer/key/" || got.Join.ResourceID != "urn:ms-drs:"+farmtest.Host || got.TokenEndpoint != "https://"+farmtest.Host+"/adfs/oauth2/token" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for name, w := range map[string]*httptest.ResponseRecorder{"no version": get(""), "another version": get("1.9"), "another form": get("1.2", "text/html")} {
		if w.Code/100 != 4 {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
}

// pc is a computer of the domain that registers.
type pc struct {
	entry    *adldap.Entry
	claims   adfs.Claims
	key, stk *rsa.PrivateKey
	request  drs.JoinRequest
	deviceID guid.GUID
}

func (l *lab) computer(name string) *pc {
	l.TB.Helper()
	dn := "CN=" + name + ",CN=Computers," + l.Conn.Base
	l.Must(l.Conn.Add(dn, adldap.Attributes{"objectClass": {"computer"}, "sAMAccountName": {name + "$"}, "userAccountControl": {"4096"}}))
	e, err := l.Conn.Read(dn, "objectSid")
	l.Must(err)
	raw := e.GUID.Windows()
	p := &pc{entry: e, key: l.Key(), stk: l.Key(), deviceID: e.GUID, claims: adfs.Claims{PermitsRegister: "true", AccountType: "DJ",
		ObjectGUID: base64.StdEncoding.EncodeToString(raw[:]), PrimarySID: l.SIDOf(e).String(), UPN: name + "$@" + farmtest.DNSName}}
	csr, err := drs.NewCSR(rand.Reader, p.key)
	l.Must(err)
	p.request = drs.JoinRequest{CertificateRequest: drs.CertificateRequest{Type: "pkcs10", Data: csr}, TransportKey: cng.MarshalRSAPublic(&p.stk.PublicKey), TargetDomain: farmtest.Host,
		DeviceType: "Windows", OSVersion: "10.0.26100", DeviceDisplayName: name, JoinType: drs.JoinHybrid}
	return p
}

func (l *lab) join(p *pc) *x509.Certificate {
	l.TB.Helper()
	status, _, body := l.ask(http.MethodPost, "/EnrollmentServer/device?api-version=1.0", token(p.claims), p.request)
	if status != http.StatusOK {
		l.TB.Fatalf("%d %s", status, body)
	}
	reply, err := drs.ParseJoinReply(body)
	l.Must(err)
	cert, err := x509.ParseCertificate(reply.Certificate.RawBody)
	l.Must(err)
	if reply.Certificate.Thumbprint != drs.Thumbprint(cert.Raw) || reply.User.UPN != p.claims.UPN {
		l.TB.Errorf("%+v", reply)
	}
	return cert
}

func TestJoin(t *testing.T) {
	l := newLab(t)
	p := l.computer("DESK1")
	cert := l.join(p)
	id, err := drs.ParseIdentity(cert)
	l.Must(err)
	domain, err := l.Conn.Read(l.Conn.Base)
	l.Must(err)
	if id.DeviceID != p.deviceID || !id.Joined || id.DomainID != domain.GUID || id.InvocationID.IsZero() || !p.key.PublicKey.Equal(cert.PublicKey) {
		t.Errorf("%+v", id)
	}
	issuers, err := wire.Issuers(l.Conn)
	if err != nil || len(issuers) != 1 || cert.CheckSignatureFrom(issuers[0]) != nil {
		t.Errorf("the forest's issuer did not issue it: %d, %v", len(issuers), err)
	}
	d, err := addevice.FindByIdentity(l.Conn, drs.AlternativeSecurityID(drs.Thumbprint(cert.Raw), cert.RawSubjectPublicKeyInfo))
	l.Must(err)
	if d.ID != p.deviceID || d.Name != "DESK1" || !d.Enabled || d.Owner != l.SIDOf(p.entry) || string(d.TransportKey) != string(p.request.TransportKey) || d.Anchor != "" {
		t.Errorf("%+v", d)
	}
	e, err := l.Conn.Read(addevice.DN(l.Conn.Base, p.deviceID), "msDS-DeviceTrustType", "msDS-RegisteredUsers", "msDS-CloudIsManaged", "msDS-DeviceObjectVersion", addevice.KeyAttribute)
	l.Must(err)
	keys := l.Keys(e)
	if e.Text("msDS-DeviceTrustType") != "2" || string(e.Bytes("msDS-RegisteredUsers")) != string(d.Owner.Bytes()) || e.Text("msDS-CloudIsManaged") != "FALSE" || len(keys) != 1 {
		t.Fatalf("%d keys, trust %s", len(keys), e.Text("msDS-DeviceTrustType"))
	}
	k := keys[0]
	if k.Usage != keycred.UsageSTK || k.Source != keycred.SourceAD || *k.Device != p.deviceID || string(k.Custom) != "\x01\x00" || k.Created == nil || k.LastLogon == nil {
		t.Errorf("%+v", k)
	}

	// It registers again, with other keys: the same object, and the former certificate proves nothing.
	again := l.computerAgain(p)
	second := l.join(again)
	if _, err := addevice.FindByIdentity(l.Conn, drs.AlternativeSecurityID(drs.Thumbprint(cert.Raw), cert.RawSubjectPublicKeyInfo)); err != addevice.ErrNotWritten {
		t.Errorf("the former certificate: %v", err)
	}
	devices, err := l.Conn.List(addevice.ContainerDN(l.Conn.Base), ldapmsg.EqualTo("objectClass", addevice.Class), addevice.KeyAttribute)
	if err != nil || len(devices) != 1 || len(l.Keys(devices[0])) != 1 {
		t.Fatalf("%d devices, %v", len(devices), err)
	}

	// And leaves, with its certificate only.
	path := "/EnrollmentServer/device/" + p.deviceID.String() + "?api-version=1.0"
	for name, c := range map[string][]*x509.Certificate{"no certificate": nil, "the former": {cert}} {
		if status, _, body := l.ask(http.MethodDelete, path, "", nil, c...); status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	if status, _, _ := l.ask(http.MethodDelete, "/EnrollmentServer/device/"+guid.GUID{1}.String(), "", nil, second); status != http.StatusBadRequest {
		t.Errorf("another device: %d", status)
	}
	if status, _, body := l.ask(http.MethodDelete, path, "", nil, second); status != http.StatusOK || len(body) != 0 {
		t.Errorf("%d %s", status, body)
	}
	if _, err := addevice.Find(l.Conn, p.deviceID); err != addevice.ErrNotWritten {
		t.Errorf("after it left: %v", err)
	}
}

func (l *lab) computerAgain(p *pc) *pc {
	again := *p
	again.key, again.stk = l.Key(), l.Key()
	csr, err := drs.NewCSR(rand.Reader, again.key)
	l.Must(err)
	again.request.CertificateRequest.Data, again.request.TransportKey = csr, cng.MarshalRSAPublic(&again.stk.PublicKey)
	return &again
}

func TestJoinRefused(t *testing.T) {
	l := newLab(t)
	p := l.computer("DESK1")
	for name, c := range map[string]struct {
		change func(*adfs.Claims, *drs.JoinRequest)
		code   string
	}{
		"no permission":       {func(c *adfs.Claims, _ *drs.JoinRequest) { c.PermitsRegister = "" }, "token_claims"},
		"a user":              {func(c *adfs.Claims, _ *drs.JoinRequest) { c.AccountType = "User" }, "token_claims"},
		"no GUID":             {func(c *adfs.Claims, _ *drs.JoinRequest) { c.ObjectGUID = "AAAA" }, "token_claims"},
		"no SID":              {func(c *adfs.Claims, _ *drs.JoinRequest) { c.PrimarySID = "" }, "token_claims"},
		"Entra join":          {func(_ *adfs.Claims, r *drs.JoinRequest) { r.JoinType = 0 }, "join_type"},
		"no request":          {func(_ *adfs.Claims, r *drs.JoinRequest) { r.CertificateRequest.Data = nil }, "invalid_parameter"},
		"another form":        {func(_ *adfs.Claims, r *drs.JoinRequest) { r.CertificateRequest.Type = "crmf" }, "invalid_parameter"},
		"no transport key":    {func(_ *adfs.Claims, r *drs.JoinRequest) { r.TransportKey = []byte("key") }, "invalid_parameter"},
		"one key for both":    {func(_ *adfs.Claims, r *drs.JoinRequest) { r.TransportKey = cng.MarshalRSAPublic(&p.key.PublicKey) }, "invalid_parameter"},
		"name turns the text": {func(_ *adfs.Claims, r *drs.JoinRequest) { r.DeviceDisplayName = "PC\u202egnp" }, "invalid_parameter"},
	} {
		claims, request := p.claims, p.request
		c.change(&claims, &request)
		status, _, body := l.ask(http.MethodPost, "/EnrollmentServer/device?api-version=1.0", token(claims), request)
		if status != http.StatusBadRequest || !drs.HasSubcode(drs.ParseError(status, body), c.code) {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	for name, bearer := range map[string]string{"no token": "", "forged token": "x"} {
		if status, _, body := l.ask(http.MethodPost, "/EnrollmentServer/device?api-version=1.0", bearer, p.request); status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	found, err := l.Conn.List(addevice.ContainerDN(l.Conn.Base), ldapmsg.EqualTo("objectClass", addevice.Class))
	if err != nil || len(found) != 0 {
		t.Errorf("%d devices were written, %v", len(found), err)
	}
	// An owner has ten devices.
	for n := range 10 {
		l.AddDevice(addevice.Device{ID: guid.GUID{9, byte(n)}, Name: "old", Identities: []string{"X509:<SHA1-TP-PUBKEY>" + string(rune('A'+n))}, Enabled: true, Owner: l.SIDOf(p.entry)})
	}
	status, _, body := l.ask(http.MethodPost, "/EnrollmentServer/device?api-version=1.0", token(p.claims), p.request)
	if !drs.HasSubcode(drs.ParseError(status, body), "device_quota") {
		t.Errorf("an eleventh device: %d %s", status, body)
	}
	l.Must(l.Conn.Replace(wire.ServiceDN(l.Conn.Base), adldap.Attributes{"msDS-IsEnabled": {"FALSE"}}))
	if status, _, body := l.ask(http.MethodPost, "/EnrollmentServer/device?api-version=1.0", token(p.claims), p.request); !drs.HasSubcode(drs.ParseError(status, body), "registration_disabled") {
		t.Errorf("disabled: %d %s", status, body)
	}
	l.Must(edrs.Remove(l.Conn))
	if status, _, body := l.ask(http.MethodPost, "/EnrollmentServer/device?api-version=1.0", token(p.claims), p.request); !drs.HasSubcode(drs.ParseError(status, body), "not_initialized") {
		t.Errorf("removed: %d %s", status, body)
	}
}

// Setting up again changes nothing; another service adds an issuer of its own.
func TestInitialize(t *testing.T) {
	l := newLab(t)
	p := l.computer("DESK1")
	first := l.join(p)
	l.Must(l.Conn.Replace(wire.ServiceDN(l.Conn.Base), adldap.Attributes{wire.AttributePublic: nil})) // as an interrupted run leaves it
	l.Must(edrs.Initialize(l.Conn, l.Seal, rand.Reader, l.Now()))
	if issuers, err := wire.Issuers(l.Conn); err != nil || len(issuers) != 1 || first.CheckSignatureFrom(issuers[0]) != nil {
		t.Errorf("%d issuers, %v", len(issuers), err)
	}
	if is, err := edrs.Initialized(l.Conn, otherSeal{}); is || err != nil {
		t.Errorf("of another service: %v, %v", is, err)
	}
	l.Advance(time.Hour)
	l.Must(edrs.Initialize(l.Conn, otherSeal{}, rand.Reader, l.Now()))
	if issuers, err := wire.Issuers(l.Conn); err != nil || len(issuers) != 2 {
		t.Errorf("%d issuers, %v", len(issuers), err)
	}
	if second := l.join(p); second.Issuer.String() != first.Issuer.String() {
		t.Error("the service issues with another's issuer")
	}
}

// otherSeal is of a service that the tests know no more of.
type otherSeal struct{}

func (otherSeal) Seal(_ string, v any) (string, error) {
	raw, err := json.Marshal(v)
	return "clear " + string(raw), err
}

func (otherSeal) Open(_, text string, v any) error {
	rest, ok := strings.CutPrefix(text, "clear ")
	if !ok {
		return io.ErrUnexpectedEOF
	}
	return json.Unmarshal([]byte(rest), v)
}

func TestTellsWhatItDid(t *testing.T) {
	l := newLab(t)
	l.join(l.computer("DESK1"))
	e := l.Told(event.EnterpriseDRS, "device_written")
	if e.Peer != event.ActiveDirectory || e.Protocol != "LDAP" || e.Message["name"] != "DESK1" {
		t.Errorf("%+v", e)
	}
	if e := l.Told(event.EnterpriseDRS, "device_registered"); e.Protocol != "HTTPS" || e.Message["certificate"] == "" {
		t.Errorf("%+v", e)
	}
}
