package windows

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"hellolab/providers"
	"hellolab/providers/windows/ksp"
	"hellolab/providers/windows/winbio"
)

// File is a file that a device has where Windows has it. Only its path is virtual:
// the device keeps its bytes. The Hello container is none.
type File struct {
	Path      string `json:"path"` // of a damaged one, as far as it can be told
	Size      int    `json:"size"` // bytes
	Sensor    string `json:"sensor"`
	Kind      string `json:"kind"`
	Templates int    `json:"templates"`           // in the file
	OnModule  int    `json:"templates_on_module"` // of a sensor that matches by itself
	SealedBy  string `json:"sealed_by"`           // what keeps the file's key: "tpm", "software"
	Damaged   bool   `json:"damaged,omitempty"`   // not as it was written: nothing in it is used
}

// Files lists a device's files: the databases of its sensors, those of sensors that
// are gone among them. It asks nobody.
func (w *Windows) Files(env providers.Env) ([]File, error) {
	var all []File
	err := env.Section.View(func(r providers.Reader) error {
		all = nil
		return r.Scan(tableWinBio, "", func(key string, content []byte) error {
			modules, err := keysOf(r, tableModule, key+"|")
			if err != nil {
				return err
			}
			kind, name, _ := strings.Cut(key, "|")
			f := File{Path: winbio.PathOf(content), Size: len(content), Sensor: name, Kind: kind, OnModule: len(modules)}
			d, err := winbio.Parse(content)
			if f.Damaged = errors.Is(err, winbio.ErrDamaged); err != nil && !f.Damaged {
				return err
			}
			if d != nil {
				f.Templates, f.SealedBy = len(d.Records), string(d.Key.Storage)
			}
			all = append(all, f)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", env.Addr, err)
	}
	return all, nil
}

// sealers are what a file's key is sealed by, in words.
var sealers = map[string]string{string(ksp.TPM): "the TPM", string(ksp.Software): "the machine's key, in software"}

// FilesText is a device's files in the form of its state.
func FilesText(files []File) string {
	t := &dsreg{}
	t.section("Biometric Databases (not of dsregcmd)")
	if len(files) == 0 {
		t.field("Databases", "none: nobody enrolled at a sensor")
	}
	for i, f := range files {
		if i > 0 {
			t.b.WriteByte('\n')
		}
		t.given("File", f.Path)
		t.field("Size", strconv.Itoa(f.Size)+" bytes")
		t.field("Sensor", fmt.Sprintf("%s (%s)", f.Sensor, f.Kind))
		if f.Damaged {
			t.field("Templates", "lost: the file is damaged, and a gesture is enrolled anew")
			continue
		}
		t.field("Templates", strconv.Itoa(f.Templates)+" (AES-256-CBC, SHA-256)")
		if f.OnModule > 0 {
			t.field("TemplatesOnModule", strconv.Itoa(f.OnModule))
		}
		t.field("KeySealedBy", sealers[f.SealedBy])
	}
	t.section("Hello Containers (not of dsregcmd)")
	t.field("Containers", "no file: a container is a group of keys, which the key provider keeps")
	return t.b.String()
}
