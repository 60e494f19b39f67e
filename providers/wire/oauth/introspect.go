package oauth

import (
	"fmt"

	"hellolab/providers/wire/strict"
)

// Introspection answers whether an access token still stands: the JSON of RFC
// 7662 2.2. The cloud tells its resources of revocations by events instead
// (continuous access evaluation), over a channel that is not public. Whoever
// asks holds the token, so the reply says why one does not stand.
type Introspection struct {
	Active   bool    `json:"active"`
	ClientID string  `json:"client_id,omitempty"`
	Subject  string  `json:"sub,omitempty"`
	Expires  Seconds `json:"exp,omitempty"`

	// Of a token that does not stand.
	Code     Code   `json:"code,omitempty"` // AADSTS number
	Sentence string `json:"reason,omitempty"`
}

// ParseIntrospection reads the reply.
func ParseIntrospection(data []byte) (*Introspection, error) {
	var r Introspection
	if err := strict.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("introspection: %w", err)
	}
	return &r, nil
}
