package hello

import (
	"slices"
	"strings"
)

// Factors is a list of unlock factors, as policy has them in force: names
// separated by commas.
type Factors string

// Names of unlock factors.
const (
	FactorPIN         = "pin"
	FactorFingerprint = "fingerprint"
	FactorFace        = "face"
	FactorSignal      = "trusted_signal"
)

// What the groups hold when a policy turns multi-factor unlock on and does not
// say ("Multi-factor unlock").
const (
	FirstFactors  Factors = FactorPIN + "," + FactorFingerprint + "," + FactorFace
	SecondFactors Factors = FactorSignal + "," + FactorPIN
)

// factorIDs are the credential providers of Windows ("Multi-factor unlock").
var factorIDs = map[string]string{
	"{D6886603-9D2F-4EB2-B667-1971041FA96B}": FactorPIN,
	"{BEC09223-B018-416D-A0AC-523971B639F5}": FactorFingerprint,
	"{8AF662BF-65A0-4D0A-A540-A338A999D36F}": FactorFace,
	"{27FBDB57-B613-4AF2-9D7E-4FA7A66C21AD}": FactorSignal,
}

// factorNamed understands a factor's name or GUID; ok is false for another
// vendor's provider, and for a word that is none.
func factorNamed(text string) (name string, ok bool) {
	if name, ok := factorIDs["{"+strings.ToUpper(strings.Trim(text, "{}"))+"}"]; ok {
		return name, true
	}
	name = strings.ToLower(text)
	return name, slices.Contains([]string{FactorPIN, FactorFingerprint, FactorFace, FactorSignal}, name)
}

// factors is a group of a policy: without words, the fallback. A word that is no
// factor stays what it is; nobody can present it.
func factors(words []string, fallback Factors) *Factors {
	if len(words) == 0 {
		return &fallback
	}
	names := make([]string, len(words))
	for i, w := range words {
		names[i], _ = factorNamed(w)
	}
	f := Factors(strings.Join(names, ","))
	return &f
}

// Names returns the factors.
func (f Factors) Names() []string {
	if f == "" {
		return nil
	}
	return strings.Split(string(f), ",")
}

// Has reports whether a factor is among them.
func (f Factors) Has(name string) bool { return slices.Contains(f.Names(), name) }

// MultiFactorUnlock reports whether one factor does not do.
func (f InForce) MultiFactorUnlock() bool { return f.UnlockGroupA.Value != "" }

// Unlocks tells whether the factors that were presented unlock a device: one of
// each group, and no factor for both ("Multi-factor unlock").
func (f InForce) Unlocks(presented ...string) bool {
	if !f.MultiFactorUnlock() {
		return len(presented) > 0
	}
	for _, first := range presented {
		for _, second := range presented {
			if first != second && f.UnlockGroupA.Value.Has(first) && f.UnlockGroupB.Value.Has(second) {
				return true
			}
		}
	}
	return false
}
