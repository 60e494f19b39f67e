package gss

import (
	"encoding/base64"
	"strings"
)

// HTTP authentication with tokens (RFC 4559): the server's WWW-Authenticate and
// the client's Authorization are both "Negotiate" and a token in base64.
const negotiate = "Negotiate"

// Header makes the value of either header. Without a token it is a server's
// demand.
func Header(token []byte) string {
	if len(token) == 0 {
		return negotiate
	}
	return negotiate + " " + base64.StdEncoding.EncodeToString(token)
}

// FromHeader finds the token in values of either header. It returns false if
// none is of this scheme, a nil token for one without a token, and ErrDefective
// for one that is malformed or too long.
func FromHeader(values []string) (token []byte, ok bool, err error) {
	for _, v := range values {
		scheme, rest, _ := strings.Cut(strings.TrimSpace(v), " ")
		if !strings.EqualFold(scheme, negotiate) {
			continue
		}
		rest = strings.TrimSpace(rest)
		if len(rest) > base64.StdEncoding.EncodedLen(maxToken) {
			return nil, true, ErrDefective
		}
		if rest == "" {
			return nil, true, nil
		}
		token, err = base64.StdEncoding.Strict().DecodeString(rest)
		if err != nil {
			return nil, true, ErrDefective
		}
		return token, true, nil
	}
	return nil, false, nil
}
