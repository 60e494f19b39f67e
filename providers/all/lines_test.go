package all_test

import (
	"context"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"hellolab/providers"
)

// dials counts the connections to each host.
type dials struct {
	providers.Network
	mu sync.Mutex
	to map[string]int
}

func (d *dials) Dial(ctx context.Context, host string, port int) (net.Conn, error) {
	d.mu.Lock()
	d.to[host]++
	d.mu.Unlock()
	return d.Network.Dial(ctx, host, port)
}

// TestDeviceKeepsItsConnections: what follows a join on a device begins without
// a handshake, and a closed lab leaves nobody waiting at a connection.
func TestDeviceKeepsItsConnections(t *testing.T) {
	l := newLab(t)
	counted := &dials{to: map[string]int{}}
	l.Through(func(env providers.Env) providers.Network {
		if counted.Network == nil {
			counted.Network = env.Network
		}
		return counted
	})
	l.device("laptop")
	login, drs := l.tenant().LoginHost, l.tenant().RegistrationHost
	before := counted.to[login]
	if counted.to[drs] != 2 { // with and without the device certificate
		t.Errorf("%d connections to %s for a join", counted.to[drs], drs)
	}
	l.enroll()
	for range 3 {
		l.expect(byPIN(pin), "success")
	}
	if counted.to[login] != before || counted.to[drs] != 2 {
		t.Errorf("connections: %v, %d to %s before", counted.to, before, login)
	}

	// The service ends: the next sign-in meets a cut connection, and dials anew.
	l.Restart()
	l.expect(byPIN(pin), "success")
	if counted.to[login] != before+1 {
		t.Errorf("connections after a restart: %v", counted.to)
	}
}

// TestNothingIsLeftBehind: a hundred sign-ins and a closed lab leave the number
// of goroutines where it was.
func TestNothingIsLeftBehind(t *testing.T) {
	l := newLab(t)
	l.device("laptop")
	l.enroll()
	l.Restart()
	quiet := goroutines(t, 0)
	for range 100 {
		l.expect(byPIN(pin), "success")
	}
	l.Restart()
	if now := goroutines(t, quiet); now > quiet {
		t.Errorf("%d goroutines, %d before", now, quiet)
	}
}

// goroutines waits until there are at most so many, or no fewer after a while.
func goroutines(t *testing.T, most int) (n int) {
	t.Helper()
	for range 100 {
		if n = runtime.NumGoroutine(); n <= most {
			return n
		}
		time.Sleep(10 * time.Millisecond)
	}
	return n
}
