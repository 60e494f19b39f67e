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
	"hellolab/providers/spec"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/web"
)

// admin is the lab's administrator at a tenant's directory: what the engine
// needs to see and undo of a device's registrations. A device itself never
// uses it.
type admin struct {
	tenant spec.TenantOut
	http   *http.Client
	token  string
}

// admin signs in with the tenant's administrative client.
func (w *Windows) admin(ctx context.Context, env providers.Env, tenant spec.TenantOut) (*admin, error) {
	a := &admin{tenant: tenant, http: web.Client(env)}
	req, err := formRequest(ctx, "https://"+tenant.LoginHost+"/"+tenant.TenantID+"/oauth2/token", oauth.TokenRequest{
		GrantType:    oauth.GrantClientCredentials,
		ClientID:     tenant.AdminClientID,
		ClientSecret: tenant.AdminSecret,
		Resource:     oauth.ResourceGraph,
	}.Form())
	if err != nil {
		return nil, err
	}
	reply, err := tokenReply(a.http, req)
	if err != nil {
		a.close()
		return nil, fmt.Errorf("administer tenant: %w", err)
	}
	a.token = reply.AccessToken
	return a, nil
}

func (a *admin) close() { a.http.CloseIdleConnections() }

func (a *admin) do(ctx context.Context, method, path string, body any) ([]byte, error) {
	target := path
	if !strings.HasPrefix(path, "https://") {
		target = "https://" + a.tenant.GraphHost + "/v1.0" + path
	}
	req, err := web.NewJSON(ctx, method, target, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	reply, err := web.Do(a.http, req)
	if err != nil {
		return nil, err
	}
	if reply.Status/100 != 2 {
		return nil, graph.ParseError(reply.Status, reply.Body)
	}
	return reply.Body, nil
}

// device returns the device object with a device id, or graph's not found.
func (a *admin) device(ctx context.Context, deviceID string) (*graph.Device, error) {
	body, err := a.do(ctx, http.MethodGet, "/devices(deviceId='"+url.PathEscape(deviceID)+"')", nil)
	if err != nil {
		return nil, err
	}
	return graph.Parse[graph.Device](body)
}

// deviceWithTransportKey looks through all devices for one with a transport
// key: what is left of a join whose reply was never read.
func (a *admin) deviceWithTransportKey(ctx context.Context, blob []byte) (*graph.Device, error) {
	for next := "/devices"; next != ""; {
		body, err := a.do(ctx, http.MethodGet, next, nil)
		if err != nil {
			return nil, err
		}
		page, err := graph.Parse[graph.Page[graph.Device]](body)
		if err != nil {
			return nil, err
		}
		for i := range page.Value {
			if bytes.Equal(page.Value[i].TransportKey, blob) {
				return &page.Value[i], nil
			}
		}
		next = page.NextLink
	}
	return nil, nil
}

func (a *admin) patchDevice(ctx context.Context, objectID string, d graph.Device) error {
	_, err := a.do(ctx, http.MethodPatch, "/devices/"+url.PathEscape(objectID), d)
	return err
}

func (a *admin) deleteDevice(ctx context.Context, objectID string) error {
	_, err := a.do(ctx, http.MethodDelete, "/devices/"+url.PathEscape(objectID), nil)
	return gone(err)
}

// helloKeys returns the Hello keys of a user as the directory has them; none
// when there is no such user.
func (a *admin) helloKeys(ctx context.Context, user string) ([]graph.DeviceKey, error) {
	body, err := a.do(ctx, http.MethodGet, "/users/"+url.PathEscape(user), nil)
	if graph.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	u, err := graph.Parse[graph.User](body)
	if err != nil {
		return nil, err
	}
	return u.HelloKeys, nil
}

func (a *admin) deleteHelloKey(ctx context.Context, user, id string) error {
	_, err := a.do(ctx, http.MethodDelete,
		"/users/"+url.PathEscape(user)+"/authentication/windowsHelloForBusinessMethods/"+url.PathEscape(id), nil)
	return gone(err)
}

// gone makes nothing of a deletion that found nothing.
func gone(err error) error {
	if graph.IsNotFound(err) {
		return nil
	}
	return err
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
	reply, err := web.Do(c, req)
	if err != nil {
		return nil, err
	}
	if reply.Status != http.StatusOK {
		return nil, oauth.ParseError(reply.Status, reply.Body)
	}
	return oauth.ParseTokenResponse(reply.Body)
}

func random(env providers.Env, n int) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(env.Rand, b); err != nil {
		return nil, fmt.Errorf("random bytes: %w", err)
	}
	return b, nil
}
