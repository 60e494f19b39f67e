// Package browser is a person at a browser that runs no scripts, for tests of
// pages: it follows redirects, keeps cookies if the client has a jar, fills in
// forms and sends them. What a page does only by script it does not do.
package browser

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// Person fills in what pages ask for.
type Person struct {
	HTTP *http.Client
	// Type is what is typed into the input of a name. An input that is neither
	// hidden nor here keeps what the page put there.
	Type map[string]func() string
	// Press is the value of the button to press, by the button's name. Where a
	// page has no such button, its first one is pressed, as a browser does when
	// somebody types and hits the enter key.
	Press map[string]string
	// Look is called with each page that has a form, before it is filled in: what
	// a person reads there and does elsewhere.
	Look func(*Page)
}

// Page is where a visit ended.
type Page struct {
	URL     *url.URL
	Status  int // 0 when URL is not one of the web
	Body    []byte
	Refusal string // text of the element with the id "error", or "errorText" as AD FS has it
}

const (
	maxSteps = 20
	maxBody  = 1 << 20
)

// Visit opens a page and goes on from there until one has no form, or shows a
// refusal, or the way leads out of the web (a redirect to another scheme).
func (p *Person) Visit(ctx context.Context, start string) (*Page, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, start, nil)
	if err != nil {
		return nil, err
	}
	client := *p.HTTP
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for range maxSteps {
		page, next, err := p.step(ctx, &client, req)
		if err != nil || next == nil {
			return page, err
		}
		req = next
	}
	return nil, fmt.Errorf("no end after %d pages", maxSteps)
}

// step sends a request and returns what comes of it: a page to stop at, or the
// next request.
func (p *Person) step(ctx context.Context, client *http.Client, req *http.Request) (*Page, *http.Request, error) {
	req.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8") // as browsers do: an application tells them from its clients by it
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return nil, nil, err
	}
	page := &Page{URL: req.URL, Status: resp.StatusCode, Body: body}
	if location := resp.Header.Get("Location"); location != "" && resp.StatusCode/100 == 3 {
		to, err := req.URL.Parse(location)
		if err != nil {
			return nil, nil, err
		}
		if to.Scheme != "http" && to.Scheme != "https" {
			return &Page{URL: to}, nil, nil
		}
		next, err := http.NewRequestWithContext(ctx, http.MethodGet, to.String(), nil)
		return nil, next, err
	}
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		return page, nil, nil
	}
	root, err := html.Parse(bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	if e := find(root, func(n *html.Node) bool { return attr(n, "id") == "error" || attr(n, "id") == "errorText" }); e != nil {
		page.Refusal = text(e)
		return page, nil, nil
	}
	form := find(root, func(n *html.Node) bool { return n.Data == "form" })
	if form == nil {
		return page, nil, nil
	}
	if p.Look != nil {
		p.Look(page)
	}
	next, err := p.submit(ctx, req.URL, form)
	return page, next, err
}

func (p *Person) submit(ctx context.Context, base *url.URL, form *html.Node) (*http.Request, error) {
	action, err := base.Parse(attr(form, "action"))
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(attr(form, "method"), "post") {
		return nil, errors.New("the form is not posted")
	}
	values := url.Values{}
	var first *html.Node
	pressed := false
	for n := range form.Descendants() {
		if n.Data == "button" && first == nil {
			first = n
		}
		name := attr(n, "name")
		switch {
		case name == "":
		case n.Data == "input":
			value := attr(n, "value")
			if typed, ok := p.Type[name]; ok && attr(n, "type") != "hidden" {
				value = typed()
			}
			values.Set(name, value)
		case n.Data == "button" && p.Press[name] == attr(n, "value"):
			values.Set(name, attr(n, "value"))
			pressed = true
		}
	}
	if !pressed && first != nil && attr(first, "name") != "" {
		values.Set(attr(first, "name"), attr(first, "value"))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, action.String(), strings.NewReader(values.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req, nil
}

func find(root *html.Node, match func(*html.Node) bool) *html.Node {
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && match(n) {
			return n
		}
	}
	return nil
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.TrimSpace(b.String())
}
