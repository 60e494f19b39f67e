package all_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"hellolab/providers"
	"hellolab/providers/conformance"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/windows/ksp"
	"hellolab/providers/windows/tpm"
	"hellolab/providers/windows/tpm/tpmtest"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
	"hellolab/providers/wire/web"
)

// The four speed promises, over a whole lab in memory: devices, their TPMs in
// worker processes, the tenant, TLS between them. Each benchmark prints the
// rate, and what one operation costs the processor in this process and in the
// workers: other work on the machine lowers the first and not the second.

// atOnce is how many operations run side by side, as many as an apply runs.
const atOnce = 10

// cost is what a stretch of work took.
type cost struct {
	wall, parent, workers time.Duration
}

func (c *cost) add(o cost) {
	c.wall, c.parent, c.workers = c.wall+o.wall, c.parent+o.parent, c.workers+o.workers
}

func (c cost) cpu() time.Duration { return c.parent + c.workers }

func (c cost) perSecond(n int) float64 { return float64(n) / c.wall.Seconds() }

// report prints rate and processor time of n operations.
func (c cost) report(b *testing.B, n int, unit string) {
	b.Helper()
	each := func(d time.Duration) float64 { return d.Seconds() * 1000 / float64(n) }
	b.ReportMetric(0, "ns/op") // an iteration is a batch
	b.ReportMetric(c.perSecond(n), unit+"/s")
	b.ReportMetric(each(c.parent), "ms-cpu/op")
	b.ReportMetric(each(c.workers), "ms-worker-cpu/op")
}

// stopwatch begins to measure; the function it returns ends it.
func stopwatch(b *testing.B) func() cost {
	b.Helper()
	began, parent, workers := time.Now(), ownCPU(b), childCPU(b)
	return func() cost { return cost{time.Since(began), ownCPU(b) - parent, childCPU(b) - workers} }
}

func ownCPU(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// childCPU is the processor time of the children that run, as Linux counts it
// in hundredths of a second. Elsewhere it is 0.
func childCPU(b *testing.B) (sum time.Duration) {
	b.Helper()
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, list := range lists {
		pids, err := os.ReadFile(list)
		if err != nil {
			continue // a thread that ended meanwhile
		}
		for _, pid := range strings.Fields(string(pids)) {
			stat, err := os.ReadFile("/proc/" + pid + "/stat")
			if err != nil {
				continue
			}
			fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
			for _, at := range []int{11, 12} { // utime and stime
				ticks, err := strconv.Atoi(fields[at])
				if err != nil {
					b.Fatal(err)
				}
				sum += time.Duration(ticks) * 10 * time.Millisecond
			}
		}
	}
	return sum
}

// together calls fn n times, some of them side by side.
func together(b *testing.B, n int, fn func(i int) error) {
	b.Helper()
	var g errgroup.Group
	g.SetLimit(atOnce)
	for i := range n {
		g.Go(func() error { return fn(i) })
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
}

// staff makes n users side by side.
func (l *lab) staff(b *testing.B, n int) {
	b.Helper()
	together(b, n, func(i int) error {
		_, err := l.TryCreate(b.Context(), fmt.Sprintf("user.b%d", i),
			spec.User{UPN: fmt.Sprintf("b%d@contoso.com", i), Tenant: "tenant.contoso", Password: providers.Secret(password)})
		return err
	})
}

// firstDay is user i's first day at a new device: it joins, and the user
// enrolls.
func (l *lab) firstDay(b *testing.B, i int) error {
	if err := l.join(b, i); err != nil {
		return err
	}
	return l.enrollAt(b, i)
}

// join makes user i's device.
func (l *lab) join(b *testing.B, i int) error {
	_, err := l.TryCreate(b.Context(), fmt.Sprintf("device.b%d", i),
		spec.Device{Join: "entra", Tenant: "tenant.contoso", JoinedBy: providers.Ref(fmt.Sprintf("user.b%d", i))})
	return err
}

// enrollAt provisions user i on that device.
func (l *lab) enrollAt(b *testing.B, i int) error {
	_, err := l.TryCreate(b.Context(), fmt.Sprintf("enrollment.b%d", i), enrollment(fmt.Sprintf("user.b%d", i), fmt.Sprintf("device.b%d", i)))
	return err
}

// keysAlone is what the workers of a pool create when they do nothing else.
func keysAlone(b *testing.B, n int) cost {
	b.Helper()
	pool := tpmtest.NewPool(b, 0)
	devices := make([]*tpm.TPM, 2)
	for i := range devices {
		baked, err := pool.Take(b.Context(), conformance.Began)
		if err != nil {
			b.Fatal(err)
		}
		devices[i] = pool.TPM(fmt.Sprint(i), &memory{image: baked.Image}, func() time.Time { return conformance.Began })
	}
	stop := stopwatch(b)
	var g errgroup.Group
	for i, d := range devices {
		g.Go(func() error {
			for range n/2 + i*(n%2) {
				if _, err := d.CreateKey(b.Context(), ksp.UserSign, nil); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	return stop()
}

// memory keeps the image of a TPM.
type memory struct {
	mu    sync.Mutex
	image []byte
}

func (m *memory) LoadImage() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.image, nil
}

func (m *memory) SaveImage(_ context.Context, image []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.image = image
	return nil
}

// BenchmarkColdEnrollment is a lab's first apply: no worker runs and no key is
// ready. Its peer is the same number of workers creating RSA keys and nothing
// else. The promise: keys created per second, here over there, is 80 % or more.
// The last figure says the same of processor time, which other work on the
// machine does not move: what the keys cost the workers there, over all that was
// used here.
func BenchmarkColdEnrollment(b *testing.B) {
	const n, peers = 100, 400
	var here, there cost
	keys, made := 0, 0
	for b.Loop() {
		l := newLab(b)
		l.staff(b, n)
		there.add(keysAlone(b, peers/2))
		stop := stopwatch(b)
		l.pool.Expect(n)
		together(b, n, func(i int) error { return l.firstDay(b, i) })
		here.add(stop())
		keys += l.pool.Level().Keys
		there.add(keysAlone(b, peers/2))
		made += peers
	}
	here.report(b, n*b.N, "enrollments")
	b.ReportMetric(float64(keys)/float64(n*b.N), "keys/op")
	b.ReportMetric(100*here.perSecond(keys)/there.perSecond(made), "%-of-workers-alone")
	b.ReportMetric(100*there.workers.Seconds()*float64(keys)/float64(made)/here.cpu().Seconds(), "%-cpu-in-keys")
}

// BenchmarkWarmEnrollment is provisioning with nothing left to make: "enrollment"
// on joined devices, each with a key and its attestation in its pool;
// "device and enrollment" with the join before it, on TPMs that were manufactured
// ahead. The promise, 150 a second or more, is about enrollments.
func BenchmarkWarmEnrollment(b *testing.B) {
	const n = 150
	for _, joined := range []bool{true, false} {
		name := "device and enrollment"
		if joined {
			name = "enrollment"
		}
		b.Run(name, func(b *testing.B) {
			var here cost
			keys := 0
			for b.Loop() {
				l := newLabOn(b, tpmtest.NewPool(b, 0, func(o *tpm.Options) { o.Ahead = n }), "required")
				l.staff(b, n)
				l.pool.Expect(n)
				for l.pool.Level().Baked < n {
					time.Sleep(50 * time.Millisecond)
				}
				if joined {
					together(b, n, func(i int) error { return l.join(b, i) })
				}
				before := l.pool.Level().Keys
				stop := stopwatch(b)
				together(b, n, func(i int) error {
					if !joined {
						if err := l.join(b, i); err != nil {
							return err
						}
					}
					return l.enrollAt(b, i)
				})
				here.add(stop())
				keys += l.pool.Level().Keys - before
			}
			here.report(b, n*b.N, "enrollments")
			b.ReportMetric(float64(keys)/float64(n*b.N), "keys/op")
		})
	}
}

// BenchmarkWarmSignIn is flow A1 by PIN on eight devices, each with its own
// user, through to the cached primary refresh token. The promise: 300 sign-ins
// a second or more.
func BenchmarkWarmSignIn(b *testing.B) {
	const devices, n = 8, 400
	l := newLab(b)
	l.staff(b, devices)
	together(b, devices, func(i int) error { return l.firstDay(b, i) })
	l.signsIn(b, devices, devices)
	var here cost
	for b.Loop() {
		stop := stopwatch(b)
		l.signsIn(b, devices, n)
		here.add(stop())
	}
	here.report(b, n*b.N, "sign-ins")
}

// signsIn signs users in, n times in all.
func (l *lab) signsIn(b *testing.B, devices, n int) {
	b.Helper()
	together(b, n, func(i int) error {
		user, device := fmt.Sprintf("user.b%d", i%devices), fmt.Sprintf("device.b%d", i%devices)
		v, err := l.windows.SignIn(b.Context(), l.For(device), windows.Request{User: user, Device: device, PIN: providers.Secret(pin)})
		if err == nil && v.Code != "success" {
			err = fmt.Errorf("sign-in ended with %s: %+v", v.Code, v.Reason)
		}
		return err
	})
}

// BenchmarkAccessToken is nonce and access token by a primary refresh token:
// two requests over kept TLS connections, the second signed with a key derived
// from the session key, its reply opened with another. The promise, 1,500 a
// second or more, is the token service's: "software" has the session key in the
// software provider of a device without TPM, so that nearly all the work is the
// service's and HTTP's. "tpm" has it in the TPM, which computes both keys.
func BenchmarkAccessToken(b *testing.B) {
	for _, storage := range []string{"software", "tpm"} {
		b.Run(storage, func(b *testing.B) {
			const devices, n = 8, 2000
			l := newLabOn(b, tpmtest.NewPool(b, 0), "off")
			l.staff(b, devices)
			together(b, devices, func(i int) error { return l.atDesk(b, i, storage) })
			var clients []*prtClient
			for i := range atOnce {
				clients = append(clients, l.prtClient(b, i%devices))
			}
			spare := make(chan *prtClient, atOnce)
			for _, c := range clients {
				spare <- c
			}
			token := func(int) error {
				c := <-spare
				defer func() { spare <- c }()
				return c.accessToken(b.Context())
			}
			together(b, atOnce, token)
			var here cost
			for b.Loop() {
				stop := stopwatch(b)
				together(b, n, token)
				here.add(stop())
			}
			here.report(b, n*b.N, "tokens")
		})
	}
}

// atDesk joins a device for user i, who signs in with the password.
func (l *lab) atDesk(b *testing.B, i int, storage string) error {
	user, device := fmt.Sprintf("user.b%d", i), fmt.Sprintf("device.b%d", i)
	d := spec.Device{Join: "entra", Tenant: "tenant.contoso", JoinedBy: providers.Ref(user)}
	if storage == "software" {
		d.TPM = "none"
	}
	if _, err := l.TryCreate(b.Context(), device, d); err != nil {
		return err
	}
	v, err := l.windows.SignIn(b.Context(), l.For(device), windows.Request{User: user, Device: device, Password: providers.Secret(password)})
	if err == nil && v.Code != "success" {
		err = fmt.Errorf("sign-in ended with %s: %+v", v.Code, v.Reason)
	}
	return err
}

// prtClient uses a device's primary refresh token as Cloud AP does, over
// connections that it keeps.
type prtClient struct {
	http     *http.Client
	endpoint string
	token    string
	now      func() time.Time
	session  prt.Deriver
}

func (l *lab) prtClient(b *testing.B, i int) *prtClient {
	b.Helper()
	device := fmt.Sprintf("device.b%d", i)
	rec := stored[prtState](l, device, "prt", l.sid(fmt.Sprintf("b%d", i))+"|password")
	m := stored[machineState](l, device, "machine", "record")
	var provider ksp.Provider = l.tpmOf(device)
	if m.Storage == ksp.Software {
		var err error
		if provider, err = ksp.NewSoftware(m.MachineKey, rand.Reader); err != nil {
			b.Fatal(err)
		}
	}
	c := web.Client(l.For(device))
	b.Cleanup(c.CloseIdleConnections)
	return &prtClient{
		http: c, endpoint: "https://" + l.tenant().LoginHost + "/" + l.tenant().TenantID + "/oauth2/token", token: rec.Token, now: l.Now,
		session: func(kdf []byte) ([]byte, error) { return provider.HMAC(b.Context(), rec.SessionKey, prt.KDFInput(kdf)) },
	}
}

func (c *prtClient) post(ctx context.Context, r oauth.TokenRequest) (web.Reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint, strings.NewReader(r.Form().Encode()))
	if err != nil {
		return web.Reply{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	reply, err := web.Do(c.http, req)
	if err == nil && reply.Status != http.StatusOK {
		err = oauth.ParseError(reply.Status, reply.Body)
	}
	return reply, err
}

func (c *prtClient) accessToken(ctx context.Context) error {
	reply, err := c.post(ctx, oauth.TokenRequest{GrantType: oauth.GrantServerChallenge})
	if err != nil {
		return err
	}
	var nonce oauth.NonceResponse
	if err := reply.JSON(&nonce); err != nil {
		return err
	}
	salt := make([]byte, prt.ContextSize)
	if _, err := rand.Read(salt); err != nil {
		return err
	}
	signed, err := prt.SignRequest(c.session, salt, prt.Request{
		ClientID: oauth.ClientBroker, RequestNonce: nonce.Nonce, Scope: "openid", Resource: oauth.ResourceGraph, GrantType: oauth.GrantRefreshToken,
		RefreshToken: c.token, IssuedAt: prt.Time(c.now().Unix()), Expires: prt.Time(c.now().Add(5 * time.Minute).Unix()),
	})
	if err != nil {
		return err
	}
	if reply, err = c.post(ctx, oauth.TokenRequest{GrantType: oauth.GrantJWTBearer, Request: signed, WindowsAPIVersion: "2.0", ClientInfo: true}); err != nil {
		return err
	}
	body, err := prt.OpenResponse(string(reply.Body), c.session)
	if err != nil {
		return err
	}
	tokens, err := oauth.ParseTokenResponse(body)
	if err == nil && tokens.AccessToken == "" {
		err = errors.New("no access token in the reply")
	}
	return err
}
