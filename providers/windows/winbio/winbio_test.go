package winbio

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"hellolab/providers/conformance/seed"
	"hellolab/providers/windows/ksp"
)

const sid = "S-1-12-1-1111-2222-3333-4444"

func software(t testing.TB) *ksp.SoftwareProvider {
	t.Helper()
	key := make([]byte, ksp.MachineKeySize)
	rand.Read(key)
	p, err := ksp.NewSoftware(key, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// made is a new database, opened.
func made(t testing.TB, p Machine) (*Database, *Key) {
	t.Helper()
	d, err := New(t.Context(), p, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k, err := d.Open(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return d, k
}

func encrypt(t testing.TB, k *Key, sid string, template []byte) Record {
	t.Helper()
	r, err := k.Encrypt(rand.Reader, sid, template)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// recording is a machine that remembers what it was given to seal.
type recording struct {
	Machine
	keys [][]byte
}

func (r *recording) SealToMachine(ctx context.Context, data []byte) (ksp.Sealed, error) {
	r.keys = append(r.keys, bytes.Clone(data))
	return r.Machine.SealToMachine(ctx, data)
}

// broken is a machine whose TPM does not answer.
type broken struct{ Machine }

func (broken) UnsealFromMachine(context.Context, ksp.Sealed) ([]byte, error) {
	return nil, errors.New("no answer")
}

// Two databases have two random keys, each sealed to its machine: none lies in a
// file, and no other machine opens it.
func TestKeys(t *testing.T) {
	seed.Proves(t, "BIO-07")
	seed.Proves(t, "BIO-08")
	p := &recording{Machine: software(t)}
	var files [][]byte
	for range 2 {
		d, k := made(t, p)
		files = append(files, d.Bytes())
		if !bytes.Equal(k.raw, p.keys[len(p.keys)-1]) {
			t.Error("the key in use is not the one that was sealed")
		}
		if _, err := d.Open(t.Context(), broken{}); err == nil || errors.Is(err, ErrDamaged) {
			t.Errorf("a machine that fails: %v", err)
		}
		if _, err := d.Open(t.Context(), software(t)); !errors.Is(err, ErrDamaged) || !errors.Is(err, ksp.ErrForeignKey) {
			t.Errorf("another machine: %v", err)
		}
		if want := `C:\WINDOWS\System32\WinBioDatabase\{` + strings.ToUpper(d.ID.String()) + `}.DAT`; d.Path() != want {
			t.Errorf("%s, want %s", d.Path(), want)
		}
		k.Close()
		if !bytes.Equal(k.raw, make([]byte, keySize)) {
			t.Error("a closed key is still there")
		}
	}
	if len(p.keys) != 2 || len(p.keys[0]) != 32 || bytes.Equal(p.keys[0], p.keys[1]) {
		t.Fatalf("%d keys, or one twice", len(p.keys))
	}
	for i, file := range files {
		for _, key := range p.keys {
			if bytes.Contains(file, key) {
				t.Errorf("file %d has a key in clear", i)
			}
		}
	}
}

// A record is AES-256-CBC under the database's key and a fresh vector, hashed with
// SHA-256: this test does both by itself.
func TestRecord(t *testing.T) {
	seed.Proves(t, "BIO-09")
	seed.Proves(t, "BIO-10")
	seed.Proves(t, "CONST-05")
	p := software(t)
	d, k := made(t, p)
	for _, size := range []int{0, 1, 13, 14, 15, 64, MaxTemplate} {
		template := make([]byte, size)
		rand.Read(template)
		r, again := encrypt(t, k, sid, template), encrypt(t, k, sid, template)
		if r.IV == again.IV || bytes.Equal(r.Data[:16], again.Data[:16]) {
			t.Errorf("%d bytes: a vector serves twice", size)
		}
		if size > 13 && bytes.Contains(r.Data, template) {
			t.Errorf("%d bytes lie in clear", size)
		}
		block, err := aes.NewCipher(k.raw)
		if err != nil {
			t.Fatal(err)
		}
		plain := make([]byte, len(r.Data))
		cipher.NewCBCDecrypter(block, r.IV[:]).CryptBlocks(plain, r.Data)
		n := int(binary.LittleEndian.Uint16(plain[32:]))
		if n != size || !bytes.Equal(plain[34:34+n], template) || len(bytes.Trim(plain[34+n:], "\x00")) != 0 {
			t.Errorf("%d bytes: CBC gives %x", size, plain)
		}
		id := d.ID.Windows()
		covered := append(append(id[:], byte(len(sid))), sid...)
		if sum := sha256.Sum256(append(covered, plain[32:]...)); !bytes.Equal(sum[:], plain[:32]) {
			t.Errorf("%d bytes: SHA-256 is %x, the record has %x", size, sum, plain[:32])
		}
		if other := make([]byte, len(r.Data)); true { // by CTR it gives nothing
			cipher.NewCTR(block, r.IV[:]).XORKeyStream(other, r.Data)
			if bytes.Contains(other, plain[:32]) {
				t.Errorf("%d bytes: CTR decrypts it, too", size)
			}
		}
		if got, err := k.Decrypt(r); err != nil || !bytes.Equal(got, template) {
			t.Errorf("%d bytes: %x, %v", size, got, err)
		}
	}
	if _, err := k.Encrypt(rand.Reader, sid, make([]byte, MaxTemplate+1)); err == nil {
		t.Error("a template without bound")
	}
	if _, err := k.Encrypt(rand.Reader, "", []byte{1}); err == nil {
		t.Error("nobody's template")
	}
	_, other := made(t, p)
	r := encrypt(t, k, sid, []byte("a template of this database"))
	for name, changed := range map[string]Record{
		"another person":  {SID: sid + "5", IV: r.IV, Data: r.Data},
		"cut off":         {SID: sid, IV: r.IV, Data: r.Data[:48]},
		"half a block":    {SID: sid, IV: r.IV, Data: r.Data[:len(r.Data)-7]},
		"empty":           {SID: sid, IV: r.IV},
		"without a bound": {SID: sid, IV: r.IV, Data: make([]byte, 1<<16)},
	} {
		if _, err := k.Decrypt(changed); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := other.Decrypt(r); !errors.Is(err, ErrDamaged) {
		t.Errorf("the key of another database: %v", err)
	}
	other.id = d.ID
	copy(other.raw, k.raw)
	if _, err := other.Decrypt(r); err != nil {
		t.Errorf("the same key: %v", err)
	}
	other.id[3] ^= 1
	if _, err := other.Decrypt(r); !errors.Is(err, ErrDamaged) {
		t.Errorf("a record that was moved to another file: %v", err)
	}
}

// One byte that is changed is found, wherever it is: by the file's hash, and where
// whoever changed it made that anew, by the record's or the sealed key.
func TestEveryByteCounts(t *testing.T) {
	seed.Proves(t, "BIO-10")
	p := software(t)
	d, k := made(t, p)
	for _, who := range []string{sid, sid + "5"} {
		if err := d.Put(encrypt(t, k, who, []byte("a template"))); err != nil {
			t.Fatal(err)
		}
	}
	file := d.Bytes()
	opens := func(file []byte) error {
		d, err := Parse(file)
		if err != nil {
			return err
		}
		k, err := d.Open(t.Context(), p)
		if err != nil {
			return err
		}
		defer k.Close()
		for _, r := range d.Records {
			if _, err := k.Decrypt(r); err != nil {
				return err
			}
		}
		return nil
	}
	if err := opens(file); err != nil {
		t.Fatal(err)
	}
	for i := range file {
		changed := bytes.Clone(file)
		changed[i] ^= 0x20
		if _, err := Parse(changed); !errors.Is(err, ErrDamaged) {
			t.Errorf("byte %d: %v", i, err)
		}
		if i >= len(file)-sha256.Size {
			continue
		}
		sum := sha256.Sum256(changed[:len(file)-sha256.Size])
		copy(changed[len(file)-sha256.Size:], sum[:])
		if err := opens(changed); !errors.Is(err, ErrDamaged) {
			t.Errorf("byte %d, hashed again: %v", i, err)
		}
	}
}

func TestFile(t *testing.T) {
	p := software(t)
	d, k := made(t, p)
	r := encrypt(t, k, sid, []byte("a template"))
	for range 2 { // the second takes the place of the first
		if err := d.Put(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Put(encrypt(t, k, sid+"5", []byte("another's"))); err != nil {
		t.Fatal(err)
	}
	got, err := Parse(d.Bytes())
	if err != nil || got.ID != d.ID || len(got.Records) != 2 || !bytes.Equal(got.Bytes(), d.Bytes()) || got.Key.Storage != ksp.Software {
		t.Fatalf("%+v, %v", got, err)
	}
	got.Remove(sid)
	if _, ok := got.Record(sid); ok || len(got.Records) != 1 {
		t.Error("it is still there")
	}
	full := &Database{ID: d.ID, Key: ksp.Sealed{Storage: ksp.TPM, Blob: []byte("sealed")}}
	for i := range MaxRecords {
		if err := full.Put(Record{SID: sid + strings.Repeat("0", i%200) + string(rune('a'+i/200)), Data: r.Data}); err != nil {
			t.Fatal(err)
		}
	}
	if err := full.Put(r); err == nil {
		t.Error("a database without bound")
	}
	if again, err := Parse(full.Bytes()); err != nil || len(again.Records) != MaxRecords || again.Key.Storage != ksp.TPM {
		t.Errorf("a full one: %v", err)
	}
	if PathOf(d.Bytes()[:25]) != d.Path() || PathOf(d.Bytes()[:24]) != "" {
		t.Errorf("%s: %s of what is cut off", d.Path(), PathOf(d.Bytes()[:25]))
	}
	for name, file := range map[string][]byte{"nothing": nil, "a hash alone": make([]byte, 32), "without bound": make([]byte, MaxFile+1)} {
		if _, err := Parse(file); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func(*Database){
		"a person twice":             func(d *Database) { d.Records = []Record{r, r} },
		"nobody's":                   func(d *Database) { d.Records = []Record{{Data: r.Data}} },
		"an odd size":                func(d *Database) { d.Records = []Record{{SID: sid, Data: r.Data[:20]}} },
		"too many":                   func(d *Database) { d.Records = make([]Record, MaxRecords+1) },
		"a sealed key without bound": func(d *Database) { d.Key.Blob = make([]byte, maxSealed+1) },
		"an empty template":          func(d *Database) { d.Records = []Record{{SID: sid}} },
	} {
		d := *d
		change(&d)
		if _, err := Parse(d.Bytes()); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzParse: what is read, whoever wrote it, is written the same.
func FuzzParse(f *testing.F) {
	d, k := made(f, software(f))
	f.Add(d.Bytes())
	if err := d.Put(encrypt(f, k, sid, []byte("a template"))); err != nil {
		f.Fatal(err)
	}
	f.Add(d.Bytes())
	f.Add(d.Bytes()[:len(d.Bytes())-sha256.Size])
	f.Fuzz(func(t *testing.T, b []byte) {
		sum := sha256.Sum256(b)
		for _, file := range [][]byte{b, append(bytes.Clone(b), sum[:]...)} {
			if d, err := Parse(file); err == nil && !bytes.Equal(d.Bytes(), file) {
				t.Errorf("%x becomes %x", file, d.Bytes())
			}
		}
	})
}
