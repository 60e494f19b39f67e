// Package eventlog tells what a device did as Windows' Event Viewer would: it
// reads recorded events and returns the entries of Windows' channels. Nothing
// is logged besides: an entry is there because a step of a flow is, and each of
// its fields was said by that step, by one before it in the same run of the
// flow, or by the service that refused.
//
// Numbers, levels and fields are those of Windows' event manifests and of
// Microsoft's "HelloForBusiness events", "User Device Registration events" and
// "Troubleshoot primary refresh token issues"; sentences are ours. The channels
// are those that Microsoft sends people to (seed 003, comments): User Device
// Registration for the registration of devices and of Hello keys
// (registration.go), AAD for the authentication of users (aad.go), and
// HelloForBusiness for the Hello service itself (hello.go).
//
// What leads to which entry of User Device Registration:
//
//	flow  step                            entry
//	DR    discovered                      101  discovery answered
//	DR    join_request                    102  join request made
//	DR    join_reply                      105  join reply taken
//	DR    registered                      306  joined
//	DR    registration_failed …
//	        before discovered             309  service not discovered
//	        at the user's sign-in         305  no token
//	        at the join, and after it     304  join refused or broken off
//	        behind registered             206  the account's token is missing
//	any   prerequisites                   358  Hello is offered
//	                                      360  it is not; 361, 362 with certificates
//	Pn    token_request                   323  token asked for
//	Pn    drs_token                       325  token there
//	Pn    drs_token_missing               324  no token
//	Pn    container_created               108  container made
//	Pn    user_key_bound                  109  user key made
//	Pn    attestation                     386  key attested
//	Pn    key_id_stored                   300  key registered
//	Pn    key_not_registered …
//	        nothing was sent              385  key not attested
//	        the service was asked         301  key refused
//	any   certificate_installed           355  sign-in certificate enrolled
//	any   certificate_not_enrolled        356  not enrolled
//	any   certificate_retry               365  … it will be tried again
//	any   administrative_release          383  PIN recovery opened the container
//	any   pin_reset_refused               384  PIN recovery failed
//
// Windows' own sentences of 304 to 306 speak of automatic registration; here
// every registration has them (reading R22). 346 and 347, a key that a device
// removes from the tenant, have no step: the lab's administrator removes keys.
package eventlog

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
)

// Channel is a log of Windows, under the name that Get-WinEvent takes.
type Channel string

// Channels.
const (
	// UserDeviceRegistration is where a device tells of its registration and of
	// the registration of Hello keys.
	UserDeviceRegistration Channel = "Microsoft-Windows-User Device Registration/Admin"
	// HelloForBusiness is the Hello service's own log.
	HelloForBusiness Channel = "Microsoft-Windows-HelloForBusiness/Operational"
	// AAD and AADAnalytic are the log of the authentication of users: what went
	// wrong, and what went well.
	AAD         Channel = "Microsoft-Windows-AAD/Operational"
	AADAnalytic Channel = "Microsoft-Windows-AAD/Analytic"
)

// Path is where Event Viewer has the channel in its tree.
func (c Channel) Path() string {
	return "Applications and Services Logs/Microsoft/Windows/" + strings.TrimPrefix(string(c), "Microsoft-Windows-")
}

// Level is how grave an entry is, in Windows' word.
type Level string

const (
	Error       Level = "Error"
	Warning     Level = "Warning"
	Information Level = "Information"
)

// Record is one entry of a channel. It holds no secret: its fields are picked
// by name from what events show.
type Record struct {
	At          time.Time `json:"time_created"` // lab time
	Channel     Channel   `json:"channel"`
	Path        string    `json:"path"` // of the channel in Event Viewer
	ID          int       `json:"id"`
	Level       Level     `json:"level"`
	Message     string    `json:"message"` // one sentence
	Data        Data      `json:"data"`
	Device      string    `json:"device"`         // address
	User        string    `json:"user,omitempty"` // address of whose flow it was
	Correlation string    `json:"correlation"`    // the flow's id
}

// Field is one value of an entry.
type Field struct{ Name, Value string }

// Data is the fields of an entry, in the order in which Windows shows them.
type Data []Field

// MarshalJSON writes an object whose members keep that order.
func (d Data) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, f := range d {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(f.Name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(f.Value)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Get returns the value of a field, "" when the entry has none of that name.
func (d Data) Get(name string) string {
	for _, f := range d {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}
