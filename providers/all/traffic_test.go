package all_test

import (
	"bytes"
	"testing"

	"hellolab/providers"
	"hellolab/providers/conformance/leak"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/windows/sensor"
	"hellolab/providers/windows/winbio"
)

// longPIN is one that nothing contains by chance.
const longPIN = "5820391774613"

// TestTraffic records every byte of a registration, a provisioning and three
// sign-ins, and unfolds all that is encoded in them: neither PIN nor private
// key nor biometric data is among it.
func TestTraffic(t *testing.T) {
	l := newLab(t)
	seed.Proves(t, "CT-46", "DR", "P1", "A1")
	tap := l.listen()
	l.device("laptop")
	l.Create(enrolled, spec.Enrollment{User: alice, Device: laptop, PIN: providers.Secret(longPIN), Gestures: []string{"face"}})
	l.expect(byPIN(longPIN), "success")
	l.expect(windows.Request{Gesture: "face", To: []string{"tenant.contoso"}}, "success")
	l.expect(byPassword(password), "success")
	traffic := tap.unfolded()

	// What must be found shows that the search finds: requests of each flow, the
	// password typed, public keys, claims inside tokens.
	m := stored[machineState](l, laptop, "machine", "record")
	for name, must := range map[string][]byte{
		"the join": []byte("/EnrollmentServer/device"), "the key registration": []byte("/EnrollmentServer/key"), "a token request": []byte("grant_type"),
		"the password": []byte(password), "the identity key's certificate": m.AIKChain[0], "claims": []byte(`"request_nonce"`), "the public key": l.helloKeys("alice")[0].KeyMaterial,
	} {
		if !bytes.Contains(traffic, must) {
			t.Fatalf("%s is not among %d bytes", name, len(traffic))
		}
	}
	secrets := l.privateBlobs(laptop)
	for name, form := range leak.Forms(longPIN) {
		secrets["PIN, "+name] = form
	}
	image, err := imageIn{l.For(laptop).Section}.LoadImage()
	if err != nil {
		t.Fatal(err)
	}
	secrets["the TPM's memory"] = image[len(image)/2 : len(image)/2+48]
	faces, err := winbio.Parse(l.raw(laptop, "winbio", faceDB))
	if err != nil || len(faces.Records) != 1 {
		t.Fatalf("%+v, %v", faces, err)
	}
	secrets["the template"], secrets["the sample"] = faces.Records[0].Data, sensor.Sample("face", l.sid("alice"))
	for _, form := range []string{"RSA2", "RSA3", "PRIVATE KEY"} {
		secrets["a private key as "+form] = []byte(form)
	}
	if len(secrets) < 20 {
		t.Fatalf("%d secrets to look for", len(secrets))
	}
	for name, secret := range secrets {
		if bytes.Contains(traffic, secret) {
			t.Errorf("%s went over the network", name)
		}
	}
}
