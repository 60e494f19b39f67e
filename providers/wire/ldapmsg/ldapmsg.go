// Package ldapmsg is what a server needs of LDAP version 3: messages (RFC 4511),
// filters (RFC 4515 is their text), distinguished names (RFC 4514 and the
// extended forms of MS-ADTS 3.1.1.3.1.2), the controls that Active Directory
// knows (MS-ADTS 3.1.1.3.4.1) and its way of explaining a refusal.
//
// Contract: ReadFrame cuts one message off a stream and bounds its size before
// memory is taken. Decode walks the whole encoding before it reads anything of
// it, with bounds on nesting and number of elements, and keeps slices of the
// frame, which the caller must not change afterwards. No input makes it panic.
//
// A message is BER with RFC 4511's restrictions (5.1): definite lengths, octet
// strings in one piece. Lengths need not be minimal: Windows writes four octets
// always. What follows the known fields of a sequence is refused, but for
// BindResponse and the like, which only clients read.
package ldapmsg

import "errors"

const (
	// MaxSize bounds a message of a client that is authenticated, in bytes
	// (MS-ADTS 3.1.1.3.4.6, MaxReceiveBuffer).
	MaxSize = 10 << 20
	// MaxSizeAnonymous bounds a message before a bind, in bytes.
	MaxSizeAnonymous = 256 << 10

	maxDepth    = 128     // elements within each other; a filter needs two more than it is deep
	maxElements = 1 << 18 // of one message
	maxControls = 32
)

// ErrMalformed is wrapped by every error of ReadFrame and Decode that means
// "not LDAP": the session ends with a notice of disconnection (RFC 4511 5.3).
var ErrMalformed = errors.New("malformed LDAP message")

// ErrTooLarge is a frame beyond the bound that the reader was given.
var ErrTooLarge = errors.New("LDAP message is too large")
