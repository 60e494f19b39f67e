package all_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/windows"
	"hellolab/providers/windows/ksp"
	"hellolab/providers/wire/oauth"
)

// TestContainer is one credential with a face, looked at in what the device keeps.
func TestContainer(t *testing.T) {
	l := newLab(t)
	l.device("laptop")
	before := l.keysOf(laptop, "container")
	l.enroll("face")
	sid := l.sidOf(laptop, "container")
	c := stored[containerState](l, laptop, "container", sid)
	tpm := l.tpmOf(laptop)
	protector := map[string]protectorState{}
	for _, p := range c.Protectors {
		protector[p.Gesture] = p
	}

	t.Run("made by provisioning", func(t *testing.T) {
		seed.Proves(t, "CT-01", "P1")
		if len(before) != 0 {
			t.Errorf("containers before provisioning: %q", before)
		}
		if c.ID == "" || len(c.Protectors) != 2 || c.AuthKey.ID == "" || len(c.UserKeys) != 1 {
			t.Errorf("container %+v", c)
		}
		if e := l.find("container_created"); e.Phase != "B" || e.Actor != event.Container || e.Message["container"] != c.ID {
			t.Errorf("event %+v", e)
		}
	})
	t.Run("items, no file", func(t *testing.T) {
		seed.Proves(t, "CT-02", "P1")
		// What the sensor has of the gesture, how far provisioning came, and the
		// keys are items of three tables; none holds another.
		if keys := l.keysOf(laptop, "enrollment"); !slices.Equal(keys, []string{sid}) {
			t.Errorf("enrollment: %q", keys)
		}
		if keys := l.keysOf(laptop, "winbio"); !slices.Equal(keys, []string{faceDB}) {
			t.Errorf("winbio: %q", keys)
		}
		if e := l.find("container_created"); !strings.Contains(e.Text, "a logical group of keys, and no file or registry key") {
			t.Errorf("the trace says %q", e.Text)
		}
	})
	t.Run("a protector a gesture", func(t *testing.T) {
		seed.Proves(t, "CT-06", "P1")
		pin, face := protector["pin"], protector["face"]
		if pin.ID == "" || face.ID == "" || pin.ID == face.ID || bytes.Equal(pin.Sealed.Blob, face.Sealed.Blob) {
			t.Errorf("PIN %+v, face %+v", pin, face)
		}
	})
	t.Run("user key needs the authentication key", func(t *testing.T) {
		seed.Proves(t, "CT-09", "A1")
		l.expect(byPIN(pin), "success")
		// The authentication key of another container takes the place of this one's.
		own, damaged := stored[map[string]any](l, laptop, "container", sid), stored[map[string]any](l, laptop, "container", sid)
		l.Advance(codeAge)
		l.user("bo")
		l.Create("enrollment.bo", enrollment("user.bo", laptop))
		for _, other := range l.keysOf(laptop, "container") {
			if other != sid {
				theirs := stored[map[string]any](l, laptop, "container", other)
				damaged["authentication_key"] = theirs["authentication_key"]
			}
		}
		l.keep(laptop, "container", sid, damaged)
		if v := l.expect(byPIN(pin), "credential_damaged"); v.Phase != "B" {
			t.Errorf("without its authentication key: refused in phase %s", v.Phase)
		}
		l.keep(laptop, "container", sid, own)
		l.expect(byPIN(pin), "success")
	})
	t.Run("sealed by the TPM", func(t *testing.T) {
		seed.Proves(t, "CT-12", "A1")
		if c.Storage != ksp.TPM || protector["pin"].Sealed.Storage != ksp.TPM {
			t.Fatalf("storage %s, %s", c.Storage, protector["pin"].Sealed.Storage)
		}
		was, err := tpm.Lockout(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		l.expect(byPIN("000000"), "wrong_pin")
		if is, err := tpm.Lockout(t.Context()); err != nil || is.Failures != was.Failures+1 || is.Max != 32 {
			t.Errorf("the TPM counted %+v, before %+v (%v)", is, was, err)
		}
		l.expect(byPIN(pin), "success") // and resets Windows' own gate
	})
	t.Run("state alone unlocks nothing", func(t *testing.T) {
		seed.Proves(t, "CT-21", "A1")
		guesses := map[string][]byte{"nothing": nil, "no bytes": {}, "the protector": protector["pin"].Sealed.Blob[:32], "the container's id": []byte(c.ID), "the SID": []byte(sid)}
		for name, auth := range guesses {
			if _, err := tpm.Unseal(t.Context(), protector["pin"].Sealed, auth); !errors.Is(err, ksp.ErrWrongAuth) {
				t.Errorf("protector with %s: %v", name, err)
			}
			if _, err := tpm.SignSHA256(t.Context(), c.UserKeys[0].Key, auth, ksp.PKCS1, [32]byte{1}); !errors.Is(err, ksp.ErrWrongAuth) {
				t.Errorf("user key with %s: %v", name, err)
			}
			if _, err := tpm.Agree(t.Context(), c.AuthKey.Key, auth, c.AuthKey.Point); !errors.Is(err, ksp.ErrWrongAuth) {
				t.Errorf("authentication key with %s: %v", name, err)
			}
		}
	})
}

// TestLockoutOutlivesEverything, fault 59: 32 wrong PINs across restarts of the device, of the
// services and of the TPM's worker processes lock the TPM, and each is durable
// before its answer.
func TestLockoutOutlivesEverything(t *testing.T) {
	l := newLab(t)
	seed.Proves(t, "CT-12", "A1")
	l.device("laptop")
	l.enroll()
	image := func() []byte {
		b, err := imageIn{l.For(laptop).Section}.LoadImage()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for wrong := 0; wrong < 32; {
		l.restart()
		l.Restart()
		for range min(4, 32-wrong) {
			was := image()
			l.expect(byPIN("000000"), "wrong_pin")
			wrong++
			if bytes.Equal(image(), was) {
				t.Fatalf("wrong PIN %d was answered before the TPM's memory was saved", wrong)
			}
		}
	}
	l.restart()
	if v := l.expect(byPIN(pin), "pin_locked_out"); v.Reason.Code != "0x80280921" {
		t.Errorf("reason %+v", v.Reason)
	}
	// A TPM worker that never saw this TPM reads the same count off its memory.
	if lockout, err := l.tpmIn(l.For(laptop).Section, "device.elsewhere").Lockout(t.Context()); err != nil || !lockout.Locked || lockout.Failures != 32 {
		t.Errorf("lockout %+v, %v", lockout, err)
	}
	l.Advance(10*time.Minute + time.Second)
	l.expect(byPIN(pin), "success")
}

// TestSamePIN: two people with one PIN on one device, and one person with one
// PIN on two, have nothing wrapped alike; neither's protector serves the other.
func TestSamePIN(t *testing.T) {
	l := newLab(t)
	seed.Proves(t, "CT-47", "P1")
	l.device("laptop")
	l.enroll()
	a := stored[containerState](l, laptop, "container", l.sidOf(laptop, "container"))
	l.user("bo")
	l.Create("enrollment.bo", enrollment("user.bo", laptop))
	l.Advance(codeAge)
	l.device("desk")
	l.Create("enrollment.desk", enrollment(alice, "device.desk"))
	all := []containerState{a, stored[containerState](l, "device.desk", "container", l.sidOf("device.desk", "container"))}
	for _, sid := range l.keysOf(laptop, "container") {
		if sid != a.SID {
			all = append(all, stored[containerState](l, laptop, "container", sid))
		}
	}
	if len(all) != 3 {
		t.Fatalf("%d containers", len(all))
	}
	seen := map[string]int{}
	for i, c := range all {
		blobs := [][]byte{c.Protectors[0].Sealed.Blob, c.AuthKey.Key.Blob, c.AuthKey.Key.Public, c.AuthKey.Point, c.UserKeys[0].Key.Blob, c.UserKeys[0].Key.Public}
		for _, b := range blobs {
			// No window of 16 bytes of a wrapped half is another's.
			tail := b[len(b)-16:]
			if owner, shared := seen[string(tail)]; shared && owner != i {
				t.Errorf("containers %d and %d share key material", owner, i)
			}
			seen[string(tail)] = i
		}
	}
	bo := all[2]
	swapped := stored[map[string]any](l, laptop, "container", bo.SID)
	swapped["protectors"] = a.Protectors
	l.keep(laptop, "container", bo.SID, swapped)
	l.expect(windows.Request{User: "user.bo", PIN: providers.Secret(pin)}, "wrong_pin")
}

// TestTakenToAnotherDevice copies what a thief would copy, in both directions:
// the other device's TPM refuses the copies, and what gets past a TPM the
// tenant refuses.
func TestTakenToAnotherDevice(t *testing.T) {
	l := newLab(t)
	tap := l.listen()
	l.device("laptop")
	l.enroll()
	l.expect(byPIN(pin), "success")
	l.Advance(codeAge)
	l.device("desk")
	l.Create("enrollment.desk", enrollment(alice, "device.desk"))
	onDesk := windows.Request{Device: "device.desk", PIN: providers.Secret(pin)}
	l.expect(onDesk, "success")
	sid := l.sidOf(laptop, "container")

	for _, way := range []struct{ from, to string }{{laptop, "device.desk"}, {"device.desk", laptop}} {
		t.Run("from "+way.from, func(t *testing.T) {
			seed.Proves(t, "MOD-11", "A1")
			signIn := func() windows.Verdict {
				return l.signIn(windows.Request{Device: way.to, PIN: providers.Secret(pin)})
			}
			own := stored[map[string]any](l, way.to, "container", sid)
			loot := stored[map[string]any](l, way.from, "container", sid)
			token, mine := stored[prtState](l, way.from, "prt", sid+"|ngc"), stored[prtState](l, way.to, "prt", sid+"|ngc")

			// At the TPM: the whole container, the right PIN and all.
			l.keep(way.to, "container", sid, loot)
			requests := len(tap.exchanges())
			if v := signIn(); v.Code != "credential_damaged" || v.Phase != "A" {
				t.Errorf("with the other's container: %s in phase %s", v.Code, v.Phase)
			}
			if n := len(tap.exchanges()); n != requests {
				t.Errorf("%d requests left the device", n-requests)
			}
			stolen := stored[containerState](l, way.from, "container", sid)
			if _, err := l.tpmOf(way.to).SignSHA256(t.Context(), stolen.UserKeys[0].Key, nil, ksp.PKCS1, [32]byte{1}); !errors.Is(err, ksp.ErrForeignKey) {
				t.Errorf("user key on the other TPM: %v", err)
			}
			if _, err := l.tpmOf(way.to).HMAC(t.Context(), token.SessionKey, []byte("x")); !errors.Is(err, ksp.ErrForeignKey) {
				t.Errorf("session key on the other TPM: %v", err)
			}

			// At the tenant: its own key under the other's name is no proof.
			l.keep(way.to, "container", sid, own)
			l.rename(t, way.to, sid, stolen.UserKeys[0].ID)
			if v := signIn(); v.Code != "key_signature_invalid" || v.Phase != "C" {
				t.Errorf("with the other's key id: %s in phase %s (%+v)", v.Code, v.Phase, v.Reason)
			}
			l.keep(way.to, "container", sid, own)
			if v := signIn(); v.Code != "success" {
				t.Errorf("with its own container again: %+v", v)
			}

			// At the tenant: the other's token under its own session key.
			if code := l.useToken(t, way.to, mine); code != 0 {
				t.Errorf("its own token: AADSTS%d", code)
			}
			mine.Token = token.Token
			if code := l.useToken(t, way.to, mine); code != oauth.SessionKeyInvalid {
				t.Errorf("the other's token: AADSTS%d", code)
			}
		})
	}
}
