package all_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hellolab/providers"
	"hellolab/providers/conformance"
	"hellolab/providers/conformance/leak"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/windows/ksp"
	"hellolab/providers/windows/sensor"
	"hellolab/providers/windows/winbio"
)

const (
	desktop  = "device.desk" // its fingerprint reader matches by itself
	faceDB   = "face|biometrics.face"
	fingerDB = "fingerprint|biometrics.fingerprint"
	readerDB = "fingerprint|sensor.reader"
)

// sensorLab has alice and bo on a laptop, and alice on a desk.
type sensorLab struct {
	*lab
	tap *wiretap
}

func newSensorLab(t *testing.T) *sensorLab {
	l := &sensorLab{lab: newLab(t)}
	l.user("bo")
	l.tap = l.listen()
	l.device("laptop")
	l.device("desk", func(d *spec.Device) {
		d.Biometrics, d.Sensors = []string{"face"}, map[string]*spec.Sensor{"reader": {Kind: "fingerprint", MatchOnChip: true}}
	})
	l.enroll("face", "fingerprint")
	l.Create("enrollment.bo_laptop", enrollment("user.bo", laptop, "face"))
	return l
}

// by is a sign-in with a gesture.
func by(gesture, user, device string) windows.Request {
	return windows.Request{User: user, Device: device, Gesture: gesture}
}

func (l *sensorLab) database(t testing.TB, device, key string) *winbio.Database {
	t.Helper()
	d, err := winbio.Parse(l.raw(device, "winbio", key))
	if err != nil {
		t.Fatalf("%s of %s: %v", key, device, err)
	}
	return d
}

// write changes a sensor's file as a thief with the disk would.
func (l *sensorLab) write(t testing.TB, device, key string, file []byte) {
	t.Helper()
	if err := l.For(device).Section.Record(t.Context(), func(w providers.Writer) error { return w.Put("winbio", key, file) }); err != nil {
		t.Fatal(err)
	}
}

// template is what a database has of a user of the device.
func (l *sensorLab) template(t testing.TB, device, key, user string) sensor.Template {
	t.Helper()
	d := l.database(t, device, key)
	r, ok := d.Record(l.sid(user))
	if !ok {
		t.Fatalf("%s of %s has nothing of %s", key, device, user)
	}
	k, err := d.Open(t.Context(), l.tpmOf(device))
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	b, err := k.Decrypt(r)
	if err != nil {
		t.Fatal(err)
	}
	kind, _, _ := strings.Cut(key, "|")
	tpl, err := sensor.ParseTemplate(kind, l.sid(user), b)
	if err != nil {
		t.Fatal(err)
	}
	return tpl
}

// change declares a device otherwise.
func (l *sensorLab) change(device string, change func(*spec.Device)) {
	l.t.Helper()
	d := conformance.Get[spec.Device, spec.DeviceOut](l.Env, device).In
	change(&d)
	l.Update(device, d)
}

// TestBiometricDatabases: each sensor of a device has a database of its own, which
// never leaves it and which the system alone can read; what a gesture loses the
// PIN makes up for.
func TestBiometricDatabases(t *testing.T) {
	l := newSensorLab(t)
	l.expect(by("face", alice, laptop), "success")
	l.expect(by("fingerprint", alice, laptop), "success")
	l.expect(by("face", "user.bo", laptop), "success")

	t.Run("does not roam", func(t *testing.T) {
		seed.Proves(t, "BIO-02")
		l.expect(by("face", alice, desktop), "no_hello_credential")
		l.Create("enrollment.alice_desk", enrollment(alice, desktop))
		l.expect(by("face", alice, desktop), "gesture_not_enrolled")
		if keys := append(l.keysOf(desktop, "winbio"), l.keysOf(desktop, "sensormodule")...); len(keys) != 0 {
			t.Errorf("before she enrolls there, the second device has %q", keys)
		}
		l.Delete("enrollment.alice_desk")
		l.Advance(codeAge)
		l.Create("enrollment.alice_desk", enrollment(alice, desktop, "face", "fingerprint"))
		l.expect(by("face", alice, desktop), "success")
		here, there := l.template(t, laptop, faceDB, "alice"), l.template(t, desktop, faceDB, "alice")
		if bytes.Equal(here.Salt, there.Salt) || bytes.Equal(here.Wrapped, there.Wrapped) {
			t.Error("two devices have one template")
		}
	})
	t.Run("keys", func(t *testing.T) {
		seed.Proves(t, "KEY-13")
		seed.Proves(t, "BIO-07")
		seed.Proves(t, "BIO-08")
		// Who makes them, where they live and what for: one a sensor, by the device,
		// sealed by its TPM, for the templates of everybody at the sensor.
		face, finger, other := l.database(t, laptop, faceDB), l.database(t, laptop, fingerDB), l.database(t, desktop, faceDB)
		var keys [][]byte
		for device, d := range map[string]*winbio.Database{laptop: face, "device.laptop ": finger, desktop: other} {
			key, err := l.tpmOf(strings.TrimSpace(device)).UnsealFromMachine(t.Context(), d.Key)
			if err != nil || d.Key.Storage != ksp.TPM || len(key) != 32 || slices.ContainsFunc(keys, func(k []byte) bool { return bytes.Equal(k, key) }) {
				t.Errorf("%s: %s, a key of %d bytes, %v", device, d.Key.Storage, len(key), err)
			}
			keys = append(keys, key)
		}
		if _, err := face.Open(t.Context(), l.tpmOf(desktop)); !errors.Is(err, winbio.ErrDamaged) {
			t.Errorf("another device's TPM: %v", err)
		}
		for _, key := range keys {
			if bytes.Contains(l.deviceRecords(laptop), key) || bytes.Contains(l.deviceRecords(desktop), key) {
				t.Error("a key lies in clear")
			}
		}
		if len(face.Records) != 2 || len(finger.Records) != 1 {
			t.Errorf("%d faces, %d fingers", len(face.Records), len(finger.Records))
		}
		made := 0
		for _, e := range l.Events() {
			if e.Step == "sensor_database_created" && e.Device == laptop && e.Actor == event.Sensor {
				made++
			}
		}
		if made != 2 {
			t.Errorf("%d databases were made", made)
		}
	})
	t.Run("files", func(t *testing.T) {
		seed.Proves(t, "BIO-05")
		files, err := l.windows.Files(l.For(laptop))
		if err != nil || len(files) != 2 || files[0].Path == files[1].Path {
			t.Fatalf("%+v, %v", files, err)
		}
		form := regexp.MustCompile(`^C:\\WINDOWS\\System32\\WinBioDatabase\\\{[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}\}\.DAT$`)
		for i, want := range []windows.File{{Sensor: "biometrics.face", Kind: "face", Templates: 2}, {Sensor: "biometrics.fingerprint", Kind: "fingerprint", Templates: 1}} {
			f := files[i]
			if f.Sensor != want.Sensor || f.Kind != want.Kind || f.Templates != want.Templates || f.Damaged || f.SealedBy != "tpm" || f.Size < 300 || !form.MatchString(f.Path) {
				t.Errorf("%+v", f)
			}
		}
	})
	t.Run("on the module", func(t *testing.T) {
		seed.Proves(t, "BIO-11")
		if d := l.database(t, desktop, readerDB); len(d.Records) != 0 {
			t.Errorf("the database of a reader that matches by itself has %d records", len(d.Records))
		}
		l.expect(by("fingerprint", alice, desktop), "success")
		if keys := l.keysOf(desktop, "sensormodule"); !slices.Equal(keys, []string{readerDB + "|" + l.sid("alice")}) {
			t.Errorf("the module has %q", keys)
		}
		files, err := l.windows.Files(l.For(desktop))
		if err != nil || len(files) != 2 || files[1].Templates != 0 || files[1].OnModule != 1 {
			t.Errorf("%+v, %v", files, err)
		}
		l.windows.Hands = types(windows.PromptFinger, another)
		l.expect(by("fingerprint", alice, desktop), "biometric_failed")
		l.windows.Hands = nil
	})
	t.Run("never leaves", func(t *testing.T) {
		seed.Proves(t, "BIO-01")
		seed.Proves(t, "BIO-03")
		seed.Proves(t, "BIO-04")
		l.neverLeaves(t)
	})
	t.Run("another name", func(t *testing.T) { // is not another face
		u := conformance.Get[spec.User, spec.UserOut](l.Env, alice).In
		u.UPN = "alice.liddell@contoso.com"
		l.Update(alice, u)
		l.expect(by("face", alice, laptop), "success")
	})
	t.Run("the PIN is left", func(t *testing.T) {
		seed.Proves(t, "BIO-12")
		l.thePINIsLeft(t)
	})
	t.Run("earlier versions", l.earlierVersions)
	t.Run("how it ends", func(t *testing.T) {
		l.Delete("enrollment.alice_desk")
		if d := l.database(t, desktop, faceDB); len(d.Records)+len(l.keysOf(desktop, "sensormodule")) != 0 {
			t.Error("a template outlives its enrollment")
		}
	})
}

// neverLeaves looks for templates, samples and what the databases have in all that
// was sent, in the directory, and in what the lab tells of it.
func (l *sensorLab) neverLeaves(t *testing.T) {
	var told bytes.Buffer
	for _, e := range l.Events() {
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		told.Write(leak.Unfold(string(b)))
	}
	places := map[string][]byte{"a request": l.tap.unfolded(), "the tenant": l.tenantRecords(), "an event": told.Bytes()}
	for name, must := range map[string]string{"a request": "/EnrollmentServer/key", "the tenant": "alice@contoso.com", "an event": "biometric_enrolled"} {
		if !bytes.Contains(places[name], []byte(must)) {
			t.Fatalf("%s: the search is blind", name)
		}
	}
	secrets := map[string][]byte{}
	for _, at := range [][3]string{{laptop, faceDB, "alice"}, {laptop, fingerDB, "alice"}, {laptop, faceDB, "bo"}, {desktop, faceDB, "alice"}} {
		tpl, d := l.template(t, at[0], at[1], at[2]), l.database(t, at[0], at[1])
		r, _ := d.Record(l.sid(at[2]))
		secrets["salt of "+at[0]+at[1]+at[2]], secrets["template of "+at[0]+at[1]+at[2]] = tpl.Salt, tpl.Wrapped
		secrets["record of "+at[0]+at[1]+at[2]], secrets["key of "+at[0]+at[1]] = r.Data, d.Key.Blob
	}
	module := stored[sensor.Template](l.lab, desktop, "sensormodule", readerDB+"|"+l.sid("alice"))
	secrets["template of the module"] = module.Wrapped
	samples := map[string][]byte{}
	for _, user := range []string{"alice", "bo"} {
		for _, kind := range []string{"face", "fingerprint"} {
			samples["sample, "+kind+" of "+user] = sensor.Sample(kind, l.sid(user))
		}
	}
	for place, content := range places {
		for name, secret := range secrets {
			if bytes.Contains(content, secret) {
				t.Errorf("%s is in %s", name, place)
			}
		}
		for name, sample := range samples {
			if bytes.Contains(content, sample) {
				t.Errorf("%s is in %s", name, place)
			}
		}
	}
	for _, word := range []string{"biometric", "fingerprint", `"face`, "winbio", "gesture"} {
		for _, place := range []string{"a request", "the tenant"} {
			if bytes.Contains(bytes.ToLower(places[place]), []byte(word)) {
				t.Errorf("%q is in %s", word, place)
			}
		}
	}
	// The device itself keeps no sample, and a template does not hold one: it is a
	// secret wrapped under what a sample alone yields.
	for name, sample := range samples {
		if bytes.Contains(l.deviceRecords(laptop), sample) || bytes.Contains(l.deviceRecords(desktop), sample) {
			t.Errorf("%s was not dropped", name)
		}
	}
	tpl := l.template(t, laptop, faceDB, "alice")
	if _, err := tpl.Match(append(tpl.Salt, tpl.Wrapped...)); !errors.Is(err, sensor.ErrNoMatch) {
		t.Errorf("a template in the place of a sample: %v", err)
	}
	for _, window := range [][]byte{samples["sample, face of alice"][:8], samples["sample, face of alice"][24:]} {
		if bytes.Contains(tpl.Bytes(), window) {
			t.Error("a template shows some of the sample")
		}
	}
}

// thePINIsLeft: whatever becomes of sensors and their databases, the PIN signs in,
// and a gesture says why it does not.
func (l *sensorLab) thePINIsLeft(t *testing.T) {
	refused := func(r windows.Request, code string) {
		t.Helper()
		if v := l.expect(r, code); v.Phase != "A" || !strings.Contains(v.Reason.Hint, "Use the PIN") {
			t.Errorf("%+v", v)
		}
		l.expect(windows.Request{User: r.User, Device: r.Device, PIN: []byte(pin)}, "success")
	}
	l.change(laptop, func(d *spec.Device) { d.Biometrics = []string{"fingerprint"} })
	refused(by("face", alice, laptop), "sensor_missing")
	l.expect(by("fingerprint", alice, laptop), "success")
	l.change(laptop, func(d *spec.Device) { d.Biometrics = []string{"face", "fingerprint"} })
	l.expect(by("face", alice, laptop), "success")
	l.change(desktop, func(d *spec.Device) { d.Sensors = nil })
	refused(by("fingerprint", alice, desktop), "sensor_missing")
	l.change(desktop, func(d *spec.Device) { d.Sensors = map[string]*spec.Sensor{"other": {Kind: "fingerprint"}} })
	refused(by("fingerprint", alice, desktop), "sensor_missing") // which is not the one where she enrolled

	// The file of another device; a byte that is changed, in the body and, hashed
	// again, in a record.
	good := l.raw(laptop, "winbio", faceDB)
	l.write(t, laptop, faceDB, l.raw(desktop, "winbio", faceDB))
	refused(by("face", alice, laptop), "biometric_lost")
	again := bytes.Clone(good)
	again[len(again)-sha256.Size-1] ^= 1
	sum := sha256.Sum256(again[:len(again)-sha256.Size])
	copy(again[len(again)-sha256.Size:], sum[:])
	l.write(t, laptop, faceDB, again)
	refused(by("face", "user.bo", laptop), "biometric_lost") // whose record it is
	l.expect(by("face", alice, laptop), "success")
	spoiled := bytes.Clone(good)
	spoiled[len(spoiled)/2] ^= 1
	l.write(t, laptop, faceDB, spoiled)
	refused(by("face", alice, laptop), "biometric_lost")
	if v := l.expect(by("face", alice, laptop), "biometric_lost"); !strings.Contains(v.Reason.Sentence, "damaged") || !strings.Contains(v.Reason.Hint, "enroll the gesture anew") {
		t.Errorf("%+v", v.Reason)
	}
	l.expect(by("fingerprint", alice, laptop), "success")
	if files, err := l.windows.Files(l.For(laptop)); err != nil || !files[0].Damaged || files[0].Templates != 0 || files[1].Damaged {
		t.Errorf("%+v, %v", files, err)
	}
	// Who enrolls anew gets a new database; whoever was in the old one does, too.
	l.Delete(enrolled)
	l.Advance(codeAge)
	l.enroll("face", "fingerprint")
	if e := l.find("sensor_database_replaced"); e.Device != laptop || e.Message["sensor"] != "biometrics.face" {
		t.Errorf("%+v", e)
	}
	l.expect(by("face", alice, laptop), "success")
	refused(by("face", "user.bo", laptop), "biometric_lost")
	l.Delete("enrollment.bo_laptop")
	l.Advance(codeAge)
	l.Create("enrollment.bo_laptop", enrollment("user.bo", laptop, "face"))
	l.expect(by("face", "user.bo", laptop), "success")
	if d := l.database(t, laptop, faceDB); len(d.Records) != 2 || bytes.Contains(good, d.Key.Blob) {
		t.Errorf("%d records, or the old key", len(d.Records))
	}
}

// earlierVersions kept templates under a key a kind of sensor, and before that in
// clear: they move to the sensor's database when they are used.
func (l *sensorLab) earlierVersions(t *testing.T) {
	key := "face|" + l.sid("bo")
	opens, err := l.template(t, laptop, faceDB, "bo").Match(sensor.Sample("face", l.sid("bo")))
	if err != nil {
		t.Fatal(err)
	}
	tpl, err := sensor.EnrollFor(rand.Reader, "face", l.sid("bo"), sensor.Sample("face", "bo@contoso.com"), opens) // they knew people by name
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(tpl)
	if err != nil {
		t.Fatal(err)
	}
	secret := make([]byte, 32)
	rand.Read(secret)
	tpm := l.tpmOf(laptop)
	sealed, err := tpm.ImportHMAC(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	derived, err := tpm.HMAC(t.Context(), sealed, []byte("hellolab sensor database face"))
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(text)
	plain := append(binary.BigEndian.AppendUint16(sum[:], uint16(len(text))), text...)
	plain = append(plain, make([]byte, -len(plain)&15)...)
	data := make([]byte, 16+len(plain))
	rand.Read(data[:16])
	cipher.NewCBCEncrypter(block, data[:16]).CryptBlocks(data[16:], plain)
	record := sensor.EarlierRecord{Kind: "face", SID: l.sid("bo"), Data: data}
	spoiled := sensor.EarlierRecord{Kind: "face", SID: l.sid("bo"), Data: append(bytes.Clone(data[:40]), data[24:]...)}

	for _, c := range []struct {
		name string
		kept any
		code string
	}{{"in a database of the kind", record, "success"}, {"in clear", tpl, "success"}, {"spoiled", spoiled, "biometric_lost"}} {
		d := l.database(t, laptop, faceDB)
		d.Remove(l.sid("bo"))
		l.write(t, laptop, faceDB, d.Bytes())
		l.keep(laptop, "sensordb", "face", sensor.Earlier{Sensor: "face", Key: sealed})
		l.keep(laptop, "sensor", key, c.kept)
		l.expect(by("face", "user.bo", laptop), c.code)
		if c.code != "success" {
			continue
		}
		if left := l.keysOf(laptop, "sensor"); len(left) != 0 {
			t.Errorf("%s: it still lies there: %q", c.name, left)
		}
		l.expect(by("face", "user.bo", laptop), "success")
	}
}
