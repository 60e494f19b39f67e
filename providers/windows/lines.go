package windows

import (
	"net/http"
	"reflect"
	"sync"

	"hellolab/providers"
	"hellolab/providers/windows/position"
	"hellolab/providers/wire/web"
)

// lines are the connections that devices keep for a while after a flow, as
// Windows' HTTP stack does: provisioning follows the join, a sign-in follows
// another, and neither begins with a handshake. None of them carries a device
// certificate. The administrator of a lab, who looks after all of its devices,
// has them, too. The services end them when the lab is closed.
type lines struct {
	mu   sync.Mutex
	kept []*line // longest unused first
}

// line is one device in one lab.
type line struct {
	env    providers.Env
	device string
	http   *http.Client
}

// maxLines bounds how many devices keep connections.
const maxLines = 64

// administrator stands among the devices for who is none.
const administrator = "the administrator"

// of returns the client of a device in the lab that env is of.
func (l *lines) of(env providers.Env, device string) *http.Client {
	if !sameLab(env, env) {
		return web.Client(env)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	at := len(l.kept)
	for i, k := range l.kept {
		if k.device == device && sameLab(k.env, env) && samePlace(k.env, env) {
			at = i
		}
	}
	k := &line{env, device, nil}
	if at < len(l.kept) {
		k = l.kept[at]
		l.kept = append(l.kept[:at], l.kept[at+1:]...)
	} else {
		k.http = web.Client(env)
	}
	l.kept = append(l.kept, k)
	if len(l.kept) > maxLines {
		l.kept[0].http.CloseIdleConnections()
		l.kept = append(l.kept[:0], l.kept[1:]...)
	}
	return k.http
}

// sameLab reports whether two objects are of one running lab, by its network.
// One that a test wrapped in something that cannot be compared is of none.
// A device's own network is that of its lab, seen from where it is.
func sameLab(a, b providers.Env) bool {
	one, _ := inner(a.Network)
	other, _ := inner(b.Network)
	return reflect.ValueOf(one).Comparable() && reflect.ValueOf(other).Comparable() && one == other
}

// samePlace reports whether two see the network from one place: a connection
// does not outlive a move.
func samePlace(a, b providers.Env) bool {
	_, from := inner(a.Network)
	_, at := inner(b.Network)
	return from == at
}

// inner is the lab's network behind a machine's, and where the machine is.
func inner(n providers.Network) (providers.Network, position.Position) {
	if p, ok := n.(position.Network); ok {
		return p.Network, p.Position
	}
	return n, position.Position{}
}
