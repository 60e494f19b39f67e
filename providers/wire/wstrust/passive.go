package wstrust

import (
	"html/template"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/html"
)

// Values of wa.
const (
	SignIn      = "wsignin1.0"
	SignOut     = "wsignout1.0"
	SignOutDone = "wsignoutcleanup1.0"
)

// SignInRequest is a passive request, the query of an address that a browser is
// sent to.
type SignInRequest struct {
	Realm    string // wtrealm: the relying party
	Context  string // wctx, given back as it is
	Reply    string // wreply: an address of the relying party's
	Username string
	// Method is wauth: how the user must be authenticated, such as saml.MethodMultiple.
	Method string
	// Fresh is wfresh: how old the authentication may be; negative says any age.
	Fresh time.Duration
}

// URL returns where a browser goes with the request.
func (r *SignInRequest) URL(endpoint string) string {
	q := url.Values{"wa": {SignIn}, "wtrealm": {r.Realm}}
	for name, value := range map[string]string{"wctx": r.Context, "wreply": r.Reply, "username": r.Username, "wauth": r.Method} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if r.Fresh >= 0 {
		q.Set("wfresh", minutes(r.Fresh))
	}
	separator := "?"
	if strings.Contains(endpoint, "?") {
		separator = "&"
	}
	return endpoint + separator + q.Encode()
}

const maxContext = 8 << 10 // bytes of wctx

// ParseSignInRequest reads the query of a passive request. Who may reply where
// is the service's matter.
func ParseSignInRequest(q url.Values) (*SignInRequest, error) {
	for name, values := range q {
		if len(values) != 1 || name != "wctx" && len(values[0]) > maxWord || len(values[0]) > maxContext {
			return nil, malformed("parameter %.40q", name)
		}
	}
	if q.Get("wa") != SignIn || q.Get("wtrealm") == "" {
		return nil, malformed("no sign-in request")
	}
	r := &SignInRequest{Realm: q.Get("wtrealm"), Context: q.Get("wctx"), Reply: q.Get("wreply"), Username: q.Get("username"), Method: q.Get("wauth"), Fresh: -1}
	if fresh := q.Get("wfresh"); fresh != "" {
		var err error
		if r.Fresh, err = parseMinutes(fresh); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// SignInResponse is what a browser posts to the relying party.
type SignInResponse struct {
	Result  []byte // wresult: see Response.Result and ParseResult
	Context string // wctx
}

// Form returns the response as form fields.
func (r *SignInResponse) Form() url.Values {
	return url.Values{"wa": {SignIn}, "wresult": {string(r.Result)}, "wctx": {r.Context}}
}

// ParseSignInResponse reads posted form fields.
func ParseSignInResponse(form url.Values) (*SignInResponse, error) {
	for _, name := range []string{"wa", "wresult"} {
		if len(form[name]) != 1 {
			return nil, malformed("no sign-in response")
		}
	}
	if form.Get("wa") != SignIn || len(form["wctx"]) > 1 || len(form.Get("wctx")) > maxContext || len(form.Get("wresult")) > MaxResult {
		return nil, malformed("no sign-in response")
	}
	return &SignInResponse{Result: []byte(form.Get("wresult")), Context: form.Get("wctx")}, nil
}

var page = template.Must(template.New("").Parse(`<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>Working...</title></head>
<body><form method="POST" name="hiddenform" action="{{.Action}}">
<input type="hidden" name="wa" value="{{.WA}}">
<input type="hidden" name="wresult" value="{{.Result}}">
<input type="hidden" name="wctx" value="{{.Context}}">
<noscript><p>Script is disabled. Click Submit to continue.</p><input type="submit" value="Submit"></noscript>
</form>{{.Script}}</body></html>
`))

// ScriptSource is the content-security-policy source of the page's one script.
const ScriptSource = "'sha256-8lDeP0UDwCO6/RhblgeH/ctdBzjVpJxrXizsnIk3cEQ='"

const script = template.HTML(`<script>document.forms[0].submit();</script>`)

// Page returns the page that posts the response by itself, to that address.
func (r *SignInResponse) Page(action string) []byte {
	var b strings.Builder
	_ = page.Execute(&b, struct { // a Builder takes all
		Action, WA, Result, Context string
		Script                      template.HTML
	}{action, SignIn, string(r.Result), r.Context, script})
	return []byte(b.String())
}

// Form is a form of a page.
type Form struct {
	Action string // as it stands in the page
	Fields url.Values
}

// MaxPage bounds a page that is read, in bytes.
const MaxPage = 512 << 10

// ReadPage returns the first form of a page with its fields: what a client
// without a browser fills in and posts.
func ReadPage(b []byte) (*Form, error) {
	if len(b) > MaxPage {
		return nil, malformed("page of more than %d bytes", MaxPage)
	}
	z := html.NewTokenizer(strings.NewReader(string(b)))
	var form *Form
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			if form == nil {
				return nil, malformed("page without a form")
			}
			return form, nil
		}
		t := z.Token()
		switch {
		case t.Data == "form" && kind == html.StartTagToken && form == nil:
			form = &Form{Action: attribute(t, "action"), Fields: url.Values{}}
		case t.Data == "form" && kind == html.EndTagToken && form != nil:
			return form, nil
		case t.Data == "input" && form != nil && attribute(t, "name") != "":
			form.Fields.Add(attribute(t, "name"), attribute(t, "value"))
		}
	}
}

func attribute(t html.Token, name string) string {
	for _, a := range t.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
