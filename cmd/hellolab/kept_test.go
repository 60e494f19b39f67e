package main

import (
	"bytes"
	"crypto/rand"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hellolab/providers/conformance/leak"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/windows/tpm/worker"
	"hellolab/state"
)

// TestNothingKeepsPINOrPassword uses the example with PIN and password that are
// easy to find: applies it, signs in by PIN, wrong PIN, face and password, changes
// a PIN and resets another. Then it reads every record of the state, opened with its key, and every file of
// the folder, journal and backups among them, and looks for either secret, as
// text, as UTF-16, and under any plain hash.
func TestNothingKeepsPINOrPassword(t *testing.T) {
	if !worker.Available() {
		t.Skip("built without cgo: there is no TPM simulator to apply the example with")
	}
	seed.Proves(t, "CT-45", "P1", "A1")
	seed.Proves(t, "CT-21", "P1", "A1")
	const pin, password, changed, reset = "8305172946331", "Marker horse 4711 stapled", "9416283057442", "7294615083914"
	dir := t.TempDir()
	example, err := os.ReadFile(filepath.Join("..", "..", "examples", "entra-joined", "main.lab.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "main.lab.hcl"), example, 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"HELLOLAB_VAR_pin=" + pin, "HELLOLAB_VAR_password=" + password, "CHANGED=" + changed, "RESET=" + reset, "WRONG=0000000", "HELLOLAB_LOG=debug"}
	var said bytes.Buffer
	for _, args := range [][]string{
		{"apply", "-auto-approve"},
		{"signin", "user.alice", "device.laptop", "-pin=env:HELLOLAB_VAR_pin"},
		{"signin", "user.alice", "device.laptop", "-pin=env:WRONG"},
		{"signin", "user.alice", "device.laptop", "-gesture=face"},
		{"signin", "user.bo", "device.desk", "-password=env:HELLOLAB_VAR_password"},
		{"apply", "-auto-approve", "-replace=enrollment.bo_desk"},
		{"pin", "change", "user.alice", "device.laptop", "-pin=env:HELLOLAB_VAR_pin", "-new-pin=env:CHANGED"},
		{"signin", "user.alice", "device.laptop", "-pin=env:CHANGED"},
		{"pin", "reset", "user.bo", "device.desk", "-new-pin=env:RESET", "-password=env:HELLOLAB_VAR_password"},
		{"signin", "user.bo", "device.desk", "-pin=env:RESET"},
	} {
		out, err := hellolab(t, dir, env, args...).CombinedOutput()
		if wrong := strings.Contains(strings.Join(args, " "), "WRONG"); (err == nil) == wrong {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
		said.Write(out)
	}

	places := map[string][]byte{"what was printed": said.Bytes()}
	snap, err := state.OpenRead(t.Context(), state.Options{Path: filepath.Join(dir, labFolder, "state.db"), Now: time.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	buckets, err := snap.Buckets("")
	if err != nil {
		t.Fatal(err)
	}
	records := 0
	for _, bucket := range buckets {
		err := snap.Scan(bucket, "", func(key string, value []byte) error {
			records++
			places["record "+bucket+" "+key] = append([]byte(key+"\n"), leak.Unfold(string(value))...)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	files := 0
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(name)
		files++
		places["file "+name] = content
		if strings.HasSuffix(name, ".jsonl") {
			for line := range strings.Lines(string(content)) {
				places["file "+name] = append(places["file "+name], leak.Unfold(line)...)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	for _, content := range places {
		all.Write(content)
	}
	for _, must := range []string{"alice@contoso.com", "nonce_signed", "wrong_pin", `"protectors"`, "RSA1"} {
		if !bytes.Contains(all.Bytes(), []byte(must)) {
			t.Errorf("%q is not found in %d records and %d files: the search is blind", must, records, files)
		}
	}
	for what, secret := range map[string]string{"PIN": pin, "password": password, "changed PIN": changed, "PIN after a reset": reset} {
		for form, b := range leak.Forms(secret) {
			for place, content := range places {
				if bytes.Contains(content, b) {
					t.Errorf("the %s, %s, is in %s", what, form, place)
				}
			}
		}
	}
	t.Logf("searched %d records and %d files", records, files)
}
