package graph

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"

	"hellolab/providers"
	"hellolab/providers/wire/web"
)

// Tenant is where a directory is administered, and by which client.
type Tenant struct {
	ID           string
	LoginHost    string
	GraphHost    string
	ClientID     string
	ClientSecret string
}

// Client administers a tenant's directory over Graph. Close it when done.
type Client struct {
	host  string
	http  *http.Client
	close func()
	token string
	again func(context.Context) error // gets another token; nil: there is none
}

// SignIn signs the administrative client in by its secret.
func SignIn(ctx context.Context, env providers.Env, t Tenant) (*Client, error) {
	c := &Client{host: t.GraphHost, http: web.Client(env)}
	c.close = c.http.CloseIdleConnections
	token, err := t.token(ctx, c.http)
	if err != nil {
		c.Close()
		return nil, err
	}
	c.token = token.AccessToken
	return c, nil
}

// Close ends the client's own connections.
func (c *Client) Close() { c.close() }

// do sends one request. path is below v1.0, or the whole URL of a next page. A
// kept token that the directory does not take is replaced once.
func (c *Client) do(ctx context.Context, method, path string, body any) ([]byte, error) {
	reply, err := c.try(ctx, method, path, body)
	if err == nil && reply.Status == http.StatusUnauthorized && c.again != nil {
		if err := c.again(ctx); err != nil {
			return nil, err
		}
		reply, err = c.try(ctx, method, path, body)
	}
	if err != nil {
		return nil, err
	}
	if reply.Status/100 != 2 {
		return nil, ParseError(reply.Status, reply.Body)
	}
	return reply.Body, nil
}

func (c *Client) try(ctx context.Context, method, path string, body any) (web.Reply, error) {
	target := path
	if !strings.HasPrefix(path, "https://") {
		target = "https://" + c.host + "/v1.0" + path
	}
	req, err := web.NewJSON(ctx, method, target, body)
	if err != nil {
		return web.Reply{}, err
	}
	// A next page is named by the server; the token goes to Graph only.
	if req.URL.Host != c.host {
		return web.Reply{}, fmt.Errorf("directory named a page on another host, %s", req.URL.Host)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	return web.Do(c.http, req)
}

// Get reads one object. Path segments are joined and escaped.
func Get[T any](ctx context.Context, c *Client, segments ...string) (*T, error) {
	body, err := c.do(ctx, http.MethodGet, Path(segments...), nil)
	if err != nil {
		return nil, err
	}
	return Parse[T](body)
}

// Post sends body and reads the object that came of it.
func Post[T any](ctx context.Context, c *Client, body any, segments ...string) (*T, error) {
	reply, err := c.do(ctx, http.MethodPost, Path(segments...), body)
	if err != nil {
		return nil, err
	}
	if len(reply) == 0 {
		return new(T), nil
	}
	return Parse[T](reply)
}

// Patch changes one object.
func (c *Client) Patch(ctx context.Context, body any, segments ...string) error {
	_, err := c.do(ctx, http.MethodPatch, Path(segments...), body)
	return err
}

// Put makes one object what body says, whether it was there or not.
func (c *Client) Put(ctx context.Context, body any, segments ...string) error {
	_, err := c.do(ctx, http.MethodPut, Path(segments...), body)
	return err
}

// Delete removes one object; one that is not there is removed already.
func (c *Client) Delete(ctx context.Context, segments ...string) error {
	_, err := c.do(ctx, http.MethodDelete, Path(segments...), nil)
	if IsNotFound(err) {
		return nil
	}
	return err
}

// List yields every object of a collection, page by page. filter is an OData
// filter, "" for all.
func List[T any](ctx context.Context, c *Client, filter string, segments ...string) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		next := Path(segments...)
		if filter != "" {
			next += "?$filter=" + url.QueryEscape(filter)
		}
		for next != "" {
			body, err := c.do(ctx, http.MethodGet, next, nil)
			if err != nil {
				yield(nil, err)
				return
			}
			page, err := Parse[Page[T]](body)
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range page.Value {
				if !yield(&page.Value[i], nil) {
					return
				}
			}
			next = page.NextLink
		}
	}
}

// First returns the first object of a collection that filter names, or
// IsNotFound.
func First[T any](ctx context.Context, c *Client, filter string, segments ...string) (*T, error) {
	for v, err := range List[T](ctx, c, filter, segments...) {
		return v, err
	}
	return nil, &Error{Code: CodeNotFound, Status: http.StatusNotFound, Sentence: "No object matches " + filter + "."}
}

// AddMember puts an object into a group; one that is in it already stays.
func (c *Client) AddMember(ctx context.Context, group, member string) error {
	_, err := c.do(ctx, http.MethodPost, Path("groups", group, "members", "$ref"),
		Reference{ID: "https://" + c.host + "/v1.0/directoryObjects/" + url.PathEscape(member)})
	var refused *Error
	if errors.As(err, &refused) && refused.Code == CodeConflict {
		return nil
	}
	return err
}

// RemoveMember takes an object out of a group.
func (c *Client) RemoveMember(ctx context.Context, group, member string) error {
	return c.Delete(ctx, "groups", group, "members", member, "$ref")
}

// Path joins segments to a path below v1.0, each escaped.
func Path(segments ...string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteByte('/')
		if s == "$ref" {
			b.WriteString(s)
			continue
		}
		b.WriteString(url.PathEscape(s))
	}
	return b.String()
}

// Equals writes an OData filter that compares a property with text.
func Equals(property, text string) string {
	return property + " eq '" + strings.ReplaceAll(text, "'", "''") + "'"
}
