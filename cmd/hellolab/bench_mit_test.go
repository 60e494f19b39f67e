package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/cms"
)

// benchPKI is an authority that certified the client and a KDC.
type benchPKI struct {
	root, client, kdc *x509.Certificate
	clientKey, kdcKey *rsa.PrivateKey
}

func newBenchPKI(b *testing.B, clientKey *rsa.PrivateKey) *benchPKI {
	b.Helper()
	keys := [2]*rsa.PrivateKey{}
	for i := range keys {
		var err error
		if keys[i], err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			b.Fatal(err)
		}
	}
	p := &benchPKI{clientKey: clientKey, kdcKey: keys[1]}
	issue := func(c *x509.Certificate, names adcert.SAN, purposes []asn1.ObjectIdentifier, key *rsa.PrivateKey) *x509.Certificate {
		b.Helper()
		c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
		c.UnknownExtKeyUsage = purposes
		parent := p.root
		if parent == nil {
			parent = c
		} else {
			san, err := names.Extension(false)
			if err != nil {
				b.Fatal(err)
			}
			c.ExtraExtensions = append(c.ExtraExtensions, san)
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, keys[0])
		if err != nil {
			b.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			b.Fatal(err)
		}
		return cert
	}
	p.root = issue(&x509.Certificate{Subject: pkix.Name{CommonName: "Bench Root"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, adcert.SAN{}, nil, keys[0])
	use := x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	p.client = issue(&x509.Certificate{Subject: pkix.Name{CommonName: "alice"}, KeyUsage: use, ExtraExtensions: []pkix.Extension{adcert.SIDExtension(benchSID)}},
		adcert.SAN{UPNs: []string{"alice@" + benchRealm}}, []asn1.ObjectIdentifier{adcert.EKUSmartCardLogon, adcert.EKUKPClientAuth}, clientKey)
	p.kdc = issue(&x509.Certificate{Subject: pkix.Name{CommonName: benchHost}, KeyUsage: use},
		adcert.SAN{Principals: []adcert.PrincipalName{adcert.KDCName(benchRealm)}, DNSNames: []string{benchHost}}, []asn1.ObjectIdentifier{adcert.EKUKPKdc}, p.kdcKey)
	return p
}

func (p *benchPKI) signer() cms.Signer {
	return cms.Signer{Key: p.clientKey, Certificates: []*x509.Certificate{p.client}}
}

// mitServer is where Debian installs the server, which is not on users' paths.
const mitServer = "/usr/sbin/krb5kdc"

// newMIT starts MIT's server for a realm that is thrown away. A lean one writes
// nothing to its database at a sign-in, which its manual offers for speed.
func newMIT(b *testing.B, p *benchPKI, lean bool) *benchServer {
	b.Helper()
	dir := b.TempDir()
	write := func(name string, data []byte) string {
		b.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			b.Fatal(err)
		}
		return path
	}
	key, err := x509.MarshalPKCS8PrivateKey(p.kdcKey)
	if err != nil {
		b.Fatal(err)
	}
	certificate := func(c *x509.Certificate) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	}
	ca := write("ca.pem", certificate(p.root))
	identity := write("kdc.pem", certificate(p.kdc)) + "," + write("kdc.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	at := freePort(b)
	env := append(os.Environ(), "LC_ALL=C",
		"KRB5_CONFIG="+write("krb5.conf", fmt.Appendf(nil, "[libdefaults]\ndefault_realm = %s\ndns_lookup_kdc = false\n", benchRealm)),
		"KRB5_KDC_PROFILE="+write("kdc.conf", fmt.Appendf(nil, `[kdcdefaults]
kdc_listen = %[2]s
kdc_tcp_listen = %[2]s
[realms]
%[1]s = {
  database_module = db
  key_stash_file = %[3]s/stash
  acl_file = %[3]s/acl
  max_renewable_life = 7d
  supported_enctypes = aes256-cts:normal aes128-cts:normal
  pkinit_identity = FILE:%[4]s
  pkinit_anchors = FILE:%[5]s
  pkinit_allow_upn = true
}
[dbmodules]
db = {
  db_library = db2
  database_name = %[3]s/principal
  disable_last_success = %[6]t
  disable_lockout = %[6]t
}
[logging]
kdc = FILE:%[3]s/kdc.log
`, benchRealm, at, dir, identity, ca, lean)))
	run := func(name string, args ...string) {
		b.Helper()
		cmd := exec.Command(name, args...)
		cmd.Env = env
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
	}
	run("/usr/sbin/kdb5_util", "create", "-s", "-r", benchRealm, "-P", "throw-away")
	run("/usr/sbin/kadmin.local", "addprinc", "+requires_preauth", "-pw", benchPassword, "alice")
	run("/usr/sbin/kadmin.local", "addprinc", "-randkey", "ldap/"+benchHost)
	run("/usr/sbin/kadmin.local", "modprinc", "-maxrenewlife", "7d", "krbtgt/"+benchRealm)
	s := &benchServer{name: map[bool]string{false: "MIT", true: "MIT-lean"}[lean], at: at, signer: p.signer(), key: p.clientKey}
	cmd := exec.Command(mitServer, "-n", "-r", benchRealm)
	cmd.Env = env
	s.start(b, cmd)
	return s.await(b)
}

// start starts the server's process; the end of the benchmark stops it.
func (s *benchServer) start(b *testing.B, cmd *exec.Cmd) {
	b.Helper()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	s.pid = cmd.Process.Pid
	s.stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		ended := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		defer ended.Stop()
		_ = cmd.Wait()
	})
	b.Cleanup(s.stop)
}

// freePort names a port that was free just now.
func freePort(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
