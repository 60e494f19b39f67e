package oauth

import (
	"fmt"
	"io"
	"strings"
)

// A user code (RFC 8628 section 6.1) is nine characters, as Entra ID's, none of
// which looks like another.
const (
	userCodeLetters = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
	userCodeSize    = 9
)

// NewUserCode makes the code that a person types for a device elsewhere.
func NewUserCode(random io.Reader) (string, error) {
	b := make([]byte, userCodeSize)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", fmt.Errorf("make user code: %w", err)
	}
	for i := range b {
		b[i] = userCodeLetters[int(b[i])%len(userCodeLetters)] // 32 letters: no bias
	}
	return string(b), nil
}

// ParseUserCode reads a user code as people type it, with hyphens, spaces and
// small letters; "" for what is too long to be one.
func ParseUserCode(typed string) string {
	code := strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(typed))
	if len(code) > userCodeSize {
		return ""
	}
	return code
}
