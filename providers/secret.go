package providers

import "log/slog"

const redacted = "(sensitive)"

// Secret is a write-only value: a PIN, a password. It prints as nothing, in
// every format, so that a forgotten one cannot leak.
type Secret []byte

func (Secret) String() string               { return redacted }
func (Secret) GoString() string             { return redacted }
func (Secret) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Wipe overwrites the secret.
func (s Secret) Wipe() { clear(s) }
