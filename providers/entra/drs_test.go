package entra

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/oauth"
)

func TestRegistrationDiscovery(t *testing.T) {
	b := newBench(t)
	for _, tenant := range []string{"contoso.com", b.out.TenantID} {
		body, err := b.drsCall(b.http, http.MethodGet, "/"+tenant+"/Discover?api-version=1.9", "", nil)
		b.must(err)
		d, err := drs.ParseDiscovery(body)
		b.must(err)
		if d.DeviceJoinService.URL != b.drsURL(drs.PathDevice) || d.KeyProvisioningService.URL != b.drsURL(drs.PathKey) || d.DeviceJoinService.ResourceID != oauth.ResourceDRS || d.TenantInfo.TenantID != b.out.TenantID {
			t.Errorf("%+v", d)
		}
	}
	_, err := b.drsCall(b.http, http.MethodGet, "/nobody.example/Discover", "", nil)
	wantDRS(t, err, "tenant_not_found")
}

func TestJoin(t *testing.T) {
	seed.Proves(t, "DR-03", "DR")
	seed.Proves(t, "DR-11", "DR")
	seed.Proves(t, "DR-12", "DR")
	seed.Proves(t, "KEY-01")
	seed.Proves(t, "KEY-02")
	b := newBench(t)
	began := len(b.Events())
	d, tokens := b.laptop()
	inOrder(t, b.since(began), "access_token_issued", "token_validated", "device_registered")
	if c := claimsOf(t, tokens.AccessToken); c.Audience != oauth.ResourceDRS {
		t.Errorf("joined with a token for %s", c.Audience)
	}
	cert, err := parseCert(d.cert)
	b.must(err)
	id, err := drs.ParseIdentity(cert)
	b.must(err)
	owner, err := guid.Parse(b.lookup(aliceUPN).ID)
	b.must(err)
	if id.DeviceID.String() != d.id || id.UserID != owner || id.TenantID.String() != b.out.TenantID || !id.Joined {
		t.Errorf("identity %+v", id)
	}
	if !strings.Contains(cert.Issuer.String(), "MS-Organization-Access") || len(cert.ExtKeyUsage) != 1 || cert.ExtKeyUsage[0] != x509.ExtKeyUsageClientAuth || cert.IsCA {
		t.Errorf("certificate of %s for %v", cert.Issuer, cert.ExtKeyUsage)
	}
	if life := cert.NotAfter.Sub(cert.NotBefore); life < 9*365*24*time.Hour {
		t.Errorf("certificate for %s", life)
	}
	dev, err := graph.First[graph.Device](t.Context(), b.admin, graph.Equals("deviceId", d.id), "devices")
	b.must(err)
	if string(dev.TransportKey) != string(cng.MarshalRSAPublic(&d.transport.PublicKey)) || dev.TrustType != "AzureAd" || !*dev.AccountEnabled || len(dev.AlternativeSecurityID) != 1 {
		t.Errorf("device object %+v", dev)
	}
	b.quiet([]byte(tokens.AccessToken), []byte(tokens.RefreshToken))
}

func TestJoinRefusals(t *testing.T) {
	b := newBench(t)
	tokens, err := b.signIn(interactive{})
	b.must(err)
	graphTokens, err := b.signIn(interactive{resource: oauth.ResourceGraph})
	b.must(err)
	device, transport, other := someKeys()[keyDevice], someKeys()[keyTransport], someKeys()[keyOther]
	for name, tt := range map[string]struct {
		bearer  string
		change  func(*drs.JoinRequest)
		subcode string
	}{
		"no token":           {"", nil, "token_missing"},
		"token for Graph":    {graphTokens.AccessToken, nil, "token_audience"},
		"hybrid":             {tokens.AccessToken, func(r *drs.JoinRequest) { r.JoinType = drs.JoinHybrid }, "invalid_parameter"},
		"one key for both":   {tokens.AccessToken, func(r *drs.JoinRequest) { *r = b.joinRequest(device, device) }, "invalid_parameter"},
		"no transport key":   {tokens.AccessToken, func(r *drs.JoinRequest) { r.TransportKey = nil }, "invalid_parameter"},
		"private transport":  {tokens.AccessToken, func(r *drs.JoinRequest) { r.TransportKey[3] = '2' }, "invalid_parameter"},
		"foreign domain":     {tokens.AccessToken, func(r *drs.JoinRequest) { r.TargetDomain = "fabrikam.com" }, "invalid_parameter"},
		"name of controls":   {tokens.AccessToken, func(r *drs.JoinRequest) { r.DeviceDisplayName = "a\x00b" }, "invalid_parameter"},
		"name turned around": {tokens.AccessToken, func(r *drs.JoinRequest) { r.DeviceDisplayName = "a\u202eb" }, "invalid_parameter"},
		"no name":            {tokens.AccessToken, func(r *drs.JoinRequest) { r.DeviceDisplayName = "" }, "invalid_parameter"},
		"request of another": {tokens.AccessToken, func(r *drs.JoinRequest) { r.CertificateRequest.Data[len(r.CertificateRequest.Data)-1] ^= 1 }, "invalid_parameter"},
		"subject of an admin": {tokens.AccessToken, func(r *drs.JoinRequest) {
			der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "administrator"}, DNSNames: []string{"dc1"}}, other)
			b.must(err)
			r.CertificateRequest.Data = der
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			req := b.joinRequest(device, transport)
			if tt.change != nil {
				tt.change(&req)
			}
			body, err := b.drsCall(b.http, http.MethodPost, drs.PathDevice, tt.bearer, req)
			wantDRS(t, err, tt.subcode)
			if err != nil {
				return
			}
			// Fault 78: what the request asks to be called is ignored.
			reply, err := drs.ParseJoinReply(body)
			b.must(err)
			cert, err := parseCert(reply.Certificate.RawBody)
			b.must(err)
			if cert.Subject.CommonName == "administrator" || len(cert.DNSNames) > 0 {
				t.Errorf("certificate for %s, %v", cert.Subject, cert.DNSNames)
			}
		})
	}
	for _, body := range []string{"", "{", `{"JoinType":0,"joinType":0}`, strings.Repeat("[", 100_000)} {
		req, err := http.NewRequest(http.MethodPost, b.drsURL(drs.PathDevice), strings.NewReader(body))
		b.must(err)
		req.Header.Set("Authorization", "Bearer "+tokens.AccessToken)
		if reply := b.send(req); reply.Status != http.StatusBadRequest {
			t.Errorf("%.20q: %d", body, reply.Status)
		}
	}
}

func TestLeave(t *testing.T) {
	b := newBench(t)
	d, _ := b.laptop()
	path := drs.PathDevice + d.id
	_, err := b.drsCall(b.http, http.MethodDelete, path, "", nil)
	wantDRS(t, err, "device_certificate_missing")
	_, err = b.drsCall(b.tlsClient(d), http.MethodDelete, drs.PathDevice+b.out.TenantID, "", nil)
	wantDRS(t, err, "device_mismatch")
	foreign, err := newKeyRing(rand.Reader, b.Now())
	b.must(err)
	ca, err := foreign.DeviceCA.load()
	b.must(err)
	cert, err := parseCert(d.cert)
	b.must(err)
	forged, err := ca.issue(rand.Reader, &x509.Certificate{Subject: cert.Subject, NotBefore: cert.NotBefore, NotAfter: cert.NotAfter, ExtraExtensions: cert.Extensions}, d.key.Public())
	b.must(err)
	_, err = b.drsCall(b.tlsClient(&testDevice{key: d.key, cert: forged}), http.MethodDelete, path, "", nil)
	wantDRS(t, err, "device_certificate_invalid")
	_, err = b.drsCall(b.tlsClient(d), http.MethodDelete, path, "", nil)
	wantDRS(t, err, "")
	_, err = b.drsCall(b.tlsClient(d), http.MethodDelete, path, "", nil)
	wantDRS(t, err, "error_missing_device")
	if _, err := graph.First[graph.Device](t.Context(), b.admin, graph.Equals("deviceId", d.id), "devices"); !graph.IsNotFound(err) {
		t.Errorf("the device is still there: %v", err)
	}
}

func TestDeviceQuota(t *testing.T) {
	b := newBench(t)
	s := b.server()
	owner := b.lookup(aliceUPN).ID
	b.must(s.env.Section.Update(t.Context(), func(w providers.Writer) error {
		for n := range defaultDeviceQuota {
			if err := putDevice(w, &device{ID: fmt.Sprintf("o%d", n), DeviceID: fmt.Sprintf("d%d", n), Owner: owner}); err != nil {
				return err
			}
		}
		return nil
	}))
	tokens, err := b.signIn(interactive{})
	b.must(err)
	_, err = b.drsCall(b.http, http.MethodPost, drs.PathDevice, tokens.AccessToken, b.joinRequest(someKeys()[keyDevice], someKeys()[keyTransport]))
	wantDRS(t, err, "device_quota")
}
