package ca_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"testing"
	"time"

	"hellolab/providers/adcs/ca"
	"hellolab/providers/wire/crl"
	"hellolab/providers/wire/ocsp"
	"hellolab/providers/wire/revocation"
)

const (
	baseFile  = "/CertEnroll/Contoso%20Issuing%20CA.crl"
	deltaFile = "/CertEnroll/Contoso%20Issuing%20CA+.crl"
	certFile  = "/CertEnroll/ca1.corp.contoso.com_Contoso%20Issuing%20CA.crt"
)

// lists reads the newest lists.
func (l *lab) lists() (base, delta *crl.List) {
	l.t.Helper()
	b, d, err := l.Lists(ctx)
	if err != nil {
		l.t.Fatal(err)
	}
	read := func(der []byte) *crl.List {
		if der == nil {
			return nil
		}
		list, err := crl.Parse(der)
		if err == nil {
			err = list.VerifyFrom(l.Certificate())
		}
		if err != nil {
			l.t.Fatal(err)
		}
		return list
	}
	return read(b), read(d)
}

// serve puts the authority's web server on the network and returns a fetcher.
func (l *lab) serve() *revocation.HTTP {
	l.t.Helper()
	server := httptest.NewServer(l.Handler(func(err error) { l.t.Errorf("handler: %v", err) }))
	l.t.Cleanup(server.Close)
	return revocation.NewHTTP(func(ctx context.Context, host string, port int) (net.Conn, error) {
		if host != "ca1.corp.contoso.com" || port != 80 {
			return nil, errors.New("no such host")
		}
		return (&net.Dialer{}).DialContext(ctx, "tcp", server.Listener.Addr().String())
	})
}

func reasons(l *crl.List) map[int64]crl.Reason {
	out := map[int64]crl.Reason{}
	for _, e := range l.Entries() {
		out[new(big.Int).And(e.Serial, big.NewInt(0xffffffff)).Int64()] = e.Reason // the request number
	}
	return out
}

// The numbers, times and contents of lists over a fortnight.
func TestPublication(t *testing.T) {
	l := newLab(t, config())
	base, delta := l.lists()
	if base.Number.Int64() != 1 || delta.Number.Int64() != 1 || delta.Base.Int64() != 1 || base.Delta() || len(base.Freshest) != 2 {
		t.Errorf("first lists: %+v, %+v", base, delta)
	}
	start := l.clock()
	if !base.ThisUpdate.Equal(start.Add(-10*time.Minute)) || !base.NextPublish.Equal(start.AddDate(0, 0, 7)) || !base.NextUpdate.Equal(start.AddDate(0, 0, 7).Add(12*time.Hour)) ||
		!delta.NextPublish.Equal(start.AddDate(0, 0, 1)) || !delta.NextUpdate.Equal(start.AddDate(0, 0, 1).Add(12*time.Hour)) {
		t.Errorf("times: base %s %s %s, delta %s %s", base.ThisUpdate, base.NextPublish, base.NextUpdate, delta.NextPublish, delta.NextUpdate)
	}
	hold, gone := l.issue(alice(), ca.User), l.issue(alice(), ca.User) // requests 1 and 2
	for serial, reason := range map[*big.Int]crl.Reason{hold.SerialNumber: crl.CertificateHold, gone.SerialNumber: crl.KeyCompromise} {
		if err := l.Revoke(ctx, serial, reason, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	if base, delta = l.lists(); len(base.Entries())+len(delta.Entries()) != 0 {
		t.Error("revocations are seen before a publication")
	}
	l.advance(24 * time.Hour) // a delta list is due
	if base, delta = l.lists(); base.Number.Int64() != 1 || delta.Number.Int64() != 2 || delta.Base.Int64() != 1 ||
		!reflect.DeepEqual(reasons(delta), map[int64]crl.Reason{1: crl.CertificateHold, 2: crl.KeyCompromise}) {
		t.Errorf("a day later: %v, %v", base.Number, reasons(delta))
	}
	l.advance(6 * 24 * time.Hour) // a base list is due
	if base, delta = l.lists(); base.Number.Int64() != 3 || delta.Number.Int64() != 3 || delta.Base.Int64() != 3 || len(base.Entries()) != 2 || len(delta.Entries()) != 0 {
		t.Errorf("a week later: %v, %v, %v", base.Number, reasons(base), reasons(delta))
	}
	if err := l.Unrevoke(ctx, hold.SerialNumber); err != nil {
		t.Fatal(err)
	}
	if err := l.PublishDelta(ctx); err != nil {
		t.Fatal(err)
	}
	if base, delta = l.lists(); base.Number.Int64() != 3 || delta.Number.Int64() != 4 || !reflect.DeepEqual(reasons(delta), map[int64]crl.Reason{1: crl.RemoveFromCRL}) {
		t.Errorf("after the hold: %v, %v", delta.Number, reasons(delta))
	}
	l.CA = l.again() // the numbers go on after a restart
	if err := l.Publish(ctx); err != nil {
		t.Fatal(err)
	}
	if base, _ = l.lists(); base.Number.Int64() != 5 || !reflect.DeepEqual(reasons(base), map[int64]crl.Reason{2: crl.KeyCompromise}) {
		t.Errorf("after a restart: %v, %v", base.Number, reasons(base))
	}
	if next, err := l.NextPublication(ctx); err != nil || !next.Equal(l.clock().AddDate(0, 0, 1)) {
		t.Errorf("next publication %s, %v", next, err)
	}
	// A certificate that ended is on one more list, and then on none.
	l.advance(400 * 24 * time.Hour)
	if base, _ = l.lists(); len(base.Entries()) != 1 {
		t.Errorf("ended, first list: %v", reasons(base))
	}
	l.advance(8 * 24 * time.Hour)
	if base, _ = l.lists(); len(base.Entries()) != 0 {
		t.Errorf("ended, second list: %v", reasons(base))
	}
}

func TestRevokeRefused(t *testing.T) {
	l := newLab(t, config())
	cert := l.issue(alice(), ca.User)
	if err := l.Revoke(ctx, big.NewInt(4711), crl.Unspecified, time.Time{}); !errors.Is(err, &ca.Error{Code: ca.CodePropertyEmpty}) {
		t.Errorf("never issued: %v", err)
	}
	for _, reason := range []crl.Reason{crl.RemoveFromCRL, 7, 11, -1} {
		if err := l.Revoke(ctx, cert.SerialNumber, reason, time.Time{}); !errors.Is(err, &ca.Error{Code: ca.CodeInvalidArgument}) {
			t.Errorf("reason %d: %v", reason, err)
		}
	}
	if err := l.Unrevoke(ctx, cert.SerialNumber); !errors.Is(err, &ca.Error{Code: ca.CodeBadRequestStatus}) {
		t.Errorf("not on hold: %v", err)
	}
	past := l.clock().Add(-time.Hour)
	if err := l.Revoke(ctx, cert.SerialNumber, crl.Superseded, past); err != nil {
		t.Fatal(err)
	}
	row, err := l.Find(cert.SerialNumber)
	if err != nil || row.Disposition != ca.Revoked || row.Reason != crl.Superseded || !row.RevokedAt.Equal(past) || row.Template != ca.User || row.Requester != `CORP\alice` {
		t.Errorf("%+v, %v", row, err)
	}
	for _, err := range []error{l.Unrevoke(ctx, cert.SerialNumber), l.Revoke(ctx, cert.SerialNumber, crl.KeyCompromise, time.Time{})} {
		if !errors.Is(err, &ca.Error{Code: ca.CodeBadRequestStatus}) {
			t.Errorf("revoked for good: %v", err)
		}
	}
}

// What a relying party sees of a certificate's life, by lists and by OCSP: a
// revocation counts from its publication on.
func TestRelyingParty(t *testing.T) {
	l := newLab(t, config())
	fetch := l.serve()
	cert := l.issue(controller(), ca.KerberosAuthentication)
	check := func(o revocation.Options) revocation.Result {
		return revocation.New(fetch, o).Check(ctx, cert, l.Certificate(), l.clock())
	}
	expect := func(when string, want revocation.Status) {
		t.Helper()
		for _, o := range []revocation.Options{{NoLists: true}, {NoOCSP: true}} {
			if got := check(o); got.Status != want || got.OCSP != o.NoLists {
				t.Errorf("%s: %s (%v)", when, got, got.Err)
			}
		}
	}
	expect("issued", revocation.Good)
	if err := l.Revoke(ctx, cert.SerialNumber, crl.CertificateHold, time.Time{}); err != nil {
		t.Fatal(err)
	}
	expect("revoked, not published", revocation.Good)
	if err := l.PublishDelta(ctx); err != nil {
		t.Fatal(err)
	}
	expect("on hold by a delta list", revocation.Revoked)
	if err := l.Publish(ctx); err != nil {
		t.Fatal(err)
	}
	expect("on hold by a base list", revocation.Revoked)
	if err := l.Unrevoke(ctx, cert.SerialNumber); err != nil {
		t.Fatal(err)
	}
	if err := l.PublishDelta(ctx); err != nil {
		t.Fatal(err)
	}
	expect("let go by a delta list", revocation.Good)
	l.advance(40 * 24 * time.Hour) // the responder's certificate ended meanwhile
	expect("weeks later", revocation.Good)
	if err := l.Revoke(ctx, cert.SerialNumber, crl.KeyCompromise, time.Time{}); err != nil {
		t.Fatal(err)
	}
	l.advance(24 * time.Hour)
	expect("revoked, and the next list came by itself", revocation.Revoked)
}

// With manual publication lists grow stale, and a relying party says so.
func TestManual(t *testing.T) {
	c := config()
	c.Lists.Manual = true
	l := newLab(t, c)
	fetch := l.serve()
	cert := l.issue(controller(), ca.KerberosAuthentication)
	l.advance(30 * 24 * time.Hour)
	checker := revocation.New(fetch, revocation.Options{})
	if got := checker.Check(ctx, cert, l.Certificate(), l.clock()); got.Cause != revocation.Stale {
		t.Errorf("%s (%v)", got, got.Err)
	}
	if err := l.Publish(ctx); err != nil {
		t.Fatal(err)
	}
	if got := checker.Check(ctx, cert, l.Certificate(), l.clock()); got.Status != revocation.Good {
		t.Errorf("%s (%v)", got, got.Err)
	}
}

// TestAnotherPublishes: who answers serves what an administrator's CA of the same
// section published, and goes on counting from there.
func TestAnotherPublishes(t *testing.T) {
	l := newLab(t, config())
	cert := l.issue(alice(), ca.User)
	if base, _ := l.lists(); len(base.Entries()) != 0 {
		t.Fatalf("%d entries before anything is revoked", len(base.Entries()))
	}
	other := l.again()
	for _, err := range []error{other.Revoke(ctx, cert.SerialNumber, crl.KeyCompromise, time.Time{}), other.Publish(ctx)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	base, _ := l.lists()
	if _, listed := base.Find(cert.SerialNumber); !listed || base.Number.Int64() != 2 {
		t.Errorf("list %v, listed %t; want list 2 with the certificate", base.Number, listed)
	}
	if err := l.PublishDelta(ctx); err != nil {
		t.Fatal(err)
	}
	if _, delta := l.lists(); delta.Number.Int64() != 3 {
		t.Errorf("the next list is %v, want 3", delta.Number)
	}
}

func TestNoDeltas(t *testing.T) {
	c := config()
	c.Lists.DeltaPeriod = -1
	l := newLab(t, c)
	if base, delta := l.lists(); delta != nil || len(base.Freshest) != 0 {
		t.Errorf("%+v, %+v", base, delta)
	}
	if err := l.PublishDelta(ctx); err == nil {
		t.Error("a delta list was published")
	}
	if got := revocation.New(l.serve(), revocation.Options{NoOCSP: true}).Check(ctx, l.issue(alice(), ca.User), l.Certificate(), l.clock()); got.Status != revocation.Good {
		t.Errorf("%s (%v)", got, got.Err)
	}
}

func TestHandler(t *testing.T) {
	l := newLab(t, config())
	cert := l.issue(alice(), ca.User)
	server := httptest.NewServer(l.Handler(nil))
	t.Cleanup(server.Close)
	do := func(method, path string, body []byte) (int, string, []byte) {
		t.Helper()
		r, err := http.NewRequest(method, server.URL+path, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, resp.Header.Get("Content-Type"), b
	}
	if status, kind, body := do("GET", certFile, nil); status != 200 || kind != "application/x-x509-ca-cert" || !bytes.Equal(body, l.Certificate().Raw) {
		t.Errorf("certificate: %d %s", status, kind)
	}
	for _, path := range []string{baseFile, deltaFile} {
		status, kind, body := do("GET", path, nil)
		if _, err := crl.Parse(body); status != 200 || kind != "application/pkix-crl" || err != nil {
			t.Errorf("%s: %d %s %v", path, status, kind, err)
		}
	}
	request, err := ocsp.NewRequest(cert, l.Certificate(), []byte("a nonce that nobody echoes"))
	if err != nil {
		t.Fatal(err)
	}
	text := url.PathEscape(base64.StdEncoding.EncodeToString(request))
	for _, ask := range []func() (int, string, []byte){
		func() (int, string, []byte) { return do("POST", "/ocsp", request) },
		func() (int, string, []byte) { return do("GET", "/ocsp/"+text, nil) },
	} {
		status, kind, body := ask()
		answer, err := ocsp.ParseResponse(body, cert, l.Certificate(), l.clock())
		if status != 200 || kind != ocsp.TypeResponse || err != nil || answer.Status != ocsp.Good || answer.Nonce != nil || !answer.ProducedAt.Equal(l.clock()) {
			t.Errorf("OCSP: %d %s %+v, %v", status, kind, answer, err)
		}
	}
	unknown := &x509.Certificate{SerialNumber: big.NewInt(4711)}
	if request, err = ocsp.NewRequest(unknown, l.Certificate(), nil); err != nil {
		t.Fatal(err)
	}
	_, _, body := do("POST", "/ocsp", request)
	if answer, err := ocsp.ParseResponse(body, unknown, l.Certificate(), l.clock()); err != nil || answer.Status != ocsp.Unknown {
		t.Errorf("never issued: %+v, %v", answer, err)
	}
	other := newLab(t, config())
	if request, err = ocsp.NewRequest(cert, other.Certificate(), nil); err != nil {
		t.Fatal(err)
	}
	if _, _, body = do("POST", "/ocsp", request); !bytes.Equal(body, ocsp.Unsigned(ocsp.Unauthorized)) {
		t.Errorf("another authority's: %x", body)
	}
	if _, _, body = do("POST", "/ocsp", []byte("?")); !bytes.Equal(body, ocsp.Unsigned(ocsp.MalformedRequest)) {
		t.Errorf("malformed: %x", body)
	}
	for path, want := range map[string]int{"/": 404, "/CertEnroll/": 404, "/CertEnroll/other.crl": 404, "/CertEnroll/..%2f..%2fetc": 404, "/ocsp/%25": 400, "/ocspx": 404} {
		if status, _, _ := do("GET", path, nil); status != want {
			t.Errorf("GET %s: %d", path, status)
		}
	}
	if status, _, _ := do("POST", baseFile, nil); status != 405 {
		t.Errorf("POST to a list: %d", status)
	}
	if status, _, _ := do("POST", "/ocsp", make([]byte, 1<<20)); status != 413 {
		t.Errorf("large: %d", status)
	}
}
