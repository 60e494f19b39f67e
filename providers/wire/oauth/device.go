package oauth

import (
	"encoding/json"
	"fmt"
	"strconv"

	"hellolab/providers/wire/strict"
)

// DeviceAuthorization is the reply of the device authorization endpoint (RFC
// 8628 3.2). V1 names the page verification_url and writes numbers as strings;
// clients of either version read whichever they know, so both are sent.
type DeviceAuthorization struct {
	UserCode        string  `json:"user_code"`
	DeviceCode      string  `json:"device_code"`
	VerificationURI string  `json:"verification_uri"`
	VerificationURL string  `json:"verification_url"`
	ExpiresIn       Seconds `json:"expires_in"`
	Interval        Seconds `json:"interval"` // seconds between two polls at least
	Message         string  `json:"message"`
}

// Encode writes the reply as the endpoint of that version does.
func (d DeviceAuthorization) Encode(v Version) ([]byte, error) {
	if v != V1 {
		return json.Marshal(d)
	}
	type plain DeviceAuthorization
	return json.Marshal(struct {
		plain
		ExpiresIn string `json:"expires_in"`
		Interval  string `json:"interval"`
	}{plain(d), strconv.FormatInt(int64(d.ExpiresIn), 10), strconv.FormatInt(int64(d.Interval), 10)})
}

// ParseDeviceAuthorization reads a reply of either version.
func ParseDeviceAuthorization(data []byte) (*DeviceAuthorization, error) {
	var d DeviceAuthorization
	if err := strict.Unmarshal(data, &d); err != nil {
		return nil, fmt.Errorf("device authorization: %w", err)
	}
	return &d, nil
}
