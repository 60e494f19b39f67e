package all_test

import (
	"bytes"
	"slices"
	"testing"

	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/windows"
	"hellolab/providers/windows/ksp"
	"hellolab/providers/windows/sensor"
)

// TestSensorDatabases: each sensor of a device has a database of its own, whose
// key the system alone can use.
func TestSensorDatabases(t *testing.T) {
	seed.Proves(t, "KEY-13")
	l := newLab(t)
	l.user("bo")
	l.device("laptop")
	l.device("desk")
	tap := l.listen()
	l.enroll("face", "fingerprint")
	l.Create("enrollment.bo_laptop", enrollment("user.bo", laptop, "face"))
	l.Create("enrollment.alice_desk", enrollment(alice, "device.desk", "face"))
	byFace, byFinger := windows.Request{Gesture: "face"}, windows.Request{Gesture: "fingerprint"}
	l.expect(byFace, "success")
	l.expect(byFinger, "success")

	// Who makes it, and where it lives: one a sensor, by the device, in its TPM.
	if keys := l.keysOf(laptop, "sensordb"); !slices.Equal(keys, []string{"face", "fingerprint"}) {
		t.Fatalf("%q", keys)
	}
	face, finger := stored[sensor.Database](l, laptop, "sensordb", "face"), stored[sensor.Database](l, laptop, "sensordb", "fingerprint")
	other := stored[sensor.Database](l, "device.desk", "sensordb", "face")
	if face.Key.Storage != ksp.TPM || bytes.Equal(face.Key.Blob, finger.Key.Blob) || bytes.Equal(face.Key.Blob, other.Key.Blob) {
		t.Errorf("%s; two databases with one key", face.Key.Storage)
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
	// What it is for: templates of everybody at the sensor, and of no other.
	for _, user := range []string{"alice", "bo"} {
		r := stored[sensor.Record](l, laptop, "sensor", "face|"+l.sid(user))
		tpl, err := face.Decrypt(t.Context(), l.tpmOf(laptop), r)
		if err != nil || tpl.SID != l.sid(user) || bytes.Contains(r.Data, tpl.Wrapped) {
			t.Errorf("%s: %v", user, err)
		}
		if _, err := finger.Decrypt(t.Context(), l.tpmOf(laptop), sensor.Record{Kind: "fingerprint", SID: r.SID, Data: r.Data}); err == nil {
			t.Error("the other sensor's key opens it")
		}
		if _, err := face.Decrypt(t.Context(), l.tpmOf("device.desk"), r); err == nil {
			t.Error("another device opens it")
		}
		if sent := tap.unfolded(); bytes.Contains(sent, tpl.Wrapped) || bytes.Contains(sent, r.Data) || bytes.Contains(sent, face.Key.Blob) {
			t.Error("it left the device")
		}
	}
	// A template of one device on another, or a spoiled one, opens nothing.
	loot := stored[sensor.Record](l, "device.desk", "sensor", "face|"+l.sid("alice"))
	own := stored[sensor.Record](l, laptop, "sensor", "face|"+l.sid("alice"))
	l.keep(laptop, "sensor", "face|"+l.sid("alice"), loot)
	l.expect(byFace, "credential_damaged")
	l.keep(laptop, "sensor", "face|"+l.sid("alice"), own)
	l.expect(byFace, "success")
	// How it ends: templates go with the enrollment, the key with the device.
	l.Delete(enrolled)
	if keys := l.keysOf(laptop, "sensor"); !slices.Equal(keys, []string{"face|" + l.sid("bo")}) {
		t.Errorf("%q", keys)
	}

	t.Run("a template of an earlier version", func(t *testing.T) { // lay in clear
		key := "face|" + l.sid("bo")
		tpl, err := face.Decrypt(t.Context(), l.tpmOf(laptop), stored[sensor.Record](l, laptop, "sensor", key))
		if err != nil {
			t.Fatal(err)
		}
		l.keep(laptop, "sensor", key, tpl)
		l.expect(windows.Request{User: "user.bo", Gesture: "face"}, "success")
		if r := stored[sensor.Record](l, laptop, "sensor", key); len(r.Data) == 0 {
			t.Error("it still lies in clear")
		}
		l.expect(windows.Request{User: "user.bo", Gesture: "face"}, "success")
	})
}
