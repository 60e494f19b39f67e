package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adldap"
)

const twoDomains = `
domain "corp" {
  dns_name     = "Corp.Contoso.com"
  netbios_name = "CORP"
  controller "dc1" {}
  controller "dc2" {}
}
domain "lab" {
  dns_name     = "lab.test"
  netbios_name = "LAB"
}
`

// newShippedLab is a lab of the kinds that the program ships.
func newShippedLab(t *testing.T, files string) *dueLab {
	t.Helper()
	d := newDueLab(t, files)
	shipped := newSystems(d.log, d.rand)
	t.Cleanup(func() { shipped.Close() })
	d.registry = shipped.registry
	if err := d.apply(t); err != nil {
		t.Fatalf("%v: %s", err, d.err.taken())
	}
	return d
}

// exported serves the lab, calls fn, and returns the files of the export.
func (d *dueLab) exported(t *testing.T, fn func(*served)) (folder string, files map[string]string) {
	t.Helper()
	folder = t.TempDir()
	f := &serveFlags{clock: "lab", hosts: "lab", proxy: "127.0.0.1:0", export: folder}
	err := d.serve(t.Context(), f, "serve", func(v *served) error {
		files = map[string]string{}
		names, err := filepath.Glob(filepath.Join(folder, "*"))
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Error(err)
			}
			files[filepath.Base(name)] = string(data)
		}
		var b bytes.Buffer
		if err := v.tell(&b); err != nil {
			t.Error(err)
		}
		files["printed"] = b.String()
		if fn != nil {
			fn(v)
		}
		return err
	})
	if err != nil {
		t.Fatalf("%v: %s", err, d.err.taken())
	}
	return folder, files
}

func (d *dueLab) object(t *testing.T, v *served, addr string) (providers.Object[spec.Domain, spec.DomainOut], providers.Env) {
	t.Helper()
	o, err := providers.Resolve[spec.Domain, spec.DomainOut](providers.Env{Objects: v.lab.Objects()}, providers.Ref(addr))
	if err != nil {
		t.Fatal(err)
	}
	rec, err := v.lab.Objects().Lookup(addr)
	if err != nil {
		t.Fatal(err)
	}
	return o, v.lab.Env(addr, d.registry.Type("domain"), rec.In)
}

func TestExportDomains(t *testing.T) {
	d := newShippedLab(t, twoDomains)
	d.hostsFile = filepath.Join(t.TempDir(), "hosts")
	folder, files := d.exported(t, nil)

	// Nobody knows the names: URLs have addresses.
	var lab about
	if err := json.Unmarshal([]byte(files[fileLab]), &lab); err != nil || len(lab.Domains) != 2 {
		t.Fatalf("%v: %s", err, files[fileLab])
	}
	corp, other := lab.Domains[0], lab.Domains[1]
	at := map[string]string{}
	for _, h := range lab.Hosts {
		at[h.Host] = h.Address.String()
	}
	url := func(host string) string { // with the port, where 389 is not this user's to bind
		for _, h := range lab.Hosts {
			for _, p := range h.Ports {
				if h.Host == host && p.Port == portLDAP && p.Protocol == "tcp" {
					return strings.TrimSuffix("ldap://"+p.Bound.String(), ":389")
				}
			}
		}
		return ""
	}
	if corp.Named || corp.DNSName != "corp.contoso.com" || corp.Realm != "CORP.CONTOSO.COM" || corp.Base != "DC=corp,DC=contoso,DC=com" || corp.NetBIOSName != "CORP" ||
		strings.Join(corp.LDAP, " ") != url("dc1.corp.contoso.com")+" "+url("dc2.corp.contoso.com") {
		t.Errorf("lab.json: %+v", corp)
	}
	if other.LDAPConf != filepath.Join(folder, "lab.test.ldap.conf") || corp.LDAPConf != filepath.Join(folder, "ldap.conf") {
		t.Errorf("ldap.conf of both: %s, %s", corp.LDAPConf, other.LDAPConf)
	}
	for name, wants := range map[string][]string{
		"ldap.conf":          {"URI " + strings.Join(corp.LDAP, " ") + "\nBASE DC=corp,DC=contoso,DC=com\nTLS_CACERT " + folder + "/ca.pem\nSASL_NOCANON on\n"},
		"lab.test.ldap.conf": {"URI " + url("dc1.lab.test") + "\nBASE DC=lab,DC=test\n"},
		"krb5.conf": {
			"default_realm = CORP.CONTOSO.COM\n", "    CORP.CONTOSO.COM = {\n        kdc = " + at["dc1.corp.contoso.com"] + ":", "        kpasswd_server = " + at["dc2.corp.contoso.com"] + ":",
			"    LAB.TEST = {\n", "    .corp.contoso.com = CORP.CONTOSO.COM\n    lab.test = LAB.TEST\n",
		},
		"hosts": {at["dc1.corp.contoso.com"] + " dc1.corp.contoso.com\n"},
		"env": {
			"export KRB5_CONFIG='" + folder + "/krb5.conf'\n", "export LDAPCONF='" + folder + "/ldap.conf'\n", "export KRB5CCNAME='FILE:" + folder + "/krb5cc'\n",
			"export NSS_WRAPPER_HOSTS='" + folder + "/hosts'\n", "export HELLOLAB_DOMAIN_CORP_REALM='CORP.CONTOSO.COM'\n", "export HELLOLAB_DOMAIN_LAB_LDAPCONF='" + folder + "/lab.test.ldap.conf'\n",
		},
		"printed": {"KRB5:   " + folder + "/krb5.conf\nLDAP:   " + folder + "/ldap.conf\nLDAP:   " + folder + "/lab.test.ldap.conf\n", d.hostsFile + " lacks the controllers' names"},
	} {
		for _, want := range wants {
			if !strings.Contains(files[name], want) {
				t.Errorf("%s lacks %q:\n%s", name, want, files[name])
			}
		}
	}
	for name, text := range files {
		if strings.Contains(text, "pkinit") || strings.Contains(strings.ToLower(text), "password\":") {
			t.Errorf("%s: %s", name, text)
		}
	}

	// The machine knows one domain's names: its URLs have them.
	known := at["dc1.corp.contoso.com"] + " dc1.corp.contoso.com # the lab's\n#x\nno line\n" + at["dc2.corp.contoso.com"] + " other DC2.corp.contoso.com\n127.0.0.1 dc1.lab.test\n"
	if err := os.WriteFile(d.hostsFile, []byte(known), 0o600); err != nil {
		t.Fatal(err)
	}
	_, files = d.exported(t, nil)
	if !strings.HasPrefix(files["ldap.conf"], "URI ldap://dc1.corp.contoso.com") || !strings.Contains(files["ldap.conf"], " ldap://dc2.corp.contoso.com") ||
		!strings.HasPrefix(files["lab.test.ldap.conf"], "URI ldap://127.") || !strings.Contains(files["printed"], "lacks") {
		t.Errorf("%s\n%s\n%s", files["ldap.conf"], files["lab.test.ldap.conf"], files["printed"])
	}
	known += at["dc1.lab.test"] + " dc1.lab.test\n" // the first line stands
	if err := os.WriteFile(d.hostsFile, []byte(strings.Replace(known, "127.0.0.1 dc1.lab.test\n", "", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, files = d.exported(t, nil); strings.Contains(files["printed"], "lacks") {
		t.Errorf("printed:\n%s", files["printed"])
	}
}

// What a domain's directory publishes as trusted, its clients trust.
func TestExportEnterpriseRoots(t *testing.T) {
	d := newShippedLab(t, twoDomains)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	authority := func(name string, parent *x509.Certificate) []byte {
		c := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
		if parent == nil {
			parent = c
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	der := authority("Corp Root", nil)
	root, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	issuing := authority("Corp Issuing", root)
	d.exported(t, func(v *served) {
		o, env := d.object(t, v, "domain.corp")
		account, _, _ := strings.Cut(o.Out.AdminUPN, "@")
		c, err := adldap.SignIn(context.Background(), env, adldap.Domain{Realm: o.Out.Realm, Host: o.Out.Hosts[0], BaseDN: o.Out.DN, Account: account, Password: o.Out.AdminPassword})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for name, value := range map[string]string{
			"CN=Corp Root,CN=Certification Authorities": string(der), "CN=Not yet,CN=Certification Authorities": "\x00",
			"CN=Corp Root,CN=AIA": string(der), "CN=Corp Issuing,CN=AIA": string(issuing),
		} {
			if err := c.Add(name+",CN=Public Key Services,CN=Services,CN=Configuration,"+o.Out.DN, adldap.Attributes{
				"objectClass": {"certificationAuthority"}, "cACertificate": {value}, "authorityRevocationList": {"\x00"}, "certificateRevocationList": {"\x00"},
			}); err != nil {
				t.Fatal(err)
			}
		}
	})
	folder, files := d.exported(t, nil)
	roots := files["corp.contoso.com.roots.pem"]
	pool := x509.NewCertPool()
	if strings.Count(roots, "BEGIN") != 1 || !pool.AppendCertsFromPEM([]byte(roots)) {
		t.Fatalf("roots: %s", roots)
	}
	if _, err := root.Verify(x509.VerifyOptions{Roots: pool}); err != nil {
		t.Errorf("the exported root: %v", err)
	}
	block, rest := pem.Decode([]byte(files["corp.contoso.com.intermediates.pem"]))
	if block == nil || len(rest) != 0 || !bytes.Equal(block.Bytes, issuing) {
		t.Errorf("intermediates: %s", files["corp.contoso.com.intermediates.pem"])
	}
	if ca := files["ca.pem"]; strings.Count(ca, "BEGIN") != 2 || !strings.HasSuffix(ca, roots) {
		t.Errorf("ca.pem: %s", ca)
	}
	want := "        pkinit_anchors = FILE:" + folder + "/corp.contoso.com.roots.pem\n        pkinit_pool = FILE:" + folder + "/corp.contoso.com.intermediates.pem\n        pkinit_kdc_hostname = corp.contoso.com\n        pkinit_kdc_hostname = dc1.corp.contoso.com\n"
	if conf := files["krb5.conf"]; !strings.Contains(conf, want) || strings.Count(conf, "pkinit_anchors") != 1 {
		t.Errorf("krb5.conf: %s", conf)
	}
	if _, ok := files["lab.test.roots.pem"]; ok {
		t.Error("the other domain publishes nothing")
	}
}
