package all_test

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/windows/ksp"
	"hellolab/providers/windows/tpm"
	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/ngc"
)

// codeAge is how long it takes until the authenticator app shows codes of
// which none was used.
const codeAge = time.Minute

// keyIDOf is the id under which a public key is registered.
func keyIDOf(pub *rsa.PublicKey) string { return ngc.KeyID(cng.MarshalRSAPublic(pub)) }

// What a device keeps, by the table of package windows' comment.
type machineState struct {
	Storage      ksp.Storage        `json:"storage"`
	MachineKey   []byte             `json:"machine_key"`
	EK           []byte             `json:"ek"`
	EKChain      [][]byte           `json:"ek_chain"`
	AIK          ksp.Key            `json:"aik"`
	AIKChain     [][]byte           `json:"aik_chain"`
	DeviceKey    ksp.Key            `json:"device_key"`
	TransportKey ksp.Key            `json:"transport_key"`
	Registration *registrationState `json:"registration"`
	Enterprise   *registrationState `json:"enterprise"`
}

type pooledState struct {
	ksp.Key
	Attestation *attestationState `json:"attestation"`
}

type attestationState struct {
	Tenant    string    `json:"tenant_id"`
	Nonce     string    `json:"nonce"`
	Made      time.Time `json:"made"`
	Attest    []byte    `json:"attest"`
	Signature []byte    `json:"signature"`
}

type registrationState struct {
	TenantID    string `json:"tenant_id"`
	DeviceID    string `json:"device_id"`
	Certificate []byte `json:"certificate"`
	Thumbprint  string `json:"thumbprint"`
}

type enrollmentState struct {
	KeyID      string    `json:"key_id"`
	EntryID    string    `json:"entry_id"`
	DeviceID   string    `json:"device_id"`
	Registered bool      `json:"registered"`
	Created    time.Time `json:"created"`
}

type prtState struct {
	Token      string     `json:"token"`
	SessionKey ksp.Sealed `json:"session_key"`
	Credential string     `json:"credential"`
	Tenant     string     `json:"tenant"`
	UPN        string     `json:"upn"`
	Obtained   time.Time  `json:"obtained"`
	Expires    time.Time  `json:"expires"`
}

// deviceTables are all tables of a device's section.
var deviceTables = []string{"machine", "tpm", "keypool", "container", "sensor", "sensordb", "winbio", "sensormodule", "enrollment", "session", "prt", "wam", "work", "kerberos", "cached", "cloudcache", "cloudtickets", "enterpriseprt", "personal"}

func storedIn[T any](t testing.TB, s providers.Section, table, key string) (v T, ok bool) {
	t.Helper()
	err := s.View(func(r providers.Reader) error {
		data, found, err := r.Get(table, key)
		if ok = found; err != nil || !found {
			return err
		}
		return json.Unmarshal(data, &v)
	})
	if err != nil {
		t.Fatal(err)
	}
	return v, ok
}

// stored reads one value of a section, which must be there.
func stored[T any](l *lab, addr, table, key string) T {
	l.t.Helper()
	v, ok := storedIn[T](l.t, l.For(addr).Section, table, key)
	if !ok {
		l.t.Fatalf("%s has no %s %q", addr, table, key)
	}
	return v
}

// keep changes one value of a section as a thief with the disk would.
func (l *lab) keep(addr, table, key string, v any) {
	l.t.Helper()
	data, err := json.Marshal(v)
	if err == nil {
		err = l.For(addr).Section.Record(l.t.Context(), func(w providers.Writer) error { return w.Put(table, key, data) })
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

// keysOf lists a table.
func (l *lab) keysOf(addr, table string) (keys []string) {
	l.t.Helper()
	err := l.For(addr).Section.View(func(r providers.Reader) error {
		keys = nil
		return r.Scan(table, "", func(key string, _ []byte) error { keys = append(keys, key); return nil })
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return keys
}

// sidOf is how a device knows a user: the only one who has something in a table.
func (l *lab) sidOf(addr, table string) string {
	l.t.Helper()
	keys := l.keysOf(addr, table)
	if len(keys) != 1 {
		l.t.Fatalf("%s of %s: keys %q", table, addr, keys)
	}
	return keys[0]
}

// tpmIn is the TPM whose memory a section keeps, under a name of its own.
func (l *lab) tpmIn(s providers.Section, name string) *tpm.TPM {
	return l.pool.TPM(name, imageIn{s}, l.Now)
}

// tpmOf is a device's TPM.
func (l *lab) tpmOf(device string) *tpm.TPM { return l.tpmIn(l.For(device).Section, device) }

type imageIn struct{ section providers.Section }

func (i imageIn) LoadImage() (image []byte, err error) {
	err = i.section.View(func(r providers.Reader) error {
		image, _, err = r.Get("tpm", "image")
		return err
	})
	return image, err
}

func (i imageIn) SaveImage(ctx context.Context, image []byte) error {
	return i.section.Record(ctx, func(w providers.Writer) error { return w.Put("tpm", "image", image) })
}

// containerState is a Hello container as far as tests look into it.
type containerState struct {
	ID         string           `json:"id"`
	SID        string           `json:"sid"`
	Storage    ksp.Storage      `json:"storage"`
	Created    time.Time        `json:"created"`
	Protectors []protectorState `json:"protectors"`
	AuthKey    struct {
		ID    string  `json:"id"`
		Key   ksp.Key `json:"key"`
		Point []byte  `json:"point"`
	} `json:"authentication_key"`
	UserKeys []struct {
		ID       string  `json:"id"`
		Provider string  `json:"provider"`
		Key      ksp.Key `json:"key"`
	} `json:"user_keys"`
	Gate struct {
		Wrong int `json:"wrong"`
	} `json:"gate"`
	PIN struct {
		Set     time.Time            `json:"set"`
		Shape   struct{ Length int } `json:"shape"`
		History [][]byte             `json:"history"`
	} `json:"pin"`
	Administrative *struct {
		ID       string `json:"id"`
		Provider string `json:"provider"`
		Sealed   []byte `json:"sealed"`
		Wrapped  string `json:"wrapped"`
	} `json:"administrative_key,omitempty"`
}

type protectorState struct {
	ID      string     `json:"id"`
	Gesture string     `json:"gesture"`
	Sealed  ksp.Sealed `json:"sealed"`
}

// rename makes a user's only key pass for another id on the device.
func (l *lab) rename(t testing.TB, device, sid, kid string) {
	t.Helper()
	c := stored[map[string]any](l, device, "container", sid)
	keys, _ := c["user_keys"].([]any)
	if len(keys) != 1 {
		t.Fatalf("%d keys", len(keys))
	}
	keys[0].(map[string]any)["id"] = kid
	l.keep(device, "container", sid, c)
}

func tpmPublic(k ksp.Key) ([]byte, error) { return tpm.Public(k) }

// privateBlobs are the ends of what a device keeps of private keys and sealed
// secrets, wrapped by its TPM.
func (l *lab) privateBlobs(device string) map[string][]byte {
	l.t.Helper()
	m := stored[machineState](l, device, "machine", "record")
	blobs := map[string][]byte{"device key": m.DeviceKey.Blob, "transport key": m.TransportKey.Blob, "identity key": m.AIK.Blob}
	for _, key := range l.keysOf(device, "keypool") {
		blobs["pooled key "+key] = stored[ksp.Key](l, device, "keypool", key).Blob
	}
	for _, sid := range l.keysOf(device, "container") {
		c := stored[containerState](l, device, "container", sid)
		blobs["authentication key"] = c.AuthKey.Key.Blob
		for _, k := range c.UserKeys {
			blobs["user key "+k.ID] = k.Key.Blob
		}
		for _, p := range c.Protectors {
			blobs["protector "+p.Gesture] = p.Sealed.Blob
		}
	}
	for _, key := range l.keysOf(device, "prt") {
		blobs["session key "+key] = stored[prtState](l, device, "prt", key).SessionKey.Blob
	}
	for name, b := range blobs {
		if len(b) < 96 {
			l.t.Fatalf("%s: %d bytes", name, len(b))
		}
		blobs[name] = b[len(b)-48:]
	}
	return blobs
}
