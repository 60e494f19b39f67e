package windows

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"hellolab/providers"
	"hellolab/providers/administer"
	"hellolab/providers/spec"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/web"
)

// admin is the lab's administrator at a tenant's directory: it sees and undoes
// a device's registrations for the engine. A device itself never uses it.
type admin struct{ *graph.Client }

func (w *Windows) newAdmin(ctx context.Context, env providers.Env, tenant spec.TenantOut) (admin, error) {
	c, err := w.tokens.SignIn(ctx, env, w.lines.of(env, administrator), administer.GraphTenant(tenant))
	return admin{c}, err
}

// device returns the device object with a device id, or graph's not found.
func (a admin) device(ctx context.Context, deviceID string) (*graph.Device, error) {
	return graph.Get[graph.Device](ctx, a.Client, "devices(deviceId='"+deviceID+"')")
}

// deviceWithTransportKey looks through all devices for one with a transport
// key, nil when there is none: what is left of a join whose reply was never
// kept.
func (a admin) deviceWithTransportKey(ctx context.Context, blob []byte) (*graph.Device, error) {
	for d, err := range graph.List[graph.Device](ctx, a.Client, "", "devices") {
		if err != nil {
			return nil, err
		}
		if bytes.Equal(d.TransportKey, blob) {
			return d, nil
		}
	}
	return nil, nil
}

// helloKeys returns the Hello keys of a user as the directory has them; none
// when there is no such user.
func (a admin) helloKeys(ctx context.Context, user string) ([]graph.DeviceKey, error) {
	u, err := graph.Get[graph.User](ctx, a.Client, "users", user)
	if graph.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return u.HelloKeys, nil
}

func (a admin) deleteHelloKey(ctx context.Context, user, id string) error {
	return a.Delete(ctx, "users", user, "authentication", "windowsHelloForBusinessMethods", id)
}

func formRequest(ctx context.Context, target string, form url.Values) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req, nil
}

// tokenReply sends a request to the token endpoint and reads its answer.
func tokenReply(c *http.Client, req *http.Request) (*oauth.TokenResponse, error) {
	body, err := tokenBody(c, req)
	if err != nil {
		return nil, err
	}
	return oauth.ParseTokenResponse(body)
}

// tokenBody returns what the token endpoint answers when it does not refuse.
func tokenBody(c *http.Client, req *http.Request) ([]byte, error) {
	reply, err := web.Do(c, req)
	if err != nil {
		return nil, err
	}
	if reply.Status != http.StatusOK {
		return nil, oauth.ParseError(reply.Status, reply.Body)
	}
	return reply.Body, nil
}

func random(env providers.Env, n int) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(env.Rand, b); err != nil {
		return nil, fmt.Errorf("random bytes: %w", err)
	}
	return b, nil
}
