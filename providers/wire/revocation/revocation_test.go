package revocation_test

import (
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"testing"
	"time"

	"hellolab/providers/wire/crl"
	"hellolab/providers/wire/ocsp"
	"hellolab/providers/wire/revocation"
)

// Fault 80: every state of a list, and what comes of it.
func TestLists(t *testing.T) {
	a, other, namesake := newAuthority(t, "a"), newAuthority(t, "other"), newAuthority(t, "a")
	cert := a.leaf(77, []string{baseURL}, nil)
	at := func(from, until time.Duration) crl.Template {
		b := a.base(1)
		b.ThisUpdate, b.NextUpdate = now.Add(from), now.Add(until)
		return b
	}
	deltaOnly := a.base(2)
	deltaOnly.Base = 1
	for name, c := range map[string]struct {
		file  []byte
		want  revocation.Status
		cause revocation.Cause
	}{
		"good":           {a.list(a.base(1, entry(76, crl.Superseded))), revocation.Good, 0},
		"revoked":        {a.list(a.base(1, entry(77, crl.KeyCompromise))), revocation.Revoked, 0},
		"unreachable":    {nil, revocation.Unknown, revocation.Unreachable},
		"stale":          {a.list(at(-time.Hour, -time.Second)), revocation.Unknown, revocation.Stale},
		"just stale":     {a.list(at(-time.Hour, 0)), revocation.Unknown, revocation.Stale},
		"not yet valid":  {a.list(at(time.Second, time.Hour)), revocation.Unknown, revocation.NotYetValid},
		"wrong issuer":   {other.list(a.base(1)), revocation.Unknown, revocation.WrongIssuer},
		"bad signature":  {namesake.list(a.base(1)), revocation.Unknown, revocation.BadSignature},
		"too large":      {make([]byte, crl.MaxSize+1), revocation.Unknown, revocation.TooLarge},
		"malformed":      {[]byte("<html>"), revocation.Unknown, revocation.Malformed},
		"a delta alone":  {a.list(deltaOnly), revocation.Unknown, revocation.Malformed},
		"empty response": {[]byte{}, revocation.Unknown, revocation.Malformed},
	} {
		n := newNetwork()
		if c.file != nil {
			n.files[baseURL] = c.file
		}
		got := revocation.New(n, revocation.Options{}).Check(ctx, cert, a.cert, now)
		if got.Status != c.want || got.Status == revocation.Unknown && (got.Cause != c.cause || got.Err == nil) {
			t.Errorf("%s: %s (%v)", name, got, got.Err)
		}
		if got.Status == revocation.Revoked && (got.Reason != crl.KeyCompromise || !got.At.Equal(now.Add(-time.Hour)) || got.Source != baseURL) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestNoSource(t *testing.T) {
	a := newAuthority(t, "a")
	if got := revocation.New(newNetwork(), revocation.Options{}).Check(ctx, a.leaf(77, nil, nil), a.cert, now); got.Status != revocation.Unknown || got.Cause != revocation.NoSource {
		t.Errorf("%+v", got)
	}
}

// One source that fails does not hide another; when all fail, the most telling
// cause is told.
func TestSeveralSources(t *testing.T) {
	a := newAuthority(t, "a")
	cert := a.leaf(77, []string{"ldap:///CN=a?certificateRevocationList", baseURL}, []string{ocspURL})
	n := newNetwork()
	n.files[baseURL] = a.list(a.base(1))
	if got := revocation.New(n, revocation.Options{}).Check(ctx, cert, a.cert, now); got.Status != revocation.Good || got.Source != baseURL || got.OCSP {
		t.Errorf("%+v", got)
	}
	stale := a.base(1)
	stale.NextUpdate = now
	n.files[baseURL] = a.list(stale)
	if got := revocation.New(n, revocation.Options{}).Check(ctx, cert, a.cert, now); got.Cause != revocation.Stale || got.Source != baseURL {
		t.Errorf("%+v", got)
	}
	many := a.leaf(78, []string{"x:1", "x:2", "x:3", "x:4", "x:5", baseURL}, nil)
	n = newNetwork()
	revocation.New(n, revocation.Options{}).Check(ctx, many, a.cert, now)
	if len(n.fetched) != 4 {
		t.Errorf("%d sources were tried", len(n.fetched))
	}
}

func TestDeltas(t *testing.T) {
	a := newAuthority(t, "a")
	cert := a.leaf(77, []string{baseURL}, nil)
	base := func(number int64, entries ...crl.Entry) crl.Template {
		b := a.base(number, entries...)
		b.Freshest = []string{deltaURL}
		return b
	}
	delta := func(number, of int64, entries ...crl.Entry) crl.Template {
		d := a.base(number, entries...)
		d.Base, d.NextUpdate = of, now.Add(24*time.Hour)
		return d
	}
	stale := delta(2, 1)
	stale.NextUpdate = now
	for name, c := range map[string]struct {
		base  crl.Template
		delta *crl.Template
		want  revocation.Status
		cause revocation.Cause
	}{
		"revoked since":              {base(1), ref(delta(2, 1, entry(77, crl.KeyCompromise))), revocation.Revoked, 0},
		"nothing new":                {base(1), ref(delta(2, 1)), revocation.Good, 0},
		"no longer on hold":          {base(1, entry(77, crl.CertificateHold)), ref(delta(2, 1, entry(77, crl.RemoveFromCRL))), revocation.Good, 0},
		"still on hold":              {base(1, entry(77, crl.CertificateHold)), ref(delta(2, 1)), revocation.Revoked, 0},
		"on hold, delta unreachable": {base(1, entry(77, crl.CertificateHold)), nil, revocation.Revoked, 0},
		"revoked, delta unreachable": {base(1, entry(77, crl.KeyCompromise)), nil, revocation.Revoked, 0},
		"a removal frees no revoked": {base(1, entry(77, crl.KeyCompromise)), ref(delta(2, 1, entry(77, crl.RemoveFromCRL))), revocation.Revoked, 0},
		"delta unreachable":          {base(1), nil, revocation.Unknown, revocation.Unreachable},
		"delta stale":                {base(1), &stale, revocation.Unknown, revocation.Stale},
		"a base as delta":            {base(1), ref(base(2)), revocation.Unknown, revocation.Malformed},
		"delta of a later base":      {base(1), ref(delta(5, 4)), revocation.Unknown, revocation.Stale},
		"delta older than the base":  {base(3), ref(delta(2, 1, entry(77, crl.KeyCompromise))), revocation.Good, 0},
	} {
		n := newNetwork()
		n.files[baseURL] = a.list(c.base)
		if c.delta != nil {
			n.files[deltaURL] = a.list(*c.delta)
		}
		got := revocation.New(n, revocation.Options{}).Check(ctx, cert, a.cert, now)
		if got.Status != c.want || got.Status == revocation.Unknown && got.Cause != c.cause {
			t.Errorf("%s: %s (%v)", name, got, got.Err)
		}
	}

	// A base list that was kept is fetched again when a delta list needs a later one.
	n := newNetwork()
	n.files[baseURL], n.files[deltaURL] = a.list(base(1)), a.list(delta(1, 1))
	checker := revocation.New(n, revocation.Options{})
	if got := checker.Check(ctx, cert, a.cert, now); got.Status != revocation.Good || !got.Until.Equal(now.Add(24*time.Hour)) {
		t.Errorf("%+v", got)
	}
	n.files[baseURL], n.files[deltaURL] = a.list(base(3, entry(77, crl.Superseded))), a.list(delta(3, 3))
	later := now.Add(25 * time.Hour) // the delta list is over, the base list is not
	fresh := delta(4, 3)
	fresh.ThisUpdate, fresh.NextUpdate = later, later.Add(time.Hour)
	n.files[deltaURL] = a.list(fresh)
	if got := checker.Check(ctx, cert, a.cert, later); got.Status != revocation.Revoked || n.fetched[baseURL] != 2 {
		t.Errorf("%+v, fetched %v", got, n.fetched)
	}
}

func ref[T any](v T) *T { return &v }

// Fault 80: OCSP, wrong nonce included.
func TestOCSP(t *testing.T) {
	a, other := newAuthority(t, "a"), newAuthority(t, "a")
	cert := a.leaf(77, nil, []string{ocspURL})
	answer := func(change func(*ocsp.Answer)) ocsp.Answer {
		x := ocsp.Answer{ProducedAt: now, ThisUpdate: now.Add(-time.Minute), NextUpdate: now.Add(time.Hour)}
		if change != nil {
			change(&x)
		}
		return x
	}
	for name, c := range map[string]struct {
		answer func(*ocsp.Request) []byte
		want   revocation.Status
		cause  revocation.Cause
		nonce  bool
	}{
		"good":            {a.responder(answer(nil)), revocation.Good, 0, false},
		"revoked":         {a.responder(answer(func(x *ocsp.Answer) { x.Status, x.Reason, x.RevokedAt = ocsp.Revoked, crl.Superseded, now })), revocation.Revoked, 0, false},
		"unknown":         {a.responder(answer(func(x *ocsp.Answer) { x.Status = ocsp.Unknown })), revocation.Unknown, revocation.UnknownSerial, false},
		"stale":           {a.responder(answer(func(x *ocsp.Answer) { x.NextUpdate = now })), revocation.Unknown, revocation.Stale, false},
		"not yet valid":   {a.responder(answer(func(x *ocsp.Answer) { x.ThisUpdate = now.Add(time.Second) })), revocation.Unknown, revocation.NotYetValid, false},
		"no next update":  {a.responder(answer(func(x *ocsp.Answer) { x.NextUpdate = time.Time{} })), revocation.Good, 0, false},
		"old without one": {a.responder(answer(func(x *ocsp.Answer) { x.ThisUpdate, x.NextUpdate = now.Add(-2*time.Hour), time.Time{} })), revocation.Unknown, revocation.Stale, false},
		"bad signature":   {other.responder(answer(nil)), revocation.Unknown, revocation.BadSignature, false},
		"unsigned":        {func(*ocsp.Request) []byte { return ocsp.Unsigned(ocsp.TryLater) }, revocation.Unknown, revocation.Unreachable, false},
		"malformed":       {func(*ocsp.Request) []byte { return []byte("?") }, revocation.Unknown, revocation.Malformed, false},
		"too large":       {func(*ocsp.Request) []byte { return make([]byte, ocsp.MaxResponse+1) }, revocation.Unknown, revocation.TooLarge, false},
		"unreachable":     {nil, revocation.Unknown, revocation.Unreachable, false},
		"wrong nonce":     {a.responder(answer(func(x *ocsp.Answer) { x.Nonce = []byte("another") })), revocation.Unknown, revocation.WrongNonce, true},
		"no nonce":        {a.responder(answer(nil)), revocation.Good, 0, true},
		"same nonce": {func(r *ocsp.Request) []byte {
			return a.responder(answer(func(x *ocsp.Answer) { x.Nonce = r.Nonce }))(r)
		}, revocation.Good, 0, true},
	} {
		n := newNetwork()
		n.answer = c.answer
		var o revocation.Options
		if c.nonce {
			o.Rand = rand.Reader
		}
		got := revocation.New(n, o).Check(ctx, cert, a.cert, now)
		if got.Status != c.want || got.Status == revocation.Unknown && got.Cause != c.cause || !got.OCSP {
			t.Errorf("%s: %s (%v)", name, got, got.Err)
		}
	}
}

// What was fetched is kept until its next update, and not one moment longer.
func TestKept(t *testing.T) {
	a := newAuthority(t, "a")
	n := newNetwork()
	n.files[baseURL] = a.list(a.base(1))
	n.answer = a.responder(ocsp.Answer{ProducedAt: now, ThisUpdate: now, NextUpdate: now.Add(time.Hour)})
	checker := revocation.New(n, revocation.Options{})
	byList, byOCSP := a.leaf(77, []string{baseURL}, nil), a.leaf(78, nil, []string{ocspURL})
	for _, at := range []time.Time{now, now.Add(time.Minute), now.Add(59 * time.Minute)} {
		for _, cert := range []*x509.Certificate{byList, byOCSP} {
			if got := checker.Check(ctx, cert, a.cert, at); got.Status != revocation.Good {
				t.Errorf("%s: %s", at, got)
			}
		}
	}
	if n.fetched[baseURL] != 1 || n.fetched[ocspURL] != 1 {
		t.Errorf("fetched %v", n.fetched)
	}
	if got := checker.Check(ctx, byOCSP, a.cert, now.Add(time.Hour)); got.Cause != revocation.Stale || n.fetched[ocspURL] != 2 {
		t.Errorf("%s, fetched %v", got, n.fetched)
	}
	if got := checker.Check(ctx, byList, a.cert, now.AddDate(0, 0, 7)); got.Cause != revocation.Stale || n.fetched[baseURL] != 2 {
		t.Errorf("%s, fetched %v", got, n.fetched)
	}
	// Another authority of the same name does not live on what was kept.
	if got := checker.Check(ctx, byList, newAuthority(t, "a").cert, now); got.Cause != revocation.BadSignature {
		t.Errorf("%s", got)
	}
}

// When the next list is due by a list's own word, it is asked for; the old one
// serves until its end when the new one is late.
func TestNextPublish(t *testing.T) {
	a := newAuthority(t, "a")
	cert := a.leaf(77, []string{baseURL}, nil)
	first := a.base(1)
	first.NextPublish = now.Add(time.Hour)
	n := newNetwork()
	n.files[baseURL] = a.list(first)
	checker := revocation.New(n, revocation.Options{})
	expect := func(when string, after time.Duration, status revocation.Status, fetches int) {
		t.Helper()
		if got := checker.Check(ctx, cert, a.cert, now.Add(after)); got.Status != status || n.fetched[baseURL] != fetches {
			t.Errorf("%s: %s (%v), fetched %v", when, got, got.Err, n.fetched)
		}
	}
	expect("first", 0, revocation.Good, 1)
	expect("kept", 59*time.Minute, revocation.Good, 1)
	delete(n.files, baseURL)
	expect("late", 61*time.Minute, revocation.Good, 2)
	second := a.base(2, entry(77, crl.Superseded))
	second.NextPublish = now.Add(3 * time.Hour)
	n.files[baseURL] = a.list(second)
	expect("there", 62*time.Minute, revocation.Revoked, 3)
	expect("kept again", 63*time.Minute, revocation.Revoked, 3)
	n.files[baseURL] = a.list(a.base(3))
	checker.Forget()
	expect("forgotten", 64*time.Minute, revocation.Good, 4)
}

func TestChain(t *testing.T) {
	root := newAuthority(t, "root")
	sub := &authority{t: t}
	sub.cert, sub.key = root.sign(&x509.Certificate{Subject: root.cert.Subject, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, CRLDistributionPoints: []string{baseURL}}, 5)
	leaf := sub.leaf(77, []string{deltaURL}, nil)
	n := newNetwork()
	n.files[baseURL], n.files[deltaURL] = root.list(root.base(1, entry(5, crl.CACompromise))), sub.list(sub.base(1))
	got := revocation.New(n, revocation.Options{}).CheckChain(ctx, []*x509.Certificate{leaf, sub.cert, root.cert}, now)
	if len(got) != 2 || got[0].Status != revocation.Good || got[1].Status != revocation.Revoked || revocation.Worst(got).Reason != crl.CACompromise {
		t.Errorf("%v", got)
	}
	delete(n.files, baseURL)
	got = revocation.New(n, revocation.Options{}).CheckChain(ctx, []*x509.Certificate{leaf, sub.cert, root.cert}, now)
	if w := revocation.Worst(got); w.Status != revocation.Unknown || w.Cause != revocation.Unreachable {
		t.Errorf("%v", got)
	}
	if w := revocation.Worst(nil); w.Status != revocation.Good {
		t.Errorf("a root alone: %v", w)
	}
	for _, r := range got {
		if fmt.Sprint(r) == "" {
			t.Error("nothing to show")
		}
	}
}
