package sas

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"

	"hellolab/providers/wire/strict"
)

// Page ids, values of Config.PageID.
const (
	PageSignIn  = "ConvergedSignIn"
	PageTFA     = "ConvergedTFA"
	PageError   = "ConvergedError"
	PageCode    = "ConvergedRemoteConnect" // asks for the user code of a device
	PageConfirm = "CmsiInterrupt"          // "are you trying to sign in to …?"
	PageDone    = "RemoteConnectDone"      // our name: nothing is left to do at the page
)

// Config is what the page tells its script. A person sees the same by the
// page's form, which needs no script.
type Config struct {
	PageID          string  `json:"pgid"`
	SessionID       string  `json:"sessionId"`
	CorrelationID   string  `json:"correlationId,omitempty"`
	FlowToken       string  `json:"sFT"`
	Ctx             string  `json:"sCtx"`
	Canary          string  `json:"canary"`
	APICanary       string  `json:"apiCanary,omitempty"`
	Username        string  `json:"sPOST_Username,omitempty"`
	AppName         string  `json:"sAppName,omitempty"` // who asks for the sign-in
	UserCode        string  `json:"sUserCode,omitempty"`
	URLPost         string  `json:"urlPost"`
	URLBeginAuth    string  `json:"urlBeginAuth,omitempty"`
	URLEndAuth      string  `json:"urlEndAuth,omitempty"`
	UserProofs      []Proof `json:"arrUserProofs,omitempty"`
	Number          int     `json:"iEntropy,omitempty"` // to type on the authenticator app; 0 before a notification is sent
	MaxPollAttempts int     `json:"iMaxPollAttempts,omitempty"`
	PollingInterval int     `json:"iPollingInterval,omitempty"` // milliseconds
	ErrorCode       string  `json:"sErrorCode,omitempty"`       // "50126"
	ErrorText       string  `json:"strServiceExceptionMessage,omitempty"`
}

// Proof is a second factor that the user has registered.
type Proof struct {
	AuthMethodID string `json:"authMethodId"`
	Data         string `json:"data"`
	Display      string `json:"display"`
	IsDefault    bool   `json:"isDefault"`
}

const (
	pageBegin = "$Config="
	pageEnd   = ";\n//]]></script>"
	maxPage   = 256 << 10
)

// ErrPage says that a body is not a sign-in page.
var ErrPage = errors.New("not a sign-in page")

// Page returns the HTML. nonce is that of the reply's content security policy,
// under which its style may be used (Policy).
func (c Config) Page(nonce string) ([]byte, error) {
	// The JSON encoder escapes <, > and &, so no value can end the script.
	data, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode sign-in page: %w", err)
	}
	var b bytes.Buffer
	err = pages.ExecuteTemplate(&b, "page", struct {
		Config
		Nonce string
	}{c, nonce})
	if err != nil {
		return nil, fmt.Errorf("write sign-in page: %w", err)
	}
	b.WriteString("<script type=\"text/javascript\">//<![CDATA[\n" + pageBegin)
	b.Write(data)
	b.WriteString(pageEnd + "\n</body></html>\n")
	return b.Bytes(), nil
}

// Policy is the content security policy of a page with that nonce: its own
// style and nothing else; the script is data for clients that read it, and never
// runs. A form's answer may lead to the redirect URI of the client, so targets
// of forms are not bounded here; the server bounds redirect URIs.
func Policy(nonce string) string {
	return "default-src 'none'; style-src 'nonce-" + nonce + "'; base-uri 'none'; frame-ancestors 'none'"
}

// ParsePage reads the configuration off a page.
func ParsePage(page []byte) (*Config, error) {
	if len(page) > maxPage {
		return nil, fmt.Errorf("%w: %d bytes", ErrPage, len(page))
	}
	_, rest, ok := bytes.Cut(page, []byte(pageBegin))
	if !ok {
		return nil, fmt.Errorf("%w: it has no $Config", ErrPage)
	}
	data, _, ok := bytes.Cut(rest, []byte(pageEnd))
	if !ok {
		return nil, fmt.Errorf("%w: $Config does not end", ErrPage)
	}
	var c Config
	if err := strict.Unmarshal(data, &c); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPage, err)
	}
	return &c, nil
}

// pages draws what a person sees of each page.
var pages = template.Must(template.New("").Parse(`
{{- define "page" -}}
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sign in to your account</title>
<style nonce="{{.Nonce}}">
body { font: 15px/1.4 "Segoe UI", system-ui, sans-serif; background: #f2f2f2; color: #1b1b1b; margin: 0; }
main { max-width: 25rem; margin: 10vh auto; padding: 2.5rem; background: #fff; box-shadow: 0 2px 6px #0003; }
h1 { font-size: 1.5rem; font-weight: 600; margin: 0 0 1rem; }
label { display: block; margin: .75rem 0 .25rem; }
input { box-sizing: border-box; width: 100%; padding: .5rem; border: 1px solid #666; font: inherit; }
button { margin: 1.25rem .5rem 0 0; padding: .5rem 1.5rem; border: 1px solid #0067b8; background: #0067b8; color: #fff; font: inherit; }
button.second { background: #fff; color: #1b1b1b; border-color: #8a8a8a; }
.error { color: #b50e10; }
.number { font-size: 2.5rem; text-align: center; margin: .5rem 0; }
.app { color: #555; }
</style></head><body><main>
{{- if eq .PageID "ConvergedSignIn"}}{{template "signin" .}}
{{- else if eq .PageID "ConvergedTFA"}}{{template "tfa" .}}
{{- else if eq .PageID "ConvergedRemoteConnect"}}{{template "code" .}}
{{- else if eq .PageID "CmsiInterrupt"}}{{template "confirm" .}}
{{- else if eq .PageID "RemoteConnectDone"}}{{template "done" .}}
{{- else}}{{template "error" .}}{{end}}
</main>
{{end}}

{{- define "refusal"}}{{if .ErrorText}}<p class="error" role="alert" id="error">{{.ErrorText}} (AADSTS{{.ErrorCode}})</p>
{{end}}{{end}}

{{- define "signin"}}
<h1>Sign in</h1>
{{if .AppName}}<p class="app">to {{.AppName}}</p>
{{end}}{{template "refusal" .}}<form method="post" action="{{.URLPost}}" autocomplete="on">
<label for="login">User name</label>
<input id="login" name="login" type="email" value="{{.Username}}" autocomplete="username" required{{if not .Username}} autofocus{{end}}>
<label for="passwd">Password</label>
<input id="passwd" name="passwd" type="password" autocomplete="current-password" required{{if .Username}} autofocus{{end}}>
<input type="hidden" name="ctx" value="{{.Ctx}}"><input type="hidden" name="flowToken" value="{{.FlowToken}}"><input type="hidden" name="canary" value="{{.Canary}}"><input type="hidden" name="type" value="11">
<button id="submit" type="submit">Sign in</button>
</form>
{{end}}

{{- define "tfa"}}
<h1>Verify your identity</h1>
<p>{{.Username}}</p>
{{template "refusal" .}}<form method="post" action="{{.URLPost}}">
{{template "process" .}}
{{- if .Number}}<p>Open your authenticator app and type the number that you see here.</p>
<p class="number" id="number">{{.Number}}</p>
<button id="approved" name="mfaAuthMethod" value="PhoneAppNotification" type="submit">I have approved the request</button>
{{else}}<label for="otc">Enter the code that your authenticator app shows</label>
<input id="otc" name="otc" inputmode="numeric" autocomplete="one-time-code" maxlength="6" autofocus>
<button id="submit" name="mfaAuthMethod" value="PhoneAppOTP" type="submit">Verify</button>
{{range .UserProofs}}{{if eq .AuthMethodID "PhoneAppNotification"}}<button class="second" id="notify" name="mfaAuthMethod" value="{{.AuthMethodID}}" type="submit">{{.Display}}</button>
{{end}}{{end}}{{end}}</form>
{{end}}

{{- define "process"}}<input type="hidden" name="request" value="{{.Ctx}}"><input type="hidden" name="flowToken" value="{{.FlowToken}}"><input type="hidden" name="canary" value="{{.Canary}}"><input type="hidden" name="login" value="{{.Username}}"><input type="hidden" name="type" value="19">
{{end}}

{{- define "code"}}
<h1>Enter code</h1>
<p>Enter the code that your app or device shows.</p>
{{template "refusal" .}}<form method="post" action="{{.URLPost}}">
<label for="otc">Code</label>
<input id="otc" name="otc" value="{{.UserCode}}" autocomplete="off" maxlength="16" required autofocus>
<button id="submit" type="submit">Next</button>
</form>
{{end}}

{{- define "confirm"}}
<h1>Are you trying to sign in to {{.AppName}}?</h1>
<p>Signing in as {{.Username}} on another device. Continue only if you took the code {{.UserCode}} from an app or a device that you trust.</p>
<form method="post" action="{{.URLPost}}">
<input type="hidden" name="ctx" value="{{.Ctx}}"><input type="hidden" name="flowToken" value="{{.FlowToken}}"><input type="hidden" name="canary" value="{{.Canary}}">
<button id="submit" name="answer" value="continue" type="submit">Continue</button><button class="second" id="cancel" name="answer" value="cancel" type="submit">Cancel</button>
</form>
{{end}}

{{- define "done"}}
<h1 id="done">{{if .ErrorText}}You have not signed in{{else}}You have signed in{{end}}</h1>
<p>{{if .ErrorText}}{{.ErrorText}}{{else if .AppName}}You have signed in to {{.AppName}} on your device.{{else}}Nothing is left to do here.{{end}} You may close this window.</p>
{{end}}

{{- define "error"}}
<h1>Sorry, we cannot sign you in</h1>
{{template "refusal" .}}<p class="app">Correlation id: {{.CorrelationID}}</p>
{{end}}
`))
