package tpm_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"hellolab/providers/conformance/seed"
	"hellolab/providers/windows/ksp"
	"hellolab/providers/windows/tpm"
	"hellolab/providers/windows/tpm/tpmtest"
)

func TestMain(m *testing.M) { tpmtest.Main(m) }

// store keeps an image in memory.
type store struct {
	mu    sync.Mutex
	image []byte
	saves int
	fail  error
}

func (s *store) LoadImage() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.image, nil
}

func (s *store) SaveImage(_ context.Context, image []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	s.image, s.saves = image, s.saves+1
	return nil
}

func (s *store) copy() *store { return &store{image: bytes.Clone(s.image)} }

// clock is a lab clock that stands still.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}
func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newPool(t testing.TB, workers int, change ...func(*tpm.Options)) *tpm.Pool {
	t.Helper()
	tpmtest.NeedsSimulator(t)
	return tpmtest.NewPool(t, workers, change...)
}

type device struct {
	*tpm.TPM
	*tpm.Baked
	store *store
	clock *clock
}

func newDevice(t testing.TB, p *tpm.Pool, name string, c *clock) *device {
	t.Helper()
	b, err := p.Take(t.Context(), c.Now())
	if err != nil {
		t.Fatal(err)
	}
	s := &store{image: b.Image}
	return &device{p.TPM(name, s, c.Now), b, s, c}
}

func TestKeysSignDecryptAgree(t *testing.T) {
	p := newPool(t, 1)
	d := newDevice(t, p, "device.laptop", newClock())
	ctx := t.Context()
	digest := sha256.Sum256([]byte("nonce"))

	sig, err := d.SignSHA256(ctx, d.Device, nil, ksp.PKCS1, digest)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := d.Device.RSA()
	if err != nil {
		t.Fatal(err)
	}
	if err := rsa.VerifyPKCS1v15(pub, crypto.SHA256, digest[:], sig); err != nil {
		t.Errorf("signature: %v", err)
	}
	sig, err = d.SignSHA256(ctx, d.Device, nil, ksp.PSS, digest)
	if err != nil {
		t.Fatal(err)
	}
	// TLS 1.3 demands a salt as long as the hash.
	if err := rsa.VerifyPSS(pub, crypto.SHA256, digest[:], sig, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}); err != nil {
		t.Errorf("PSS signature: %v", err)
	}
	seed.Proves(t, "CONST-04")
	if pub.N.BitLen() != 2048 {
		t.Errorf("key of %d bits", pub.N.BitLen())
	}

	transport, err := d.Transport.RSA()
	if err != nil {
		t.Fatal(err)
	}
	sessionKey := bytes.Repeat([]byte{7}, 32)
	wrapped, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, transport, sessionKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := d.DecryptOAEP(ctx, d.Transport, wrapped)
	if err != nil || !bytes.Equal(plain, sessionKey) {
		t.Fatalf("decrypt: %x, %v", plain, err)
	}

	k, err := d.ImportHMAC(ctx, sessionKey)
	if err != nil {
		t.Fatal(err)
	}
	mac, err := d.HMAC(ctx, k, []byte("label"))
	if err != nil {
		t.Fatal(err)
	}
	want := hmac.New(sha256.New, sessionKey)
	want.Write([]byte("label"))
	if !bytes.Equal(mac, want.Sum(nil)) {
		t.Errorf("HMAC %x", mac)
	}

	auth := bytes.Repeat([]byte{9}, 32)
	a, err := d.CreateKey(ctx, ksp.Agree, auth)
	if err != nil {
		t.Fatal(err)
	}
	ephemeral, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x, err := d.Agree(ctx, a, auth, ephemeral.PublicKey().Bytes())
	if err != nil {
		t.Fatal(err)
	}
	apub, err := a.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	adh, err := apub.(*ecdsa.PublicKey).ECDH()
	if err != nil {
		t.Fatal(err)
	}
	if z, err := ephemeral.ECDH(adh); err != nil || !bytes.Equal(x, z) {
		t.Errorf("shared point %x, want %x (%v)", x, z, err)
	}
	if _, err := d.Agree(ctx, a, bytes.Repeat([]byte{8}, 32), ephemeral.PublicKey().Bytes()); !errors.Is(err, ksp.ErrWrongAuth) {
		t.Errorf("wrong authorization: %v", err)
	}
}

func TestKeysCannotBeExported(t *testing.T) {
	d := newDevice(t, newPool(t, 1), "device.laptop", newClock())
	seed.Proves(t, "DR-13")
	seed.Proves(t, "PB-12")
	for name, k := range map[string]ksp.Key{"device": d.Baked.Device, "transport": d.Transport, "user": d.User, "identity": d.AIK} {
		err := d.Export(t.Context(), k)
		if !errors.Is(err, ksp.ErrNotExportable) {
			t.Errorf("%s key: %v", name, err)
		}
		t.Log(err)
	}
}

func TestChangeAuthBindsASpareKey(t *testing.T) {
	p := newPool(t, 1)
	d := newDevice(t, p, "device.laptop", newClock())
	ctx := t.Context()
	digest := sha256.Sum256([]byte("nonce"))
	auth := append([]byte{0, 3, 0}, bytes.Repeat([]byte{3, 0}, 40)...) // any bytes, any length
	bound, err := d.ChangeAuth(ctx, d.User, nil, auth)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.SignSHA256(ctx, bound, auth, ksp.PKCS1, digest); err != nil {
		t.Errorf("right authorization: %v", err)
	}
	if _, err := d.SignSHA256(ctx, bound, nil, ksp.PKCS1, digest); !errors.Is(err, ksp.ErrWrongAuth) {
		t.Errorf("no authorization: %v", err)
	}
	again, err := d.ChangeAuth(ctx, bound, auth, bytes.Repeat([]byte{4}, 32))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.SignSHA256(ctx, again, auth, ksp.PKCS1, digest); !errors.Is(err, ksp.ErrWrongAuth) {
		t.Errorf("former authorization: %v", err)
	}
}

// TestTPMsAreApart shows two devices on one worker: neither opens the other's keys.
func TestTPMsAreApart(t *testing.T) {
	p := newPool(t, 1)
	c := newClock()
	a, b := newDevice(t, p, "device.a", c), newDevice(t, p, "device.b", c)
	digest := sha256.Sum256([]byte("nonce"))
	seed.Proves(t, "MOD-11")
	for range 3 {
		if _, err := a.SignSHA256(t.Context(), a.Device, nil, ksp.PKCS1, digest); err != nil {
			t.Fatal(err)
		}
		if _, err := b.SignSHA256(t.Context(), b.Device, nil, ksp.PKCS1, digest); err != nil {
			t.Fatal(err)
		}
		if _, err := b.SignSHA256(t.Context(), a.Device, nil, ksp.PKCS1, digest); !errors.Is(err, ksp.ErrForeignKey) {
			t.Errorf("a's key on b's TPM: %v", err)
		}
	}
	if bytes.Equal(a.EK, b.EK) {
		t.Error("two TPMs have one endorsement key")
	}
}

func TestImageOutlivesTheProcess(t *testing.T) {
	p := newPool(t, 1)
	c := newClock()
	d := newDevice(t, p, "device.laptop", c)
	sealed, err := d.Seal(t.Context(), []byte("secrets"), []byte("1872"))
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	again := newPool(t, 1).TPM("device.laptop", d.store, c.Now)
	data, err := again.Unseal(t.Context(), sealed, []byte("1872"))
	if err != nil || string(data) != "secrets" {
		t.Fatalf("unseal: %q, %v", data, err)
	}
}

func TestWrongPINIsSavedBeforeItsAnswer(t *testing.T) {
	p := newPool(t, 1)
	c := newClock()
	d := newDevice(t, p, "device.laptop", c)
	sealed, err := d.Seal(t.Context(), []byte("secrets"), []byte("1872"))
	if err != nil {
		t.Fatal(err)
	}
	if d.store.saves != 0 {
		t.Errorf("sealing changed the TPM's memory %d times", d.store.saves)
	}
	if _, err := d.Unseal(t.Context(), sealed, []byte("0000")); !errors.Is(err, ksp.ErrWrongAuth) {
		t.Fatalf("wrong PIN: %v", err)
	}
	if d.store.saves != 1 {
		t.Fatalf("%d saves after a wrong PIN", d.store.saves)
	}
	// Whoever kills everything now finds the try counted.
	p.Close()
	again := newPool(t, 1).TPM("device.laptop", d.store, c.Now)
	l, err := again.Lockout(t.Context())
	if err != nil || l.Failures != 1 || l.Max != 32 {
		t.Fatalf("after restart: %+v, %v", l, err)
	}
	// A save that fails withholds the answer.
	d.store.fail = errors.New("disk full")
	_, err = again.Unseal(t.Context(), sealed, []byte("0000"))
	if err == nil || errors.Is(err, ksp.ErrWrongAuth) || !strings.Contains(err.Error(), "disk full") {
		t.Fatalf("failed save: %v", err)
	}
	d.store.fail = nil
	if l, err := again.Lockout(t.Context()); err != nil || l.Failures != 1 {
		t.Fatalf("after a failed save: %+v, %v", l, err)
	}
}

func TestLockoutAndForgetting(t *testing.T) {
	p := newPool(t, 2)
	c := newClock()
	d := newDevice(t, p, "device.laptop", c)
	ctx := t.Context()
	seed.Proves(t, "CT-12")
	seed.Proves(t, "COMP-09")
	sealed, err := d.Seal(ctx, []byte("secrets"), []byte("1872"))
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= 32; i++ {
		if _, err := d.Unseal(ctx, sealed, []byte("0000")); !errors.Is(err, ksp.ErrWrongAuth) {
			t.Fatalf("try %d: %v", i, err)
		}
	}
	if _, err := d.Unseal(ctx, sealed, []byte("1872")); !errors.Is(err, ksp.ErrLockedOut) {
		t.Fatalf("33rd try, right PIN: %v", err)
	}
	if l, _ := d.Lockout(ctx); !l.Locked || l.Failures != 32 {
		t.Fatalf("lockout: %+v", l)
	}
	// Keys without an authorization value still work.
	if _, err := d.SignSHA256(ctx, d.Baked.Device, nil, ksp.PKCS1, sha256.Sum256(nil)); err != nil {
		t.Errorf("device key in lockout: %v", err)
	}
	c.Advance(10*time.Minute - 5*time.Second)
	if l, _ := d.Lockout(ctx); l.Failures != 32 {
		t.Errorf("after 9:55: %+v", l)
	}
	// The rest of the ten minutes passes with the device switched off and another on its worker.
	for _, n := range []string{"device.b", "device.c"} {
		newDevice(t, p, n, c).Lockout(ctx)
	}
	c.Advance(6 * time.Second)
	if l, _ := d.Lockout(ctx); l.Failures != 31 || l.Locked {
		t.Errorf("after 10 minutes: %+v", l)
	}
	if data, err := d.Unseal(ctx, sealed, []byte("1872")); err != nil || string(data) != "secrets" {
		t.Errorf("right PIN after 10 minutes: %v", err)
	}
	c.Advance(2*time.Hour + time.Minute) // the TPM's own clock ran meanwhile, by what the test took
	if l, _ := d.Lockout(ctx); l.Failures != 19 {
		t.Errorf("after 2 more hours: %+v", l)
	}
}

// TestCopyIsFree shows a check on a copy: its wrong PINs and its later clock
// touch neither the lab's TPM nor the worker that serves both.
func TestCopyIsFree(t *testing.T) {
	p := newPool(t, 1)
	c := newClock()
	d := newDevice(t, p, "device.laptop", c)
	ctx := t.Context()
	sealed, err := d.Seal(ctx, []byte("secrets"), []byte("1872"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Unseal(ctx, sealed, []byte("0000")); !errors.Is(err, ksp.ErrWrongAuth) {
		t.Fatal(err)
	}
	later := &clock{now: c.Now().Add(time.Hour)}
	overlay := d.store.copy()
	shadow := p.TPM("device.laptop", overlay, later.Now)
	if l, _ := shadow.Lockout(ctx); l.Failures != 0 {
		t.Errorf("an hour later, in the copy: %+v", l)
	}
	for range 3 {
		if _, err := shadow.Unseal(ctx, sealed, []byte("0000")); !errors.Is(err, ksp.ErrWrongAuth) {
			t.Fatal(err)
		}
	}
	if l, _ := d.Lockout(ctx); l.Failures != 1 {
		t.Errorf("in the lab: %+v", l)
	}
}

func TestWorkerCrashIsContained(t *testing.T) {
	p := newPool(t, 1)
	c := newClock()
	d := newDevice(t, p, "device.laptop", c)
	sealed, err := d.Seal(t.Context(), []byte("secrets"), []byte("1872"))
	if err != nil {
		t.Fatal(err)
	}
	p.KillWorkers()
	_, err = d.Unseal(t.Context(), sealed, []byte("1872"))
	if err == nil || !strings.Contains(err.Error(), "device.laptop") || !strings.Contains(err.Error(), "worker stopped") {
		t.Fatalf("on a killed worker: %v", err)
	}
	if data, err := d.Unseal(t.Context(), sealed, []byte("1872")); err != nil || string(data) != "secrets" {
		t.Fatalf("after the crash: %q, %v", data, err)
	}
	if l, _ := d.Lockout(t.Context()); l.Failures != 0 {
		t.Errorf("the crash counts as a wrong PIN: %+v", l)
	}
}

func TestManyDevicesAtOnce(t *testing.T) {
	for _, hosts := range []int{2, 4, 8} { // fewer than devices, and more
		t.Run(fmt.Sprint(hosts), func(t *testing.T) { manyDevices(t, hosts) })
	}
}

func manyDevices(t *testing.T, hosts int) {
	p := newPool(t, 2, func(o *tpm.Options) { o.Hosts = hosts })
	c := newClock()
	var wg sync.WaitGroup
	for i := range 6 {
		d := newDevice(t, p, "device."+string(rune('a'+i)), c)
		for range 3 {
			wg.Go(func() {
				digest := sha256.Sum256([]byte("nonce"))
				for range 5 {
					sig, err := d.SignSHA256(t.Context(), d.Device, nil, ksp.PKCS1, digest)
					if err != nil {
						t.Error(err)
						return
					}
					pub, _ := d.Device.RSA()
					if err := rsa.VerifyPKCS1v15(pub, crypto.SHA256, digest[:], sig); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	if l := p.Level(); l.Workers > hosts {
		t.Errorf("%d workers", l.Workers)
	}
}

func TestCancelledWait(t *testing.T) {
	p := newPool(t, 1)
	d := newDevice(t, p, "device.laptop", newClock())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Lockout(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
