package sas

import (
	"bytes"
	"fmt"
	"html/template"
	"net/url"
)

// FormPost returns the page that posts values to a client's redirect URI
// (OAuth 2.0 Form Post Response Mode): by its one script, or by the button.
// nonce is that of FormPostPolicy.
func FormPost(redirectURI string, values url.Values, nonce string) ([]byte, error) {
	var b bytes.Buffer
	err := formPost.Execute(&b, struct {
		Action template.URL
		Values url.Values
		Nonce  string
	}{template.URL(redirectURI), values, nonce}) //nolint:gosec // a registered redirect URI, of any scheme
	if err != nil {
		return nil, fmt.Errorf("write form post: %w", err)
	}
	return b.Bytes(), nil
}

// FormPostPolicy is the content security policy of a FormPost page: the one
// script that sends the form runs.
func FormPostPolicy(nonce string) string {
	return "default-src 'none'; script-src 'nonce-" + nonce + "'; base-uri 'none'; frame-ancestors 'none'"
}

var formPost = template.Must(template.New("").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Working…</title></head><body>
<form method="post" action="{{.Action}}">
{{range $name, $v := .Values}}{{range $v}}<input type="hidden" name="{{$name}}" value="{{.}}">
{{end}}{{end}}<noscript><button type="submit">Continue</button></noscript></form>
<script nonce="{{.Nonce}}">document.forms[0].submit();</script>
</body></html>
`))
