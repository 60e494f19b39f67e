package keycred

import (
	"fmt"
	"strings"
)

const customVersion = 1

// Custom is CUSTOM_KEY_INFORMATION (MS-ADTS 2.2.22). Writers stop after any
// byte: values of 2, 4, 5, 6 and 15 bytes are real.
//
//	offset  size  field
//	0       1     Version, 1
//	1       1     Flags
//	2       1     VolType
//	3       1     SupportsNotification
//	4       1     FekKeyVersion
//	5       1     KeyStrength
//	6       10    Reserved
//	16            EncodedExtendedCKI, CBOR
type Custom []byte

// Flags of a key.
const (
	FlagAttestation = 0x01 // the key was attested when it was registered
	FlagMFANotUsed  = 0x02 // it was registered without multi-factor authentication
)

// at is a byte that may not be there.
func (c Custom) at(offset int) (value byte, ok bool) {
	if offset >= len(c) {
		return 0, false
	}
	return c[offset], true
}

// Flags returns the flags, if there are any.
func (c Custom) Flags() (flags byte, ok bool) { return c.at(1) }

// VolType returns the type of the volume that a recovery key is of.
func (c Custom) VolType() (t byte, ok bool) { return c.at(2) }

// SupportsNotification returns whether the key's device can be notified.
func (c Custom) SupportsNotification() (yes, ok bool) {
	v, ok := c.at(3)
	return v != 0, ok
}

// FekKeyVersion returns the version of a file encryption key.
func (c Custom) FekKeyVersion() (v byte, ok bool) { return c.at(4) }

// Strength is what the registering side thought of a key.
type Strength uint8

// Strengths.
const (
	StrengthUnknown Strength = 0
	StrengthWeak    Strength = 1
	StrengthNormal  Strength = 2
)

func (s Strength) String() string {
	switch s {
	case StrengthUnknown:
		return "unknown"
	case StrengthWeak:
		return "weak"
	case StrengthNormal:
		return "normal"
	}
	return fmt.Sprintf("strength %d", uint8(s))
}

// Strength returns the strength, if one is given.
func (c Custom) Strength() (s Strength, ok bool) {
	v, ok := c.at(5)
	return Strength(v), ok
}

// Extended returns the CBOR after the reserved bytes, unread.
func (c Custom) Extended() []byte {
	if len(c) <= 16 {
		return nil
	}
	return c[16:]
}

// MFA says whether the key was registered with multi-factor authentication.
// Where nothing is said of it, it was not.
func (k *Key) MFA() bool {
	f, ok := k.Custom.Flags()
	return ok && f&FlagMFANotUsed == 0
}

// Attested says whether the key was attested when it was registered.
func (k *Key) Attested() bool {
	f, _ := k.Custom.Flags()
	return f&FlagAttestation != 0
}

// FlagNames spells out flags.
func FlagNames(flags byte) string {
	var names []string
	if flags&FlagAttestation != 0 {
		names = append(names, "attestation")
	}
	if flags&FlagMFANotUsed != 0 {
		names = append(names, "MFA not used")
	}
	if other := flags &^ (FlagAttestation | FlagMFANotUsed); other != 0 {
		names = append(names, fmt.Sprintf("0x%02x", other))
	}
	return strings.Join(names, ", ")
}
