package directory

import (
	"encoding/base64"

	"hellolab/providers/wire/keycred"
)

// describeKey is a key credential as the journal shows it: nothing of it is
// private.
func describeKey(blob []byte) map[string]any {
	k, err := keycred.Parse(blob)
	if err != nil {
		return map[string]any{"bytes": len(blob), "malformed": err.Error()}
	}
	m := map[string]any{"key_id": base64.StdEncoding.EncodeToString(k.ID), "usage": k.Usage.String(), "source": k.Source.String()}
	if k.Device != nil {
		m["device_id"] = k.Device.String()
	}
	return m
}
