package adfs

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"net/url"
	"strings"

	"golang.org/x/net/html"

	"hellolab/providers/wire/wstrust"
)

// Fields of the forms of a sign-in. Each page has one form, which its reader
// fills in and posts to where it says; hidden fields go back as they came.
//
//	GET  authorize or ls              → page with FieldAuthMethod MethodForms
//	POST FieldUserName, FieldPassword → page with FieldAuthMethod of the adapter, or the end
//	POST FieldCode                    → the end
//
// The end is a redirect to a client (OAuth 2.0), or a page whose form goes to a
// relying party (WS-Federation). A refusal is the same page again, with a text.
const (
	FieldUserName   = "UserName"
	FieldPassword   = "Password"
	FieldAuthMethod = "AuthMethod"
	FieldCode       = "VerificationCode"
	FieldContext    = "Context"
	FieldUserCode   = "UserCode" // of a device that waits
	FieldAnswer     = "Answer"   // whether to let it sign in: AnswerContinue
)

// Values of FieldAuthMethod.
const (
	MethodForms   = "FormsAuthentication"
	MethodTOTP    = "TotpAuthenticator" // of the built-in adapter; ours
	MethodPartner = "PartnerTotp"       // of another vendor's; ours
	MethodDevice  = "DeviceCode"        // asks for a user code
	MethodConfirm = "DeviceConfirm"     // asks whether the device is the user's
)

// AnswerContinue lets a waiting device sign in; any other answer does not.
const AnswerContinue = "continue"

// Page is one page of a sign-in.
type Page struct {
	Action   string // where its form goes; "": it has none
	Method   string // value of FieldAuthMethod
	Context  string // goes back as it is
	UserName string
	UserCode string
	Service  string // who asks for the sign-in
	Adapter  string // who asks for the second factor
	Error    string // a sentence
	Done     string // nothing is left to do: a sentence
}

// HTML writes the page. nonce is that of the reply's content security policy,
// under which its style may be used (Policy).
func (p Page) HTML(nonce string) ([]byte, error) {
	var b bytes.Buffer
	if err := pages.Execute(&b, struct {
		Page
		Nonce string
	}{p, nonce}); err != nil {
		return nil, fmt.Errorf("write page: %w", err)
	}
	return b.Bytes(), nil
}

// Policy is the content security policy of a page: its own style, and no script.
// A form's answer may lead to a client's redirect URI, so targets of forms are
// bounded by the service, not here.
func Policy(nonce string) string {
	return "default-src 'none'; style-src 'nonce-" + nonce + "'; base-uri 'none'; frame-ancestors 'none'"
}

// ErrPage says that a body is no page of a sign-in.
var ErrPage = errors.New("not a sign-in page")

// ReadPage reads a page and the fields of its form. A page without a form says
// what went wrong, or that nothing is left to do.
func ReadPage(body []byte) (*Page, url.Values, error) {
	if len(body) > wstrust.MaxPage {
		return nil, nil, fmt.Errorf("%w: %d bytes", ErrPage, len(body))
	}
	p := &Page{Service: textOf(body, "serviceText"), Error: textOf(body, "errorText"), Done: textOf(body, "doneText")}
	form, err := wstrust.ReadPage(body)
	if err != nil {
		if p.Error == "" && p.Done == "" {
			return nil, nil, fmt.Errorf("%w: %w", ErrPage, err)
		}
		return p, nil, nil
	}
	p.Action, p.Method, p.Context = form.Action, form.Fields.Get(FieldAuthMethod), form.Fields.Get(FieldContext)
	p.UserName, p.UserCode = form.Fields.Get(FieldUserName), form.Fields.Get(FieldUserCode)
	return p, form.Fields, nil
}

// textOf is the text of the element with an id.
func textOf(body []byte, id string) string {
	z := html.NewTokenizer(bytes.NewReader(body))
	inside, text := "", ""
	for {
		switch kind := z.Next(); kind {
		case html.ErrorToken:
			return strings.TrimSpace(text)
		case html.StartTagToken:
			t := z.Token()
			for _, a := range t.Attr {
				if a.Key == "id" && a.Val == id && inside == "" {
					inside = t.Data
				}
			}
		case html.TextToken:
			if inside != "" {
				text += string(z.Text())
			}
		case html.EndTagToken:
			if name, _ := z.TagName(); inside != "" && string(name) == inside {
				return strings.TrimSpace(html.UnescapeString(text))
			}
		}
	}
}

// pages draws a page.
var pages = template.Must(template.New("").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sign In</title>
<style nonce="{{.Nonce}}">
body { font: 15px/1.4 "Segoe UI", system-ui, sans-serif; background: #e6e6e6; color: #1b1b1b; margin: 0; }
main { max-width: 25rem; margin: 10vh auto; padding: 2.5rem; background: #fff; box-shadow: 0 2px 6px #0003; }
h1 { font-size: 1.5rem; font-weight: 400; margin: 0 0 1rem; }
label { display: block; margin: .75rem 0 .25rem; }
input { box-sizing: border-box; width: 100%; padding: .5rem; border: 1px solid #666; font: inherit; }
button { margin: 1.25rem .5rem 0 0; padding: .5rem 1.5rem; border: 1px solid #2672ec; background: #2672ec; color: #fff; font: inherit; }
button.second { background: #fff; color: #1b1b1b; border-color: #8a8a8a; }
.error { color: #b50e10; }
.service { color: #555; }
</style></head><body><main>
<h1>{{if .Done}}Done{{else if eq .Method "DeviceCode"}}Enter code{{else if eq .Method "DeviceConfirm"}}Are you trying to sign in?{{else if .Adapter}}Verify your identity{{else if .Action}}Sign in{{else}}An error occurred{{end}}</h1>
{{if .Service}}<p class="service" id="serviceText">{{.Service}}</p>
{{end}}{{if .Error}}<p class="error" role="alert" id="errorText">{{.Error}}</p>
{{end}}{{if .Done}}<p id="doneText">{{.Done}}</p>
{{end}}{{if .Action}}<form method="post" action="{{.Action}}">
<input type="hidden" name="AuthMethod" value="{{.Method}}"><input type="hidden" name="Context" value="{{.Context}}">
{{if eq .Method "DeviceCode"}}<label for="userCode">Code that your app or device shows</label>
<input id="userCode" name="UserCode" value="{{.UserCode}}" autocomplete="off" maxlength="16" required autofocus>
<button id="submitButton" type="submit">Next</button>
{{else if eq .Method "DeviceConfirm"}}<p>Signing in as {{.UserName}} on another device. Continue only if you took the code {{.UserCode}} from an app or a device that you trust.</p>
<button id="submitButton" name="Answer" value="continue" type="submit">Continue</button><button class="second" name="Answer" value="cancel" type="submit">Cancel</button>
{{else if .Adapter}}<p>{{.UserName}}</p><p>{{.Adapter}} asks for the code of your authenticator app.</p>
<label for="verificationCode">Code</label>
<input id="verificationCode" name="VerificationCode" inputmode="numeric" autocomplete="one-time-code" maxlength="6" required autofocus>
<button id="continueButton" type="submit">Verify</button>
{{else}}<label for="userNameInput">User name</label>
<input id="userNameInput" name="UserName" type="text" value="{{.UserName}}" autocomplete="username" required{{if not .UserName}} autofocus{{end}}>
<label for="passwordInput">Password</label>
<input id="passwordInput" name="Password" type="password" autocomplete="current-password" required{{if .UserName}} autofocus{{end}}>
<button id="submitButton" type="submit">Sign in</button>
{{end}}</form>
{{end}}</main></body></html>
`))
