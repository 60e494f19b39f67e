package inspect

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/cms"
	"hellolab/providers/wire/crl"
	"hellolab/providers/wire/filetime"
	"hellolab/providers/wire/gss"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/ocsp"
	"hellolab/providers/wire/pac"
	"hellolab/providers/wire/pkinit"
	"hellolab/providers/wire/sid"
)

const realm = "CORP.EXAMPLE"

// maker makes the material of a domain.
type maker struct {
	t                       *testing.T
	ca, alice, dc           *x509.Certificate
	caKey                   crypto.Signer
	aliceKey, dcKey         *rsa.PrivateKey
	krbtgt, host, password  krb.Key
	session, serviceSession krb.Key
	tgt, service            *krb.Ticket
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (m *maker) write(name string, data []byte) {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join("testdata", name), data, 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// TestMakeDomain makes what a domain and its CA make, with the packages that
// they make it with. It needs the material of TestMakeMaterial for nothing.
func TestMakeDomain(t *testing.T) {
	if !*remake {
		t.Skip("only with -make")
	}
	m := &maker{t: t}
	for _, k := range []struct {
		key   *krb.Key
		etype int32
	}{{&m.krbtgt, krb.AES256}, {&m.host, krb.AES128}, {&m.session, krb.AES256}, {&m.serviceSession, krb.AES128}} {
		*k.key = must(krb.RandomKey(k.etype, rand.Reader))
	}
	m.password = must(krb.StringToKey(krb.AES256, "Marker horse", krb.UserSalt(realm, "alice")))
	m.write("domain.keytab", must(krb.EncodeKeytab([]krb.KeytabEntry{
		{Realm: realm, Name: krb.TGS(realm), Time: now.Add(-48 * time.Hour), KVNO: 2, Key: m.krbtgt},
		{Realm: realm, Name: krb.Service("host", "pc7.corp.example"), Time: now.Add(-time.Hour), KVNO: 3, Key: m.host},
		{Realm: realm, Name: krb.Principal("alice"), KVNO: 1, Key: m.password},
	})))
	m.certificates()
	m.tickets()
	m.exchanges()
	m.revocation()
}

func (m *maker) issue(template *x509.Certificate, pub crypto.PublicKey) *x509.Certificate {
	template.NotBefore, template.NotAfter = now.Add(-10*time.Minute), now.AddDate(1, 0, 0)
	parent := m.ca
	if parent == nil {
		parent = template
	}
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, parent, pub, m.caKey))))
}

func (m *maker) certificates() {
	m.caKey = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	m.ca = m.issue(&x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Corp CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature}, m.caKey.Public())
	m.aliceKey, m.dcKey = must(rsa.GenerateKey(rand.Reader, 2048)), must(rsa.GenerateKey(rand.Reader, 2048))
	account := must(sid.Parse("S-1-5-21-1004336348-1177238915-682003330-1104"))
	san := must(adcert.SAN{UPNs: []string{"alice@corp.example"}, Principals: []adcert.PrincipalName{{Realm: realm, Type: 1, Parts: []string{"alice"}}}}.Extension(false))
	template := must(adcert.Template{ID: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 21, 8, 7, 1}, Major: 100, Minor: 4}.Extension())
	m.alice = m.issue(&x509.Certificate{SerialNumber: big.NewInt(0x1001), Subject: pkix.Name{CommonName: "alice"}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, UnknownExtKeyUsage: []asn1.ObjectIdentifier{adcert.EKUSmartCardLogon},
		CRLDistributionPoints: []string{"http://pki.corp.example/corp.crl"}, OCSPServer: []string{"http://pki.corp.example/ocsp"},
		ExtraExtensions: []pkix.Extension{san, template, adcert.SIDExtension(account)}}, m.aliceKey.Public())
	m.dc = m.issue(&x509.Certificate{SerialNumber: big.NewInt(0x1002), KeyUsage: x509.KeyUsageDigitalSignature, UnknownExtKeyUsage: []asn1.ObjectIdentifier{adcert.EKUKPKdc},
		DNSNames: []string{"dc1.corp.example", "corp.example"}}, m.dcKey.Public())
	m.write("corp-ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.ca.Raw}))
	m.write("alice.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.alice.Raw}))
}

// privileges is alice's PAC.
func (m *maker) privileges() *pac.PAC {
	l := pac.NewLogonInfo()
	l.LogonTime, l.PasswordLastSet, l.PasswordCanChange = filetime.From(now), filetime.From(now.Add(-24*time.Hour)), filetime.From(now)
	l.EffectiveName, l.FullName, l.UserID, l.PrimaryGroupID = "alice", "Al\u202eice", 1104, sid.RIDDomainUsers
	l.Groups = []pac.Group{{RID: sid.RIDDomainUsers, Attributes: pac.GroupAttributes}, {RID: 1110, Attributes: pac.GroupAttributes}}
	l.LogonServer, l.LogonDomainName = "DC1", "CORP"
	l.LogonDomainID = must(sid.Parse("S-1-5-21-1004336348-1177238915-682003330"))
	l.UserAccountControl = pac.AccountControl(0x200)
	l.ExtraSIDs = []pac.SIDAndAttributes{{SID: sid.AuthorityAsserted, Attributes: pac.GroupAttributes}, {SID: sid.FreshPublicKey, Attributes: pac.GroupAttributes}}
	return &pac.PAC{LogonInfo: l, ClientInfo: &pac.ClientInfo{ClientID: filetime.From(now), Name: "alice"},
		UPNDNSInfo: &pac.UPNDNSInfo{UPN: "alice@corp.example", DNSDomain: realm, SAMAccountName: "alice", SID: l.User()}}
}

func (m *maker) tickets() {
	part := krb.EncTicketPart{Flags: krb.FlagForwardable | krb.FlagRenewable | krb.FlagInitial | krb.FlagPreAuthent, Key: m.session, CRealm: realm, Client: krb.Principal("alice"),
		AuthTime: now, StartTime: now, EndTime: now.Add(10 * time.Hour), RenewTill: now.AddDate(0, 0, 7)}
	p := m.privileges()
	p.Attributes, p.Requestor = &pac.Attributes{Flags: pac.PACRequested}, p.LogonInfo.User()
	p.Credentials = must(pac.SealCredentials(m.password, []pac.SupplementalCredential{must(pac.NTLM(bytes.Repeat([]byte{0x42}, 16)))}))
	raw := must(p.Sign(pac.Signing{Server: m.krbtgt, KDC: m.krbtgt}))
	m.write("pac.bin", raw)
	m.tgt = must(krb.SealTicket(m.krbtgt, 2, realm, krb.TGS(realm), must(part.WithPAC(raw))))
	m.write("tgt.der", must(m.tgt.Encode()))

	part.Flags, part.Key, part.Addresses = krb.FlagForwardable|krb.FlagPreAuthent, m.serviceSession, []krb.HostAddress{krb.Address(netip.MustParseAddr("127.0.0.1"))}
	blank := must(must(part.WithPAC(pac.Placeholder())).Encode())
	raw = must(m.privileges().Sign(pac.Signing{Server: m.host, KDC: m.krbtgt, TicketPart: blank}))
	m.service = must(krb.SealTicket(m.host, 3, realm, krb.Service("host", "pc7.corp.example"), must(part.WithPAC(raw))))

	times := krb.Credential{CRealm: realm, Client: krb.Principal("alice"), SRealm: realm, AuthTime: now, StartTime: now, EndTime: now.Add(10 * time.Hour), RenewTill: now.AddDate(0, 0, 7)}
	first, second := times, times
	first.Server, first.Key, first.Flags, first.Ticket = krb.TGS(realm), m.session, krb.FlagForwardable|krb.FlagInitial, must(m.tgt.Encode())
	second.Server, second.Key, second.Flags, second.Ticket = krb.Service("host", "pc7.corp.example"), m.serviceSession, krb.FlagForwardable, must(m.service.Encode())
	second.Addresses = part.Addresses
	m.write("alice.ccache", (&krb.CCache{Realm: realm, Principal: krb.Principal("alice"), Credentials: []krb.Credential{first, second}}).Encode())
}

// request is an AS-REQ for alice with the pre-authentication that pa makes of
// its body.
func request(pa func(body []byte) []krb.PAData) *krb.KDCReq {
	r := &krb.KDCReq{MsgType: krb.MsgASReq, Body: krb.KDCReqBody{Options: krb.OptCanonicalize | krb.FlagForwardable, Client: krb.Enterprise("alice@corp.example"), Realm: realm,
		Server: krb.TGS(realm), Till: now.Add(10 * time.Hour), Nonce: 4711, ETypes: []int32{krb.AES256, krb.AES128, krb.RC4}}}
	r.PAData = pa(must(r.EncodeBody()))
	must(r.Encode())
	return r
}

func (m *maker) exchanges() {
	m.write("as-req-password.b64", []byte(base64.StdEncoding.EncodeToString(request(func([]byte) []krb.PAData {
		return []krb.PAData{{Type: krb.PAEncTimestamp, Value: must(krb.EncTimestamp(m.password, now))}, {Type: krb.PAPACRequest, Value: must(krb.EncodePACRequest(true))}}
	}).Raw)))
	reply := krb.EncKDCRepPart{Key: m.session, LastReqs: []krb.LastReq{{Type: 0, Time: now}}, Nonce: 4711, Flags: krb.FlagInitial | krb.FlagForwardable, AuthTime: now, StartTime: now,
		EndTime: now.Add(10 * time.Hour), Realm: realm, Server: krb.TGS(realm), PAData: []krb.PAData{{Type: krb.PASupportedEncTypes, Value: []byte{0x18, 0, 0, 0}}}}
	rep := krb.KDCRep{MsgType: krb.MsgASRep, CRealm: realm, Client: krb.Principal("alice"), Ticket: *m.tgt, EncPart: must(m.password.Seal(krb.UsageASRep, 1, must(reply.Encode(krb.MsgASRep))))}
	m.write("as-rep-password.der", must(rep.Encode()))

	hints := []krb.PAData{{Type: krb.PAETypeInfo2, Value: must(krb.EncodeETypeInfo2([]krb.ETypeInfo2Entry{{EType: krb.AES256, Salt: krb.UserSalt(realm, "alice")}, {EType: krb.RC4}}))},
		{Type: krb.PAEncTimestamp}, {Type: krb.PAPKASReq}, {Type: krb.PAASFreshness, Value: []byte("Marker horse, fresh")}}
	refusal := krb.NewError(krb.ErrPreauthRequired, "").WithData(must(krb.EncodeMethodData(hints)))
	m.write("preauth-required.hex", []byte(hex.EncodeToString(must(refusal.Encode(realm, krb.TGS(realm), now)))))
	groups := []krb.TypedData{{Type: krb.TDDHParameters, Value: must(pkinit.EncodeDHParameters(pkinit.DefaultGroups()))},
		{Type: krb.TDTrustedCertifiers, Value: must(pkinit.EncodeIdentifiers([]pkinit.ExternalPrincipalIdentifier{must(pkinit.IdentifierOf(m.ca))}))}, {Type: 102, Value: []byte{1}}}
	refusal = krb.NewError(krb.ErrDHParametersNotAccepted, "").WithData(must(krb.EncodeTypedData(groups)))
	m.write("dh-refused.der", must(refusal.Encode(realm, krb.TGS(realm), now)))

	m.pkinit()

	auth := &krb.Authenticator{CRealm: realm, Client: krb.Principal("alice"), Time: now, Subkey: must(krb.RandomKey(krb.AES256, rand.Reader)), SeqNumber: 7}
	tgs := &krb.KDCReq{MsgType: krb.MsgTGSReq, Body: krb.KDCReqBody{Realm: realm, Server: krb.Service("host", "pc7.corp.example"), Nonce: 4712, ETypes: []int32{krb.AES256}}}
	auth.Checksum = must(m.session.Checksum(krb.UsageTGSReqChecksum, must(tgs.EncodeBody())))
	tgs.PAData = []krb.PAData{{Type: krb.PATGSReq, Value: must(krb.NewAPReq(0, m.tgt, m.session, krb.UsageTGSReqAuth, auth))},
		{Type: krb.PAPACOptions, Value: must(krb.EncodePACOptions(krb.PACOptionClaims | krb.PACOptionBranchAware))}, {Type: krb.PAKeyListReq, Value: must(asn1.Marshal([]int32{krb.RC4}))}}
	m.write("tgs-req.der", must(tgs.Encode()))

	client := gss.NewNegotiator(gss.InitiatorConfig{Credential: gss.Credential{Ticket: m.service, Session: m.serviceSession, Realm: realm, Client: krb.Principal("alice")},
		Flags: gss.Mutual | gss.Integrity, Now: now, Rand: rand.Reader})
	token, _, err := client.Step(nil)
	if err != nil {
		m.t.Fatal(err)
	}
	m.write("spnego.txt", []byte("Authorization: "+gss.Header(token)+"\n"))
	service := (&gss.Acceptor{Key: func(*krb.Ticket) (krb.Key, error) { return m.host, nil }, Now: func() time.Time { return now }, Skew: krb.Skew, Rand: rand.Reader}).New()
	answer, _, err := service.Step(token)
	if err != nil {
		m.t.Fatal(err)
	}
	m.write("spnego-answer.bin", answer)
	if _, _, err = client.Step(answer); err != nil {
		m.t.Fatal(err)
	}
	m.write("wrap.bin", must(client.Context().Wrap([]byte("hello"), true)))
	ap := must(krb.NewAPReq(0, m.service, m.serviceSession, krb.UsageAPReqAuth, auth))
	m.write("kpasswd.bin", must((&krb.PasswordMessage{Version: krb.PasswordSet, AP: ap, Priv: must(krb.Priv{Data: []byte("Marker horse"), Sender: krb.Address(netip.Addr{})}.Encode(auth.Subkey))}).Encode()))
}

// pkinit makes both modes of a sign-in with a certificate.
func (m *maker) pkinit() {
	signer := cms.Signer{Key: m.aliceKey, Certificates: []*x509.Certificate{m.alice}}
	kdc := cms.Signer{Key: m.dcKey, Certificates: []*x509.Certificate{m.dc}}
	for name, from := range map[string]pkinit.Initiator{
		"dh": {Signer: signer, Group: pkinit.MODP2048, KDFs: pkinit.DefaultKDFs(), Checksum2: crypto.SHA256, DHNonce: true,
			Trusted: []pkinit.ExternalPrincipalIdentifier{must(pkinit.IdentifierOf(m.ca))}},
		"rsa": {Signer: signer, Decrypter: m.aliceKey, CMSTypes: []asn1.ObjectIdentifier{cms.AES256CBC, cms.DESEDE3CBC}},
	} {
		r := request(func(body []byte) []krb.PAData {
			attempt := must(from.Start(rand.Reader, now, 4711, body, []byte("Marker horse, fresh")))
			return []krb.PAData{{Type: krb.PAPKASReq, Value: attempt.Value}, {Type: krb.PAReqEncPARep}}
		})
		m.write("as-req-"+name+".der", r.Raw)
		parsed := must(pkinit.ParseRequest(r.PAData[0].Value))
		x := pkinit.ExchangeOf(must(krb.ParseKDCReq(r.Raw)), krb.AES256)
		var value []byte
		var key krb.Key
		var err error
		if name == "dh" {
			value, key, err = pkinit.AnswerDH(rand.Reader, parsed.AuthPack, pkinit.DHAnswer{Signer: kdc, Key: must(pkinit.MODP2048.GenerateKey(rand.Reader)), KDFs: pkinit.DefaultKDFs(),
				Reused: now.Add(time.Hour)}, x)
		} else {
			value, key, err = pkinit.AnswerRSA(rand.Reader, parsed.AuthPack, kdc, m.alice, x)
		}
		if err != nil {
			m.t.Fatal(err)
		}
		part := must((&krb.EncKDCRepPart{Key: m.session, LastReqs: []krb.LastReq{{Type: 0, Time: now}}, Nonce: 4711, AuthTime: now, EndTime: now.Add(time.Hour), Realm: realm, Server: krb.TGS(realm)}).Encode(krb.MsgASRep))
		rep := krb.KDCRep{MsgType: krb.MsgASRep, PAData: []krb.PAData{{Type: krb.PAPKASRep, Value: value}}, CRealm: realm, Client: krb.Principal("alice"), Ticket: *m.tgt,
			EncPart: must(key.Seal(krb.UsageASRep, 0, part))}
		m.write("as-rep-"+name+".der", must(rep.Encode()))
	}
	pack := must(kdc.Sign(rand.Reader, pkinit.RKeyDataOID, must((&pkinit.ReplyKeyPack{Key: m.session, Checksum: must(m.session.Checksum(krb.UsageTGSReqChecksum, []byte("request")))}).Encode())))
	m.write("reply-key-pack.pem", pem.EncodeToMemory(&pem.Block{Type: "PKCS7", Bytes: cms.ContentInfo(cms.SignedDataOID, pack)}))
}

func (m *maker) revocation() {
	base := crl.Template{Number: 7, ThisUpdate: now.Add(-time.Hour), NextUpdate: now.AddDate(0, 0, 7), NextPublish: now.AddDate(0, 0, 6), CAVersion: 0x00010001,
		Freshest: []string{"http://pki.corp.example/corp+.crl"}, Entries: []crl.Entry{{Serial: big.NewInt(0x1001), At: now.Add(-2 * time.Hour), Reason: crl.KeyCompromise}}}
	for serial := range int64(maxListed + 6) {
		base.Entries = append(base.Entries, crl.Entry{Serial: big.NewInt(0x2000 + serial), At: now.Add(-3 * time.Hour)})
	}
	m.write("corp.crl", must(crl.Create(rand.Reader, base, m.ca, m.caKey)))
	delta := crl.Template{Number: 9, Base: 7, ThisUpdate: now, NextUpdate: now.AddDate(0, 0, 1), Entries: []crl.Entry{{Serial: big.NewInt(0x2001), At: now, Reason: crl.RemoveFromCRL}}}
	m.write("corp-delta.pem", pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: must(crl.Create(rand.Reader, delta, m.ca, m.caKey))}))

	ask := must(ocsp.NewRequest(m.alice, m.ca, []byte("0123456789abcdef")))
	m.write("ocsp-request.der", ask)
	answer := ocsp.Answer{Status: ocsp.Revoked, RevokedAt: now.Add(-2 * time.Hour), Reason: crl.KeyCompromise, ProducedAt: now, ThisUpdate: now, NextUpdate: now.Add(time.Hour), Nonce: []byte("0123456789abcdef")}
	m.write("ocsp.der", must(answer.Sign(rand.Reader, must(ocsp.ParseRequest(ask)), m.ca, m.caKey)))
}
