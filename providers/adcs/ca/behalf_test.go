package ca_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	tags "golang.org/x/crypto/cryptobyte/asn1"

	"hellolab/providers/adcs/ca"
	"hellolab/providers/conformance"
	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/cmc"
	"hellolab/providers/wire/cms"
	"hellolab/providers/wire/sid"
)

// plainForm is a PKCS #10 that an agent signs as it is, the form that AD FS
// sends: for whom and by which template is a signed attribute.
func (s signed) plainForm(t testing.TB) []byte {
	t.Helper()
	pairs, err := cmc.MarshalPairs(map[string]string{cmc.RequesterName: s.name, cmc.CertificateTemplate: s.template})
	if err != nil {
		t.Fatal(err)
	}
	signer := cms.Signer{Key: s.key, Certificates: s.with, ID: cms.BySerial(s.agent), Attributes: []cms.Attribute{{ID: cmc.NameValuePair, Values: pairs}}}
	bare, err := signer.Sign(rand.Reader, cms.Data, s.csr)
	if err != nil {
		t.Fatal(err)
	}
	return cms.ContentInfo(cms.SignedDataOID, bare)
}

// Both forms of a request for somebody else are served alike, and a certificate
// is renewed with the key that it has.
func TestOnBehalfForms(t *testing.T) {
	l := newLab(t, config())
	good := l.signed(l.issue(admin(), ca.HelloEnrollmentAgent))
	var before *x509.Certificate
	for name, der := range map[string][]byte{"CMC": good.encode(t), "PKCS #10": good.plainForm(t)} {
		if who, err := ca.OnBehalfOf(der); err != nil || who != `CORP\alice` {
			t.Errorf("%s: for %q, %v", name, who, err)
		}
		issued, err := l.Issue(ctx, ca.Request{Requester: alice(), CSR: der})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		cert := issued.Certificate
		if before != nil && (!bytes.Equal(before.RawSubjectPublicKeyInfo, cert.RawSubjectPublicKeyInfo) || before.SerialNumber.Cmp(cert.SerialNumber) == 0 || !bytes.Equal(before.RawSubject, cert.RawSubject)) {
			t.Errorf("%s: renewed as %s, %s", name, cert.Subject, cert.SerialNumber)
		}
		before = cert
		l.advance(300 * 24 * time.Hour)
	}
}

// A restricted agent asks for those only whom the template names.
func TestRestrictedAgent(t *testing.T) {
	l := newLab(t, config())
	agent := l.issue(admin(), ca.HelloEnrollmentAgent)
	list := templates()
	i := slices.IndexFunc(list, func(t ca.Template) bool { return t.Name == ca.HelloAuthentication })
	for name, c := range map[string]struct {
		of   []sid.SID
		code ca.Code
	}{
		"herself": {[]sid.SID{alice().SID}, 0}, "her group": {[]sid.SID{domain.Account(sid.RIDDomainUsers)}, 0},
		"others": {[]sid.SID{domain.Account(9999)}, ca.CodeRestricted}, "nobody": {[]sid.SID{}, ca.CodeRestricted}, "anybody": {nil, 0},
	} {
		list[i].OnBehalfOf = c.of
		restricted, err := ca.Open(l.env, list)
		if err != nil {
			t.Fatal(err)
		}
		_, err = restricted.Issue(ctx, ca.Request{Requester: alice(), CSR: l.signed(agent).encode(t)})
		if c.code == 0 && err != nil || c.code != 0 && !errors.Is(err, &ca.Error{Code: c.code}) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// remade changes the parts of a signed request: the SignedData's elements are
// version, digests, content, certificates and signers.
func remade(t testing.TB, der []byte, change func(parts [][]byte) [][]byte) []byte {
	t.Helper()
	in, info, wrapped, signed := cryptobyte.String(der), cryptobyte.String(nil), cryptobyte.String(nil), cryptobyte.String(nil)
	if !in.ReadASN1(&info, tags.SEQUENCE) || !info.SkipASN1(tags.OBJECT_IDENTIFIER) || !info.ReadASN1(&wrapped, tags.Tag(0).ContextSpecific().Constructed()) ||
		!wrapped.ReadASN1(&signed, tags.SEQUENCE) {
		t.Fatal("not a ContentInfo")
	}
	var parts [][]byte
	for !signed.Empty() {
		var part cryptobyte.String
		var tag tags.Tag
		if !signed.ReadAnyASN1Element(&part, &tag) {
			t.Fatal("not a SignedData")
		}
		parts = append(parts, part)
	}
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(tags.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, part := range change(parts) {
			b.AddBytes(part)
		}
	})
	return cms.ContentInfo(cms.SignedDataOID, b.BytesOrPanic())
}

func element(tag tags.Tag, content ...[]byte) []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes(bytes.Join(content, nil)) })
	return b.BytesOrPanic()
}

// inside is what an element holds.
func inside(t testing.TB, der []byte) []byte {
	t.Helper()
	in, out := cryptobyte.String(der), cryptobyte.String(nil)
	var tag tags.Tag
	if !in.ReadAnyASN1(&out, &tag) {
		t.Fatal("no element")
	}
	return out
}

// Fault 76: requests whose CMS is not what it has to be, each refused with the
// code that its kind has.
func TestMalformedEnvelopes(t *testing.T) {
	l := newLab(t, config())
	agent := l.issue(admin(), ca.HelloEnrollmentAgent)
	good := l.signed(agent).encode(t)
	set, bag := tags.SET, tags.Tag(0).ContextSpecific().Constructed()
	many := bytes.Repeat(agent.Raw, 3000)
	data := l.signed(agent)
	data.kind = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 5}
	for name, c := range map[string]struct {
		change func([][]byte) [][]byte
		code   ca.Code
	}{
		"unchanged":              {func(p [][]byte) [][]byte { return p }, 0},
		"no signer":              {func(p [][]byte) [][]byte { p[4] = element(set); return p }, ca.CodeSyntax},
		"two signers":            {func(p [][]byte) [][]byte { one := inside(t, p[4]); p[4] = element(set, one, one); return p }, ca.CodeSyntax},
		"detached content":       {func(p [][]byte) [][]byte { p[2] = element(tags.SEQUENCE, inside(t, p[2])[:10]); return p }, ca.CodeSyntax},
		"content changed":        {func(p [][]byte) [][]byte { p[2] = bytes.Replace(p[2], []byte("alice"), []byte("alicf"), 1); return p }, ca.CodeBadSignature},
		"no certificates":        {func(p [][]byte) [][]byte { return slices.Delete(p, 3, 4) }, ca.CodeSignatureRejected},
		"thousands of them":      {func(p [][]byte) [][]byte { p[3] = element(bag, many); return p }, ca.CodeSyntax},
		"no signed attributes":   {func(p [][]byte) [][]byte { p[4] = withoutAttributes(t, p[4]); return p }, ca.CodeSyntax},
		"attributes reordered":   {func(p [][]byte) [][]byte { p[4] = reordered(t, p[4]); return p }, ca.CodeSyntax},
		"another content's type": {func([][]byte) [][]byte { return nil }, ca.CodeSyntax},
	} {
		der := remade(t, good, c.change)
		if name == "another content's type" {
			der = data.encode(t)
		}
		_, err := l.Issue(ctx, ca.Request{Requester: alice(), CSR: der})
		if c.code == 0 && err != nil || c.code != 0 && !errors.Is(err, &ca.Error{Code: c.code}) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// attributesOf takes a signer apart: what comes before the signed attributes,
// they, and what comes after.
func attributesOf(t testing.TB, signers []byte) (before, attributes, after []byte) {
	t.Helper()
	in := cryptobyte.String(inside(t, inside(t, signers)))
	for !in.Empty() {
		var part cryptobyte.String
		var tag tags.Tag
		if !in.ReadAnyASN1Element(&part, &tag) {
			t.Fatal("not a SignerInfo")
		}
		switch {
		case tag == tags.Tag(0).ContextSpecific().Constructed():
			attributes = part
		case attributes == nil:
			before = append(before, part...)
		default:
			after = append(after, part...)
		}
	}
	return before, attributes, after
}

func withoutAttributes(t testing.TB, signers []byte) []byte {
	before, _, after := attributesOf(t, signers)
	return element(tags.SET, element(tags.SEQUENCE, before, after))
}

func reordered(t testing.TB, signers []byte) []byte {
	before, attributes, after := attributesOf(t, signers)
	in := cryptobyte.String(inside(t, attributes))
	var first, second cryptobyte.String
	if !in.ReadASN1Element(&first, tags.SEQUENCE) || !in.ReadASN1Element(&second, tags.SEQUENCE) || !in.Empty() {
		t.Fatal("not two attributes")
	}
	return element(tags.SET, element(tags.SEQUENCE, before, element(tags.Tag(0).ContextSpecific().Constructed(), second, first), after))
}

// A template may put the account's domain into the subject, into the UPN, into
// both or into neither.
func TestNamesOfTemplates(t *testing.T) {
	for _, c := range []struct {
		names        ca.NameFlag
		subject, upn bool
	}{
		{ca.SubjectRequireDirectoryPath | ca.AltRequireUPN, true, true}, {ca.SubjectRequireDirectoryPath, true, false}, {ca.AltRequireUPN, false, true}, {0, false, false},
	} {
		l := &lab{t: t, now: conformance.Began}
		l.env = ca.Env{Section: freshSection(t), Now: l.clock, Rand: rand.Reader}
		list := templates()
		for i := range list {
			if list[i].Name == ca.HelloDevice {
				list[i].Names = c.names
			}
		}
		var err error
		if l.CA, err = ca.Create(ctx, l.env, config(), nil, list); err != nil {
			t.Fatal(err)
		}
		who := alice()
		who.Groups = append(who.Groups, domain.Account(sid.RIDDomainAdmins))
		cert := l.issue(who, ca.HelloDevice)
		names, err := adcert.Names(cert)
		if err != nil || (cert.Subject.String() != "") != c.subject || (len(names.UPNs) == 1) != c.upn {
			t.Errorf("%#x: subject %q, %+v, %v", c.names, cert.Subject, names, err)
		}
		if id, found, err := adcert.SID(cert); err != nil || !found || id != who.SID {
			t.Errorf("%#x: security identifier %s, %v", c.names, id, err)
		}
	}
}
