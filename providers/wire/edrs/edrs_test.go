package edrs

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"math/big"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"hellolab/providers/wire/drs"
)

func TestContractGoesThere(t *testing.T) {
	want := NewContract("sts.corp.contoso.com")
	want.Trusted = []string{"https://a/", "https://b/"}
	for _, version := range []string{Version10, Version12} {
		for name, write := range map[string]func(string) ([]byte, error){"JSON": want.JSON, "XML": want.XML} {
			data, err := write(version)
			if err != nil {
				t.Fatal(err)
			}
			got, err := ParseContract(data)
			if err != nil {
				t.Fatalf("%s %s: %v\n%s", name, version, err, data)
			}
			expect := want
			if version == Version10 {
				expect.Join, expect.Key, expect.Intranet, expect.Trusted = drs.Endpoint{Prefix: "Join"}, drs.Endpoint{Prefix: "KeyProvision"}, nil, nil
				got.Join.Prefix, got.Key.Prefix = "Join", "KeyProvision"
				if strings.Contains(string(data), "Join") || strings.Contains(string(data), "Zones") {
					t.Errorf("%s of version 1.0 has parts of 1.2: %s", name, data)
				}
			}
			if !reflect.DeepEqual(*got, expect) {
				t.Errorf("%s %s:\n got %+v\nwant %+v", name, version, *got, expect)
			}
		}
	}
	if _, err := want.JSON("1.1"); err == nil {
		t.Error("a version that is none was written")
	}
	if data, _ := want.XML(Version12); !strings.Contains(string(data), `:nil="true"></Untrusted>`) {
		t.Errorf("no zone is told to be none: %s", data)
	}
}

func vectors(t *testing.T) map[string]json.RawMessage {
	t.Helper()
	data, err := os.ReadFile("../../../../shared/vectors/spec-examples-cloud-adfs.json")
	if err != nil {
		t.Skipf("vectors are not here: %v", err)
	}
	var v map[string]json.RawMessage
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// Written and read, the specification's examples come out member by member.
func TestSpecifiedContracts(t *testing.T) {
	v := vectors(t)
	for name, version := range map[string]string{"MS-DVRD_4.3.1_contract_api_1.0": Version10, "MS-DVRD_4.3.2_contract_api_1.2": Version12} {
		c, err := ParseContract(v[name])
		if err != nil {
			t.Fatal(err)
		}
		data, err := c.JSON(version)
		if err != nil {
			t.Fatal(err)
		}
		var got, want any
		if err := errors.Join(json.Unmarshal(data, &got), json.Unmarshal(v[name], &want)); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %v\nwant %v", name, got, want)
		}
	}
	// MS-DVRD 4.2 breaks lines around values, and names the array's space.
	c, err := ParseContract([]byte(`<?xml version="1.0"?>
<Discovery xmlns="http://schemas.datacontract.org/2004/07/Microsoft.DeviceRegistration.Entities" xmlns:i="http://www.w3.org/2001/XMLSchema-instance">
<DeviceRegistrationService><RegistrationEndpoint>
https://sts.contoso.com/EnrollmentServer/DeviceEnrollmentWebService.svc
</RegistrationEndpoint><ServiceVersion>1.0</ServiceVersion></DeviceRegistrationService>
<WebBrowserZones><Intranet><Endpoints xmlns:a="http://schemas.microsoft.com/2003/10/Serialization/Arrays"><a:anyURI>https://sts.contoso.com/</a:anyURI></Endpoints></Intranet><Trusted i:nil="true"/></WebBrowserZones>
</Discovery>`))
	if err != nil || c.Registration.URL != "https://sts.contoso.com/EnrollmentServer/DeviceEnrollmentWebService.svc" || len(c.Intranet) != 1 || c.Trusted != nil {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestRefusedContracts(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "no object": "[]", "no service": "{}", "another document": `<a/>`, "deep": strings.Repeat("<a>", 99999),
		"entity": `<!DOCTYPE a [<!ENTITY b "c">]><Discovery xmlns="http://schemas.datacontract.org/2004/07/Microsoft.DeviceRegistration.Entities">&b;</Discovery>`,
		"long":   "{" + strings.Repeat(" ", maxContract) + "}",
		"sites":  `{"DeviceRegistrationService":{},"WebBrowserZones":{"Intranet":{"Endpoints":[` + strings.Repeat(`"",`, maxSites) + `""]}}}`,
	} {
		if c, err := ParseContract([]byte(text)); !errors.Is(err, ErrContract) {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
}

func TestKeyMessages(t *testing.T) {
	v := vectors(t)
	var example struct {
		Request  struct{ Body json.RawMessage }
		Response struct {
			Keys []string `json:"body_keys"`
		}
	}
	if err := json.Unmarshal(v["MS-KPP_4.1"], &example); err != nil {
		t.Fatal(err)
	}
	if r, err := ParseKeyRequest(example.Request.Body); err != nil || string(r.PublicKey) != "ThisIsAnExampleAsymmetricKey" {
		t.Errorf("%+v, %v", r, err)
	}
	data, err := json.Marshal(KeyReply{"id", "alice@corp", "context"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range example.Response.Keys {
		if !strings.Contains(string(data), `"`+name+`"`) {
			t.Errorf("no %s in %s", name, data)
		}
	}
	want := Error{Code: "mfa_not_current", Status: 401, Sentence: "The second factor is too old.", Target: "alice@corp", ClientRequestID: "c", TraceID: "t"}
	body := want.Encode(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))
	for _, name := range []string{`"code"`, `"message"`, `"response":"ERROR_FAIL"`, `"target"`, `"clientrequestid"`, `"time":"03-02-2026 09:00:00Z"`, `"innererror":{"trace":"t","context":""}`} {
		if !strings.Contains(string(body), name) {
			t.Errorf("no %s in %s", name, body)
		}
	}
	var got *Error
	if err := ParseError(401, body); !errors.As(err, &got) || *got != want || !HasCode(err, "mfa_not_current") || HasCode(err, "x") {
		t.Errorf("%+v", got)
	}
	if errors.As(ParseError(502, []byte("bad gateway")), &got) {
		t.Error("another server's answer became a refusal of this one")
	}
}

func issuer(t testing.TB) (*rsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "MS-Organization-Access"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, cert
}

func TestProvisioningContext(t *testing.T) {
	key, cert := issuer(t)
	otherKey, other := issuer(t)
	pctx, err := ProvisioningContext{"dc1.corp.contoso.com"}.Sign(rand.Reader, key, cert)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := OpenContext(pctx, []*x509.Certificate{other, cert}); err != nil || p.DomainController != "dc1.corp.contoso.com" {
		t.Errorf("%+v, %v", p, err)
	}
	forged, err := ProvisioningContext{"evil"}.Sign(rand.Reader, otherKey, cert) // in the issuer's name, by another key
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"forged": forged, "of nobody known": pctx, "empty": "", "no base64": "!", "cut": pctx[:len(pctx)-8], "long": strings.Repeat("A", maxContext+4)} {
		trusted := []*x509.Certificate{cert}
		if name == "of nobody known" {
			trusted = []*x509.Certificate{other}
		}
		if _, err := OpenContext(text, trusted); !errors.Is(err, ErrContext) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseContract(f *testing.F) {
	c := NewContract("h")
	for _, write := range []func(string) ([]byte, error){c.JSON, c.XML} {
		data, err := write(Version12)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseContract(data)
		if err != nil && !errors.Is(err, ErrContract) {
			t.Fatal(err)
		}
		if err == nil && len(c.Intranet) > maxSites {
			t.Fatal("too many sites")
		}
		_, _ = ParseKeyReply(data)
		if ParseError(400, data) == nil {
			t.Fatal("a refusal became success")
		}
	})
}

func FuzzOpenContext(f *testing.F) {
	key, cert := issuer(f)
	pctx, err := ProvisioningContext{"dc"}.Sign(rand.Reader, key, cert)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(pctx)
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := OpenContext(text, []*x509.Certificate{cert}); err == nil && p.DomainController != "dc" {
			t.Fatal("a context that nobody signed")
		}
	})
}
