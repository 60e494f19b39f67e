package position

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// A network with a captive portal is that of a hotel or an airport: names are
// answered, and nothing is let out before a guest has signed in at the portal's
// page, which takes a browser; the sign-in screen of Windows has none. Plain HTTP is
// led to that page. Everything else is let into nothing: an attempt to connect times
// out ("Troubleshoot Windows Hello for Business sign-in on captive-portal Wi-Fi":
// HTTPS is blocked or delayed in silence, and connections do not fail at once).

// AttemptTimeout is how long Windows tries to connect before it gives up: "around 21
// seconds" (the same), three tries of TCP's.
const AttemptTimeout = 21 * time.Second

// PortalPage is where the portal leads to (ours).
const PortalPage = "http://portal.guest.example/"

// maxRequest bounds what the portal reads of a request.
const maxRequest = 64 << 10

// Unanswered is a connection that timed out behind a captive portal.
type Unanswered struct {
	Host string
	Port int
}

func (e *Unanswered) Error() string {
	return fmt.Sprintf("no answer from %s, port %d: the network lets nothing out before its guest has signed in at its portal", e.Host, e.Port)
}

// Timeout says that it is no refusal (net.Error).
func (*Unanswered) Timeout() bool { return true }

// Temporary is part of net.Error.
func (*Unanswered) Temporary() bool { return true }

// portal is what comes of a connection to a host of the outside: one to the portal
// itself, or, once the attempt's time has passed, an *Unanswered.
func (n Network) portal(host string, port int) (net.Conn, error) {
	if port != portLists {
		if n.Waiter != nil {
			n.Waiter.Wait(AttemptTimeout)
		}
		return nil, &Unanswered{host, port}
	}
	client, server := net.Pipe()
	go redirect(server)
	return client, nil
}

// redirect answers a request by the way to the portal's page, and hangs up.
func redirect(c net.Conn) {
	defer c.Close()
	req, err := http.ReadRequest(bufio.NewReader(io.LimitReader(c, maxRequest)))
	if err != nil {
		return
	}
	req.Body.Close()
	// Whoever does not wait for the answer has hung up already.
	_, _ = io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: "+PortalPage+"\r\nCache-Control: no-store\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}
