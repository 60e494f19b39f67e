package hello

import (
	"slices"
	"strings"
)

// InScope reports whether an account is below one of the containers that a sync
// is confined to (spec.Sync.Scope). One that has no distinguished name yet counts
// as in scope.
func InScope(scope []string, dn string) bool {
	if len(scope) == 0 || dn == "" {
		return true
	}
	return slices.ContainsFunc(scope, func(c string) bool {
		return strings.HasSuffix(strings.ToLower(dn), ","+strings.ToLower(c))
	})
}

// RiskLevels are a user's risk as Identity Protection calls it, lowest first.
func RiskLevels() []string { return []string{"none", "low", "medium", "high"} }

// RiskAbove reports whether a risk is higher than another.
func RiskAbove(risk, most string) bool {
	levels := RiskLevels()
	return slices.Index(levels, risk) > slices.Index(levels, most)
}
