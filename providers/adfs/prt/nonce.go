package prt

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"hellolab/providers/event"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/web"
)

// A nonce is stateless until it is used: the service's MAC over its birth says
// that the service made it and when. Used ones are remembered until they would
// have expired.
//
//	offset  size  field
//	0       1     version, 1
//	1       8     birth, Unix milliseconds, big-endian
//	9       16    random
//	25      16    HMAC-SHA256 over the above, cut
const (
	nonceVersion = 1
	nonceBody    = 25
	nonceSize    = 41

	purposeNonce = "nonce"
)

func (s *Service) newNonce() (string, error) {
	b := make([]byte, nonceBody, nonceSize)
	b[0] = nonceVersion
	binary.BigEndian.PutUint64(b[1:], uint64(s.Now().UnixMilli()))
	if _, err := io.ReadFull(s.Rand, b[9:]); err != nil {
		return "", fmt.Errorf("make nonce: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(append(b, s.nonceMAC(b)...)), nil
}

func (s *Service) nonceMAC(body []byte) []byte {
	mac := hmac.New(sha256.New, s.Seal.Key(purposeNonce))
	mac.Write(body)
	return mac.Sum(nil)[:nonceSize-nonceBody]
}

// ServeNonce answers grant type srv_challenge (MS-OAPXBC 3.2.5.1.1).
func (s *Service) ServeNonce(w http.ResponseWriter, r *http.Request) error {
	n, err := s.newNonce()
	if err != nil {
		return err
	}
	s.step(r.Context(), event.CloudAP, https, "nonce_issued", "AD FS returns a nonce.", map[string]any{"good_for": s.NonceLife.String()})
	w.Header().Set("Pragma", "no-cache")
	web.WriteJSON(w, http.StatusOK, oauth.NonceResponse{Nonce: n})
	return nil
}

// takeNonce verifies a nonce and uses it up: of any number of requests with one,
// one succeeds.
func (s *Service) takeNonce(ctx context.Context, text string) error {
	const hint = "Ask for a nonce, and use it at once."
	if text == "" {
		return invalidGrant("The request carries no nonce.").WithHint(hint)
	}
	// A line end, which the decoder passes over, would make two texts of one nonce.
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") || len(b) != nonceSize || b[0] != nonceVersion || !hmac.Equal(b[nonceBody:], s.nonceMAC(b[:nonceBody])) {
		return invalidGrant("The nonce was not issued by this service.").WithHint(hint)
	}
	born, now := time.UnixMilli(int64(binary.BigEndian.Uint64(b[1:]))), s.Now()
	expiry := born.Add(s.NonceLife)
	if now.After(expiry) || born.After(now.Add(maxSkew)) {
		return invalidGrant("The nonce has expired; it is good for %s.", s.NonceLife).WithHint(hint)
	}
	first, err := s.Once(ctx, "nonce", text, expiry)
	if err == nil && !first {
		err = invalidGrant("The nonce was used before.").WithHint(hint)
	}
	return err
}
